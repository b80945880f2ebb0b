//! Conformance of the files port.
//!
//! Each function takes a workspace and uses a folder of its own in it, so they run
//! in any order on one workspace. [`all`] runs every one. Fails by panicking, with
//! the value that differs; called from the tests of each implementation.
#![expect(clippy::unwrap_used, reason = "a conformance suite fails by panicking")]

use bytes::Bytes;
use openclaw_domain::ports::{FileChange, FileError, FileKind, Files, Walk};

/// Runs the whole suite.
pub async fn all(files: &dyn Files) {
    a_written_file_reads_back_and_can_be_replaced(files).await;
    an_absolute_path_below_the_root_is_accepted(files).await;
    no_path_climbs_out(files).await;
    the_size_limit_counts_whole_files(files).await;
    missing_and_wrong_kinds_are_told_apart(files).await;
    a_rename_refuses_to_overwrite(files).await;
    only_files_and_empty_folders_are_removed(files).await;
    a_walk_is_sorted_and_limited(files).await;
    a_walk_honours_globs_and_ignore_rules(files).await;
}

async fn write(files: &dyn Files, path: &str, text: &str) {
    let content = Bytes::copy_from_slice(text.as_bytes());
    files.change(FileChange::Write { path: path.to_owned(), content }).await.unwrap();
}

async fn rename(files: &dyn Files, from: &str, to: &str) -> Result<(), FileError> {
    files.change(FileChange::Rename { from: from.to_owned(), to: to.to_owned() }).await
}

async fn remove(files: &dyn Files, path: &str) -> Result<(), FileError> {
    files.change(FileChange::Remove { path: path.to_owned() }).await
}

async fn paths(files: &dyn Files, path: &str, walk: Walk) -> Vec<String> {
    files.walk(path, &walk).await.unwrap().into_iter().map(|found| found.path).collect()
}

fn walk(respect_ignore: bool, globs: &[&str]) -> Walk {
    let globs = globs.iter().map(|&glob| glob.to_owned()).collect();
    Walk { depth_max: 0, globs, respect_ignore, entries_max: 100 }
}

/// What was written is what is read, whatever was there before.
pub async fn a_written_file_reads_back_and_can_be_replaced(files: &dyn Files) {
    for text in ["first, and longer", "second", ""] {
        write(files, "c1/deep/er/file.txt", text).await;
        assert_eq!(files.read("c1/deep/er/file.txt", 100).await.unwrap(), text);
    }
    let found = files.stat("c1/deep/er/file.txt").await.unwrap();
    assert_eq!((found.kind, found.bytes), (FileKind::File, 0));
    assert_eq!(files.stat("c1/deep").await.unwrap().kind, FileKind::Folder);
}

/// Models repeat the absolute paths they were shown.
pub async fn an_absolute_path_below_the_root_is_accepted(files: &dyn Files) {
    let absolute = format!("{}/c2/file", files.root());
    write(files, &absolute, "x").await;
    assert_eq!(files.read("c2/file", 10).await.unwrap(), "x");
    assert_eq!(files.read(&absolute, 10).await.unwrap(), "x");
}

/// `..` may be used inside, never to leave.
pub async fn no_path_climbs_out(files: &dyn Files) {
    write(files, "c3/a", "x").await;
    assert_eq!(files.read("c3/../c3/a", 10).await.unwrap(), "x");
    for path in ["../a", "c3/../../a", "c3/../../c3/a", "..", "/"] {
        let got = files.read(path, 10).await.unwrap_err();
        assert!(matches!(got, FileError::Outside { .. }), "{path}: {got:?}");
        let got = files.change(FileChange::Write { path: path.to_owned(), content: Bytes::new() }).await.unwrap_err();
        assert!(matches!(got, FileError::Outside { .. }), "{path}: {got:?}");
        assert!(matches!(rename(files, "c3/a", path).await, Err(FileError::Outside { .. })), "{path}");
        assert!(matches!(rename(files, path, "c3/b").await, Err(FileError::Outside { .. })), "{path}");
        assert!(matches!(remove(files, path).await, Err(FileError::Outside { .. })), "{path}");
        assert!(matches!(files.stat(path).await, Err(FileError::Outside { .. })), "{path}");
        assert!(matches!(files.walk(path, &walk(false, &[])).await, Err(FileError::Outside { .. })), "{path}");
    }
    assert_eq!(files.read("c3/a", 10).await.unwrap(), "x");
}

/// The limit is inclusive.
pub async fn the_size_limit_counts_whole_files(files: &dyn Files) {
    write(files, "c4/file", "12345").await;
    assert_eq!(files.read("c4/file", 5).await.unwrap(), "12345");
    let expected = FileError::TooLarge { path: "c4/file".to_owned(), bytes: 5, bytes_max: 4 };
    assert_eq!(files.read("c4/file", 4).await.unwrap_err(), expected);
}

/// A model must learn whether a thing is missing or something else.
pub async fn missing_and_wrong_kinds_are_told_apart(files: &dyn Files) {
    write(files, "c5/folder/file", "x").await;
    let missing = FileError::NotFound("c5/none".to_owned());
    assert_eq!(files.read("c5/none", 10).await.unwrap_err(), missing);
    assert_eq!(files.stat("c5/none").await.unwrap_err(), missing);
    assert_eq!(remove(files, "c5/none").await.unwrap_err(), missing);
    assert_eq!(rename(files, "c5/none", "c5/other").await.unwrap_err(), missing);
    assert_eq!(files.walk("c5/none", &walk(false, &[])).await.unwrap_err(), missing);
    assert!(matches!(files.read("c5/folder", 10).await, Err(FileError::WrongKind { .. })));
    let onto = FileChange::Write { path: "c5/folder".to_owned(), content: Bytes::new() };
    assert!(matches!(files.change(onto).await, Err(FileError::WrongKind { .. })));
}

/// A move never destroys what is there.
pub async fn a_rename_refuses_to_overwrite(files: &dyn Files) {
    write(files, "c6/a", "a").await;
    write(files, "c6/b", "b").await;
    assert!(matches!(rename(files, "c6/a", "c6/b").await, Err(FileError::WrongKind { .. })));
    assert_eq!(files.read("c6/b", 10).await.unwrap(), "b");
    rename(files, "c6/a", "c6/new/folder/a").await.unwrap();
    assert_eq!(files.read("c6/new/folder/a", 10).await.unwrap(), "a");
    assert!(matches!(files.stat("c6/a").await, Err(FileError::NotFound(_))));
}

/// Removing is for one thing at a time.
pub async fn only_files_and_empty_folders_are_removed(files: &dyn Files) {
    write(files, "c7/folder/file", "x").await;
    assert!(matches!(remove(files, "c7/folder").await, Err(FileError::WrongKind { .. })));
    remove(files, "c7/folder/file").await.unwrap();
    assert!(matches!(files.stat("c7/folder/file").await, Err(FileError::NotFound(_))));
}

/// The same folder gives the same list.
pub async fn a_walk_is_sorted_and_limited(files: &dyn Files) {
    for path in ["c8/b/y", "c8/b.txt", "c8/a", "c8/b/x/deep"] {
        write(files, path, "x").await;
    }
    let all = ["c8/a", "c8/b", "c8/b.txt", "c8/b/x", "c8/b/x/deep", "c8/b/y"];
    assert_eq!(paths(files, "c8", walk(false, &[])).await, all);
    let shallow = Walk { depth_max: 1, ..walk(false, &[]) };
    assert_eq!(paths(files, "c8", shallow).await, ["c8/a", "c8/b", "c8/b.txt"]);
    let few = Walk { entries_max: 2, ..walk(false, &[]) };
    assert_eq!(paths(files, "c8", few).await.len(), 2);
}

/// What git would not show is not shown, unless asked for.
pub async fn a_walk_honours_globs_and_ignore_rules(files: &dyn Files) {
    for (path, text) in [
        ("c9/.gitignore", "target/\n*.log\n!keep.log\n"),
        ("c9/target/out.rs", "x"),
        ("c9/src/a.rs", "x"),
        ("c9/src/a.txt", "x"),
        ("c9/src/b.log", "x"),
        ("c9/src/keep.log", "x"),
        ("c9/.hidden/a.rs", "x"),
    ] {
        write(files, path, text).await;
    }
    assert_eq!(paths(files, "c9", walk(true, &[])).await, ["c9/src", "c9/src/a.rs", "c9/src/a.txt", "c9/src/keep.log"]);
    assert_eq!(paths(files, "c9", walk(true, &["*.rs"])).await, ["c9/src/a.rs"]);
    assert_eq!(
        paths(files, "c9", walk(false, &["*.rs"])).await,
        ["c9/.hidden/a.rs", "c9/src/a.rs", "c9/target/out.rs"]
    );
}
