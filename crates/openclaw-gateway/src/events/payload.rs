//! Payloads of the events about a run.
//!
//! Structs and not maps: there are a dozen of these in a short turn, and a map
//! allocates every key.

use openclaw_domain::Timestamp;
use openclaw_domain::compaction::Shrunk;
use serde::Serialize;
use serde_json::{Value, json};

use super::delta::Ids;

/// Payload of an `agent` event; `D` is what its stream says.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Agent<'a, D> {
    run_id: &'a str,
    stream: &'a str,
    data: D,
    session_key: &'a str,
    agent_id: &'a str,
    seq: u64,
    ts: Timestamp,
    is_heartbeat: bool,
}

impl<'a, D> Agent<'a, D> {
    pub(super) fn of(ids: &'a Ids, (seq, ts): (u64, Timestamp), stream: &'a str, data: D) -> Self {
        let Ids { run, session, agent } = ids;
        Self { run_id: run, stream, data, session_key: session, agent_id: agent, seq, ts, is_heartbeat: false }
    }
}

/// Payload of a `chat` event with a message `M`; each state has some of what can be absent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chat<'a, M> {
    pub(super) run_id: &'a str,
    pub(super) session_key: &'a str,
    pub(super) agent_id: &'a str,
    pub(super) seq: u64,
    pub(super) state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phase: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delta_text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replace: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stop_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<M>,
}

impl<'a, M> Chat<'a, M> {
    /// Makes a payload that says no more than its state.
    pub(super) fn of(ids: &'a Ids, seq: u64, state: &'a str) -> Self {
        Self {
            run_id: &ids.run,
            session_key: &ids.session,
            agent_id: &ids.agent,
            seq,
            state,
            phase: None,
            delta_text: None,
            replace: None,
            stop_reason: None,
            error_message: None,
            error_kind: None,
            message: None,
        }
    }
}

/// Says that a summary is being made.
pub(crate) fn compacting() -> Value {
    json!({ "phase": "start" })
}

/// Says that older turns are shown as a summary; `completed` and `willRetry` are
/// what known clients draw.
pub(crate) fn compacted(entries: u64, tokens: Option<Shrunk>, is_retry: bool) -> Value {
    let mut data =
        json!({ "phase": "end", "completed": true, "willRetry": is_retry, "outcome": "completed", "entries": entries });
    if let Some(Shrunk { before, after }) = tokens {
        data["tokensBefore"] = json!(before);
        data["tokensAfter"] = json!(after);
    }
    data
}

/// Says that no summary was made.
pub(crate) fn not_compacted(reason: &str) -> Value {
    json!({ "phase": "end", "completed": false, "willRetry": false, "outcome": "failed", "reason": reason })
}
