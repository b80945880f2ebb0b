//! Everything we send validates against the published schema, when it is installed.
//!
//! The schema belongs to the npm package `@openclaw/gateway-protocol`; it is not
//! copied here. Without it these tests say so and check nothing.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::rig::Rig;

/// Where the package may be, below the home directory.
const PLACES: [&str; 2] = [
    ".cache/openclaw-tools/real/openclaw/node_modules/@openclaw/gateway-protocol/protocol.schema.json",
    "real-openclaw/openclaw/node_modules/@openclaw/gateway-protocol/protocol.schema.json",
];

pub(crate) struct Schema {
    pub(crate) root: Value,
    /// Compiled definitions; compiling one takes far longer than using it.
    compiled: RefCell<HashMap<String, jsonschema::Validator>>,
}

impl Schema {
    pub(crate) fn load() -> Option<Self> {
        let home = PathBuf::from(std::env::var_os("HOME")?);
        let text = PLACES.iter().find_map(|place| std::fs::read_to_string(home.join(place)).ok());
        if text.is_none() {
            eprintln!(
                "NOTICE: @openclaw/gateway-protocol is not installed under {PLACES:?}; payloads were not validated"
            );
        }
        Some(Self { root: serde_json::from_str(&text?).unwrap(), compiled: RefCell::default() })
    }

    /// Loads the definitions of what the published schema leaves open.
    pub(crate) fn own() -> Self {
        let text = include_str!("../../../../docs/reference/gateway-extra.schema.json");
        Self { root: serde_json::from_str(text).unwrap(), compiled: RefCell::default() }
    }

    /// Asserts that every definition whose name ends so has checked something.
    pub(crate) fn all_used(&self, end: &str) {
        let names = self.root["definitions"].as_object().unwrap().keys();
        let compiled = self.compiled.borrow();
        let unused: BTreeSet<_> = names.filter(|name| name.ends_with(end) && !compiled.contains_key(*name)).collect();
        assert!(unused.is_empty(), "nothing was checked against {unused:?}");
    }

    /// Tells whether there is a definition.
    pub(crate) fn has(&self, definition: &str) -> bool {
        self.root["definitions"].get(definition).is_some()
    }

    pub(crate) fn check(&self, definition: &str, value: &Value) {
        let mut compiled = self.compiled.borrow_mut();
        let validator = compiled.entry(definition.to_owned()).or_insert_with(|| self.compile(definition));
        let errors: Vec<String> =
            validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{definition}: {errors:#?}\n{value:#}");
    }

    fn compile(&self, definition: &str) -> jsonschema::Validator {
        let mut schema = self.root["definitions"][definition].clone();
        assert!(schema.is_object(), "the schema has no {definition}");
        let mut used = Map::new();
        self.collect(&schema, &mut used);
        schema["definitions"] = Value::Object(used);
        jsonschema::options().with_draft(jsonschema::Draft::Draft7).build(&schema).unwrap()
    }

    /// Collects the definitions a schema refers to, so that the rest need not be compiled.
    fn collect(&self, schema: &Value, used: &mut Map<String, Value>) {
        match schema {
            Value::Object(map) => {
                let name = map.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix("#/definitions/"));
                if let Some(name) = name.filter(|name| !used.contains_key(*name)) {
                    let target = self.root["definitions"][name].clone();
                    used.insert(name.to_owned(), target.clone());
                    self.collect(&target, used);
                }
                map.values().for_each(|value| self.collect(value, used));
            }
            Value::Array(items) => items.iter().for_each(|value| self.collect(value, used)),
            _ => {}
        }
    }
}

#[tokio::test]
async fn hello_and_presence_validate() {
    let Some(schema) = Schema::load() else { return };
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    ws.ok("health", json!({})).await;
    schema.check("HelloOk", &ws.hello);
    // With a measured health report in the snapshot.
    let again = rig.client().await;
    schema.check("HelloOk", &again.hello);
    for entry in ws.ok("system-presence", json!({})).await.as_array().unwrap() {
        schema.check("PresenceEntry", entry);
    }
}

/// Parameter tables agree with the published schema, property by property.
#[test]
fn parameter_shapes_agree_with_the_contract() {
    use openclaw_protocol::methods as wire;
    let Some(schema) = Schema::load() else { return };
    let pairs: [(&wire::Method, &str); 25] = [
        (&wire::agent::AGENT, "AgentParams"),
        (&wire::agent::AGENT_WAIT, "AgentWaitParams"),
        (&wire::chat::CHAT_SEND, "ChatSendParams"),
        (&wire::chat::CHAT_HISTORY, "ChatHistoryParams"),
        (&wire::chat::CHAT_ABORT, "ChatAbortParams"),
        (&wire::chat::CHAT_INJECT, "ChatInjectParams"),
        (&wire::chat::CHAT_METADATA, "ChatMetadataParams"),
        (&wire::sessions::SESSIONS_LIST, "SessionsListParams"),
        (&wire::sessions::SESSIONS_DESCRIBE, "SessionsDescribeParams"),
        (&wire::sessions::SESSIONS_RESOLVE, "SessionsResolveParams"),
        (&wire::sessions::SESSIONS_PREVIEW, "SessionsPreviewParams"),
        (&wire::sessions::SESSIONS_CREATE, "SessionsCreateParams"),
        (&wire::sessions::SESSIONS_PATCH, "SessionsPatchParams"),
        (&wire::sessions::SESSIONS_RESET, "SessionsResetParams"),
        (&wire::sessions::SESSIONS_DELETE, "SessionsDeleteParams"),
        (&wire::sessions::SESSIONS_ABORT, "SessionsAbortParams"),
        (&wire::sessions::SESSIONS_SEND, "SessionsSendParams"),
        (&wire::upkeep::SESSIONS_COMPACT, "SessionsCompactParams"),
        (&wire::upkeep::SESSIONS_COMPACTION_LIST, "SessionsCompactionListParams"),
        (&wire::upkeep::SESSIONS_COMPACTION_RESTORE, "SessionsCompactionRestoreParams"),
        (&wire::config::CONFIG_PATCH, "ConfigPatchParams"),
        (&wire::config::CONFIG_SET, "ConfigSetParams"),
        (&wire::system::LOGS_TAIL, "LogsTailParams"),
        (&wire::catalog::MODELS_LIST, "ModelsListParams"),
        (&wire::catalog::TASKS_LIST, "TasksListParams"),
    ];
    for (method, definition) in pairs {
        let published = &schema.root["definitions"][definition];
        let mut names: Vec<&str> = published["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let mut ours: Vec<&str> = method.params.fields.iter().map(|field| field.name).collect();
        names.sort_unstable();
        ours.sort_unstable();
        assert_eq!(ours, names, "{}", method.name);
        let mut required: Vec<&str> =
            published["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut needed: Vec<&str> =
            method.params.fields.iter().filter(|field| field.is_required).map(|field| field.name).collect();
        required.sort_unstable();
        needed.sort_unstable();
        assert_eq!(needed, required, "{}", method.name);
    }
}
