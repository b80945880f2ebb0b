//! What outlives the server: the journal, the effects of tools, and the clients' notes.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use openclaw_domain::ids::{RunId, SessionKey};
use openclaw_testkit::memory::Store;

use super::seen::Seen;
use super::simulation::Planted;

/// Where the server listens.
pub(super) const PORT: u16 = 4100;

/// The server's name in the network.
pub(super) const SERVER: &str = "server";

/// Everything that is not the server's memory.
pub(super) struct World {
    pub(super) store: Arc<Store>,
    pub(super) planted: Option<Planted>,
    state: Mutex<State>,
}

/// What happened so far.
pub(super) struct State {
    rng: Rng,
    /// Starts of the server.
    pub(super) boots: u32,
    /// Calls that reached the outside.
    pub(super) dispatches: Vec<Dispatch>,
    /// Inputs that were acknowledged: session, run, text.
    pub(super) accepted: Vec<(SessionKey, RunId, String)>,
    /// What each follower has seen at the end of a run.
    pub(super) seen: Vec<(SessionKey, RunId, Seen)>,
    /// Connections that followers made.
    pub(super) connections: usize,
}

/// A call that reached the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dispatch {
    pub(super) tool: String,
    pub(super) arguments: String,
    pub(super) key: String,
}

impl World {
    pub(super) fn new(seed: u64, planted: Option<Planted>) -> Self {
        let state = State {
            rng: Rng::with_seed(seed),
            boots: 0,
            dispatches: Vec::new(),
            accepted: Vec::new(),
            seen: Vec::new(),
            connections: 0,
        };
        Self { store: Arc::new(Store::new()), planted, state: Mutex::new(state) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws a number.
    pub(super) fn draw(&self, range: Range<u64>) -> u64 {
        self.state().rng.u64(range)
    }

    /// Waits for a time drawn from so many milliseconds.
    pub(super) async fn lag(&self, millis: Range<u64>) {
        let millis = self.draw(millis);
        if millis > 0 {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
    }

    /// Tells whether a defect was planted.
    pub(super) fn has(&self, planted: Planted) -> bool {
        self.planted == Some(planted)
    }
}
