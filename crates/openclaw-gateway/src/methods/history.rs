//! Reading transcripts: `chat.history`, `chat.startup`, `sessions.get`, `sessions.preview`.

use openclaw_domain::SessionKey;
use openclaw_domain::session::{Entry, EntryPage, EntryQuery, Session};
use openclaw_protocol::ErrorBody;
use serde_json::{Value, json};

use super::{catalog, target};
use crate::convert;
use crate::convert::fault::{invalid, record};
use crate::dispatch::{Answer, Cx, Params, now};

const LIMIT_DEFAULT: usize = 200;
const LIMIT_MAX: usize = 1000;
/// Entries skipped from the end at most; older ones are reached by `messageId`.
const OFFSET_MAX: usize = 20_000;
/// Messages and bytes of one delta; beyond, the client reads the conversation anew.
const DELTA_MESSAGES_MAX: usize = 200;
const DELTA_BYTES_MAX: usize = 1_000_000;
const PREVIEW_KEYS_MAX: usize = 100;
const PREVIEW_LIMIT_DEFAULT: usize = 10;
const PREVIEW_CHARS_DEFAULT: usize = 200;

/// Reads a transcript, newest part first to be loaded, oldest first in order.
pub(crate) async fn history(cx: Cx, params: Params) -> Answer {
    let key = target::key(&cx, &params, "sessionKey")?;
    let session = cx.gateway.ports.sessions.get(&key).await.map_err(|error| record(&error))?;
    if let Some(cursor) = params.text("cursor") {
        return since(&cx, &key, session.as_ref(), cursor).await;
    }
    let limit = params.count("limit").unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let offset = params.count("offset").unwrap_or(0).min(OFFSET_MAX);
    let before = match params.text("messageId") {
        None => 0,
        Some(id) => number_of(id)?.saturating_add(1),
    };
    let page = read(&cx, &key, EntryQuery { before, limit: limit + offset, ..EntryQuery::default() }).await?;
    let shown = page.entries.len().saturating_sub(offset);
    let first = shown.saturating_sub(limit);
    let entries = &page.entries[first..shown];
    let has_more = is_more_before(&page, entries);
    let messages = capped(entries, params.count("maxChars"));
    let (model, context) = catalog::default_model(&cx, session.as_ref());
    let mut payload = json!({ "sessionKey": key, "pendingInputs": { "items": [], "total": 0 },
        "hasMore": has_more, "totalMessages": page.total,
        "defaults": { "modelProvider": model.provider, "model": model.model, "contextTokens": context } });
    // Put in afterwards: a value named inside the literal is copied with all it holds.
    payload["messages"] = Value::Array(messages);
    payload["sessionInfo"] = info(&cx, &key, session.as_ref());
    if let Some(session) = &session {
        payload["sessionId"] = json!(session.id);
        payload["deltaCursor"] = json!(cursor_of(session));
    }
    if has_more {
        payload["nextOffset"] = json!(offset + entries.len());
    }
    put_in_flight(&cx, &key, &mut payload);
    now(payload)
}

/// Answers what came after a cursor, or that the conversation is another one now.
async fn since(cx: &Cx, key: &SessionKey, session: Option<&Session>, cursor: &str) -> Answer {
    let parsed = cursor.rsplit_once(':').and_then(|(id, n)| Some((id, n.parse::<u64>().ok()?)));
    let known = session.zip(parsed).filter(|(session, (id, _))| session.id.as_str() == *id);
    let Some((session, (_, after))) = known else { return now(json!({ "kind": "reset" })) };
    let page = read(cx, key, EntryQuery { after, limit: DELTA_MESSAGES_MAX + 1, ..EntryQuery::default() }).await?;
    let messages: Vec<Value> = page.entries.iter().flat_map(convert::message::messages).collect();
    // So far behind, reading the conversation anew is the shorter way.
    if messages.len() > DELTA_MESSAGES_MAX || is_heavy(&messages) {
        return now(json!({ "kind": "reset" }));
    }
    let mut payload = json!({ "kind": "delta", "deltaCursor": cursor_of(session) });
    payload["messages"] = Value::Array(messages);
    payload["sessionInfo"] = info(cx, key, Some(session));
    put_in_flight(cx, key, &mut payload);
    now(payload)
}

/// Tells whether messages are more than a delta may hold; stops counting there.
fn is_heavy(messages: &[Value]) -> bool {
    let mut left = DELTA_BYTES_MAX;
    messages.iter().any(|message| match left.checked_sub(message.to_string().len()) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    })
}

fn cursor_of(session: &Session) -> String {
    format!("{}:{}", session.id, session.head)
}

/// Says which run is streaming and what it has said so far, for a client that comes back.
fn put_in_flight(cx: &Cx, key: &SessionKey, payload: &mut Value) {
    let active = cx.gateway.ports.runs.active(Some(key));
    let Some(run) = active.iter().max_by_key(|run| run.accepted_at) else { return };
    let mut in_flight = json!({ "runId": run.id, "text": run.partial_text, "startedAt": run.accepted_at });
    if cx.client.hears_cursor
        && let Some(feed) = cx.gateway.hub.feeds().find(&(run.session.clone(), run.id.clone()))
    {
        let (cursor, shown) = feed.position();
        // The engine notes text before it tells it: what it is ahead is cut off, so that
        // the stream goes on exactly after this text.
        let shown = usize::try_from(shown).unwrap_or(usize::MAX);
        if let Some(text) = run.partial_text.get(..shown) {
            in_flight["text"] = json!(text);
            in_flight["cursor"] = crate::stream::payload::cursor_of(run.id.as_str(), cursor);
        }
    }
    payload["inFlightRun"] = in_flight;
}

fn info(cx: &Cx, key: &SessionKey, session: Option<&Session>) -> Value {
    match session {
        Some(session) => convert::session::row(session, &cx.gateway.ports.runs.active(Some(key))),
        None => json!({ "key": key, "kind": "direct", "agentId": key.agent(), "isMain": key.is_main(),
            "updatedAt": null, "archived": false, "pinned": false, "unread": false, "hasActiveRun": false,
            "activeRunIds": [] }),
    }
}

fn is_more_before(page: &EntryPage, shown: &[Entry]) -> bool {
    let loaded = u64::try_from(page.entries.len()).unwrap_or(u64::MAX);
    loaded < page.total || shown.first().map(|entry| entry.n) != page.entries.first().map(|entry| entry.n)
}

/// Returns the messages with texts cut to `chars_max` characters each.
fn capped(entries: &[Entry], chars_max: Option<usize>) -> Vec<Value> {
    let mut messages: Vec<Value> = entries.iter().flat_map(convert::message::messages).collect();
    if let Some(chars_max) = chars_max {
        for message in &mut messages {
            match message.get_mut("content") {
                Some(Value::String(text)) => cut(text, chars_max),
                Some(Value::Array(blocks)) => {
                    for block in blocks {
                        if let Some(Value::String(text)) = block.get_mut("text") {
                            cut(text, chars_max);
                        }
                    }
                }
                _ => {}
            }
        }
    }
    messages
}

fn cut(text: &mut String, chars_max: usize) {
    if let Some((end, _)) = text.char_indices().nth(chars_max) {
        text.truncate(end);
        text.push('…');
    }
}

fn number_of(id: &str) -> Result<u64, ErrorBody> {
    let number = id.strip_prefix('e').and_then(|number| number.parse().ok());
    number.ok_or_else(|| invalid(format!("messageId {id:?} is not one of this transcript")))
}

async fn read(cx: &Cx, key: &SessionKey, query: EntryQuery) -> Result<EntryPage, ErrorBody> {
    cx.gateway.ports.sessions.entries(key, query).await.map_err(|error| record(&error))
}

/// Reads a transcript without the chat surface's extras.
pub(crate) async fn get(cx: Cx, params: Params) -> Answer {
    let key = target::key(&cx, &params, "key")?;
    let limit = params.count("limit").unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let page = read(&cx, &key, EntryQuery { limit, ..EntryQuery::default() }).await?;
    now(json!({ "messages": capped(&page.entries, None) }))
}

/// Reads the last lines of several sessions.
pub(crate) async fn preview(cx: Cx, params: Params) -> Answer {
    let agent = cx.gateway.default_agent();
    let keys = params.0.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if keys.len() > PREVIEW_KEYS_MAX {
        return Err(invalid(format!("at most {PREVIEW_KEYS_MAX} sessions can be previewed at once")));
    }
    let limit = params.count("limit").unwrap_or(PREVIEW_LIMIT_DEFAULT).clamp(1, 50);
    let chars_max = params.count("maxChars").unwrap_or(PREVIEW_CHARS_DEFAULT);
    let mut previews = Vec::new();
    for text in keys.iter().filter_map(Value::as_str) {
        let key = target::complete(&agent, text)?;
        let known = cx.gateway.ports.sessions.get(&key).await.map_err(|error| record(&error))?;
        let items = match known {
            None => Vec::new(),
            Some(_) => {
                let page = read(&cx, &key, EntryQuery { limit, ..EntryQuery::default() }).await?;
                let said = page.entries.iter().map(convert::message::text).filter(|(_, text)| !text.is_empty());
                said.map(|(role, mut text)| {
                    cut(&mut text, chars_max);
                    json!({ "role": role, "text": text })
                })
                .collect()
            }
        };
        let status = if items.is_empty() { "empty" } else { "ok" };
        previews.push(json!({ "key": text, "status": status, "items": items }));
    }
    now(json!({ "ts": cx.gateway.now(), "previews": previews }))
}
