//! Port: what keeps long work going, by hand.

use async_trait::async_trait;

use super::RunRecord;
use crate::compaction::Kept;
use crate::fault::Fault;
use crate::ids::{RunId, Seq, SessionKey, Timestamp};
use crate::scratch::LeftOut;

/// Keeps checkpoints of runs and summaries of sessions on demand. Production: `agent::Engine`.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Keeps a checkpoint of a run: now, or, while a tool or the model works, at
    /// its next step. Losing a checkpoint loses nothing; it makes recovery quick.
    ///
    /// # Errors
    /// `NotFound` when no such run works.
    async fn snapshot(&self, run: &RunId) -> Result<Snapshotted, Fault>;

    /// Sees to it that a run which nobody works on is worked on: one that was
    /// interrupted, whose owner is gone or whose lease expired. It is known to
    /// [`super::Runs`] when this returns, and begins when there is a place for it.
    ///
    /// # Errors
    /// `Conflict` when another process works on it; when the journal cannot be read.
    async fn take_up(&self, run: &RunRecord) -> Result<TakeUp, Fault>;

    /// Shows the older turns of a session to the model as a summary: now, or,
    /// while a run works, before its next model call.
    ///
    /// # Errors
    /// When there is no such session or the store fails; the turns are shown as before then.
    async fn compact(&self, session: &SessionKey) -> Result<Compacted, Fault>;

    /// Shows turns again that a compaction stands for.
    ///
    /// # Errors
    /// `NotFound` when there is no such compaction, `Conflict` while a run works.
    async fn undo_compaction(&self, session: &SessionKey, id: u64, by: &str) -> Result<Kept, Fault>;
}

/// What became of a wish that a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeUp {
    /// This process works on it already, or it waits here for its turn.
    Held,
    /// Nobody worked on it; this process does now.
    Taken,
}

/// What became of a wish to make a conversation shorter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compacted {
    /// It is shorter now.
    Done(Box<Kept>),
    /// A run works; it happens before its next model call.
    Due,
    /// There is nothing that a summary would make shorter.
    Nothing,
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
    /// What is kept of its instance's files; `None` when it has no instance or
    /// nothing of it was kept yet.
    pub scratch: Option<ScratchCount>,
}

/// How much of a scratch directory is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScratchCount {
    /// Files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What is not kept.
    pub left_out: LeftOut,
}

impl Snapshotted {
    /// Tells whether the checkpoint holds all that happened.
    pub fn is_current(&self) -> bool {
        self.kept >= self.head
    }
}
