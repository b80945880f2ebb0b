//! Turns run updates into frames (`protocol.md` §1.6).
//!
//! A [`View`] remembers of a run what later frames repeat: the text so far, the
//! model, the tokens. Numbers inside payloads are the run's own; the agent and
//! the chat frame of one update share it.

use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::message::ToolStatus;
use openclaw_domain::model::Selected;
use openclaw_domain::run::{End, Limit, Outcome};
use openclaw_domain::tool::Progress;
use openclaw_domain::update::Phase;
use openclaw_domain::{Change, RunId, RunUpdate, Timestamp, ToolCall, ToolResult};
use serde_json::{Value, json};

use super::delta::{Block, Delta, Ids, Kind};
use super::frame::{Frame, Mark, WhenSlow};
use super::names;
use super::payload::{self, Chat};
use crate::convert;

/// Names of tools repeated in the receipt, and inputs that joined the run.
const REMEMBERED_MAX: usize = 256;

/// One thing to send, and to whom.
pub(crate) enum Output {
    /// To those who hear the run.
    Run(Frame),
    /// Text, to those who hear the run.
    Delta(Delta),
    /// To those who hear the run and its tools.
    Tool(Frame),
    /// To those who follow the transcript.
    Transcript(Frame),
    /// To those who answer approvals.
    Approvals(Frame),
    /// To those who answer questions.
    Questions(Frame),
    /// To those who hear the run and where it stands.
    Position(Frame),
}

/// What is remembered of a run between updates.
pub(crate) struct View {
    ids: Arc<Ids>,
    started_at: Timestamp,
    answer: Option<Arc<Block>>,
    thinking: Option<Arc<Block>>,
    blocks: u32,
    is_text_shown: bool,
    output_tokens: u64,
    selected: Option<Selected>,
    tools: Vec<String>,
    steered: Vec<RunId>,
}

impl View {
    /// Starts to follow a run.
    pub(crate) fn new(update: &RunUpdate) -> Self {
        let ids = Ids {
            run: update.run.to_string(),
            session: update.session.to_string(),
            agent: update.session.agent().to_string(),
        };
        Self {
            ids: Arc::new(ids),
            started_at: update.at,
            answer: None,
            thinking: None,
            blocks: 0,
            is_text_shown: false,
            output_tokens: 0,
            selected: None,
            tools: Vec::new(),
            steered: Vec::new(),
        }
    }

    /// Takes note of an update and returns what to send, in order.
    pub(crate) fn apply(&mut self, update: &RunUpdate) -> Vec<Output> {
        match &update.change {
            Change::Accepted => Vec::new(),
            Change::EntryAdded(entry) => vec![Output::Transcript(Frame::new(
                names::SESSION_MESSAGE,
                &convert::message::session_message(&update.session, entry),
                WhenSlow::Drop,
            ))],
            Change::Started => {
                self.started_at = update.at;
                vec![self.agent(update, "lifecycle", json!({ "phase": "start", "startedAt": update.at }))]
            }
            Change::Phase(phase) => self.phase(update, *phase),
            Change::ModelSelected(selected) => {
                self.selected = Some(selected.clone());
                let model = &selected.model;
                let mut data = json!({ "phase": "model", "provider": model.provider, "model": model.model });
                if let Some(why) = &selected.why {
                    data["reason"] = json!(why);
                }
                vec![self.agent(update, "lifecycle", data)]
            }
            Change::TextDelta(text) => vec![Output::Delta(self.text(Kind::Answer, text, update))],
            Change::ThinkingDelta(text) => vec![Output::Delta(self.text(Kind::Thinking, text, update))],
            Change::TextReplaced(text) => self.replaced(text, update),
            Change::TurnCompleted(usage) => {
                (self.answer, self.thinking) = (None, None);
                self.output_tokens += usage.output;
                vec![self.agent(update, "usage", json!({ "outputTokens": self.output_tokens }))]
            }
            Change::ToolStarted(call) => self.tool_started(update, call),
            Change::ToolProgress { call, progress } => self.tool_progress(update, call.as_str(), progress),
            Change::ToolEnded { call, result, took } => self.tool_ended(update, call, result, *took),
            Change::ApprovalRequested(approval) => vec![Output::Approvals(Frame::new(
                names::APPROVAL_REQUESTED,
                &convert::approval::requested(approval),
                WhenSlow::Close,
            ))],
            Change::ApprovalResolved { approval, decision, by } => vec![Output::Approvals(Frame::new(
                names::APPROVAL_RESOLVED,
                &convert::approval::resolved(approval, *decision, by, update.at),
                WhenSlow::Close,
            ))],
            Change::QuestionAsked(question) => vec![Output::Questions(Frame::new(
                names::QUESTION_REQUESTED,
                &convert::question::record(question, update.at),
                WhenSlow::Close,
            ))],
            Change::QuestionAnswered { question, answer, .. } => vec![Output::Questions(Frame::new(
                names::QUESTION_RESOLVED,
                &convert::question::resolved(question, *answer),
                WhenSlow::Close,
            ))],
            Change::TextKept => vec![Output::Position(self.frame(update, "cursor", json!({})))],
            Change::Resumed => vec![self.agent(update, "lifecycle", json!({ "phase": "resumed" }))],
            Change::Compacting => vec![self.agent(update, "compaction", payload::compacting())],
            Change::Compacted { entries, tokens, is_retry } => {
                vec![self.agent(update, "compaction", payload::compacted(*entries, *tokens, *is_retry))]
            }
            Change::NotCompacted { reason } => {
                vec![self.agent(update, "compaction", payload::not_compacted(reason))]
            }
            // Whoever said it heard so when the run that took it in ended.
            Change::Carried(_) => Vec::new(),
            Change::Steered { input } => {
                if self.steered.len() < REMEMBERED_MAX {
                    self.steered.push(input.clone());
                }
                Vec::new()
            }
            Change::Ended(outcome) => self.ended(update, outcome),
        }
    }

    fn text(&mut self, kind: Kind, text: &str, update: &RunUpdate) -> Delta {
        let slot = match kind {
            Kind::Answer => &mut self.answer,
            Kind::Thinking => &mut self.thinking,
        };
        let block = slot.get_or_insert_with(|| {
            self.blocks += 1;
            let item = format!("{}:{}", self.ids.run, self.blocks);
            let replaces = kind == Kind::Answer && self.is_text_shown;
            Block::new(Arc::clone(&self.ids), kind, item, replaces)
        });
        if kind == Kind::Answer {
            self.is_text_shown = true;
        }
        block.add(text, update.seq, update.cursor, update.at)
    }

    /// What was streamed is void: clients put `text` in its place.
    fn replaced(&mut self, text: &str, update: &RunUpdate) -> Vec<Output> {
        self.answer = None;
        let delta = self.text(Kind::Answer, text, update);
        let data = json!({ "text": text, "delta": text, "replace": true });
        let agent = self.agent(update, "assistant", data);
        let message = Some(assistant(text, update.at));
        let chat = Chat { delta_text: Some(text), replace: Some(true), message, ..self.chat(update, "delta") };
        // The block keeps the text for later deltas; its own stretch is not sent.
        drop(delta);
        vec![agent, Output::Run(Frame::new(names::CHAT, &chat, WhenSlow::Close))]
    }

    fn phase(&self, update: &RunUpdate, phase: Phase) -> Vec<Output> {
        let chat = Chat { phase: Some(phase.as_str()), ..self.chat(update, "status") };
        let agent = self.agent(update, "run_status", json!({ "phase": phase.as_str() }));
        vec![Output::Run(Frame::new(names::CHAT, &chat, WhenSlow::Drop)), agent]
    }

    fn tool_started(&self, update: &RunUpdate, call: &ToolCall) -> Vec<Output> {
        let id = call.id.as_str();
        let item = json!({ "itemId": format!("tool:{id}"), "toolCallId": id, "name": call.name, "kind": "tool",
            "phase": "start", "title": convert::tool::title(call), "status": "running", "startedAt": update.at });
        let tool = json!({ "phase": "start", "name": call.name, "toolCallId": id,
            "args": convert::tool::arguments(call) });
        vec![self.agent(update, "item", item), self.tool(update, tool)]
    }

    fn tool_progress(&self, update: &RunUpdate, id: &str, progress: &Progress) -> Vec<Output> {
        match progress {
            Progress::Output { text } => {
                let partial = json!({ "content": [{ "type": "text", "text": text }] });
                let tool = json!({ "phase": "update", "toolCallId": id, "partialResult": partial });
                let output = json!({ "itemId": format!("command:{id}"), "phase": "delta", "toolCallId": id,
                    "output": text, "status": "running" });
                vec![self.tool(update, tool), self.agent(update, "command_output", output)]
            }
            Progress::Status { text } => {
                let item = json!({ "itemId": format!("tool:{id}"), "toolCallId": id, "kind": "tool",
                    "phase": "update", "status": "running", "meta": text });
                vec![self.agent(update, "item", item)]
            }
        }
    }

    fn tool_ended(&mut self, update: &RunUpdate, call: &ToolCall, result: &ToolResult, took: Duration) -> Vec<Output> {
        let (id, millis) = (call.id.as_str(), u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        if !result.is_error() && self.tools.len() < REMEMBERED_MAX && !self.tools.contains(&call.name) {
            self.tools.push(call.name.clone());
        }
        let status = match result.status {
            ToolStatus::Ok => "completed",
            ToolStatus::Failed | ToolStatus::Denied | ToolStatus::Interrupted | ToolStatus::Unknown => "failed",
        };
        let tool = json!({ "phase": "result", "name": call.name, "toolCallId": id, "isError": result.is_error(),
            "durationMs": millis, "result": convert::tool::result(result) });
        let item = json!({ "itemId": format!("tool:{id}"), "toolCallId": id, "name": call.name, "kind": "tool",
            "phase": "end", "title": convert::tool::title(call), "status": status, "endedAt": update.at,
            "durationMs": millis });
        let mut outputs = vec![self.tool(update, tool), self.agent(update, "item", item)];
        if let Some(code) = result.details.get("exitCode") {
            let command = json!({ "itemId": format!("command:{id}"), "phase": "end", "toolCallId": id,
                "name": call.name, "output": result.text(), "status": status, "exitCode": code,
                "durationMs": millis });
            outputs.push(self.agent(update, "command_output", command));
        }
        outputs
    }

    fn ended(&mut self, update: &RunUpdate, outcome: &Outcome) -> Vec<Output> {
        let mut outputs = match &outcome.end {
            End::Done => {
                let message = Some(assistant(&outcome.text, update.at));
                let chat = Chat { stop_reason: Some("stop"), message, ..self.chat(update, "final") };
                let end = self.receipt(outcome, "end");
                vec![
                    self.agent(
                        update,
                        "lifecycle",
                        json!({ "phase": "finishing", "stopReason": "stop",
                        "aborted": false, "endedAt": outcome.ended_at }),
                    ),
                    self.agent(update, "lifecycle", end),
                    Output::Run(Frame::new(names::CHAT, &chat, WhenSlow::Close)),
                ]
            }
            End::Cancelled { by } => {
                let partial = self.answer.as_ref().map(|block| block.text()).filter(|text| !text.is_empty());
                let message = partial.map(|text| assistant(&text, update.at));
                let chat = Chat { stop_reason: Some(by), message, ..self.chat(update, "aborted") };
                let mut end = self.receipt(outcome, "end");
                end["status"] = json!("cancelled");
                end["aborted"] = json!(true);
                end["stopReason"] = json!(by);
                vec![Output::Run(Frame::new(names::CHAT, &chat, WhenSlow::Close)), self.agent(update, "lifecycle", end)]
            }
            End::Limited { message, .. } | End::ModelFailed { message, .. } | End::Failed { message } => {
                // The contract closes this payload; its free text names the ceiling.
                let reason = convert::outcome::limit_path(&outcome.end);
                let chat = Chat {
                    error_message: Some(message),
                    error_kind: Some(error_kind(&outcome.end)),
                    stop_reason: reason.as_deref(),
                    message: (!outcome.text.is_empty()).then(|| assistant(&outcome.text, update.at)),
                    ..self.chat(update, "error")
                };
                let mut end = self.receipt(outcome, "error");
                end["error"] = json!(message);
                convert::outcome::put_limit(&mut end, &outcome.end);
                vec![self.agent(update, "lifecycle", end), Output::Run(Frame::new(names::CHAT, &chat, WhenSlow::Close))]
            }
        };
        for input in std::mem::take(&mut self.steered) {
            // The input's own id is done too: whoever waits for it must not wait for ever.
            let payload = json!({ "runId": input, "sessionKey": self.ids.session, "agentId": self.ids.agent,
                "seq": update.seq, "state": "final", "stopReason": "steered" });
            outputs.push(Output::Run(Frame::new(names::CHAT, &payload, WhenSlow::Close)));
        }
        outputs
    }

    fn receipt(&self, outcome: &Outcome, phase: &str) -> Value {
        let mut data = convert::outcome::ending(&self.ids.run, outcome, &self.tools);
        data["phase"] = json!(phase);
        data["startedAt"] = json!(self.started_at);
        data["endedAt"] = json!(outcome.ended_at);
        data["executionSettled"] = json!(true);
        data
    }

    fn agent(&self, update: &RunUpdate, stream: &str, data: Value) -> Output {
        Output::Run(self.frame(update, stream, data))
    }

    fn tool(&self, update: &RunUpdate, data: Value) -> Output {
        Output::Tool(self.frame(update, "tool", data))
    }

    fn frame(&self, update: &RunUpdate, stream: &str, data: Value) -> Frame {
        let payload = payload::Agent::of(&self.ids, (update.seq, update.at), stream, data);
        let when_slow = if stream == "lifecycle" { WhenSlow::Close } else { WhenSlow::Drop };
        let mark = Mark { ids: Arc::clone(&self.ids), cursor: update.cursor, is_durable: is_durable(&update.change) };
        Frame::new(names::AGENT, &payload, when_slow).marked(mark)
    }

    fn chat<'a>(&'a self, update: &RunUpdate, state: &'a str) -> Chat<'a, Value> {
        Chat::of(&self.ids, update.seq, state)
    }
}

/// Tells whether what happened is in the journal when it is told.
fn is_durable(change: &Change) -> bool {
    !matches!(
        change,
        Change::Phase(_)
            | Change::ModelSelected(_)
            | Change::TextDelta(_)
            | Change::ThinkingDelta(_)
            | Change::ToolProgress { .. }
            | Change::Compacting
            | Change::NotCompacted { .. }
    )
}

fn assistant(text: &str, at: Timestamp) -> Value {
    json!({ "role": "assistant", "content": [{ "type": "text", "text": text }], "timestamp": at })
}

fn error_kind(end: &End) -> &'static str {
    use openclaw_domain::model::ErrorClass;
    match end {
        End::Limited { limit: Limit::Duration | Limit::Timeout, .. } => "timeout",
        End::Limited { .. } | End::Done | End::Cancelled { .. } | End::Failed { .. } => "unknown",
        End::ModelFailed { class, .. } => match class {
            ErrorClass::ContentRefused => "refusal",
            ErrorClass::Timeout => "timeout",
            ErrorClass::RateLimited | ErrorClass::Quota => "rate_limit",
            ErrorClass::ContextOverflow => "context_length",
            ErrorClass::Auth
            | ErrorClass::Overloaded
            | ErrorClass::BadRequest
            | ErrorClass::ThinkingRefused
            | ErrorClass::NoSuchModel
            | ErrorClass::Truncated
            | ErrorClass::Network
            | ErrorClass::Protocol
            | ErrorClass::NotConfigured => "unknown",
        },
    }
}
