//! The state of each tool call, derived from its events in the same transaction.
//!
//! It answers, without folding a run, which calls may have happened: what
//! recovery and a later call with the same action need to know.

use openclaw_domain::event::RunEvent;
use openclaw_domain::ids::{CallId, Epoch, Seq};
use openclaw_domain::message::ToolStatus;
use openclaw_domain::tool::Effect;
use rusqlite::{Connection, OptionalExtension, params};

use crate::sqlite::error::Failure;

/// What an event says about a tool call.
#[derive(Debug)]
pub(super) enum ToolFact {
    Intent { call: CallId, tool: String, effect: Effect, action: Vec<u8> },
    Started { call: CallId, key: String },
    Ended { call: CallId, status: ToolStatus },
}

impl ToolFact {
    /// Reads the fact from an event, if it is about a tool call.
    pub(super) fn of(event: &RunEvent) -> Result<Option<Self>, Failure> {
        Ok(match event {
            RunEvent::ToolIntent { call, tool, digest, effect } => {
                let action = hex::decode(digest)
                    .map_err(|error| Failure::Damaged(format!("the digest of call {call} is not hex: {error}")))?;
                Some(ToolFact::Intent { call: call.clone(), tool: tool.clone(), effect: *effect, action })
            }
            RunEvent::ToolStarted { call, idempotency_key } => {
                Some(ToolFact::Started { call: call.clone(), key: idempotency_key.clone() })
            }
            RunEvent::ToolEnded { call, result } => Some(ToolFact::Ended { call: call.clone(), status: result.status }),
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
            | RunEvent::Steered { .. }
            | RunEvent::CancelRequested { .. }
            | RunEvent::DeadlinePassed
            | RunEvent::Ended { .. } => None,
        })
    }

    /// Writes the fact; returns the step it belongs to: the position of its intent.
    pub(super) fn write(&self, db: &Connection, run: i64, seq: Seq, epoch: Epoch) -> rusqlite::Result<Option<u64>> {
        match self {
            ToolFact::Intent { call, tool, effect, action } => db
                .prepare_cached(
                    "insert into step(run, step, kind, call, tool, effect, action_ref, state, epoch)
                     values (?1, ?2, 'tool', ?3, ?4, ?5, ?6, 'intent', ?7)
                     on conflict(run, call) do update set epoch = excluded.epoch
                     returning step",
                )?
                .query_row(params![run, seq.0, call.as_str(), tool, effect_name(*effect), action, epoch.0], |row| {
                    row.get(0)
                })
                .optional(),
            ToolFact::Started { call, key } => db
                .prepare_cached(
                    "update step set state = 'started', ikey = ?3, attempt = attempt + 1, epoch = ?4
                     where run = ?1 and call = ?2 returning step",
                )?
                .query_row(params![run, call.as_str(), key, epoch.0], |row| row.get(0))
                .optional(),
            // A call that was interrupted before it started cannot have happened.
            ToolFact::Ended { call, status } => db
                .prepare_cached(
                    "update step set state = iif(?3 = 'unknown' and state = 'intent', 'failed', ?3),
                            result_seq = ?4, epoch = ?5
                     where run = ?1 and call = ?2 returning step",
                )?
                .query_row(params![run, call.as_str(), state_name(*status), seq.0, epoch.0], |row| row.get(0))
                .optional(),
        }
    }
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
