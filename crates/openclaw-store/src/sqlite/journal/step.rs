//! The state of each tool call, derived from its events in the same transaction.
//!
//! It answers, without folding a run, which calls may have happened: what
//! recovery and a later call with the same action need to know.

use openclaw_domain::event::RunEvent;
use openclaw_domain::ids::{CallId, Epoch, Seq};
use openclaw_domain::message::ToolStatus;
use openclaw_domain::ports::{JournalError as Error, OpenAction};
use openclaw_domain::question::Answer;
use openclaw_domain::run::End;
use openclaw_domain::tool::Effect;
use rusqlite::{Connection, OptionalExtension, params};

use super::mail;
use crate::sqlite::error::{Failure, WorkError, damaged};

/// What an event says about a tool call.
#[derive(Debug)]
pub(super) enum ToolFact {
    Intent {
        call: CallId,
        tool: String,
        effect: Effect,
        action: Vec<u8>,
    },
    Started {
        call: CallId,
        key: String,
    },
    Ended {
        call: CallId,
        status: ToolStatus,
    },
    Unsure {
        call: CallId,
    },
    Settled {
        call: CallId,
        answer: Answer,
    },
    /// The run ended: what was dispatched and not answered stays unknown,
    /// unless a person stopped the run, who then knows what was stopped.
    Over {
        by_person: bool,
    },
}

impl ToolFact {
    /// Reads the fact from an event, if it is about a tool call.
    pub(super) fn of(event: &RunEvent) -> Result<Option<Self>, Failure> {
        Ok(match event {
            RunEvent::ToolIntent { call, tool, digest, effect, action } => {
                let action = if action.is_empty() { digest } else { action };
                let action = hex::decode(action)
                    .map_err(|error| Failure::Damaged(format!("the action of call {call} is not hex: {error}")))?;
                Some(ToolFact::Intent { call: call.clone(), tool: tool.clone(), effect: *effect, action })
            }
            RunEvent::ToolStarted { call, idempotency_key } => {
                Some(ToolFact::Started { call: call.clone(), key: idempotency_key.clone() })
            }
            RunEvent::ToolEnded { call, result } => Some(ToolFact::Ended { call: call.clone(), status: result.status }),
            RunEvent::ToolUnsure { question } => Some(ToolFact::Unsure { call: question.call.id.clone() }),
            RunEvent::ToolSettled { call, answer, .. } => {
                Some(ToolFact::Settled { call: call.clone(), answer: *answer })
            }
            RunEvent::Ended { outcome } => {
                Some(ToolFact::Over { by_person: matches!(outcome.end, End::Cancelled { .. }) })
            }
            RunEvent::Accepted { .. }
            | RunEvent::Claimed { .. }
            | RunEvent::Began { .. }
            | RunEvent::ModelStarted { .. }
            | RunEvent::ModelSelected { .. }
            | RunEvent::ModelDelta { .. }
            | RunEvent::ModelSuperseded { .. }
            | RunEvent::ModelDone { .. }
            | RunEvent::ModelFailed { .. }
            | RunEvent::ApprovalRequested { .. }
            | RunEvent::ApprovalResolved { .. }
            | RunEvent::Compacted { .. }
            | RunEvent::Steered { .. }
            | RunEvent::CancelRequested { .. }
            | RunEvent::DeadlinePassed => None,
        })
    }

    /// Writes the fact. A step is named after the position of its intent.
    pub(super) fn write(&self, db: &Connection, run: i64, seq: Seq, epoch: Epoch) -> rusqlite::Result<()> {
        match self {
            ToolFact::Intent { call, tool, effect, action } => {
                db.prepare_cached(
                    "insert into step(run, step, kind, call, tool, effect, action_ref, state, epoch)
                     values (?1, ?2, 'tool', ?3, ?4, ?5, ?6, 'intent', ?7)
                     on conflict(run, call) do update set epoch = excluded.epoch",
                )?
                .execute(params![
                    run,
                    seq.0,
                    call.as_str(),
                    tool,
                    effect_name(*effect),
                    action,
                    epoch.0
                ])?;
            }
            ToolFact::Started { call, key } => {
                db.prepare_cached(
                    "update step set state = 'started', ikey = ?3, attempt = attempt + 1, epoch = ?4
                     where run = ?1 and call = ?2",
                )?
                .execute(params![run, call.as_str(), key, epoch.0])?;
            }
            // A call that was interrupted before it started cannot have happened.
            ToolFact::Ended { call, status } => {
                mail::remove(db, run, call)?;
                db.prepare_cached(
                    "update step set state = iif(?3 = 'unknown' and state = 'intent', 'failed', ?3),
                            result_seq = ?4, epoch = ?5
                     where run = ?1 and call = ?2",
                )?
                .execute(params![run, call.as_str(), state_name(*status), seq.0, epoch.0])?;
            }
            ToolFact::Unsure { call } => {
                db.prepare_cached("update step set state = 'unknown', epoch = ?3 where run = ?1 and call = ?2")?
                    .execute(params![run, call.as_str(), epoch.0])?;
            }
            ToolFact::Settled { call, answer } => {
                // One whose outcome is known already stays as it is.
                let _is_news = settle(db, run, call, *answer)?;
            }
            ToolFact::Over { by_person } => over(db, run, *by_person)?,
        }
        Ok(())
    }

    /// Refuses a call that would do what another call may have done already:
    /// one with the same action, whose outcome is not known. Asked when a call
    /// is planned and again when it starts, since another may have started between.
    pub(super) fn refuse_repeat(&self, db: &Connection, run: i64) -> Result<(), WorkError<Error>> {
        let ids = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let other: Option<(String, String)> = match self {
            ToolFact::Intent { call, effect: Effect::Keyed | Effect::Once, action, .. } => db
                .prepare_cached(
                    "select r.idem, t.call from step t join run r on r.id = t.run
                     where t.action_ref = ?1 and t.effect in ('keyed','once') and t.state in ('started','unknown')
                       and (t.run <> ?2 or t.call <> ?3) limit 1",
                )?
                .query_row(params![action, run, call.as_str()], ids)
                .optional()?,
            ToolFact::Started { call, .. } => db
                .prepare_cached(
                    "select r.idem, t.call from step mine join step t on t.action_ref = mine.action_ref
                       join run r on r.id = t.run
                     where mine.run = ?1 and mine.call = ?2 and mine.effect in ('keyed','once')
                       and t.effect in ('keyed','once') and t.state in ('started','unknown')
                       and (t.run <> mine.run or t.call <> mine.call) limit 1",
                )?
                .query_row(params![run, call.as_str()], ids)
                .optional()?,
            _ => None,
        };
        let Some((run, call)) = other else { return Ok(()) };
        let damaged = |error: openclaw_domain::ids::Error| Failure::Damaged(error.to_string());
        let (run, call) = (run.parse().map_err(damaged)?, call.parse().map_err(damaged)?);
        Err(WorkError::Refused(Error::Blocked { run, call }))
    }
}

/// Closes the calls of a run that ended. Most runs end without any: one look
/// finds that out, where two changes of nothing would cost as much as two rows.
pub(super) fn over(db: &Connection, run: i64, by_person: bool) -> rusqlite::Result<()> {
    let has_any: bool = db
        .prepare_cached(
            "select exists(select 1 from step where run = ?1) or exists(select 1 from mail where run = ?1)",
        )?
        .query_row([run], |row| row.get(0))?;
    if has_any {
        let state = if by_person { "resolved" } else { "unknown" };
        db.prepare_cached("update step set state = ?2 where run = ?1 and state = 'started'")?
            .execute(params![run, state])?;
        mail::clear(db, run)?;
    }
    Ok(())
}

/// Records an answer about a call of unknown outcome; false when there is no such
/// call or its outcome is known.
pub(super) fn settle(db: &Connection, run: i64, call: &CallId, answer: Answer) -> rusqlite::Result<bool> {
    // That nobody knows changes nothing: the action stays blocked.
    let state = if answer == Answer::Unknown { "unknown" } else { "resolved" };
    let settled = db
        .prepare_cached("update step set state = ?3 where run = ?1 and call = ?2 and state in ('started','unknown')")?
        .execute(params![run, call.as_str(), state])?;
    Ok(settled > 0)
}

/// Lists calls whose outcome is not known and must not be repeated blindly.
pub(super) fn open_actions(db: &Connection) -> rusqlite::Result<Vec<OpenAction>> {
    db.prepare_cached(
        "select lower(hex(t.action_ref)), s.skey, r.idem, t.call, t.tool
         from step t join run r on r.id = t.run join session s on s.id = r.session
         where t.effect in ('keyed','once') and t.state in ('started','unknown') and s.removed_at is null
         order by t.run, t.step",
    )?
    .query_map((), |row| {
        Ok(OpenAction {
            action: row.get(0)?,
            session: row.get_ref(1)?.as_str()?.parse().map_err(|error| damaged(1, error))?,
            run: row.get_ref(2)?.as_str()?.parse().map_err(|error| damaged(2, error))?,
            call: row.get_ref(3)?.as_str()?.parse().map_err(|error| damaged(3, error))?,
            tool: row.get(4)?,
        })
    })?
    .collect()
}

fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::Pure => "pure",
        Effect::Idempotent => "idempotent",
        Effect::Keyed => "keyed",
        Effect::Once => "once",
    }
}

fn state_name(status: ToolStatus) -> &'static str {
    match status {
        ToolStatus::Ok => "done",
        ToolStatus::Failed | ToolStatus::Denied => "failed",
        ToolStatus::Interrupted | ToolStatus::Unknown => "unknown",
    }
}
