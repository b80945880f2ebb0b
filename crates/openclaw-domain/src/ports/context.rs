//! Port: text placed before the model.

use async_trait::async_trait;

use crate::fault::Fault;
use crate::ids::{AgentId, SessionKey, Timestamp};

/// What a prompt is being built for.
#[derive(Debug, Clone)]
pub struct ContextRequest {
    /// The agent.
    pub agent: AgentId,
    /// The session.
    pub session: SessionKey,
    /// What was said last.
    pub input: String,
    /// Names of the tools on offer.
    pub tools: Vec<String>,
    /// The time, for the date line.
    pub now: Timestamp,
    /// Where tools work, when that is not the agent's workspace.
    pub scratch: Option<String>,
    /// Leave out what changes with the clock: the same request has the same prompt.
    pub is_deterministic: bool,
}

/// Builds the system prompt. Production: `context::Assembler`.
#[async_trait]
pub trait ContextSource: Send + Sync {
    /// Returns the system prompt in sections, the most stable first.
    ///
    /// # Errors
    /// When a workspace file that must be there cannot be read.
    async fn assemble(&self, request: &ContextRequest) -> Result<Vec<String>, Fault>;
}
