//! `chat.*`: talking, stopping, noting.

use openclaw_domain::message::Block;
use openclaw_domain::model::{ModelRef, StopReason};
use openclaw_domain::run::{Abort, QueueMode, Source, StartState};
use openclaw_domain::session::{Entry, EntryQuery, SessionChange};
use openclaw_domain::{AssistantTurn, Turn};
use serde_json::json;

use super::{catalog, streams, target};
use crate::convert;
use crate::convert::fault::{error, invalid, record};
use crate::dispatch::{Answer, Cx, Params, now};
use crate::events::frame::{Frame, WhenSlow};
use crate::events::names;

/// Parameters whose effect is not there.
const UNSUPPORTED: [&str; 4] = ["intent", "toolBindings", "expectedToolOverrides", "deliver"];

/// Says something; the reply streams as events.
pub(crate) async fn send(cx: Cx, params: Params) -> Answer {
    target::refuse("chat.send", &params, &UNSUPPORTED)?;
    let session = target::key(&cx, &params, "sessionKey")?;
    let queue = match params.text("queueMode") {
        Some("followup") => QueueMode::Followup,
        Some("collect") => QueueMode::Collect,
        Some("interrupt") => QueueMode::Interrupt,
        _ => QueueMode::Steer,
    };
    say(&cx, &params, session, params.required("idempotencyKey"), queue).await
}

/// Starts or joins a run for a message.
pub(crate) async fn say(
    cx: &Cx,
    params: &Params,
    session: openclaw_domain::SessionKey,
    id: &str,
    queue: QueueMode,
) -> Answer {
    let asked = target::Asked {
        session: session.clone(),
        id,
        message: params.required("message"),
        source: Source::Chat,
        queue,
        timeout: target::millis(params, "timeoutMs"),
    };
    let request = target::run(cx, params, asked)?;
    target::speaks_in(cx, &session);
    let started = cx.gateway.ports.runs.start(request).await.map_err(|fault| error(&fault))?;
    let status = match started.state {
        StartState::New => "started",
        StartState::InFlight => "in_flight",
        StartState::Ended(_) => "ok",
    };
    let mut payload = json!({ "runId": id, "status": status });
    if let Some(entry) = started.entry {
        payload["messageSeq"] = json!(entry);
    }
    streams::put_position(cx, &started, &mut payload);
    now(payload)
}

/// Stops runs of a session; an unknown run is not an error.
pub(crate) async fn abort(cx: Cx, params: Params) -> Answer {
    let session = target::key(&cx, &params, "sessionKey")?;
    let run = params.text("runId").map(str::parse).transpose();
    let abort =
        Abort { session: Some(session), run: run.map_err(|error| invalid(format!("{error}")))?, by: "rpc".to_owned() };
    let stopped = cx.gateway.ports.runs.abort(abort).await.map_err(|fault| error(&fault))?;
    now(json!({ "ok": true, "aborted": !stopped.is_empty(), "runIds": stopped }))
}

/// Adds a note to the transcript without a run.
pub(crate) async fn inject(cx: Cx, params: Params) -> Answer {
    let session = target::key(&cx, &params, "sessionKey")?;
    let message = params.required("message");
    let text = params.text("label").map_or_else(|| message.to_owned(), |label| format!("[{label}]\n\n{message}"));
    let at = cx.gateway.now();
    let turn = Turn::Assistant(AssistantTurn {
        blocks: vec![Block::Text { text: text.clone() }],
        model: ModelRef::new("openclaw", "gateway-injected"),
        stop: StopReason::EndTurn,
        native: None,
        at,
    });
    let entry = note(&cx, &session, turn).await?;
    let id = convert::message::entry_id(&entry);
    let chat = json!({ "runId": format!("inject-{id}"), "sessionKey": session, "agentId": session.agent(), "seq": 0,
        "state": "final", "stopReason": "stop", "message": convert::message::messages(&entry).first() });
    let frame = Frame::new(names::CHAT, &chat, WhenSlow::Drop);
    cx.gateway
        .hub
        .clients()
        .iter()
        .filter(|client| client.hears_run(&session))
        .for_each(|client| client.queue.push(0, &frame));
    now(json!({ "ok": true, "messageId": id }))
}

/// Stores a turn without a run, tells followers, and returns its entry.
pub(crate) async fn note(
    cx: &Cx,
    session: &openclaw_domain::SessionKey,
    turn: Turn,
) -> Result<Entry, openclaw_protocol::ErrorBody> {
    let sessions = &cx.gateway.ports.sessions;
    let at = cx.gateway.now();
    sessions.open(session, at).await.map_err(|error| record(&error))?;
    let changed = sessions.change(session, SessionChange::Inject(turn.clone()), None, at).await;
    let changed = changed.map_err(|error| record(&error))?;
    // Somebody may have written since: read the entry back rather than guess its number.
    let page = sessions.entries(session, EntryQuery { limit: 8, ..EntryQuery::default() }).await;
    let entries = page.map_err(|error| record(&error))?.entries;
    let stored = entries.into_iter().rev().find(|entry| entry.turn == turn);
    let entry = stored.unwrap_or(Entry { n: changed.head, run: None, turn, at });
    let payload = convert::message::session_message(session, &entry);
    let frame = Frame::new(names::SESSION_MESSAGE, &payload, WhenSlow::Drop);
    let clients = cx.gateway.hub.clients();
    clients.iter().filter(|client| client.hears_transcript(session)).for_each(|client| client.queue.push(0, &frame));
    cx.gateway.hub.note(session, "note", None);
    Ok(entry)
}

/// Lists what can be chosen in a chat.
pub(crate) async fn metadata(cx: Cx, params: Params) -> Answer {
    target::agent(&cx, &params)?;
    now(json!({ "models": catalog::model_rows(&cx), "commands": [], "swarmEnabled": false,
        "accountSelection": { "kind": "automatic", "label": "Automatic account selection" },
        "runtimeSelectionLocked": false }))
}
