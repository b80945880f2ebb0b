//! Reads the journal.

use openclaw_domain::event::{Recorded, RunEvent};
use openclaw_domain::ids::{RunId, Seq, SessionKey};
use openclaw_domain::ports::{JournalError as Error, RunRecord};
use rusqlite::{Connection, OptionalExtension, params};

use super::lease::NOW;
use super::{line, run};
use crate::sqlite::error::WorkError;

/// Most rows of one answer.
const ROWS_MAX: usize = 10_000;

/// Most unfinished runs of one answer: whoever asks for them is to miss none.
const UNFINISHED_MAX: usize = 100_000;

/// No run has so many events; beyond it the position after could not be said.
const AFTER_MAX: u64 = i64::MAX as u64 - 1;

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
    let limit = limit.min(ROWS_MAX);
    let mut select = tx.prepare_cached(&events_sql())?;
    let rows = select.query_map(params![id, after.0.min(AFTER_MAX), limit], line::read)?;
    let mut found = Vec::new();
    for row in rows {
        found.extend(row?.into_iter().filter(|recorded| recorded.seq > after));
        if found.len() >= limit {
            found.truncate(limit);
            break;
        }
    }
    Ok(found)
}

/// Returns the statement that reads a run's rows from the one on that holds the
/// event after a position; without such an event, the last row.
fn events_sql() -> String {
    let columns = line::COLUMNS;
    format!(
        "select {columns} from ev e left join blob b on typeof(e.body) = 'blob' and b.sha = e.body
         where e.run = ?1
           and e.seq >= coalesce((select max(f.seq) from ev f where f.run = ?1 and f.seq <= ?2 + 1), 0)
         order by e.seq limit ?3"
    )
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
    let (columns, joined) = (run::COLUMNS, run::JOINED);
    let sql = format!(
        "select {columns} from run r {joined}
         where s.removed_at is null {open} {of_session} order by r.id desc limit ?1"
    );
    db.prepare_cached(&sql)?
        .query_map(params![limit.min(rows_max), session.map(SessionKey::as_str)], run::record)?
        .collect()
}

/// Returns runs that have not ended, oldest first, each with its first event.
pub(super) fn unfinished(
    db: &Connection,
    limit: usize,
) -> Result<Vec<(RunRecord, Option<RunEvent>)>, WorkError<Error>> {
    let left = runs(db, None, true, limit)?.into_iter().rev();
    left.map(|record| {
        let first = events(db, &record.session, &record.id, Seq(0), 1)?.into_iter().next();
        Ok((record, first.map(|recorded| recorded.event)))
    })
    .collect()
}

/// Returns runs whose lease has expired, the longest expired first.
pub(super) fn expired(db: &Connection, limit: usize) -> rusqlite::Result<Vec<RunRecord>> {
    let (columns, joined) = (run::COLUMNS, run::JOINED);
    let sql = format!(
        "select {columns} from run r {joined}
         where r.ended_at is null and r.lease_until < {NOW} and s.removed_at is null order by r.lease_until limit ?1"
    );
    db.prepare_cached(&sql)?.query_map([limit.min(ROWS_MAX)], run::record)?.collect()
}
