//! The handshake: one test per row of the error table (`protocol.md` §1.5).

use serde_json::{Value, json};

use crate::rig::{ALL, Got, Rig, TOKEN, params};

/// Sends a first frame and returns what came back.
async fn first(frame: Value) -> (Vec<Value>, u16, String) {
    first_text(frame.to_string()).await
}

async fn first_text(text: String) -> (Vec<Value>, u16, String) {
    let rig = Rig::start().await;
    let mut ws = rig.raw().await;
    ws.text(text).await;
    ws.closed().await
}

/// Sends `connect` and returns the error and the close.
async fn refused(params: Value) -> (Value, u16, String) {
    let (frames, code, reason) =
        first(json!({ "type": "req", "id": "x", "method": "connect", "params": params })).await;
    assert_eq!(frames.len(), 1);
    assert_eq!((&frames[0]["id"], &frames[0]["ok"]), (&json!("x"), &json!(false)));
    (frames[0]["error"].clone(), code, reason)
}

#[tokio::test]
async fn hello_tells_version_features_state_and_limits() {
    let rig = Rig::start().await;
    let hello = rig.client().await.hello;
    assert_eq!((&hello["type"], &hello["protocol"]), (&json!("hello-ok"), &json!(4)));
    assert_eq!(hello["policy"]["maxPayload"], 26_214_400);
    assert_eq!(hello["policy"]["maxBufferedBytes"], 52_428_800);
    assert_eq!(hello["policy"]["tickIntervalMs"], 30_000);
    assert_eq!(hello["auth"], json!({ "role": "operator", "scopes": ALL }));
    assert!(hello["features"]["methods"].as_array().unwrap().contains(&json!("chat.send")));
}

#[tokio::test]
async fn malformed_json_closes_without_a_word() {
    assert_eq!(first_text("{not json".into()).await, (vec![], 1000, String::new()));
}

#[tokio::test]
async fn json_that_is_not_a_frame_closes_with_a_reason() {
    assert_eq!(first(json!({ "hello": 1 })).await, (vec![], 1008, "invalid request frame".into()));
}

#[tokio::test]
async fn the_first_request_must_be_connect() {
    let (frames, code, reason) = first(json!({ "type": "req", "id": "x", "method": "health" })).await;
    let message = "invalid handshake: first request must be connect";
    assert_eq!(frames[0]["error"], json!({ "code": "INVALID_REQUEST", "message": message }));
    assert_eq!((code, reason.as_str()), (1008, message));
}

#[tokio::test]
async fn bad_connect_params_are_named_as_the_contract_names_them() {
    let mut missing = params(&ALL);
    missing.as_object_mut().unwrap().remove("maxProtocol");
    let (error, code, reason) = refused(missing).await;
    assert_eq!(error["message"], "invalid connect params: must have required property 'maxProtocol'");
    assert_eq!((code, reason.as_str()), (1008, error["message"].as_str().unwrap()));

    let mut unknown = params(&ALL);
    unknown["client"]["id"] = json!("nobody");
    let (error, code, _) = refused(unknown).await;
    assert_eq!(error["message"], "invalid connect params: at /client/id: must be equal to one of the allowed values");
    assert_eq!(code, 1008);
}

#[tokio::test]
async fn another_protocol_version_closes_1002() {
    let mut old = params(&ALL);
    (old["minProtocol"], old["maxProtocol"]) = (json!(3), json!(3));
    let (error, code, reason) = refused(old).await;
    assert_eq!(
        error,
        json!({ "code": "INVALID_REQUEST", "message": "protocol mismatch", "details": { "code": "PROTOCOL_MISMATCH",
            "clientMinProtocol": 3, "clientMaxProtocol": 3, "expectedProtocol": 4, "minimumProbeProtocol": 3 } })
    );
    assert_eq!((code, reason.as_str()), (1002, "protocol mismatch"));
}

#[tokio::test]
async fn an_unknown_role_is_refused() {
    for role in ["boss", "worker"] {
        let mut bad = params(&ALL);
        bad["role"] = json!(role);
        let (error, code, reason) = refused(bad).await;
        assert_eq!((&error["message"], code, reason.as_str()), (&json!("invalid role"), 1008, "invalid role"));
    }
}

#[tokio::test]
async fn a_frame_over_64_kib_before_the_handshake_closes_1009() {
    let pad =
        |bytes: usize| json!({ "type": "req", "id": "x", "method": "connect", "params": { "pad": "x".repeat(bytes) } });
    assert_eq!(first(pad(70_000)).await, (vec![], 1009, String::new()));
    let (frames, code, _) = first(pad(60_000)).await;
    assert_eq!((frames.len(), code), (1, 1008));
}

#[tokio::test]
async fn silence_for_fifteen_seconds_closes_1000() {
    let rig = Rig::start().await;
    let mut ws = rig.raw().await;
    rig.clock.wait_for_sleepers(2).await;
    rig.clock.advance(std::time::Duration::from_secs(15)).await;
    assert_eq!(ws.next().await, Got::Closed(1000, String::new()));
}

#[tokio::test]
async fn a_long_reason_is_cut_to_what_a_close_frame_holds() {
    let mut bad = params(&ALL);
    bad[&"y".repeat(64)] = json!(1);
    let mut inner = params(&ALL);
    inner["client"][&"z".repeat(64)] = json!(1);
    bad["client"] = inner["client"].clone();
    let (error, code, reason) = refused(bad).await;
    assert!(error["message"].as_str().unwrap().len() > 123);
    assert_eq!((code, reason.len()), (1008, 123));
}

#[tokio::test]
async fn requests_sent_before_hello_are_answered_after_it() {
    let rig = Rig::start().await;
    let mut ws = rig.raw().await;
    let connect = ws.request("connect", params(&ALL)).await;
    let early = ws.request("health", json!({})).await;
    assert_eq!(ws.answer(&connect).await["ok"], true);
    assert_eq!(ws.answer(&early).await["ok"], true);
}

#[tokio::test]
async fn fifteen_frames_may_wait_for_hello_and_a_sixteenth_closes_1008() {
    let frames = |early: u32| {
        let request = |id: u32, method: &str, params: Value| {
            json!({ "type": "req", "id": id.to_string(), "method": method, "params": params }).to_string()
        };
        let connect = request(0, "connect", params(&ALL));
        std::iter::once(connect).chain((1..=early).map(move |id| request(id, "last-heartbeat", json!({}))))
    };
    let rig = Rig::start().await;
    let mut ws = rig.raw().await;
    ws.texts(frames(15)).await;
    for id in 0..=15_u32 {
        assert_eq!(ws.answer(&id.to_string()).await["ok"], true, "answers come in order");
    }
    let mut ws = rig.raw().await;
    ws.texts(frames(16)).await;
    assert_eq!(ws.closed().await, (vec![], 1008, "too many frames before hello".to_owned()));
}

#[tokio::test]
async fn binary_frames_are_read_as_text() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    ws.binary(&json!({ "type": "req", "id": "b1", "method": "health" }).to_string()).await;
    assert_eq!(ws.answer("b1").await["ok"], true);
}

#[tokio::test]
async fn after_the_handshake_malformed_json_is_ignored_and_the_rest_is_named() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    ws.text("{not json").await;
    ws.text(json!({ "a": 1 }).to_string()).await;
    assert_eq!(
        ws.answer("invalid").await["error"]["message"],
        "invalid request frame: must have required property 'type'; at root: unexpected property 'a'"
    );
    ws.text(json!({ "type": "req", "method": "health" }).to_string()).await;
    assert_eq!(
        ws.answer("invalid").await["error"]["message"],
        "invalid request frame: must have required property 'id'"
    );
    assert_eq!(ws.fails("does.not.exist", json!({})).await["message"], "unknown method: does.not.exist");
    assert_eq!(ws.fails("connect", params(&ALL)).await["message"], "connect is only valid as the first request");
    assert_eq!(
        ws.fails("agent", json!({ "message": "x" })).await["message"],
        "invalid agent params: must have required property 'idempotencyKey'"
    );
    let error = ws.fails("chat.send", json!({})).await;
    assert_eq!(error["details"], json!({ "code": "SESSION_MUTATION_TARGET_REQUIRED", "method": "chat.send" }));
    assert_eq!(ws.call("health", json!({})).await["ok"], true);
}

#[tokio::test]
async fn one_id_used_twice_gets_two_answers() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    for _ in 0..2 {
        ws.text(json!({ "type": "req", "id": "dup", "method": "last-heartbeat" }).to_string()).await;
    }
    assert_eq!(ws.answer("dup").await, ws.answer("dup").await);
}

#[tokio::test]
async fn the_secret_may_come_as_password_too() {
    let rig = Rig::start().await;
    let mut both = params(&["operator.read"]);
    both["auth"] = json!({ "token": TOKEN, "password": TOKEN });
    rig.client_with(both).await;
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 16, ..Default::default() })]

    /// Whatever text arrives, before or after the handshake, the gateway stays up.
    #[test]
    fn no_frame_brings_the_gateway_down(
        texts in proptest::collection::vec("[\\[{\"a-z:,0-9\\]} ]{0,40}|\\PC{0,40}", 1..12),
        method in "[a-z.]{0,20}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let rig = Rig::start().await;
            for text in &texts {
                let mut ws = rig.raw().await;
                ws.text(text.clone()).await;
                ws.closed().await;
            }
            let mut ws = rig.client().await;
            for text in texts {
                ws.text(text.clone()).await;
                ws.request(&method, json!({ "text": text, "key": text, "sessionKey": text, "id": text })).await;
            }
            assert_eq!(ws.call("health", json!({})).await["ok"], true);
        });
    }
}
