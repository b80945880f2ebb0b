//! Ticks, pings, limits, back-pressure and shutdown.

use std::time::Duration;

use serde_json::json;

use crate::rig::{Got, Rig, Ws, params};

#[tokio::test]
async fn a_tick_comes_every_thirty_seconds() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    ws.ok("health", json!({})).await;
    rig.clock.wait_for_sleepers(2).await;
    rig.clock.advance(Duration::from_secs(25)).await;
    ws.ok("health", json!({})).await;
    assert!(ws.events.iter().all(|event| event["event"] != "tick"));
    rig.clock.advance(Duration::from_secs(5)).await;
    let tick = ws.event(|event| event["event"] == "tick").await;
    assert!(tick["payload"]["ts"].is_i64());
    assert!(tick["seq"].is_u64());
}

#[tokio::test]
async fn a_peer_that_never_answers_pings_is_dropped() {
    let rig = Rig::start().await;
    let silent = rig.client().await;
    rig.clock.wait_for_sleepers(2).await;
    // Nothing reads `silent`, so no pong is written.
    rig.clock.advance(Duration::from_secs(25)).await;
    rig.clock.advance(Duration::from_secs(25)).await;
    let mut other = rig.client().await;
    let present = other.ok("system-presence", json!({})).await;
    assert_eq!(present.as_array().unwrap().len(), 2, "the gateway and the asker: {present}");
    drop(silent);
}

#[tokio::test]
async fn a_peer_that_answers_pings_stays() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    for _ in 0..4 {
        rig.clock.wait_for_sleepers(2).await;
        rig.clock.advance(Duration::from_secs(25)).await;
        ws.ok("health", json!({})).await;
        ws.ok("health", json!({})).await;
    }
}

#[tokio::test]
async fn a_frame_over_the_limit_closes_1009_after_the_handshake_too() {
    let rig = Rig::with(|options| options.limits.payload_bytes_max = 100_000).await;
    let frame =
        |bytes: usize| json!({ "type": "req", "id": "p", "method": "health", "params": { "pad": "x".repeat(bytes) } });
    let mut ws = rig.client().await;
    ws.text(frame(90_000).to_string()).await;
    assert_eq!(ws.answer("p").await["ok"], true);
    ws.text(frame(100_001).to_string()).await;
    assert_eq!(ws.closed().await.1, 1009);
}

#[tokio::test]
async fn a_long_answer_is_paced_and_its_last_words_still_come() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    ws.ok("chat.send", json!({ "sessionKey": "main", "message": "big hold", "idempotencyKey": "r1" })).await;
    let is_delta = |event: &serde_json::Value| event["event"] == "chat" && event["payload"]["state"] == "delta";
    ws.event(is_delta).await;
    ws.events.clear();
    rig.engine.release();
    // The next words are there but wait for the pace.
    ws.ok("status", json!({})).await;
    ws.ok("status", json!({})).await;
    assert!(!ws.events.iter().any(is_delta));
    rig.clock.advance(Duration::from_millis(500)).await;
    assert_eq!(ws.event(is_delta).await["payload"]["deltaText"], "tok0 ");
    // What ends the run does not wait.
    rig.engine.release();
    let end = ws.chat_end("r1").await;
    assert_eq!(end["state"], "final");
}

#[tokio::test]
async fn more_requests_than_can_start_are_refused_and_may_be_retried() {
    let rig = Rig::with(|options| options.limits.requests_pending_max = 2).await;
    let mut ws = rig.client().await;
    let stall = |run: &str| json!({ "sessionKey": "main", "message": "stall", "idempotencyKey": run });
    let first = ws.request("chat.send", stall("r1")).await;
    ws.request("chat.send", stall("r2")).await;
    let error = ws.fails("health", json!({})).await;
    assert_eq!((&error["code"], &error["retryable"]), (&json!("UNAVAILABLE"), &json!(true)));
    rig.engine.release();
    assert_eq!(ws.answer(&first).await["ok"], true);
    ws.ok("health", json!({})).await;
}

#[tokio::test]
async fn more_waiting_requests_than_allowed_are_refused_and_may_be_retried() {
    let rig = Rig::with(|options| options.limits.waits_max = 2).await;
    let mut ws = rig.client().await;
    ws.ok("chat.send", json!({ "sessionKey": "main", "message": "hold", "idempotencyKey": "r1" })).await;
    let wait = json!({ "runId": "r1", "timeoutMs": 60_000 });
    let first = ws.request("agent.wait", wait.clone()).await;
    ws.request("agent.wait", wait.clone()).await;
    let error = ws.fails("agent.wait", wait).await;
    assert_eq!((&error["code"], &error["retryable"]), (&json!("UNAVAILABLE"), &json!(true)));
    rig.engine.release();
    assert_eq!(ws.answer(&first).await["payload"]["status"], "ok");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_as_a_slow_consumer() {
    let rig = Rig::with(|options| options.limits.outbound_bytes_max = 512 * 1024).await;
    let slow = rig.client().await;
    let mut other = rig.client_with(params(&["operator.read", "operator.write"])).await;
    let big = "x".repeat(40_000);
    // Each failed run ends with events that must not be lost.
    for n in 0..1000 {
        let run = format!("r{n}");
        other
            .ok("chat.send", json!({ "sessionKey": "main", "message": format!("fail {big}"), "idempotencyKey": run }))
            .await;
        other.chat_end(&run).await;
        other.events.clear();
        let present = other.ok("system-presence", json!({})).await;
        if present.as_array().unwrap().len() == 2 {
            drop(slow);
            return;
        }
    }
    panic!("the slow client is still there");
}

#[tokio::test]
async fn a_client_that_reads_late_gets_everything_without_a_further_event() {
    let rig = Rig::start().await;
    let mut late = rig.client().await;
    let mut other = rig.client_with(params(&["operator.read", "operator.write"])).await;
    let big = "x".repeat(60_000);
    // More than the sockets on both sides hold.
    for n in 0..150 {
        let run = format!("r{n}");
        let message = format!("fail {big}");
        other.ok("chat.send", json!({ "sessionKey": "main", "message": message, "idempotencyKey": run })).await;
        other.chat_end(&run).await;
        other.events.clear();
    }
    late.chat_end("r149").await;
    let seqs: Vec<u64> = late.events.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_client_that_leaves_answers_unread_is_not_read_until_it_takes_them() {
    let rig = Rig::start().await;
    let (mut ws, mut other) = (rig.client().await, rig.client().await);
    ws.ok("vars.set", json!({ "name": "v", "value": "x".repeat(60_000), "scope": "global" })).await;
    // More than all buffers on the way hold is asked for before the first answer is read.
    for _ in 0..500 {
        ws.request("vars.get", json!({ "name": "v", "scope": "global" })).await;
    }
    let last = ws.request("vars.set", json!({ "name": "last", "value": 1, "scope": "global" })).await;
    let is_done =
        async |ws: &mut Ws| ws.ok("vars.get", json!({ "name": "last", "scope": "global" })).await["exists"].clone();
    for _ in 0..200 {
        assert_eq!(is_done(&mut other).await, false, "the request behind the unread answers waits");
    }
    assert_eq!(ws.answer(&last).await["ok"], true);
    assert_eq!(is_done(&mut other).await, true);
}

#[tokio::test]
async fn many_requests_at_once_do_not_hold_up_events() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let request = |id: String, method: &str, params: serde_json::Value| {
        json!({ "type": "req", "id": id, "method": method, "params": params }).to_string()
    };
    let note = json!({ "sessionKey": "main", "message": "a note" });
    let first = request("first".to_owned(), "chat.inject", note);
    let rest = (0..500).map(|n| request(n.to_string(), "last-heartbeat", json!({})));
    ws.texts(std::iter::once(first).chain(rest)).await;
    ws.answer("499").await;
    assert!(ws.events.iter().any(|event| event["event"] == "chat"), "the note came before the last answer");
}

#[tokio::test]
async fn shutdown_is_announced_and_closes_1012() {
    let mut rig = Rig::start().await;
    let mut ws = rig.client().await;
    let shutdown = rig.handle.take().unwrap().shutdown("gateway stopping");
    let shutdown = tokio::spawn(shutdown);
    let event = ws.event(|event| event["event"] == "shutdown").await;
    assert_eq!(event["payload"], json!({ "reason": "gateway stopping" }));
    assert_eq!(ws.next().await, Got::Closed(1012, "service restart".into()));
    ws.shut().await;
    shutdown.await.unwrap();
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", rig.port)).await.is_err());
}

#[tokio::test]
async fn a_client_in_its_handshake_is_closed_at_shutdown() {
    let mut rig = Rig::start().await;
    let mut ws = rig.raw().await;
    let shutdown = tokio::spawn(rig.handle.take().unwrap().shutdown(""));
    assert_eq!(ws.next().await, Got::Closed(1012, "service restart".into()));
    ws.shut().await;
    shutdown.await.unwrap();
}
