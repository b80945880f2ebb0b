//! Transcript entries as chat messages.

use openclaw_domain::message::{Block, Part};
use openclaw_domain::model::StopReason;
use openclaw_domain::session::Entry;
use openclaw_domain::{AssistantTurn, SessionKey, ToolCall, ToolResult, Turn, UserTurn};
use serde_json::{Value, json};

use super::tool;

/// Returns the id of an entry on the wire.
pub(crate) fn entry_id(entry: &Entry) -> String {
    format!("e{}", entry.n)
}

/// Returns the messages of an entry: one, and one more per tool result.
pub(crate) fn messages(entry: &Entry) -> Vec<Value> {
    match &entry.turn {
        Turn::User(turn) => vec![user(entry, turn)],
        Turn::Assistant(turn) => {
            let mut messages = vec![assistant(entry, turn)];
            let results = turn.calls().filter_map(|(call, result)| result.map(|result| (call, result)));
            messages.extend(results.map(|(call, result)| tool_result(entry, call, result)));
            messages
        }
    }
}

fn tool_result(entry: &Entry, call: &ToolCall, result: &ToolResult) -> Value {
    let details = tool::details(result);
    // The transcript keeps no times of calls; some tools note their own.
    let took = details.get("durationMs").filter(|millis| millis.is_u64()).cloned();
    let mut message = json!({ "role": "toolResult", "toolCallId": call.id, "toolName": call.name,
        "content": tool::parts(&result.parts), "details": details, "isError": result.is_error(),
        "timestamp": entry.at });
    if let Some(millis) = took {
        message["durationMs"] = millis;
    }
    message
}

fn user(entry: &Entry, turn: &UserTurn) -> Value {
    let is_plain = matches!(turn.parts.as_slice(), [Part::Text { .. }]);
    let content = if is_plain { json!(turn.text()) } else { json!(tool::parts(&turn.parts)) };
    let mut message = json!({ "role": "user", "content": content, "timestamp": turn.at });
    if let Some(run) = &entry.run {
        message["idempotencyKey"] = json!(format!("{run}:user"));
    }
    message["__openclaw"] = record(entry);
    message
}

fn assistant(entry: &Entry, turn: &AssistantTurn) -> Value {
    let blocks = turn.blocks.iter().map(|block| match block {
        Block::Text { text } => json!({ "type": "text", "text": text }),
        Block::Thinking { text } => json!({ "type": "thinking", "thinking": text }),
        Block::Call { call, .. } => {
            json!({ "type": "toolCall", "id": call.id, "name": call.name, "arguments": tool::arguments(call) })
        }
    });
    json!({ "role": "assistant", "content": blocks.collect::<Vec<_>>(), "provider": turn.model.provider,
        "model": turn.model.model, "stopReason": stop(turn.stop), "timestamp": turn.at,
        "__openclaw": record(entry) })
}

fn record(entry: &Entry) -> Value {
    let mut record = json!({ "id": entry_id(entry), "recordTimestampMs": entry.at, "seq": entry.n });
    if let Some(run) = &entry.run {
        record["runId"] = json!(run);
    }
    record
}

fn stop(reason: StopReason) -> &'static str {
    match reason {
        StopReason::EndTurn | StopReason::StopSequence | StopReason::Pause => "stop",
        StopReason::ToolUse => "toolUse",
        StopReason::MaxTokens | StopReason::ContextFull => "length",
        StopReason::Refusal => "refusal",
    }
}

/// Returns the payload of `session.message`.
pub(crate) fn session_message(session: &SessionKey, entry: &Entry) -> Value {
    let message = messages(entry).into_iter().next();
    let mut payload = json!({ "sessionKey": session, "agentId": session.agent(),
        "messageId": entry_id(entry), "messageSeq": entry.n });
    payload["message"] = message.unwrap_or_default();
    payload
}

/// Returns the visible text of an entry with the role that said it.
pub(crate) fn text(entry: &Entry) -> (&'static str, String) {
    match &entry.turn {
        Turn::User(turn) => ("user", turn.text()),
        Turn::Assistant(turn) => ("assistant", turn.text()),
    }
}
