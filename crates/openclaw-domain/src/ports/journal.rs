//! Port: the run journal.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use crate::conversation::Turn;
use crate::delivery::Delivery;
use crate::event::{Recorded, RunEvent};
use crate::ids::{CallId, Epoch, RunId, Seq, SessionKey, Timestamp};
use crate::question::Answer;
use crate::run::{Outcome, RunRequest, Status};
use crate::scratch::KeptScratch;
use crate::session::Entry;

/// Records what runs did. Production: `store::sqlite`.
///
/// Appends of one run are totally ordered by [`Seq`]; a writer whose epoch is
/// not the run's is refused ([`Error::Fenced`]). Dropping a returned future does
/// not undo a write that was already queued.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Records an accepted input durably and claims the run for `owner`, or says
    /// that the same request is known. Idempotent by (session, run id), and by
    /// the channel's message when the request names one.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when the id is known for another request.
    async fn admit(&self, admission: Admission) -> Result<Admitted, Error>;

    /// Takes over a run that another owner left, and appends `claimed`. The
    /// claim holds for [`crate::lease::TTL`] unless it is renewed.
    ///
    /// # Errors
    /// [`Error::Ended`] when there is nothing to take over.
    async fn claim(&self, session: &SessionKey, run: &RunId, owner: &str) -> Result<(Epoch, Seq), Error>;

    /// Takes over a run as [`Journal::claim`] does, if its lease has expired by
    /// the store's clock.
    ///
    /// # Errors
    /// [`Error::Fenced`] when its owner has renewed the lease meanwhile.
    async fn take_over(&self, session: &SessionKey, run: &RunId, owner: &str) -> Result<(Epoch, Seq), Error>;

    /// Extends the leases of all runs of an owner to `ttl` from now, by the
    /// store's clock; returns how many there are.
    ///
    /// # Errors
    /// When the store fails.
    async fn renew(&self, owner: &str, ttl: Duration) -> Result<usize, Error>;

    /// Lists runs whose owner has let its lease expire by the store's clock,
    /// the longest expired first.
    ///
    /// # Errors
    /// When the store fails.
    async fn expired(&self, limit: usize) -> Result<Vec<RunRecord>, Error>;

    /// Lists what children of a run have answered to calls that have no result
    /// yet. An answer goes with the commit of the call's `ToolEnded`.
    ///
    /// # Errors
    /// When the store fails.
    async fn mail(&self, session: &SessionKey, run: &RunId) -> Result<Vec<Mail>, Error>;

    /// Appends events, transcript entries and a new status in one transaction.
    /// Returns when the batch is committed; with [`Durability::Barrier`], synced.
    ///
    /// # Errors
    /// [`Error::Fenced`] when another owner has the run.
    async fn append(&self, batch: Batch) -> Result<Vec<Entry>, Error>;

    /// Reads events of a run after `after`, oldest first.
    ///
    /// # Errors
    /// [`Error::NoSuchRun`].
    async fn events(&self, session: &SessionKey, run: &RunId, after: Seq, limit: usize)
    -> Result<Vec<Recorded>, Error>;

    /// Lists calls with effect `keyed` or `once` that were dispatched and whose
    /// outcome is not known.
    ///
    /// # Errors
    /// When the store fails.
    async fn open_actions(&self) -> Result<Vec<OpenAction>, Error>;

    /// Records what somebody found out about a call whose run has ended: the
    /// action is not blocked any more, unless the answer is that nobody knows.
    /// False when its outcome is known already.
    ///
    /// # Errors
    /// [`Error::NoSuchRun`].
    async fn settle_action(
        &self,
        session: &SessionKey,
        run: &RunId,
        call: &CallId,
        answer: Answer,
    ) -> Result<bool, Error>;

    /// Keeps a checkpoint in place of the run's earlier ones. Losing it loses nothing.
    ///
    /// # Errors
    /// [`Error::Fenced`] when another owner has the run.
    async fn keep_checkpoint(
        &self,
        session: &SessionKey,
        run: &RunId,
        epoch: Epoch,
        checkpoint: Checkpoint,
    ) -> Result<(), Error>;

    /// Returns the newest checkpoint of a run; a damaged one counts as none.
    ///
    /// # Errors
    /// When the store fails.
    async fn checkpoint(&self, session: &SessionKey, run: &RunId) -> Result<Option<Checkpoint>, Error>;

    /// Keeps the files of a run's instance as they are at a position, beside
    /// those of earlier positions; a store keeps a bounded number of them, the
    /// newest of a run that has not ended always. What is there already is not
    /// written again.
    ///
    /// # Errors
    /// [`Error::Fenced`] when another owner has the run.
    async fn keep_scratch(
        &self,
        session: &SessionKey,
        run: &RunId,
        epoch: Epoch,
        kept: KeptScratch,
    ) -> Result<(), Error>;

    /// Returns the newest files of a run's instance that were kept at `through`
    /// or before; damaged ones count as none.
    ///
    /// # Errors
    /// When the store fails.
    async fn scratch(&self, session: &SessionKey, run: &RunId, through: Seq) -> Result<Option<KeptScratch>, Error>;

    /// Lists runs: those not ended, or all of a session, newest first.
    ///
    /// # Errors
    /// When the store fails.
    async fn runs(
        &self,
        session: Option<&SessionKey>,
        unfinished_only: bool,
        limit: usize,
    ) -> Result<Vec<RunRecord>, Error>;

    /// Lists runs that have not ended, oldest first, each with its first event:
    /// what a start needs to know of them. Stores that can read it at once do.
    ///
    /// # Errors
    /// When the store fails.
    async fn unfinished(&self, limit: usize) -> Result<Vec<(RunRecord, Option<RunEvent>)>, Error> {
        let mut found = Vec::new();
        for record in self.runs(None, true, limit).await?.into_iter().rev() {
            let first = self.events(&record.session, &record.id, Seq(0), 1).await?;
            found.push((record, first.into_iter().next().map(|recorded| recorded.event)));
        }
        Ok(found)
    }
}

/// A call to the world whose outcome is not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAction {
    /// [`RunEvent::ToolIntent`]'s `action`.
    pub action: String,
    /// The session it was called for.
    pub session: SessionKey,
    /// The run that called.
    pub run: RunId,
    /// The call.
    pub call: CallId,
    /// The tool.
    pub tool: String,
}

/// How a child ended, kept for the call that waits for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mail {
    /// The call of the parent.
    pub call: CallId,
    /// The child's session.
    pub session: SessionKey,
    /// The child.
    pub run: RunId,
    /// How it ended.
    pub outcome: Outcome,
    /// When it ended.
    pub at: Timestamp,
}

/// A run's state at one position, so that recovery reads only what came after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last event that is folded in.
    pub seq: Seq,
    /// The state, in a form of the engine's own.
    pub body: Bytes,
    /// When it was made.
    pub at: Timestamp,
}

/// An input to be accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Admission {
    /// The request.
    pub request: RunRequest,
    /// First events: `accepted`, and `claimed` when it starts at once.
    pub events: Vec<RunEvent>,
    /// Whether the input joins the transcript now (false: it waits in a queue).
    pub transcript: bool,
    /// Owner, when the run starts at once; `None` leaves it queued.
    pub owner: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What became of an admission.
#[derive(Debug, Clone, PartialEq)]
pub enum Admitted {
    /// It is recorded.
    New {
        /// Epoch to write with.
        epoch: Epoch,
        /// Position of the last event written.
        seq: Seq,
        /// The transcript entry, when it joined the transcript.
        entry: Option<Entry>,
    },
    /// The same request is recorded already.
    Known(Box<RunRecord>),
}

/// Facts to record together.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The run's session.
    pub session: SessionKey,
    /// The run.
    pub run: RunId,
    /// The writer's epoch.
    pub epoch: Epoch,
    /// Position of the first event; the batch is refused if it is taken.
    pub first: Seq,
    /// The events, at consecutive positions.
    pub events: Vec<RunEvent>,
    /// Turns that join the transcript.
    pub entries: Vec<Turn>,
    /// A transcript entry whose calls got results: the turn that replaces it.
    /// (The entry was written with its calls open.)
    pub amended: Option<(u64, Turn)>,
    /// The run's new status.
    pub status: Option<Status>,
    /// The outcome, with a final status.
    pub outcome: Option<Box<Outcome>>,
    /// What is to be sent once this is committed.
    pub deliveries: Vec<Delivery>,
    /// When.
    pub at: Timestamp,
    /// How sure the writer must be.
    pub durability: Durability,
}

/// How sure a writer must be before it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Committed; survives a crash of the process.
    Committed,
    /// Synced; survives a power cut. For what is said or done to the world.
    Barrier,
}

/// A run as the journal knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// Its session.
    pub session: SessionKey,
    /// Where it is in its life.
    pub status: Status,
    /// The owner's epoch.
    pub epoch: Epoch,
    /// Position of its last event.
    pub seq: Seq,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Anything else worth showing.
    pub details: Value,
}

/// Why the journal refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Another owner has the run.
    #[error("run {0} belongs to another owner now")]
    Fenced(RunId),
    /// The run has ended.
    #[error("run {0} has ended")]
    Ended(RunId),
    /// The run is not known.
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
    /// The same action of another call has no known outcome.
    #[error("call {call} of run {run} did the same and its outcome is not known")]
    Blocked {
        /// The run that called.
        run: RunId,
        /// Its call.
        call: CallId,
    },
    /// The id was used for another request.
    #[error("idempotency key {0} was used for a different request")]
    Mismatch(RunId),
    /// The store is full.
    #[error("no space left to record run {0}")]
    Full(RunId),
    /// The store failed.
    #[error("journal: {0}")]
    Store(String),
}
