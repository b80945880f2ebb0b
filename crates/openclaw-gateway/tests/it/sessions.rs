//! Sessions over the wire.

use serde_json::{Value, json};

use crate::rig::{Rig, Ws};

async fn say(ws: &mut Ws, key: &str, run: &str) {
    ws.ok("chat.send", json!({ "sessionKey": key, "message": format!("hello {run}"), "idempotencyKey": run })).await;
    ws.chat_end(run).await;
}

async fn keys(ws: &mut Ws, params: Value) -> Vec<String> {
    let list = ws.ok("sessions.list", params).await;
    list["sessions"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_session_can_be_made_renamed_archived_and_deleted() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let made = ws.ok("sessions.create", json!({ "label": "trip", "model": "scripted/one" })).await;
    let key = made["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("agent:main:dashboard:"));
    assert_eq!(made["runStarted"], false);

    let patched = ws.ok("sessions.patch", json!({ "key": key, "label": "journey", "pinned": true })).await;
    assert_eq!(patched["entry"]["label"], "journey");
    let row = ws.ok("sessions.describe", json!({ "key": key })).await["session"].clone();
    assert_eq!(
        (&row["displayName"], &row["pinned"], &row["archived"]),
        (&json!("journey"), &json!(true), &json!(false))
    );
    assert_eq!(ws.ok("sessions.resolve", json!({ "label": "journey" })).await["key"], json!(key));
    assert_eq!(ws.ok("sessions.resolve", json!({ "sessionId": row["sessionId"] })).await["key"], json!(key));

    ws.ok("sessions.patch", json!({ "key": key, "archived": true })).await;
    assert_eq!(ws.ok("sessions.describe", json!({ "key": key })).await["session"]["archived"], true);
    assert!(keys(&mut ws, json!({})).await.is_empty());
    assert_eq!(keys(&mut ws, json!({ "archived": true })).await, std::slice::from_ref(&key));
    ws.ok("sessions.patch", json!({ "key": key, "archived": false })).await;
    assert_eq!(keys(&mut ws, json!({})).await, std::slice::from_ref(&key));

    assert_eq!(ws.ok("sessions.delete", json!({ "key": key })).await["deleted"], true);
    assert_eq!(ws.ok("sessions.delete", json!({ "key": key })).await["deleted"], false);
    assert_eq!(ws.ok("sessions.describe", json!({ "key": key })).await["session"], Value::Null);
}

#[tokio::test]
async fn fields_that_are_not_kept_are_refused() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let key = ws.ok("sessions.create", json!({})).await["key"].clone();
    let error = ws.fails("sessions.patch", json!({ "key": key, "icon": "star" })).await;
    assert_eq!(
        error["message"],
        "invalid sessions.patch params: at /icon: not supported by this gateway; leave it out"
    );
    ws.fails("sessions.create", json!({ "worktree": true })).await;
    let error = ws.fails("sessions.patch", json!({ "key": key, "model": "no-slash" })).await;
    assert_eq!(error["message"], "model \"no-slash\" is not of the form provider/model");
    let stale = json!({ "key": key, "label": "x", "expectedSessionId": "other" });
    assert!(ws.fails("sessions.patch", stale).await["message"].as_str().unwrap().contains("changed meanwhile"));
}

#[tokio::test]
async fn the_main_session_is_reset_and_never_deleted() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    say(&mut ws, "main", "r1").await;
    ws.fails("sessions.delete", json!({ "key": "main" })).await;
    let before = ws.ok("chat.history", json!({ "sessionKey": "main" })).await;
    let reset = ws.ok("sessions.reset", json!({ "key": "main" })).await;
    assert_ne!(reset["entry"]["sessionId"], before["sessionId"]);
    assert_eq!(ws.ok("chat.history", json!({ "sessionKey": "main" })).await["messages"], json!([]));
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    for n in 0..5 {
        ws.ok("sessions.create", json!({ "key": format!("s{n}") })).await;
    }
    let page = ws.ok("sessions.list", json!({ "limit": 2, "offset": 1 })).await;
    assert_eq!(
        (&page["count"], &page["totalCount"], &page["nextOffset"], &page["hasMore"]),
        (&json!(2), &json!(5), &json!(3), &json!(true))
    );
    let page = ws.ok("sessions.list", json!({ "limit": 2, "offset": 4 })).await;
    assert_eq!((&page["count"], &page["nextOffset"], &page["hasMore"]), (&json!(1), &json!(null), &json!(false)));
    let listed = ws.ok("sessions.subscribe", json!({ "limit": 3 })).await;
    assert_eq!((&listed["subscribed"], &listed["list"]["count"]), (&json!(true), &json!(3)));
}

#[tokio::test]
async fn a_transcript_is_read_from_its_end_in_pages_and_from_a_cursor() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    for n in 0..3 {
        say(&mut ws, "notes", &format!("r{n}")).await;
    }
    let read = async |ws: &mut Ws, extra: Value| {
        let mut params = extra;
        params["sessionKey"] = json!("notes");
        ws.ok("chat.history", params).await
    };
    let page = read(&mut ws, json!({ "limit": 2 })).await;
    assert_eq!((&page["hasMore"], &page["totalMessages"], &page["nextOffset"]), (&json!(true), &json!(6), &json!(2)));
    assert_eq!(page["messages"][0]["content"], "hello r2");
    let older = read(&mut ws, json!({ "limit": 2, "offset": 2 })).await;
    assert_eq!(older["messages"][0]["content"], "hello r1");
    let oldest = read(&mut ws, json!({ "limit": 2, "offset": 4 })).await;
    assert_eq!((&oldest["messages"][0]["content"], &oldest["hasMore"]), (&json!("hello r0"), &json!(false)));
    let around = read(&mut ws, json!({ "limit": 1, "messageId": older["messages"][0]["__openclaw"]["id"] })).await;
    assert_eq!(around["messages"][0]["content"], "hello r1");
    let cut = read(&mut ws, json!({ "limit": 1, "maxChars": 4 })).await;
    assert_eq!(cut["messages"][0]["content"][0]["text"], "tok0…");

    let cursor = page["deltaCursor"].clone();
    say(&mut ws, "notes", "r9").await;
    let delta = read(&mut ws, json!({ "cursor": cursor })).await;
    assert_eq!((&delta["kind"], delta["messages"].as_array().unwrap().len()), (&json!("delta"), 2));
    ws.ok("sessions.reset", json!({ "key": "notes" })).await;
    assert_eq!(read(&mut ws, json!({ "cursor": cursor })).await, json!({ "kind": "reset" }));
}

#[tokio::test]
async fn previews_and_plain_reads_show_what_was_said() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    say(&mut ws, "notes", "r1").await;
    let previews = ws.ok("sessions.preview", json!({ "keys": ["agent:main:notes", "gone"], "limit": 1 })).await;
    assert_eq!(previews["previews"][0]["items"], json!([{ "role": "assistant", "text": "tok0 tok1 tok2" }]));
    assert_eq!(previews["previews"][1]["status"], "empty");
    assert_eq!(ws.ok("sessions.get", json!({ "key": "notes" })).await["messages"].as_array().unwrap().len(), 2);
    let rows = ws.ok("sessions.list", json!({ "includeLastMessage": true, "includeDerivedTitles": true })).await;
    assert_eq!(rows["sessions"][0]["lastMessagePreview"], "tok0 tok1 tok2");
}

#[tokio::test]
async fn sending_into_a_session_needs_the_session() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let error = ws.fails("sessions.send", json!({ "key": "gone", "message": "x" })).await;
    assert!(error["message"].as_str().unwrap().starts_with("session not found: agent:main:gone"));
    let made = ws.ok("sessions.create", json!({ "message": "hello", "idempotencyKey": "r0" })).await;
    assert_eq!((&made["runStarted"], &made["runId"]), (&json!(true), &json!("r0")));
    ws.chat_end("r0").await;
    let sent = ws.ok("sessions.send", json!({ "key": made["key"], "message": "hold", "idempotencyKey": "r1" })).await;
    assert_eq!((&sent["runId"], &sent["status"]), (&json!("r1"), &json!("started")));
    let stopped = ws.ok("sessions.abort", json!({ "key": made["key"] })).await;
    assert_eq!((&stopped["abortedRunId"], &stopped["status"]), (&json!("r1"), &json!("aborted")));
    ws.chat_end("r1").await;
}
