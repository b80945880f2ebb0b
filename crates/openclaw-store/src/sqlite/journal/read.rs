//! Reads the journal.

use openclaw_domain::event::{Recorded, RunEvent, VERSION};
use openclaw_domain::ids::{Epoch, RunId, Seq, SessionKey, Timestamp};
use openclaw_domain::ports::{JournalError as Error, RunRecord};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};

use super::lease::NOW;
use super::run;
use crate::sqlite::body;
use crate::sqlite::error::WorkError;

/// Most rows of one answer.
const ROWS_MAX: usize = 10_000;

/// Most unfinished runs of one answer: whoever asks for them is to miss none.
const UNFINISHED_MAX: usize = 100_000;

/// Returns the events of a run after a position.
pub(super) fn events(
    db: &Connection,
    session: &SessionKey,
    run: &RunId,
    after: Seq,
    limit: usize,
) -> Result<Vec<Recorded>, WorkError<Error>> {
    let tx = db.unchecked_transaction()?;
    let id: Option<i64> = tx
        .prepare_cached(
            "select r.id from session s join run r on r.session = s.id
             where s.skey = ?1 and s.removed_at is null and r.idem = ?2",
        )?
        .query_row([session.as_str(), run.as_str()], |row| row.get(0))
        .optional()?;
    let Some(id) = id else { return Err(WorkError::Refused(Error::NoSuchRun(run.clone()))) };
    let events = tx
        .prepare_cached(
            "select e.seq, e.epoch, e.at, e.v, e.body, b.bytes
             from ev e left join blob b on typeof(e.body) = 'blob' and b.sha = e.body
             where e.run = ?1 and e.seq > ?2 order by e.seq limit ?3",
        )?
        .query_map(params![id, after.0.min(i64::MAX as u64), limit.min(ROWS_MAX)], |row| {
            body::check_version(row, 3, VERSION)?;
            Ok(Recorded {
                seq: Seq(row.get(0)?),
                epoch: Epoch(row.get(1)?),
                at: Timestamp(row.get(2)?),
                event: body::read(row, 4)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(events)
}

/// Returns runs, newest first; those of removed sessions are not shown.
pub(super) fn runs(
    db: &Connection,
    session: Option<&SessionKey>,
    unfinished_only: bool,
    limit: usize,
) -> rusqlite::Result<Vec<RunRecord>> {
    let (open, rows_max) = if unfinished_only { ("and r.ended_at is null", UNFINISHED_MAX) } else { ("", ROWS_MAX) };
    let of_session = if session.is_some() { "and s.skey = ?2" } else { "and ?2 is null" };
    let columns = run::COLUMNS;
    let sql = format!(
        "select {columns} from run r join session s on s.id = r.session
         left join blob b on typeof(r.outcome) = 'blob' and b.sha = r.outcome
         where s.removed_at is null {open} {of_session} order by r.id desc limit ?1"
    );
    db.prepare_cached(&sql)?
        .query_map(params![limit.min(rows_max), session.map(SessionKey::as_str)], run::record)?
        .collect()
}

/// Returns runs that have not ended, oldest first, each with its first event.
pub(super) fn unfinished(db: &Connection, limit: usize) -> rusqlite::Result<Vec<(RunRecord, Option<RunEvent>)>> {
    let columns = run::COLUMNS;
    // A run that has not ended has no outcome, and so no blob of one.
    let sql = format!(
        "select {columns}, e.v, e.body, f.bytes from run r join session s on s.id = r.session
         left join blob b on b.sha = r.outcome left join ev e on e.run = r.id and e.seq = 1
         left join blob f on typeof(e.body) = 'blob' and f.sha = e.body
         where s.removed_at is null and r.ended_at is null order by r.id limit ?1"
    );
    db.prepare_cached(&sql)?
        .query_map([limit.min(UNFINISHED_MAX)], |row| {
            let first = match row.get_ref(10)? {
                ValueRef::Null => None,
                _ => {
                    body::check_version(row, 10, VERSION)?;
                    Some(body::read(row, 11)?)
                }
            };
            Ok((run::record(row)?, first))
        })?
        .collect()
}

/// Returns runs whose lease has expired, the longest expired first.
pub(super) fn expired(db: &Connection, limit: usize) -> rusqlite::Result<Vec<RunRecord>> {
    let columns = run::COLUMNS;
    let sql = format!(
        "select {columns} from run r join session s on s.id = r.session
         left join blob b on typeof(r.outcome) = 'blob' and b.sha = r.outcome
         where r.lease_until < {NOW} and s.removed_at is null order by r.lease_until limit ?1"
    );
    db.prepare_cached(&sql)?.query_map([limit.min(ROWS_MAX)], run::record)?.collect()
}
