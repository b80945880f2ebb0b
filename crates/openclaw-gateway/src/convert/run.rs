//! Runs as their journal shows them: rows, events, and what they did.

use openclaw_domain::delivery::DeliveryRecord;
use openclaw_domain::message::ToolStatus;
use openclaw_domain::model::Usage;
use openclaw_domain::ports::{OpenAction, RunRecord};
use openclaw_domain::{Answer, Recorded, RunEvent, Timestamp};
use serde_json::{Value, json};

use super::{outcome, tool};
use crate::stream::payload;

/// Rows of each kind in a summary; a run's own limits are far below.
const ROWS_MAX: usize = 2000;

/// Returns a row of `runs.list`.
pub(crate) fn row(record: &RunRecord) -> Value {
    let mut row = json!({ "runId": record.id, "sessionKey": record.session, "agentId": record.session.agent(),
        "status": record.status.as_str(), "epoch": record.epoch.0, "seq": record.seq.0,
        "acceptedAt": record.accepted_at, "details": record.details });
    if let Some(ended) = &record.outcome {
        row["outcome"] = json!({ "end": ended.end, "text": ended.text, "iterations": ended.iterations,
            "toolCalls": ended.tool_calls, "startedAt": ended.started_at, "endedAt": ended.ended_at,
            "usage": outcome::usage(&ended.usage) });
    }
    row
}

/// Returns an event of `runs.events`.
pub(crate) fn event(run: &str, recorded: &Recorded) -> Value {
    let (stream, mut data) = payload::of(&recorded.event, run, recorded.at);
    match &recorded.event {
        RunEvent::ModelDelta { text } => data = json!({ "delta": text }),
        RunEvent::ModelDone { turn, .. } => {
            data["text"] = json!(turn.text());
            data["calls"] = turn.calls().map(|(call, _)| described(call)).collect();
        }
        RunEvent::ToolIntent { action, digest, .. } => {
            data["action"] = json!(action);
            data["digest"] = json!(digest);
        }
        RunEvent::ToolStarted { idempotency_key, .. } => data["key"] = json!(idempotency_key),
        RunEvent::ToolEnded { result, .. } => data["result"] = tool::result(result),
        RunEvent::Claimed { owner } => data["owner"] = json!(owner),
        RunEvent::Accepted { request, limits, runtime } => {
            data["source"] = json!(request.source);
            data["message"] = json!(request.input.text());
            data["limits"] = json!(limits);
            data["runtime"] = json!(runtime);
        }
        _ => {}
    }
    json!({ "seq": recorded.seq.0, "epoch": recorded.epoch.0, "at": recorded.at, "event": recorded.event.name(),
        "stream": stream, "data": data })
}

fn described(call: &openclaw_domain::ToolCall) -> Value {
    json!({ "callId": call.id, "name": call.name, "args": tool::arguments(call), "title": tool::title(call) })
}

/// What a run did so far, folded from its events.
#[derive(Default)]
pub(crate) struct Summary {
    model_calls: Vec<Value>,
    tools: Vec<Value>,
    usage: Usage,
    owners: u32,
    waits_for: Vec<Value>,
}

impl Summary {
    pub(crate) fn new() -> Self {
        Self { usage: Usage { cost_usd: Some(0.0), ..Usage::default() }, ..Self::default() }
    }

    /// Takes note of an event.
    pub(crate) fn add(&mut self, recorded: &Recorded) {
        let at = recorded.at;
        match &recorded.event {
            RunEvent::Claimed { .. } => self.owners += 1,
            RunEvent::ModelStarted { step, idempotency_key } if self.model_calls.len() < ROWS_MAX => {
                self.model_calls.push(json!({ "step": step, "key": idempotency_key, "state": "started",
                    "startedAt": at, "superseded": 0 }));
            }
            RunEvent::ModelSelected { selected } => {
                self.call(|call| {
                    call["provider"] = json!(selected.model.provider);
                    call["model"] = json!(selected.model.model);
                    call["reason"] = json!(selected.why);
                });
            }
            RunEvent::ModelSuperseded { reason } => self.call(|call| {
                call["superseded"] = json!(call["superseded"].as_u64().unwrap_or(0) + 1);
                call["supersededBecause"] = json!(reason);
            }),
            RunEvent::ModelDone { usage, turn } => {
                self.usage.add(usage);
                self.call(|call| {
                    call["state"] = json!("done");
                    call["endedAt"] = json!(at);
                    call["usage"] = outcome::usage(usage);
                });
                for (call, _) in turn.calls().take(ROWS_MAX.saturating_sub(self.tools.len())) {
                    let mut row = described(call);
                    row["state"] = json!("planned");
                    self.tools.push(row);
                }
            }
            RunEvent::ModelFailed { class, message } => self.call(|call| {
                call["state"] = json!("failed");
                call["endedAt"] = json!(at);
                call["error"] = json!({ "class": class, "message": message });
            }),
            event => self.add_tool(event, at),
        }
    }

    fn add_tool(&mut self, event: &RunEvent, at: Timestamp) {
        match event {
            RunEvent::ToolIntent { call, effect, action, .. } => self.tool(call.as_str(), |row| {
                row["state"] = json!("intent");
                row["effect"] = json!(effect);
                row["action"] = json!(action);
            }),
            RunEvent::ToolStarted { call, idempotency_key } => self.tool(call.as_str(), |row| {
                row["state"] = json!("started");
                row["key"] = json!(idempotency_key);
                row["startedAt"] = json!(at);
                row["dispatches"] = json!(row["dispatches"].as_u64().unwrap_or(0) + 1);
            }),
            RunEvent::ToolEnded { call, result } => self.tool(call.as_str(), |row| {
                row["state"] = json!(match result.status {
                    ToolStatus::Ok => "done",
                    ToolStatus::Unknown => "unknown",
                    _ => "failed",
                });
                row["outcome"] = json!(result.status);
                row["endedAt"] = json!(at);
            }),
            RunEvent::ApprovalRequested { approval } => {
                self.tool(approval.call.id.as_str(), |row| row["state"] = json!("asking"));
                self.waits_for.push(json!({ "kind": "approval", "id": approval.id, "callId": approval.call.id,
                    "name": approval.call.name, "since": approval.asked_at,
                    "next": format!("openclaw approvals allow {}", approval.id) }));
            }
            RunEvent::ApprovalResolved { approval, .. } => self.answered(approval),
            RunEvent::ToolUnsure { question } => {
                self.tool(question.call.id.as_str(), |row| row["state"] = json!("unknown"));
                self.waits_for.push(json!({ "kind": "question", "id": question.id, "callId": question.call.id,
                    "name": question.call.name, "since": question.asked_at,
                    "next": format!("openclaw approvals answer {} happened", question.id),
                    "answers": ["happened", "not-happened", "unknown"] }));
            }
            RunEvent::ToolSettled { question, call, answer, by } => {
                self.answered(question);
                self.tool(call.as_str(), |row| {
                    row["state"] = json!(if *answer == Answer::Unknown { "unknown" } else { "resolved" });
                    row["settledBy"] = json!(by);
                    row["answer"] = json!(answer);
                });
            }
            RunEvent::Ended { .. } => self.waits_for.clear(),
            _ => {}
        }
    }

    /// Returns what the run waits for people to say.
    pub(crate) fn waits_for(&self) -> &[Value] {
        &self.waits_for
    }

    /// Returns the summary.
    pub(crate) fn into_value(self) -> Value {
        json!({ "modelCalls": self.model_calls, "tools": self.tools, "usage": outcome::usage(&self.usage),
            "owners": self.owners, "waitsFor": self.waits_for })
    }

    fn call(&mut self, change: impl FnOnce(&mut Value)) {
        if let Some(call) = self.model_calls.last_mut() {
            change(call);
        }
    }

    fn tool(&mut self, id: &str, change: impl FnOnce(&mut Value)) {
        if let Some(row) = self.tools.iter_mut().rev().find(|row| row["callId"] == id) {
            change(row);
        }
    }

    fn answered(&mut self, id: &str) {
        self.waits_for.retain(|waits| waits["id"] != id);
    }
}

/// Returns a call whose outcome is not known.
pub(crate) fn open_action(action: &OpenAction) -> Value {
    json!({ "runId": action.run, "sessionKey": action.session, "callId": action.call, "name": action.tool,
        "action": action.action })
}

/// Returns a delivery.
pub(crate) fn delivery(record: &DeliveryRecord) -> Value {
    let delivery = &record.delivery;
    let mut value = json!({ "id": record.id, "sessionKey": record.session, "runId": record.run, "state": record.state.as_str(),
        "channel": delivery.to.channel, "to": delivery.to.to, "accountId": delivery.to.account,
        "threadId": delivery.to.thread, "text": delivery.text, "key": delivery.idempotency_key,
        "notAfter": delivery.not_after, "providerId": record.provider_id, "message": record.message,
        "attempts": record.attempts, "at": record.at });
    if let Some(discarded) = &record.discarded {
        value["discardedBy"] = json!(discarded.by);
        value["discardedAt"] = json!(discarded.at);
    }
    value
}
