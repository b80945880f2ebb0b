use rusqlite::{Connection, OpenFlags};

use super::*;

/// A database in a folder on a disk of its own.
fn open(disk: &Disk, folder: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    Connection::open_with_flags_and_vfs(folder.join("a.db"), flags, disk.vfs())
}

/// Inserts rows, one commit each, until the power goes; returns how many were acknowledged.
fn fill(disk: &Disk, folder: &Path, synchronous: &str) -> rusqlite::Result<u64> {
    let db = open(disk, folder)?;
    db.execute_batch(&format!("pragma journal_mode = wal; pragma synchronous = {synchronous};"))?;
    db.execute_batch("create table if not exists t(n integer primary key, body blob)")?;
    let mut acked = 0;
    for n in 1..=40 {
        if db.execute("insert into t values (?1, randomblob(600))", [n]).is_err() {
            break;
        }
        acked = n;
        // A checkpoint in the middle, so that the database file is written too.
        if n == 20 && db.execute_batch("pragma wal_checkpoint(truncate)").is_err() {
            break;
        }
    }
    Ok(acked)
}

/// Cuts the power once; returns the rows acknowledged and the rows found.
fn cut(seed: u64, synchronous: &str, flaw: Option<Flaw>) -> (u64, Result<u64, String>) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let disk = Disk::new(&folder, Options { seed, operations: Some(20 + seed % 300), flaw }).unwrap();
    let acked = fill(&disk, &folder, synchronous).unwrap_or(0);
    disk.cut();
    let after = folder.join("after");
    disk.survivors(&folder, &after).unwrap();
    let count = || -> rusqlite::Result<u64> {
        let db = Connection::open(after.join("a.db"))?;
        let report: String = db.query_row("pragma integrity_check", (), |row| row.get(0))?;
        if report != "ok" {
            return Ok(u64::MAX);
        }
        db.query_row("select count(*) from t", (), |row| row.get(0))
    };
    let found = match count() {
        Err(error) if error.to_string().contains("no such table") => Ok(0),
        Ok(u64::MAX) => Err("damaged".to_owned()),
        other => other.map_err(|error| error.to_string()),
    };
    (acked, found)
}

#[test]
fn synced_commits_survive_every_cut_and_the_database_is_whole() {
    for seed in 0..150 {
        let (acked, found) = cut(seed, "full", None);
        let found = found.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(found >= acked, "seed {seed}: {acked} acknowledged, {found} found");
    }
}

#[test]
fn commits_without_a_sync_are_lost_and_the_database_is_whole() {
    let mut lost = 0;
    for seed in 0..150 {
        let (acked, found) = cut(seed, "normal", None);
        let found = found.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        lost += acked.saturating_sub(found);
    }
    assert!(lost > 0, "a cut must take something");
}

#[test]
fn a_disk_that_does_not_sync_loses_what_was_acknowledged() {
    for flaw in [Flaw::NoLogSyncs, Flaw::NoSyncs] {
        let lossy = |seed: &u64| {
            let (acked, found) = cut(*seed, "full", Some(flaw));
            found.is_err() || found.is_ok_and(|found| found < acked)
        };
        assert!((0..150).filter(lossy).count() > 20, "{flaw:?}");
    }
}

#[test]
fn the_same_seed_leaves_the_same_rows() {
    for seed in [7, 42, 99] {
        assert_eq!(cut(seed, "normal", None), cut(seed, "normal", None));
    }
}

#[test]
fn nothing_is_read_or_written_without_power() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let disk = Disk::new(&folder, Options { seed: 1, operations: None, flaw: None }).unwrap();
    let db = open(&disk, &folder).unwrap();
    db.execute_batch("create table t(n)").unwrap();
    disk.cut();
    assert!(db.execute("insert into t values (1)", ()).is_err());
    assert!(open(&disk, &folder).and_then(|db| db.execute_batch("select * from t")).is_err());
}
