//! The world outside: a server that logs every dispatch, and its client.
//!
//! A command that a tool runs posts its name and its idempotency key here. The
//! log, not the gateway's word, says what happened and how often.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// Longest body that is read.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// How long the client waits for the server.
const PATIENCE: Duration = Duration::from_secs(10);

/// One dispatch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dispatch {
    /// Which start of the gateway it came from, from 1.
    pub life: usize,
    /// What was done.
    pub name: String,
    /// The key it was done under.
    pub key: String,
}

#[derive(Serialize, Deserialize)]
struct Posted {
    name: String,
    key: String,
}

/// The server. Dropping it ends every connection.
pub struct Effects {
    address: SocketAddr,
    state: Arc<Mutex<(usize, Vec<Dispatch>)>>,
    accepting: JoinHandle<()>,
}

impl Effects {
    /// Starts a server on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new((0, Vec::new())));
        let accepting = tokio::spawn(accept(listener, state.clone()));
        Ok(Self { address, state, accepting })
    }

    /// Returns where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says which start of the gateway dispatches from now on.
    pub fn begin_life(&self, life: usize) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = life;
    }

    /// Returns all dispatches so far.
    pub fn log(&self) -> Vec<Dispatch> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Tells whether something was done.
    pub fn happened(&self, name: &str) -> bool {
        self.log().iter().any(|dispatch| dispatch.name == name)
    }
}

impl Drop for Effects {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

type Log = Arc<Mutex<(usize, Vec<Dispatch>)>>;

async fn accept(listener: TcpListener, log: Log) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that failed before it was accepted did nothing.
                let Ok((stream, _)) = accepted else { continue };
                let log = log.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| respond(log.clone(), request));
                    // A client that was killed half-way is what this is for.
                    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn respond(log: Log, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
    let posted = body.ok().and_then(|body| serde_json::from_slice::<Posted>(&body.to_bytes()).ok());
    let mut response = Response::new(Full::from("ok"));
    match posted {
        Some(Posted { name, key }) => {
            let mut state = log.lock().unwrap_or_else(PoisonError::into_inner);
            let life = state.0;
            state.1.push(Dispatch { life, name, key });
        }
        None => *response.status_mut() = hyper::StatusCode::BAD_REQUEST,
    }
    Ok(response)
}

/// Does something once: posts its name and key and waits for the answer.
///
/// # Errors
/// When the server does not answer with 200.
pub fn post(address: SocketAddr, name: &str, key: &str) -> anyhow::Result<()> {
    let body = serde_json::to_string(&Posted { name: name.to_owned(), key: key.to_owned() })?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let bytes = body.len();
    let head =
        format!("POST /effect HTTP/1.1\r\nHost: {address}\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n");
    // In one write: whoever is killed before it did nothing, afterwards everything.
    stream.write_all(format!("{head}{body}").as_bytes())?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    anyhow::ensure!(answer.starts_with("HTTP/1.1 200"), "the effect server answered {answer:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn every_dispatch_is_logged_with_its_key_and_life() {
        let effects = Effects::start().await.unwrap();
        effects.begin_life(2);
        let address = effects.address();
        tokio::task::spawn_blocking(move || post(address, "pay", "k1")).await.unwrap().unwrap();
        assert_eq!(effects.log(), [Dispatch { life: 2, name: "pay".into(), key: "k1".into() }]);
        assert!(effects.happened("pay") && !effects.happened("other"));
    }
}
