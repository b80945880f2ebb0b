//! Holds a configuration against the table, and sets aside what does not fit.
//!
//! Nothing here stops the program: a faulty value is taken out, a safe one is
//! put in its place where leaving it out would permit more than the author can
//! have meant, and an issue says where it was and what was expected. Unknown
//! keys are kept, ignored and reported.

use indexmap::IndexMap;
use serde_json::Value;

use crate::issue::Issue;
use crate::keys::{self, Branch, Key, Mismatch};
use crate::load::ISSUES_MAX;
use crate::path::{KeyPath, Segment};
use crate::tree::{Node, Origin, Shape};

/// What a check found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) issues: Vec<Issue>,
    /// Values to set aside, in document order.
    faulty: Vec<KeyPath>,
}

/// Checks every value.
pub(crate) fn check(root: &Node) -> Findings {
    let mut findings = Findings::default();
    if root.map().is_none() {
        let message = format!("the configuration must be an object, found {}", root.noun());
        let issue = fault(&KeyPath::root(), root, message, "an object");
        findings.add(issue, KeyPath::root());
        return findings;
    }
    let mut visit = Visit { findings: &mut findings, whole: None };
    visit.node(root, keys::tree(), &KeyPath::root());
    rules(root, &mut findings);
    findings
}

impl Findings {
    fn push(&mut self, issue: Issue) {
        if self.issues.len() < ISSUES_MAX {
            self.issues.push(issue);
        }
    }

    /// Reports a fault and marks what goes with it.
    fn add(&mut self, issue: Issue, target: KeyPath) {
        self.push(issue);
        self.faulty.push(target);
    }
}

fn fault(path: &KeyPath, node: &Node, message: String, expected: impl Into<String>) -> Issue {
    Issue::error("CONFIG_VALUE", path, message).expecting(expected).located(&node.origin)
}

struct Visit<'a> {
    findings: &'a mut Findings,
    /// The enclosing value that stands or falls as one.
    whole: Option<KeyPath>,
}

impl Visit<'_> {
    fn node(&mut self, node: &Node, branch: &'static Branch, path: &KeyPath) {
        let outer = self.whole.clone();
        if let Some(key) = branch.key {
            if key.is_whole && self.whole.is_none() {
                self.whole = Some(path.clone());
            }
            if let Err(mismatch) = key.kind.check(node) {
                self.mismatch(node, key, path, &mismatch);
                self.whole = outer;
                return;
            }
        } else if branch.has_rows_below() && !is_container_for(branch, node) {
            let expected = if branch.item.is_some() { "a list" } else { "an object" };
            self.wrong(node, path, expected);
            self.whole = outer;
            return;
        }
        self.below(node, branch, path);
        self.whole = outer;
    }

    fn below(&mut self, node: &Node, branch: &'static Branch, path: &KeyPath) {
        match &node.shape {
            Shape::Map(entries) if !is_reference(node, branch) => {
                for (name, child) in entries {
                    let here = path.key(name);
                    match branch.child(name) {
                        Some(next) => self.node(child, next, &here),
                        None => self.unknown(child, branch, &here, entries),
                    }
                }
            }
            Shape::List(items) => {
                if let Some(next) = branch.item.as_deref() {
                    for (index, item) in items.iter().enumerate() {
                        self.node(item, next, &path.item(index));
                    }
                }
            }
            Shape::Map(_) | Shape::Null | Shape::Bool(_) | Shape::Number(_) | Shape::Text(_) => {}
        }
    }

    fn mismatch(&mut self, node: &Node, key: &'static Key, path: &KeyPath, mismatch: &Mismatch) {
        let items = node.list().unwrap_or_default();
        let elements = mismatch.elements.iter().filter_map(|&index| Some((path.item(index), items.get(index)?)));
        for (place, item) in elements {
            let message = format!("{place} must be {}, got {}", element_kind(key), shown(item, key));
            // A list with a stand-in means something only as a whole.
            let target = if key.closed.is_empty() { place.clone() } else { path.clone() };
            self.add(fault(&place, item, message, key.kind.to_string()), target);
        }
        if mismatch.elements.is_empty() {
            let message = format!("{path} must be {}, got {}", key.kind, shown(node, key));
            let issue = fault(path, node, message, key.kind.to_string());
            self.add(issue.suggesting(word_suggestion(path, node, key)), path.clone());
        }
    }

    fn wrong(&mut self, node: &Node, path: &KeyPath, expected: &str) {
        let message = format!("{path} must be {expected}, got {}", node.noun());
        self.add(fault(path, node, message, expected), path.clone());
    }

    fn add(&mut self, issue: Issue, target: KeyPath) {
        let target = self.whole.clone().unwrap_or(target);
        self.findings.add(issue, target);
    }

    fn unknown(&mut self, node: &Node, branch: &'static Branch, path: &KeyPath, siblings: &IndexMap<String, Node>) {
        let nearest = keys::nearest(path);
        let message = match &nearest {
            None if branch.is_open() => return,
            None => format!("there is no setting \"{path}\"; it is kept and ignored"),
            Some(nearest) if !branch.is_open() && self.stands_in_for(nearest, siblings) => {
                format!(
                    "there is no setting \"{path}\"; closest: {nearest}, which has a safe value until this is mended"
                )
            }
            Some(nearest) => format!("there is no setting \"{path}\"; closest: {nearest}"),
        };
        self.findings.push(Issue::warning("CONFIG_UNKNOWN", path, message).located(&node.origin).suggesting(nearest));
    }

    /// A misspelt limit must not mean no limit: if the setting that was meant
    /// has a safe stand-in and is not there itself, the stand-in is used.
    fn stands_in_for(&mut self, nearest: &str, siblings: &IndexMap<String, Node>) -> bool {
        let Ok(meant) = KeyPath::parse(nearest) else { return false };
        let is_guarded = keys::find(&meant).is_some_and(|key| !key.closed.is_empty());
        let is_there = matches!(meant.segments().last(), Some(Segment::Key(key)) if siblings.contains_key(key));
        if !is_guarded || is_there {
            return false;
        }
        self.findings.faulty.push(self.whole.clone().unwrap_or(meant));
        true
    }
}

/// Tells whether an object here is a secret reference rather than a group of settings.
fn is_reference(node: &Node, branch: &Branch) -> bool {
    branch.key.is_some_and(Key::is_secret) && node.map().is_some_and(|map| map.contains_key("source"))
}

fn is_container_for(branch: &Branch, node: &Node) -> bool {
    let wants_map = !branch.children.is_empty() || branch.any.is_some();
    (wants_map && node.map().is_some()) || (branch.item.is_some() && node.list().is_some())
}

fn element_kind(key: &Key) -> String {
    match key.kind {
        keys::Kind::List(kind) => kind.to_string(),
        other => other.to_string(),
    }
}

/// Shows a value for a message; secrets and long text are only named.
fn shown(node: &Node, key: &Key) -> String {
    match &node.shape {
        _ if key.is_secret() => node.noun().to_owned(),
        Shape::Text(text) if text.chars().count() > 60 => "a long text".to_owned(),
        Shape::Null | Shape::Bool(_) | Shape::Number(_) | Shape::Text(_) => node.to_value().to_string(),
        Shape::List(_) | Shape::Map(_) => node.noun().to_owned(),
    }
}

/// Finds the word someone meant: `tokn` for `token`.
fn word_suggestion(path: &KeyPath, node: &Node, key: &Key) -> Option<String> {
    let text = node.text()?.to_ascii_lowercase();
    key.kind
        .words()
        .into_iter()
        .map(|word| (strsim::osa_distance(word, &text), word))
        .filter(|(distance, word)| *distance <= 2 && *distance < word.len())
        .min()
        .map(|(_, word)| format!("openclaw config set {path} {word}"))
}

/// Rules between settings that no single row can express.
fn rules(root: &Node, findings: &mut Findings) {
    exclusive_lists(root, findings);
    open_to_all(root, findings);
    container_network(root, findings);
    if let Some(shell) = root.at("env.shellEnv.enabled")
        && shell.shape == Shape::Bool(true)
    {
        findings.push(
            Issue::warning(
                "CONFIG_IGNORED",
                "env.shellEnv.enabled",
                "env.shellEnv.enabled has no effect: keys are read from the environment and .env files only",
            )
            .located(&shell.origin),
        );
    }
}

/// `allow` and `alsoAllow` in one place contradict each other.
fn exclusive_lists(root: &Node, findings: &mut Findings) {
    root.walk(&KeyPath::root(), &mut |path, node| {
        let Some(map) = node.map() else { return };
        let in_tools = path.segments().iter().any(|segment| matches!(segment, Segment::Key(key) if key == "tools"));
        let filled = |name: &str| map.get(name).and_then(Node::list).is_some_and(|items| !items.is_empty());
        if in_tools && filled("allow") && filled("alsoAllow") {
            let also = path.key("alsoAllow");
            let message = format!("{also} cannot stand beside {}: merge the two lists", path.key("allow"));
            findings.add(fault(&also, &map["alsoAllow"], message, "either allow or alsoAllow"), also);
        }
    });
}

/// `dmPolicy: open` lets everyone in only if the list says so too.
fn open_to_all(root: &Node, findings: &mut Findings) {
    let Some(channels) = root.at("channels").and_then(Node::map) else { return };
    let mut blocks: Vec<(KeyPath, &Node)> = Vec::new();
    for (name, channel) in channels {
        let path = KeyPath::root().key("channels").key(name);
        if let Some(accounts) = channel.at("accounts").and_then(Node::map) {
            let path = path.key("accounts");
            blocks.extend(accounts.iter().map(|(id, account)| (path.key(id), account)));
        }
        blocks.push((path, channel));
    }
    for (path, block) in blocks {
        let Some(policy) = block.at("dmPolicy").filter(|policy| policy.text() == Some("open")) else {
            continue;
        };
        let everyone = block
            .at("allowFrom")
            .and_then(Node::list)
            .is_some_and(|items| items.iter().any(|item| item.text() == Some("*")));
        if !everyone {
            let path = path.key("dmPolicy");
            let message = format!("{path} \"open\" needs \"*\" in allowFrom beside it");
            findings.add(fault(&path, policy, message, "\"*\" in allowFrom, or another policy"), path);
        }
    }
}

/// A container on the host network is not a sandbox.
fn container_network(root: &Node, findings: &mut Findings) {
    let agents = root.at("agents.entries").and_then(Node::map);
    let entries =
        agents.into_iter().flatten().map(|(id, node)| (KeyPath::root().key("agents").key("entries").key(id), node));
    let defaults = root.at("agents.defaults").map(|node| (KeyPath::root().key("agents").key("defaults"), node));
    for (path, node) in entries.chain(defaults) {
        if let Some(network) = node.at("sandbox.docker.network")
            && network.text() == Some("host")
        {
            let path = path.key("sandbox").key("docker").key("network");
            let message = format!("{path} must not be \"host\": a sandbox on the host network is none");
            findings.add(fault(&path, network, message, "none or the name of a network"), path);
        }
    }
}

/// Takes faulty values out and puts their stand-ins in.
pub(crate) fn set_aside(root: &mut Node, findings: &mut Findings) {
    let mut faulty = std::mem::take(&mut findings.faulty);
    if faulty.len() > ISSUES_MAX {
        // Nobody mends that many one by one: their whole sections go.
        for path in &mut faulty {
            *path = KeyPath::from(path.segments().iter().take(1).cloned().collect::<Vec<_>>());
        }
    }
    faulty.sort();
    faulty.dedup();
    // From the back, so that removing an element does not move the next one.
    for path in faulty.iter().rev() {
        set_aside_one(root, path);
    }
}

/// Takes one value out and puts the stand-ins below it in.
pub(crate) fn set_aside_one(root: &mut Node, path: &KeyPath) {
    if path.is_root() {
        *root = Node::empty_map(Origin::StandIn);
    } else {
        root.remove(path);
    }
    let Some(branch) = keys::branch(path) else { return };
    // What stands or falls as one is gone: nothing is left that could permit too much.
    if branch.key.is_some_and(|key| key.is_whole && key.closed.is_empty()) {
        return;
    }
    let mut stand_ins = Vec::new();
    collect_stand_ins(branch, &mut Vec::new(), &mut stand_ins);
    for (below, value) in stand_ins {
        let mut segments = path.segments().to_vec();
        segments.extend(below.into_iter().map(|key| Segment::Key(key.to_owned())));
        put_at(root, &segments, Node::from_value(&value, &Origin::StandIn));
    }
}

/// Puts stand-ins below a place of which part is unknown, keeping what is there.
pub(crate) fn close(root: &mut Node, path: &KeyPath) {
    let Some(branch) = keys::branch(path) else { return };
    let mut stand_ins = Vec::new();
    collect_stand_ins(branch, &mut Vec::new(), &mut stand_ins);
    for (below, value) in stand_ins {
        let mut here = path.clone();
        for key in below {
            here = here.key(key);
        }
        if root.find(&here).is_none() {
            put_at(root, here.segments(), Node::from_value(&value, &Origin::StandIn));
        }
    }
}

fn collect_stand_ins(branch: &Branch, below: &mut Vec<&'static str>, out: &mut Vec<(Vec<&'static str>, Value)>) {
    if let Some(value) = branch.key.and_then(Key::closed_value) {
        out.push((below.clone(), value));
        return;
    }
    for (name, child) in &branch.children {
        below.push(name);
        collect_stand_ins(child, below, out);
        below.pop();
    }
}

fn put_at(node: &mut Node, segments: &[Segment], value: Node) {
    match segments {
        [] => *node = value,
        [Segment::Key(key), rest @ ..] => {
            if let Some(map) = node.map_mut() {
                let next = map.entry(key.clone()).or_insert_with(|| Node::empty_map(Origin::StandIn));
                put_at(next, rest, value);
            }
        }
        [Segment::Index(index), rest @ ..] => {
            if let Some(next) = node.list_mut().and_then(|items| items.get_mut(*index)) {
                put_at(next, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
