//! What the scripted model server promises its own users.

use std::time::Duration;

use openclaw_testkit::Latch;
use openclaw_testkit::server::{Failure, Lint, Reply, Script, Server, Wire};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends one request on a connection of its own; returns all bytes that came back.
async fn post(server: &Server, path: &str, headers: &str, body: &Value) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    send(&mut stream, path, headers, body).await;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    String::from_utf8_lossy(&reply).into_owned()
}

async fn send(stream: &mut TcpStream, path: &str, headers: &str, body: &Value) {
    let body = body.to_string();
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
}

const BEARER: &str = "authorization: Bearer key\r\n";

fn chat(text: &str) -> Value {
    json!({ "model": "mock-1", "stream": true, "messages": [{ "role": "user", "content": text }] })
}

async fn ask(server: &Server, body: &Value) -> String {
    post(server, "/v1/chat/completions", BEARER, body).await
}

#[tokio::test]
async fn a_request_is_counted_and_kept_with_its_status() {
    let server = Server::start(Script::default()).await.unwrap();
    assert!(ask(&server, &chat("hi")).await.contains("tok19"));
    assert!(post(&server, "/v1/chat/completions", "", &chat("hi")).await.contains("401 Unauthorized"));
    let kept: Vec<(String, u16)> = server.requests().into_iter().map(|it| (it.path, it.status)).collect();
    assert_eq!(kept, [("/v1/chat/completions".to_owned(), 200), ("/v1/chat/completions".to_owned(), 401)]);
    assert_eq!(server.requests()[0].header("authorization"), Some("Bearer key"));
    assert_eq!((server.calls(), server.calls_of(Wire::Chat), server.calls_of(Wire::Ollama)), (2, 2, 0));
    server.requested(2).await;
}

#[tokio::test]
async fn replies_come_in_order_and_then_run_out() {
    let server = Server::start(Script::replies([Reply::say("one"), Reply::fail(Failure::RateLimit).retry_after("7")]));
    let server = server.await.unwrap();
    assert!(ask(&server, &chat("a")).await.contains("one"));
    let limited = ask(&server, &chat("b")).await;
    assert!(limited.contains("429") && limited.contains("retry-after: 7"), "{limited}");
    assert!(ask(&server, &chat("c")).await.contains("no reply left"));
}

#[tokio::test]
async fn a_closure_sees_what_was_said_and_what_tools_returned() {
    let script = Script::answering(|heard| match heard.results.first() {
        Some(result) => Reply::say(&format!("{}={}", result.call, result.text)),
        None => Reply::new().call("read", &json!({ "path": heard.text })),
    });
    let server = Server::start(script).await.unwrap();
    assert!(ask(&server, &chat("a.txt")).await.contains("call_000001"));
    let call = json!({ "id": "c1", "type": "function", "function": { "name": "read", "arguments": "{}" } });
    let body = json!({ "model": "m", "messages": [
        { "role": "user", "content": "a.txt" },
        { "role": "assistant", "content": null, "tool_calls": [call] },
        { "role": "tool", "tool_call_id": "c1", "content": "hello" },
    ] });
    assert!(ask(&server, &body).await.contains("c1=hello"));
}

#[tokio::test]
async fn a_held_stream_shows_its_beginning_and_goes_on_when_let() {
    let latch = Latch::new();
    let server = Server::start(Script::replies([Reply::new().text("early").hold(&latch).text("late")])).await.unwrap();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    send(&mut stream, "/v1/chat/completions", BEARER, &chat("x")).await;
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("early") {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0);
    }
    latch.reached().await;
    assert!(!String::from_utf8_lossy(&seen).contains("late"));
    latch.open();
    stream.read_to_end(&mut seen).await.unwrap();
    assert!(String::from_utf8_lossy(&seen).contains("late"));
}

#[tokio::test]
async fn a_reset_breaks_off_after_what_was_said_and_a_cut_ends_cleanly() {
    let server = Server::start(Script::default()).await.unwrap();
    let reset = ask(&server, &chat("reset")).await;
    assert!(reset.contains("half ") && !reset.ends_with("0\r\n\r\n"), "{reset}");
    let cut = ask(&server, &chat("cut")).await;
    assert!(cut.contains("half ") && !cut.contains("[DONE]") && cut.ends_with("0\r\n\r\n"), "{cut}");
}

#[tokio::test]
async fn a_rule_can_be_turned_off_by_name() {
    let orphan = json!({ "model": "m", "messages": [{ "role": "tool", "tool_call_id": "c", "content": "x" }] });
    let strict = Server::start(Script::default()).await.unwrap();
    assert!(ask(&strict, &orphan).await.contains("must be a response to a preceding message"));
    let lenient = Server::start(Script::default().lint(Lint::strict().without("orphan-results"))).await.unwrap();
    assert!(ask(&lenient, &orphan).await.contains("200 OK"));
}

#[tokio::test]
async fn only_the_right_key_is_accepted_when_one_is_set() {
    let server = Server::start(Script::default().key("right")).await.unwrap();
    assert!(ask(&server, &chat("x")).await.contains("401"));
    let right = post(&server, "/v1/chat/completions", "authorization: Bearer right\r\n", &chat("x")).await;
    assert!(right.contains("200 OK"));
}

#[tokio::test]
async fn a_body_that_is_no_request_gets_the_vendors_400() {
    let server = Server::start(Script::default()).await.unwrap();
    let cases = [
        ("/v1/messages", "x-api-key: k\r\n", r#""type":"invalid_request_error""#),
        ("/v1/chat/completions", BEARER, r#""type":"invalid_request_error""#),
        ("/v1/responses", BEARER, r#""type":"invalid_request_error""#),
        ("/v1beta/models/m:generateContent", "x-goog-api-key: k\r\n", r#""status":"INVALID_ARGUMENT""#),
        ("/api/chat", "", r#"{"error":"#),
    ];
    for (path, headers, expected) in cases {
        let reply = post(&server, path, headers, &json!({ "nonsense": 1 })).await;
        assert!(reply.contains(" 400 ") && reply.contains(expected), "{path}: {reply}");
    }
    assert!(post(&server, "/nowhere", "", &json!({})).await.contains("404"));
}

#[tokio::test]
async fn dropping_the_server_closes_open_streams() {
    let latch = Latch::new();
    let server = Server::start(Script::replies([Reply::new().text("a").hold(&latch)])).await.unwrap();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    send(&mut stream, "/v1/chat/completions", BEARER, &chat("x")).await;
    latch.reached().await;
    drop(server);
    let mut rest = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
    // Either way of closing will do, as long as it closes.
    assert!(end.is_ok());
}
