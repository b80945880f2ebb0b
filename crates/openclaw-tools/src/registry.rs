//! What a row of [`ALL`](crate::ALL) is, and how rows become tools.
//!
//! `app` calls [`build`] once per configuration. A row whose feature is switched
//! off in its section builds nothing, so that a model is never offered it.

use std::sync::Arc;

use openclaw_domain::ports::Tool;
use serde_json::Value;

use crate::ALL;
use crate::section::Section;

/// One built-in tool, as data.
pub struct Entry {
    /// The tool's name, as models and policies call it.
    pub id: &'static str,
    /// The policy group it belongs to, for example `group:fs`.
    pub group: &'static str,
    /// What it does, in one line for people.
    pub summary: &'static str,
    /// Makes the tool; `None` when the section switches it off.
    pub(crate) build: fn(&Section<'_>) -> Option<Arc<dyn Tool>>,
}

/// Builds the tools that section `tools` leaves switched on, in the order of `ALL`.
///
/// Search keys are expected as `web.search.<provider>.apiKey`, already resolved.
/// Values of the wrong type count as absent; crate `config` has reported them.
pub fn build(section: &Value) -> Vec<Arc<dyn Tool>> {
    let section = Section::new(section);
    ALL.iter().filter_map(|entry| (entry.build)(&section)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn every_row_builds_a_tool_of_its_own_name() {
        let names: Vec<_> = build(&json!({})).iter().map(|tool| tool.spec().name.clone()).collect();
        let ids: Vec<_> = ALL.iter().map(|entry| entry.id).collect();
        assert_eq!(names, ids);
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }

    #[test]
    fn every_schema_is_portable() {
        for tool in build(&json!({})) {
            let spec = tool.spec();
            let schema = spec.parameters.as_object().unwrap();
            assert_eq!(schema["type"], "object", "{}", spec.name);
            let properties = schema["properties"].as_object().unwrap();
            for name in schema["required"].as_array().unwrap() {
                assert!(properties.contains_key(name.as_str().unwrap()), "{}: {name}", spec.name);
            }
            for (name, property) in properties {
                assert!(property["type"].is_string(), "{}.{name} needs one type", spec.name);
                assert!(property["description"].is_string(), "{}.{name} needs a description", spec.name);
            }
            let text = spec.parameters.to_string();
            for word in ["$ref", "anyOf", "oneOf", "allOf"] {
                assert!(!text.contains(word), "{} uses {word}", spec.name);
            }
            let portable = spec.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            assert!(portable && spec.name.len() <= 64, "{}", spec.name);
        }
    }

    #[test]
    fn a_feature_that_is_switched_off_builds_nothing() {
        let off = json!({
            "web": { "search": { "enabled": false }, "fetch": { "enabled": false } },
            "exec": { "applyPatch": { "enabled": false } },
        });
        let names: BTreeSet<_> = build(&off).iter().map(|tool| tool.spec().name.clone()).collect();
        for name in ["web_search", "web_fetch", "apply_patch"] {
            assert!(!names.contains(name), "{name}");
        }
        assert_eq!(names.len(), ALL.len() - 3);
    }
}
