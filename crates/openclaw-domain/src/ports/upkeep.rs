//! Ports: what keeps long work going, by hand.

use async_trait::async_trait;

use crate::fault::Fault;
use crate::ids::{RunId, Seq, SessionKey, Timestamp};

/// Keeps checkpoints of runs on demand. Production: `agent::Engine`.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Keeps a checkpoint of a run: now, or, while a tool or the model works, at
    /// its next step. Losing a checkpoint loses nothing; it makes recovery quick.
    ///
    /// # Errors
    /// `NotFound` when no such run works.
    async fn snapshot(&self, run: &RunId) -> Result<Snapshotted, Fault>;
}

/// How far a run is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshotted {
    /// The run.
    pub run: RunId,
    /// Its session.
    pub session: SessionKey,
    /// The last event in its newest checkpoint; 0 when it has none yet.
    pub kept: Seq,
    /// The last event of the run.
    pub head: Seq,
    /// When.
    pub at: Timestamp,
}

impl Snapshotted {
    /// Tells whether the checkpoint holds all that happened.
    pub fn is_current(&self) -> bool {
        self.kept >= self.head
    }
}
