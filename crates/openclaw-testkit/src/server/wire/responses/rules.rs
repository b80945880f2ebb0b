//! What the Responses service refuses.

use serde_json::Value;

use super::{THOUGHTFUL, encrypted};
use crate::server::lint::{Asked, Rule, is_name, items, text};

/// Returns the rules, in the order the service checks.
pub(in crate::server::wire) fn rules() -> &'static [Rule] {
    &[
        Rule { name: "input", check: input },
        Rule { name: "content-types", check: content_types },
        Rule { name: "tool-shape", check: tool_shape },
        Rule { name: "tool-strict", check: tool_strict },
        Rule { name: "ids-when-not-stored", check: ids },
        Rule { name: "encrypted-content", check: encrypted_content },
        Rule { name: "tool-results", check: tool_results },
        Rule { name: "orphan-results", check: orphan_results },
        Rule { name: "reasoning-follows", check: reasoning_follows },
        Rule { name: "reasoning-replay", check: reasoning_replay },
    ]
}

fn inputs<'a>(asked: &'a Asked<'_>) -> &'a [Value] {
    items(asked.body, "/input")
}

fn is(item: &Value, kind: &str) -> bool {
    text(item, "type") == kind
}

fn input(asked: &Asked<'_>) -> Option<String> {
    const KINDS: [&str; 6] = ["", "message", "function_call", "function_call_output", "reasoning", "item_reference"];
    const ROLES: [&str; 4] = ["user", "assistant", "system", "developer"];
    match &asked.body["input"] {
        Value::String(_) => return None,
        Value::Array(all) if !all.is_empty() => {}
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            return Some("Missing required parameter: 'input'.".to_owned());
        }
    }
    inputs(asked).iter().enumerate().find_map(|(index, item)| {
        if !KINDS.contains(&text(item, "type")) {
            return Some(format!("Invalid value: '{}'. (input[{index}].type)", text(item, "type")));
        }
        let is_message = is(item, "message") || is(item, "");
        (is_message && !ROLES.contains(&text(item, "role"))).then(|| {
            format!(
                "Invalid value: '{}'. Supported values are: {}. (input[{index}].role)",
                text(item, "role"),
                ROLES.join(", ")
            )
        })
    })
}

fn content_types(asked: &Asked<'_>) -> Option<String> {
    inputs(asked).iter().enumerate().find_map(|(index, item)| {
        let allowed: &[&str] = match text(item, "role") {
            "assistant" => &["output_text", "refusal"],
            "user" | "system" | "developer" => &["input_text", "input_image", "input_file", "input_audio"],
            _ => return None,
        };
        let wrong = items(item, "/content").iter().find(|part| !allowed.contains(&text(part, "type")))?;
        Some(format!(
            "Invalid value: '{}'. Supported values are: {}. (input[{index}].content)",
            text(wrong, "type"),
            allowed.join(", ")
        ))
    })
}

fn tool_shape(asked: &Asked<'_>) -> Option<String> {
    items(asked.body, "/tools").iter().enumerate().find_map(|(index, tool)| {
        if !is(tool, "function") {
            return None;
        }
        if tool.get("name").is_none() {
            return Some(format!("Missing required parameter: 'tools[{index}].name'."));
        }
        (!is_name(text(tool, "name"), 64))
            .then(|| format!("Invalid 'tools[{index}].name': string does not match pattern '^[a-zA-Z0-9_-]+$'."))
    })
}

/// Left out, `strict` is on, and then the schema must be closed and complete.
fn tool_strict(asked: &Asked<'_>) -> Option<String> {
    items(asked.body, "/tools").iter().filter(|tool| is(tool, "function")).find_map(|tool| {
        let is_strict = tool.get("strict").is_none_or(|strict| strict.as_bool() != Some(false));
        let schema = tool.get("parameters").filter(|_| is_strict)?;
        let required: Vec<&str> = items(schema, "/required").iter().filter_map(Value::as_str).collect();
        let optional = schema["properties"].as_object().is_some_and(|all| all.keys().any(|it| !required.contains(&it.as_str())));
        let is_open = schema["additionalProperties"] != Value::Bool(false);
        (is_open || optional).then(|| {
            format!(
                "Invalid schema for function '{}': In context=(), 'additionalProperties' is required to be supplied and to \
                 be false, and 'required' to include every key in properties.",
                text(tool, "name")
            )
        })
    })
}

fn ids(asked: &Asked<'_>) -> Option<String> {
    let is_stored = asked.body["store"].as_bool().unwrap_or(true);
    let own = inputs(asked).iter().filter(|item| !is(item, "item_reference"));
    let mut named = own.filter_map(|item| item.get("id").and_then(Value::as_str)).filter(|id| !id.is_empty());
    let id = named.next().filter(|_| !is_stored)?;
    Some(format!("Item with id '{id}' not found. Items are not persisted when `store` is set to false."))
}

fn summary(item: &Value) -> String {
    items(item, "/summary").iter().map(|part| text(part, "text")).collect()
}

fn encrypted_content(asked: &Asked<'_>) -> Option<String> {
    let is_stored = asked.body["store"].as_bool().unwrap_or(true);
    inputs(asked).iter().filter(|item| is(item, "reasoning")).find_map(|item| {
        let sealed = text(item, "encrypted_content");
        if sealed.is_empty() {
            return (!is_stored).then(|| "Reasoning item was provided without 'encrypted_content'.".to_owned());
        }
        (sealed != encrypted(&summary(item)))
            .then(|| "The encrypted content for the reasoning item could not be verified.".to_owned())
    })
}

fn tool_results(asked: &Asked<'_>) -> Option<String> {
    let answered: Vec<&str> = inputs(asked)
        .iter()
        .filter(|item| is(item, "function_call_output"))
        .map(|item| text(item, "call_id"))
        .collect();
    let mut calls = inputs(asked).iter().filter(|item| is(item, "function_call"));
    let open = calls.find(|item| !answered.contains(&text(item, "call_id")))?;
    Some(format!("No tool output found for function call {}.", text(open, "call_id")))
}

fn orphan_results(asked: &Asked<'_>) -> Option<String> {
    let mut called: Vec<&str> = Vec::new();
    for item in inputs(asked) {
        let id = text(item, "call_id");
        if is(item, "function_call") {
            called.push(id);
        } else if is(item, "function_call_output") && !called.contains(&id) {
            return Some(format!("No tool call found for function call output with call_id {id}."));
        }
    }
    None
}

fn reasoning_follows(asked: &Asked<'_>) -> Option<String> {
    let all = inputs(asked);
    all.iter().enumerate().filter(|(_, item)| is(item, "reasoning")).find_map(|(index, item)| {
        let next = all.get(index + 1);
        let follows = next.is_some_and(|next| {
            is(next, "function_call") || is(next, "reasoning") || text(next, "role") == "assistant"
        });
        (!follows).then(|| {
            format!("Item '{}' of type 'reasoning' was provided without its required following item.", text(item, "id"))
        })
    })
}

fn reasoning_replay(asked: &Asked<'_>) -> Option<String> {
    let all = inputs(asked);
    let mut has_reasoning = false;
    for item in all {
        if text(item, "role") == "user" {
            has_reasoning = false;
        }
        has_reasoning |= is(item, "reasoning");
        if is(item, "function_call") && text(item, "call_id").starts_with(THOUGHTFUL) && !has_reasoning {
            return Some(format!(
                "Item '{}' of type 'function_call' was provided without its required 'reasoning' item.",
                text(item, "call_id")
            ));
        }
    }
    None
}
