//! Sessions as list rows and entries.

use openclaw_domain::RunId;
use openclaw_domain::run::{ActiveRun, Status};
use openclaw_domain::session::{Session, SessionState};
use serde_json::{Map, Value, json};

/// Returns a row of `sessions.list`.
pub(crate) fn row(session: &Session, active: &[ActiveRun]) -> Value {
    let key = &session.key;
    let mut row = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            row.insert(name.to_owned(), value);
        }
    };
    put("key", json!(key));
    put("sessionId", json!(session.id));
    put("kind", json!("direct"));
    put("label", json!(session.label));
    put("displayName", json!(session.label.clone().unwrap_or_else(|| key.rest().to_owned())));
    put("classification", json!(classification(key.rest())));
    put("agentId", json!(key.agent()));
    put("isMain", json!(key.is_main()));
    put("isBackground", json!(false));
    put("chatType", json!("direct"));
    put("channel", json!(session.delivery.last_channel));
    put("createdAt", json!(session.created_at));
    put("updatedAt", json!(session.updated_at));
    put("archived", json!(is_archived(session)));
    put("pinned", json!(session.is_pinned));
    put("unread", json!(session.is_unread));
    put("inputTokens", json!(session.usage.input));
    put("outputTokens", json!(session.usage.output));
    put("totalTokens", json!(session.usage.total()));
    put("totalTokensFresh", json!(true));
    put("estimatedCostUsd", json!(session.usage.cost_usd));
    if let Some(model) = &session.model {
        put("modelProvider", json!(model.provider));
        put("model", json!(model.model));
        put("modelOverrideSource", json!("user"));
    }
    put("thinkingLevel", json!(session.thinking.map(|level| level.as_str())));
    let own: Vec<&ActiveRun> = active.iter().filter(|run| run.session == *key).collect();
    put("hasActiveRun", json!(!own.is_empty()));
    put("activeRunIds", json!(own.iter().map(|run| &run.id).collect::<Vec<&RunId>>()));
    if let Some(run) = own.first() {
        put("status", json!(if run.status == Status::Queued { "queued" } else { "running" }));
    }
    Value::Object(row)
}

/// Returns the stored entry as `sessions.create`, `patch` and `reset` show it.
pub(crate) fn entry(session: &Session) -> Value {
    let mut entry = json!({ "sessionId": session.id, "lifecycleRevision": session.revision.to_string(),
        "updatedAt": session.updated_at, "createdAt": session.created_at, "state": session.state.as_str() });
    if let Some(label) = &session.label {
        entry["label"] = json!(label);
    }
    if let Some(model) = &session.model {
        entry["providerOverride"] = json!(model.provider);
        entry["modelOverride"] = json!(model.model);
    }
    if let Some(thinking) = session.thinking {
        entry["thinkingLevel"] = json!(thinking.as_str());
    }
    if session.is_pinned {
        entry["pinnedAt"] = json!(session.updated_at);
    }
    entry
}

/// Tells whether a session shows as archived.
pub(crate) fn is_archived(session: &Session) -> bool {
    matches!(session.state, SessionState::Closing | SessionState::Closed)
}

fn classification(rest: &str) -> &str {
    match rest.split_once(':') {
        Some((kind, _)) => kind,
        None if rest == "main" => "main",
        None => "direct",
    }
}
