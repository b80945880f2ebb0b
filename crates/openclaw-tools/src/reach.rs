//! Which sessions a session may see.
//!
//! Every session tool resolves a name here and nowhere else: first to the
//! canonical key, then to a decision. A session that may not be seen is answered
//! exactly like one that does not exist (T-34, T-35).

use globset::{Glob, GlobSet, GlobSetBuilder};
use openclaw_domain::SessionKey;
use openclaw_domain::ports::ToolCx;
use openclaw_domain::session::Session;
use openclaw_domain::tool::Error;
use serde_json::Value;

use crate::section::Section;

/// `tools.sessions.visibility` and `tools.agentToAgent`.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    visibility: Visibility,
    /// Agents that may see one another; `None` means no agent sees another's.
    agents: Option<GlobSet>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visibility {
    Own,
    Agent,
    All,
}

impl Reach {
    pub(crate) fn read(section: &Section<'_>) -> Self {
        let visibility = match section.at("sessions.visibility").map(|value| value.as_str().unwrap_or("self")) {
            None | Some("all") => Visibility::All,
            Some("agent") => Visibility::Agent,
            // `tree` adds sessions started by this one; a key does not tell them
            // apart from others, so it is read as the narrower `self`. So is
            // anything unknown.
            Some(_) => Visibility::Own,
        };
        let agents = section.flag("agentToAgent.enabled", true).then(|| globs(section.at("agentToAgent.allow")));
        Self { visibility, agents }
    }

    /// Tells whether `from` may see `to`.
    pub(crate) fn sees(&self, from: &SessionKey, to: &SessionKey) -> bool {
        if from == to {
            return true;
        }
        match self.visibility {
            Visibility::Own => false,
            Visibility::Agent => from.agent() == to.agent(),
            Visibility::All => from.agent() == to.agent() || self.joins(from, to),
        }
    }

    /// Returns the session of this name, when the caller may see it.
    pub(crate) async fn find(&self, name: &str, cx: &ToolCx) -> Result<Session, Error> {
        let missing = || {
            Error::tell(format!("there is no session {name} that this conversation can see; sessions_list shows them"))
        };
        let key = SessionKey::resolve(name.trim(), &cx.agent).map_err(|error| Error::tell(error.to_string()))?;
        if !self.sees(&cx.session, &key) {
            return Err(missing());
        }
        let found = cx.sessions.get(&key).await.map_err(|error| Error::EndRun(error.to_string()))?;
        found.ok_or_else(missing)
    }

    fn joins(&self, from: &SessionKey, to: &SessionKey) -> bool {
        let Some(agents) = &self.agents else { return false };
        agents.is_match(from.agent().as_str()) && agents.is_match(to.agent().as_str())
    }
}

/// No list means every agent; an entry that cannot be read matches none.
fn globs(allow: Option<&Value>) -> GlobSet {
    let everybody = vec!["*"];
    let entries = match allow {
        None | Some(Value::Null) => everybody,
        Some(value) => value.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
    };
    let mut set = GlobSetBuilder::new();
    for glob in entries.iter().filter_map(|entry| Glob::new(&entry.to_lowercase()).ok()) {
        set.add(glob);
    }
    set.build().unwrap_or_else(|_| GlobSet::empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(section: &Value, from: &str, to: &str, expected: bool) {
        let reach = Reach::read(&Section::new(section));
        assert_eq!(reach.sees(&from.parse().unwrap(), &to.parse().unwrap()), expected, "{section} {from} -> {to}");
    }

    #[test]
    fn visibility_widens_from_self_to_agent_to_all() {
        let (own, sibling, other) = ("agent:main:main", "agent:main:notes", "agent:work:main");
        for (visibility, sees_sibling, sees_other) in [
            ("self", false, false),
            ("tree", false, false),
            ("agent", true, false),
            ("all", true, true),
            ("typo", false, false),
        ] {
            let section = json!({ "sessions": { "visibility": visibility } });
            check(&section, own, own, true);
            check(&section, own, sibling, sees_sibling);
            check(&section, own, other, sees_other);
        }
    }

    #[test]
    fn agents_see_each_other_only_when_both_are_named() {
        let section = json!({ "agentToAgent": { "allow": ["main", "w*"] } });
        check(&section, "agent:main:main", "agent:work:main", true);
        check(&section, "agent:main:main", "agent:home:main", false);
        check(&section, "agent:home:main", "agent:main:main", false);
        check(&json!({ "agentToAgent": { "enabled": false } }), "agent:main:main", "agent:work:main", false);
        check(&json!({ "agentToAgent": { "allow": "work" } }), "agent:main:main", "agent:work:main", false);
    }
}
