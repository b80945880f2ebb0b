//! Ends the runs of a session that goes away.

use openclaw_domain::event::RunEvent;
use openclaw_domain::ids::{Epoch, Seq, Timestamp};
use openclaw_domain::model::Usage;
use openclaw_domain::run::{End, Outcome};
use rusqlite::{Connection, params};

use super::line::Lines;
use super::run::KeptOutcome;
use super::{mail, step};
use crate::sqlite::error::Failure;

/// Cancels every run of a session that has not ended. Each is claimed first, so
/// that an owner that still works is fenced, and its journal stays a whole story.
pub(in crate::sqlite) fn cancel_open_runs(
    db: &Connection,
    session: i64,
    by: &str,
    at: Timestamp,
) -> Result<(), Failure> {
    let open = db
        .prepare_cached("select id, epoch, seq, accepted_at from run where session = ?1 and ended_at is null")?
        .query_map([session], |row| Ok((row.get(0)?, Epoch(row.get(1)?), Seq(row.get(2)?), Timestamp(row.get(3)?))))?
        .collect::<rusqlite::Result<Vec<(i64, Epoch, Seq, Timestamp)>>>()?;
    for (run, epoch, seq, accepted_at) in open {
        let outcome = cancelled(by, accepted_at, at);
        let epoch = Epoch(epoch.0 + 1);
        let claimed = RunEvent::Claimed { owner: by.to_owned() };
        let lines = Lines::of(&[claimed, RunEvent::Ended { outcome: Box::new(outcome.clone()) }])?;
        step::over(db, run, true)?;
        let ended = lines.write(db, run, seq, epoch, at)?;
        let kept = KeptOutcome::of(db, ended.end, &outcome)?;
        db.prepare_cached(
            "update run set status = 'cancelled', epoch = ?2, seq = ?3, outcome = ?4, ended_at = ?5, owner = null,
                    lease_until = null
             where id = ?1",
        )?
        .execute(params![run, epoch.0, ended.last.0, kept, at.0])?;
        mail::post(db, run, &outcome, at)?;
    }
    Ok(())
}

fn cancelled(by: &str, started_at: Timestamp, ended_at: Timestamp) -> Outcome {
    Outcome {
        end: End::Cancelled { by: by.to_owned() },
        text: String::new(),
        answered_by: None,
        usage: Usage::default(),
        iterations: 0,
        tool_calls: 0,
        started_at,
        ended_at,
    }
}
