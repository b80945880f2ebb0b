//! Port: a tool.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Clock, Files, Grants, Memories, Net, Processes, Runs, Sessions, Variables};
use crate::gate::Permit;
use crate::ids::{AgentId, RunId, SessionKey};
use crate::message::ToolCall;
use crate::tool::{Error, Probed, Progress, ToolOutput, ToolSpec};

/// Does one kind of thing for a model. Production: `tools::ALL`.
///
/// A tool touches the world only through the ports of [`ToolCx`]. Dropping the
/// future of `run` must leave nothing running.
#[async_trait]
pub trait Tool: Send + Sync {
    /// Describes the tool.
    fn spec(&self) -> &ToolSpec;

    /// Runs the call the permit was made for, and consumes the permit.
    ///
    /// # Errors
    /// See [`Error`]: tell the model, or end the run.
    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error>;

    /// Finds out, without changing anything, whether a call that was dispatched
    /// by a process that is gone happened. Asked only for calls that must not
    /// be repeated.
    async fn probe(&self, _call: &ToolCall, _cx: &ToolCx) -> Probed {
        Probed::Unknown
    }

    /// How long whoever is called keeps idempotency keys; a keyed call older
    /// than that is not repeated. `None` means for good.
    fn keys_kept(&self) -> Option<Duration> {
        None
    }
}

/// What a tool may use.
#[derive(Clone)]
pub struct ToolCx {
    /// The agent it works for.
    pub agent: AgentId,
    /// The session it works for.
    pub session: SessionKey,
    /// The run it works for.
    pub run: RunId,
    /// The session at the root of the run's lineage; the session itself when
    /// nobody waits for the run.
    pub root: SessionKey,
    /// Key of this call, stable over attempts; for services that take one.
    pub idempotency_key: String,
    /// The agent's workspace.
    pub files: Arc<dyn Files>,
    /// Programs.
    pub processes: Arc<dyn Processes>,
    /// Hosts outside.
    pub net: Arc<dyn Net>,
    /// Sessions.
    pub sessions: Arc<dyn Sessions>,
    /// Variables.
    pub variables: Arc<dyn Variables>,
    /// What was remembered.
    pub memories: Arc<dyn Memories>,
    /// Standing permissions, to list them.
    pub grants: Arc<dyn Grants>,
    /// Other runs.
    pub runs: Arc<dyn Runs>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where signs of life go.
    pub progress: ProgressSink,
}

/// Takes signs of life; cheap, never blocks.
pub type ProgressSink = Arc<dyn Fn(Progress) + Send + Sync>;
