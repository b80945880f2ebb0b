//! Turns a call's argument text into a tool's own struct.
//!
//! Arguments are checked against the schema the model was shown, so that an
//! error names the argument and the expected form. Unknown arguments are
//! refused: a gate and a tool must read the same call (T-21). Two mistakes that
//! models make often are mended: numbers and booleans written as text, and
//! another product's name for the same argument.

use openclaw_domain::message::ToolCall;
use openclaw_domain::tool::{Error, ToolSpec};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Largest accepted argument text.
pub(crate) const BYTES_MAX: usize = 8 * 1024 * 1024;

/// Another name for an argument, and its own name.
pub(crate) type Alias = (&'static str, &'static str);

/// Parses the arguments of a call.
pub(crate) fn parse<T: DeserializeOwned>(spec: &ToolSpec, aliases: &[Alias], call: &ToolCall) -> Result<T, Error> {
    let object = object(spec, &call.arguments)?;
    let object = checked(spec, rename(object, aliases))?;
    serde_json::from_value(Value::Object(object))
        .map_err(|error| Error::tell(format!("{}: {error}; {}", spec.name, usage(spec))))
}

fn object(spec: &ToolSpec, text: &str) -> Result<Map<String, Value>, Error> {
    if text.len() > BYTES_MAX {
        return Err(Error::tell(format!("{}: the arguments are larger than {BYTES_MAX} bytes; send less", spec.name)));
    }
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err(Error::tell(format!("{}: the arguments must be a JSON object; {}", spec.name, usage(spec)))),
        Err(error) => Err(Error::tell(format!("{}: the arguments are not valid JSON: {error}", spec.name))),
    }
}

fn rename(object: Map<String, Value>, aliases: &[Alias]) -> Map<String, Value> {
    let mut renamed = Map::new();
    for (key, value) in object {
        let own = aliases.iter().find(|(alias, _)| *alias == key).map_or(key.as_str(), |(_, own)| own);
        renamed.entry(own).or_insert(value);
    }
    renamed
}

fn checked(spec: &ToolSpec, object: Map<String, Value>) -> Result<Map<String, Value>, Error> {
    let empty = Map::new();
    let properties = spec.parameters["properties"].as_object().unwrap_or(&empty);
    let mut kept = Map::new();
    for (name, value) in object {
        let Some(property) = properties.get(&name) else {
            return Err(Error::tell(format!("{}: there is no argument `{name}`; {}", spec.name, usage(spec))));
        };
        if value.is_null() {
            continue;
        }
        let value = mend(property, value);
        if let Err(expected) = fits(property, &value) {
            let got = shorten(&value.to_string());
            return Err(Error::tell(format!("{}: argument `{name}` must be {expected}, not {got}", spec.name)));
        }
        kept.insert(name, value);
    }
    let required = spec.parameters["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    for name in required.iter().filter_map(Value::as_str) {
        if !kept.contains_key(name) {
            return Err(Error::tell(format!("{}: argument `{name}` is missing; {}", spec.name, usage(spec))));
        }
    }
    Ok(kept)
}

/// Reads numbers and booleans that were written as text.
fn mend(property: &Value, value: Value) -> Value {
    let Value::String(text) = &value else { return value };
    let mended = match property["type"].as_str() {
        Some("integer") => text.trim().parse::<i64>().ok().map(Value::from),
        Some("number") => text.trim().parse::<f64>().ok().map(Value::from),
        Some("boolean") => text.trim().parse::<bool>().ok().map(Value::from),
        Some("array" | "object") => serde_json::from_str(text).ok(),
        _ => None,
    };
    mended.unwrap_or(value)
}

/// Checks one value; the error completes "must be ...".
fn fits(property: &Value, value: &Value) -> Result<(), String> {
    let kind = property["type"].as_str().unwrap_or("string");
    let matches = match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    if !matches {
        return Err(wording(property, kind));
    }
    let below = property["minimum"].as_f64().zip(value.as_f64()).is_some_and(|(min, it)| it < min);
    let above = property["maximum"].as_f64().zip(value.as_f64()).is_some_and(|(max, it)| it > max);
    let foreign = property["enum"].as_array().is_some_and(|choices| !choices.contains(value));
    if below || above || foreign {
        return Err(wording(property, kind));
    }
    if let (Some(items), Some(values)) = (property.get("items"), value.as_array()) {
        for it in values {
            fits(items, it).map_err(|expected| format!("an array whose items are each {expected}"))?;
        }
    }
    Ok(())
}

fn wording(property: &Value, kind: &str) -> String {
    if let Some(choices) = property["enum"].as_array() {
        let choices: Vec<_> = choices.iter().map(ToString::to_string).collect();
        return format!("one of {}", choices.join(", "));
    }
    let noun = match kind {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "an array",
        _ => "an object",
    };
    match (property["minimum"].as_f64(), property["maximum"].as_f64()) {
        (Some(min), Some(max)) => format!("{noun} from {min} to {max}"),
        (Some(min), None) => format!("{noun} of at least {min}"),
        (None, Some(max)) => format!("{noun} of at most {max}"),
        (None, None) => noun.to_owned(),
    }
}

/// Lists the arguments, required ones first by name.
fn usage(spec: &ToolSpec) -> String {
    let empty = Map::new();
    let properties = spec.parameters["properties"].as_object().unwrap_or(&empty);
    let required: Vec<_> = spec.parameters["required"].as_array().into_iter().flatten().collect();
    let names: Vec<_> = properties
        .keys()
        .map(|name| if required.iter().any(|it| *it == name) { name.clone() } else { format!("{name}?") })
        .collect();
    format!("{} takes {{{}}}", spec.name, names.join(", "))
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 60 {
        return text.to_owned();
    }
    format!("{}...", text.chars().take(57).collect::<String>())
}

#[cfg(test)]
mod tests {
    use openclaw_domain::tool::{Capability, Effect};
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Sample {
        path: String,
        #[serde(default)]
        lines: Option<u64>,
        #[serde(default)]
        all: bool,
    }

    fn spec() -> ToolSpec {
        ToolSpec {
            name: "sample".into(),
            description: String::new(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "path": { "type": "string", "description": "" },
                    "lines": { "type": "integer", "minimum": 1, "maximum": 9, "description": "" },
                    "all": { "type": "boolean", "description": "" },
                    "mode": { "type": "string", "enum": ["a", "b"], "description": "" },
                    "names": { "type": "array", "items": { "type": "string" }, "description": "" },
                },
                "required": ["path"],
            }),
            effect: Effect::Pure,
            capability: Capability::FsRead,
        }
    }

    fn read(arguments: &str) -> Result<Sample, String> {
        let call = ToolCall {
            id: "c1".parse().unwrap(),
            provider_id: String::new(),
            name: "sample".into(),
            arguments: arguments.into(),
        };
        parse(&spec(), &[("file_path", "path")], &call).map_err(|error| error.to_string())
    }

    #[test]
    fn good_arguments_parse_and_common_slips_are_mended() {
        let expected = Sample { path: "a".into(), lines: Some(3), all: true };
        for text in [
            r#"{"path":"a","lines":3,"all":true}"#,
            r#"{"file_path":"a","lines":"3","all":"true"}"#,
            r#"{"path":"a","lines":3,"all":true,"mode":null}"#,
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn errors_name_the_argument_and_the_expected_form() {
        for (text, expected) in [
            ("", "sample: argument `path` is missing; sample takes {path, lines?, all?, mode?, names?}"),
            ("{", "sample: the arguments are not valid JSON: EOF while parsing an object at line 1 column 1"),
            ("[1]", "sample: the arguments must be a JSON object; sample takes {path, lines?, all?, mode?, names?}"),
            (r#"{"path":7}"#, "sample: argument `path` must be text, not 7"),
            (r#"{"path":"a","lines":0}"#, "sample: argument `lines` must be a whole number from 1 to 9, not 0"),
            (r#"{"path":"a","lines":10}"#, "sample: argument `lines` must be a whole number from 1 to 9, not 10"),
            (r#"{"path":"a","mode":"c"}"#, "sample: argument `mode` must be one of \"a\", \"b\", not \"c\""),
            (
                r#"{"path":"a","names":[1]}"#,
                "sample: argument `names` must be an array whose items are each text, not [1]",
            ),
            (
                r#"{"path":"a","approved":true}"#,
                "sample: there is no argument `approved`; sample takes {path, lines?, all?, mode?, names?}",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn both_ends_of_a_range_are_accepted() {
        assert!(read(r#"{"path":"a","lines":1}"#).is_ok());
        assert!(read(r#"{"path":"a","lines":9}"#).is_ok());
    }

    proptest! {
        #[test]
        fn no_argument_text_panics(text in ".{0,200}") {
            drop(read(&text));
        }
    }
}
