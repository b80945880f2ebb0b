//! Announces changes that have to be looked up first: sessions, presence, health.

use std::sync::Arc;

use openclaw_protocol::Scope;
use serde_json::{Value, json};

use crate::convert;
use crate::events::frame::{Frame, WhenSlow};
use crate::events::names;
use crate::gateway::Gateway;
use crate::hub::Note;

/// Notes handled together; of a session only the last one is announced.
const BATCH_MAX: usize = 64;

/// Looks up sessions that changed and announces them, until the gateway stops.
pub(crate) async fn run(gateway: Arc<Gateway>) {
    // A hub serves one gateway; a second one would find the receiver gone.
    let Some(mut notes) = gateway.hub.take_notes() else { return };
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            () = gateway.stopping.cancelled() => return,
            taken = notes.recv_many(&mut batch, BATCH_MAX) => if taken == 0 { return },
        }
        let batch = std::mem::take(&mut batch);
        for (index, note) in batch.iter().enumerate() {
            let is_last = batch[index + 1..].iter().all(|later| later.session != note.session);
            if is_last {
                session(&gateway, note).await;
            }
        }
    }
}

async fn session(gateway: &Gateway, note: &Note) {
    // Looking up what nobody will hear would cost every turn a read.
    if !gateway.hub.clients().iter().any(|client| client.hears_sessions()) {
        return;
    }
    let mut payload = json!({ "sessionKey": note.session, "agentId": note.session.agent(), "reason": note.reason,
        "ts": gateway.now() });
    if let Some(run) = &note.run {
        payload["runId"] = json!(run);
        payload["phase"] = json!(note.reason);
    }
    // A store that fails leaves the row out; clients read the list again.
    if let Ok(Some(session)) = gateway.ports.sessions.get(&note.session).await {
        let active = gateway.ports.runs.active(Some(&note.session));
        payload["session"] = convert::session::row(&session, &active);
    }
    let frame = Frame::new(names::SESSIONS_CHANGED, &payload, WhenSlow::Drop);
    for client in gateway.hub.clients().iter().filter(|client| client.hears_sessions()) {
        client.queue.push(0, &frame);
    }
}

/// Announces who is connected.
pub(crate) fn presence(gateway: &Gateway) {
    let version = gateway.hub.bump(|version| version.presence += 1);
    if gateway.hub.clients().iter().any(|client| client.may(Scope::Read)) {
        let payload = json!({ "presence": gateway.presence() });
        let frame = Frame::with_state(names::PRESENCE, &payload, Some(version), WhenSlow::Drop);
        gateway.hub.broadcast_frame(Some(Scope::Read), &frame);
    }
}

/// Announces a health report.
pub(crate) fn health(gateway: &Gateway, report: &str) {
    let version = gateway.hub.bump(|version| version.health += 1);
    let payload: Value = serde_json::from_str(report).unwrap_or_default();
    let frame = Frame::with_state(names::HEALTH, &payload, Some(version), WhenSlow::Drop);
    gateway.hub.broadcast_frame(None, &frame);
}
