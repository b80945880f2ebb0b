//! Summaries and checkpoints by hand.

use serde_json::json;

use crate::rig::Rig;

#[tokio::test]
async fn a_summary_is_made_listed_and_taken_back_and_history_shows_every_turn() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    ws.ok("chat.send", json!({ "sessionKey": "notes", "message": "hi", "idempotencyKey": "r1" })).await;
    ws.ok("agent.wait", json!({ "runId": "r1" })).await;
    let made = ws.ok("sessions.compact", json!({ "key": "notes" })).await;
    assert_eq!((&made["compacted"], &made["kept"]), (&json!(true), &json!(1)));
    assert_eq!(made["result"], json!({ "entries": 1, "tokensBefore": 900, "tokensAfter": 100 }));
    let listed = ws.ok("sessions.compaction.list", json!({ "key": "notes" })).await;
    assert_eq!(listed["checkpoints"], json!([made["checkpoint"]]));
    assert!(listed["checkpoints"][0]["summary"].as_str().unwrap().contains("they spoke"));
    let history = ws.ok("chat.history", json!({ "sessionKey": "notes" })).await;
    assert_eq!(history["messages"].as_array().unwrap().len(), 2);
    let id = &made["checkpoint"]["checkpointId"];
    let restored = ws.ok("sessions.compaction.restore", json!({ "key": "notes", "checkpointId": id })).await;
    assert_eq!(restored["checkpoint"]["checkpointId"], *id);
    let listed = ws.ok("sessions.compaction.list", json!({ "key": "notes" })).await;
    assert_eq!(listed["checkpoints"], json!([]));
}

#[tokio::test]
async fn a_short_session_is_left_as_it_is_and_an_unknown_one_is_named() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    ws.ok("chat.send", json!({ "sessionKey": "notes", "message": "hi", "idempotencyKey": "r1" })).await;
    ws.ok("agent.wait", json!({ "runId": "r1" })).await;
    let kept = ws.ok("sessions.compact", json!({ "key": "notes", "maxLines": 2 })).await;
    assert_eq!(kept, json!({ "ok": true, "key": "agent:main:notes", "compacted": false, "kept": 2 }));
    let unknown = ws.call("sessions.compact", json!({ "key": "gone" })).await;
    assert!(unknown["error"]["message"].as_str().unwrap().contains("agent:main:gone"), "{unknown}");
    let bad = ws.call("sessions.compaction.restore", json!({ "key": "notes", "checkpointId": "x" })).await;
    assert!(bad["error"]["message"].as_str().unwrap().contains("sessions.compaction.list"), "{bad}");
    let idle = ws.call("runs.snapshot", json!({ "runId": "r9" })).await;
    assert!(idle["error"]["message"].as_str().unwrap().contains("r9"), "{idle}");
    let kept = ws.ok("runs.snapshot", json!({ "runId": "r1" })).await;
    let files = json!({ "files": 2, "bytes": 30, "notKept": 1, "why": "a.iso (is too large)" });
    assert_eq!((&kept["state"], &kept["scratch"]), (&json!("kept"), &files));
}
