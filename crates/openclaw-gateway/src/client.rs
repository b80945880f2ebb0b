//! One connected client: who it is, what it may do, what it wants to hear.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use openclaw_domain::{RunId, SessionKey, Timestamp};
use openclaw_protocol::Scope;
use openclaw_protocol::connect::ClientInfo;
use tokio_util::sync::CancellationToken;

use crate::events::queue::Queue;
use crate::stream::feed::Name;

/// Most sessions one client follows; beyond it the request is refused.
pub(crate) const FOLLOWED_MAX: usize = 1024;

/// Where a connection comes from. Only the socket says so, never a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// An address on the network or loopback.
    Ip(IpAddr),
    /// A process of our own user, over the Unix socket.
    SameUser,
}

impl Peer {
    pub(crate) fn is_local(self) -> bool {
        match self {
            Peer::Ip(ip) => ip.to_canonical().is_loopback(),
            Peer::SameUser => true,
        }
    }
}

/// What a connection acts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Operator,
    Node,
}

impl Role {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Role::Operator => "operator",
            Role::Node => "node",
        }
    }
}

/// A client after its handshake.
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) role: Role,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) info: ClientInfo,
    pub(crate) device: Option<String>,
    pub(crate) connected_at: Timestamp,
    pub(crate) queue: Queue,
    /// Whether it gets the `tool` stream.
    pub(crate) hears_tools: bool,
    /// Whether it is told where events of runs stand.
    pub(crate) hears_cursor: bool,
    /// Whether it gets only runs of sessions it follows or speaks in.
    pub(crate) is_session_scoped: bool,
    pub(crate) interests: Mutex<Interests>,
    /// Runs it is carried, by subscription.
    pub(crate) subscriptions: Mutex<HashMap<String, Subscription>>,
    /// Calls refused because of its role; many of them close the connection.
    pub(crate) role_refusals: AtomicU64,
}

/// A run that is carried to a client.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) name: Name,
    pub(crate) stop: CancellationToken,
}

/// What a client asked to hear.
#[derive(Debug, Default)]
pub(crate) struct Interests {
    /// Changes of the session list, and all transcripts.
    pub(crate) all_sessions: bool,
    /// Transcripts.
    pub(crate) transcripts: HashSet<SessionKey>,
    /// Sessions it started runs in.
    pub(crate) spoken: HashSet<SessionKey>,
}

impl Client {
    /// Tells whether a scope is held, directly or through another.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|held| held.covers(scope))
    }

    /// Tells whether it hears the runs of a session.
    pub(crate) fn hears_run(&self, session: &SessionKey) -> bool {
        if !self.may(Scope::Read) {
            return false;
        }
        if !self.is_session_scoped {
            return true;
        }
        let interests = self.interests();
        interests.transcripts.contains(session) || interests.spoken.contains(session)
    }

    /// Tells whether a run is carried to it; then it does not hear the run otherwise.
    pub(crate) fn subscribes(&self, session: &SessionKey, run: &RunId) -> bool {
        self.subscriptions().values().any(|known| known.name.0 == *session && known.name.1 == *run)
    }

    pub(crate) fn forget_subscription(&self, id: &str) {
        self.subscriptions().remove(id);
    }

    pub(crate) fn subscriptions(&self) -> std::sync::MutexGuard<'_, HashMap<String, Subscription>> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether it hears a transcript.
    pub(crate) fn hears_transcript(&self, session: &SessionKey) -> bool {
        let interests = self.interests();
        (interests.all_sessions || interests.transcripts.contains(session)) && self.may(Scope::Read)
    }

    /// Tells whether it hears changes of the session list.
    pub(crate) fn hears_sessions(&self) -> bool {
        self.interests().all_sessions && self.may(Scope::Read)
    }

    pub(crate) fn interests(&self) -> std::sync::MutexGuard<'_, Interests> {
        self.interests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call its role does not allow and returns how many there were.
    pub(crate) fn refused_for_role(&self) -> u64 {
        self.role_refusals.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Returns a name for records: the device, or the client id.
    pub(crate) fn label(&self) -> String {
        match &self.device {
            Some(device) => format!("{}:{}", self.info.id, &device[..device.len().min(12)]),
            None => self.info.id.clone(),
        }
    }
}
