//! The table as a JSON schema (draft 2020-12), for editors and clients.

use serde_json::{Map, Value, json};

use crate::keys::{self, Branch};

/// Returns the schema of the whole file.
#[must_use]
pub fn schema() -> Value {
    let mut schema = branch(keys::tree());
    let Value::Object(root) = &mut schema else { return schema };
    root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    root.insert("title".to_owned(), json!("openclaw.json"));
    root.insert(
        "$defs".to_owned(),
        json!({
            "secretRef": {
                "type": "object",
                "properties": {
                    "source": {"enum": ["env", "file", "exec", "store"]},
                    "provider": {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,63}$"},
                    "id": {"type": "string"}
                },
                "required": ["source", "id"],
                "additionalProperties": false
            },
            "include": {
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
                "description": "a file, or files, merged here"
            }
        }),
    );
    schema
}

fn branch(branch_: &Branch) -> Value {
    let own = branch_.key.map_or_else(|| json!({}), |key| key.kind.schema());
    let mut schema = match (branch_.has_rows_below(), own) {
        (false, own) => own,
        (true, Value::Object(own)) => with_rows(branch_, own),
        (true, own) => own,
    };
    if let (Some(key), Value::Object(schema)) = (branch_.key, &mut schema) {
        schema.insert("description".to_owned(), json!(key.doc));
        if let Some(default) = key.default_value() {
            schema.insert("default".to_owned(), default);
        }
        if key.is_secret() {
            schema.insert("writeOnly".to_owned(), json!(true));
        }
    }
    schema
}

/// Adds the rows below to the part of the schema that is an object or a list.
fn with_rows(branch_: &Branch, mut own: Map<String, Value>) -> Value {
    if let Some(Value::Array(alternatives)) = own.get_mut("anyOf") {
        let takes_rows =
            |schema: &Value| matches!(schema.get("type").and_then(Value::as_str), Some("object" | "array"));
        if let Some(found) = alternatives.iter_mut().find(|schema| takes_rows(schema)) {
            *found = rows(branch_);
        }
        return Value::Object(own);
    }
    rows(branch_)
}

fn rows(branch_: &Branch) -> Value {
    if let Some(item) = &branch_.item {
        return json!({"type": "array", "items": branch(item)});
    }
    let mut properties = Map::new();
    properties.insert("$include".to_owned(), json!({"$ref": "#/$defs/include"}));
    for (name, child) in &branch_.children {
        properties.insert((*name).to_owned(), branch(child));
    }
    let additional = match &branch_.any {
        Some(any) => branch(any),
        None => json!(branch_.is_open()),
    };
    json!({"type": "object", "properties": properties, "additionalProperties": additional})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_documentation_defaults_and_bounds() {
        let schema = schema();
        let port = &schema["properties"]["gateway"]["properties"]["port"];
        assert_eq!(
            *port,
            json!({"type": "integer", "minimum": 1, "maximum": 65535, "description": "port for WebSocket and HTTP", "default": 18789})
        );
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(
            schema["properties"]["plugins"]["properties"]["entries"]["additionalProperties"]["additionalProperties"],
            json!(true)
        );
    }

    #[test]
    fn a_model_is_text_or_an_object_with_rows() {
        let schema = schema();
        let model = &schema["properties"]["agents"]["properties"]["defaults"]["properties"]["model"]["anyOf"];
        assert_eq!(model[0], json!({"type": "string"}));
        assert!(model[1]["properties"]["primary"].is_object());
    }
}
