//! Ports: starting, stopping and watching work.

use async_trait::async_trait;

use crate::approval::{Approval, Decision};
use crate::fault::Fault;
use crate::ids::{RunId, SessionKey};
use crate::ports::OpenAction;
use crate::question::{Answer, Question};
use crate::run::{Abort, ActiveRun, Outcome, RunRequest, Started};
use crate::runtime::Instance;

/// Starts and stops runs. Production: `agent::Engine`. Every trigger ends here.
#[async_trait]
pub trait Runs: Send + Sync {
    /// Accepts a request durably and starts or queues it. Returns once the input
    /// cannot be lost. The same request again starts nothing.
    ///
    /// # Errors
    /// `Conflict` for a reused key, `Unavailable` when queues are full or the
    /// process is stopping, `NotFound` for an unknown agent.
    async fn start(&self, request: RunRequest) -> Result<Started, Fault>;

    /// Stops runs; returns those that were stopped. Unknown ones are not an error.
    ///
    /// # Errors
    /// When the journal fails.
    async fn abort(&self, abort: Abort) -> Result<Vec<RunId>, Fault>;

    /// Waits for a run to end; `None` when no such run is known. Callers add a timeout.
    ///
    /// # Errors
    /// When the journal fails.
    async fn wait(&self, session: Option<&SessionKey>, run: &RunId) -> Result<Option<Outcome>, Fault>;

    /// Lists runs that have not ended.
    fn active(&self, session: Option<&SessionKey>) -> Vec<ActiveRun>;

    /// Lists the instances that serve one request each, oldest first.
    fn instances(&self) -> Vec<Instance> {
        Vec::new()
    }
}

/// Permissions that wait for a person. Production: `agent::Engine`.
#[async_trait]
pub trait Approvals: Send + Sync {
    /// Lists pending questions, oldest first.
    fn pending(&self) -> Vec<Approval>;

    /// Answers a question; the first answer stands.
    ///
    /// # Errors
    /// `NotFound` when there is no such pending question.
    async fn resolve(&self, id: &str, decision: Decision, by: &str) -> Result<Approval, Fault>;
}

/// Unknown outcomes that wait for a person. Production: `agent::Engine`.
#[async_trait]
pub trait Questions: Send + Sync {
    /// Lists pending questions, oldest first.
    fn open(&self) -> Vec<Question>;

    /// Answers a question; the first answer stands.
    ///
    /// # Errors
    /// `NotFound` when there is no such pending question.
    async fn answer(&self, id: &str, answer: Answer, by: &str) -> Result<Question, Fault>;

    /// Lists dispatched calls whose outcome is not known, those of ended runs included.
    ///
    /// # Errors
    /// When the journal cannot be read.
    async fn unsettled(&self) -> Result<Vec<OpenAction>, Fault>;

    /// Says what became of a call of a run that has ended; false when it is known already.
    ///
    /// # Errors
    /// When the journal fails.
    async fn settle(&self, action: &OpenAction, answer: Answer) -> Result<bool, Fault>;
}
