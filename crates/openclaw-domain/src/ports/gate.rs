//! Port: may this tool call run?

use crate::gate::{Request, Verdict};

/// Judges tool calls. Production: `security::Profiles`; only crates `security`
/// and `testkit` may implement it.
///
/// Pure: the same request gets the same verdict until the configuration changes.
pub trait Gate: Send + Sync {
    /// Judges one call, at the moment it would run.
    fn decide(&self, request: &Request) -> Verdict;

    /// Tells whether a tool is offered to an agent's model at all.
    fn offers(&self, agent: &crate::ids::AgentId, tool: &crate::tool::ToolSpec) -> bool;
}
