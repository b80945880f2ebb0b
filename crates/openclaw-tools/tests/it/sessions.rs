use std::time::Duration;

use openclaw_domain::message::{AssistantTurn, Block, Part, ToolCall, ToolResult, ToolStatus, UserTurn};
use openclaw_domain::model::StopReason;
use openclaw_domain::ports::Clock;
use openclaw_domain::run::QueueMode;
use openclaw_domain::{Origin, Turn};
use serde_json::json;

use crate::bench::Bench;

async fn populated() -> Bench {
    let bench = Bench::default();
    bench.open("agent:main:main").await;
    let notes = bench.open("agent:main:notes").await;
    bench.open("agent:work:main").await;
    let at = bench.clock.now();
    bench.inject(&notes, Turn::User(UserTurn::owner("what is up", at))).await;
    let call = ToolCall {
        id: "c9".parse().unwrap(),
        provider_id: "p".into(),
        name: "read".into(),
        arguments: "{\"path\":\"a\"}".into(),
    };
    let result = ToolResult {
        parts: vec![Part::text("content")],
        status: ToolStatus::Ok,
        origin: Origin::File,
        details: json!(null),
    };
    let blocks = vec![
        Block::Thinking { text: "private thought".into() },
        Block::Text { text: "not much".into() },
        Block::Call { call, result: Some(result) },
    ];
    let model = "mock/m".parse().unwrap();
    bench
        .inject(&notes, Turn::Assistant(AssistantTurn { blocks, model, stop: StopReason::ToolUse, native: None, at }))
        .await;
    bench
}

#[tokio::test]
async fn the_list_shows_what_may_be_seen() {
    let bench = populated().await;
    let shown = bench.text("sessions_list", json!({})).await;
    assert!(shown.contains("agent:main:main  CREATED  0 entries  2026-01-01 00:00 UTC  (this one)"), "{shown}");
    assert!(shown.contains("agent:main:notes  ACTIVE  2 entries") && shown.contains("agent:work:main"));
    let narrow = Bench { section: json!({ "sessions": { "visibility": "agent" } }), ..populated().await };
    let shown = narrow.text("sessions_list", json!({})).await;
    assert!(shown.contains("agent:main:notes") && !shown.contains("agent:work:main"), "{shown}");
    let page = narrow.text("sessions_list", json!({ "limit": 1 })).await;
    assert!(page.ends_with("[1 more session, use offset 1]"), "{page}");
}

#[tokio::test]
async fn history_shows_words_and_tools_only_when_asked() {
    let bench = populated().await;
    let shown = bench.text("sessions_history", json!({ "sessionKey": "notes" })).await;
    assert!(shown.contains("user: what is up") && shown.contains("not much\n  (used read)"), "{shown}");
    assert!(!shown.contains("private thought") && !shown.contains("content"));
    let shown = bench.text("sessions_history", json!({ "sessionKey": "agent:main:notes", "includeTools": true })).await;
    assert!(shown.contains("  read {\"path\":\"a\"}\n  -> content"), "{shown}");
    let last = bench.text("sessions_history", json!({ "sessionKey": "notes", "limit": 1 })).await;
    assert!(!last.contains("what is up") && last.contains("before: 2 shows older ones"), "{last}");
}

#[tokio::test]
async fn what_another_session_said_is_not_trusted() {
    let bench = populated().await;
    for (tool, arguments) in [
        ("sessions_history", json!({ "sessionKey": "notes" })),
        ("sessions_list", json!({})),
        ("session_status", json!({})),
    ] {
        assert!(bench.call(tool, arguments).await.unwrap().origin.is_untrusted(), "{tool}");
    }
}

#[tokio::test]
async fn a_session_out_of_reach_is_like_none_at_all() {
    let bench = Bench { section: json!({ "sessions": { "visibility": "self" } }), ..populated().await };
    for tool in ["sessions_history", "sessions_send", "session_status"] {
        let told = |key: &'static str| {
            let mut arguments = json!({ "sessionKey": key });
            if tool == "sessions_send" {
                arguments["message"] = json!("hi");
            }
            bench.refusal(tool, arguments)
        };
        let (hidden, missing) = (told("notes").await, told("never").await);
        assert_eq!(hidden.replace("notes", "never"), missing, "{tool}");
    }
    assert!(bench.runs.started.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_message_starts_a_run_and_brings_its_answer() {
    let bench = populated().await;
    *bench.runs.answer.lock().unwrap() = Some("all good".into());
    assert_eq!(
        bench.text("sessions_send", json!({ "sessionKey": "notes", "message": "how are you" })).await,
        "all good"
    );
    let request = bench.runs.started.lock().unwrap().remove(0);
    assert_eq!(
        (request.id.as_str(), request.session.as_str(), request.queue),
        ("send:k1", "agent:main:notes", QueueMode::Followup)
    );
    assert_eq!(request.input.text(), "[message from session agent:main:main]\nhow are you");
    assert!(request.input.origin.is_untrusted());
}

#[tokio::test]
async fn a_late_answer_is_not_waited_for() {
    let bench = populated().await;
    let send = bench.text("sessions_send", json!({ "sessionKey": "notes", "message": "hi", "timeoutSeconds": 5 }));
    let time = async {
        bench.clock.wait_for_sleepers(1).await;
        bench.clock.advance(Duration::from_secs(5)).await;
    };
    let (told, ()) = tokio::join!(send, time);
    assert_eq!(told, "[sent to agent:main:notes; no answer yet, sessions_history shows it when it is there]");
    bench.text("sessions_send", json!({ "sessionKey": "notes", "message": "hi", "timeoutSeconds": 0 })).await;
}

#[tokio::test]
async fn a_session_does_not_write_to_itself() {
    let bench = populated().await;
    assert!(
        bench
            .refusal("sessions_send", json!({ "sessionKey": "main", "message": "hi" }))
            .await
            .contains("this very conversation")
    );
    assert!(
        bench
            .refusal("sessions_send", json!({ "sessionKey": "notes", "message": " " }))
            .await
            .contains("must hold 1 to")
    );
}

#[tokio::test]
async fn the_status_card_names_the_session() {
    let bench = populated().await;
    let card = bench.text("session_status", json!({ "sessionKey": "notes" })).await;
    assert!(
        card.starts_with("session: agent:main:notes\nstate: ACTIVE\nmodel: the agent's default\nentries: 2\n"),
        "{card}"
    );
    assert!(bench.text("session_status", json!({})).await.starts_with("session: agent:main:main"));
}
