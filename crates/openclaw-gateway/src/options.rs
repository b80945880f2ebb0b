//! What a gateway is given: addresses, credential, limits and the ports it serves.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::Secret;
use openclaw_domain::ports::{
    Approvals, Catalog, Clock, Devices, Grants, Journal, Logs, Outbox, Questions, Runs, Sessions, Settings, Variables,
};

/// The ports behind the methods.
#[derive(Clone)]
pub struct Ports {
    /// Starts and stops runs.
    pub runs: Arc<dyn Runs>,
    /// Permissions that wait for a person.
    pub approvals: Arc<dyn Approvals>,
    /// Unknown outcomes that wait for a person.
    pub questions: Arc<dyn Questions>,
    /// What runs did.
    pub journal: Arc<dyn Journal>,
    /// What is sent to people; [`crate::NoOutbox`] when nothing is.
    pub outbox: Arc<dyn Outbox>,
    /// Sessions and transcripts.
    pub sessions: Arc<dyn Sessions>,
    /// Variables.
    pub variables: Arc<dyn Variables>,
    /// Paired devices.
    pub devices: Arc<dyn Devices>,
    /// Standing permissions.
    pub grants: Arc<dyn Grants>,
    /// The configuration.
    pub settings: Arc<dyn Settings>,
    /// Agents, models and tools.
    pub catalog: Arc<dyn Catalog>,
    /// The log file.
    pub logs: Arc<dyn Logs>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Renders the metrics page.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// How the gateway listens and whom it lets in.
#[derive(Clone)]
pub struct Options {
    /// TCP addresses; port 0 lets the system choose.
    pub tcp: Vec<SocketAddr>,
    /// Path of the Unix socket, for clients of the same user.
    pub unix_socket: Option<PathBuf>,
    /// The shared credential.
    pub auth: Auth,
    /// Browser origins let in besides the gateway's own and loopback, for example `https://chat.example`.
    pub allowed_origins: Vec<String>,
    /// Our version.
    pub version: String,
    /// Our build, when it has a name.
    pub build_id: Option<String>,
    /// How the state directory is shown to people.
    pub state_dir_label: String,
    /// Renders `/metrics`.
    pub metrics: Metrics,
    /// Facts about the machine, for `system.info`.
    pub machine: Machine,
    /// Sizes and times.
    pub limits: Limits,
}

impl Options {
    /// Makes options that listen on loopback TCP only.
    pub fn new(tcp: Vec<SocketAddr>, auth: Auth, version: impl Into<String>) -> Self {
        Self {
            tcp,
            unix_socket: None,
            auth,
            allowed_origins: Vec::new(),
            version: version.into(),
            build_id: None,
            state_dir_label: "~/.openclaw".to_owned(),
            metrics: Arc::new(String::new),
            machine: Machine::default(),
            limits: Limits::default(),
        }
    }
}

/// Facts about the machine; whoever may ask the system fills it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// The host's name.
    pub hostname: String,
    /// Release of the operating system.
    pub release: String,
    /// Bytes of memory.
    pub memory_total_bytes: u64,
    /// Bytes of memory not in use when the gateway started.
    pub memory_free_bytes: u64,
}

impl Machine {
    /// Returns the host's name, or `localhost` when it is not known.
    pub(crate) fn host(&self) -> &str {
        if self.hostname.is_empty() { "localhost" } else { &self.hostname }
    }
}

/// The shared credential.
#[derive(Debug, Clone)]
pub enum Auth {
    /// `gateway.auth.mode: token`.
    Token(Secret),
    /// `gateway.auth.mode: password`.
    Password(Secret),
    /// No credential; loopback only.
    None,
}

/// Sizes and times; the defaults are those of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, HTTP and WebSocket together; a few more of our own
    /// user over the Unix socket, so that strangers cannot lock the owner out.
    pub connections_max: usize,
    /// WebSockets at once that have not shown who they are.
    pub handshakes_max: usize,
    /// Requests of one connection that have not had their first answer.
    pub requests_pending_max: usize,
    /// Requests of one connection that wait for a run, a decision or a job.
    pub waits_max: usize,
    /// Runs carried to one connection at once.
    pub subscriptions_max: usize,
    /// Largest frame before the handshake is done.
    pub early_bytes_max: usize,
    /// Largest frame afterwards; also the largest HTTP body.
    pub payload_bytes_max: usize,
    /// Bytes queued for one client before events are dropped or it is closed.
    pub outbound_bytes_max: usize,
    /// Time for the head of an HTTP request to arrive, and for `connect`.
    pub handshake_timeout: Duration,
    /// Time between `tick` events.
    pub tick_interval: Duration,
    /// Time between pings, and for the pong to come back.
    pub ping_interval: Duration,
    /// Time for connections to drain at shutdown.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            handshakes_max: 128,
            requests_pending_max: 256,
            waits_max: 4096,
            subscriptions_max: 64,
            early_bytes_max: 64 * 1024,
            payload_bytes_max: 25 * 1024 * 1024,
            outbound_bytes_max: 50 * 1024 * 1024,
            handshake_timeout: Duration::from_secs(15),
            tick_interval: Duration::from_secs(30),
            ping_interval: Duration::from_secs(25),
            drain_timeout: Duration::from_secs(2),
        }
    }
}
