//! `agent` events of a subscription.
//!
//! The shapes are those of the events every client knows; what is added is the
//! cursor, whether it is durable, the name of the journal's event, and the
//! subscription it belongs to.

use std::collections::HashMap;

use openclaw_domain::run::End;
use openclaw_domain::{CallId, Cursor, Recorded, RunEvent, Timestamp, ToolCall};
use serde_json::{Value, json};

use super::feed::{Aside, Name};
use super::telling::{Told, What};
use crate::convert;
use crate::events::payload::compacted;

/// Tool calls of the last turn whose arguments are remembered.
const CALLS_MAX: usize = 256;

/// The payload of one event.
pub(crate) type Payload = Value;

/// What all payloads of a subscription share, and the calls they may name.
pub(crate) struct Heading {
    run: String,
    session: String,
    agent: String,
    subscription: String,
    hears_tools: bool,
    calls: HashMap<CallId, ToolCall>,
}

impl Heading {
    pub(crate) fn new(name: &Name, subscription: String, hears_tools: bool) -> Self {
        let (session, run) = name;
        Self {
            run: run.to_string(),
            session: session.to_string(),
            agent: session.agent().to_string(),
            subscription,
            hears_tools,
            calls: HashMap::new(),
        }
    }

    pub(crate) fn subscription(&self) -> &str {
        &self.subscription
    }

    /// Takes note of the calls an event names, for later events that name them by id.
    pub(crate) fn remember(&mut self, event: &RunEvent) {
        if let RunEvent::ModelDone { turn, .. } = event {
            let calls = turn.calls().take(CALLS_MAX).map(|(call, _)| (call.id.clone(), call.clone()));
            self.calls = calls.collect();
        }
    }

    /// Returns what is told because of an event.
    pub(crate) fn told(&self, told: &Told, recorded: &Recorded) -> Payload {
        match &told.what {
            What::Event { is_resumed, text } => {
                let (stream, data) = match (&recorded.event, text) {
                    (RunEvent::ModelDelta { .. }, Some((delta, offset))) => text_of(delta, *offset),
                    (event, _) => self.event(event, recorded.at),
                };
                let mut payload = self.payload(stream, data, told.cursor, true, recorded.at);
                payload["event"] = json!(recorded.event.name());
                payload["epoch"] = json!(recorded.epoch.0);
                if *is_resumed {
                    payload["resumed"] = json!(true);
                }
                payload
            }
            What::Text { .. } | What::Superseded { .. } => self.live(told, recorded.at),
        }
    }

    /// Returns what is told without an event.
    pub(crate) fn live(&self, told: &Told, at: Timestamp) -> Payload {
        match &told.what {
            What::Text { delta, offset, is_durable } => {
                let (stream, data) = text_of(delta, *offset);
                self.payload(stream, data, told.cursor, *is_durable, at)
            }
            What::Superseded { keep } => self.payload("superseded", json!({ "keep": keep }), told.cursor, true, at),
            What::Event { .. } => self.payload("cursor", json!({}), told.cursor, true, at),
        }
    }

    /// Returns a sign of life.
    pub(crate) fn aside(&self, aside: Aside, cursor: Cursor, at: Timestamp) -> Payload {
        self.payload(aside.stream, aside.data, cursor, false, at)
    }

    /// Returns the last event of a run whose end could not be recorded.
    pub(crate) fn unrecorded(&self, cursor: Cursor, at: Timestamp) -> Payload {
        let message = "the run stopped because its journal refused; its end is recorded before the session's next turn";
        self.payload("lifecycle", json!({ "phase": "error", "error": message }), cursor, false, at)
    }

    /// Returns the last event of a subscription that cannot go on.
    pub(crate) fn failed(&self, cursor: Cursor, at: Timestamp, why: &str) -> Payload {
        let message = format!("{why}; subscribe again from the cursor");
        self.payload("subscription", json!({ "phase": "error", "error": message }), cursor, false, at)
    }

    fn payload(&self, stream: &str, data: Value, cursor: Cursor, is_durable: bool, at: Timestamp) -> Payload {
        let mut payload = json!({ "runId": self.run, "stream": stream, "sessionKey": self.session,
            "agentId": self.agent, "seq": cursor.seq.0, "ts": at, "isHeartbeat": false,
            "durable": is_durable, "subscription": self.subscription });
        // Put in afterwards: a value named inside the literal is copied with all it holds.
        payload["data"] = data;
        payload["cursor"] = cursor_of(&self.run, cursor);
        payload
    }

    fn event(&self, event: &RunEvent, at: Timestamp) -> (&'static str, Value) {
        let call = match event {
            RunEvent::ToolIntent { call, .. }
            | RunEvent::ToolStarted { call, .. }
            | RunEvent::ToolEnded { call, .. } => self.calls.get(call),
            _ => None,
        };
        let (stream, mut data) = of(event, &self.run, at);
        if let Some(call) = call {
            data["name"] = json!(call.name);
            data["title"] = json!(convert::tool::title(call));
        }
        if !self.hears_tools {
            return (stream, data);
        }
        match (event, call) {
            (RunEvent::ToolStarted { .. }, Some(call)) => {
                data["phase"] = json!("start");
                data["args"] = convert::tool::arguments(call);
                ("tool", data)
            }
            (RunEvent::ToolEnded { result, .. }, _) => {
                data["phase"] = json!("result");
                data["isError"] = json!(result.is_error());
                data["result"] = convert::tool::result(result);
                ("tool", data)
            }
            _ => (stream, data),
        }
    }
}

fn text_of(delta: &str, offset: u64) -> (&'static str, Value) {
    ("assistant", json!({ "delta": delta, "offset": offset }))
}

/// Returns a cursor on the wire.
pub(crate) fn cursor_of(run: &str, cursor: Cursor) -> Value {
    json!({ "run": run, "seq": cursor.seq.0, "off": cursor.off })
}

/// Returns the stream and the data of an event, without what only a subscription knows.
pub(crate) fn of(event: &RunEvent, run: &str, at: Timestamp) -> (&'static str, Value) {
    match event {
        RunEvent::Accepted { .. } => ("lifecycle", json!({ "phase": "accepted", "acceptedAt": at })),
        RunEvent::Claimed { .. } => ("lifecycle", json!({ "phase": "claimed" })),
        RunEvent::Began { .. } => ("lifecycle", json!({ "phase": "start", "startedAt": at })),
        RunEvent::ModelStarted { step, .. } => ("lifecycle", json!({ "phase": "starting_model", "step": step })),
        RunEvent::ModelSelected { selected } => {
            let model = &selected.model;
            let data =
                json!({ "phase": "model", "provider": model.provider, "model": model.model, "reason": selected.why });
            ("lifecycle", data)
        }
        RunEvent::ModelDelta { .. } => ("cursor", json!({})),
        RunEvent::ModelSuperseded { reason } => ("superseded", json!({ "keep": 0, "reason": reason })),
        RunEvent::ModelDone { usage, .. } => {
            ("usage", json!({ "outputTokens": usage.output, "usage": convert::outcome::usage(usage) }))
        }
        RunEvent::ModelFailed { class, message } => {
            ("lifecycle", json!({ "phase": "model_failed", "class": class, "error": message }))
        }
        RunEvent::ToolIntent { call, tool, effect, .. } => {
            ("item", item(call, json!({ "phase": "planned", "name": tool, "effect": effect, "status": "pending" })))
        }
        RunEvent::ToolStarted { call, .. } => {
            ("item", item(call, json!({ "phase": "start", "status": "running", "startedAt": at })))
        }
        RunEvent::ToolEnded { call, result } => {
            let status = if result.is_error() { "failed" } else { "completed" };
            ("item", item(call, json!({ "phase": "end", "status": status, "outcome": result.status, "endedAt": at })))
        }
        RunEvent::ApprovalRequested { approval } => {
            let call = &approval.call;
            ("approval", json!({ "phase": "requested", "id": approval.id, "toolCallId": call.id, "name": call.name }))
        }
        RunEvent::ApprovalResolved { approval, call, decision, by } => {
            let data = json!({ "phase": "resolved", "id": approval, "toolCallId": call, "decision": decision, "resolvedBy": by });
            ("approval", data)
        }
        RunEvent::ToolUnsure { question } => {
            let call = &question.call;
            ("question", json!({ "phase": "requested", "id": question.id, "toolCallId": call.id, "name": call.name }))
        }
        RunEvent::ToolSettled { question, call, answer, by } => {
            let data =
                json!({ "phase": "resolved", "id": question, "toolCallId": call, "answer": answer, "resolvedBy": by });
            ("question", data)
        }
        RunEvent::Compacted { compaction, .. } => {
            ("compaction", compacted(compaction.turns as u64, compaction.tokens, false))
        }
        RunEvent::Steered { input, .. } => ("lifecycle", json!({ "phase": "steered", "inputRunId": input })),
        RunEvent::CancelRequested { by } => ("lifecycle", json!({ "phase": "cancelling", "by": by })),
        RunEvent::DeadlinePassed => ("lifecycle", json!({ "phase": "deadline" })),
        RunEvent::Ended { outcome } => {
            let mut data = convert::outcome::ending(run, outcome, &[]);
            let (phase, error) = match &outcome.end {
                End::Done | End::Cancelled { .. } => ("end", None),
                End::Limited { message, .. } | End::ModelFailed { message, .. } | End::Failed { message } => {
                    ("error", Some(message))
                }
            };
            data["phase"] = json!(phase);
            data["startedAt"] = json!(outcome.started_at);
            data["endedAt"] = json!(outcome.ended_at);
            data["executionSettled"] = json!(true);
            if let Some(error) = error {
                data["error"] = json!(error);
            }
            ("lifecycle", data)
        }
    }
}

fn item(call: &CallId, mut data: Value) -> Value {
    data["itemId"] = json!(format!("tool:{call}"));
    data["toolCallId"] = json!(call);
    data["kind"] = json!("tool");
    data
}
