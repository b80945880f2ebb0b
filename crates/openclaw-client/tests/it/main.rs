//! The client against a gateway that follows a script.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod stream;

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use openclaw_client::{
    Call, Client, ConnectOptions, Credential, Endpoint, Error, Identity, Introduction, Link, Notice,
};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_async};

type Server = WebSocketStream<TcpStream>;

fn hello(tick_ms: u64) -> Value {
    json!({
        "type": "hello-ok", "protocol": 4, "server": {"version": "1", "connId": "c"},
        "features": {"methods": ["health"], "events": ["tick"]},
        "snapshot": {"presence": [], "health": {}, "stateVersion": {"presence": 1, "health": 1}, "uptimeMs": 5},
        "auth": {"role": "operator", "scopes": []},
        "policy": {"maxPayload": 1000, "maxBufferedBytes": 1000, "tickIntervalMs": tick_ms},
    })
}

async fn send(server: &mut Server, frame: Value) {
    server.send(Message::text(frame.to_string())).await.unwrap();
}

async fn receive(server: &mut Server) -> Value {
    loop {
        if let Message::Text(text) = server.next().await.unwrap().unwrap() {
            return serde_json::from_str(text.as_str()).unwrap();
        }
    }
}

async fn listen() -> (TcpListener, Endpoint) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::local(listener.local_addr().unwrap().port());
    (listener, endpoint)
}

/// Accepts one connection and shakes hands; returns the connect parameters too.
async fn accept(listener: &TcpListener, tick_ms: u64) -> (Server, Value) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut server = accept_async(stream).await.unwrap();
    send(&mut server, json!({"type": "event", "event": "connect.challenge", "payload": {"nonce": "n", "ts": 7}})).await;
    let connect = receive(&mut server).await;
    send(&mut server, json!({"type": "res", "id": connect["id"], "ok": true, "payload": hello(tick_ms)})).await;
    (server, connect["params"].clone())
}

fn options() -> ConnectOptions {
    ConnectOptions::new(Introduction::cli("1"))
}

async fn pair(tick_ms: u64) -> (Client, Server) {
    let (listener, endpoint) = listen().await;
    let options = options();
    let (client, (server, _)) = tokio::join!(Client::connect(&endpoint, &options), accept(&listener, tick_ms));
    (client.unwrap(), server)
}

#[tokio::test]
async fn answers_are_matched_by_id_in_any_order() {
    let (client, mut server) = pair(30_000).await;
    let serve = async {
        let (one, two) = (receive(&mut server).await, receive(&mut server).await);
        for call in [two, one] {
            send(&mut server, json!({"type": "res", "id": call["id"], "ok": true, "payload": call["params"]})).await;
        }
    };
    let (one, two, ()) = tokio::join!(client.call("a", json!({"n": 1})), client.call("b", json!({"n": 2})), serve);
    assert_eq!((one.unwrap(), two.unwrap()), (json!({"n": 1}), json!({"n": 2})));
}

#[tokio::test]
async fn only_a_caller_that_wants_the_final_answer_skips_accepted() {
    let (client, mut server) = pair(30_000).await;
    let serve = async {
        for _ in 0..2 {
            let call = receive(&mut server).await;
            for status in ["accepted", "ok"] {
                send(&mut server, json!({"type": "res", "id": call["id"], "ok": true, "payload": {"status": status}}))
                    .await;
            }
        }
    };
    let calls = async {
        let last = client.call_expect_final("agent", json!({})).await.unwrap();
        let first = client.call("agent", json!({})).await.unwrap();
        (first["status"].clone(), last["status"].clone())
    };
    let (statuses, ()) = tokio::join!(calls, serve);
    assert_eq!(statuses, (json!("accepted"), json!("ok")));
}

#[tokio::test]
async fn a_refused_call_carries_code_and_details() {
    let (client, mut server) = pair(30_000).await;
    let serve = async {
        let call = receive(&mut server).await;
        let error = json!({"code": "FORBIDDEN", "message": "missing scope", "details": {"code": "MISSING_SCOPE"}});
        send(&mut server, json!({"type": "res", "id": call["id"], "ok": false, "error": error})).await;
    };
    let (result, ()) = tokio::join!(client.call("x", json!({})), serve);
    assert_eq!(result.unwrap_err().refusal().unwrap().exact_code(), Some("MISSING_SCOPE"));
}

#[tokio::test]
async fn a_gap_in_the_numbers_is_told_before_the_event_after_it() {
    let (client, mut server) = pair(30_000).await;
    let mut events = client.events();
    for seq in [1, 4] {
        send(&mut server, json!({"type": "event", "event": "health", "seq": seq})).await;
    }
    assert!(matches!(events.next().await, Some(Notice::Event(_))));
    assert_eq!(events.next().await, Some(Notice::Gap { expected: 2, received: 4 }));
    assert!(matches!(events.next().await, Some(Notice::Event(_))));
    server.close(None).await.unwrap();
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_close_ends_pending_calls_with_its_code_and_reason() {
    let (client, mut server) = pair(30_000).await;
    let serve = async {
        receive(&mut server).await;
        server.close(Some(CloseFrame { code: 1012.into(), reason: "service restart".into() })).await.unwrap();
    };
    let (result, ()) = tokio::join!(client.call("x", json!({})), serve);
    assert!(matches!(result, Err(Error::Closed { code: 1012, .. })), "{result:?}");
    assert!(client.is_ended());
    // Later calls say the same instead of hanging.
    assert!(matches!(client.call("x", json!({})).await, Err(Error::Closed { code: 1012, .. })));
}

#[tokio::test(start_paused = true)]
async fn silence_for_two_ticks_closes_with_4000() {
    let (client, mut server) = pair(1_000).await;
    // The clock is paused: it jumps to the next timer whenever all is quiet.
    let begun = tokio::time::Instant::now();
    let error = client.ended().await;
    assert!(matches!(error, Error::Closed { code: 4000, .. }), "{error:?}");
    assert!(begun.elapsed() >= Duration::from_secs(2));
    let close = server.next().await.unwrap().unwrap();
    assert!(matches!(close, Message::Close(Some(frame)) if u16::from(frame.code) == 4000));
}

#[tokio::test]
async fn a_call_without_an_answer_times_out_and_others_go_on() {
    let (client, mut server) = pair(30_000).await;
    let call = Call { method: "slow".to_owned(), timeout: Some(Duration::from_millis(20)), ..Call::default() };
    assert!(matches!(client.perform(call).await, Err(Error::Timeout { what, .. }) if what == "slow"));
    let serve = async {
        let late = receive(&mut server).await;
        send(&mut server, json!({"type": "res", "id": late["id"], "ok": true, "payload": {}})).await;
        let next = receive(&mut server).await;
        send(&mut server, json!({"type": "res", "id": next["id"], "ok": true, "payload": {"n": 2}})).await;
    };
    let (result, ()) = tokio::join!(client.call("next", json!({})), serve);
    assert_eq!(result.unwrap(), json!({"n": 2}));
}

#[tokio::test]
async fn a_call_larger_than_the_gateway_takes_is_not_sent() {
    let (client, _server) = pair(30_000).await;
    let result = client.call("x", json!({"text": "x".repeat(1_001)})).await;
    assert!(matches!(result, Err(Error::Call { .. })), "{result:?}");
    assert!(!client.is_ended());
}

#[tokio::test]
async fn nothing_there_is_unreachable_and_a_refused_handshake_says_why() {
    let (listener, endpoint) = listen().await;
    drop(listener);
    let result = Client::connect(&endpoint, &options()).await;
    assert!(matches!(result, Err(Error::Unreachable { .. })), "{result:?}");

    let (listener, endpoint) = listen().await;
    let refuse = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut server = accept_async(stream).await.unwrap();
        send(&mut server, json!({"type": "event", "event": "connect.challenge", "payload": {"nonce": "n", "ts": 7}}))
            .await;
        let connect = receive(&mut server).await;
        let error =
            json!({"code": "INVALID_REQUEST", "message": "unauthorized", "details": {"code": "AUTH_TOKEN_MISMATCH"}});
        send(&mut server, json!({"type": "res", "id": connect["id"], "ok": false, "error": error})).await;
    };
    let options = options();
    let (result, ()) = tokio::join!(Client::connect(&endpoint, &options), refuse);
    assert!(result.unwrap_err().is_terminal());
}

#[tokio::test]
async fn a_peer_that_is_not_a_gateway_is_named_so() {
    let (listener, endpoint) = listen().await;
    let stranger = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut server = accept_async(stream).await.unwrap();
        send(&mut server, json!({"hello": "world"})).await;
        server
    };
    let options = options();
    let (result, _server) = tokio::join!(Client::connect(&endpoint, &options), stranger);
    assert!(matches!(result, Err(Error::Protocol(_))), "{result:?}");
}

#[tokio::test]
async fn a_silent_peer_does_not_hold_us() {
    let (_listener, endpoint) = listen().await;
    let options = ConnectOptions { timeout: Duration::from_millis(20), ..options() };
    let result = Client::connect(&endpoint, &options).await;
    assert!(matches!(result, Err(Error::Timeout { .. })), "{result:?}");
}

#[tokio::test]
async fn credential_and_device_are_shown_over_tcp_only() {
    let secret = ConnectOptions {
        credential: Credential::Token("t".to_owned()),
        identity: Some(Identity::generate().unwrap()),
        ..options()
    };
    let (listener, endpoint) = listen().await;
    let (client, (_server, params)) = tokio::join!(Client::connect(&endpoint, &secret), accept(&listener, 30_000));
    client.unwrap();
    assert_eq!(params["auth"]["token"], "t");
    assert_eq!((&params["device"]["nonce"], &params["device"]["signedAt"]), (&json!("n"), &json!(7)));

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let unix = UnixListener::bind(&path).unwrap();
    let serve = async {
        let (stream, _) = unix.accept().await.unwrap();
        let mut server = accept_async(stream).await.unwrap();
        let challenge = json!({"type": "event", "event": "connect.challenge", "payload": {"nonce": "n", "ts": 7}});
        server.send(Message::text(challenge.to_string())).await.unwrap();
        let Message::Text(text) = server.next().await.unwrap().unwrap() else { panic!("not text") };
        let connect: Value = serde_json::from_str(text.as_str()).unwrap();
        let answer = json!({"type": "res", "id": connect["id"], "ok": true, "payload": hello(30_000)});
        server.send(Message::text(answer.to_string())).await.unwrap();
        (server, connect)
    };
    let endpoint = Endpoint::Unix(path);
    let (client, (_server, connect)) = tokio::join!(Client::connect(&endpoint, &secret), serve);
    client.unwrap();
    assert!(connect["params"].get("auth").is_none() && connect["params"].get("device").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_link_connects_again_after_growing_pauses_and_stops_at_a_terminal_error() {
    let (listener, endpoint) = listen().await;
    let mut link = Link::new(endpoint, options());
    let (client, (mut server, _)) = tokio::join!(link.attempt(), accept(&listener, 30_000));
    server.close(None).await.unwrap();
    client.unwrap().ended().await;
    // Two connections are dropped before the handshake, the third is served.
    let serve = async {
        for _ in 0..2 {
            drop(listener.accept().await.unwrap());
        }
        accept(&listener, 30_000).await
    };
    let mut pauses = Vec::new();
    let (client, _server) = tokio::join!(link.client(|_, pause| pauses.push(pause.as_secs())), serve);
    assert!(!client.unwrap().is_ended());
    assert_eq!(pauses, [1, 2]);
}
