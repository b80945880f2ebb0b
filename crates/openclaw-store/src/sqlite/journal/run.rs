//! A run's row.

use openclaw_domain::ids::{Epoch, RunId, Seq, SessionKey, Timestamp};
use openclaw_domain::ports::{JournalError as Error, RunRecord};
use openclaw_domain::run::Status;
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::json;

use crate::sqlite::body;
use crate::sqlite::error::{WorkError, damaged};
use crate::sqlite::sessions::lane::{self, Lane};

/// The part of a run that writing to it needs, with its session.
#[derive(Debug)]
pub(super) struct RunRow {
    pub(super) id: i64,
    pub(super) status: Status,
    pub(super) epoch: Epoch,
    pub(super) seq: Seq,
    pub(super) is_owned: bool,
    /// Whether a call of another run waits for it.
    pub(super) has_parent: bool,
    pub(super) lane: Lane,
}

/// Returns a run that must be there.
pub(super) fn require(db: &Connection, session: &SessionKey, run: &RunId) -> Result<RunRow, WorkError<Error>> {
    let found = db
        .prepare_cached(&find_sql())?
        .query_row([session.as_str(), run.as_str()], |row| {
            Ok(RunRow {
                id: row.get(0)?,
                status: status(row, 1)?,
                epoch: Epoch(row.get(2)?),
                seq: Seq(row.get(3)?),
                is_owned: row.get(4)?,
                has_parent: row.get(5)?,
                lane: lane::read(row, 6)?,
            })
        })
        .optional()?;
    found.ok_or_else(|| WorkError::Refused(Error::NoSuchRun(run.clone())))
}

/// Returns the statement that finds a run by session and id.
pub(in crate::sqlite) fn find_sql() -> String {
    let columns = lane::COLUMNS;
    format!(
        "select r.id, r.status, r.epoch, r.seq, r.owner is not null, r.parent is not null, {columns}
         from session s join run r on r.session = s.id
         where s.skey = ?1 and s.removed_at is null and r.idem = ?2"
    )
}

impl RunRow {
    /// Refuses a run that has ended.
    pub(super) fn check_open(&self, run: &RunId) -> Result<(), WorkError<Error>> {
        if self.status.is_final() { Err(WorkError::Refused(Error::Ended(run.clone()))) } else { Ok(()) }
    }
}

/// What [`record`] expects, in its order; of `run r` joined with `session s`
/// and, for a large outcome, `blob b`.
pub(super) const COLUMNS: &str = "r.idem, s.skey, r.status, r.epoch, r.seq, r.outcome, b.bytes, r.accepted_at, \
    r.attempts, r.owner";

/// Reads a run as the port shows it.
pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    let outcome = match row.get_ref(5)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(body::read(row, 5)?),
    };
    let (attempts, owner): (u32, Option<String>) = (row.get(8)?, row.get(9)?);
    Ok(RunRecord {
        id: row.get_ref(0)?.as_str()?.parse().map_err(|error| damaged(0, error))?,
        session: row.get_ref(1)?.as_str()?.parse().map_err(|error| damaged(1, error))?,
        status: status(row, 2)?,
        epoch: Epoch(row.get(3)?),
        seq: Seq(row.get(4)?),
        outcome,
        accepted_at: Timestamp(row.get(7)?),
        details: json!({ "attempts": attempts, "owner": owner }),
    })
}

/// Reads a status by its name.
fn status(row: &Row<'_>, column: usize) -> rusqlite::Result<Status> {
    const ALL: [Status; 7] = [
        Status::Queued,
        Status::Running,
        Status::Waiting,
        Status::Attention,
        Status::Done,
        Status::Failed,
        Status::Cancelled,
    ];
    let name = row.get_ref(column)?.as_str()?;
    ALL.into_iter()
        .find(|status| status.as_str() == name)
        .ok_or_else(|| damaged(column, UnknownStatus(name.to_owned())))
}

#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a run status")]
struct UnknownStatus(String);
