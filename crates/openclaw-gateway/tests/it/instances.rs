//! Tasks for several agents, and chat threads bound to sessions.

use serde_json::json;

use crate::rig::Rig;

#[tokio::test]
async fn a_pool_task_is_accepted_first_and_then_says_what_became_of_each_agent() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let task = json!({ "agents": ["main", "main"], "task": "build it", "idempotencyKey": "t1", "timeout": 30 });
    let id = ws.request("pool.execute", task).await;
    let first = ws.answer(&id).await["payload"].clone();
    assert_eq!((&first["status"], &first["taskId"]), (&json!("accepted"), &json!("t1")));
    assert_eq!(first["runs"].as_array().unwrap().len(), 2);
    let last = ws.answer(&id).await["payload"].clone();
    assert_eq!(last["status"], "ok", "{last}");
    let texts: Vec<&str> = last["results"].as_array().unwrap().iter().filter_map(|it| it["text"].as_str()).collect();
    assert_eq!(texts, ["tok0 tok1 tok2"; 2]);
}

#[tokio::test]
async fn a_part_that_failed_is_told_beside_those_that_did_not() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let id = ws.request("pool.execute", json!({ "agents": ["main"], "task": "fail", "idempotencyKey": "t1" })).await;
    ws.answer(&id).await;
    let last = ws.answer(&id).await["payload"].clone();
    assert_eq!((&last["status"], &last["results"][0]["status"]), (&json!("partial"), &json!("error")), "{last}");
    assert!(last["results"][0]["error"].is_string());
}

#[tokio::test]
async fn agents_that_are_no_ids_are_refused() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let error = ws.fails("pool.execute", json!({ "agents": [1], "task": "x", "idempotencyKey": "t" })).await;
    assert!(error["message"].as_str().unwrap().contains("agents must hold ids"), "{error}");
}

#[tokio::test]
async fn a_thread_is_bound_listed_and_unbound() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let thread = json!({ "channel": "slack", "accountId": "work", "threadId": "t1", "key": "notes" });
    let bound = ws.ok("sessions.bind", thread).await;
    assert_eq!(bound["binding"]["key"], "agent:main:notes");
    assert_eq!(ws.ok("sessions.bindings", json!({ "key": "notes" })).await["bindings"][0]["threadId"], "t1");
    assert_eq!(ws.ok("sessions.bindings", json!({ "key": "other" })).await["bindings"], json!([]));
    let named = json!({ "channel": "slack", "accountId": "work", "threadId": "t1" });
    assert_eq!(ws.ok("sessions.unbind", named.clone()).await["unbound"], true);
    assert_eq!(ws.ok("sessions.unbind", named).await["unbound"], false);
}
