//! Paired devices on the wire.

use openclaw_domain::device::{Device, PairingRequest};
use serde_json::{Map, Value, json};

/// Returns a paired device.
pub(crate) fn paired(device: &Device, is_connected: bool) -> Value {
    let mut row = common(device);
    row.insert("approvedVia".to_owned(), json!(device.approved_via));
    row.insert("createdAtMs".to_owned(), json!(device.paired_at));
    row.insert("approvedAtMs".to_owned(), json!(device.paired_at));
    row.insert("lastSeenAtMs".to_owned(), json!(device.seen_at));
    row.insert("connected".to_owned(), json!(is_connected));
    let tokens = device.token_hash.iter().flat_map(|_| {
        let scopes = |role: &str| if role == "operator" { device.scopes.clone() } else { Vec::new() };
        device
            .roles
            .iter()
            .map(move |role| json!({ "role": role, "scopes": scopes(role), "createdAtMs": device.paired_at }))
    });
    row.insert("tokens".to_owned(), tokens.collect());
    Value::Object(row)
}

/// Returns a waiting device; also the payload of `device.pair.requested`.
pub(crate) fn pending(request: &PairingRequest) -> Value {
    let mut row = common(&request.device);
    row.insert("requestId".to_owned(), json!(request.id));
    row.insert("ts".to_owned(), json!(request.asked_at));
    Value::Object(row)
}

fn common(device: &Device) -> Map<String, Value> {
    let mut row = Map::new();
    row.insert("deviceId".to_owned(), json!(device.id));
    row.insert("publicKey".to_owned(), json!(device.public_key));
    let mut named = |name: &str, value: &str| {
        if !value.is_empty() {
            row.insert(name.to_owned(), json!(value));
        }
    };
    named("displayName", device.display_name.as_deref().unwrap_or_default());
    named("platform", &device.platform);
    named("clientId", &device.client_id);
    named("clientMode", &device.client_mode);
    named("role", device.roles.first().map_or("", String::as_str));
    row.insert("roles".to_owned(), json!(device.roles));
    row.insert("scopes".to_owned(), json!(device.scopes));
    row
}
