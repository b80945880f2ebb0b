//! Runs over the wire: `agent`, `chat.*`, their events and their idempotency.

use serde_json::{Value, json};

use crate::rig::{Rig, params};

fn say(message: &str, run: &str) -> Value {
    json!({ "sessionKey": "agent:main:notes", "message": message, "idempotencyKey": run })
}

#[tokio::test]
async fn a_chat_streams_and_is_remembered() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    assert_eq!(ws.ok("chat.send", say("hello", "r1")).await["status"], "started");
    let end = ws.chat_end("r1").await;
    assert_eq!((&end["state"], &end["stopReason"]), (&json!("final"), &json!("stop")));
    assert_eq!(end["message"]["content"], json!([{ "type": "text", "text": "tok0 tok1 tok2" }]));
    let chats = ws.events.iter().filter(|event| event["event"] == "chat").map(|event| &event["payload"]);
    let deltas: Vec<&Value> = chats.filter(|chat| chat["state"] == "delta").collect();
    let joined: String = deltas.iter().map(|chat| chat["deltaText"].as_str().unwrap()).collect();
    assert_eq!(joined, "tok0 tok1 tok2");
    assert_eq!(deltas.last().unwrap()["message"]["content"][0]["text"], "tok0 tok1 tok2");
    let history = ws.ok("chat.history", json!({ "sessionKey": "agent:main:notes" })).await;
    let roles: Vec<&Value> = history["messages"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["user", "assistant"]);
    assert_eq!(history["hasMore"], false);
}

#[tokio::test]
async fn numbers_on_a_connection_have_no_gap_and_numbers_of_a_run_never_go_back() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    ws.ok("chat.send", say("use a tool", "r1")).await;
    ws.chat_end("r1").await;
    let seqs: Vec<u64> = ws.events.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    let of_run =
        ws.events.iter().filter(|event| event["payload"]["runId"] == "r1" && event["event"] != "sessions.changed");
    let runs: Vec<u64> = of_run.filter_map(|event| event["payload"]["seq"].as_u64()).collect();
    assert!(runs.is_sorted(), "{runs:?}");
}

#[tokio::test]
async fn the_same_key_is_started_then_in_flight_then_ok_and_runs_once() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let send = say("hold", "r1");
    assert_eq!(ws.ok("chat.send", send.clone()).await["status"], "started");
    assert_eq!(ws.ok("chat.send", send.clone()).await["status"], "in_flight");
    rig.engine.release();
    ws.chat_end("r1").await;
    assert_eq!(ws.ok("chat.send", send).await["status"], "ok");
    let history = ws.ok("chat.history", json!({ "sessionKey": "agent:main:notes" })).await;
    assert_eq!(history["messages"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn agent_answers_twice_under_one_id() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let id = ws
        .request(
            "agent",
            json!({ "message": "hold", "sessionId": "x", "timeout": 600, "deliver": false, "idempotencyKey": "a1" }),
        )
        .await;
    let first = ws.answer(&id).await["payload"].clone();
    assert_eq!((&first["status"], &first["runId"]), (&json!("accepted"), &json!("a1")));
    assert_eq!(first["sessionKey"], "agent:main:explicit:x");
    rig.engine.release();
    let last = ws.answer(&id).await["payload"].clone();
    assert_eq!((&last["status"], &last["summary"]), (&json!("ok"), &json!("completed")));
    assert_eq!(last["result"]["payloads"], json!([{ "text": "tok0 tok1 tok2", "mediaUrl": null }]));
    assert_eq!(ws.ok("agent.wait", json!({ "runId": "a1", "timeoutMs": 0 })).await["status"], "ok");
    let request = rig.engine.requests.lock().unwrap()[0].clone();
    assert_eq!(request.timeout, Some(std::time::Duration::from_secs(600)));
}

#[tokio::test]
async fn a_failed_run_answers_with_its_error() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let id = ws.request("agent", json!({ "message": "fail", "idempotencyKey": "a1" })).await;
    assert_eq!(ws.answer(&id).await["payload"]["status"], "accepted");
    let last = ws.answer(&id).await;
    assert_eq!((&last["ok"], &last["error"]["message"]), (&json!(false), &json!("scripted failure")));
    let end = ws.chat_end("a1").await;
    assert_eq!((&end["state"], &end["errorMessage"]), (&json!("error"), &json!("scripted failure")));
    let waited = ws.ok("agent.wait", json!({ "runId": "a1" })).await;
    assert_eq!((&waited["status"], &waited["error"]), (&json!("error"), &json!("scripted failure")));
}

#[tokio::test]
async fn abort_stops_a_run_and_says_who_did() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    ws.ok("chat.send", say("hold", "r1")).await;
    ws.event(|event| event["event"] == "chat" && event["payload"]["state"] == "delta").await;
    let aborted = ws.ok("chat.abort", json!({ "sessionKey": "agent:main:notes", "runId": "r1" })).await;
    assert_eq!(aborted, json!({ "ok": true, "aborted": true, "runIds": ["r1"] }));
    let end = ws.chat_end("r1").await;
    assert_eq!((&end["state"], &end["stopReason"]), (&json!("aborted"), &json!("rpc")));
    assert_eq!(end["message"]["content"][0]["text"], "tok0 ");
    let waited = ws.ok("agent.wait", json!({ "runId": "r1" })).await;
    assert_eq!((&waited["status"], &waited["error"]), (&json!("error"), &json!("aborted")));
    let again = ws.ok("chat.abort", json!({ "sessionKey": "agent:main:notes", "runId": "nope" })).await;
    assert_eq!(again, json!({ "ok": true, "aborted": false, "runIds": [] }));
}

#[tokio::test]
async fn waiting_for_an_unknown_or_unfinished_run_times_out() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    assert_eq!(ws.ok("agent.wait", json!({ "runId": "missing", "timeoutMs": 50 })).await["status"], "timeout");
    ws.ok("chat.send", say("hold", "r1")).await;
    let before = rig.clock.sleepers();
    let id = ws.request("agent.wait", json!({ "runId": "r1", "timeoutMs": 1000 })).await;
    rig.clock.wait_for_sleepers(before + 1).await;
    rig.clock.advance(std::time::Duration::from_secs(1)).await;
    assert_eq!(ws.answer(&id).await["payload"]["status"], "timeout");
}

#[tokio::test]
async fn a_client_that_comes_back_finds_what_streams() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    ws.ok("chat.send", say("hold", "r1")).await;
    ws.event(|event| event["event"] == "chat" && event["payload"]["state"] == "delta").await;
    let mut again = rig.client().await;
    let history = again.ok("chat.history", json!({ "sessionKey": "agent:main:notes" })).await;
    assert_eq!((&history["inFlightRun"]["runId"], &history["inFlightRun"]["text"]), (&json!("r1"), &json!("tok0 ")));
    assert_eq!(history["sessionInfo"]["activeRunIds"], json!(["r1"]));
    rig.engine.release();
    assert_eq!(again.chat_end("r1").await["state"], "final");
}

#[tokio::test]
async fn tools_are_told_to_those_who_can_show_them() {
    let rig = Rig::start().await;
    let mut with = rig.client().await;
    let mut plain = params(&crate::rig::ALL);
    plain["caps"] = json!([]);
    let mut without = rig.client_with(plain).await;
    with.ok("chat.send", say("use a tool", "r1")).await;
    with.chat_end("r1").await;
    without.chat_end("r1").await;
    let streams = |ws: &crate::rig::Ws, stream: &str| {
        let of = ws.events.iter().filter(|event| event["payload"]["stream"] == stream);
        of.map(|event| event["payload"]["data"]["phase"].as_str().unwrap_or("").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(streams(&with, "tool"), ["start", "update", "result"]);
    assert!(streams(&without, "tool").is_empty());
    assert_eq!(streams(&without, "item"), ["start", "end"]);
    assert_eq!(streams(&without, "command_output"), ["delta", "end"]);
    let start = with.event(|event| event["payload"]["stream"] == "tool").await;
    assert_eq!(start["payload"]["data"]["args"], json!({ "command": "echo hi" }));
}

#[tokio::test]
async fn a_summary_is_told_when_it_is_begun_and_how_it_ended() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    ws.ok("chat.send", say("every ending", "r1")).await;
    ws.chat_end("r1").await;
    let told = ws.events.iter().filter(|event| event["payload"]["stream"] == "compaction");
    let told: Vec<&Value> = told.map(|event| &event["payload"]["data"]).collect();
    let failed = json!({ "phase": "end", "completed": false, "willRetry": false, "outcome": "failed",
        "reason": "it would not be shorter" });
    let made = json!({ "phase": "end", "completed": true, "willRetry": true, "outcome": "completed", "entries": 4,
        "tokensBefore": 900, "tokensAfter": 100 });
    let start = json!({ "phase": "start" });
    assert_eq!(told, [&start, &failed, &start, &made]);
}

#[tokio::test]
async fn two_clients_see_the_same_run_and_a_session_scoped_one_only_its_own() {
    let rig = Rig::start().await;
    let mut scoped_params = params(&crate::rig::ALL);
    scoped_params["caps"] = json!(["session-scoped-events"]);
    let (mut a, mut b, mut scoped) = (rig.client().await, rig.client().await, rig.client_with(scoped_params).await);
    a.ok("chat.send", say("hello", "r1")).await;
    assert_eq!(a.chat_end("r1").await, b.chat_end("r1").await);
    // Its own run comes; the one before did not.
    let own = json!({ "sessionKey": "agent:main:own", "message": "hello", "idempotencyKey": "r2" });
    scoped.ok("chat.send", own).await;
    scoped.chat_end("r2").await;
    assert!(scoped.events.iter().all(|event| event["payload"]["runId"] != "r1"));
    // Following the other session makes its runs come too.
    scoped.ok("sessions.messages.subscribe", json!({ "key": "agent:main:notes" })).await;
    a.ok("chat.send", say("hello", "r3")).await;
    scoped.chat_end("r3").await;
}

#[tokio::test]
async fn a_client_without_read_hears_nothing_of_runs() {
    let rig = Rig::start().await;
    let mut a = rig.client().await;
    let mut deaf = rig.client_with(params(&["operator.approvals"])).await;
    a.ok("chat.send", say("hello", "r1")).await;
    a.chat_end("r1").await;
    deaf.ok("health", json!({})).await;
    assert!(deaf.events.iter().all(|event| event["event"] != "chat" && event["event"] != "agent"));
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_rather_than_ignored() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let error = ws.fails("agent", json!({ "message": "x", "idempotencyKey": "k", "cwd": "/tmp" })).await;
    assert_eq!(error["message"], "invalid agent params: at /cwd: not supported by this gateway; leave it out");
    let mut empty = say("", "k");
    assert!(ws.fails("chat.send", empty.clone()).await["message"].as_str().unwrap().contains("empty"));
    empty["attachments"] = json!([{ "mimeType": "image/png", "content": "AAAA" }]);
    ws.ok("chat.send", empty).await;
    let error = ws.fails("agent", json!({ "message": "x", "idempotencyKey": "k2", "agentId": "ghost" })).await;
    assert_eq!(error["details"], json!({ "code": "UNKNOWN_AGENT_ID", "agentId": "ghost" }));
    let error =
        ws.fails("chat.send", json!({ "sessionKey": "agent:ghost:x", "message": "x", "idempotencyKey": "k3" })).await;
    assert_eq!(error["code"], "INVALID_REQUEST");
}

#[tokio::test]
async fn a_note_reaches_the_transcript_and_the_chat() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let note = json!({ "sessionKey": "agent:main:notes", "message": "injected", "label": "ops" });
    let answer = ws.ok("chat.inject", note).await;
    let chat = ws.event(|event| event["event"] == "chat").await;
    assert_eq!(chat["payload"]["message"]["content"][0]["text"], "[ops]\n\ninjected");
    let history = ws.ok("chat.history", json!({ "sessionKey": "agent:main:notes" })).await;
    assert_eq!(history["messages"][0]["__openclaw"]["id"], answer["messageId"]);
}

#[tokio::test]
async fn every_tool_result_says_how_the_call_ended_live_and_in_history() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    ws.ok("chat.send", say("every ending", "r1")).await;
    ws.chat_end("r1").await;
    let results = ws.events.iter().map(|event| &event["payload"]["data"]).filter(|data| data["phase"] == "result");
    let live: Vec<_> = results.map(|data| (&data["toolCallId"], &data["result"]["details"]["status"])).collect();
    let expected = [
        ("c-ok", "ok"),
        ("c-failed", "failed"),
        ("c-denied", "denied"),
        ("c-cut", "interrupted"),
        ("c-unknown", "unknown"),
        ("c-seen", "ok"),
    ]
    .map(|(id, status)| (json!(id), json!(status)));
    assert_eq!(live, expected.iter().map(|(id, status)| (id, status)).collect::<Vec<_>>());

    let history = ws.ok("chat.history", json!({ "sessionKey": "agent:main:notes" })).await;
    let results = history["messages"].as_array().unwrap().iter().filter(|message| message["role"] == "toolResult");
    let results: Vec<_> = results.collect();
    let kept: Vec<_> = results.iter().map(|result| (&result["toolCallId"], &result["details"]["status"])).collect();
    assert_eq!(kept, expected.iter().map(|(id, status)| (id, status)).collect::<Vec<_>>());
    // The command noted its time and its own word; a refusal has neither.
    assert_eq!((&results[0]["durationMs"], &results[0]["details"]["toolStatus"]), (&json!(12), &json!("completed")));
    assert_eq!((results[2].get("durationMs"), &results[2]["isError"]), (None, &json!(true)));
}

/// Runs into the time limit and returns what `agent`, `agent.wait`, the chat and the lifecycle say of it.
async fn overtime(words: &str) -> [Value; 4] {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let id = ws.request("agent", json!({ "message": words, "idempotencyKey": "a1" })).await;
    assert_eq!(ws.answer(&id).await["payload"]["status"], "accepted");
    let details = ws.answer(&id).await["error"]["details"].clone();
    let waited = ws.ok("agent.wait", json!({ "runId": "a1" })).await;
    let chat = ws.chat_end("a1").await;
    let lifecycle = ws.event(|event| event["payload"]["data"]["phase"] == "error").await["payload"]["data"].clone();
    assert_eq!((&chat["errorKind"], &details["errorKind"]), (&json!("timeout"), &json!("duration")));
    [details, waited, lifecycle, chat]
}

#[tokio::test]
async fn a_run_out_of_time_says_whether_the_time_was_its_agents_or_its_requests() {
    for (words, ceiling) in [("overtime", "agent"), ("overtime asked", "request")] {
        let [details, waited, lifecycle, chat] = overtime(words).await;
        for told in [&details, &waited, &lifecycle] {
            assert_eq!((&told["limit"], &told["ceiling"]), (&json!("duration"), &json!(ceiling)), "{told}");
        }
        assert_eq!(chat["stopReason"], json!(format!("limit:duration:{ceiling}")));
    }
}
