//! How an agent's requests share, or do not share, an instance (C1 to C4).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{AgentId, InstanceId, RunId, SessionKey, Timestamp};
use crate::run::{Parent, Status};

/// What serves the requests of an agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "runtime", rename_all = "kebab-case")]
pub enum Runtime {
    /// One turn of a session at a time; the conversation goes on.
    #[default]
    SessionBound,
    /// Every request has an instance of its own, which ends with it.
    ThreadBound(ThreadBound),
}

/// The terms of an instance that serves one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadBound {
    /// Temperature 0, a fixed seed, sorted tools and a frozen view of the session.
    pub deterministic: bool,
    /// Whether the scratch directory goes when the request ends.
    pub auto_destroy: bool,
    /// The instance ends after this long, waiting for people included.
    pub duration_max: Duration,
    /// Instances of the agent at once; more requests wait.
    pub concurrent_max: usize,
}

impl Default for ThreadBound {
    fn default() -> Self {
        Self { deterministic: false, auto_destroy: true, duration_max: Duration::from_secs(300), concurrent_max: 10 }
    }
}

impl Runtime {
    /// Returns the terms of an instance, when every request has its own.
    pub fn thread_bound(&self) -> Option<&ThreadBound> {
        match self {
            Runtime::SessionBound => None,
            Runtime::ThreadBound(terms) => Some(terms),
        }
    }
}

/// An instance that lives, as surfaces show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// The agent.
    pub agent: AgentId,
    /// The request it serves.
    pub run: RunId,
    /// The session its answer joins.
    pub session: SessionKey,
    /// Where it is in its life.
    pub status: Status,
    /// When the request was accepted.
    pub accepted_at: Timestamp,
    /// How long it may still work; `None` while it waits for a free place.
    pub left: Option<Duration>,
    /// Absolute path of its scratch directory, once it has one.
    pub scratch: Option<String>,
    /// The terms it works on.
    pub terms: ThreadBound,
}

/// Work for several agents at once.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolTask {
    /// Idempotency key, chosen by the caller.
    pub id: RunId,
    /// Who works on it; one run each.
    pub agents: Vec<AgentId>,
    /// What is to be done.
    pub task: String,
    /// The runs that have not ended by then are stopped; `None` means the pool's own limit.
    pub timeout: Option<Duration>,
    /// The call that waits for the answers; its run's end stops what is left.
    pub parent: Option<Parent>,
}

/// How many runs there may be at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concurrency {
    /// Runs over all sessions; those of a pool or of their own instance not counted.
    pub runs_max: usize,
    /// Runs of pool tasks.
    pub pool_max: usize,
    /// Runs of one pool task.
    pub task_max: usize,
    /// How long a pool task may take.
    pub task_timeout: Duration,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { runs_max: 64, pool_max: 10, task_max: 3, task_timeout: Duration::from_secs(30) }
    }
}
