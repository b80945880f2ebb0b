//! Conformance of the journal port: files of instances.
#![expect(clippy::unwrap_used, reason = "a conformance suite fails by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use openclaw_domain::ids::{Epoch, Seq, Timestamp};
use openclaw_domain::ports::{Journal, JournalError as Error, Sessions};
use openclaw_domain::scratch::{Captured, KeptFile, KeptScratch, LeftOut, Reason};

use super::journal::{admission, ending, key, own_instance, run_id};

/// Checks every rule of kept files; `make` returns a fresh, empty store.
pub async fn kept_scratch<S, F>(make: &F)
where
    S: Journal + Sessions + 'static,
    F: Fn() -> Arc<S>,
{
    files_come_back_as_they_were_at_a_position(&*make()).await;
    the_same_position_is_kept_once(&*make()).await;
    only_the_owner_of_an_open_run_keeps_files(&*make()).await;
}

/// Returns files as they were at a position.
pub fn kept(seq: u64, files: &[(&str, &str)]) -> KeptScratch {
    let file = |(path, text): &(&str, &str)| {
        KeptFile::new(path, path.ends_with(".sh"), Bytes::copy_from_slice(text.as_bytes())).unwrap()
    };
    let captured = Captured { files: files.iter().map(file).collect(), ..Captured::default() };
    KeptScratch { seq: Seq(seq), at: Timestamp(7), captured }
}

async fn files_come_back_as_they_were_at_a_position(store: &impl Journal) {
    let key = key("files");
    store.admit(own_instance(&key, "r1", "hi")).await.unwrap();
    let read = async |through: u64| store.scratch(&key, &run_id("r1"), Seq(through)).await.unwrap();
    assert_eq!(read(9).await, None);
    let long = "long ".repeat(4000);
    let first = kept(1, &[("a.txt", &long), ("b/run.sh", "x")]);
    let mut left_out = LeftOut::default();
    left_out.add("c.iso", Reason::TooLarge);
    let second = kept(2, &[("a.txt", "short"), ("empty", "")]);
    let captured = Captured { left_out, is_moving: true, ..second.captured };
    let second = KeptScratch { captured, ..second };
    for kept in [&first, &second] {
        store.keep_scratch(&key, &run_id("r1"), Epoch(1), kept.clone()).await.unwrap();
    }
    assert_eq!(
        [read(0).await, read(1).await, read(2).await, read(9).await],
        [None, Some(first), Some(second.clone()), Some(second)]
    );
}

async fn the_same_position_is_kept_once(store: &impl Journal) {
    let key = key("twice");
    store.admit(own_instance(&key, "r1", "hi")).await.unwrap();
    for text in ["one", "two"] {
        store.keep_scratch(&key, &run_id("r1"), Epoch(1), kept(2, &[("a", text)])).await.unwrap();
    }
    assert_eq!(store.scratch(&key, &run_id("r1"), Seq(2)).await.unwrap(), Some(kept(2, &[("a", "two")])));
}

async fn only_the_owner_of_an_open_run_keeps_files(store: &impl Journal) {
    let key = key("owner");
    store.admit(admission(&key, "r1", "hi")).await.unwrap();
    let keep = async |epoch: u64, seq: u64| {
        store.keep_scratch(&key, &run_id("r1"), Epoch(epoch), kept(seq, &[("a", "x")])).await
    };
    assert_eq!(keep(2, 1).await, Err(Error::Fenced(run_id("r1"))));
    assert_eq!(keep(1, 3).await, Err(Error::Fenced(run_id("r1"))), "a position that is not there yet");
    assert_eq!(keep(1, 2).await, Ok(()));
    store.append(ending(&key, "r1", 3)).await.unwrap();
    assert_eq!(keep(1, 3).await, Err(Error::Ended(run_id("r1"))));
    assert_eq!(
        store.keep_scratch(&key, &run_id("r9"), Epoch(1), kept(1, &[])).await,
        Err(Error::NoSuchRun(run_id("r9")))
    );
    let kept = store.scratch(&key, &run_id("r1"), Seq(9)).await.unwrap();
    assert_eq!(kept.map(|kept| kept.seq), Some(Seq(2)), "what was kept outlives the run");
}
