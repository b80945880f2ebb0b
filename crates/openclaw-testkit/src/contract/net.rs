//! Conformance of the net port.
//!
//! [`Site`] is a small HTTP/1.1 server on loopback whose answers are written down
//! byte by byte; [`all`] runs every check against it as a configured origin. What
//! public requests refuse is tested by the implementation, which can fake lookups.
#![expect(clippy::unwrap_used, reason = "a conformance suite fails by panicking")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use openclaw_domain::ports::Net;
use openclaw_domain::ports::net::{Egress, Error, Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::latch::Latch;

/// Longer than anything here takes; reached only by a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// Most bytes of a request that are read.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// One step of an answer.
#[derive(Debug, Clone)]
pub enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Waits for the door.
    Pass(Latch),
    /// Waits until the client has closed the connection, then opens the door.
    AwaitClose(Latch),
}

/// Says how a request, given as text, is answered.
pub type Answers = Arc<dyn Fn(&str) -> Vec<Step> + Send + Sync>;

type Seen = Arc<Mutex<Vec<String>>>;

/// A server on loopback; stops when dropped.
pub struct Site {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Seen,
    connections: Arc<AtomicUsize>,
    /// Task "site": owns the connections' tasks, aborted on drop.
    _serving: JoinSet<()>,
}

impl Site {
    /// Starts a server.
    pub async fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, connections) = (Seen::default(), Arc::default());
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, answers, Arc::clone(&seen), Arc::clone(&connections)));
        Self { address, seen, connections, _serving: serving }
    }

    /// Starts a server that gives each path one whole answer; others get 404.
    pub async fn with(routes: &[(&str, String)]) -> Self {
        let routes: Vec<(String, String)> =
            routes.iter().map(|(path, answer)| ((*path).to_owned(), answer.clone())).collect();
        Self::start(Arc::new(move |request| {
            let path = request.split(' ').nth(1).unwrap_or("");
            let found = routes.iter().find(|(route, _)| route == path);
            let answer = found.map_or_else(|| answer(404, "", "no such page"), |(_, answer)| answer.clone());
            vec![Step::Send(answer.into_bytes())]
        }))
        .await
    }

    /// Returns the URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns how many connections were made.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Returns the requests so far.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Makes an answer; `headers` are lines that end in `\r\n`.
pub fn answer(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

async fn serve(listener: TcpListener, answers: Answers, seen: Seen, count: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        count.fetch_add(1, Ordering::SeqCst);
        connections.spawn(converse(connection, Arc::clone(&answers), Arc::clone(&seen)));
    }
}

async fn converse(mut connection: TcpStream, answers: Answers, seen: Seen) {
    while let Some(request) = read_request(&mut connection).await {
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        for step in answers(&request) {
            match step {
                Step::Send(bytes) => {
                    if connection.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Step::Pass(latch) => latch.pass().await,
                Step::AwaitClose(latch) => {
                    // Zero bytes or an error: either way the client is gone.
                    drop(connection.read(&mut [0; 1]).await);
                    latch.open();
                    return;
                }
            }
        }
    }
}

/// Reads a head and the body its length announces.
async fn read_request(connection: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        let is_more = connection.read_buf(&mut bytes).await.ok()? > 0;
        if !is_more || bytes.len() > REQUEST_BYTES_MAX {
            return None;
        }
    }
}

/// Runs the whole suite.
pub async fn all(net: &dyn Net) {
    status_headers_and_body_arrive(net).await;
    a_body_is_sent(net).await;
    a_body_arrives_while_it_is_written(net).await;
    the_size_limit_is_inclusive(net).await;
    a_late_head_and_a_silent_body_time_out(net).await;
    dropping_the_body_closes_the_connection(net).await;
    dropping_the_future_closes_the_connection(net).await;
    redirects_stay_on_a_configured_origin(net).await;
    redirects_are_counted(net).await;
    a_broken_answer_is_an_error(net).await;
    an_unreachable_host_is_an_error(net).await;
    unusable_urls_are_refused(net).await;
}

/// Makes a request to a configured origin.
pub fn request(url: String) -> Request {
    Request { egress: Egress::Configured, head_timeout: PATIENCE, idle_timeout: PATIENCE, ..Request::get(url) }
}

/// Reads a whole body.
///
/// # Errors
/// What the body ends with.
pub async fn read(response: Response) -> Result<String, Error> {
    let mut body = response.body;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// An error status is an answer like any other.
pub async fn status_headers_and_body_arrive(net: &dyn Net) {
    let site = Site::with(&[("/a?b=c", answer(418, "X-Tea: Earl Grey\r\n", "short and stout"))]).await;
    let got = net.send(request(site.url("/a?b=c")).header("X-Asked", "yes")).await.unwrap();
    assert_eq!(
        (got.status, got.header("x-tea"), got.url.as_str()),
        (418, Some("Earl Grey"), site.url("/a?b=c").as_str())
    );
    assert_eq!(read(got).await.unwrap(), "short and stout");
    let seen = site.seen().concat().to_ascii_lowercase();
    assert!(seen.starts_with("get /a?b=c http/1.1\r\n") && seen.contains("\r\nx-asked: yes\r\n"), "{seen}");
}

/// The body and its length arrive as given.
pub async fn a_body_is_sent(net: &dyn Net) {
    let site = Site::with(&[("/", answer(200, "", ""))]).await;
    let mut posted = request(site.url("/"));
    posted.method = "POST";
    posted.body = bytes::Bytes::from_static(b"{\"a\":1}");
    assert_eq!(read(net.send(posted).await.unwrap()).await.unwrap(), "");
    let seen = site.seen().concat();
    assert!(seen.starts_with("POST / ") && seen.ends_with("\r\n\r\n{\"a\":1}"), "{seen}");
}

/// A model's words must not wait for the last one.
pub async fn a_body_arrives_while_it_is_written(net: &dyn Net) {
    let latch = Latch::new();
    let door = latch.clone();
    let site = Site::start(Arc::new(move |_| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none".to_vec();
        vec![Step::Send(head), Step::Pass(door.clone()), Step::Send(b"two".to_vec())]
    }))
    .await;
    let mut body = net.send(request(site.url("/"))).await.unwrap().body;
    assert_eq!(body.next().await.unwrap().unwrap(), "one");
    latch.open();
    assert_eq!(body.next().await.unwrap().unwrap(), "two");
    assert!(body.next().await.is_none());
}

/// What fits is passed on before the error.
pub async fn the_size_limit_is_inclusive(net: &dyn Net) {
    let site = Site::with(&[("/", answer(200, "", "12345"))]).await;
    let limited = |body_bytes_max| Request { body_bytes_max, ..request(site.url("/")) };
    assert_eq!(read(net.send(limited(5)).await.unwrap()).await.unwrap(), "12345");
    let mut body = net.send(limited(4)).await.unwrap().body;
    assert_eq!(body.next().await.unwrap().unwrap(), "1234");
    assert!(matches!(body.next().await, Some(Err(Error::TooLarge { bytes_max: 4, .. }))));
    assert!(body.next().await.is_none());
}

/// Waiting has an end, before the head and within the body.
pub async fn a_late_head_and_a_silent_body_time_out(net: &dyn Net) {
    let short = Duration::from_millis(50);
    let never = Latch::new();
    let site = Site::start(Arc::new(move |request| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none".to_vec();
        let is_body = request.starts_with("GET /body");
        if is_body { vec![Step::Send(head), Step::Pass(never.clone())] } else { vec![Step::Pass(never.clone())] }
    }))
    .await;
    let late = net.send(Request { head_timeout: short, ..request(site.url("/head")) }).await.err();
    assert_eq!(late, Some(Error::Timeout { host: "127.0.0.1".to_owned(), after: short }));
    let silent = net.send(Request { idle_timeout: short, ..request(site.url("/body")) }).await.unwrap();
    assert_eq!(read(silent).await, Err(Error::Timeout { host: "127.0.0.1".to_owned(), after: short }));
}

/// A stopped answer stops being paid for.
pub async fn dropping_the_body_closes_the_connection(net: &dyn Net) {
    let closed = Latch::new();
    let door = closed.clone();
    let site = Site::start(Arc::new(move |_| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none".to_vec();
        vec![Step::Send(head), Step::AwaitClose(door.clone())]
    }))
    .await;
    let mut body = net.send(request(site.url("/"))).await.unwrap().body;
    assert_eq!(body.next().await.unwrap().unwrap(), "one");
    drop(body);
    closed.pass().await;
}

/// So does a request that nobody waits for.
pub async fn dropping_the_future_closes_the_connection(net: &dyn Net) {
    let (arrived, closed) = (Latch::new(), Latch::new());
    let (came, door) = (arrived.clone(), closed.clone());
    let site = Site::start(Arc::new(move |_| {
        came.open();
        vec![Step::AwaitClose(door.clone())]
    }))
    .await;
    tokio::select! {
        _ = net.send(request(site.url("/"))) => {}
        () = arrived.pass() => {}
    }
    closed.pass().await;
}

/// An origin that an owner configured cannot send its callers elsewhere.
pub async fn redirects_stay_on_a_configured_origin(net: &dyn Net) {
    let other = Site::with(&[("/", answer(200, "", "elsewhere"))]).await;
    let away = answer(302, &format!("Location: {}\r\n", other.url("/")), "moved");
    let site = Site::with(&[
        ("/near", answer(302, "Location: /end\r\n", "")),
        ("/end", answer(200, "", "the end")),
        ("/away", away),
    ])
    .await;
    let got = net.send(request(site.url("/near"))).await.unwrap();
    assert_eq!((got.status, got.url.as_str()), (200, site.url("/end").as_str()));
    assert_eq!(read(got).await.unwrap(), "the end");
    assert_eq!(net.send(request(site.url("/away"))).await.unwrap().status, 302);
    assert!(other.seen().is_empty());
}

/// A loop ends; zero means that a redirect is the answer.
pub async fn redirects_are_counted(net: &dyn Net) {
    let site = Site::with(&[("/", answer(302, "Location: /\r\n", ""))]).await;
    let limited = |redirects_max| Request { redirects_max, ..request(site.url("/")) };
    let got = net.send(limited(2)).await.err();
    assert_eq!(got, Some(Error::TooManyRedirects { host: "127.0.0.1".to_owned(), redirects_max: 2 }));
    assert_eq!(site.seen().len(), 3);
    assert_eq!(net.send(limited(0)).await.unwrap().status, 302);
}

/// A truncated body is not an answer.
pub async fn a_broken_answer_is_an_error(net: &dyn Net) {
    let site = Site::start(Arc::new(|request| {
        let cut = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\nhalf".to_vec();
        let answer = if request.starts_with("GET /cut") { cut } else { b"SSH-2.0-x\r\n\r\n".to_vec() };
        vec![Step::Send(answer), Step::Send(vec![]), Step::AwaitClose(Latch::new())]
    }))
    .await;
    assert!(matches!(net.send(request(site.url("/ssh"))).await.err(), Some(Error::Connect { .. })));
    let idle_timeout = Duration::from_millis(50);
    let cut = net.send(Request { idle_timeout, ..request(site.url("/cut")) }).await.unwrap();
    assert!(read(cut).await.is_err());
}

/// The error names the host and what went wrong.
pub async fn an_unreachable_host_is_an_error(net: &dyn Net) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let got = net.send(request(format!("http://{address}/?key=hunter2"))).await.err().unwrap();
    assert!(matches!(&got, Error::Unreachable { host, .. } if host == "127.0.0.1"), "{got:?}");
    assert!(!got.to_string().contains("hunter2"), "{got}");
}

/// Nothing is dialled for a URL that cannot be right.
pub async fn unusable_urls_are_refused(net: &dyn Net) {
    for url in
        ["", "nothing", "/path", "ftp://example.com/", "file:///etc/passwd", "http://", "http://u:p@example.com/"]
    {
        let got = net.send(request(url.to_owned())).await.err();
        assert!(matches!(got, Some(Error::BadUrl { .. })), "{url}: {got:?}");
    }
    let bad_method = Request { method: "BREW", ..request("http://127.0.0.1/".to_owned()) };
    assert!(matches!(net.send(bad_method).await.err(), Some(Error::BadUrl { .. })));
}
