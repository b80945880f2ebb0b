//! The mailbox of a run: how its children ended, until it has recorded it.
//!
//! A child's outcome is put here in the commit that ends the child, and goes in
//! the commit of the parent's `ToolEnded`. Whenever the process dies, the answer
//! is in one of the two places.

use openclaw_domain::event::VERSION;
use openclaw_domain::ids::{CallId, RunId, SessionKey, Timestamp};
use openclaw_domain::ports::Mail;
use openclaw_domain::run::{Outcome, Parent};
use rusqlite::{Connection, OptionalExtension, params};

use crate::sqlite::body::{self, Body};
use crate::sqlite::error::{Failure, damaged};

/// Most letters of one answer; a run has far fewer open calls.
const ROWS_MAX: usize = 1000;

/// Finds the run that waits; `None` when it is not there any more.
pub(super) fn parent(db: &Connection, parent: &Parent) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached(
        "select r.id from session s join run r on r.session = s.id
         where s.skey = ?1 and s.removed_at is null and r.idem = ?2",
    )?
    .query_row([parent.session.as_str(), parent.run.as_str()], |row| row.get(0))
    .optional()
}

/// Puts the outcome of a run before its parent, unless the parent has ended or
/// its call was answered some other way.
pub(super) fn post(db: &Connection, run: i64, outcome: &Outcome, at: Timestamp) -> Result<(), Failure> {
    let body = Body::of("the outcome", outcome)?;
    let posted = db
        .prepare_cached(
            "insert into mail(run, call, session, child, at, v, body)
         select p.id, r.parent_call, s.skey, r.idem, ?2, ?3, ?4
         from run r join session s on s.id = r.session join run p on p.id = r.parent
         where r.id = ?1 and p.ended_at is null
           and not exists (select 1 from step t where t.run = p.id and t.call = r.parent_call
                           and t.result_seq is not null)
         on conflict do nothing",
        )?
        .execute(params![run, at.0, VERSION, body])?;
    if posted > 0 {
        body.place(db)?;
    }
    Ok(())
}

/// Takes the answer to a call out: the call has its result.
pub(super) fn remove(db: &Connection, run: i64, call: &CallId) -> rusqlite::Result<()> {
    db.prepare_cached("delete from mail where run = ?1 and call = ?2")?.execute(params![run, call.as_str()])?;
    Ok(())
}

/// Takes everything out: the run has ended.
pub(super) fn clear(db: &Connection, run: i64) -> rusqlite::Result<()> {
    db.prepare_cached("delete from mail where run = ?1")?.execute([run])?;
    Ok(())
}

/// Lists what is in a run's mailbox, oldest first.
pub(super) fn list(db: &Connection, session: &SessionKey, run: &RunId) -> rusqlite::Result<Vec<Mail>> {
    db.prepare_cached(
        "select m.call, m.session, m.child, m.at, m.v, m.body, b.bytes
         from session s join run r on r.session = s.id join mail m on m.run = r.id
         left join blob b on typeof(m.body) = 'blob' and b.sha = m.body
         where s.skey = ?1 and s.removed_at is null and r.idem = ?2 order by m.at, m.call limit ?3",
    )?
    .query_map(params![session.as_str(), run.as_str(), ROWS_MAX], |row| {
        body::check_version(row, 4, VERSION)?;
        Ok(Mail {
            call: row.get_ref(0)?.as_str()?.parse().map_err(|error| damaged(0, error))?,
            session: row.get_ref(1)?.as_str()?.parse().map_err(|error| damaged(1, error))?,
            run: row.get_ref(2)?.as_str()?.parse().map_err(|error| damaged(2, error))?,
            at: Timestamp(row.get(3)?),
            outcome: body::read(row, 5)?,
        })
    })?
    .collect()
}
