//! Conformance of the scratches port: what is captured comes back, and nothing else.
//!
//! Each rule uses instances of its own, so [`all`] runs on one implementation.
#![expect(clippy::unwrap_used, reason = "a conformance suite fails by panicking")]

use bytes::Bytes;
use openclaw_domain::ports::{FileChange, Keeping, Restored, Scratches};
use openclaw_domain::scratch::{Bounds, Captured, KeptFile, Reason};
use openclaw_domain::{AgentId, InstanceId, Kind};

/// Runs the whole suite.
pub async fn all(scratches: &dyn Scratches) {
    what_was_captured_comes_back(scratches).await;
    a_folder_that_is_there_is_not_touched(scratches).await;
    what_is_over_a_bound_is_counted_and_named(scratches).await;
    a_capture_needs_a_folder(scratches).await;
    a_remark_is_told_until_the_folder_goes(scratches).await;
}

fn id(name: &str) -> InstanceId {
    name.parse().unwrap()
}

async fn write(scratches: &dyn Scratches, name: &str, path: &str, text: &str) {
    let scratch = scratches.open(&id(name), &AgentId::main(), Keeping::Destroy).await.unwrap();
    let content = Bytes::copy_from_slice(text.as_bytes());
    scratch.files.change(FileChange::Write { path: path.to_owned(), content }).await.unwrap();
}

async fn capture(scratches: &dyn Scratches, name: &str) -> Captured {
    scratches.capture(&id(name), &Bounds::default()).await.unwrap()
}

fn file(path: &str, is_executable: bool, text: &str) -> KeptFile {
    KeptFile::new(path, is_executable, Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

/// Content, folders and the right to run a file; empty files too.
pub async fn what_was_captured_comes_back(scratches: &dyn Scratches) {
    let files = vec![file("deep/er/run.sh", true, "#!/bin/sh\n"), file("empty", false, ""), file("x.txt", false, "x")];
    let restored = Restored { files: files.clone(), remark: None };
    assert!(scratches.restore(&id("c1-made"), Keeping::Destroy, restored).await.unwrap());
    assert!(scratches.holds(&id("c1-made")).await.unwrap());
    let captured = capture(scratches, "c1-made").await;
    assert_eq!(captured, Captured { files, ..Captured::default() });
    let scratch = scratches.open(&id("c1-made"), &AgentId::main(), Keeping::Destroy).await.unwrap();
    assert_eq!(scratch.files.read("deep/er/run.sh", 100).await.unwrap(), "#!/bin/sh\n");
    assert_eq!(scratch.remark, None);
    write(scratches, "c1-made", "x.txt", "changed").await;
    assert_ne!(capture(scratches, "c1-made").await.digest(), captured.digest());
}

/// It is newer than whatever was kept.
pub async fn a_folder_that_is_there_is_not_touched(scratches: &dyn Scratches) {
    write(scratches, "c2-there", "x.txt", "newer").await;
    let before = capture(scratches, "c2-there").await;
    let restored =
        Restored { files: vec![file("x.txt", false, "older"), file("y", false, "")], remark: Some("no".into()) };
    assert!(!scratches.restore(&id("c2-there"), Keeping::Keep, restored).await.unwrap());
    assert_eq!(capture(scratches, "c2-there").await, before);
    let scratch = scratches.open(&id("c2-there"), &AgentId::main(), Keeping::Destroy).await.unwrap();
    assert_eq!(scratch.remark, None);
    let listed = scratches.list().await.unwrap();
    let keeping = listed.iter().find(|folder| folder.instance == id("c2-there")).map(|folder| folder.keeping);
    assert_eq!(keeping, Some(Keeping::Destroy));
}

/// Both sides of each bound.
pub async fn what_is_over_a_bound_is_counted_and_named(scratches: &dyn Scratches) {
    for (path, text) in [("a", "12345"), ("b", "123"), ("c", "1234"), ("d", "")] {
        write(scratches, "c3-much", path, text).await;
    }
    let check = async |bounds: Bounds, kept: &[&str], left_out: &[(&str, Reason)]| {
        let captured = scratches.capture(&id("c3-much"), &bounds).await.unwrap();
        let paths: Vec<&str> = captured.files.iter().map(KeptFile::path).collect();
        assert_eq!(paths, kept, "{bounds:?}");
        let named: Vec<_> = left_out.iter().map(|(path, reason)| ((*path).to_owned(), *reason)).collect();
        assert_eq!((captured.left_out.count, captured.left_out.examples), (named.len(), named), "{bounds:?}");
    };
    let whole = Bounds { files_max: 4, file_bytes_max: 5, bytes_max: 12, entries_max: 100 };
    check(whole, &["a", "b", "c", "d"], &[]).await;
    check(Bounds { files_max: 3, ..whole }, &["a", "b", "c"], &[("d", Reason::TooMany)]).await;
    check(Bounds { file_bytes_max: 4, ..whole }, &["b", "c", "d"], &[("a", Reason::TooLarge)]).await;
    check(Bounds { bytes_max: 11, ..whole }, &["a", "b", "d"], &[("c", Reason::TooMuch)]).await;
}

/// Nothing is nothing, not an empty folder.
pub async fn a_capture_needs_a_folder(scratches: &dyn Scratches) {
    assert!(!scratches.holds(&id("c4-none")).await.unwrap());
    let fault = scratches.capture(&id("c4-none"), &Bounds::default()).await.unwrap_err();
    assert_eq!(fault.kind, Kind::NotFound, "{fault}");
    assert!(!scratches.holds(&id("c4-none")).await.unwrap());
}

/// Whoever opens the folder again is told again.
pub async fn a_remark_is_told_until_the_folder_goes(scratches: &dyn Scratches) {
    let remark = async |name: &str| {
        scratches.open(&id(name), &AgentId::main(), Keeping::Destroy).await.unwrap().remark.unwrap_or_default()
    };
    let restored = Restored { files: Vec::new(), remark: Some("files are missing".into()) };
    assert!(scratches.restore(&id("c5-told"), Keeping::Destroy, restored).await.unwrap());
    for _ in 0..2 {
        assert_eq!(remark("c5-told").await, "files are missing");
    }
    scratches.close(&id("c5-told"), Keeping::Destroy).await.unwrap();
    assert!(!scratches.holds(&id("c5-told")).await.unwrap());
    assert_eq!(remark("c5-told").await, "");
}
