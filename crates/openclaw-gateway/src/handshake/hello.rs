//! Builds `hello-ok`.

use openclaw_protocol::PROTOCOL_VERSION;
use serde_json::{Value, json};

use super::admit::Admitted;
use crate::events::names;
use crate::gateway::Gateway;
use crate::methods;

/// Optional behaviours of the contract that this gateway has.
const CAPABILITIES: [&str; 2] = ["published-model-catalog", "run-cursor"];

/// Largest attachment and largest picture, in bytes, after base64.
const ATTACHMENT_BYTES_MAX: u64 = 19_464_192;
const IMAGE_BYTES_MAX: u64 = 6_291_456;

/// Returns the payload for an admitted client.
pub(crate) fn hello(gateway: &Gateway, admitted: &Admitted) -> Value {
    let client = &admitted.client;
    let limits = &gateway.options.limits;
    let mut server = json!({ "version": gateway.options.version, "bootId": gateway.boot_id, "connId": client.id });
    if let Some(build) = &gateway.options.build_id {
        server["buildId"] = json!(build);
    }
    let mut auth = json!({ "role": client.role.as_str(),
        "scopes": client.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>() });
    if let Some((token, issued_at)) = &admitted.device_token {
        auth["deviceToken"] = json!(token);
        auth["issuedAtMs"] = json!(issued_at);
    }
    json!({
        "type": "hello-ok",
        "protocol": PROTOCOL_VERSION,
        "server": server,
        "features": {
            "methods": methods::TABLE.iter().map(|row| row.method.name).collect::<Vec<_>>(),
            "events": names::ALL,
            "capabilities": CAPABILITIES,
        },
        "snapshot": snapshot(gateway),
        "auth": auth,
        "policy": {
            "maxPayload": limits.payload_bytes_max,
            "maxBufferedBytes": limits.outbound_bytes_max,
            "tickIntervalMs": u64::try_from(limits.tick_interval.as_millis()).unwrap_or(u64::MAX),
            "attachments": { "maxBytes": ATTACHMENT_BYTES_MAX, "maxImageBytes": IMAGE_BYTES_MAX },
        },
    })
}

fn snapshot(gateway: &Gateway) -> Value {
    // The last report, however old: the handshake must not wait for the store.
    let health = gateway.health.last().and_then(|text| serde_json::from_str(&text).ok());
    let agent = gateway.default_agent();
    let main = openclaw_domain::SessionKey::main_of(&agent);
    let mut snapshot = json!({
        "suspension": { "phase": "accepting" },
        "presence": gateway.presence(),
        "health": health.unwrap_or_else(|| json!({ "ok": true, "ts": gateway.now() })),
        "stateVersion": gateway.hub.versions(),
        "uptimeMs": gateway.uptime_ms(),
        "sessionDefaults": { "defaultAgentId": agent, "modelConfigured": !gateway.ports.catalog.models().is_empty(),
            "ownership": "sole", "selectionRequired": false, "mainKey": "main", "mainSessionKey": main,
            "scope": "per-sender" },
    });
    let hash = &gateway.ports.settings.current().hash;
    if !hash.is_empty() {
        snapshot["appliedConfigHash"] = json!(hash);
    }
    snapshot
}
