//! Which unsynced bytes are found after the power went.

use fastrand::Rng;

/// The most that a disk promises to write whole.
const SECTOR_BYTES: u64 = 512;

/// What fills a hole in a file whose length was written before its content:
/// what stood on the disk there before.
const JUNK: u8 = 0xDB;

/// A change of a file's content that no sync has confirmed.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Truncate(u64),
}

/// How much of the unsynced content reached the disk.
#[derive(Debug, Clone, Copy)]
enum Luck {
    Nothing,
    Everything,
    /// Changes in order, the last one torn.
    Torn,
    /// Each sector for itself, with this chance in percent: reordering and dropping.
    Scattered(u8),
}

impl Luck {
    fn draw(rng: &mut Rng) -> Self {
        match rng.u8(0..8) {
            0 => Luck::Nothing,
            1 => Luck::Everything,
            2..=4 => Luck::Torn,
            _ => Luck::Scattered(rng.choice([10, 50, 90]).unwrap_or(50)),
        }
    }
}

/// Makes a change that the disk has confirmed.
pub(crate) fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, bytes } => put(content, *offset, bytes, 0),
        Change::Truncate(length) => content.truncate(index(*length)),
    }
}

/// Returns a file as it is found when the power is back.
pub(crate) fn found(rng: &mut Rng, mut content: Vec<u8>, pending: &[Change]) -> Vec<u8> {
    let luck = Luck::draw(rng);
    let filler = if rng.bool() { JUNK } else { 0 };
    let whole = match luck {
        Luck::Nothing => return content,
        Luck::Everything => pending.len(),
        Luck::Torn => rng.usize(0..=pending.len()),
        Luck::Scattered(_) => 0,
    };
    let (before, after) = pending.split_at(whole);
    before.iter().for_each(|change| apply(&mut content, change));
    match luck {
        Luck::Torn => {
            if let Some(Change::Write { offset, bytes }) = after.first() {
                let sectors = sectors(*offset, bytes);
                let kept = rng.usize(0..=sectors.len());
                sectors.iter().take(kept).for_each(|(at, piece)| put(&mut content, *at, piece, filler));
            }
        }
        Luck::Scattered(percent) => after.iter().for_each(|change| match change {
            Change::Write { offset, bytes } => {
                for (at, piece) in sectors(*offset, bytes) {
                    if rng.u8(0..100) < percent {
                        put(&mut content, at, piece, filler);
                    }
                }
            }
            Change::Truncate(length) => {
                if rng.u8(0..100) < percent {
                    content.truncate(index(*length));
                }
            }
        }),
        Luck::Nothing | Luck::Everything => {}
    }
    content
}

/// Cuts a write where sectors end.
fn sectors(offset: u64, bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut pieces = Vec::new();
    let (mut at, mut rest) = (offset, bytes);
    while !rest.is_empty() {
        let room = index(SECTOR_BYTES - at % SECTOR_BYTES).min(rest.len());
        let (piece, after) = rest.split_at(room);
        pieces.push((at, piece));
        at += room as u64;
        rest = after;
    }
    pieces
}

fn put(content: &mut Vec<u8>, offset: u64, bytes: &[u8], filler: u8) {
    let start = index(offset);
    let end = start + bytes.len();
    if content.len() < end {
        content.resize(end, filler);
    }
    if let Some(place) = content.get_mut(start..end) {
        place.copy_from_slice(bytes);
    }
}

/// Test databases fit into memory, and so do their offsets into an index.
fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(offset: u64, byte: u8, length: usize) -> Change {
        Change::Write { offset, bytes: vec![byte; length] }
    }

    #[test]
    fn a_write_is_cut_at_absolute_sectors() {
        let bytes = [1; 1200];
        let cuts: Vec<(u64, usize)> = sectors(500, &bytes).iter().map(|(at, piece)| (*at, piece.len())).collect();
        assert_eq!(cuts, [(500, 12), (512, 512), (1024, 512), (1536, 164)]);
    }

    #[test]
    fn what_was_synced_is_never_lost_unless_it_was_overwritten() {
        for seed in 0..500 {
            let mut rng = Rng::with_seed(seed);
            let content = found(&mut rng, vec![1; 4096], &[write(2048, 2, 4096), write(8192, 3, 10)]);
            assert!(content[..2048].iter().all(|byte| *byte == 1), "seed {seed}");
            assert!(content[2048..4096].iter().all(|byte| [1, 2].contains(byte)), "seed {seed}");
        }
    }

    #[test]
    fn every_kind_of_luck_is_drawn() {
        let pending = [write(0, 2, 1024), write(1024, 3, 1024), write(2048, 4, 1024)];
        let mut results = std::collections::BTreeSet::new();
        for seed in 0..500 {
            results.insert(found(&mut Rng::with_seed(seed), vec![0; 3072], &pending));
        }
        let last_without_first = |content: &Vec<u8>| content[0] == 0 && content[2048] == 4;
        let half = |content: &Vec<u8>| content[1024] == 3 && content[1536] == 0;
        assert!(results.contains(&vec![0; 3072]), "nothing");
        assert!(results.iter().any(|content| !content.contains(&0)), "everything");
        assert!(results.iter().any(half), "torn");
        assert!(results.iter().any(last_without_first), "reordered");
    }
}
