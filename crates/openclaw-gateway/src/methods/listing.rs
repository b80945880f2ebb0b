//! Finding and following sessions.

use openclaw_domain::session::{EntryQuery, Session, SessionQuery};
use openclaw_protocol::ErrorBody;
use serde_json::{Value, json};

use super::{catalog, target};
use crate::client::FOLLOWED_MAX;
use crate::convert;
use crate::convert::fault::{invalid, record};
use crate::dispatch::{Answer, Cx, Params, now};

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;
/// Sessions looked through for an id or a label.
const SEARCHED_MAX: usize = 5000;
const PREVIEW_CHARS_MAX: usize = 160;

/// Lists sessions, pinned ones on top, newest change first.
pub(crate) async fn list(cx: Cx, params: Params) -> Answer {
    now(page(&cx, &params).await?)
}

async fn page(cx: &Cx, params: &Params) -> Result<Value, ErrorBody> {
    let agent = match params.text("agentId") {
        Some(_) => Some(target::agent(cx, params)?),
        None => None,
    };
    let limit = params.count("limit").unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let offset = params.count("offset").unwrap_or(0);
    let search = params.text("search").or(params.text("label")).map(str::to_owned);
    let archived = matches!(params.0.get("archived"), Some(Value::Bool(true)));
    let query = SessionQuery { agent, search, archived, offset, limit };
    let found = cx.gateway.ports.sessions.list(&query).await.map_err(|error| record(&error))?;
    let active = cx.gateway.ports.runs.active(None);
    let mut rows = Vec::new();
    for session in &found.sessions {
        let mut row = convert::session::row(session, &active);
        if params.flag("includeLastMessage") == Some(true) || params.flag("includeDerivedTitles") == Some(true) {
            put_texts(cx, session, params, &mut row).await?;
        }
        rows.push(row);
    }
    let end = offset.saturating_add(rows.len());
    let has_more = end < found.total;
    let (model, context) = catalog::default_model(cx, None);
    Ok(json!({ "ts": cx.gateway.now(), "path": cx.gateway.options.state_dir_label, "count": rows.len(),
        "totalCount": found.total, "limitApplied": limit, "nextOffset": has_more.then_some(end), "hasMore": has_more,
        "owners": [], "defaults": { "modelProvider": model.provider, "model": model.model, "contextTokens": context },
        "sessions": rows }))
}

/// Adds the last thing said, and a title made of it when there is no label.
async fn put_texts(cx: &Cx, session: &Session, params: &Params, row: &mut Value) -> Result<(), ErrorBody> {
    let query = EntryQuery { limit: 1, ..EntryQuery::default() };
    let last = cx.gateway.ports.sessions.entries(&session.key, query).await.map_err(|error| record(&error))?;
    let Some(entry) = last.entries.last() else { return Ok(()) };
    let (_, text) = convert::message::text(entry);
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(PREVIEW_CHARS_MAX).collect();
    if line.is_empty() {
        return Ok(());
    }
    if params.flag("includeDerivedTitles") == Some(true) && session.label.is_none() {
        row["derivedTitle"] = json!(line.chars().take(60).collect::<String>());
    }
    if params.flag("includeLastMessage") == Some(true) {
        row["lastMessagePreview"] = json!(line);
    }
    Ok(())
}

/// Follows changes of all sessions; with list parameters the list comes along.
pub(crate) async fn subscribe(cx: Cx, params: Params) -> Answer {
    cx.client.interests().all_sessions = true;
    cx.gateway.hub.interests_changed();
    let mut payload = json!({ "subscribed": true });
    if !params.0.is_empty() {
        payload["list"] = page(&cx, &params).await?;
    }
    now(payload)
}

/// Stops following changes of all sessions.
pub(crate) async fn unsubscribe(cx: Cx, _params: Params) -> Answer {
    cx.client.interests().all_sessions = false;
    cx.gateway.hub.interests_changed();
    now(json!({ "subscribed": false }))
}

/// Follows one transcript.
pub(crate) async fn messages_subscribe(cx: Cx, params: Params) -> Answer {
    let key = target::key(&cx, &params, "key")?;
    let mut interests = cx.client.interests();
    if interests.transcripts.len() >= FOLLOWED_MAX && !interests.transcripts.contains(&key) {
        return Err(invalid(format!("at most {FOLLOWED_MAX} transcripts can be followed; unsubscribe from some")));
    }
    interests.transcripts.insert(key.clone());
    drop(interests);
    cx.gateway.hub.interests_changed();
    now(json!({ "subscribed": true, "key": key }))
}

/// Stops following one transcript.
pub(crate) async fn messages_unsubscribe(cx: Cx, params: Params) -> Answer {
    let key = target::key(&cx, &params, "key")?;
    cx.client.interests().transcripts.remove(&key);
    cx.gateway.hub.interests_changed();
    now(json!({ "subscribed": false, "key": key }))
}

/// Tells about one session.
pub(crate) async fn describe(cx: Cx, params: Params) -> Answer {
    let key = target::key(&cx, &params, "key")?;
    let session = cx.gateway.ports.sessions.get(&key).await.map_err(|error| record(&error))?;
    let Some(session) = session else { return now(json!({ "session": null })) };
    let mut row = convert::session::row(&session, &cx.gateway.ports.runs.active(Some(&key)));
    put_texts(&cx, &session, &params, &mut row).await?;
    now(json!({ "session": row }))
}

/// Finds a session by key, id or label.
pub(crate) async fn resolve(cx: Cx, params: Params) -> Answer {
    let found = find(&cx, &params).await?;
    match found {
        Some(session) => {
            let mut payload = json!({ "ok": true, "key": session.key, "agentId": session.key.agent() });
            if let Some(label) = &session.label {
                payload["displayName"] = json!(label);
            }
            now(payload)
        }
        None if params.flag("allowMissing") == Some(true) => now(json!({ "ok": false })),
        None => Err(invalid("no session matches; `openclaw sessions` lists them")),
    }
}

async fn find(cx: &Cx, params: &Params) -> Result<Option<Session>, ErrorBody> {
    let sessions = &cx.gateway.ports.sessions;
    if let Some(text) = params.text("key") {
        let key = target::complete(&target::agent(cx, params)?, text)?;
        return sessions.get(&key).await.map_err(|error| record(&error));
    }
    let (id, label) = (params.text("sessionId").or(params.text("shortId")), params.text("label"));
    if id.is_none() && label.is_none() {
        return Err(invalid("invalid sessions.resolve params: one of key, sessionId, shortId, label is needed"));
    }
    let query = SessionQuery { search: label.map(str::to_owned), limit: SEARCHED_MAX, ..SessionQuery::default() };
    let page = sessions.list(&query).await.map_err(|error| record(&error))?;
    let is_it = |session: &Session| match (id, label) {
        (Some(id), _) => session.id.as_str().starts_with(id),
        (None, label) => session.label.as_deref() == label,
    };
    Ok(page.sessions.into_iter().find(is_it))
}
