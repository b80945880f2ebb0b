//! Agents that do sensitive work: isolated, and not for long (C3).

use serde_json::Value;

use super::checks::problem;
use super::{Findings, Problem, Severity};
use crate::cx::Cx;

/// Longest life of an instance that does sensitive work, in seconds.
const SECONDS_MAX: u64 = 120;

/// How long an instance lives when nobody says otherwise.
const SECONDS_USUAL: u64 = 300;

/// What the ids of agents with sensitive work begin with, besides those that say so.
const NAMES: &[&str] = &["critical", "sensitive", "production"];

/// Looks at every agent that does sensitive work.
pub(super) fn check(cx: &Cx<'_>, findings: &mut Findings) {
    let loaded = cx.config();
    let place = cx.shown(&loaded.path);
    let entries = loaded.value.pointer("/agents/entries").and_then(Value::as_object);
    let faults = entries.into_iter().flatten().filter_map(|(id, entry)| {
        let (what, fix) = fault(id, entry)?;
        let next = format!("openclaw config set agents.entries.{id}.{fix}");
        let found = problem("agents.sensitive_timeout_over_120s", Severity::Warning, what, place.clone());
        Some(Problem { next, ..found })
    });
    let found = faults.collect();
    findings.group(1, "sensitive agents", found);
}

/// Says what is wrong with an agent, and the setting that mends it.
fn fault(id: &str, entry: &Value) -> Option<(String, String)> {
    let is_sensitive = entry["sensitive"].as_bool().unwrap_or_else(|| NAMES.iter().any(|name| id.starts_with(name)));
    if !is_sensitive {
        return None;
    }
    if !matches!(entry["runtime"].as_str(), Some("thread-bound" | "thread")) {
        let what = format!("agent {id} does sensitive work and has no instance per request");
        return Some((what, "runtime thread-bound".to_owned()));
    }
    let seconds = entry["maxDuration"].as_u64().unwrap_or(SECONDS_USUAL);
    let what = format!("agent {id} does sensitive work for up to {seconds} s, more than {SECONDS_MAX} s");
    (seconds > SECONDS_MAX).then(|| (what, format!("maxDuration {SECONDS_MAX}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fix(id: &str, entry: Value) -> Option<String> {
        fault(id, &entry).map(|(_, fix)| fix)
    }

    #[test]
    fn sensitive_work_takes_an_instance_and_at_most_two_minutes() {
        let bound = |seconds: u64| json!({ "runtime": "thread-bound", "maxDuration": seconds });
        assert_eq!(fix("critical-tasks", bound(120)), None);
        assert_eq!(fix("critical-tasks", bound(121)).as_deref(), Some("maxDuration 120"));
        assert_eq!(fix("critical-tasks", json!({ "runtime": "thread" })).as_deref(), Some("maxDuration 120"));
        assert_eq!(fix("critical-tasks", json!({})).as_deref(), Some("runtime thread-bound"));
        assert_eq!(fix("routine-tasks", bound(300)), None);
        assert_eq!(fix("payments", json!({ "sensitive": true })).as_deref(), Some("runtime thread-bound"));
        assert_eq!(fix("production", json!({ "sensitive": false })), None, "its owner knows better");
    }
}
