//! Agents, models and tools on the wire.

use openclaw_domain::catalog::{Agent, ModelInfo};
use openclaw_domain::tool::{Capability, ToolSpec};
use serde_json::{Value, json};

/// Returns a model; `is_default` marks the default agent's choice.
pub(crate) fn model(info: &ModelInfo, is_default: bool) -> Value {
    let mut row = json!({ "id": info.model.model, "name": info.name, "provider": info.model.provider,
        "reasoning": info.reasons, "available": info.is_available,
        "input": if info.sees { json!(["text", "image"]) } else { json!(["text"]) } });
    if let Some(tokens) = info.context_window.filter(|tokens| *tokens > 0) {
        row["contextWindow"] = json!(tokens);
    }
    if is_default {
        row["tags"] = json!(["default"]);
    }
    let levels: Vec<_> =
        info.thinking.iter().map(|level| json!({ "id": level.as_str(), "label": level.as_str() })).collect();
    if !levels.is_empty() {
        row["thinkingLevels"] = json!(levels);
    }
    row
}

/// Returns an agent.
pub(crate) fn agent(agent: &Agent) -> Value {
    let fallbacks: Vec<String> = agent.choice.fallbacks.iter().map(ToString::to_string).collect();
    let mut row = json!({ "id": agent.id, "workspace": agent.workspace,
        "model": { "primary": agent.choice.primary.to_string(), "fallbacks": fallbacks } });
    if let Some(name) = agent.name.as_deref().filter(|name| !name.is_empty()) {
        row["name"] = json!(name);
    }
    if let Some(emoji) = agent.emoji.as_deref().filter(|emoji| !emoji.is_empty()) {
        row["identity"] = json!({ "emoji": emoji });
    }
    if let Some(thinking) = agent.choice.thinking {
        row["thinkingDefault"] = json!(thinking.as_str());
    }
    row
}

/// Returns tools grouped by what they touch, each made by `entry`.
pub(crate) fn groups(tools: &[ToolSpec], entry: impl Fn(&ToolSpec) -> Value) -> Vec<Value> {
    let all = [
        (Capability::FsRead, "fs-read", "Read files"),
        (Capability::FsWrite, "fs-write", "Write files"),
        (Capability::Exec, "exec", "Run programs"),
        (Capability::NetRead, "web", "Web"),
        (Capability::Runtime, "runtime", "Sessions and memory"),
        (Capability::Message, "message", "Messages"),
    ];
    let group = |(capability, id, label): (Capability, &str, &str)| {
        let rows: Vec<Value> = tools.iter().filter(|tool| tool.capability == capability).map(&entry).collect();
        (!rows.is_empty()).then(|| json!({ "id": id, "label": label, "source": "core", "tools": rows }))
    };
    all.into_iter().filter_map(group).collect()
}

/// Returns a tool of the catalogue.
pub(crate) fn tool(spec: &ToolSpec) -> Value {
    json!({ "id": spec.name, "label": spec.name, "description": spec.description, "source": "core",
        "defaultProfiles": ["full"] })
}

/// Returns a tool a session has.
pub(crate) fn effective_tool(spec: &ToolSpec) -> Value {
    json!({ "id": spec.name, "label": spec.name, "description": spec.description.lines().next().unwrap_or_default(),
        "rawDescription": spec.description, "source": "core" })
}
