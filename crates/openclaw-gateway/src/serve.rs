//! Starts listening and stops again.
//!
//! Nothing slow happens between the call and the first accepted connection: a
//! supervisor watches `/readyz` from the first millisecond. Every task started
//! here belongs to the [`Handle`] and ends with it.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::Peer;
use crate::door::Door;
use crate::error::Error;
use crate::events::frame::WhenSlow;
use crate::events::names;
use crate::gateway::Gateway;
use crate::hub::{self, Hub};
use crate::options::{Auth, Options, Ports};
use crate::socket::Io;
use crate::{announce, health, http};

/// Strength a credential needs when other machines can reach us (A7).
const REMOTE_STRENGTH_BITS: u32 = 128;

/// Connections of our own user let in when all places are taken.
const OWN_USER_EXTRA: usize = 64;

/// Ticks between health events.
const TICKS_PER_HEALTH: u64 = 2;

/// A gateway that is listening.
pub struct Handle {
    gateway: Arc<Gateway>,
    unix_socket: Option<PathBuf>,
}

/// Binds every address and starts to serve.
///
/// # Errors
/// When an address cannot be bound or must not be bound without a strong
/// credential; then nothing is listening.
pub async fn serve(options: Options, ports: Ports, hub: Arc<Hub>) -> Result<Handle, Error> {
    guard(&options)?;
    let mut listeners = Vec::new();
    for address in &options.tcp {
        let bind = |source| Error::Bind { address: *address, source };
        listeners.push(TcpListener::bind(address).await.map_err(bind)?);
    }
    let unix_socket = options.unix_socket.clone();
    let unix = match &unix_socket {
        Some(path) => Some(Door::bind(path).await?),
        None => None,
    };
    if listeners.is_empty() && unix.is_none() {
        return Err(Error::NoAddress);
    }
    let gateway = Arc::new(Gateway {
        boot_id: uuid::Uuid::new_v4().to_string(),
        started_at: ports.clock.now(),
        started: ports.clock.monotonic(),
        handshakes: Arc::new(Semaphore::new(options.limits.handshakes_max.min(Semaphore::MAX_PERMITS))),
        options,
        ports,
        hub,
        limiter: Default::default(),
        health: Default::default(),
        addresses: OnceLock::new(),
        tasks: TaskTracker::new(),
        stopping: CancellationToken::new(),
        writes: Default::default(),
    });
    let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    gateway.addresses.get_or_init(|| addresses);
    for listener in listeners {
        // Task `gateway.accept`: ends when the gateway stops.
        gateway.tasks.spawn(accept_tcp(Arc::clone(&gateway), listener));
    }
    if let Some(door) = unix {
        // Task `gateway.accept-unix`: ends when the gateway stops.
        gateway.tasks.spawn(accept_unix(Arc::clone(&gateway), door));
    }
    // Task `gateway.tick`: ends when the gateway stops.
    gateway.tasks.spawn(tick(Arc::clone(&gateway)));
    // Task `gateway.announce`: ends when the gateway stops.
    gateway.tasks.spawn(announce::run(Arc::clone(&gateway)));
    Ok(Handle { gateway, unix_socket })
}

impl Handle {
    /// Returns the TCP addresses in use.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.gateway.addresses.get().map_or(&[], Vec::as_slice)
    }

    /// Tells clients that the gateway stops, closes them, and waits until they
    /// are gone or the drain time is over.
    pub fn shutdown(self, reason: &str) -> impl Future<Output = ()> + Send + use<> {
        let payload = json!({ "reason": if reason.is_empty() { "gateway stopping" } else { reason } });
        async move {
            let gateway = &self.gateway;
            gateway.hub.broadcast(None, names::SHUTDOWN, &payload, WhenSlow::Drop);
            gateway.stop();
            gateway.tasks.close();
            let clock = Arc::clone(&gateway.ports.clock);
            tokio::select! {
                () = gateway.tasks.wait() => {}
                () = clock.sleep(gateway.options.limits.drain_timeout) => {
                    tracing::warn!(left = gateway.tasks.len(), "connections did not end in time and are dropped");
                }
            }
            if let Some(path) = &self.unix_socket
                && let Err(error) = rustix::fs::unlink(path)
            {
                tracing::debug!(%error, path = %path.display(), "the unix socket was gone already");
            }
        }
    }
}

/// A handle that is dropped stops the gateway too, without waiting.
impl Drop for Handle {
    fn drop(&mut self) {
        self.gateway.stop();
    }
}

/// Refuses what must not be reachable.
fn guard(options: &Options) -> Result<(), Error> {
    let strength = match &options.auth {
        Auth::Token(secret) if secret.is_empty() => return Err(Error::EmptyCredential("token")),
        Auth::Password(secret) if secret.is_empty() => return Err(Error::EmptyCredential("password")),
        Auth::Token(secret) | Auth::Password(secret) => secret.strength_bits(),
        Auth::None => 0,
    };
    let open = options.tcp.iter().find(|address| !is_loopback(address.ip()));
    match open {
        Some(address) if strength < REMOTE_STRENGTH_BITS => Err(Error::Unguarded { address: *address }),
        Some(_) | None => Ok(()),
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

async fn accept_tcp(gateway: Arc<Gateway>, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            () = gateway.stopping.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => take(&gateway, stream, address.ip()),
            Err(error) => pause(&gateway, &error).await,
        }
    }
}

fn take(gateway: &Arc<Gateway>, stream: TcpStream, ip: IpAddr) {
    if is_full(gateway, 0) {
        return;
    }
    // Small frames must leave at once; a failure costs latency only.
    drop(stream.set_nodelay(true));
    // Task `gateway.connection`: ends with the connection or at shutdown.
    gateway.tasks.spawn(http::serve_connection(Arc::clone(gateway), Io::Tcp(stream), Peer::Ip(ip)));
}

async fn accept_unix(gateway: Arc<Gateway>, door: Door) {
    loop {
        let accepted = tokio::select! {
            () = gateway.stopping.cancelled() => return,
            accepted = door.next() => accepted,
        };
        match accepted {
            Ok(Some(stream)) if is_full(&gateway, OWN_USER_EXTRA) => drop(stream),
            // Task `gateway.connection`: ends with the connection or at shutdown.
            Ok(Some(stream)) => {
                gateway.tasks.spawn(http::serve_connection(Arc::clone(&gateway), Io::Unix(stream), Peer::SameUser));
            }
            Ok(None) => {}
            Err(error) => pause(&gateway, &error).await,
        }
    }
}

fn is_full(gateway: &Gateway, extra: usize) -> bool {
    let is_full = gateway.tasks.len() >= gateway.options.limits.connections_max.saturating_add(extra);
    if is_full {
        tracing::warn!(max = gateway.options.limits.connections_max, "too many connections; refused one");
    }
    is_full
}

/// Out of file descriptors, most likely: wait for some to come back.
async fn pause(gateway: &Gateway, error: &std::io::Error) {
    tracing::warn!(%error, "could not accept a connection");
    gateway.ports.clock.sleep(std::time::Duration::from_millis(100)).await;
}

/// Sends `tick`, and `health` with every second one.
async fn tick(gateway: Arc<Gateway>) {
    for count in 1_u64.. {
        tokio::select! {
            () = gateway.stopping.cancelled() => return,
            () = gateway.ports.clock.sleep(gateway.options.limits.tick_interval) => {}
        }
        hub::tick(&gateway.hub, gateway.now());
        if count.is_multiple_of(TICKS_PER_HEALTH) && !gateway.hub.clients().is_empty() {
            announce::health(&gateway, &health::measure(&gateway).await);
        }
    }
}
