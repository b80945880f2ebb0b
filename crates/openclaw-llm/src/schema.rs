//! Tool schemas in the form providers accept (`models.md` §0, §4.1).
//!
//! An object root with `properties`, no `$ref`, no root combinators; for Google
//! also none of the keywords its parser refuses. A schema that fits already is
//! borrowed, so the usual request copies nothing. Refuses nothing: what cannot be
//! expressed is loosened. Called by the encoders.

use std::borrow::Cow;

use openclaw_domain::tool::ToolSpec;
use serde_json::{Map, Value, json};

/// How much a provider understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// JSON schema without references and root combinators.
    Portable,
    /// Only what Google's parser knows.
    Google,
}

/// Nested schemas deeper than this are loosened to "anything".
const DEPTH_MAX: usize = 24;

/// Keywords Google's parser refuses.
const GOOGLE_UNKNOWN: &[&str] = &[
    "$schema",
    "$id",
    "$comment",
    "additionalProperties",
    "propertyNames",
    "patternProperties",
    "unevaluatedProperties",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "const",
    "oneOf",
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "uniqueItems",
    "dependentRequired",
    "dependentSchemas",
    "contains",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// Keeps the first tool of each name, in order.
pub(crate) fn unique(tools: &[ToolSpec]) -> impl Iterator<Item = &ToolSpec> {
    let mut seen = std::collections::HashSet::new();
    tools.iter().filter(move |tool| seen.insert(crate::names::portable(&tool.name).into_owned()))
}

/// Returns the schema in acceptable form.
pub(crate) fn portable(schema: &Value, level: Level) -> Cow<'_, Value> {
    if is_root(schema) && is_clean(schema, level, 0) {
        return Cow::Borrowed(schema);
    }
    let definitions = ["$defs", "definitions"].iter().find_map(|key| schema.get(key)).cloned().unwrap_or(Value::Null);
    let mut clean = cleaned(schema, level, &definitions, 0);
    let Value::Object(root) = &mut clean else {
        return Cow::Owned(json!({ "type": "object", "properties": {} }));
    };
    for key in ["anyOf", "oneOf", "allOf", "enum", "not", "const"] {
        root.shift_remove(key);
    }
    root.insert("type".to_owned(), json!("object"));
    if !root.get("properties").is_some_and(Value::is_object) {
        root.insert("properties".to_owned(), json!({}));
    }
    Cow::Owned(clean)
}

fn is_root(schema: &Value) -> bool {
    let Some(root) = schema.as_object() else { return false };
    root.get("type").and_then(Value::as_str) == Some("object")
        && root.get("properties").is_some_and(Value::is_object)
        && !["anyOf", "oneOf", "allOf", "enum", "not", "const"].iter().any(|key| root.contains_key(*key))
}

fn is_clean(schema: &Value, level: Level, depth: usize) -> bool {
    if depth > DEPTH_MAX {
        return false;
    }
    match schema {
        Value::Object(map) => map.iter().all(|(key, value)| match key.as_str() {
            "$ref" | "$defs" | "definitions" => false,
            "properties" => value.as_object().is_some_and(|map| map.values().all(|v| is_clean(v, level, depth + 1))),
            "default" | "examples" | "required" => level == Level::Portable || key != "examples",
            "enum" => level == Level::Portable || value.as_array().is_some_and(|v| v.iter().all(Value::is_string)),
            "type" => level == Level::Portable || value.is_string(),
            _ if level == Level::Google && GOOGLE_UNKNOWN.contains(&key.as_str()) => false,
            _ => is_clean(value, level, depth + 1),
        }),
        Value::Array(items) => items.iter().all(|item| is_clean(item, level, depth + 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

fn cleaned(schema: &Value, level: Level, definitions: &Value, depth: usize) -> Value {
    let Value::Object(map) = schema else { return schema.clone() };
    if depth > DEPTH_MAX {
        return json!({});
    }
    if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return match definitions.get(name) {
            Some(target) => cleaned(target, level, definitions, depth + 1),
            None => json!({}),
        };
    }
    let mut out = Map::new();
    for (key, value) in map {
        let again = |value: &Value| cleaned(value, level, definitions, depth + 1);
        match key.as_str() {
            "$defs" | "definitions" => {}
            "properties" => {
                let fields = value.as_object().into_iter().flatten();
                let fields: Map<String, Value> = fields.map(|(name, field)| (name.clone(), again(field))).collect();
                out.insert(key.clone(), Value::Object(fields));
            }
            "items" | "additionalProperties" | "not" if level == Level::Portable => {
                out.insert(key.clone(), again(value));
            }
            "anyOf" | "oneOf" | "allOf" | "prefixItems" if level == Level::Portable => {
                let options = value.as_array().into_iter().flatten().map(again).collect();
                out.insert(key.clone(), Value::Array(options));
            }
            _ if level == Level::Google => google(key, value, again, &mut out),
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(out)
}

/// Writes one keyword as Google takes it.
fn google(key: &str, value: &Value, again: impl Fn(&Value) -> Value, out: &mut Map<String, Value>) {
    match (key, value) {
        ("items", _) => {
            out.insert(key.to_owned(), again(value));
        }
        ("anyOf" | "oneOf", Value::Array(options)) => {
            out.insert("anyOf".to_owned(), Value::Array(options.iter().map(again).collect()));
        }
        ("const", Value::String(only)) => {
            out.insert("enum".to_owned(), json!([only]));
        }
        ("enum", Value::Array(options)) => {
            let texts = options.iter().map(|option| match option {
                Value::String(text) => json!(text),
                other => json!(other.to_string()),
            });
            out.insert("enum".to_owned(), Value::Array(texts.collect()));
            out.insert("type".to_owned(), json!("string"));
        }
        ("type", Value::Array(kinds)) => {
            let named = kinds.iter().filter_map(Value::as_str);
            let kind = named.clone().find(|kind| *kind != "null").unwrap_or("string");
            out.entry("type").or_insert_with(|| json!(kind));
            if named.clone().any(|kind| kind == "null") {
                out.insert("nullable".to_owned(), json!(true));
            }
        }
        ("type", _) => {
            out.entry("type").or_insert_with(|| value.clone());
        }
        _ if GOOGLE_UNKNOWN.contains(&key) => {}
        _ => {
            out.insert(key.to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(level: Level, schema: &Value, expected: &Value) {
        assert_eq!(portable(schema, level).as_ref(), expected);
    }

    #[test]
    fn a_schema_that_fits_is_borrowed() {
        let schema = json!({"type":"object","properties":{"path":{"type":"string"}},"required":["path"]});
        for level in [Level::Portable, Level::Google] {
            assert!(matches!(portable(&schema, level), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn the_root_becomes_an_object_with_properties() {
        check(Level::Portable, &json!({}), &json!({"type":"object","properties":{}}));
        check(Level::Portable, &json!(true), &json!({"type":"object","properties":{}}));
        check(Level::Portable, &json!({"type":"object","anyOf":[{}]}), &json!({"type":"object","properties":{}}));
    }

    #[test]
    fn references_are_put_in_place_and_endless_ones_end() {
        let schema = json!({"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"string"}}});
        check(Level::Portable, &schema, &json!({"type":"object","properties":{"a":{"type":"string"}}}));
        let endless = json!({"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},
            "$defs":{"A":{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}}}}});
        assert!(!portable(&endless, Level::Portable).to_string().contains("$ref"));
    }

    #[test]
    fn google_gets_only_keywords_it_knows() {
        let schema = json!({"$schema":"x","type":"object","additionalProperties":false,"properties":{
            "kind":{"const":"a"},"n":{"type":["integer","null"],"exclusiveMinimum":0},
            "pick":{"type":"integer","enum":[1,2]},"either":{"oneOf":[{"type":"string"},{"type":"number","multipleOf":2}]},
            "list":{"type":"array","uniqueItems":true,"items":{"type":"string","$comment":"c"}}}});
        check(
            Level::Google,
            &schema,
            &json!({"type":"object","properties":{
            "kind":{"enum":["a"]},"n":{"type":"integer","nullable":true},
            "pick":{"type":"string","enum":["1","2"]},"either":{"anyOf":[{"type":"string"},{"type":"number"}]},
            "list":{"type":"array","items":{"type":"string"}}}}),
        );
    }

    #[test]
    fn a_property_named_like_a_keyword_survives() {
        let schema = json!({"type":"object","properties":{"const":{"type":"string"},"type":{"type":"string"}}});
        check(Level::Google, &schema, &schema);
    }
}
