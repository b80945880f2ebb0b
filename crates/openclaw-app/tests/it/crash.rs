//! kill -9 in the middle of a turn.

use openclaw_testkit::Latch;
use openclaw_testkit::server::{Reply, Script, Server};
use serde_json::json;

use crate::home::{Home, until};

/// Sends a message without waiting for its answer; returns once it is accepted.
fn send(home: &Home, key: &str, text: &str) {
    let params = json!({ "sessionKey": "agent:main:main", "message": text, "idempotencyKey": key, "deliver": false });
    home.json(&["gateway", "call", "chat.send", "--params", &params.to_string(), "--json"]);
}

fn transcript(home: &Home) -> String {
    let history =
        home.json(&["gateway", "call", "chat.history", "--params", r#"{"sessionKey":"agent:main:main"}"#, "--json"]);
    // The answer around the messages carries the time it was given.
    history["data"]["messages"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_input_is_answered_after_a_kill_and_only_once() {
    let door = Latch::new();
    let closed = door.clone();
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let script = Script::answering(move |_| match calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => Reply::new().text("half ").hold(&closed).text("never"),
        _ => Reply::say("the whole answer"),
    });
    let server = Server::start(script).await.unwrap();
    let home = Home::with_model(&server.url(), &json!({}));
    let work = tokio::task::spawn_blocking(move || {
        let gateway = home.gateway();
        send(&home, "k1", "please answer");
        send(&home, "k2", "and this too");
        (home, gateway)
    });
    let (home, gateway) = work.await.unwrap();
    server.requested(1).await;
    tokio::task::spawn_blocking(move || {
        gateway.kill();
        let _again = home.gateway();
        until("both answers", || transcript(&home).matches("the whole answer").count() >= 1 && !is_busy(&home));
        let shown = transcript(&home);
        assert_eq!(shown.matches("please answer").count(), 1, "{shown}");
        assert_eq!(shown.matches("and this too").count(), 1, "{shown}");
        assert!(!shown.contains("never"), "{shown}");
        send(&home, "k1", "please answer");
        assert_eq!(transcript(&home), shown, "the same key again runs nothing");
    })
    .await
    .unwrap();
    door.open();
}

fn is_busy(home: &Home) -> bool {
    let history =
        home.json(&["gateway", "call", "chat.history", "--params", r#"{"sessionKey":"agent:main:main"}"#, "--json"]);
    history.to_string().contains("\"hasActiveRun\":true")
}
