//! Migrates by copy: the original is never changed, and is kept.
//!
//! The database is copied beside itself, the copy is migrated and checked
//! (integrity, rows per table), and only then takes the original's name in one
//! rename. The original stays as `openclaw.db.bak-v<N>`. An attempt that fails
//! or is killed leaves the original in place and is begun anew next time.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::disk::Disk;
use super::open::{OpenError, StartError};
use super::schema::{APPLICATION_ID, Step, latest};

/// Most earlier copies of the same version that are kept apart.
const BACKUPS_MAX: u32 = 100;

/// Brings a database from `from` to the version of the last step.
pub(super) fn migrate(disk: &Disk, path: &Path, from: u32, steps: &[Step]) -> Result<(), OpenError> {
    if from == 0 {
        return create(disk, path, steps).map_err(|error| OpenError::of(path, error));
    }
    let to = latest(steps);
    tracing::info!(path = %path.display(), from, to, "migrating the database");
    let copy = beside(path, ".migrating");
    let result = migrate_copy(disk, path, &copy, from, steps).and_then(|()| switch(disk, path, &copy, from));
    if let Err(error) = result {
        remove_database(disk, &copy);
        return Err(OpenError::Migration { path: path.to_owned(), from, to, message: error.to_string() });
    }
    Ok(())
}

/// Why a migration stopped.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    #[error("the {which} does not pass its integrity check: {message}")]
    Integrity { which: &'static str, message: String },
    #[error("table {table} has {after} rows instead of {before}")]
    Rows { table: String, before: u64, after: u64 },
    #[error("there are {BACKUPS_MAX} backups of this version already; remove some")]
    TooManyBackups,
}

/// Puts a database in the place of an empty file. It is made beside it without
/// syncing, synced once and renamed: a crash leaves the empty file, and starting
/// for the first time costs two syncs instead of fourteen.
fn create(disk: &Disk, path: &Path, steps: &[Step]) -> Result<(), StartError> {
    let new = beside(path, ".new");
    remove_database(disk, &new);
    create_private(&new)?;
    let mut db = open(disk, &new)?;
    // `auto_vacuum` cannot be chosen once there are tables; with it the space of
    // removed transcripts can be given back.
    db.execute_batch("pragma auto_vacuum = incremental; pragma journal_mode = memory; pragma synchronous = off;")?;
    apply(&mut db, 0, steps)?;
    db.execute_batch("pragma journal_mode = wal;")?;
    drop(db);
    disk.sync(&new)?;
    // A log left beside a file that was moved away is not about the new database.
    // It must be gone for good before the new database has the name: a power cut
    // may keep the one change of names and forget the other.
    let mut was_log_left = false;
    for suffix in ["-wal", "-shm"] {
        was_log_left |= disk.remove(&beside(path, suffix)).is_ok();
    }
    if was_log_left {
        disk.sync_folder_of(path)?;
    }
    disk.rename(&new, path)?;
    disk.sync_folder_of(path)?;
    Ok(())
}

fn apply(db: &mut Connection, from: u32, steps: &[Step]) -> rusqlite::Result<()> {
    let tx = db.transaction()?;
    for step in steps.iter().filter(|step| step.to > from) {
        tx.execute_batch(step.sql)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", latest(steps))?;
    tx.commit()
}

fn migrate_copy(disk: &Disk, path: &Path, copy: &Path, from: u32, steps: &[Step]) -> Result<(), Error> {
    remove_database(disk, copy);
    let original = open(disk, path)?;
    check_integrity(&original, "database")?;
    let before = count_rows(&original)?;

    create_private(copy).map_err(|error| Error::Io(copy.display().to_string(), error))?;
    let mut db = open(disk, copy)?;
    // 1024 pages at a time keeps memory flat; nobody else writes, so there is nothing to wait for.
    rusqlite::backup::Backup::new(&original, &mut db)?.run_to_completion(1024, Duration::ZERO, None)?;
    drop(original);

    apply(&mut db, from, steps)?;
    check_integrity(&db, "migrated copy")?;
    let pending = || steps.iter().filter(|step| step.to > from);
    check_rows(&before, &count_rows(&db)?, |table| pending().any(|step| step.recounts.contains(&table)))?;
    // One file without side files, so that one rename carries all of it.
    db.execute_batch("pragma journal_mode = delete;")?;
    drop(db);
    disk.sync(copy).map_err(|error| Error::Io(copy.display().to_string(), error))
}

fn check_integrity(db: &Connection, which: &'static str) -> Result<(), Error> {
    let message: String = db.query_row("pragma integrity_check(1)", (), |row| row.get(0))?;
    if message == "ok" { Ok(()) } else { Err(Error::Integrity { which, message }) }
}

/// Counts the rows of every table; the tables inside a full-text index are its own business.
fn count_rows(db: &Connection) -> rusqlite::Result<BTreeMap<String, u64>> {
    let mut list = db.prepare("select name from pragma_table_list where schema = 'main' and type = 'table'")?;
    let names = list.query_map((), |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    names
        .into_iter()
        .filter(|name| !name.starts_with("sqlite_"))
        .map(|name| {
            let sql = format!("select count(*) from \"{}\"", name.replace('"', "\"\""));
            let rows = db.query_row(&sql, (), |row| row.get(0))?;
            Ok((name, rows))
        })
        .collect()
}

/// Checks that tables which are still there lost and gained nothing.
fn check_rows(
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
    may_change: impl Fn(&str) -> bool,
) -> Result<(), Error> {
    for (table, &before) in before {
        if may_change(table) {
            continue;
        }
        let after = after.get(table).copied().unwrap_or(0);
        if before != after {
            return Err(Error::Rows { table: table.clone(), before, after });
        }
    }
    Ok(())
}

/// Gives the copy the original's name. The original keeps a second name first,
/// so that there is no moment at which a crash leaves no database.
fn switch(disk: &Disk, path: &Path, copy: &Path, from: u32) -> Result<(), Error> {
    let io = |path: &Path| {
        let name = path.display().to_string();
        move |error| Error::Io(name, error)
    };
    // Folds the original's log into it: the backup must be whole by itself.
    open(disk, path)?.execute_batch("pragma journal_mode = delete;")?;
    let backup = free_backup_name(path, from)?;
    if disk.link(path, &backup).is_err() {
        // Some file systems have no hard links.
        fs::copy(path, &backup).map_err(io(&backup))?;
        disk.sync(&backup).map_err(io(&backup))?;
    }
    // SQLite has removed the original's side files without syncing the folder. A power
    // cut that brought them back after the rename would apply them to the new file.
    disk.sync_folder_of(path).map_err(io(path))?;
    disk.rename(copy, path).map_err(io(path))?;
    disk.sync_folder_of(path).map_err(io(path))?;
    tracing::info!(path = %path.display(), backup = %backup.display(), "database migrated");
    Ok(())
}

fn free_backup_name(path: &Path, from: u32) -> Result<PathBuf, Error> {
    let first = beside(path, &format!(".bak-v{from}"));
    if !first.exists() {
        return Ok(first);
    }
    (2..=BACKUPS_MAX)
        .map(|n| beside(path, &format!(".bak-v{from}.{n}")))
        .find(|name| !name.exists())
        .ok_or(Error::TooManyBackups)
}

fn open(disk: &Disk, path: &Path) -> rusqlite::Result<Connection> {
    let db = disk.open(path)?;
    db.busy_timeout(Duration::from_secs(5))?;
    Ok(db)
}

fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Removes an unfinished copy; what cannot be removed makes the next attempt fail by name.
fn remove_database(disk: &Disk, path: &Path) {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        drop(disk.remove(&beside(path, suffix)));
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod power_cut;
