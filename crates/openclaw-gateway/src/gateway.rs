//! What all connections share.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use openclaw_domain::Timestamp;
use openclaw_protocol::error::close;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::limiter::{Limiter, WriteLimit};
use crate::client::{Client, Role};
use crate::health::Health;
use crate::hub::Hub;
use crate::options::{Options, Ports};

/// The running gateway.
pub(crate) struct Gateway {
    pub(crate) options: Options,
    pub(crate) ports: Ports,
    pub(crate) hub: Arc<Hub>,
    pub(crate) boot_id: String,
    pub(crate) started_at: Timestamp,
    pub(crate) started: Duration,
    pub(crate) limiter: Limiter,
    pub(crate) health: Health,
    pub(crate) addresses: OnceLock<Vec<SocketAddr>>,
    /// Places for WebSockets that have not shown who they are.
    pub(crate) handshakes: Arc<Semaphore>,
    /// Connections, HTTP and WebSocket.
    pub(crate) tasks: TaskTracker,
    /// Cancelled at shutdown, before connections are closed.
    pub(crate) stopping: CancellationToken,
    /// Slows down changes of the configuration.
    pub(crate) writes: WriteLimit,
}

impl Gateway {
    pub(crate) fn uptime_ms(&self) -> u64 {
        let up = self.ports.clock.monotonic().saturating_sub(self.started);
        u64::try_from(up.as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// Stops accepting and asks every connection to close.
    pub(crate) fn stop(&self) {
        // First the flag: whoever joins after the loop sees it.
        self.stopping.cancel();
        for client in self.hub.clients().iter() {
            client.queue.close(close::RESTART, "service restart");
        }
    }

    /// Returns the port other programs reach us at.
    pub(crate) fn port(&self) -> Option<u16> {
        self.addresses.get().and_then(|addresses| addresses.first()).map(SocketAddr::port)
    }

    /// Returns the default agent's id.
    pub(crate) fn default_agent(&self) -> openclaw_domain::AgentId {
        let agents = self.ports.catalog.agents();
        let default = agents.iter().find(|agent| agent.is_default).or(agents.first());
        default.map_or_else(openclaw_domain::AgentId::main, |agent| agent.id.clone())
    }

    /// Returns the presence list: this gateway, then the clients.
    pub(crate) fn presence(&self) -> Vec<Value> {
        let version = &self.options.version;
        let host = self.options.machine.host();
        let text = format!("Gateway: {host} · app {version} · mode gateway · reason self");
        let own = json!({ "host": host, "version": version, "platform": std::env::consts::OS, "mode": "gateway",
            "reason": "self", "instanceId": self.boot_id, "text": text, "ts": self.started_at });
        let mut list = vec![own];
        list.extend(self.hub.clients().iter().map(|client| presence_of(client)));
        list
    }
}

fn presence_of(client: &Client) -> Value {
    let info = &client.info;
    let host = info.display_name.as_deref().unwrap_or(&info.id);
    let mut row = json!({ "host": host, "version": info.version, "platform": info.platform, "mode": info.mode,
        "reason": "connect", "roles": [client.role.as_str()], "onlineSince": client.connected_at,
        "ts": client.connected_at, "text": format!("Client: {host} · mode {}", info.mode) });
    if client.role == Role::Operator && !client.scopes.is_empty() {
        row["scopes"] = json!(client.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>());
    }
    for (name, value) in
        [("instanceId", &info.instance_id), ("deviceFamily", &info.device_family), ("deviceId", &client.device)]
    {
        if let Some(value) = value {
            row[name] = json!(value);
        }
    }
    row
}
