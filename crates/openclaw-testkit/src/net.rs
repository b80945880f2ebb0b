//! Outbound HTTP that stays in the test.
//!
//! [`FakeNet`] implements the net port: replies come from a queue or a closure,
//! bodies arrive in exactly the chunks that were written down, and every
//! request is recorded. A request nobody foresaw fails like a dead host.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use openclaw_domain::ports::Net;
use openclaw_domain::ports::net::{Body, Error, HeaderValue, Request, Response};

use crate::latch::Latch;

/// Net whose answers are written down beforehand.
pub struct FakeNet {
    script: Script,
    requests: Mutex<Vec<Request>>,
}

enum Script {
    Queue(Mutex<VecDeque<Reply>>),
    Closure(Box<dyn Fn(&Request) -> Reply + Send + Sync>),
}

/// One scripted reply.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    pieces: Vec<Piece>,
    failure: Option<Error>,
    url: Option<String>,
}

#[derive(Debug, Clone)]
enum Piece {
    Bytes(Bytes),
    Hold(Latch),
    Fail(Error),
}

impl Reply {
    /// Makes a reply without a body.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), pieces: Vec::new(), failure: None, url: None }
    }

    /// Makes a 200 reply with one JSON body.
    pub fn json(body: &serde_json::Value) -> Self {
        Self::status(200).header("content-type", "application/json").chunk(body.to_string())
    }

    /// Makes a 200 reply of server-sent events in one chunk.
    pub fn events(body: impl Into<Bytes>) -> Self {
        Self::status(200).header("content-type", "text/event-stream").chunk(body)
    }

    /// Makes a request fail before there is a response.
    pub fn fail(error: Error) -> Self {
        Self { failure: Some(error), ..Self::status(0) }
    }

    /// Adds a header; the name is put in lower case.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// Sets the URL that answered, as after redirects.
    #[must_use]
    pub fn url(mut self, url: &str) -> Self {
        self.url = Some(url.to_owned());
        self
    }

    /// Adds one chunk of the body.
    #[must_use]
    pub fn chunk(mut self, bytes: impl Into<Bytes>) -> Self {
        self.pieces.push(Piece::Bytes(bytes.into()));
        self
    }

    /// Adds `bytes` cut into chunks of `size` bytes, the last one shorter.
    #[must_use]
    pub fn chunks(mut self, bytes: impl AsRef<[u8]>, size: usize) -> Self {
        let cut = bytes.as_ref().chunks(size.max(1)).map(|chunk| Piece::Bytes(Bytes::copy_from_slice(chunk)));
        self.pieces.extend(cut);
        self
    }

    /// Holds the body at a door.
    #[must_use]
    pub fn hold(mut self, latch: &Latch) -> Self {
        self.pieces.push(Piece::Hold(latch.clone()));
        self
    }

    /// Breaks the body off with an error.
    #[must_use]
    pub fn break_off(mut self, error: Error) -> Self {
        self.pieces.push(Piece::Fail(error));
        self
    }
}

impl FakeNet {
    /// Makes a net that gives these replies, one per request.
    pub fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::of(Script::Queue(Mutex::new(replies.into_iter().collect())))
    }

    /// Makes a net that asks `answer` at each request.
    pub fn answering(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::of(Script::Closure(Box::new(answer)))
    }

    /// Makes a net in which no host answers.
    pub fn unreachable() -> Self {
        Self::new([])
    }

    fn of(script: Script) -> Self {
        Self { script, requests: Mutex::default() }
    }

    /// Appends a reply to the queue. Has no effect on a closure's net.
    pub fn push(&self, reply: Reply) {
        if let Script::Queue(queue) = &self.script {
            lock(queue).push_back(reply);
        }
    }

    /// Returns the requests so far, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.requests).clone()
    }

    fn next(&self, request: &Request) -> Reply {
        match &self.script {
            Script::Closure(answer) => answer(request),
            Script::Queue(queue) => lock(queue).pop_front().unwrap_or_else(|| {
                Reply::fail(Error::Connect {
                    host: host_of(&request.url).to_owned(),
                    message: "the script has no reply for this request".to_owned(),
                })
            }),
        }
    }
}

#[async_trait]
impl Net for FakeNet {
    async fn send(&self, request: Request) -> Result<Response, Error> {
        let reply = self.next(&request);
        let url = reply.url.unwrap_or_else(|| request.url.clone());
        let limit = Limit { host: host_of(&url).to_owned(), bytes_max: request.body_bytes_max, seen: 0 };
        lock(&self.requests).push(request);
        match reply.failure {
            Some(error) => Err(error),
            None => {
                let body = body(reply.pieces.into(), limit);
                Ok(Response { status: reply.status, headers: reply.headers, url, body })
            }
        }
    }
}

/// The body limit of a request: enforced here too, so that callers meet it in tests.
struct Limit {
    host: String,
    bytes_max: u64,
    seen: u64,
}

fn body(pieces: VecDeque<Piece>, limit: Limit) -> Body {
    Box::pin(stream::unfold((pieces, limit), |(mut pieces, mut limit)| async move {
        loop {
            let item = match pieces.pop_front()? {
                Piece::Hold(latch) => {
                    latch.pass().await;
                    continue;
                }
                Piece::Fail(error) => Err(error),
                Piece::Bytes(bytes) => {
                    limit.seen += bytes.len() as u64;
                    if limit.seen > limit.bytes_max {
                        Err(Error::TooLarge { host: limit.host.clone(), bytes_max: limit.bytes_max })
                    } else {
                        Ok(bytes)
                    }
                }
            };
            if item.is_err() {
                pieces.clear();
            }
            return Some((item, (pieces, limit)));
        }
    }))
}

/// Returns a request's header as text; a secret one shows as stars.
pub fn header(request: &Request, name: &str) -> Option<String> {
    let (_, value) = request.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(match value {
        HeaderValue::Plain(text) => text.clone(),
        HeaderValue::Secret(secret) => format!("{secret:?}"),
    })
}

fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#', ':']).next().unwrap_or(rest)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    async fn chunks(reply: Reply, bytes_max: u64) -> Vec<Result<Bytes, Error>> {
        let net = FakeNet::new([reply]);
        let request = Request { body_bytes_max: bytes_max, ..Request::get("http://example.org/a") };
        net.send(request).await.unwrap().body.collect().await
    }

    #[tokio::test]
    async fn a_body_arrives_in_the_chunks_written_down() {
        let got = chunks(Reply::status(200).chunks("abcde", 2), 5).await;
        assert_eq!(got, [Ok(Bytes::from("ab")), Ok(Bytes::from("cd")), Ok(Bytes::from("e"))]);
    }

    #[tokio::test]
    async fn a_body_over_the_limit_breaks_off() {
        let got = chunks(Reply::status(200).chunks("abcde", 2), 4).await;
        assert_eq!(got.last(), Some(&Err(Error::TooLarge { host: "example.org".to_owned(), bytes_max: 4 })));
    }

    #[tokio::test]
    async fn an_unforeseen_request_fails_like_a_dead_host() {
        let error = FakeNet::unreachable().send(Request::get("http://h:1/x")).await.err();
        assert!(matches!(error, Some(Error::Connect { host, .. }) if host == "h"));
    }
}
