//! Agents: the older list, the older allowlist of models.

use indexmap::IndexMap;

use super::Cx;
use crate::tree::{Node, Shape};

pub(super) fn apply(root: &mut Node, cx: &mut Cx) {
    list_to_entries(root, cx);
    entry_ids(root, cx);
    models_to_policy(root, cx);
}

/// `agents.list[]` with ids inside became `agents.entries` with ids as keys.
fn list_to_entries(root: &mut Node, cx: &mut Cx) {
    if root.at("agents.list").and_then(Node::list).is_none() {
        return;
    }
    let Some(list) = root.take("agents.list") else { return };
    cx.renamed("agents.list", "agents.entries", &list);
    let origin = list.origin.clone();
    let Shape::List(items) = list.shape else { return };
    let mut default_agent = None;
    let mut entries: IndexMap<String, Node> = IndexMap::new();
    for (index, mut item) in items.into_iter().enumerate() {
        let Some(id) = item.take("id").and_then(|id| id.text().map(agent_id)).filter(|id| !id.is_empty()) else {
            cx.dropped(&format!("agents.list[{index}]"), "it has no id", &item);
            continue;
        };
        if let Some(flag) = item.take("default")
            && flag.shape == Shape::Bool(true)
        {
            default_agent.get_or_insert((id.clone(), flag.origin));
        }
        entries.entry(id).or_insert(item);
    }
    let several = entries.len() > 1;
    for (id, node) in entries {
        let path = "agents.entries";
        if root.at(path).is_none() {
            root.put(path, Node::empty_map(origin.clone()));
        }
        if let Some(map) = root.at_mut(path).and_then(Node::map_mut) {
            map.entry(id).or_insert(node);
        }
    }
    if let Some((id, origin)) = default_agent
        && root.at("agents.defaults.systemAgent.agentId").is_none()
    {
        root.put("agents.defaults.systemAgent.agentId", Node { origin: origin.clone(), shape: Shape::Text(id) });
        if several && root.at("agents.ownership").is_none() {
            root.put("agents.ownership", Node { origin, shape: Shape::Text("explicit".to_owned()) });
        }
    }
}

/// Ids are written in one way, so that `Main` and `main` are one agent.
fn entry_ids(root: &mut Node, cx: &mut Cx) {
    let Some(entries) = root.at_mut("agents.entries").and_then(Node::map_mut) else { return };
    let ids: Vec<(String, String)> = entries
        .keys()
        .map(|id| (id.clone(), agent_id(id)))
        .filter(|(id, written)| id != written && !written.is_empty())
        .collect();
    for (id, written) in ids {
        let taken = entries.contains_key(&written);
        let Some(node) = entries.shift_remove(&id) else { continue };
        let (old, new) = (format!("agents.entries.{id:?}"), format!("agents.entries.{written}"));
        if taken {
            cx.dropped(&old, &format!("{new} is the same agent and stands beside it"), &node);
        } else {
            cx.renamed(&old, &new, &node);
            entries.insert(written, node);
        }
    }
}

/// Writes an id the way keys of `agents.entries` are written.
fn agent_id(text: &str) -> String {
    let id: String = text
        .trim()
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-') { c } else { '-' })
        .take(64)
        .collect();
    id.trim_start_matches(['-', '_']).to_owned()
}

/// Before the change of form was recorded, the keys of `models` were the
/// allowlist. Read backwards, this would lock owners out or open models they
/// had closed.
fn models_to_policy(root: &mut Node, cx: &mut Cx) {
    if root.at("meta.migrations.modelPolicyAllowlist").is_some()
        || root.at("agents.defaults.modelPolicy.allow").is_some()
    {
        return;
    }
    let Some(models) = root.at("agents.defaults.models") else { return };
    let Some(map) = models.map().filter(|map| !map.is_empty()) else { return };
    let origin = models.origin.clone();
    let allow = map
        .iter()
        .map(|(model, node)| Node { origin: node.origin.clone(), shape: Shape::Text(model.clone()) })
        .collect();
    let models = models.clone();
    cx.say(
        "agents.defaults.models",
        "agents.defaults.models still limits which models may be chosen; it is read as agents.defaults.modelPolicy.allow",
        Some("agents.defaults.modelPolicy.allow".to_owned()),
        &models,
    );
    root.put("agents.defaults.modelPolicy.allow", Node { origin, shape: Shape::List(allow) });
}
