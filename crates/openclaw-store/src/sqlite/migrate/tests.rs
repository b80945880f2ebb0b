use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{Disk, Step, migrate};

const V1: Step = Step { to: 1, sql: "create table note(text text not null) strict", recounts: &[] };
const V2: Step = Step { to: 2, sql: "alter table note add column at integer not null default 0", recounts: &[] };
const LOSES_ROWS: Step = Step { to: 2, sql: "delete from note where rowid = 1", recounts: &[] };
const MERGES_ROWS: Step = Step { to: 2, sql: "delete from note where rowid = 1", recounts: &["note"] };
const BROKEN: Step = Step { to: 2, sql: "create table more(x); insert into nothing values (1)", recounts: &[] };

/// A database of version 1 with two notes, the second only in its log.
struct Old {
    folder: tempfile::TempDir,
    /// Keeps the log from being folded into the file.
    _open: Connection,
}

impl Old {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("openclaw.db");
        std::fs::write(&path, "").unwrap();
        migrate(&Disk::default(), &path, 0, &[V1]).unwrap();
        let db = Connection::open(&path).unwrap();
        db.execute_batch("insert into note values ('one'); pragma wal_checkpoint(truncate);").unwrap();
        db.execute_batch("pragma wal_autocheckpoint = 0; insert into note values ('two');").unwrap();
        Self { folder, _open: db }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("openclaw.db")
    }

    /// Leaves the files as a killed process does: with a log that was not folded in.
    fn killed(self) -> (tempfile::TempDir, PathBuf) {
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        assert!(self.path().with_file_name("openclaw.db-wal").metadata().unwrap().len() > 0);
        let path = copy.path().join("openclaw.db");
        (copy, path)
    }
}

fn notes(path: &Path) -> Vec<String> {
    let db = Connection::open(path).unwrap();
    let mut select = db.prepare("select text from note order by rowid").unwrap();
    select.query_map((), |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

fn version(path: &Path) -> u32 {
    Connection::open(path).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm"))
        .collect();
    names.sort();
    names
}

#[test]
fn rows_are_carried_over_and_the_old_file_is_kept() {
    let (folder, path) = Old::new().killed();
    migrate(&Disk::default(), &path, 1, &[V1, V2]).unwrap();
    assert_eq!((version(&path), notes(&path)), (2, vec!["one".to_owned(), "two".to_owned()]));
    let backup = folder.path().join("openclaw.db.bak-v1");
    assert_eq!((version(&backup), notes(&backup)), (1, vec!["one".to_owned(), "two".to_owned()]));
    assert_eq!(names(folder.path()), ["openclaw.db", "openclaw.db.bak-v1"]);
}

#[test]
fn a_step_that_loses_rows_is_refused_and_changes_nothing() {
    let (folder, path) = Old::new().killed();
    let message = migrate(&Disk::default(), &path, 1, &[V1, LOSES_ROWS]).unwrap_err().to_string();
    assert!(message.contains("table note has 1 rows instead of 2"), "{message}");
    assert_eq!((version(&path), notes(&path).len()), (1, 2));
    assert_eq!(names(folder.path()), ["openclaw.db"]);
}

#[test]
fn a_step_may_say_that_it_changes_the_number_of_rows() {
    let (_folder, path) = Old::new().killed();
    migrate(&Disk::default(), &path, 1, &[V1, MERGES_ROWS]).unwrap();
    assert_eq!((version(&path), notes(&path).len()), (2, 1));
}

#[test]
fn a_step_that_fails_changes_nothing() {
    let (folder, path) = Old::new().killed();
    let message = migrate(&Disk::default(), &path, 1, &[V1, BROKEN]).unwrap_err().to_string();
    assert!(message.contains("from schema 1 to 2") && message.contains("left as it is"), "{message}");
    assert_eq!((version(&path), notes(&path).len()), (1, 2));
    assert_eq!(names(folder.path()), ["openclaw.db"]);
}

#[test]
fn what_a_killed_attempt_left_is_not_used() {
    let (folder, path) = Old::new().killed();
    std::fs::write(folder.path().join("openclaw.db.migrating"), "half a copy").unwrap();
    migrate(&Disk::default(), &path, 1, &[V1, V2]).unwrap();
    assert_eq!(notes(&path).len(), 2);
}

#[test]
fn an_earlier_backup_is_never_overwritten() {
    let (folder, path) = Old::new().killed();
    std::fs::write(folder.path().join("openclaw.db.bak-v1"), "precious").unwrap();
    migrate(&Disk::default(), &path, 1, &[V1, V2]).unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("openclaw.db.bak-v1")).unwrap(), "precious");
    assert_eq!(notes(&folder.path().join("openclaw.db.bak-v1.2")).len(), 2);
}

#[test]
fn a_broken_original_is_refused() {
    let (folder, path) = Old::new().killed();
    std::fs::remove_file(folder.path().join("openclaw.db-wal")).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 4096;
    bytes[last..].fill(0xAA);
    std::fs::write(&path, bytes).unwrap();
    assert!(migrate(&Disk::default(), &path, 1, &[V1, V2]).is_err());
    assert_eq!(names(folder.path()), ["openclaw.db"]);
}
