//! What a session's actor is told.

use std::collections::BTreeMap;
use std::time::Duration;

use openclaw_domain::approval::{Approval, Decision};
use openclaw_domain::compaction::Kept;
use openclaw_domain::ports::{Compacted, RunRecord, Snapshotted};
use openclaw_domain::run::{Outcome, Started};
use openclaw_domain::session::Session;
use openclaw_domain::{Answer, CallId, Fault, Question, RunId, RunRequest, Runtime, Seq, Timestamp};
use tokio::sync::oneshot;

use crate::step::RunState;

/// What a session's actor is told.
pub(crate) enum Command {
    /// Accept this input.
    Start { request: Box<RunRequest>, reply: oneshot::Sender<Result<Started, Fault>> },
    /// Stop this run, or all of the session.
    Abort { run: Option<RunId>, by: String, reply: oneshot::Sender<Vec<RunId>> },
    /// A person answered a question.
    Resolve { id: String, decision: Decision, by: String },
    /// A person said what became of a call.
    Answer { id: String, answer: Answer, by: String },
    /// Keep a checkpoint of this run, if it works.
    Snapshot { run: RunId, reply: oneshot::Sender<Snapshotted> },
    /// Show older turns as a summary.
    Compact { reply: oneshot::Sender<Result<Compacted, Fault>> },
    /// Show turns again.
    UndoCompaction { id: u64, by: String, reply: oneshot::Sender<Result<Kept, Fault>> },
    /// Read these unfinished runs, oldest first, and take them up.
    TakeUp(Vec<RunRecord>),
    /// Take up what an earlier process left: a run in the middle, and input that waits.
    Recover(Box<Recovered>),
    /// Drop everything and end.
    Stop,
}

/// What an earlier process left in one session.
#[derive(Default)]
pub(crate) struct Recovered {
    /// The run in the middle of its work; a session has at most one.
    pub(crate) interrupted: Option<Interrupted>,
    /// Input that never began.
    pub(crate) waiting: Vec<RunRequest>,
    /// Input another run took in, with that run's outcome if it has ended.
    pub(crate) joined: Vec<(RunRequest, Option<Outcome>)>,
}

impl Interrupted {
    /// Returns the inputs that joined it, used or not.
    pub(crate) fn taken_in(&self) -> Vec<RunId> {
        let given = self.state.steered.iter().map(|(id, _)| id);
        self.state.carried.iter().chain(given).cloned().collect()
    }
}

/// A run in the middle of its work.
pub(crate) struct Interrupted {
    pub(crate) request: RunRequest,
    pub(crate) session: Session,
    /// Position of the last event that is folded in.
    pub(crate) seq: Seq,
    pub(crate) state: RunState,
    pub(crate) written: usize,
    pub(crate) head: u64,
    pub(crate) open_entry: Option<(u64, usize)>,
    pub(crate) asked: Vec<Approval>,
    pub(crate) unsure: Vec<Question>,
    /// When each call was dispatched last.
    pub(crate) started: BTreeMap<CallId, Timestamp>,
    /// What serves it.
    pub(crate) runtime: Runtime,
    /// How long it had worked.
    pub(crate) worked: Duration,
    /// Whether it is taken from another process whose lease has expired.
    pub(crate) is_expired: bool,
}
