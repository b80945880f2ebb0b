//! A model server that answers what a test wrote down, in five wire formats.
//!
//! It speaks Anthropic Messages, OpenAI Chat Completions, OpenAI Responses,
//! Gemini generateContent and Ollama chat over HTTP, and refuses what the real
//! services refuse ([`Lint`]). The official Python clients referee it
//! (`tests/sdk`). Tests start it in process, benches run the binary
//! `scripted-model`. It serves whoever connects, so it listens on loopback only.

mod body;
mod heard;
mod lint;
mod respond;
mod script;
mod wire;

use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use heard::{Heard, Returned};
pub use lint::Lint;
pub use script::{Failure, Reply, Script, Stop, Usage};
pub use wire::Wire;

/// Most requests kept for a test to look at.
const RECORDED_MAX: usize = 1_000;

/// A running server; dropping it closes every connection.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Owns the tasks of all connections.
    accepting: JoinHandle<()>,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The HTTP method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// The status it was answered with.
    pub status: u16,
}

impl Recorded {
    /// Returns the body as JSON; `null` when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Returns the first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What all connections use.
struct Shared {
    script: Script,
    /// Requests for an answer, per wire format.
    calls: [AtomicU64; Wire::ALL.len()],
    /// Number of the next tool call, so that ids are never repeated.
    next_tool_call: AtomicU64,
    recorded: Mutex<VecDeque<Recorded>>,
    recorded_max: usize,
    arrived: watch::Sender<usize>,
    /// Rendered bodies of plain replies: what a bench asks for again and again.
    rendered: Mutex<HashMap<RenderKey, Bytes>>,
}

/// Everything a plain reply's bytes depend on.
#[derive(PartialEq, Eq, Hash)]
struct RenderKey {
    wire: Wire,
    model: String,
    wants_usage: bool,
    pieces: usize,
}

impl Server {
    /// Starts a server on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(script: Script) -> std::io::Result<Self> {
        Self::bind(0, script, RECORDED_MAX).await
    }

    /// Starts a server that keeps no requests, for benches.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub async fn start_bare(port: u16, script: Script) -> std::io::Result<Self> {
        Self::bind(port, script, 0).await
    }

    async fn bind(port: u16, script: Script, recorded_max: usize) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            script,
            calls: Default::default(),
            next_tool_call: AtomicU64::new(1),
            recorded: Mutex::default(),
            recorded_max,
            arrived: watch::Sender::new(0),
            rendered: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, accepting })
    }

    /// Returns the server's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns how many answers were asked for, refused ones included.
    pub fn calls(&self) -> u64 {
        Wire::ALL.into_iter().map(|wire| self.calls_of(wire)).sum()
    }

    /// Returns how many answers were asked for in one wire format.
    pub fn calls_of(&self, wire: Wire) -> u64 {
        self.shared.calls[wire as usize].load(Ordering::Relaxed)
    }

    /// Returns the latest requests of any kind, oldest first.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.recorded.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Waits until `count` requests of any kind have been answered or are streaming.
    pub async fn requested(&self, count: usize) {
        // The sender lives in `self`, so waiting cannot fail.
        drop(self.shared.arrived.subscribe().wait_for(|arrived| *arrived >= count).await);
    }

    /// Waits for ever: the server goes on until the caller is dropped.
    pub async fn forever(mut self) {
        // The task ends only when it is aborted.
        drop((&mut self.accepting).await);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Takes connections until the server is dropped; then the set ends them all.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that failed before it was accepted concerns nobody.
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // Deltas must not wait for an acknowledgement of the ones before.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| respond::respond(Arc::clone(&shared), request));
    // A broken connection is the client's business, and often the test's intention.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}
