//! A peer on the network: nothing that loopback is trusted with.
//!
//! These tests listen on every address and call themselves over one that is not
//! loopback. A machine without such an address says so and checks nothing.

use std::net::{IpAddr, UdpSocket};

use serde_json::{Value, json};

use crate::rig::{ALL, Device, Rig, TOKEN, params};

/// Returns an address of this machine on a network. Asking for a route sends nothing.
fn address() -> Option<String> {
    let routed = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        // Reserved for documentation; nobody is there.
        socket.connect("198.51.100.1:9")?;
        socket.local_addr()
    });
    match routed.map(|address| address.ip()) {
        Ok(ip @ IpAddr::V4(_)) if !ip.is_loopback() && !ip.is_unspecified() => Some(ip.to_string()),
        found => {
            eprintln!("NOTICE: this machine has no address on a network ({found:?}); peers there were not tested");
            None
        }
    }
}

async fn rig() -> Rig {
    Rig::with(|options| options.tcp = vec!["0.0.0.0:0".parse().unwrap()]).await
}

/// Connects from the network with a device and returns the answer.
async fn connect(rig: &Rig, host: &str, device: &Device, auth: Value) -> Value {
    let mut ws = rig.raw_at(host, &[]).await.unwrap();
    let mut params = params(&["operator.read"]);
    (params["client"]["id"], params["client"]["mode"]) = (json!("openclaw-tui"), json!("ui"));
    params["auth"] = auth;
    device.sign(&mut params, &ws.challenge, false);
    ws.call("connect", params).await
}

#[tokio::test]
async fn a_device_on_the_network_is_not_paired_silently_and_waits_for_the_owner() {
    let Some(host) = address() else { return };
    let rig = rig().await;
    let device = Device::new(1);
    let shared = || json!({ "token": TOKEN });
    let refused = connect(&rig, &host, &device, shared()).await;
    let details = &refused["error"]["details"];
    assert_eq!((&refused["error"]["code"], &details["code"]), (&json!("NOT_PAIRED"), &json!("PAIRING_REQUIRED")));
    assert_eq!((&details["reason"], &details["deviceId"]), (&json!("not-paired"), &json!(device.id())));

    let mut owner = rig.client().await;
    owner.ok("device.pair.approve", json!({ "requestId": details["requestId"] })).await;
    let hello = connect(&rig, &host, &device, shared()).await;
    assert_eq!(hello["payload"]["auth"]["scopes"], json!(["operator.read"]));
    let token = hello["payload"]["auth"]["deviceToken"].clone();
    let again = connect(&rig, &host, &device, json!({ "token": token, "deviceToken": token })).await;
    assert_eq!(again["payload"]["auth"]["deviceToken"], token, "{again}");
}

#[tokio::test]
async fn the_same_device_on_loopback_is_paired_silently() {
    let rig = rig().await;
    let hello = connect(&rig, "127.0.0.1", &Device::new(1), json!({ "token": TOKEN })).await;
    assert_eq!(hello["ok"], true, "{hello}");
}

#[tokio::test]
async fn a_device_paired_on_loopback_does_not_widen_its_scopes_from_the_network() {
    let Some(host) = address() else { return };
    let rig = rig().await;
    let device = Device::new(2);
    assert_eq!(connect(&rig, "127.0.0.1", &device, json!({ "token": TOKEN })).await["ok"], true);
    assert_eq!(connect(&rig, &host, &device, json!({ "token": TOKEN })).await["ok"], true);
    let mut ws = rig.raw_at(&host, &[]).await.unwrap();
    let mut wide = params(&["operator.admin"]);
    (wide["client"]["id"], wide["client"]["mode"]) = (json!("openclaw-tui"), json!("ui"));
    device.sign(&mut wide, &ws.challenge, false);
    assert_eq!(ws.call("connect", wide).await["error"]["details"]["reason"], "scope-upgrade");
}

#[tokio::test]
async fn our_own_tool_without_a_device_gets_no_scopes_from_the_network() {
    let Some(host) = address() else { return };
    let rig = rig().await;
    for (host, expected) in [(host.as_str(), json!([])), ("127.0.0.1", json!(ALL))] {
        let mut ws = rig.raw_at(host, &[]).await.unwrap();
        assert_eq!(ws.ok("connect", params(&ALL)).await["auth"]["scopes"], expected, "{host}");
    }
}

#[tokio::test]
async fn a_guesser_on_the_network_is_locked_out_and_the_owner_is_not() {
    let Some(host) = address() else { return };
    let rig = rig().await;
    let guess = async |token: &str| {
        let mut ws = rig.raw_at(&host, &[]).await.unwrap();
        let mut params = params(&ALL);
        params["auth"] = json!({ "token": token });
        ws.call("connect", params).await["error"]["details"]["code"].clone()
    };
    for _ in 0..10 {
        assert_eq!(guess("wrong").await, "AUTH_TOKEN_MISMATCH");
    }
    assert_eq!(guess(TOKEN).await, "AUTH_RATE_LIMITED");
    rig.client().await;
}

#[tokio::test]
async fn the_network_sees_probes_and_nothing_else_without_the_credential() {
    let Some(host) = address() else { return };
    let rig = rig().await;
    let named = format!("Host: {host}:{}", rig.port);
    let status = async |path: &str, auth: &str| {
        let headers = [named.as_str(), auth];
        rig.http_at(&host, "GET", path, if auth.is_empty() { &headers[..1] } else { &headers }, "").await.0
    };
    assert_eq!(status("/healthz", "").await, 200);
    assert_eq!(status("/metrics", "").await, 401);
    assert_eq!(status("/metrics", &format!("Authorization: Bearer {TOKEN}")).await, 200);
    // A page of the peer's own loopback is foreign here.
    let page = rig.raw_at(&host, &[("origin", "http://localhost:3000")]).await;
    assert_eq!(page.err(), Some(403));
}
