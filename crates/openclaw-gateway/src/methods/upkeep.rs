//! Keeping long work going: summaries of sessions, checkpoints of runs.
//!
//! A summary changes what the model is shown and nothing else: `chat.history`
//! has every turn, and a summary can be taken back.

use openclaw_domain::SessionId;
use openclaw_domain::compaction::{Kept, Shrunk};
use openclaw_domain::ports::{Compacted, ScratchCount};
use openclaw_domain::session::Session;
use openclaw_protocol::ErrorBody;
use serde_json::{Value, json};

use super::target;
use crate::convert::fault::{error, invalid, record};
use crate::convert::session::entry;
use crate::dispatch::{Answer, Cx, Params, now};

/// Most summaries listed.
const LISTED_MAX: usize = 1000;

/// Makes a conversation shorter for the model.
pub(crate) async fn compact(cx: Cx, params: Params) -> Answer {
    let key = target::key(&cx, &params, "key")?;
    let session = existing(&cx, &params).await?;
    if let Some(max) = params.number("maxLines")
        && session.entries <= max
    {
        return now(json!({ "ok": true, "key": key, "compacted": false, "kept": session.entries }));
    }
    let compacted = cx.gateway.ports.upkeep.compact(&key).await.map_err(|fault| error(&fault))?;
    let payload = match compacted {
        Compacted::Done(kept) => {
            cx.gateway.hub.note(&key, "compact", None);
            let shown = session.entries.saturating_sub(kept.compaction.turns as u64);
            let mut result = json!({ "entries": kept.compaction.turns });
            put_tokens(&mut result, &kept);
            json!({ "ok": true, "key": key, "compacted": true, "kept": shown, "result": result,
                "checkpoint": checkpoint(&session.id, &session, &kept) })
        }
        Compacted::Due => json!({ "ok": true, "key": key, "compacted": false, "kept": session.entries, "due": true,
            "reason": "a run works; it happens before its next model call" }),
        Compacted::Nothing => json!({ "ok": true, "key": key, "compacted": false, "kept": session.entries,
            "reason": "a summary would not be shorter" }),
    };
    now(payload)
}

/// Lists the summaries in force, newest first.
pub(crate) async fn list(cx: Cx, params: Params) -> Answer {
    let key = target::key(&cx, &params, "key")?;
    let session = existing(&cx, &params).await?;
    let kept = cx.gateway.ports.compactions.history(&key, LISTED_MAX).await.map_err(|error| record(&error))?;
    let in_force = kept.iter().filter(|kept| kept.undone.is_none());
    let rows: Vec<Value> = in_force.map(|kept| checkpoint(&session.id, &session, kept)).collect();
    now(json!({ "ok": true, "key": key, "checkpoints": rows }))
}

/// Takes a summary back.
pub(crate) async fn restore(cx: Cx, params: Params) -> Answer {
    let key = target::key(&cx, &params, "key")?;
    let session = existing(&cx, &params).await?;
    let text = params.required("checkpointId");
    let id = text.parse().map_err(|_| {
        invalid(format!("checkpointId: {text:?} is not a number; sessions.compaction.list shows those in force"))
    })?;
    let by = cx.client.label();
    let undone = cx.gateway.ports.upkeep.undo_compaction(&key, id, &by).await.map_err(|fault| error(&fault))?;
    cx.gateway.hub.note(&key, "compact", None);
    now(json!({ "ok": true, "key": key, "sessionId": session.id, "entry": entry(&session),
        "checkpoint": checkpoint(&session.id, &session, &undone) }))
}

/// Keeps the state of a run.
pub(crate) async fn snapshot(cx: Cx, params: Params) -> Answer {
    let run = params.required("runId").parse().map_err(|error| invalid(format!("runId: {error}")))?;
    let kept = cx.gateway.ports.upkeep.snapshot(&run).await.map_err(|fault| error(&fault))?;
    // While a tool or the model works there is no state to keep: the next step does it.
    let state = if kept.is_current() { "kept" } else { "due" };
    now(json!({ "ok": true, "runId": kept.run, "sessionKey": kept.session, "state": state, "seq": kept.kept,
        "head": kept.head, "at": kept.at, "scratch": kept.scratch.as_ref().map(scratch) }))
}

/// Returns the wire form of what is kept of an instance's files.
fn scratch(count: &ScratchCount) -> Value {
    let left_out = (!count.left_out.is_empty()).then(|| count.left_out.words());
    json!({ "files": count.files, "bytes": count.bytes, "notKept": count.left_out.count, "why": left_out })
}

async fn existing(cx: &Cx, params: &Params) -> Result<Session, ErrorBody> {
    let key = target::key(cx, params, "key")?;
    let session = cx.gateway.ports.sessions.get(&key).await.map_err(|error| record(&error))?;
    session.ok_or_else(|| invalid(format!("session not found: {key}; `openclaw sessions` lists them")))
}

/// Returns the wire form of a summary. The conversation goes on under its id,
/// so that both halves are of the same session.
fn checkpoint(id: &SessionId, session: &Session, kept: &Kept) -> Value {
    let through = kept.compaction.through;
    let mut checkpoint = json!({
        "checkpointId": kept.id.to_string(),
        "sessionKey": session.key,
        "sessionId": id,
        "createdAt": kept.at,
        "reason": if kept.run.is_some() { "auto-threshold" } else { "manual" },
        "summary": kept.compaction.summary.render(),
        "firstKeptEntryId": (through + 1).to_string(),
        "preCompaction": { "sessionId": id, "entryId": through.to_string() },
        "postCompaction": { "sessionId": id, "entryId": (through + 1).to_string() },
    });
    put_tokens(&mut checkpoint, kept);
    checkpoint
}

fn put_tokens(value: &mut Value, kept: &Kept) {
    if let Some(Shrunk { before, after }) = kept.compaction.tokens {
        value["tokensBefore"] = json!(before);
        value["tokensAfter"] = json!(after);
    }
}
