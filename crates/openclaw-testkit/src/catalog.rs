//! A catalogue that holds what a test put in.

use std::sync::Arc;

use openclaw_domain::catalog::{Agent, Compacting, ModelInfo, UnknownOutcome};
use openclaw_domain::model::{ModelChoice, ModelRef};
use openclaw_domain::ports::Catalog;
use openclaw_domain::tool::ToolSpec;
use openclaw_domain::{AgentId, Limits, Runtime};

/// Catalogue of fixed agents, models and tools; every agent has all the tools.
#[derive(Debug, Clone)]
pub struct FixedCatalog {
    /// The agents, the default one first.
    pub agents: Vec<Agent>,
    /// The models.
    pub models: Vec<ModelInfo>,
    /// The tools on offer.
    pub tools: Arc<[ToolSpec]>,
}

impl Default for FixedCatalog {
    fn default() -> Self {
        let models = vec![model("scripted", "one")];
        Self { agents: vec![agent("main")], models, tools: Arc::new([]) }
    }
}

impl FixedCatalog {
    /// Makes a catalogue with the agent `main`, the model `scripted/one` and no tools.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an agent.
    #[must_use]
    pub fn with_agent(mut self, agent: Agent) -> Self {
        self.agents.push(agent);
        self
    }

    /// Sets the ceilings of all agents.
    #[must_use]
    pub fn with_limits(mut self, limits: &Limits) -> Self {
        for agent in &mut self.agents {
            agent.limits = limits.clone();
        }
        self
    }

    /// Sets what all agents do about unknown outcomes.
    #[must_use]
    pub fn with_unknown_outcome(mut self, policy: UnknownOutcome) -> Self {
        for agent in &mut self.agents {
            agent.unknown_outcome = policy;
        }
        self
    }

    /// Sets the tools, sorted by name.
    #[must_use]
    pub fn with_tools(mut self, tools: impl IntoIterator<Item = ToolSpec>) -> Self {
        let mut tools: Vec<ToolSpec> = tools.into_iter().collect();
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        self.tools = tools.into();
        self
    }
}

/// Makes an agent that uses `scripted/one` and the default ceilings.
///
/// # Panics
/// When `id` is not an agent id.
pub fn agent(id: &str) -> Agent {
    let id: AgentId = id.parse().unwrap_or_else(|error| panic!("{error}"));
    Agent {
        is_default: id == AgentId::main(),
        id,
        name: None,
        workspace: "/workspace".to_owned(),
        choice: ModelChoice { primary: ModelRef::new("scripted", "one"), fallbacks: Vec::new(), thinking: None },
        limits: Limits::default(),
        compaction: Compacting::default(),
        emoji: None,
        runtime: Runtime::default(),
        unknown_outcome: UnknownOutcome::default(),
    }
}

/// Makes an available model without a price.
pub fn model(provider: &str, id: &str) -> ModelInfo {
    ModelInfo {
        model: ModelRef::new(provider, id),
        name: id.to_owned(),
        context_window: Some(128_000),
        output_tokens_max: Some(4_096),
        reasons: false,
        sees: false,
        thinking: Vec::new(),
        price: None,
        is_available: true,
    }
}

impl Catalog for FixedCatalog {
    fn agents(&self) -> Vec<Agent> {
        self.agents.clone()
    }

    fn agent(&self, id: &AgentId) -> Option<Agent> {
        self.agents.iter().find(|agent| agent.id == *id).cloned()
    }

    fn models(&self) -> Vec<ModelInfo> {
        self.models.clone()
    }

    fn tools(&self, _agent: &AgentId) -> Arc<[ToolSpec]> {
        Arc::clone(&self.tools)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_agent_comes_first_and_others_are_found_by_id() {
        let catalog = FixedCatalog::new().with_agent(agent("coder"));
        assert!(catalog.agents()[0].is_default);
        assert_eq!(catalog.agent(&"coder".parse().unwrap()).unwrap().id.as_str(), "coder");
        assert_eq!(catalog.agent(&"other".parse().unwrap()), None);
    }
}
