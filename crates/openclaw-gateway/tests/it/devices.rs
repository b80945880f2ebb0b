//! Device proofs and pairing (T-02, T-10, T-11, T-12).

use serde_json::{Value, json};

use crate::rig::{ALL, Device, Rig, Ws, params};

fn tui(scopes: &[&str]) -> Value {
    let mut params = params(scopes);
    (params["client"]["id"], params["client"]["mode"]) = (json!("openclaw-tui"), json!("ui"));
    params
}

async fn connect(rig: &Rig, device: &Device, mut params: Value) -> (Ws, Value) {
    let mut ws = rig.raw().await;
    device.sign(&mut params, &ws.challenge, false);
    let answer = ws.call("connect", params).await;
    (ws, answer)
}

/// Sends a proof that was changed after signing; returns the error.
async fn tampered(change: impl FnOnce(&mut Value)) -> (Value, u16, String) {
    let rig = Rig::start().await;
    let mut ws = rig.raw().await;
    let mut params = tui(&["operator.read"]);
    Device::new(1).sign(&mut params, &ws.challenge, false);
    change(&mut params);
    ws.request("connect", params).await;
    let (frames, code, reason) = ws.closed().await;
    (frames[0]["error"].clone(), code, reason)
}

#[tokio::test]
async fn a_device_pairs_silently_on_loopback_and_comes_back_with_its_token() {
    let rig = Rig::start().await;
    let device = Device::new(1);
    let (_ws, hello) = connect(&rig, &device, tui(&["operator.read", "operator.write"])).await;
    let auth = &hello["payload"]["auth"];
    assert_eq!(auth["scopes"], json!(["operator.read", "operator.write"]));
    let token = auth["deviceToken"].as_str().unwrap();
    assert!(auth["issuedAtMs"].is_i64());

    let mut again = tui(&["operator.read"]);
    again["auth"] = json!({ "token": token });
    let (_ws, hello) = connect(&rig, &device, again).await;
    assert_eq!(hello["payload"]["auth"]["scopes"], json!(["operator.read"]));
    assert_eq!(hello["payload"]["auth"]["deviceToken"], token);
}

#[tokio::test]
async fn the_older_form_of_the_proof_is_accepted() {
    let rig = Rig::start().await;
    let mut ws = rig.raw().await;
    let mut params = tui(&["operator.read"]);
    Device::new(1).sign(&mut params, &ws.challenge, true);
    ws.ok("connect", params).await;
}

#[tokio::test]
async fn a_token_is_stored_as_its_hash_only() {
    use openclaw_domain::ports::Devices as _;
    let rig = Rig::start().await;
    let device = Device::new(1);
    let (_ws, hello) = connect(&rig, &device, tui(&["operator.read"])).await;
    let token = hello["payload"]["auth"]["deviceToken"].as_str().unwrap().to_owned();
    let stored = rig.store.get(&device.id()).await.unwrap().unwrap();
    assert_eq!(stored.token_hash.unwrap().len(), 64);
    assert!(!format!("{:?}", rig.store).contains(&token));
}

#[tokio::test]
async fn a_forged_signature_is_refused_even_with_the_right_token() {
    let rig = Rig::start().await;
    let mut ws = rig.raw().await;
    let (mut own, mut other) = (tui(&["operator.read"]), tui(&["operator.read"]));
    Device::new(1).sign(&mut own, &ws.challenge, false);
    Device::new(2).sign(&mut other, &ws.challenge, false);
    own["device"]["signature"] = other["device"]["signature"].clone();
    ws.request("connect", own).await;
    let (frames, code, reason) = ws.closed().await;
    assert_eq!(
        frames[0]["error"]["details"],
        json!({ "code": "DEVICE_AUTH_SIGNATURE_INVALID", "reason": "device-signature" })
    );
    assert_eq!((code, reason.as_str()), (1008, "device signature invalid"));
}

#[tokio::test]
async fn each_part_of_a_proof_is_checked() {
    let (error, code, reason) = tampered(|params| params["device"]["nonce"] = json!("other")).await;
    assert_eq!(error["details"], json!({ "code": "DEVICE_AUTH_NONCE_MISMATCH", "reason": "device-nonce-mismatch" }));
    assert_eq!((code, reason.as_str()), (1008, "device nonce mismatch"));
    let (error, ..) = tampered(|params| params["device"]["id"] = json!("00")).await;
    assert_eq!(error["details"]["code"], "DEVICE_AUTH_DEVICE_ID_MISMATCH");
    let (error, ..) = tampered(|params| params["device"]["publicKey"] = json!("!")).await;
    assert_eq!(error["details"]["code"], "DEVICE_AUTH_PUBLIC_KEY_INVALID");
    // The scopes are signed too.
    let (error, ..) = tampered(|params| params["scopes"] = json!(["operator.admin"])).await;
    assert_eq!(error["details"]["code"], "DEVICE_AUTH_SIGNATURE_INVALID");
}

#[tokio::test]
async fn a_proof_is_good_for_two_minutes() {
    for (skew_ms, is_good) in [(120_000, true), (120_001, false), (-120_000, true), (-120_001, false)] {
        let rig = Rig::start().await;
        let mut ws = rig.raw().await;
        let mut challenge = ws.challenge.clone();
        challenge["ts"] = json!(challenge["ts"].as_i64().unwrap() + skew_ms);
        let mut params = tui(&["operator.read"]);
        Device::new(1).sign(&mut params, &challenge, false);
        let answer = ws.call("connect", params).await;
        assert_eq!(answer["ok"], is_good, "{skew_ms}: {answer}");
        if !is_good {
            assert_eq!(answer["error"]["details"]["code"], "DEVICE_AUTH_SIGNATURE_EXPIRED");
        }
    }
}

#[tokio::test]
async fn a_device_in_a_browser_waits_for_the_owner_and_comes_in_once_approved() {
    let rig = Rig::start().await;
    let mut owner = rig.client().await;
    let origin = format!("http://127.0.0.1:{}", rig.port);
    let device = Device::new(3);
    let attempt = async || {
        let mut ws = rig.raw_with(&[("origin", &origin)]).await.unwrap();
        let mut params = params(&["operator.read"]);
        (params["client"]["id"], params["client"]["mode"]) = (json!("openclaw-control-ui"), json!("webchat"));
        device.sign(&mut params, &ws.challenge, false);
        ws.call("connect", params).await
    };
    let refused = attempt().await;
    let details = &refused["error"]["details"];
    assert_eq!((&refused["error"]["code"], &details["code"]), (&json!("NOT_PAIRED"), &json!("PAIRING_REQUIRED")));
    assert_eq!((&details["reason"], &details["requestedScopes"]), (&json!("not-paired"), &json!(["operator.read"])));
    let request = details["requestId"].as_str().unwrap().to_owned();
    assert!(refused["error"]["message"].as_str().unwrap().ends_with(&format!("(requestId: {request})")));
    assert_eq!(attempt().await["error"]["details"]["requestId"], json!(request), "one request per device");

    let event = owner.event(|event| event["event"] == "device.pair.requested").await;
    assert_eq!(event["payload"]["requestId"], json!(request));
    let listed = owner.ok("device.pair.list", json!({})).await;
    assert_eq!(listed["pending"][0]["deviceId"], json!(device.id()));
    owner.ok("device.pair.approve", json!({ "requestId": request })).await;
    let event = owner.event(|event| event["event"] == "device.pair.resolved").await;
    assert_eq!(event["payload"]["decision"], "approved");
    assert_eq!(attempt().await["ok"], true);
}

#[tokio::test]
async fn nobody_approves_more_than_they_hold() {
    let rig = Rig::start().await;
    let origin = format!("http://127.0.0.1:{}", rig.port);
    let mut ws = rig.raw_with(&[("origin", &origin)]).await.unwrap();
    let mut wide = tui(&["operator.admin"]);
    Device::new(4).sign(&mut wide, &ws.challenge, false);
    let request = ws.call("connect", wide).await["error"]["details"]["requestId"].clone();
    let mut clerk = rig.client_with(params(&["operator.pairing"])).await;
    let error = clerk.fails("device.pair.approve", json!({ "requestId": request })).await;
    assert_eq!((&error["code"], &error["details"]["missingScope"]), (&json!("FORBIDDEN"), &json!("operator.admin")));
    clerk.ok("device.pair.reject", json!({ "requestId": request })).await;
    let error = clerk.fails("device.pair.approve", json!({ "requestId": request })).await;
    assert_eq!(error["message"], "unknown requestId");
}

#[tokio::test]
async fn rejecting_more_scopes_leaves_the_pairing_as_it_was() {
    let rig = Rig::start().await;
    let device = Device::new(5);
    let (_ws, hello) = connect(&rig, &device, tui(&["operator.read"])).await;
    let token = hello["payload"]["auth"]["deviceToken"].clone();
    let mut wider = tui(&["operator.admin"]);
    wider["auth"] = json!({ "token": token });
    let (_ws, refused) = connect(&rig, &device, wider).await;
    let mut owner = rig.client().await;
    owner.ok("device.pair.reject", json!({ "requestId": refused["error"]["details"]["requestId"] })).await;
    let listed = owner.ok("device.pair.list", json!({})).await;
    assert_eq!(listed["pending"], json!([]));
    assert_eq!(listed["paired"][0]["scopes"], json!(["operator.read"]));
}

#[tokio::test]
async fn a_revoked_token_closes_its_connections_and_never_works_again() {
    let rig = Rig::start().await;
    let device = Device::new(6);
    let (mut ws, hello) = connect(&rig, &device, tui(&["operator.read"])).await;
    let token = hello["payload"]["auth"]["deviceToken"].clone();
    let mut owner = rig.client().await;
    owner.ok("device.token.revoke", json!({ "deviceId": device.id(), "role": "operator" })).await;
    assert_eq!(ws.closed().await.1, 4001);
    let mut again = tui(&["operator.read"]);
    again["auth"] = json!({ "token": token });
    let mut ws = rig.raw().await;
    device.sign(&mut again, &ws.challenge, false);
    ws.request("connect", again).await;
    rig.clock.wait_for_sleepers(1).await;
    let closed = async {
        loop {
            rig.clock.advance(std::time::Duration::from_millis(250)).await;
            tokio::task::yield_now().await;
        }
    };
    let (frames, ..) = tokio::select! { closed = ws.closed() => closed, () = closed => unreachable!() };
    assert_eq!(frames[0]["error"]["details"]["code"], "AUTH_TOKEN_MISMATCH");
}

#[tokio::test]
async fn a_removed_device_is_gone_and_disconnected() {
    let rig = Rig::start().await;
    let device = Device::new(7);
    let (mut ws, _) = connect(&rig, &device, tui(&["operator.read"])).await;
    let mut owner = rig.client().await;
    owner.ok("device.pair.remove", json!({ "deviceId": device.id() })).await;
    assert_eq!(ws.closed().await.1, 4001);
    assert_eq!(
        owner.fails("device.pair.remove", json!({ "deviceId": device.id() })).await["message"],
        "unknown deviceId"
    );
}

#[tokio::test]
async fn a_node_may_call_nothing_and_is_closed_when_it_insists() {
    let rig = Rig::start().await;
    let mut node = params(&[]);
    node["role"] = json!("node");
    (node["client"]["id"], node["client"]["mode"]) = (json!("node-host"), json!("node"));
    let (mut ws, hello) = connect(&rig, &Device::new(8), node).await;
    assert_eq!((&hello["payload"]["auth"]["role"], &hello["payload"]["auth"]["scopes"]), (&json!("node"), &json!([])));
    let mut owner = rig.client_with(params(&ALL)).await;
    assert_eq!(owner.ok("node.list", json!({})).await["nodes"][0]["connected"], true);
    for _ in 0..10 {
        assert_eq!(ws.fails("health", json!({})).await["message"], "unauthorized role: node");
    }
    ws.request("health", json!({})).await;
    assert_eq!(ws.closed().await.1, 1008);
}

#[tokio::test]
async fn an_approved_device_gets_its_token_once_and_comes_back_with_it_alone() {
    let rig = Rig::start().await;
    let origin = format!("http://127.0.0.1:{}", rig.port);
    let device = Device::new(9);
    let attempt = async |auth: Value| {
        let mut ws = rig.raw_with(&[("origin", &origin)]).await.unwrap();
        let mut params = params(&["operator.read"]);
        (params["client"]["id"], params["client"]["mode"]) = (json!("openclaw-control-ui"), json!("webchat"));
        params["auth"] = auth;
        device.sign(&mut params, &ws.challenge, false);
        ws.call("connect", params).await
    };
    let shared = || json!({ "token": crate::rig::TOKEN });
    let request = attempt(shared()).await["error"]["details"]["requestId"].clone();
    rig.client().await.ok("device.pair.approve", json!({ "requestId": request })).await;
    let hello = attempt(shared()).await;
    let token = hello["payload"]["auth"]["deviceToken"].as_str().unwrap().to_owned();
    assert_eq!(attempt(shared()).await["payload"]["auth"].get("deviceToken"), None, "it cannot be read back");
    // The published client puts a stored token under both names; others know only one.
    for auth in [
        json!({ "deviceToken": token }),
        json!({ "token": token }),
        json!({ "token": token, "deviceToken": token }),
        json!({ "token": "stale", "deviceToken": token }),
    ] {
        let hello = attempt(auth.clone()).await;
        assert_eq!(hello["payload"]["auth"]["deviceToken"], json!(token), "{auth}: {hello}");
    }
}

#[tokio::test]
async fn a_token_revoked_is_named_so_that_the_client_forgets_it_and_gets_a_new_one() {
    let rig = Rig::start().await;
    let device = Device::new(10);
    let (_ws, hello) = connect(&rig, &device, tui(&["operator.read"])).await;
    let old = hello["payload"]["auth"]["deviceToken"].clone();
    let mut owner = rig.client().await;
    owner.ok("device.token.revoke", json!({ "deviceId": device.id(), "role": "operator" })).await;
    let mut stale = tui(&["operator.read"]);
    stale["auth"] = json!({ "token": old, "deviceToken": old });
    let error = refused_late(&rig, &device, stale).await;
    assert_eq!(error["details"]["code"], "AUTH_DEVICE_TOKEN_MISMATCH");
    let (_ws, hello) = connect(&rig, &device, tui(&["operator.read"])).await;
    let new = &hello["payload"]["auth"]["deviceToken"];
    assert!(new.is_string() && *new != old, "{hello}");
}

#[tokio::test]
async fn a_wrong_shared_token_sends_a_paired_device_to_its_own_and_a_stranger_nowhere() {
    let rig = Rig::start().await;
    let device = Device::new(11);
    let (_ws, hello) = connect(&rig, &device, tui(&["operator.read"])).await;
    assert_eq!(hello["ok"], true);
    let mut wrong = tui(&["operator.read"]);
    wrong["auth"] = json!({ "token": "changed since" });
    for (device, can, next) in
        [(&device, true, "retry_with_device_token"), (&Device::new(12), false, "update_auth_credentials")]
    {
        let error = refused_late(&rig, device, wrong.clone()).await;
        let details = &error["details"];
        assert_eq!(details["code"], "AUTH_TOKEN_MISMATCH");
        assert_eq!((&details["canRetryWithDeviceToken"], &details["recommendedNextStep"]), (&json!(can), &json!(next)));
    }
}

/// Connects with a wrong credential, which is answered late, and returns the error.
async fn refused_late(rig: &Rig, device: &Device, mut params: Value) -> Value {
    let mut ws = rig.raw().await;
    device.sign(&mut params, &ws.challenge, false);
    ws.request("connect", params).await;
    let advance = async {
        loop {
            rig.clock.advance(std::time::Duration::from_millis(250)).await;
            tokio::task::yield_now().await;
        }
    };
    let (frames, ..) = tokio::select! { closed = ws.closed() => closed, () = advance => unreachable!() };
    frames[0]["error"].clone()
}
