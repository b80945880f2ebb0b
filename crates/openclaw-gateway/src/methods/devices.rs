//! Paired devices and connected nodes.

use openclaw_domain::device::{Device, PairingRequest};
use openclaw_protocol::error::close;
use openclaw_protocol::{ErrorBody, ErrorCode, Scope};
use serde_json::{Value, json};

use crate::client::Role;
use crate::convert;
use crate::convert::fault::{invalid, record};
use crate::dispatch::{Answer, Cx, Params, now};
use crate::events::frame::WhenSlow;
use crate::events::names;

/// Lists paired and waiting devices.
pub(crate) async fn list(cx: Cx, _params: Params) -> Answer {
    let (paired, waiting) = devices(&cx).await?;
    let paired: Vec<Value> =
        paired.iter().map(|device| convert::device::paired(device, is_connected(&cx, &device.id))).collect();
    now(json!({ "pending": waiting.iter().map(convert::device::pending).collect::<Vec<_>>(), "paired": paired }))
}

/// Pairs a waiting device; nobody gives away more than they hold (T-12).
pub(crate) async fn approve(cx: Cx, params: Params) -> Answer {
    let request = waiting(&cx, params.required("requestId")).await?;
    let asked = request.device.scopes.iter().filter_map(|name| Scope::parse(name));
    if let Some(scope) = asked.into_iter().find(|scope| !cx.client.may(*scope)) {
        return Err(ErrorBody::new(ErrorCode::Forbidden, format!("missing scope: {}", scope.as_str())).with_details(
            json!({ "code": "MISSING_SCOPE", "missingScope": scope.as_str(), "requiredScopes": [scope.as_str()] }),
        ));
    }
    let at = cx.gateway.now();
    let device = Device { approved_via: "owner".to_owned(), paired_at: at, ..request.device.clone() };
    put(&cx, device.clone()).await?;
    resolved(&cx, &request, "approved");
    now(json!({ "requestId": request.id, "device": convert::device::paired(&device, is_connected(&cx, &device.id)) }))
}

/// Refuses a waiting device; what it was paired for before stays.
pub(crate) async fn reject(cx: Cx, params: Params) -> Answer {
    let request = waiting(&cx, params.required("requestId")).await?;
    let devices = &cx.gateway.ports.devices;
    match devices.get(&request.device.id).await.map_err(|error| record(&error))? {
        // Storing the device unchanged drops its request.
        Some(device) => put(&cx, device).await?,
        None => {
            devices.remove(&request.device.id).await.map_err(|error| record(&error))?;
        }
    }
    resolved(&cx, &request, "rejected");
    now(json!({ "requestId": request.id, "deviceId": request.device.id }))
}

/// Unpairs a device and closes its connections.
pub(crate) async fn remove(cx: Cx, params: Params) -> Answer {
    let id = params.required("deviceId");
    if !cx.gateway.ports.devices.remove(id).await.map_err(|error| record(&error))? {
        return Err(invalid("unknown deviceId"));
    }
    disconnect(&cx, id, "device removed");
    changed(&cx, id);
    now(json!({ "deviceId": id, "removed": true }))
}

/// Makes a device's token invalid for good and closes its connections.
pub(crate) async fn revoke_token(cx: Cx, params: Params) -> Answer {
    let (id, role) = (params.required("deviceId"), params.required("role"));
    let device = cx.gateway.ports.devices.get(id).await.map_err(|error| record(&error))?;
    let Some(device) = device.filter(|device| device.roles.iter().any(|held| held == role)) else {
        return Err(invalid("unknown deviceId/role"));
    };
    put(&cx, Device { token_hash: None, ..device }).await?;
    disconnect(&cx, id, "device token revoked");
    changed(&cx, id);
    now(json!({ "deviceId": id, "role": role, "revokedAtMs": cx.gateway.now() }))
}

/// Lists nodes: devices paired as one, and whether they are connected.
pub(crate) async fn nodes(cx: Cx, _params: Params) -> Answer {
    let (paired, _) = devices(&cx).await?;
    let clients = cx.gateway.hub.clients();
    let is_connected =
        |id: &str| clients.iter().any(|client| client.role == Role::Node && client.device.as_deref() == Some(id));
    let nodes = paired.iter().filter(|device| device.roles.iter().any(|role| role == "node"));
    let rows: Vec<Value> = nodes
        .map(|device| {
            json!({ "nodeId": device.id, "displayName": device.display_name, "platform": device.platform,
                "clientId": device.client_id, "clientMode": device.client_mode, "caps": [], "commands": [],
                "paired": true, "connected": is_connected(&device.id), "lastSeenAtMs": device.seen_at,
                "approvedAtMs": device.paired_at })
        })
        .collect();
    now(json!({ "ts": cx.gateway.now(), "nodes": rows }))
}

async fn devices(cx: &Cx) -> Result<(Vec<Device>, Vec<PairingRequest>), ErrorBody> {
    cx.gateway.ports.devices.list().await.map_err(|error| record(&error))
}

async fn put(cx: &Cx, device: Device) -> Result<(), ErrorBody> {
    cx.gateway.ports.devices.put(device).await.map_err(|error| record(&error))
}

async fn waiting(cx: &Cx, id: &str) -> Result<PairingRequest, ErrorBody> {
    let (_, waiting) = devices(cx).await?;
    waiting.into_iter().find(|request| request.id == id).ok_or_else(|| invalid("unknown requestId"))
}

fn is_connected(cx: &Cx, id: &str) -> bool {
    cx.gateway.hub.clients().iter().any(|client| client.device.as_deref() == Some(id))
}

fn disconnect(cx: &Cx, id: &str, why: &str) {
    for client in cx.gateway.hub.clients().iter().filter(|client| client.device.as_deref() == Some(id)) {
        client.queue.close(close::REVOKED, why);
    }
}

fn resolved(cx: &Cx, request: &PairingRequest, decision: &str) {
    let payload = json!({ "requestId": request.id, "deviceId": request.device.id, "decision": decision,
        "ts": cx.gateway.now() });
    cx.gateway.hub.broadcast(Some(Scope::Pairing), names::DEVICE_PAIR_RESOLVED, &payload, WhenSlow::Close);
    changed(cx, &request.device.id);
}

fn changed(cx: &Cx, id: &str) {
    let payload = json!({ "deviceId": id, "ts": cx.gateway.now() });
    cx.gateway.hub.broadcast(Some(Scope::Pairing), names::DEVICE_PAIR_CHANGED, &payload, WhenSlow::Drop);
}
