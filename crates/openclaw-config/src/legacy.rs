//! Older names and shapes, read as what they mean today.
//!
//! Works on the tree in memory; the file stays as its author wrote it and each
//! reading is reported once. A value under the new name always wins. Shapes
//! that cannot be translated by rule are left for the check to report.

use indexmap::IndexMap;
use serde_json::Value;

use crate::issue::Issue;
use crate::tree::{Node, Shape};

mod agents;
mod instances;
mod moves;

/// Translates every older shape it knows.
pub(crate) fn migrate(root: &mut Node) -> Vec<Issue> {
    let mut cx = Cx { issues: Vec::new() };
    if root.map().is_some() {
        moves::apply(root, &mut cx);
        instances::unwrap(root, &mut cx);
        agents::apply(root, &mut cx);
        instances::apply(root, &mut cx);
        values(root, &mut cx);
    }
    cx.issues
}

/// What a migration reports into.
struct Cx {
    issues: Vec<Issue>,
}

impl Cx {
    fn renamed(&mut self, old: &str, new: &str, node: &Node) {
        self.say(old, &format!("{old} is an older name; it is read as {new}"), Some(new.to_owned()), node);
    }

    fn dropped(&mut self, old: &str, why: &str, node: &Node) {
        self.say(old, &format!("{old} is no longer used: {why}"), None, node);
    }

    fn say(&mut self, path: &str, message: &str, suggestion: Option<String>, node: &Node) {
        self.issues.push(Issue::warning("CONFIG_LEGACY", path, message).suggesting(suggestion).located(&node.origin));
    }
}

/// Calls `visit` with the path and node of every child of an object.
fn each(root: &mut Node, parent: &str, visit: &mut dyn FnMut(&str, &mut Node)) {
    if let Some(map) = root.at_mut(parent).and_then(Node::map_mut) {
        for (key, node) in map.iter_mut() {
            visit(&format!("{parent}.{key}"), node);
        }
    }
}

/// Moves one value inside `node`; an existing new value wins and the old one goes.
fn shift(node: &mut Node, base: &str, old: &str, new: &str, cx: &mut Cx) {
    let Some(value) = node.at(old).cloned() else { return };
    let full = |name: &str| if base.is_empty() { name.to_owned() } else { format!("{base}.{name}") };
    cx.renamed(&full(old), &full(new), &value);
    let moved = match node.at_mut(new) {
        Some(known) => {
            under(known, value);
            true
        }
        None => node.put(new, value),
    };
    // A new place that cannot be made leaves the old one for the check to name.
    if moved {
        node.take(old);
    }
}

/// Merges an older value below a newer one: objects deep, else the newer stays.
fn under(known: &mut Node, older: Node) {
    if let (Shape::Map(known), Shape::Map(older)) = (&mut known.shape, older.shape) {
        for (key, node) in older {
            match known.get_mut(&key) {
                Some(known) => under(known, node),
                None => {
                    known.insert(key, node);
                }
            }
        }
    }
}

/// Words and numbers that are written differently today.
fn values(root: &mut Node, cx: &mut Cx) {
    word(root, "gateway.reload.mode", &[("hot", "hybrid"), ("restart", "hybrid")], cx);
    word(
        root,
        "gateway.bind",
        &[("127.0.0.1", "loopback"), ("localhost", "loopback"), ("::1", "loopback"), ("0.0.0.0", "lan"), ("::", "lan")],
        cx,
    );
    word(root, "memory.search.provider", &[("auto", "openai")], cx);
    word(root, "tts.provider", &[("edge", "microsoft")], cx);
    each(root, "models.providers", &mut |path, provider| {
        word_at(provider, path, "api", &[("openai", "openai-completions")], cx);
    });
    if let Some(bindings) = root.at_mut("bindings").and_then(Node::list_mut) {
        for (index, binding) in bindings.iter_mut().enumerate() {
            word_at(binding, &format!("bindings[{index}]"), "match.peer.kind", &[("dm", "direct")], cx);
        }
    }
    exec_mode(root, "", cx);
    each(root, "agents.entries", &mut |path, agent| exec_mode(agent, path, cx));
    servers(root, cx);
    flat_env(root, cx);
}

fn word(root: &mut Node, path: &str, pairs: &[(&str, &str)], cx: &mut Cx) {
    word_at(root, "", path, pairs, cx);
}

fn word_at(node: &mut Node, base: &str, path: &str, pairs: &[(&str, &str)], cx: &mut Cx) {
    let Some(found) = node.at_mut(path) else { return };
    let Some((old, new)) = pairs.iter().find(|(old, _)| found.text() == Some(old)) else {
        return;
    };
    found.shape = Shape::Text((*new).to_owned());
    let full = if base.is_empty() { path.to_owned() } else { format!("{base}.{path}") };
    let node = found.clone();
    cx.say(
        &full,
        &format!("{full} \"{old}\" is an older word; it is read as \"{new}\""),
        Some((*new).to_owned()),
        &node,
    );
}

/// `tools.exec.security` and `.ask` together are one mode today.
fn exec_mode(node: &mut Node, base: &str, cx: &mut Cx) {
    if node.at("tools.exec.mode").is_some() {
        return;
    }
    let text = |path: &str| node.at(path).and_then(Node::text).map(str::to_owned);
    let mode = match (text("tools.exec.security").as_deref(), text("tools.exec.ask").as_deref()) {
        (Some("deny"), Some(_)) => "deny",
        (Some("full"), Some("off")) => "full",
        (Some("allowlist"), Some("on-miss")) => "ask",
        (Some("allowlist"), Some("off")) => "allowlist",
        // `ask: always` has no mode of its own; one key alone keeps its old meaning.
        _ => return,
    };
    let Some(security) = node.take("tools.exec.security") else { return };
    node.take("tools.exec.ask");
    let full = |name: &str| if base.is_empty() { name.to_owned() } else { format!("{base}.{name}") };
    cx.renamed(&full("tools.exec.security"), &format!("{} \"{mode}\"", full("tools.exec.mode")), &security);
    node.put("tools.exec.mode", Node::from_value(&Value::from(mode), &security.origin));
}

/// Tool servers were written in other programs' styles.
fn servers(root: &mut Node, cx: &mut Cx) {
    each(root, "mcp.servers", &mut |path, server| {
        for (old, new) in [
            ("type", "transport"),
            ("connectTimeout", "connectionTimeoutMs"),
            ("connection_timeout_ms", "connectionTimeoutMs"),
            ("request_timeout_ms", "requestTimeoutMs"),
            ("tool_filter", "toolFilter"),
            ("working_directory", "cwd"),
        ] {
            shift(server, path, old, new, cx);
        }
        word_at(server, path, "transport", &[("http", "streamable-http"), ("streamableHttp", "streamable-http")], cx);
        if let Some(Shape::Bool(is_disabled)) = server.at("disabled").map(|node| node.shape.clone())
            && let Some(old) = server.take("disabled")
        {
            cx.renamed(&format!("{path}.disabled"), &format!("{path}.enabled"), &old);
            if server.at("enabled").is_none() {
                server.put("enabled", Node::from_value(&Value::from(!is_disabled), &old.origin));
            }
        }
    });
}

/// `env: {FOO: "x"}` is `env.vars.FOO` today.
fn flat_env(root: &mut Node, cx: &mut Cx) {
    let Some(env) = root.at_mut("env").and_then(Node::map_mut) else { return };
    let names: Vec<String> = env
        .iter()
        .filter(|(name, node)| !matches!(name.as_str(), "vars" | "shellEnv") && node.text().is_some())
        .map(|(name, _)| name.clone())
        .collect();
    let mut moved = IndexMap::new();
    for name in names {
        if let Some(node) = env.shift_remove(&name) {
            moved.insert(name, node);
        }
    }
    for (name, node) in moved {
        cx.renamed(&format!("env.{name}"), &format!("env.vars.{name}"), &node);
        if root.at("env.vars").and_then(Node::map).is_some_and(|vars| vars.contains_key(&name)) {
            continue;
        }
        if root.at("env.vars").is_none() {
            root.put("env.vars", Node::empty_map(node.origin.clone()));
        }
        if let Some(vars) = root.at_mut("env.vars").and_then(Node::map_mut) {
            vars.insert(name, node);
        }
    }
}

#[cfg(test)]
mod tests;
