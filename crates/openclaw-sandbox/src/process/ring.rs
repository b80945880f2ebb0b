//! The newest output of a program, with offsets that never move.

use std::collections::VecDeque;

/// Keeps the last bytes of a stream and remembers how many there were.
#[derive(Debug)]
pub(super) struct Ring {
    kept: VecDeque<u8>,
    bytes_max: usize,
    /// Bytes written so far; the offset after the newest kept byte.
    written: u64,
}

/// A stretch of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) text: String,
    pub(super) offset: u64,
    pub(super) is_truncated: bool,
}

impl Ring {
    /// Makes an empty one.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { kept: VecDeque::new(), bytes_max, written: 0 }
    }

    /// Adds output; the oldest goes when it does not fit.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.written += bytes.len() as u64;
        let bytes = &bytes[bytes.len().saturating_sub(self.bytes_max)..];
        let surplus = (self.kept.len() + bytes.len()).saturating_sub(self.bytes_max);
        self.kept.drain(..surplus);
        self.kept.extend(bytes);
    }

    /// Returns what is kept from `offset` on. A character that has not arrived in
    /// full is left for the next time unless the stream is over.
    pub(super) fn since(&self, offset: u64, is_over: bool) -> Stretch {
        let oldest = self.written - self.kept.len() as u64;
        let start = offset.clamp(oldest, self.written);
        // Both differences are at most the number of kept bytes.
        let skipped = usize::try_from(start - oldest).unwrap_or(0);
        let mut bytes: Vec<u8> = self.kept.range(skipped..).copied().collect();
        if start > offset {
            let rest = bytes.iter().take(3).take_while(|byte| **byte & 0b1100_0000 == 0b1000_0000).count();
            bytes.drain(..rest);
        }
        if !is_over {
            bytes.truncate(bytes.len() - unfinished(&bytes));
        }
        let held = if is_over { 0 } else { self.held_back(skipped) };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Stretch { text, offset: self.written - held, is_truncated: start > offset }
    }

    fn held_back(&self, skipped: usize) -> u64 {
        let tail: Vec<u8> = self.kept.range(skipped.max(self.kept.len().saturating_sub(4))..).copied().collect();
        unfinished(&tail) as u64
    }
}

/// Returns how many bytes at the end begin a character that is not complete.
fn unfinished(bytes: &[u8]) -> usize {
    for length in 1..=bytes.len().min(3) {
        let byte = bytes[bytes.len() - length];
        let needed = match byte {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => return 0,
        };
        return if needed > length { length } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stretch(text: &str, offset: u64, is_truncated: bool) -> Stretch {
        Stretch { text: text.to_owned(), offset, is_truncated }
    }

    #[test]
    fn the_newest_output_is_kept_under_its_own_offset() {
        let mut ring = Ring::new(4);
        ring.push(b"abcd");
        assert_eq!(ring.since(0, false), stretch("abcd", 4, false));
        ring.push(b"e");
        assert_eq!(ring.since(0, false), stretch("bcde", 5, true));
        assert_eq!(ring.since(1, false), stretch("bcde", 5, false));
        assert_eq!(ring.since(5, false), stretch("", 5, false));
        assert_eq!(ring.since(99, false), stretch("", 5, false));
        ring.push(b"0123456789");
        assert_eq!(ring.since(5, false), stretch("6789", 15, true));
    }

    #[test]
    fn a_character_is_never_shown_in_halves() {
        let mut ring = Ring::new(100);
        ring.push(b"a\xe2\x82");
        assert_eq!(ring.since(0, false), stretch("a", 1, false));
        assert_eq!(ring.since(0, true), stretch("a\u{fffd}", 3, false));
        ring.push(b"\xac");
        assert_eq!(ring.since(1, false), stretch("\u{20ac}", 4, false));
    }

    #[test]
    fn bytes_that_never_become_a_character_are_replaced() {
        let mut ring = Ring::new(100);
        ring.push(b"\xff\x80b");
        assert_eq!(ring.since(0, false), stretch("\u{fffd}\u{fffd}b", 3, false));
        let mut ring = Ring::new(2);
        ring.push("x\u{20ac}".as_bytes());
        assert_eq!(ring.since(0, false), stretch("", 4, true));
    }

    proptest! {
        #[test]
        fn reading_piece_by_piece_gives_the_whole(text in "\\PC{0,60}", cuts in prop::collection::vec(0_usize..8, 0..40)) {
            let mut ring = Ring::new(4096);
            let (mut rest, mut offset, mut read) = (text.as_bytes(), 0, String::new());
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                ring.push(now);
                rest = later;
                let got = ring.since(offset, false);
                offset = got.offset;
                read.push_str(&got.text);
            }
            ring.push(rest);
            read.push_str(&ring.since(offset, true).text);
            prop_assert_eq!(read, text);
        }
    }
}
