//! Bodies: JSON inline, or by hash when they are large.

use std::collections::BTreeSet;

use rusqlite::Connection;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::error::{Failure, damaged};

/// Longest body that stands in its row; longer ones go to table `blob`.
pub(super) const INLINE_BYTES_MAX: usize = 8 * 1024;

/// Longest body that is stored at all.
pub(super) const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A value made ready to be stored, on the caller's thread.
#[derive(Debug)]
pub(super) struct Body {
    json: String,
    /// Hash of `json`, when it goes to table `blob`.
    sha: Option<[u8; 32]>,
}

impl Body {
    /// Encodes a value.
    pub(super) fn of<T: Serialize>(what: &str, value: &T) -> Result<Self, Failure> {
        bounded(what, value).map(Self::of_json)
    }

    /// Takes over what is encoded already.
    pub(super) fn of_json(json: String) -> Self {
        let sha = (json.len() > INLINE_BYTES_MAX).then(|| Sha256::digest(json.as_bytes()).into());
        Self { json, sha }
    }

    /// Puts a large body into table `blob`; call it before the row that refers to it.
    pub(super) fn place(&self, db: &Connection) -> rusqlite::Result<()> {
        let Some(sha) = &self.sha else { return Ok(()) };
        let mut insert = db.prepare_cached("insert into blob(sha, bytes) values (?1, ?2) on conflict do nothing")?;
        insert.execute((&sha[..], self.json.as_bytes()))?;
        Ok(())
    }
}

impl ToSql for Body {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match &self.sha {
            Some(sha) => ToSqlOutput::Borrowed(ValueRef::Blob(sha)),
            None => ToSqlOutput::Borrowed(ValueRef::Text(self.json.as_bytes())),
        })
    }
}

/// Hashes of large bodies that may not be used any more.
#[derive(Debug, Default)]
pub(super) struct Shas(BTreeSet<Vec<u8>>);

impl Shas {
    /// Adds what a statement finds for an id.
    pub(super) fn add(&mut self, db: &Connection, sql: &str, id: i64) -> rusqlite::Result<()> {
        let mut statement = db.prepare_cached(sql)?;
        for sha in statement.query_map([id], |row| row.get(0))? {
            self.0.insert(sha?);
        }
        Ok(())
    }

    /// Removes the bodies that no row refers to; call it after the rows went.
    pub(super) fn collect(self, db: &Connection) -> rusqlite::Result<()> {
        let mut delete = db.prepare_cached(
            "delete from blob where sha = ?1
               and not exists (select 1 from ev    where typeof(body)    = 'blob' and body    = ?1)
               and not exists (select 1 from compaction where typeof(body) = 'blob' and body = ?1)
               and not exists (select 1 from entry where typeof(body)    = 'blob' and body    = ?1)
               and not exists (select 1 from run   where typeof(outcome) = 'blob' and outcome = ?1)
               and not exists (select 1 from outbox where typeof(body)   = 'blob' and body    = ?1)
               and not exists (select 1 from mail  where typeof(body)    = 'blob' and body    = ?1)
               and not exists (select 1 from scratch_file where body = ?1)",
        )?;
        for sha in self.0 {
            delete.execute([sha])?;
        }
        Ok(())
    }
}

/// Reads a body from column `body`; column `body + 1` is the joined blob.
pub(super) fn read<T: DeserializeOwned>(row: &rusqlite::Row<'_>, body: usize) -> rusqlite::Result<T> {
    serde_json::from_slice(bytes(row, body)?).map_err(|error| damaged(body, error))
}

/// Reads a body that is one value or an array of values; no value is an array itself.
pub(super) fn read_some<T: DeserializeOwned>(row: &rusqlite::Row<'_>, body: usize) -> rusqlite::Result<Vec<T>> {
    let bytes = bytes(row, body)?;
    let values = match bytes.first() {
        Some(b'[') => serde_json::from_slice(bytes),
        Some(_) | None => serde_json::from_slice(bytes).map(|value| vec![value]),
    };
    values.map_err(|error| damaged(body, error))
}

fn bytes<'row>(row: &'row rusqlite::Row<'_>, body: usize) -> rusqlite::Result<&'row [u8]> {
    Ok(match row.get_ref(body)? {
        ValueRef::Text(bytes) => bytes,
        ValueRef::Blob(_) => row.get_ref(body + 1)?.as_blob().map_err(|error| damaged(body + 1, error))?,
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => &[],
    })
}

/// Encodes a value that may be stored.
pub(super) fn bounded<T: Serialize>(what: &str, value: &T) -> Result<String, Failure> {
    let json = encode(what, value)?;
    if json.len() > BODY_BYTES_MAX {
        let bytes = json.len();
        return Err(Failure::Damaged(format!("{what} is {bytes} bytes, more than the limit of {BODY_BYTES_MAX}")));
    }
    Ok(json)
}

/// Encodes a value that always stands in its row.
pub(super) fn inline<T: Serialize>(what: &str, value: &T) -> Result<String, Failure> {
    let json = encode(what, value)?;
    if json.len() > INLINE_BYTES_MAX * 8 {
        let bytes = json.len();
        return Err(Failure::Damaged(format!(
            "{what} is {bytes} bytes, more than the limit of {}",
            INLINE_BYTES_MAX * 8
        )));
    }
    Ok(json)
}

/// Reads all rows of a statement that selects version and inline body.
pub(super) fn read_rows<T: DeserializeOwned>(db: &Connection, sql: &str, known: u16) -> rusqlite::Result<Vec<T>> {
    db.prepare_cached(sql)?.query_map((), |row| read_row(row, known))?.collect()
}

/// Reads one row of version and inline body.
pub(super) fn read_row<T: DeserializeOwned>(row: &rusqlite::Row<'_>, known: u16) -> rusqlite::Result<T> {
    check_version(row, 0, known)?;
    read(row, 1)
}

fn encode<T: Serialize>(what: &str, value: &T) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::Damaged(format!("{what} cannot be written as JSON: {error}")))
}

/// Refuses a body written in a form this build does not know.
pub(super) fn check_version(row: &rusqlite::Row<'_>, column: usize, known: u16) -> rusqlite::Result<()> {
    let found: u32 = row.get(column)?;
    if found > u32::from(known) {
        return Err(damaged(column, NewerBody { found, known }));
    }
    Ok(())
}

/// A body from a newer build.
#[derive(Debug, thiserror::Error)]
#[error("the row has form {found}, this build knows {known}; use the newer build that wrote it")]
struct NewerBody {
    found: u32,
    known: u16,
}
