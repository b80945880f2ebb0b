//! A run is followed through losses of the connection.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use openclaw_client::{Backoff, Link, Position, RunItem, RunStream, RunStreamOptions, StreamError};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{Server, accept, listen, options, receive, send};

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pauses a stream asked for; they take no time.
type Pauses = Arc<Mutex<Vec<Duration>>>;

fn follow(link: Link, options: RunStreamOptions) -> (RunStream, Pauses) {
    let pauses = Pauses::default();
    let noted = Arc::clone(&pauses);
    let stream = RunStream::new(link, options).with_sleep(Arc::new(move |pause| {
        noted.lock().unwrap().push(pause);
        Box::pin(std::future::ready(()))
    }));
    (stream, pauses)
}

/// Accepts a connection and its subscription; returns what was asked for.
async fn subscribed(listener: &TcpListener, id: &str) -> (Server, Value) {
    let (mut server, _) = accept(listener, 30_000).await;
    let asked = answer(&mut server, id).await;
    (server, asked)
}

async fn answer(server: &mut Server, id: &str) -> Value {
    let call = receive(server).await;
    assert_eq!(call["method"], "agent.subscribe");
    let payload = json!({ "runId": "r", "subscription": id });
    send(server, json!({ "type": "res", "id": call["id"], "ok": true, "payload": payload })).await;
    call["params"].clone()
}

/// Sends an `agent` event of a subscription.
async fn tell(server: &mut Server, id: &str, cursor: (u64, u64), stream: &str, data: Value, event: Option<&str>) {
    let mut payload = json!({ "runId": "r", "subscription": id, "stream": stream, "data": data,
        "cursor": { "run": "r", "seq": cursor.0, "off": cursor.1 }, "durable": event.is_some() });
    if let Some(event) = event {
        payload["event"] = json!(event);
    }
    send(server, json!({ "type": "event", "event": "agent", "payload": payload })).await;
}

/// What a reader has.
#[derive(Debug, Default, PartialEq)]
struct Read {
    text: String,
    events: Vec<(u64, String)>,
    losses: u32,
    returns: u32,
}

impl Read {
    fn take(&mut self, item: RunItem) {
        match item {
            RunItem::Text { delta, .. } => self.text.push_str(&delta),
            RunItem::Superseded { keep } => self.text.truncate(keep),
            RunItem::Event(event) => self.events.push((event.seq, event.name)),
            RunItem::Lost { .. } => self.losses += 1,
            RunItem::Back => self.returns += 1,
            RunItem::Sign { .. } => {}
        }
    }
}

async fn read_all(stream: &mut RunStream) -> (Read, Option<StreamError>) {
    let mut read = Read::default();
    loop {
        match tokio::time::timeout(PATIENCE, stream.next()).await.unwrap() {
            None => return (read, None),
            Some(Ok(item)) => read.take(item),
            Some(Err(error)) => return (read, Some(error)),
        }
    }
}

fn text(delta: &str, offset: u64) -> Value {
    json!({ "delta": delta, "offset": offset })
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_the_stream_goes_on_from_its_position() {
    let (listener, endpoint) = listen().await;
    let serve = async {
        let (mut server, asked) = subscribed(&listener, "s1").await;
        assert_eq!(asked["after"], json!({ "seq": 0, "off": 0 }));
        tell(&mut server, "s1", (1, 0), "lifecycle", json!({ "phase": "starting_model" }), Some("model_started")).await;
        tell(&mut server, "another", (9, 9), "assistant", text("not ours", 0), None).await;
        tell(&mut server, "s1", (1, 3), "assistant", text("abc", 0), None).await;
        server.close(None).await.unwrap();
        let (mut server, asked) = subscribed(&listener, "s2").await;
        assert_eq!(asked["after"], json!({ "seq": 1, "off": 3 }));
        tell(&mut server, "s2", (2, 0), "assistant", text("de", 3), Some("model_delta")).await;
        tell(&mut server, "s2", (3, 0), "lifecycle", json!({ "phase": "end" }), Some("ended")).await;
        server
    };
    let (mut stream, pauses) = follow(Link::new(endpoint, options()), RunStreamOptions::new("r"));
    let ((read, error), _server) = tokio::join!(read_all(&mut stream), serve);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(read.text, "abcde");
    let names = [(1, "model_started"), (2, "model_delta"), (3, "ended")];
    assert_eq!(read.events, names.map(|(seq, name)| (seq, name.to_owned())));
    assert_eq!((read.losses, read.returns, pauses.lock().unwrap().len()), (1, 1, 1));
    assert_eq!(stream.position(), Position { seq: 3, off: 0 });
}

#[tokio::test]
async fn text_a_crash_voided_is_taken_back() {
    let (listener, endpoint) = listen().await;
    let serve = async {
        let (mut server, _) = subscribed(&listener, "s").await;
        tell(&mut server, "s", (4, 4), "assistant", text("kept", 0), None).await;
        tell(&mut server, "s", (4, 9), "assistant", text(" lost", 4), None).await;
        tell(&mut server, "s", (4, 4), "superseded", json!({ "keep": 4 }), None).await;
        tell(&mut server, "s", (5, 0), "superseded", json!({ "keep": 0 }), Some("model_superseded")).await;
        tell(&mut server, "s", (5, 5), "assistant", text("again", 0), None).await;
        tell(&mut server, "s", (6, 0), "lifecycle", json!({ "phase": "error" }), Some("ended")).await;
        server
    };
    let (mut stream, _) = follow(Link::new(endpoint, options()), RunStreamOptions::new("r"));
    let ((read, error), _server) = tokio::join!(read_all(&mut stream), serve);
    assert!(error.is_none(), "{error:?}");
    assert_eq!((read.text.as_str(), read.events.len()), ("again", 2));
}

#[tokio::test]
async fn pauses_grow_and_the_attempts_it_was_allowed_are_kept_to() {
    let (listener, endpoint) = listen().await;
    // Nobody listens there any more.
    drop(listener);
    let limited = RunStreamOptions { max_reconnect_attempts: Some(7), ..RunStreamOptions::new("r") };
    let (mut stream, pauses) = follow(Link::new(endpoint, options()), limited);
    let (read, error) = read_all(&mut stream).await;
    let error = error.unwrap();
    assert_eq!(error.code(), "STREAM_DISCONNECTED");
    assert!(matches!(error, StreamError::Disconnected { attempts: 7, .. }), "{error}");
    assert_eq!(read.losses, 7);
    let pauses = pauses.lock().unwrap().clone();
    for (pause, longest) in pauses.iter().zip([1, 2, 4, 8, 16, 30, 30]) {
        let longest = Duration::from_secs(longest);
        assert!(*pause <= longest && *pause >= longest / 2, "{pause:?} of {longest:?}");
    }
    assert_eq!(pauses.len(), 7);
    assert!(tokio::time::timeout(PATIENCE, stream.next()).await.unwrap().is_none());
}

#[tokio::test]
async fn attempts_are_counted_anew_once_the_stream_works() {
    let (listener, endpoint) = listen().await;
    let serve = async {
        for _ in 0..3 {
            let (mut server, _) = subscribed(&listener, "s").await;
            server.close(None).await.unwrap();
        }
        let (mut server, _) = subscribed(&listener, "s").await;
        tell(&mut server, "s", (1, 0), "lifecycle", json!({ "phase": "end" }), Some("ended")).await;
        server
    };
    let limited =
        RunStreamOptions { max_reconnect_attempts: Some(1), backoff: Backoff::default(), ..RunStreamOptions::new("r") };
    let (mut stream, pauses) = follow(Link::new(endpoint, options()), limited);
    let ((read, error), _server) = tokio::join!(read_all(&mut stream), serve);
    assert!(error.is_none(), "{error:?}");
    assert_eq!((read.losses, read.returns), (3, 3));
    assert!(pauses.lock().unwrap().iter().all(|pause| *pause <= Duration::from_secs(1)));
}

#[tokio::test]
async fn a_run_that_is_not_there_is_not_asked_for_again() {
    let (listener, endpoint) = listen().await;
    let serve = async {
        let (mut server, _) = accept(&listener, 30_000).await;
        let call = receive(&mut server).await;
        let error = json!({ "code": "INVALID_REQUEST", "message": "there is no run r", "details": { "code": "RUN_NOT_FOUND" } });
        send(&mut server, json!({ "type": "res", "id": call["id"], "ok": false, "error": error })).await;
        server
    };
    let (mut stream, pauses) = follow(Link::new(endpoint, options()), RunStreamOptions::new("r"));
    let ((_, error), _server) = tokio::join!(read_all(&mut stream), serve);
    assert_eq!(error.unwrap().code(), "STREAM_REFUSED");
    assert!(pauses.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_subscription_the_gateway_gave_up_is_asked_for_again_on_the_same_connection() {
    let (listener, endpoint) = listen().await;
    let serve = async {
        let (mut server, _) = subscribed(&listener, "s1").await;
        tell(&mut server, "s1", (1, 2), "assistant", text("ab", 0), None).await;
        tell(&mut server, "s1", (1, 2), "subscription", json!({ "phase": "error", "error": "journal" }), None).await;
        let asked = answer(&mut server, "s2").await;
        assert_eq!(asked["after"], json!({ "seq": 1, "off": 2 }));
        tell(&mut server, "s2", (2, 0), "lifecycle", json!({ "phase": "end" }), Some("ended")).await;
        server
    };
    let (mut stream, _) = follow(Link::new(endpoint, options()), RunStreamOptions::new("r"));
    let ((read, error), _server) = tokio::join!(read_all(&mut stream), serve);
    assert!(error.is_none(), "{error:?}");
    assert_eq!((read.text.as_str(), read.losses, read.returns), ("ab", 1, 1));
}
