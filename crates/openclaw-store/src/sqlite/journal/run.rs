//! A run's row.

use openclaw_domain::event::{RunEvent, VERSION};
use openclaw_domain::ids::{Epoch, RunId, Seq, SessionKey, Timestamp};
use openclaw_domain::ports::{JournalError as Error, RunRecord};
use openclaw_domain::run::{Outcome, Status};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::json;

use crate::sqlite::body::{self, Body};
use crate::sqlite::error::{Failure, WorkError, damaged};
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
    /// It has an instance of its own: it is no turn of the session.
    pub(super) is_instance: bool,
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
                is_instance: row.get(6)?,
                lane: lane::read(row, 7)?,
            })
        })
        .optional()?;
    found.ok_or_else(|| WorkError::Refused(Error::NoSuchRun(run.clone())))
}

/// Returns the statement that finds a run by session and id.
pub(in crate::sqlite) fn find_sql() -> String {
    let columns = lane::COLUMNS;
    format!(
        "select r.id, r.status, r.epoch, r.seq, r.owner is not null, r.parent is not null,
                r.isolation = 'thread', {columns}
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

/// What [`record`] expects, in its order; of `run r` and [`JOINED`].
pub(super) const COLUMNS: &str = "r.idem, s.skey, r.status, r.epoch, r.seq, coalesce(e.body, r.outcome), b.bytes, \
    r.accepted_at, r.attempts, r.owner, e.v";

/// What is joined to `run r`: its session, the event its outcome stands in, and
/// the bytes of either when they are many.
pub(super) const JOINED: &str = "join session s on s.id = r.session \
    left join ev e on typeof(r.outcome) = 'integer' and e.gsn = r.outcome \
    left join blob b on typeof(coalesce(e.body, r.outcome)) = 'blob' and b.sha = coalesce(e.body, r.outcome)";

/// What column `outcome` holds.
#[derive(Debug)]
pub(super) enum KeptOutcome {
    /// The row of the journal that holds the run's end, which says all of it.
    In(i64),
    /// The outcome itself, of a run whose end has no event.
    Own(Body),
}

impl KeptOutcome {
    /// Decides where an outcome stands, and places what is large.
    pub(super) fn of(db: &Connection, end: Option<i64>, outcome: &Outcome) -> Result<Self, Failure> {
        if let Some(row) = end {
            return Ok(Self::In(row));
        }
        let own = Body::of("the outcome", outcome)?;
        own.place(db)?;
        Ok(Self::Own(own))
    }
}

impl ToSql for KeptOutcome {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::In(row) => row.to_sql(),
            Self::Own(own) => own.to_sql(),
        }
    }
}

/// Reads a run as the port shows it.
pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    let outcome = match (row.get_ref(5)?, row.get_ref(10)?) {
        (ValueRef::Null, _) => None,
        (_, ValueRef::Null) => Some(body::read(row, 5)?),
        _ => Some(outcome_of_end(row)?),
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

/// Reads the outcome out of the events of the row that holds the run's end.
fn outcome_of_end(row: &Row<'_>) -> rusqlite::Result<Outcome> {
    body::check_version(row, 10, VERSION)?;
    let last = body::read_some(row, 5)?.pop();
    match last {
        Some(RunEvent::Ended { outcome }) => Ok(*outcome),
        _ => Err(damaged(5, NoEnd)),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the row that the run's outcome points to does not hold the run's end")]
struct NoEnd;

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
