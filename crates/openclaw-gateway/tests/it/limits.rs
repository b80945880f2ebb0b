//! Limits of connections: each has a side that is let through and a side that is not.

use std::time::Duration;

use openclaw_domain::device::{Device as Paired, PairingRequest};
use openclaw_domain::ports::{Clock as _, Devices as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::furniture;
use crate::rig::{Device, Got, Rig, params};

#[tokio::test]
async fn pings_do_not_prolong_the_time_for_the_handshake() {
    let rig = Rig::start().await;
    let mut ws = rig.raw().await;
    for _ in 0..2 {
        rig.clock.wait_for_sleepers(2).await;
        rig.clock.advance(Duration::from_secs(7)).await;
        ws.ping().await;
    }
    rig.clock.advance(Duration::from_secs(1)).await;
    assert_eq!(ws.next().await, Got::Closed(1000, String::new()));
}

#[tokio::test]
async fn a_frame_begun_in_time_and_never_ended_does_not_hold_the_handshake_open() {
    let rig = Rig::start().await;
    let mut stream = upgraded(&rig).await;
    // A masked text frame of 100 bytes, of which two come.
    stream.write_all(&[0x81, 0x80 | 100, 0, 0, 0, 0, b'{', b'"']).await.unwrap();
    rig.clock.wait_for_sleepers(2).await;
    rig.clock.advance(Duration::from_secs(15)).await;
    let rest = rest_of(&mut stream).await;
    assert!(rest.ends_with(&[0x88, 2, 0x03, 0xE8]), "closed 1000: {rest:?}");
}

/// Reads until the gateway closes, which it must do in time.
async fn rest_of(stream: &mut tokio::net::TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
    // An abrupt end is an end too.
    drop(ended.expect("the connection is still open"));
    rest
}

/// Opens a WebSocket by hand.
async fn upgraded(rig: &Rig) -> tokio::net::TcpStream {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", rig.port)).await.unwrap();
    let head = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.windows(4).any(|four| four == b"\r\n\r\n") {
        seen.push(stream.read_u8().await.unwrap());
    }
    assert!(seen.starts_with(b"HTTP/1.1 101"));
    stream
}

#[tokio::test]
async fn only_so_many_strangers_are_in_their_handshake_and_known_clients_do_not_count() {
    let rig = Rig::with(|options| options.limits.handshakes_max = 2).await;
    // Known clients give their place back.
    let mut known = Vec::new();
    for _ in 0..4 {
        known.push(rig.client().await);
    }
    let first = rig.raw().await;
    let _second = rig.raw().await;
    assert_eq!(rig.raw_with(&[]).await.err(), Some(503));
    assert_eq!(known[0].ok("health", json!({})).await["ok"], true);
    // One that goes away leaves its place, as soon as that is noticed.
    first.shut().await;
    let mut again = rig.raw_with(&[]).await;
    while again.is_err() {
        tokio::task::yield_now().await;
        again = rig.raw_with(&[]).await;
    }
}

#[tokio::test]
async fn one_refused_in_its_handshake_gives_its_place_back() {
    let rig = Rig::with(|options| options.limits.handshakes_max = 1).await;
    for _ in 0..3 {
        let mut ws = rig.raw().await;
        ws.text("{not json").await;
        assert_eq!(ws.closed().await.1, 1000);
        ws.shut().await;
    }
    rig.client().await;
}

#[tokio::test]
async fn when_strangers_take_every_place_our_own_user_still_comes_in() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.sock");
    let socket = path.clone();
    let rig = Rig::with(move |options| {
        options.limits.connections_max = 0;
        options.unix_socket = Some(socket);
    })
    .await;
    assert!(rig.raw_answer().await.is_empty(), "no place on the network");
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn the_connection_after_the_last_place_is_refused_and_the_last_one_is_not() {
    // Three tasks of the gateway itself stand in the same list.
    let rig = Rig::with(|options| options.limits.connections_max = 3 + 2).await;
    let (mut first, _second) = (rig.client().await, rig.client().await);
    assert!(rig.raw_answer().await.is_empty());
    assert_eq!(first.ok("health", json!({})).await["ok"], true);
}

#[tokio::test]
async fn a_request_head_without_end_is_refused() {
    let rig = Rig::start().await;
    assert_eq!(rig.http("GET", "/healthz", &[&format!("X-Pad: {}", "x".repeat(48 * 1024))], "").await.0, 200);
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", rig.port)).await.unwrap();
    let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Pad: {}", "x".repeat(200 * 1024));
    // It may be closed before it has taken everything.
    drop(stream.write_all(head.as_bytes()).await);
    // Long before the time for a head is over.
    let answer = rest_of(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_connection_that_sends_no_request_is_closed_in_time() {
    // HTTP has the time of the system, so this one is short.
    let rig = Rig::with(|options| options.limits.handshake_timeout = Duration::from_millis(50)).await;
    for head in ["", "GET /healthz HTTP/1.1\r\nHost: local"] {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", rig.port)).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        rest_of(&mut stream).await;
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let rig = Rig::with(|options| options.limits.payload_bytes_max = 1000).await;
    let bearer = format!("Authorization: Bearer {}", crate::rig::TOKEN);
    let headers = ["Content-Type: application/json", bearer.as_str()];
    let call = |bytes: usize| {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "health" }).to_string();
        format!("{call}{}", " ".repeat(bytes - call.len()))
    };
    assert_eq!(rig.http("POST", "/rpc", &headers, &call(1000)).await.0, 200);
    assert_eq!(rig.http("POST", "/rpc", &headers, &call(1001)).await.0, 413);
}

#[tokio::test]
async fn the_sixty_fifth_device_does_not_wait_for_the_owner() {
    let rig = Rig::start().await;
    let origin = format!("http://127.0.0.1:{}", rig.port);
    let attempt = async || {
        let mut ws = rig.raw_with(&[("origin", &origin)]).await.unwrap();
        let mut asked = params(&["operator.read"]);
        (asked["client"]["id"], asked["client"]["mode"]) = (json!("openclaw-control-ui"), json!("webchat"));
        Device::new(200).sign(&mut asked, &ws.challenge, false);
        ws.call("connect", asked).await["error"]["code"].clone()
    };
    for n in 0..64_u8 {
        let device = Paired { id: format!("other-{n}"), ..furniture::paired(n, &["operator"]) };
        rig.store.request(PairingRequest { id: format!("p{n}"), device, asked_at: crate::fakes::AT }).await.unwrap();
    }
    assert_eq!(attempt().await, "UNAVAILABLE");
    rig.store.remove("other-0").await.unwrap();
    assert_eq!(attempt().await, "NOT_PAIRED");
}

#[tokio::test]
async fn a_wrong_guess_on_loopback_is_answered_late_and_each_further_one_later() {
    let rig = Rig::start().await;
    for delay in [250, 500, 1000].map(Duration::from_millis) {
        let mut ws = rig.raw().await;
        let mut wrong = params(&[]);
        wrong["auth"] = json!({ "token": "wrong" });
        ws.request("connect", wrong).await;
        let begun = rig.clock.monotonic();
        let advance = async {
            loop {
                rig.clock.advance(Duration::from_millis(1)).await;
            }
        };
        tokio::select! { _ = ws.closed() => {}, () = advance => unreachable!() };
        assert!(rig.clock.monotonic() - begun >= delay, "answered before {delay:?}");
    }
}

#[tokio::test]
async fn a_client_follows_so_many_sessions_and_no_more() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    for n in 0..1024 {
        ws.ok("sessions.messages.subscribe", json!({ "key": format!("s{n}") })).await;
    }
    ws.fails("sessions.messages.subscribe", json!({ "key": "one-more" })).await;
    ws.ok("sessions.messages.unsubscribe", json!({ "key": "s0" })).await;
    ws.ok("sessions.messages.subscribe", json!({ "key": "one-more" })).await;
}

#[tokio::test]
async fn what_must_not_be_lost_fits_the_queue_to_its_last_byte_or_closes_the_client() {
    // A question is one event; nobody reads the slow client's socket meanwhile.
    for (bytes_max, stays) in [(64 * 1024, true), (64, false)] {
        let rig = Rig::with(|options| options.limits.outbound_bytes_max = bytes_max).await;
        let mut ws = rig.client().await;
        crate::events::ask(&rig, "q1");
        if stays {
            ws.event(|event| event["event"] == "exec.approval.requested").await;
        } else {
            assert_eq!(ws.closed().await.1, 1008);
        }
    }
}

#[tokio::test]
async fn a_refused_peer_that_stays_is_left_after_a_second() {
    let rig = Rig::start().await;
    let mut stream = upgraded(&rig).await;
    // A masked text frame that is not JSON.
    stream.write_all(&[0x81, 0x80 | 1, 0, 0, 0, 0, b'{']).await.unwrap();
    rest_of(&mut stream).await;
    rig.clock.wait_for_sleepers(2).await;
    rig.clock.advance(Duration::from_secs(1)).await;
    // Nobody is there any more: writing fails, at the latest when that is known here.
    let refused = async {
        while stream.write_all(b"x").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), refused).await.is_ok(), "the gateway still listens to it");
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_peer_that_stays_beyond_the_drain_time() {
    // Shorter than the second a closed connection may linger.
    let drain = Duration::from_millis(500);
    let mut rig = Rig::with(|options| options.limits.drain_timeout = drain).await;
    let stream = upgraded(&rig).await;
    let shutdown = tokio::spawn(rig.handle.take().unwrap().shutdown(""));
    rig.clock.wait_for_sleepers(2).await;
    rig.clock.advance(drain - Duration::from_millis(1)).await;
    assert!(!shutdown.is_finished(), "it waits as long as it may");
    rig.clock.advance(Duration::from_millis(1)).await;
    let ended = tokio::time::timeout(Duration::from_secs(10), shutdown).await;
    ended.expect("the shutdown still waits").unwrap();
    drop(stream);
}
