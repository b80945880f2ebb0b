//! Port: what there is to choose from.

use std::sync::Arc;

use crate::catalog::{Agent, ModelInfo};
use crate::ids::AgentId;
use crate::tool::ToolSpec;

/// Answers what is configured. Production: `app::catalog`.
///
/// Answers come from memory; none of these block.
pub trait Catalog: Send + Sync {
    /// Returns the configured agents, the default one first.
    fn agents(&self) -> Vec<Agent>;

    /// Returns one agent; `None` when it is not configured.
    fn agent(&self, id: &AgentId) -> Option<Agent>;

    /// Returns the models, configured ones first.
    fn models(&self) -> Vec<ModelInfo>;

    /// Returns the tools on offer to an agent, sorted by name.
    fn tools(&self, agent: &AgentId) -> Arc<[ToolSpec]>;
}
