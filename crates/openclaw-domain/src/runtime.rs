//! How an agent's requests share, or do not share, an instance (C1 to C4).

use std::time::Duration;

use serde::{Deserialize, Serialize};

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
