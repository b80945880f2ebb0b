//! What the configuration says about the prompt, per agent.
//!
//! Values of the wrong type count as absent; crate `config` has reported them.

use std::collections::BTreeMap;

use openclaw_domain::AgentId;
use serde_json::Value;

/// Most characters of one workspace file.
const FILE_CHARS: usize = 20_000;

/// Most characters of all workspace files.
const TOTAL_CHARS: usize = 60_000;

/// Ceiling for both limits: no configuration makes a prompt endless.
const CHARS_MAX: usize = 1_000_000;

/// What to place before the model, for everybody and per agent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    defaults: Prompting,
    agents: BTreeMap<String, Prompting>,
}

/// What to place before the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompting {
    /// Whether workspace files are placed in the prompt.
    pub inject_files: bool,
    /// Most characters of one file.
    pub file_chars_max: usize,
    /// Most characters of all files.
    pub total_chars_max: usize,
    /// IANA name of the zone the date is given in; UTC without one.
    pub timezone: Option<String>,
    /// Whether a new workspace gets its first files.
    pub skip_bootstrap: bool,
    /// First files that are not made.
    pub skip_files: Vec<String>,
}

impl Default for Prompting {
    fn default() -> Self {
        Self {
            inject_files: true,
            file_chars_max: FILE_CHARS,
            total_chars_max: TOTAL_CHARS,
            timezone: None,
            skip_bootstrap: false,
            skip_files: Vec::new(),
        }
    }
}

impl Options {
    /// Reads section `agents`: `defaults`, and each agent over it.
    pub fn from_config(agents: &Value) -> Self {
        let defaults = read(&Prompting::default(), agents.get("defaults").unwrap_or(&Value::Null));
        let map = agents.get("entries").and_then(Value::as_object).into_iter().flatten();
        let keyed = map.map(|(id, entry)| (id.as_str(), entry));
        let list = agents.get("list").and_then(Value::as_array).into_iter().flatten();
        let listed = list.filter_map(|entry| Some((entry.get("id")?.as_str()?, entry)));
        let agents = listed.chain(keyed).map(|(id, entry)| (id.to_lowercase(), read(&defaults, entry))).collect();
        Self { defaults, agents }
    }

    /// Returns what holds for an agent.
    pub fn of(&self, agent: &AgentId) -> &Prompting {
        self.agents.get(agent.as_str()).unwrap_or(&self.defaults)
    }
}

fn read(base: &Prompting, section: &Value) -> Prompting {
    let chars = |key: &str, base: usize| {
        let value = section.get(key).and_then(Value::as_u64).and_then(|it| usize::try_from(it).ok());
        value.unwrap_or(base).min(CHARS_MAX)
    };
    let flag = |key: &str, base: bool| section.get(key).and_then(Value::as_bool).unwrap_or(base);
    let names = section.get("skipOptionalBootstrapFiles").and_then(Value::as_array);
    Prompting {
        // `continuation-skip` leaves files out of turns that go on; a prompt that
        // changes between turns would cost more in the cache than it saves.
        inject_files: section
            .get("contextInjection")
            .and_then(Value::as_str)
            .map_or(base.inject_files, |it| it != "never"),
        file_chars_max: chars("bootstrapMaxChars", base.file_chars_max),
        total_chars_max: chars("bootstrapTotalMaxChars", base.total_chars_max),
        timezone: section
            .get("userTimezone")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .or_else(|| base.timezone.clone()),
        skip_bootstrap: flag("skipBootstrap", base.skip_bootstrap),
        skip_files: names.map_or_else(
            || base.skip_files.clone(),
            |names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_agents_own_values_go_over_the_defaults() {
        let options = Options::from_config(&json!({
            "defaults": { "bootstrapMaxChars": 100, "userTimezone": "Asia/Shanghai", "skipBootstrap": true },
            "entries": { "Work": { "bootstrapMaxChars": 50, "contextInjection": "never" } },
            "list": [{ "id": "old", "bootstrapTotalMaxChars": 9 }],
        }));
        let of = |id: &str| options.of(&id.parse().unwrap()).clone();
        assert_eq!((of("main").file_chars_max, of("main").inject_files, of("main").skip_bootstrap), (100, true, true));
        assert_eq!((of("work").file_chars_max, of("work").inject_files), (50, false));
        assert_eq!(of("work").timezone.as_deref(), Some("Asia/Shanghai"));
        assert_eq!((of("old").total_chars_max, of("old").file_chars_max), (9, 100));
    }

    #[test]
    fn wrong_types_and_absurd_sizes_are_bounded() {
        let options = Options::from_config(&json!({ "defaults": {
            "bootstrapMaxChars": "many", "bootstrapTotalMaxChars": 99_000_000_000u64, "skipOptionalBootstrapFiles": ["SOUL.md", 7],
        } }));
        let main = options.of(&AgentId::main());
        assert_eq!((main.file_chars_max, main.total_chars_max), (FILE_CHARS, CHARS_MAX));
        assert_eq!(main.skip_files, ["SOUL.md"]);
    }
}
