//! Read methods, waking, logs and variables.

use serde_json::json;

use crate::rig::Rig;

#[tokio::test]
async fn read_methods_answer() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let methods = "health status system-presence config.get agents.list models.list sessions.list cron.list cron.status \
        skills.status channels.status node.list device.pair.list commands.list exec.approval.list question.list \
        plugin.approval.list taskSuggestions.list tasks.list tools.catalog system.info chat.metadata last-heartbeat";
    for method in methods.split_whitespace() {
        ws.ok(method, json!({})).await;
    }
}

#[tokio::test]
async fn a_list_of_jobs_names_its_revision() {
    let rig = Rig::start().await;
    let jobs = rig.client().await.ok("cron.list", json!({})).await;
    assert!(jobs["snapshotRevision"].as_str().is_some_and(|revision| !revision.is_empty()));
    assert_eq!((&jobs["jobs"], &jobs["total"]), (&json!([]), &json!(0)));
}

#[tokio::test]
async fn health_is_measured_at_most_once_a_second_unless_asked_to() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let count = |health: &serde_json::Value| health["sessions"]["count"].as_u64().unwrap();
    assert_eq!(count(&ws.ok("health", json!({})).await), 0);
    ws.ok("sessions.create", json!({})).await;
    assert_eq!(count(&ws.ok("health", json!({})).await), 0);
    assert_eq!(count(&ws.ok("health", json!({ "probe": true })).await), 1);
    ws.ok("sessions.create", json!({})).await;
    rig.clock.advance(std::time::Duration::from_secs(1)).await;
    assert_eq!(count(&ws.ok("health", json!({})).await), 2);
}

#[tokio::test]
async fn the_log_is_read_from_its_end() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let page = ws.ok("logs.tail", json!({ "limit": 1, "maxBytes": 250_000 })).await;
    assert_eq!((&page["lines"], &page["truncated"]), (&json!(["two"]), &json!(true)));
    let error = ws.fails("logs.tail", json!({ "limit": 5001 })).await;
    assert_eq!(error["message"], "invalid logs.tail params: at /limit: must be <= 5000");
}

#[tokio::test]
async fn waking_now_runs_and_waking_later_leaves_a_note() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    assert_eq!(ws.ok("wake", json!({ "mode": "now", "text": "door opened" })).await, json!({ "ok": true }));
    let request = rig.engine.requests.lock().unwrap()[0].clone();
    assert_eq!(
        (request.input.text().as_str(), request.session.as_str()),
        ("System event: door opened", "agent:main:main")
    );
    assert_eq!(request.source, openclaw_domain::run::Source::Trigger);
    ws.ok("wake", json!({ "mode": "next-heartbeat", "text": "later", "sessionKey": "agent:main:other" })).await;
    assert_eq!(rig.engine.requests.lock().unwrap().len(), 1);
    let history = ws.ok("chat.history", json!({ "sessionKey": "agent:main:other" })).await;
    assert_eq!(history["messages"][0]["content"], "System event: later");
    ws.ok("system-event", json!({ "text": "noted" })).await;
}

#[tokio::test]
async fn variables_belong_to_a_session_an_agent_or_everybody() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let session = json!({ "name": "a", "value": { "n": 1 }, "scope": "session", "sessionKey": "notes" });
    ws.ok("vars.set", session).await;
    let read = ws.ok("vars.get", json!({ "name": "a", "scope": "session", "sessionKey": "agent:main:notes" })).await;
    assert_eq!(read, json!({ "name": "a", "exists": true, "value": { "n": 1 } }));
    assert_eq!(ws.ok("vars.get", json!({ "name": "a", "scope": "global" })).await["exists"], false);
    ws.ok("vars.set", json!({ "name": "g", "value": 2, "scope": "global" })).await;
    assert_eq!(ws.ok("vars.list", json!({ "scope": "global" })).await, json!({ "variables": { "g": 2 } }));
    ws.ok("vars.set", json!({ "name": "g", "value": null, "scope": "global" })).await;
    assert_eq!(ws.ok("vars.list", json!({ "scope": "global" })).await, json!({ "variables": {} }));
    ws.fails("vars.get", json!({ "name": "a", "scope": "session" })).await;
    let error = ws.fails("vars.get", json!({ "name": "a", "scope": "moon" })).await;
    assert_eq!(error["message"], "invalid vars.get params: at /scope: must be equal to one of the allowed values");
}
