//! What chat completions and Ollama's own format say in the same words.
//!
//! Tools are functions, and sampling is asked for by the same names. The messages
//! differ, so they are no part of this; nor is what a server refuses, which the
//! encoders leave out beforehand. Called by those two.

use std::borrow::Cow;

use openclaw_domain::tool::ToolSpec;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::names;
use crate::schema::{self, Level};
use crate::settings::Params;

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: Declaration<'a>,
}

#[derive(Serialize)]
struct Declaration<'a> {
    name: Cow<'a, str>,
    description: &'a str,
    parameters: Cow<'a, Value>,
}

/// Writes the tools on offer.
pub(super) fn tools(specs: &[ToolSpec]) -> serde_json::Result<Box<RawValue>> {
    let tool = |spec| Tool { r#type: "function", function: declaration(spec) };
    to_raw_value(&schema::unique(specs).map(tool).collect::<Vec<_>>())
}

fn declaration(spec: &ToolSpec) -> Declaration<'_> {
    Declaration {
        name: names::portable(&spec.name),
        description: &spec.description,
        parameters: schema::portable(&spec.parameters, Level::Portable),
    }
}

/// Names what is set of how to sample.
pub(super) fn sampling(params: &Params) -> impl Iterator<Item = (String, Value)> {
    let rows = [
        ("temperature", params.temperature.map(Value::from)),
        ("top_p", params.top_p.map(Value::from)),
        ("top_k", params.top_k.map(Value::from)),
        ("seed", params.seed.map(Value::from)),
        ("presence_penalty", params.presence_penalty.map(Value::from)),
        ("frequency_penalty", params.frequency_penalty.map(Value::from)),
        ("stop", (!params.stop.is_empty()).then(|| json!(params.stop))),
    ];
    rows.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)))
}

#[cfg(test)]
mod tests {
    use openclaw_domain::tool::{Capability, Effect};

    use super::*;

    #[test]
    fn a_tool_is_a_function_of_a_portable_name() {
        let spec = ToolSpec {
            name: "mcp.files/read".into(),
            description: "Reads a file.".to_owned(),
            parameters: json!({ "type": "object", "properties": { "path": { "type": "string" } } }),
            effect: Effect::Pure,
            capability: Capability::FsRead,
        };
        let expected = r#"[{"type":"function","function":{"name":"mcp_files_read_26ba0aa7","description":"Reads a file.","parameters":{"type":"object","properties":{"path":{"type":"string"}}}}}]"#;
        assert_eq!(tools(&[spec.clone(), spec]).unwrap().get(), expected);
    }

    #[test]
    fn what_is_not_set_is_not_named() {
        let named = |params: Params| Value::Object(sampling(&params).collect()).to_string();
        assert_eq!(named(Params::default()), "{}");
        let params = Params { temperature: Some(0.2), stop: vec!["END".to_owned()], ..Params::default() };
        assert_eq!(named(params), r#"{"temperature":0.2,"stop":["END"]}"#);
    }
}
