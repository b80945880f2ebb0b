//! Changing sessions.

use openclaw_domain::SessionKey;
use openclaw_domain::model::{BadModelRef, BadThinking};
use openclaw_domain::ports::RecordError;
use openclaw_domain::run::{Abort, QueueMode};
use openclaw_domain::session::{Session, SessionChange, SessionPatch, SessionState};
use openclaw_protocol::{ErrorBody, ErrorCode};
use serde_json::{Value, json};

use super::{catalog, chat, target};
use crate::convert;
use crate::convert::fault::{error, invalid, record};
use crate::convert::session::{entry, is_archived};
use crate::dispatch::{Answer, Cx, Params, Payload, Reply, now};

/// Parameters of `sessions.create` whose effect is not there.
const CREATE_UNSUPPORTED: [&str; 16] = [
    "displayName",
    "category",
    "contextWindow",
    "permissionMode",
    "toolOverrides",
    "incognito",
    "catalogId",
    "fork",
    "forkFrom",
    "projectId",
    "projectGitUrl",
    "worktree",
    "worktreeBaseRef",
    "worktreeName",
    "execNode",
    "cwd",
];

/// Fields of `sessions.patch` that are kept.
const PATCHED: [&str; 10] = [
    "key",
    "agentId",
    "expectedSessionId",
    "expectedLifecycleRevision",
    "label",
    "archived",
    "pinned",
    "unread",
    "thinkingLevel",
    "model",
];

/// Makes a session, and says something in it when a message comes along.
pub(crate) async fn create(cx: Cx, params: Params) -> Answer {
    target::refuse("sessions.create", &params, &CREATE_UNSUPPORTED)?;
    let agent = target::agent(&cx, &params)?;
    let key = match params.text("key") {
        Some(text) => target::complete(&agent, text)?,
        None => target::complete(&agent, &format!("dashboard:{}", uuid::Uuid::new_v4()))?,
    };
    let patch = SessionPatch {
        label: params.text("label").map(|label| Some(label.to_owned())),
        model: params.text("model").map(|model| model.parse().map(Some)).transpose().map_err(bad_model)?,
        thinking: params
            .text("thinkingLevel")
            .map(|level| level.parse().map(Some))
            .transpose()
            .map_err(bad_thinking)?,
        ..SessionPatch::default()
    };
    let at = cx.gateway.now();
    let sessions = &cx.gateway.ports.sessions;
    let mut session = sessions.open(&key, at).await.map_err(|error| record(&error))?;
    if patch != SessionPatch::default() {
        session = change(&cx, &key, SessionChange::Patch(patch), None).await?;
    }
    cx.gateway.hub.note(&key, "create", None);
    let mut payload = json!({ "ok": true, "key": key, "sessionId": session.id, "entry": entry(&session),
        "runStarted": false, "resolved": resolved(&cx, &session) });
    if let Some(message) = params.text("message").or(params.text("task")) {
        let id = params.text("idempotencyKey").map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
        let said = first_message(&cx, &params, key, message, &id).await;
        match said {
            Ok(()) => {
                payload["runStarted"] = json!(true);
                payload["runId"] = json!(id);
            }
            // The session is there; only its first message failed.
            Err(error) => payload["runError"] = json!(error),
        }
    }
    now(payload)
}

async fn first_message(cx: &Cx, params: &Params, key: SessionKey, message: &str, id: &str) -> Result<(), ErrorBody> {
    let mut said = serde_json::Map::new();
    said.insert("message".to_owned(), json!(message));
    if let Some(attachments) = params.0.get("attachments") {
        said.insert("attachments".to_owned(), attachments.clone());
    }
    chat::say(cx, &Params(said), key, id, QueueMode::Followup).await.map(drop)
}

/// Changes fields of a session.
pub(crate) async fn patch(cx: Cx, params: Params) -> Answer {
    let unkept: Vec<&str> = params.0.keys().map(String::as_str).filter(|name| !PATCHED.contains(name)).collect();
    target::refuse("sessions.patch", &params, &unkept)?;
    let key = target::key(&cx, &params, "key")?;
    let session = existing(&cx, &key).await?;
    check_expected(&params, &session)?;
    let model = target::clearable(&params, "model");
    let thinking = target::clearable(&params, "thinkingLevel");
    let fields = SessionPatch {
        label: target::clearable(&params, "label"),
        model: model.map(|model| model.map(|text| text.parse()).transpose()).transpose().map_err(bad_model)?,
        thinking: thinking.map(|level| level.map(|text| text.parse()).transpose()).transpose().map_err(bad_thinking)?,
        is_pinned: params.flag("pinned"),
        is_unread: params.flag("unread"),
    };
    let mut session = session;
    if fields != SessionPatch::default() {
        session = change(&cx, &key, SessionChange::Patch(fields), None).await?;
    }
    if let Some(archived) = params.flag("archived") {
        session = archive(&cx, session, archived).await?;
    }
    cx.gateway.hub.note(&key, "patch", None);
    now(json!({ "ok": true, "path": cx.gateway.options.state_dir_label, "key": key, "entry": entry(&session),
        "resolved": resolved(&cx, &session) }))
}

/// Moves a session to or from the archive, one legal edge at a time.
async fn archive(cx: &Cx, session: Session, archived: bool) -> Result<Session, ErrorBody> {
    if is_archived(&session) == archived {
        return Ok(session);
    }
    let edges = match (archived, session.state) {
        (true, SessionState::Closing) => &[SessionState::Closed][..],
        (true, _) => &[SessionState::Closing, SessionState::Closed][..],
        (false, _) => &[SessionState::Resuming, SessionState::Active][..],
    };
    if archived {
        stop(cx, &session.key).await?;
    }
    let mut session = session;
    for state in edges {
        session = change(cx, &session.key, SessionChange::Transition(*state), None).await?;
    }
    Ok(session)
}

/// Starts a new conversation under the same key.
pub(crate) async fn reset(cx: Cx, params: Params) -> Answer {
    let key = target::key(&cx, &params, "key")?;
    cx.gateway.ports.sessions.open(&key, cx.gateway.now()).await.map_err(|error| record(&error))?;
    stop(&cx, &key).await?;
    let session = change(&cx, &key, SessionChange::Reset, None).await?;
    cx.gateway.hub.note(&key, "reset", None);
    now(json!({ "ok": true, "key": key, "entry": entry(&session), "resolved": resolved(&cx, &session) }))
}

/// Removes a session; one that is not there was removed already.
pub(crate) async fn delete(cx: Cx, params: Params) -> Answer {
    let key = target::key(&cx, &params, "key")?;
    if key.is_main() {
        return Err(invalid(format!("the main session {key} cannot be deleted; use sessions.reset")));
    }
    let sessions = &cx.gateway.ports.sessions;
    let Some(session) = sessions.get(&key).await.map_err(|error| record(&error))? else {
        return now(json!({ "ok": true, "key": key, "deleted": false, "archived": [] }));
    };
    check_expected(&params, &session)?;
    if params.flag("archivedOnly") == Some(true) && !is_archived(&session) {
        return Err(invalid(format!("session {key} is not archived")));
    }
    stop(&cx, &key).await?;
    let transcript = params.flag("deleteTranscript").unwrap_or(true);
    let removed = sessions.change(&key, SessionChange::Delete { transcript }, None, cx.gateway.now()).await;
    match removed {
        Ok(_) => {}
        Err(RecordError::NotFound { .. }) => {
            return now(json!({ "ok": true, "key": key, "deleted": false, "archived": [] }));
        }
        Err(error) => return Err(record(&error)),
    }
    cx.gateway.hub.note(&key, "delete", None);
    now(json!({ "ok": true, "key": key, "deleted": true, "archived": [] }))
}

/// Stops what a session does.
pub(crate) async fn abort(cx: Cx, params: Params) -> Answer {
    let session = match params.text("key") {
        Some(_) => Some(target::key(&cx, &params, "key")?),
        None => None,
    };
    let run = params.text("runId").map(str::parse).transpose().map_err(|error| invalid(format!("{error}")))?;
    if session.is_none() && run.is_none() {
        return Err(invalid("invalid sessions.abort params: one of key, runId is needed"));
    }
    let abort = Abort { session, run, by: "rpc".to_owned() };
    let stopped = cx.gateway.ports.runs.abort(abort).await.map_err(|fault| error(&fault))?;
    let status = if stopped.is_empty() { "no-active-run" } else { "aborted" };
    now(json!({ "ok": true, "abortedRunId": stopped.first(), "status": status }))
}

/// Says something in a session.
pub(crate) async fn send(cx: Cx, params: Params) -> Answer {
    let key = target::key(&cx, &params, "key")?;
    existing(&cx, &key).await?;
    let id = params.text("idempotencyKey").map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
    match chat::say(&cx, &params, key, &id, QueueMode::Steer).await? {
        Reply::Now(Payload::Value(mut payload)) => {
            payload["interruptedActiveRun"] = json!(false);
            now(payload)
        }
        reply => Ok(reply),
    }
}

async fn existing(cx: &Cx, key: &SessionKey) -> Result<Session, ErrorBody> {
    let session = cx.gateway.ports.sessions.get(key).await.map_err(|error| record(&error))?;
    session.ok_or_else(|| invalid(format!("session not found: {key}; `openclaw sessions` lists them")))
}

async fn change(cx: &Cx, key: &SessionKey, change: SessionChange, revision: Option<u64>) -> Result<Session, ErrorBody> {
    let changed = cx.gateway.ports.sessions.change(key, change, revision, cx.gateway.now()).await;
    changed.map_err(|error| record(&error))
}

/// Stops the session's runs before its record goes away under them.
async fn stop(cx: &Cx, key: &SessionKey) -> Result<(), ErrorBody> {
    let abort = Abort { session: Some(key.clone()), run: None, by: "rpc".to_owned() };
    cx.gateway.ports.runs.abort(abort).await.map(drop).map_err(|fault| error(&fault))
}

fn check_expected(params: &Params, session: &Session) -> Result<(), ErrorBody> {
    let is_other = params.text("expectedSessionId").is_some_and(|id| id != session.id.as_str())
        || params.text("expectedLifecycleRevision").is_some_and(|text| text != session.revision.to_string());
    if is_other {
        return Err(ErrorBody::new(
            ErrorCode::InvalidRequest,
            format!("session {} changed meanwhile; read it again and retry", session.key),
        ));
    }
    Ok(())
}

fn resolved(cx: &Cx, session: &Session) -> Value {
    let (model, _) = catalog::default_model(cx, Some(session));
    json!({ "modelProvider": model.provider, "model": model.model })
}

fn bad_model(error: BadModelRef) -> ErrorBody {
    convert::fault::invalid(error.to_string())
}

fn bad_thinking(error: BadThinking) -> ErrorBody {
    convert::fault::invalid(error.to_string())
}
