//! Events beside runs: presence, sessions, approvals.

use openclaw_domain::approval::Approval;
use openclaw_domain::ports::RunObserver as _;
use openclaw_domain::{AgentId, Change, ToolCall};
use serde_json::json;

use crate::fakes::{AT, update_of};
use crate::rig::{Rig, params};

/// A question about a command that waits for ever; an id with `write` is one about
/// a file, without a directory and with a deadline.
fn approval(id: &str) -> Approval {
    let is_write = id.contains("write");
    let (name, arguments) =
        if is_write { ("write", "not json") } else { ("exec", r#"{"command":"rm -rf build && make"}"#) };
    Approval {
        id: id.into(),
        call: ToolCall {
            id: "c1".parse().unwrap(),
            provider_id: "p".into(),
            name: name.into(),
            arguments: arguments.into(),
        },
        run: "r1".parse().unwrap(),
        session: "agent:main:main".parse().unwrap(),
        agent: AgentId::main(),
        rule: "ask-before-exec".into(),
        reason: "commands need your word".into(),
        cwd: (!is_write).then(|| "/ws".into()),
        asked_at: AT,
        expires_at: is_write.then_some(AT),
    }
}

pub(crate) fn ask(rig: &Rig, id: &str) {
    let approval = approval(id);
    rig.engine.asked.lock().unwrap().push(approval.clone());
    rig.hub.observe(&update_of(&approval, Change::ApprovalRequested(Box::new(approval.clone()))));
}

#[tokio::test]
async fn a_question_reaches_those_who_may_answer_with_the_literal_command() {
    let rig = Rig::start().await;
    let mut reviewer = rig.client_with(params(&["operator.approvals"])).await;
    let mut reader = rig.client_with(params(&["operator.read"])).await;
    ask(&rig, "q1");
    let event = reviewer.event(|event| event["event"] == "exec.approval.requested").await;
    assert_eq!(event["payload"]["id"], "q1");
    assert_eq!(event["payload"]["request"]["command"], "rm -rf build && make");
    assert_eq!(event["payload"]["request"]["allowedDecisions"], json!(["allow-once", "allow-always", "deny"]));
    reader.ok("status", json!({})).await;
    assert!(reader.events.iter().all(|event| event["event"] != "exec.approval.requested"));

    assert_eq!(reviewer.ok("exec.approval.list", json!({})).await[0]["id"], "q1");
    assert_eq!(reviewer.ok("exec.approval.get", json!({ "id": "q1" })).await["request"]["cwd"], "/ws");
    reviewer.ok("exec.approval.resolve", json!({ "id": "q1", "decision": "allow-once" })).await;
    let event = reviewer.event(|event| event["event"] == "exec.approval.resolved").await;
    assert_eq!(
        (&event["payload"]["decision"], &event["payload"]["resolvedBy"]),
        (&json!("allow-once"), &json!("gateway-client"))
    );
    let error = reviewer.fails("exec.approval.resolve", json!({ "id": "q1", "decision": "deny" })).await;
    assert_eq!(
        (&error["message"], &error["details"]["reason"]),
        (&json!("unknown or expired approval id"), &json!("APPROVAL_NOT_FOUND"))
    );
}

#[tokio::test]
async fn waiting_for_a_decision_ends_with_it_or_with_the_time() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    ask(&rig, "q1");
    let before = rig.clock.sleepers();
    let id = ws.request("exec.approval.waitDecision", json!({ "id": "q1" })).await;
    rig.clock.wait_for_sleepers(before + 1).await;
    ws.ok("exec.approval.resolve", json!({ "id": "q1", "decision": "deny" })).await;
    assert_eq!(ws.answer(&id).await["payload"]["decision"], "deny");
    assert_eq!(ws.ok("exec.approval.waitDecision", json!({ "id": "q1" })).await["decision"], "deny");
    ws.fails("exec.approval.waitDecision", json!({ "id": "q9" })).await;

    ask(&rig, "q2");
    let before = rig.clock.sleepers();
    let id = ws.request("exec.approval.waitDecision", json!({ "id": "q2", "timeoutMs": 10 })).await;
    rig.clock.wait_for_sleepers(before + 1).await;
    rig.clock.advance(std::time::Duration::from_millis(10)).await;
    assert_eq!(ws.answer(&id).await["payload"]["decision"], json!(null));
}

#[tokio::test]
async fn an_unknown_decision_is_named() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    ask(&rig, "q1");
    let error = ws.fails("exec.approval.resolve", json!({ "id": "q1", "decision": "maybe" })).await;
    assert_eq!(error["message"], "decision \"maybe\" is not one of allow-once, allow-always, deny");
}

#[tokio::test]
async fn presence_tells_who_came_and_who_went() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let other = rig.client_with(params(&["operator.read"])).await;
    let count = |event: &serde_json::Value| event["payload"]["presence"].as_array().map_or(0, Vec::len);
    let came = ws.event(|event| event["event"] == "presence" && count(event) == 3).await;
    other.shut().await;
    let left = |event: &serde_json::Value| {
        event["event"] == "presence" && count(event) == 2 && event["seq"].as_u64() > came["seq"].as_u64()
    };
    let left = ws.event(left).await;
    assert!(left["stateVersion"]["presence"].as_u64() > came["stateVersion"]["presence"].as_u64());
}

#[tokio::test]
async fn session_changes_and_transcripts_come_to_those_who_follow() {
    let rig = Rig::start().await;
    let mut list = rig.client().await;
    let mut transcript = rig.client().await;
    let mut neither = rig.client().await;
    list.ok("sessions.subscribe", json!({})).await;
    transcript.ok("sessions.messages.subscribe", json!({ "key": "agent:main:notes" })).await;
    neither.ok("chat.send", json!({ "sessionKey": "agent:main:notes", "message": "hi", "idempotencyKey": "r" })).await;
    let changed = list.event(|event| event["event"] == "sessions.changed" && event["payload"]["reason"] == "end").await;
    assert_eq!(changed["payload"]["session"]["key"], "agent:main:notes");
    list.event(|event| event["event"] == "session.message").await;
    let message = transcript.event(|event| event["event"] == "session.message").await;
    assert_eq!(message["payload"]["message"]["role"], "user");
    neither.chat_end("r").await;
    neither.ok("status", json!({})).await;
    assert!(
        neither.events.iter().all(|event| event["event"] != "session.message" && event["event"] != "sessions.changed")
    );

    list.ok("sessions.unsubscribe", json!({})).await;
    list.events.clear();
    neither.ok("chat.send", json!({ "sessionKey": "agent:main:notes", "message": "hi", "idempotencyKey": "r2" })).await;
    list.chat_end("r2").await;
    list.ok("status", json!({})).await;
    assert!(list.events.iter().all(|event| event["event"] != "sessions.changed"));
}
