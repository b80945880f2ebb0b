//! A migration during which the power goes leaves the old or the new version.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use openclaw_powercut as powercut;
use rusqlite::Connection;

use super::{Disk, Step, migrate};
use crate::sqlite::FileChange;

const V1: Step = Step { to: 1, sql: "create table note(text text not null) strict", recounts: &[] };
const V2: Step = Step {
    to: 2,
    sql: "create table other(text text not null) strict; insert into other select text from note;
          alter table note add column at integer not null default 0;",
    recounts: &[],
};

/// Cuts of each test.
const CUTS: u64 = 100;

/// A folder with a database, as a killed process leaves it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn empty() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::write(folder.database(), "").unwrap();
        folder
    }

    /// Version 1 with notes, some of them only in the log.
    fn old() -> Self {
        let (first, copy) = (Self::empty(), Self::empty());
        migrate(&Disk::default(), &first.database(), 0, &[V1]).unwrap();
        let db = Connection::open(first.database()).unwrap();
        let text = "x".repeat(1000);
        for n in 0..40 {
            db.execute("insert into note values (?1)", [format!("{n} {text}")]).unwrap();
            if n == 20 {
                db.execute_batch("pragma wal_checkpoint(truncate); pragma wal_autocheckpoint = 0").unwrap();
            }
        }
        first.copy_to(&copy.path());
        copy
    }

    fn path(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    fn database(&self) -> PathBuf {
        self.path().join("openclaw.db")
    }

    fn copy_to(&self, other: &Path) {
        for entry in std::fs::read_dir(self.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), other.join(entry.file_name())).unwrap();
        }
    }

    /// Does work on a copy and cuts the power after so many operations;
    /// returns what is found, and how many operations there were.
    fn cut(&self, seed: u64, operations: Option<u64>, work: impl FnOnce(&Disk, &Path)) -> (Folder, u64) {
        let (before, after) = (Folder(tempfile::tempdir().unwrap()), Folder(tempfile::tempdir().unwrap()));
        self.copy_to(&before.path());
        let cut = powercut::Disk::new(&before.path(), powercut::Options { seed, operations, flaw: None }).unwrap();
        work(&disk(&cut), &before.database());
        let operations = cut.operations();
        cut.survivors(&before.path(), &after.path()).unwrap();
        (after, operations)
    }

    /// Returns the version, after checking that the database is whole and has its notes.
    fn check(&self, seed: u64) -> u32 {
        let db = Connection::open(self.database()).unwrap();
        let report: String = db.query_row("pragma integrity_check", (), |row| row.get(0)).unwrap();
        assert_eq!(report, "ok", "seed {seed}");
        let version = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        let count = |table: &str| -> u32 {
            db.query_row(&format!("select count(*) from {table}"), (), |row| row.get(0)).unwrap()
        };
        assert_eq!(count("note"), 40, "seed {seed}");
        if version == 2 {
            assert_eq!(count("other"), 40, "seed {seed}");
        }
        version
    }
}

/// When a test's cuts happen: one in three anywhere, the others at the end, where names change.
fn moment(seed: u64, operations: u64) -> u64 {
    if seed.is_multiple_of(3) { seed * operations / CUTS } else { operations.saturating_sub(seed / 3 % 8) }
}

/// The store's view of a disk that loses power.
fn disk(cut: &powercut::Disk) -> Disk {
    let (vfs, cut) = (cut.vfs().to_owned(), cut.clone());
    let watcher = move |change: &FileChange| match change {
        FileChange::Sync(path) => cut.synced(path),
        FileChange::SyncFolder(_) => cut.folder_synced(),
        FileChange::Rename(from, to) => cut.renamed(from, to),
        FileChange::Link(from, to) => cut.linked(from, to),
        FileChange::Remove(path) => cut.removed(path),
    };
    Disk::of(vfs, Arc::new(watcher))
}

fn update(disk: &Disk, path: &Path) {
    // The cut makes it fail; what counts is what is found afterwards.
    drop(migrate(disk, path, 1, &[V1, V2]));
}

#[test]
fn a_power_cut_during_a_migration_leaves_the_old_or_the_new_version_whole() {
    let old = Folder::old();
    let (done, operations) = old.cut(0, None, update);
    assert_eq!(done.check(0), 2);
    let mut found = [0; 3];
    for seed in 0..CUTS {
        let (after, _) = old.cut(seed, Some(moment(seed, operations)), update);
        let version = after.check(seed);
        found[version as usize] += 1;
        if version == 1 {
            let (next, _) = after.cut(seed, None, update);
            assert_eq!(next.check(seed), 2, "seed {seed}: the next attempt goes through");
        }
    }
    assert!(found[1] > 0 && found[2] > 0, "both versions were met: {found:?}");
}

#[test]
fn a_power_cut_during_the_first_start_leaves_nothing_or_a_whole_database() {
    let first = |disk: &Disk, path: &Path| drop(migrate(disk, path, 0, &[V1, V2]));
    // A log of a database that was moved away must not come back either.
    let with_old_log = Folder::old();
    std::fs::write(with_old_log.database(), "").unwrap();
    let (_, operations) = with_old_log.cut(0, None, first);
    let mut whole = 0;
    for seed in 0..CUTS {
        let (after, _) = with_old_log.cut(seed, Some(moment(seed, operations)), first);
        if std::fs::metadata(after.database()).unwrap().len() == 0 {
            continue;
        }
        let db = Connection::open(after.database()).unwrap();
        let report: String = db.query_row("pragma integrity_check", (), |row| row.get(0)).unwrap();
        let notes: u32 = db.query_row("select count(*) from note", (), |row| row.get(0)).unwrap();
        let version: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!((report.as_str(), notes, version), ("ok", 0, 2), "seed {seed}");
        whole += 1;
    }
    assert!(whole > 0, "the rename was met");
}
