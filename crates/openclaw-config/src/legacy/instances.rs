//! Spellings of thread-bound agents that are found in articles (C1, C2).
//!
//! They write the root `openclaw`, agents directly below `agents`, keys with
//! hyphens and a few words of their own. All of it is read as today's form and
//! reported, so that `config explain` and `doctor` show what it means.

use super::{Cx, each, shift, word_at};
use crate::tree::{Node, Shape};

/// What is below `agents` today.
const KNOWN: &[&str] = &["ownership", "defaults", "entries", "list"];

/// Keys that only a thread-bound agent has; an object with one of them is an agent.
const MARKS: &[&str] = &["runtime", "auto-destroy", "autoDestroy", "max-duration", "max-concurrent"];

/// Old name, new name, in an agent.
const KEYS: &[(&str, &str)] = &[
    ("auto-destroy", "autoDestroy"),
    ("max-duration", "maxDuration"),
    ("max-concurrent", "maxConcurrent"),
    ("timeout", "maxDuration"),
];

/// Takes the content of a root `openclaw` for the root, and agents directly
/// below `agents` for entries.
pub(super) fn unwrap(root: &mut Node, cx: &mut Cx) {
    let inner = root.at("openclaw").and_then(Node::map).map(|map| map.keys().cloned().collect::<Vec<_>>());
    for key in inner.unwrap_or_default() {
        shift(root, "", &format!("openclaw.{key}"), &key, cx);
    }
    if root.at("openclaw").and_then(Node::map).is_some_and(indexmap::IndexMap::is_empty) {
        root.take("openclaw");
    }
    let is_agent = |name: &String, node: &Node| {
        !KNOWN.contains(&name.as_str())
            && node.map().is_some_and(|map| MARKS.iter().any(|mark| map.contains_key(*mark)))
    };
    let agents = root.at("agents").and_then(Node::map);
    let named: Vec<String> = agents
        .into_iter()
        .flatten()
        .filter(|(name, node)| is_agent(name, node))
        .map(|(name, _)| name.clone())
        .collect();
    for name in named {
        shift(root, "", &format!("agents.{name}"), &format!("agents.entries.{name}"), cx);
    }
}

/// Reads the keys and words of thread-bound agents.
pub(super) fn apply(root: &mut Node, cx: &mut Cx) {
    let has_local = root.at("models.providers.local").is_some();
    each(root, "agents.entries", &mut |path, entry| {
        for (old, new) in KEYS {
            shift(entry, path, old, new, cx);
        }
        word_at(entry, path, "runtime", &[("thread", "thread-bound")], cx);
        model(entry, path, has_local, cx);
    });
}

/// `claude-…-thinking` is a model that thinks hard; `local/…` is served on this machine.
fn model(entry: &mut Node, path: &str, has_local: bool, cx: &mut Cx) {
    let Some(old) = entry.at("model").cloned() else { return };
    let Some(text) = old.text().map(str::to_owned) else { return };
    if let Some(name) = text.strip_suffix("-thinking").filter(|name| name.contains("claude-")) {
        let (model, level) = (format!("{path}.model"), format!("{path}.thinkingDefault"));
        let message = format!("{model} \"{text}\" is read as \"{name}\" with {level} \"high\"");
        cx.say(&model, &message, Some(name.to_owned()), &old);
        entry.put("model", Node { origin: old.origin.clone(), shape: Shape::Text(name.to_owned()) });
        if entry.at("thinkingDefault").is_none() {
            entry.put("thinkingDefault", Node { origin: old.origin, shape: Shape::Text("high".to_owned()) });
        }
    } else if let Some(name) = text.strip_prefix("local/").filter(|_| !has_local) {
        let (model, new) = (format!("{path}.model"), format!("ollama/{name}"));
        cx.say(&model, &format!("{model} \"{text}\" is read as \"{new}\""), Some(new.clone()), &old);
        entry.put("model", Node { origin: old.origin, shape: Shape::Text(new) });
    }
}
