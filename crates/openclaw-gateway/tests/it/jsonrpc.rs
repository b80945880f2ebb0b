//! JSON-RPC 2.0: the second dialect, on the socket and over `POST /rpc`.

use serde_json::{Value, json};

use crate::rig::{Got, Rig, TOKEN, Ws, params};

const JSON: &str = "Content-Type: application/json";

async fn post(rig: &Rig, body: Value) -> (u16, Value) {
    post_text(rig, &body.to_string()).await
}

async fn post_text(rig: &Rig, body: &str) -> (u16, Value) {
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let (status, _, body) = rig.http("POST", "/rpc", &[&bearer, JSON], body).await;
    (status, serde_json::from_str(&body).unwrap_or_default())
}

async fn connected(rig: &Rig) -> Ws {
    let mut ws = rig.raw().await;
    ws.text(json!({ "jsonrpc": "2.0", "id": 1, "method": "connect", "params": params(&crate::rig::ALL) }).to_string())
        .await;
    let Got::Frame(hello) = ws.next().await else { panic!("closed") };
    assert_eq!((&hello["id"], &hello["result"]["type"]), (&json!(1), &json!("hello-ok")));
    ws
}

/// Waits for the answer to an id, collecting notifications.
async fn answer(ws: &mut Ws, id: Value) -> Value {
    loop {
        match ws.next().await {
            Got::Frame(frame) if frame.get("id") == Some(&id) => return frame,
            Got::Frame(frame) => ws.events.push(frame),
            Got::Closed(code, reason) => panic!("closed {code} {reason}"),
        }
    }
}

#[tokio::test]
async fn a_call_with_a_string_or_a_number_id_gets_that_id_back() {
    let rig = Rig::start().await;
    for id in [json!(7), json!("seven"), json!(null)] {
        let (status, body) = post(&rig, json!({ "jsonrpc": "2.0", "id": id, "method": "last-heartbeat" })).await;
        assert_eq!((status, body), (200, json!({ "jsonrpc": "2.0", "id": id, "result": null })));
    }
}

#[tokio::test]
async fn a_notification_is_done_and_not_answered() {
    let rig = Rig::start().await;
    let (status, body) = post(
        &rig,
        json!({ "jsonrpc": "2.0", "method": "vars.set",
        "params": { "name": "a", "value": 1, "scope": "global" } }),
    )
    .await;
    assert_eq!((status, body), (204, Value::Null));
    let read = json!({ "jsonrpc": "2.0", "id": 1, "method": "vars.get", "params": { "name": "a", "scope": "global" } });
    assert_eq!(post(&rig, read).await.1["result"]["value"], 1);
}

#[tokio::test]
async fn a_batch_answers_its_calls_and_names_what_is_wrong_in_each() {
    let rig = Rig::start().await;
    let (_, body) = post(
        &rig,
        json!([
            { "jsonrpc": "2.0", "id": 1, "method": "gateway.health" },
            { "jsonrpc": "2.0", "method": "health" },
            { "jsonrpc": "1.0", "id": 2, "method": "health" },
            7,
            { "jsonrpc": "2.0", "id": 3, "method": "foo.bar" },
            { "jsonrpc": "2.0", "id": 4, "method": "agent.wait", "params": {} },
        ]),
    )
    .await;
    let rows: Vec<(Value, Value)> =
        body.as_array().unwrap().iter().map(|row| (row["id"].clone(), row["error"]["code"].clone())).collect();
    let expected = [
        (json!(1), json!(null)),
        (json!(2), json!(-32600)),
        (json!(null), json!(-32600)),
        (json!(3), json!(-32601)),
        (json!(4), json!(-32602)),
    ];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn malformed_bodies_get_the_codes_of_the_specification() {
    let rig = Rig::start().await;
    assert_eq!(post_text(&rig, "{not json").await.1["error"]["code"], -32700);
    assert_eq!(post(&rig, json!([])).await.1["error"]["code"], -32600);
    assert_eq!(post(&rig, json!({ "jsonrpc": "2.0", "id": {}, "method": "x" })).await.1["error"]["code"], -32600);
    assert_eq!(post(&rig, json!({ "jsonrpc": "2.0", "id": 1, "method": 2 })).await.1["error"]["code"], -32600);
    assert_eq!(
        post(&rig, json!({ "jsonrpc": "2.0", "id": 1, "method": "health", "params": [1] })).await.1["error"]["code"],
        -32602
    );
    let many: Vec<Value> = (0..101).map(|id| json!({ "jsonrpc": "2.0", "id": id, "method": "health" })).collect();
    assert_eq!(post(&rig, json!(many)).await.1["error"]["code"], -32600);
}

#[tokio::test]
async fn a_post_needs_the_token_and_the_content_type() {
    let rig = Rig::start().await;
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "health" }).to_string();
    let (status, _, answer) = rig.http("POST", "/rpc", &[JSON], &body).await;
    assert_eq!((status, answer.as_str()), (401, r#"{"error":{"message":"Unauthorized","type":"unauthorized"}}"#));
    let bearer = format!("Authorization: Bearer {TOKEN}");
    assert_eq!(rig.http("POST", "/rpc", &[&bearer, "Content-Type: text/plain"], &body).await.0, 415);
    assert_eq!(rig.http("GET", "/rpc", &[&bearer], "").await.0, 405);
}

#[tokio::test]
async fn the_names_of_the_design_documents_reach_the_same_methods() {
    let rig = Rig::start().await;
    for name in ["gateway.status", "agent.list", "session.list", "methods.list", "channel.status", "tool.list"] {
        let (_, body) = post(&rig, json!({ "jsonrpc": "2.0", "id": 1, "method": name })).await;
        assert!(body.get("result").is_some(), "{name}: {body}");
    }
    let (_, body) =
        post(&rig, json!({ "jsonrpc": "2.0", "id": 1, "method": "agent.create", "params": { "name": "x" } })).await;
    assert_eq!(body["error"]["message"], "unknown method: agent.create");
}

#[tokio::test]
async fn an_invocation_runs_once_and_answers_with_the_result() {
    let rig = Rig::start().await;
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "agent.invoke", "params": { "prompt": "hello",
        "meta": { "traceId": "t-1", "deadlineMs": 5000, "priority": "high" } } });
    let (_, body) = post(&rig, call).await;
    assert_eq!(body["result"]["result"]["payloads"][0]["text"], "tok0 tok1 tok2");
    let request = rig.engine.requests.lock().unwrap()[0].clone();
    assert_eq!(request.timeout, Some(std::time::Duration::from_secs(5)), "the deadline stops the run");
    assert_eq!((request.trace.as_deref(), request.source), (Some("t-1"), openclaw_domain::run::Source::Api));
    let narrowed =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "agent.invoke", "params": { "prompt": "x", "tools": ["read"] } });
    assert_eq!(post(&rig, narrowed).await.1["error"]["code"], -32602);
}

#[tokio::test]
async fn the_socket_speaks_it_when_the_first_frame_does() {
    let rig = Rig::start().await;
    let mut ws = connected(&rig).await;
    ws.text("{not json").await;
    assert_eq!(answer(&mut ws, json!(null)).await["error"]["code"], -32700);
    ws.text(
        json!({ "jsonrpc": "2.0", "id": "c", "method": "chat.send",
        "params": { "sessionKey": "main", "message": "hi", "idempotencyKey": "r" } })
        .to_string(),
    )
    .await;
    assert_eq!(answer(&mut ws, json!("c")).await["result"]["status"], "started");
    loop {
        let Got::Frame(frame) = ws.next().await else { panic!("closed") };
        ws.events.push(frame.clone());
        if frame["method"] == "chat" && frame["params"]["payload"]["state"] == "final" {
            break;
        }
    }
    let deltas = ws.events.iter().filter(|frame| frame["method"] == "agent.stream");
    let text: String = deltas.map(|frame| frame["params"]["delta"].as_str().unwrap()).collect();
    assert_eq!(text, "tok0 tok1 tok2");
    ws.text(
        json!([{ "jsonrpc": "2.0", "id": 1, "method": "health" }, { "jsonrpc": "2.0", "id": 2, "method": "nope" }])
            .to_string(),
    )
    .await;
    loop {
        if let Got::Frame(Value::Array(rows)) = ws.next().await {
            assert_eq!(rows.len(), 2);
            break;
        }
    }
}

#[tokio::test]
async fn a_first_call_may_bring_the_token_along() {
    let rig = Rig::start().await;
    let mut ws = rig.raw().await;
    ws.text(json!({ "jsonrpc": "2.0", "id": 1, "method": "status", "meta": { "token": TOKEN } }).to_string()).await;
    assert!(answer(&mut ws, json!(1)).await["result"]["pid"].is_i64());
}

#[tokio::test]
async fn a_web_page_without_a_device_gets_no_scopes_even_when_no_credential_is_configured() {
    let rig = Rig::with(|options| options.auth = openclaw_gateway::Auth::None).await;
    let own = format!("http://localhost:{}", rig.port);
    let mut ws = rig.raw_with(&[("origin", &own)]).await.unwrap();
    ws.text(json!({ "jsonrpc": "2.0", "id": 1, "method": "status" }).to_string()).await;
    assert_eq!(answer(&mut ws, json!(1)).await["error"]["code"], -32001);
}

#[tokio::test]
async fn without_a_credential_no_method_is_reached() {
    let rig = Rig::start().await;
    let mut ws = rig.raw().await;
    ws.text(json!({ "jsonrpc": "2.0", "id": 1, "method": "config.apply", "params": { "raw": "{}" } }).to_string())
        .await;
    let (frames, code, _) = ws.closed().await;
    assert_eq!((frames[0]["error"]["code"].as_i64(), code), (Some(-32003), 1008));
}

#[tokio::test]
async fn a_defect_of_ours_is_an_internal_error_and_a_busy_engine_is_not() {
    let rig = Rig::start().await;
    for (prompt, code) in [("defect", -32603), ("busy", -32002)] {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "agent.invoke", "params": { "prompt": prompt } });
        let error = post(&rig, call).await.1["error"].clone();
        assert_eq!((&error["code"], &error["message"]), (&json!(code), &json!(format!("the scripted {prompt}"))));
    }
}

#[tokio::test]
async fn a_page_that_guesses_over_http_is_locked_out_after_ten_wrong_tokens() {
    let rig = Rig::start().await;
    let origin = format!("Origin: http://127.0.0.1:{}", rig.port);
    let right = format!("Authorization: Bearer {TOKEN}");
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "health" }).to_string();
    let post = async |token: &str| rig.http("POST", "/rpc", &[&origin, token, JSON], &body).await.0;
    for (guesses, expected) in [(9, 200), (10, 401)] {
        for _ in 0..guesses {
            assert_eq!(post("Authorization: Bearer wrong").await, 401);
        }
        assert_eq!(post(&right).await, expected, "after {guesses} guesses");
    }
    assert_eq!(rig.http("POST", "/rpc", &[&right, JSON], &body).await.0, 200, "the owner's own tools still get in");
}

#[tokio::test]
async fn a_batch_over_the_pending_requests_is_refused_and_may_be_retried() {
    let rig = Rig::with(|options| options.limits.requests_pending_max = 1).await;
    let mut ws = connected(&rig).await;
    let stall = json!({ "sessionKey": "main", "message": "stall", "idempotencyKey": "r1" });
    ws.text(json!({ "jsonrpc": "2.0", "id": 2, "method": "chat.send", "params": stall }).to_string()).await;
    let batch = json!([{ "jsonrpc": "2.0", "id": 3, "method": "last-heartbeat" }]).to_string();
    ws.text(batch.clone()).await;
    let refused = answer(&mut ws, Value::Null).await;
    assert_eq!(refused["error"]["data"]["retryable"], true, "{refused}");
    rig.engine.release();
    answer(&mut ws, json!(2)).await;
    ws.text(batch).await;
    let answered = loop {
        match ws.next().await {
            Got::Frame(frame) if frame.is_array() => break frame,
            Got::Frame(_) => {}
            Got::Closed(code, reason) => panic!("closed {code} {reason}"),
        }
    };
    assert_eq!(answered[0]["id"], 3);
}
