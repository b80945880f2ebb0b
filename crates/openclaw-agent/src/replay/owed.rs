//! Rebuilds the event the engine owes.
//!
//! What the world decides at that moment (a gate's verdict, a new id, the time)
//! is taken from the recorded event; all else is made anew.

use openclaw_domain::approval::Approval;
use openclaw_domain::message::ToolStatus;
use openclaw_domain::run::End;
use openclaw_domain::{CallId, Origin, Recorded, RunEvent, SessionId, ToolCall, ToolResult, gate};

use super::check::{Check, Owed, Wrong};
use crate::keys::{self, hex};
use crate::step::Effect;

impl Check<'_> {
    /// Rebuilds what is owed, or says why the recorded event cannot be it.
    pub(super) fn rebuild(&mut self, owed: &Owed, recorded: &Recorded) -> Result<RunEvent, Wrong> {
        let event = &recorded.event;
        match (owed, event) {
            (Owed::Effect(Effect::CallModel { step }), RunEvent::ModelStarted { idempotency_key, .. }) => {
                let run = &self.recording.record.id;
                let key = self.key(|session| keys::step_key(session, run, *step), idempotency_key);
                Ok(RunEvent::ModelStarted { step: *step, idempotency_key: key })
            }
            (Owed::Effect(Effect::Supersede { reason }), RunEvent::ModelSuperseded { .. }) => {
                Ok(RunEvent::ModelSuperseded { reason: reason.clone() })
            }
            (Owed::Effect(Effect::Answer { call, result }), RunEvent::ToolEnded { .. }) => {
                Ok(RunEvent::ToolEnded { call: call.clone(), result: Box::new(result.clone()) })
            }
            (Owed::Effect(Effect::Finish { end }), RunEvent::Ended { outcome }) => Ok(self.ended(end.clone(), outcome)),
            (Owed::Effect(Effect::Dispatch { call }), _) => self.dispatched(call, event),
            (Owed::Start(call), RunEvent::ToolStarted { idempotency_key, .. }) => {
                let run = &self.recording.record.id;
                let key = self.key(|session| keys::call_key(session, run, call), idempotency_key);
                Ok(RunEvent::ToolStarted { call: call.clone(), idempotency_key: key })
            }
            (owed, _) => Err(Wrong::new(format!("{} is not what the engine asked for", event.name()), name(owed))),
        }
    }

    /// Builds the end from the state; only the clock's readings are the recorded ones.
    pub(super) fn ended(&self, end: End, recorded: &openclaw_domain::Outcome) -> RunEvent {
        let outcome = crate::outcome::of(&self.state, end, recorded.started_at, recorded.ended_at);
        RunEvent::Ended { outcome: Box::new(outcome) }
    }

    /// A call at the gate: it starts, a person is asked, or it is answered unrun.
    fn dispatched(&mut self, call: &ToolCall, event: &RunEvent) -> Result<RunEvent, Wrong> {
        let wrong = |what: &str, expected: &str| Err(Wrong::new(format!("{what} (call {})", call.id), expected));
        match event {
            RunEvent::ToolIntent { effect, .. } => {
                if !is_object(&call.arguments) {
                    return wrong("arguments that are no JSON object were run", "an answer that says so");
                }
                self.batch.push_front(Owed::Start(call.id.clone()));
                Ok(RunEvent::ToolIntent {
                    call: call.id.clone(),
                    tool: call.name.clone(),
                    digest: hex(&gate::digest(&call.name, &call.arguments)),
                    effect: *effect,
                    action: self.action(call),
                })
            }
            RunEvent::ApprovalRequested { approval } => {
                if self.state.evidence.contains_key(&call.id) {
                    return wrong("a person is asked again", "the call to run or to be refused");
                }
                Ok(RunEvent::ApprovalRequested { approval: Box::new(self.approval(call, approval)) })
            }
            RunEvent::ToolEnded { call: ended, result } if *ended == call.id => {
                if !self.is_dry() && !is_refusal(result) {
                    return wrong("a call has a result and was not started", "a refusal by the program");
                }
                Ok(event.clone())
            }
            _ => wrong(
                &format!("{} is not what the engine asked for", event.name()),
                "the call to start, a question, or a refusal",
            ),
        }
    }

    fn approval(&self, call: &ToolCall, recorded: &Approval) -> Approval {
        let record = &self.recording.record;
        let arguments: serde_json::Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        let cwd = arguments.get("workdir").or_else(|| arguments.get("cwd")).and_then(|cwd| cwd.as_str());
        Approval {
            id: recorded.id.clone(),
            call: call.clone(),
            run: record.id.clone(),
            session: record.session.clone(),
            agent: record.session.agent().clone(),
            rule: recorded.rule.clone(),
            reason: recorded.reason.clone(),
            cwd: cwd.map(str::to_owned),
            asked_at: recorded.asked_at,
            expires_at: recorded.expires_at,
        }
    }

    fn action(&self, call: &ToolCall) -> String {
        let parent = self.state.request.as_ref().and_then(|request| request.parent.as_ref());
        let root = parent.map_or(&self.recording.record.session, |parent| &parent.root);
        keys::action_key(root, call)
    }

    /// Derives a key; without the conversation's id the recorded one stands.
    fn key(&self, derive: impl Fn(&SessionId) -> String, recorded: &str) -> String {
        let id = self.recording.transcript.as_ref().map(|transcript| &transcript.id);
        id.map_or_else(|| recorded.to_owned(), derive)
    }

    /// Tells whether the run's tools answer from the record of another run: all
    /// of them, or those of the steps it took over.
    fn is_dry(&self) -> bool {
        let origin = self.state.request.as_ref().and_then(|request| request.origin.as_ref());
        origin.is_some_and(|origin| !origin.is_live || self.state.iterations < origin.from_step)
    }

    /// Tells of each call whether the new owner may dispatch it again.
    ///
    /// That depended on the tools it had; the record shows it in what the owner
    /// did next. Only a call that must not be repeated is never believed to be.
    pub(super) fn decided_repeats(&self) -> std::collections::BTreeMap<CallId, bool> {
        let ahead = || {
            let rest = self.recording.events[self.at + 1..].iter().map(|recorded| &recorded.event);
            rest.take_while(|event| !matches!(event, RunEvent::Claimed { .. }))
        };
        let decide = |id: &CallId| {
            let class = self.recording.events[..self.at].iter().rev().find_map(|recorded| match &recorded.event {
                RunEvent::ToolIntent { call, effect, .. } if call == id => Some(*effect),
                _ => None,
            });
            let is_once = class == Some(openclaw_domain::tool::Effect::Once);
            let next = ahead().find_map(|event| match event {
                RunEvent::ToolIntent { call, effect, .. } if call == id => {
                    Some(*effect != openclaw_domain::tool::Effect::Once)
                }
                RunEvent::ApprovalRequested { approval } if approval.call.id == *id => Some(!is_once),
                RunEvent::ToolUnsure { question } if question.call.id == *id => Some(false),
                RunEvent::ToolSettled { call, .. } if call == id => Some(false),
                RunEvent::ToolEnded { call, result } if call == id => Some(!is_once && is_refusal(result)),
                _ => None,
            });
            use openclaw_domain::tool::Effect::{Idempotent, Pure};
            next.unwrap_or(matches!(class, Some(Pure | Idempotent)))
        };
        self.state.open.keys().map(|id| (id.clone(), decide(id))).collect()
    }
}

fn name(owed: &Owed) -> String {
    match owed {
        Owed::Start(call) => format!("tool_started of call {call}"),
        Owed::Effect(Effect::CallModel { step }) => format!("model_started of step {step}"),
        Owed::Effect(Effect::Dispatch { call }) => {
            format!("call {} of {} to start, a question, or a refusal", call.id, call.name)
        }
        Owed::Effect(Effect::Probe { call }) => format!("word from {} about call {}", call.name, call.id),
        Owed::Effect(Effect::Supersede { .. }) => "model_superseded".to_owned(),
        Owed::Effect(Effect::Compact { .. }) => "compacted".to_owned(),
        Owed::Effect(Effect::Answer { call, .. }) => format!("tool_ended of call {call}"),
        Owed::Effect(Effect::Finish { end }) => format!("ended, {}", super::check::json(end)),
    }
}

fn is_object(arguments: &str) -> bool {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(arguments).is_ok()
}

/// Tells whether a result is one the program itself gives in place of a tool.
fn is_refusal(result: &ToolResult) -> bool {
    result.origin == Origin::System
        && matches!(result.status, ToolStatus::Failed | ToolStatus::Denied)
        && result.details.is_null()
}
