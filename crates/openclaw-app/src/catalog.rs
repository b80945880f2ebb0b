//! What is configured: agents, models and tools, behind the port `Catalog`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use openclaw_config::Home;
use openclaw_domain::catalog::{Agent, Compacting, ModelInfo, UnknownOutcome};
use openclaw_domain::model::{ModelChoice, Thinking};
use openclaw_domain::ports::{Catalog, Gate};
use openclaw_domain::tool::ToolSpec;
use openclaw_domain::{AgentId, Limits, Runtime};
use openclaw_llm::Router;
use openclaw_security::Profiles;
use serde_json::Value;

/// The catalogue of the running program; replaced as a whole on reload.
pub(crate) struct Configured {
    router: Arc<Router>,
    gate: Arc<Profiles>,
    /// All tools that exist, sorted by name.
    tools: Vec<ToolSpec>,
    inner: RwLock<Inner>,
}

struct Inner {
    agents: Vec<Agent>,
    /// The tools on offer per agent; every turn asks for them.
    offered: HashMap<AgentId, Arc<[ToolSpec]>>,
    is_confined: bool,
}

/// What the agents of a configuration are read from.
pub(crate) struct Sections<'a> {
    /// The block `agents`.
    pub(crate) agents: &'a Value,
    /// The block `tools`.
    pub(crate) tools: &'a Value,
    /// Where default workspaces are, and what `~` means.
    pub(crate) home: &'a Home,
}

impl Configured {
    /// Makes a catalogue.
    pub(crate) fn new(router: Arc<Router>, gate: Arc<Profiles>, sections: &Sections<'_>, tools: Vec<ToolSpec>) -> Self {
        let inner = Inner { agents: Vec::new(), offered: HashMap::new(), is_confined: true };
        let configured = Self { router, gate, tools, inner: RwLock::new(inner) };
        configured.replace(sections);
        configured
    }

    /// Takes over a changed configuration; the gate has it already.
    pub(crate) fn replace(&self, sections: &Sections<'_>) {
        let agents = agents(sections, &self.router);
        let offered = agents.iter().map(|agent| (agent.id.clone(), self.offered(&agent.id))).collect();
        let is_confined = is_confined(sections.tools);
        *self.inner.write().unwrap_or_else(PoisonError::into_inner) = Inner { agents, offered, is_confined };
    }

    fn offered(&self, agent: &AgentId) -> Arc<[ToolSpec]> {
        self.tools.iter().filter(|tool| self.gate.offers(agent, tool)).cloned().collect()
    }

    /// Returns an agent's folder, and whether its file tools stay inside.
    pub(crate) fn workspace(&self, agent: &AgentId) -> Option<(PathBuf, bool)> {
        let inner = self.read();
        let found = inner.agents.iter().find(|other| other.id == *agent)?;
        Some((PathBuf::from(&found.workspace), inner.is_confined))
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Catalog for Configured {
    fn agents(&self) -> Vec<Agent> {
        self.read().agents.clone()
    }

    fn agent(&self, id: &AgentId) -> Option<Agent> {
        self.read().agents.iter().find(|agent| agent.id == *id).cloned()
    }

    fn models(&self) -> Vec<ModelInfo> {
        self.router.models()
    }

    fn tools(&self, agent: &AgentId) -> Arc<[ToolSpec]> {
        self.read().offered.get(agent).cloned().unwrap_or_default()
    }
}

/// File tools stay in the workspace unless the owner says otherwise.
fn is_confined(tools: &Value) -> bool {
    tools.pointer("/fs/workspaceOnly").and_then(Value::as_bool).unwrap_or(true)
}

fn agents(sections: &Sections<'_>, router: &Router) -> Vec<Agent> {
    let defaults = &sections.agents["defaults"];
    let entries = sections.agents["entries"].as_object();
    let mut ids: Vec<(AgentId, Value)> =
        entries.into_iter().flatten().filter_map(|(id, entry)| Some((id.parse().ok()?, entry.clone()))).collect();
    if ids.is_empty() {
        ids.push((AgentId::main(), Value::Null));
    }
    let default = default_agent(defaults, &ids);
    let is_sole = ids.len() == 1;
    let mut agents: Vec<Agent> = ids
        .into_iter()
        .map(|(id, entry)| {
            let is_default = id == default;
            agent(sections, router, id, &entry, is_default, is_sole)
        })
        .collect();
    agents.sort_by(|a, b| b.is_default.cmp(&a.is_default).then_with(|| a.id.cmp(&b.id)));
    agents
}

fn default_agent(defaults: &Value, ids: &[(AgentId, Value)]) -> AgentId {
    let named =
        defaults.pointer("/systemAgent/agentId").and_then(Value::as_str).and_then(|id| id.parse::<AgentId>().ok());
    let exists = |id: &AgentId| ids.iter().any(|(other, _)| other == id);
    let main = AgentId::main();
    match named {
        Some(id) if exists(&id) => id,
        _ if exists(&main) => main,
        _ => ids.first().map_or(main, |(id, _)| id.clone()),
    }
}

fn agent(
    sections: &Sections<'_>,
    router: &Router,
    id: AgentId,
    entry: &Value,
    is_default: bool,
    is_sole: bool,
) -> Agent {
    let defaults = &sections.agents["defaults"];
    let own = |key: &str| Some(&entry[key]).filter(|value| !value.is_null());
    let either = |key: &str| own(key).or_else(|| Some(&defaults[key]).filter(|value| !value.is_null()));
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    Agent {
        name: text(own("name")).or_else(|| text(entry.pointer("/identity/name"))),
        workspace: workspace(sections, &id, own("workspace"), is_default, is_sole).display().to_string(),
        choice: choice(router, own("model"), either("thinkingDefault")),
        limits: limits(either("timeoutSeconds"), either("limits")),
        compaction: compacting(router, &defaults["compaction"]),
        emoji: text(entry.pointer("/identity/emoji")),
        runtime: Runtime::default(),
        unknown_outcome: match either("unknownOutcome").and_then(Value::as_str) {
            Some("tell") => UnknownOutcome::Tell,
            _ => UnknownOutcome::Ask,
        },
        is_default,
        id,
    }
}

fn workspace(sections: &Sections<'_>, id: &AgentId, own: Option<&Value>, is_default: bool, is_sole: bool) -> PathBuf {
    let expand = |path: &str| sections.home.expand(path);
    if let Some(path) = own.and_then(Value::as_str) {
        return expand(path);
    }
    let root = sections.agents.pointer("/defaults/workspace").and_then(Value::as_str).map(expand);
    match root {
        Some(root) if is_sole || is_default => root,
        Some(root) => root.join(id.as_str()),
        None if is_sole || is_default => sections.home.workspace(),
        None => sections.home.state_dir.join(format!("workspace-{id}")),
    }
}

/// A model on an entry is strict when it is a plain name (`config.md` §2.4).
fn choice(router: &Router, own: Option<&Value>, thinking: Option<&Value>) -> ModelChoice {
    let mut choice = router.default_choice();
    let name = |value: &Value| value.as_str().and_then(|text| router.resolve(text));
    match own {
        Some(Value::String(text)) => {
            if let Some(primary) = router.resolve(text) {
                choice.primary = primary;
                choice.fallbacks = Vec::new();
            }
        }
        Some(Value::Object(model)) => {
            if let Some(primary) = model.get("primary").and_then(name) {
                choice.primary = primary;
            }
            if let Some(fallbacks) = model.get("fallbacks").and_then(Value::as_array) {
                choice.fallbacks = fallbacks.iter().filter_map(name).collect();
            }
        }
        _ => {}
    }
    let level = thinking.and_then(Value::as_str).and_then(|text| text.parse::<Thinking>().ok());
    choice.thinking = level.or(choice.thinking);
    choice
}

/// Reads `agents.defaults.compaction`.
fn compacting(router: &Router, section: &Value) -> Compacting {
    let defaults = Compacting::default();
    let number = |key: &str| section[key].as_u64();
    let turns = number("recentTurnsPreserve").and_then(|turns| usize::try_from(turns).ok());
    Compacting {
        is_automatic: section["enabled"].as_bool().unwrap_or(defaults.is_automatic),
        keep_tokens: number("keepRecentTokens").unwrap_or(defaults.keep_tokens),
        keep_turns: turns.unwrap_or(defaults.keep_turns),
        model: section["model"].as_str().and_then(|name| router.resolve(name)),
        timeout: number("timeoutSeconds").map_or(defaults.timeout, Duration::from_secs),
    }
}

fn limits(timeout_seconds: Option<&Value>, own: Option<&Value>) -> Limits {
    let defaults = Limits::default();
    let number = |key: &str| own.and_then(|own| own[key].as_u64());
    let small = |key: &str, default: u32| number(key).and_then(|n| u32::try_from(n).ok()).unwrap_or(default).max(1);
    Limits {
        iterations_max: small("maxTurns", defaults.iterations_max),
        identical_calls_max: small("maxIdenticalCalls", defaults.identical_calls_max),
        errors_in_row_max: small("maxErrorsInRow", defaults.errors_in_row_max),
        tokens_max: number("maxTokens").unwrap_or(defaults.tokens_max).max(1),
        duration_max: timeout_seconds.and_then(Value::as_u64).map_or(defaults.duration_max, Duration::from_secs),
        parallel_tools_max: number("maxParallelTools")
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(defaults.parallel_tools_max),
        cost_usd_max: own.and_then(|own| own["maxCostUsd"].as_f64()),
    }
}
