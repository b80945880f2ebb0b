//! Port: several agents on one task, within the bounds of a pool (C5).

use async_trait::async_trait;
use futures_core::future::BoxFuture;

use crate::fault::Fault;
use crate::run::Outcome;
use crate::runtime::PoolTask;
use crate::{AgentId, RunId, SessionKey};

/// Runs a task by several agents at once. Production: `agent::Engine`.
#[async_trait]
pub trait Pool: Send + Sync {
    /// Accepts one run per agent durably. The same task again starts nothing
    /// and waits for the same runs.
    ///
    /// # Errors
    /// `NotFound` for an unknown agent, `User` for a task without agents or
    /// with too many, `Conflict` for a reused key; then nothing is started.
    async fn execute(&self, task: PoolTask) -> Result<Execution, Fault>;
}

/// A task that was accepted.
pub struct Execution {
    /// One run per agent, in the order they were named.
    pub children: Vec<Child>,
    /// All outcomes, in the same order. The work goes on when this is dropped.
    pub ended: BoxFuture<'static, Vec<Option<Outcome>>>,
}

/// One agent's part of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// The agent.
    pub agent: AgentId,
    /// The session made for it.
    pub session: SessionKey,
    /// Its run.
    pub run: RunId,
}
