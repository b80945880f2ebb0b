//! What the configuration says about tools, read once and kept ready to match.
//!
//! Two scopes narrow each other: section `tools` for everybody, and `tools` of
//! one agent. What cannot be read is closed, never opened: an unknown profile is
//! `minimal`, an unreadable deny list denies everything, an unknown exec mode
//! denies commands. `app` shows the issues to the owner.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::iter;

use openclaw_domain::AgentId;
use openclaw_domain::settings::{Issue, Severity};
use serde_json::Value;

use crate::exec::{self, ExecRules};
use crate::names::{Pattern, Profile, canonical, is_known};

/// Everything the configuration says about tools.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    everybody: Scope,
    agents: BTreeMap<String, Scope>,
}

/// What one section says.
#[derive(Debug, Clone, Default)]
struct Scope {
    /// Where it stands, for rules and reasons: `tools`.
    place: String,
    profile: Option<Profile>,
    /// Added to the profile; `None` when the scope does not speak of it.
    also_allow: Option<Vec<Pattern>>,
    /// Empty means no restriction.
    allow: Vec<Pattern>,
    deny: Vec<Pattern>,
    exec: ExecRules,
}

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The key that decided, for example `tools.deny`.
    pub rule: String,
    /// A sentence for the model and the person.
    pub reason: String,
}

impl Policy {
    /// Reads sections `tools` and `agents`; returns what could not be read or is not in force.
    pub fn from_config(tools: &Value, agents: &Value) -> (Policy, Vec<Issue>) {
        let mut reader = Reader { issues: Vec::new() };
        let everybody = reader.scope("tools", tools);
        let mut scopes = BTreeMap::new();
        for (id, place, entry) in entries(agents) {
            if let Some(section) = entry.get("tools") {
                let place = format!("{place}.tools");
                scopes.insert(id, reader.scope(&place, section));
            }
        }
        (Policy { everybody, agents: scopes }, reader.issues)
    }

    /// Tells whether the lists and profiles let an agent use a tool at all.
    ///
    /// # Errors
    /// When they do not: the rule and a sentence.
    pub fn admits(&self, agent: &AgentId, tool: &str) -> Result<(), Refusal> {
        // Asked for every tool of every turn: what is lower case already is not copied.
        let is_lower = tool.is_ascii() && !tool.bytes().any(|byte| byte.is_ascii_uppercase());
        let lower = if is_lower { Cow::Borrowed(tool) } else { Cow::Owned(tool.to_lowercase()) };
        let name = canonical(&lower);
        let mut scopes = self.scopes(agent);
        if let Some(scope) = scopes.clone().find(|scope| matches_any(&scope.deny, name)) {
            return Err(refusal(tool, format!("{}.deny", scope.place)));
        }
        self.in_profile(scopes.clone(), tool, name)?;
        match scopes.find(|scope| !scope.allow.is_empty() && !allows(&scope.allow, name)) {
            Some(scope) => Err(refusal(tool, format!("{}.allow", scope.place))),
            None => Ok(()),
        }
    }

    /// Returns the rules for commands of an agent.
    pub fn exec(&self, agent: &AgentId) -> ExecRules {
        self.scopes(agent).rev().fold(ExecRules::default(), |rules, scope| scope.exec.clone().or(rules))
    }

    /// Returns the scopes that speak for an agent, the narrower one first.
    fn scopes(&self, agent: &AgentId) -> impl DoubleEndedIterator<Item = &Scope> + Clone {
        self.agents.get(agent.as_str()).into_iter().chain(iter::once(&self.everybody))
    }

    /// An agent's own profile replaces the general one; so does its `alsoAllow`.
    fn in_profile<'a>(
        &self,
        mut scopes: impl Iterator<Item = &'a Scope> + Clone,
        tool: &str,
        name: &str,
    ) -> Result<(), Refusal> {
        let also_allow = scopes.clone().find_map(|scope| scope.also_allow.as_deref()).unwrap_or_default();
        if allows(also_allow, name) {
            return Ok(());
        }
        let Some((scope, profile)) = scopes.clone().find_map(|scope| Some((scope, scope.profile?))) else {
            // Without a profile every tool of the vocabulary is in; a foreign one
            // must be named by some allow list.
            let is_named = scopes.any(|scope| allows(&scope.allow, name));
            return if is_known(name) || is_named { Ok(()) } else { Err(foreign(tool)) };
        };
        if profile.entries().iter().filter_map(|entry| Pattern::parse(entry)).any(|pattern| pattern.matches(name)) {
            return Ok(());
        }
        Err(refusal(tool, format!("{}.profile={}", scope.place, profile.as_str())))
    }
}

fn refusal(tool: &str, rule: String) -> Refusal {
    let reason = format!(
        "the configuration does not let this agent use {tool} ({rule}); use another tool, or ask the owner to change it"
    );
    Refusal { rule, reason }
}

fn foreign(tool: &str) -> Refusal {
    let reason = format!(
        "{tool} is not a built-in tool and no allow list names it; ask the owner to add it to tools.allow or tools.alsoAllow"
    );
    Refusal { rule: "tools.allow".to_owned(), reason }
}

fn matches_any(patterns: &[Pattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

/// Leave to write is leave to patch: both replace the content of files.
fn allows(patterns: &[Pattern], name: &str) -> bool {
    matches_any(patterns, name) || (name == "apply_patch" && matches_any(patterns, "write"))
}

/// Lists agents of both shapes: the map `entries`, and the older list with ids.
fn entries(agents: &Value) -> Vec<(String, String, &Value)> {
    let map = agents.get("entries").and_then(Value::as_object);
    let keyed = map.into_iter().flatten().map(|(id, it)| (id.to_lowercase(), format!("agents.entries.{id}"), it));
    let list = agents.get("list").and_then(Value::as_array);
    let listed = list.into_iter().flatten().enumerate().filter_map(|(index, it)| {
        let id = it.get("id")?.as_str()?;
        Some((id.to_lowercase(), format!("agents.list[{index}]"), it))
    });
    listed.chain(keyed).collect()
}

/// Reads scopes and collects what is wrong with them.
pub(crate) struct Reader {
    pub(crate) issues: Vec<Issue>,
}

/// Keys that are understood and have no effect.
const NOT_IN_FORCE: &[&str] =
    &["byProvider", "toolsBySender", "elevated", "sandbox", "subagents", "exec.reviewer", "exec.grantExpiryDays"];

impl Reader {
    fn scope(&mut self, place: &str, section: &Value) -> Scope {
        if section.is_null() {
            return Scope { place: place.to_owned(), ..Scope::default() };
        }
        for key in NOT_IN_FORCE {
            if key.split('.').try_fold(section, |value, key| value.get(key)).is_some() {
                self.note(Severity::Warning, format!("{place}.{key}"), "is understood but not in force".to_owned());
            }
        }
        let mut also_allow = self.list(place, section, "alsoAllow");
        let allow = self.list(place, section, "allow").unwrap_or_default();
        if !allow.is_empty() && also_allow.is_some() {
            let message = "stands beside allow in the same scope and is ignored; put its entries into allow".to_owned();
            self.note(Severity::Error, format!("{place}.alsoAllow"), message);
            also_allow = None;
        }
        Scope {
            place: place.to_owned(),
            profile: self.profile(place, section),
            also_allow,
            allow,
            deny: self.deny(place, section),
            exec: exec::read(self, place, section.get("exec").unwrap_or(&Value::Null)),
        }
    }

    fn profile(&mut self, place: &str, section: &Value) -> Option<Profile> {
        let value = section.get("profile").filter(|value| !value.is_null())?;
        let named = value.as_str().and_then(Profile::named);
        if named.is_none() {
            let message =
                format!("{value} is not a profile; expected minimal, coding, messaging or full; minimal stands in");
            self.note(Severity::Error, format!("{place}.profile"), message);
        }
        Some(named.unwrap_or(Profile::Minimal))
    }

    /// An allow list: entries that cannot be read allow nothing.
    fn list(&mut self, place: &str, section: &Value, key: &str) -> Option<Vec<Pattern>> {
        let value = section.get(key).filter(|value| !value.is_null())?;
        let place = format!("{place}.{key}");
        let items = self.items(&place, value);
        let is_empty_list = value.as_array().is_some_and(Vec::is_empty);
        let patterns: Vec<_> = items.into_iter().flatten().collect();
        // A list of which nothing is left allows nothing. An empty pattern list
        // would mean "no restriction", so it gets an entry that matches no name.
        Some(if patterns.is_empty() && !is_empty_list { vec![Pattern::Names(&[])] } else { patterns })
    }

    /// A deny list: one entry that cannot be read denies everything.
    fn deny(&mut self, place: &str, section: &Value) -> Vec<Pattern> {
        let Some(value) = section.get("deny").filter(|value| !value.is_null()) else { return Vec::new() };
        let items = self.items(&format!("{place}.deny"), value);
        let everything = Pattern::Name("*".to_owned());
        items.into_iter().map(|item| item.unwrap_or_else(|| everything.clone())).collect()
    }

    /// Reads a list of names; `None` stands for an entry that cannot be read.
    fn items(&mut self, place: &str, value: &Value) -> Vec<Option<Pattern>> {
        let single = [value.clone()];
        let values: &[Value] = match value {
            Value::Array(values) => values,
            Value::String(_) => &single,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                self.note(Severity::Error, place.to_owned(), "must be a list of tool names".to_owned());
                return vec![None];
            }
        };
        let mut items = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let pattern = value.as_str().and_then(Pattern::parse);
            if pattern.is_none() {
                let message = format!("{value} is not a tool name, a pattern with *, or a known group");
                self.note(Severity::Error, format!("{place}[{index}]"), message);
            }
            items.push(pattern);
        }
        items
    }

    pub(crate) fn note(&mut self, severity: Severity, path: String, message: String) {
        self.issues.push(Issue { severity, path, message, line: None });
    }
}

#[cfg(test)]
mod tests;
