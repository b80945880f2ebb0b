//! Tool calls and results on the wire.

use openclaw_domain::message::Part;
use openclaw_domain::{ToolCall, ToolResult};
use serde_json::{Map, Value, json};

/// Longest title, in characters.
const TITLE_CHARS_MAX: usize = 120;

/// Arguments worth showing in a title, best first.
const TELLING: [&str; 8] = ["command", "path", "file_path", "url", "query", "pattern", "name", "text"];

/// Returns the arguments as JSON, or as text when they are none.
pub(crate) fn arguments(call: &ToolCall) -> Value {
    serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!(call.arguments))
}

/// Returns one line that names the tool and the literal thing it works on.
pub(crate) fn title(call: &ToolCall) -> String {
    let arguments = arguments(call);
    let telling = TELLING.iter().find_map(|name| arguments.get(name).and_then(Value::as_str));
    let line = match telling {
        Some(what) => format!("{} {}", call.name, what.lines().next().unwrap_or_default()),
        None => call.name.clone(),
    };
    line.chars().take(TITLE_CHARS_MAX).collect()
}

/// Returns a result with its content and details.
pub(crate) fn result(result: &ToolResult) -> Value {
    json!({ "content": parts(&result.parts), "details": details(result) })
}

/// Returns what is known of a result besides its content. `status` always says
/// how the call ended (ok, failed, denied, interrupted, unknown): clients must be
/// able to tell a refusal from a failure. A tool's own word of that name, for
/// example that a command still runs, becomes `toolStatus`.
pub(crate) fn details(result: &ToolResult) -> Value {
    let mut details = match &result.details {
        Value::Null => Map::new(),
        Value::Object(own) => own.clone(),
        other => Map::from_iter([("value".to_owned(), other.clone())]),
    };
    if let Some(own) = details.insert("status".to_owned(), json!(result.status)) {
        details.insert("toolStatus".to_owned(), own);
    }
    Value::Object(details)
}

/// Returns message parts as content blocks.
pub(crate) fn parts(parts: &[Part]) -> Vec<Value> {
    let block = |part: &Part| match part {
        Part::Text { text } => json!({ "type": "text", "text": text }),
        Part::Image { media_type, data } => json!({ "type": "image", "mimeType": media_type, "data": data }),
    };
    parts.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use openclaw_domain::message::ToolStatus;

    use super::*;

    fn check(status: ToolStatus, own: Value, expected: Value) {
        let mut result = ToolResult::notice(status, "x");
        result.details = own;
        assert_eq!(details(&result), expected);
    }

    #[test]
    fn how_a_call_ended_is_always_said_and_a_tools_own_facts_are_kept() {
        check(ToolStatus::Ok, Value::Null, json!({ "status": "ok" }));
        check(ToolStatus::Denied, Value::Null, json!({ "status": "denied" }));
        check(ToolStatus::Interrupted, Value::Null, json!({ "status": "interrupted" }));
        check(ToolStatus::Unknown, json!({ "a": 1 }), json!({ "a": 1, "status": "unknown" }));
        check(ToolStatus::Ok, json!({ "status": "running" }), json!({ "status": "ok", "toolStatus": "running" }));
        check(ToolStatus::Failed, json!([1]), json!({ "value": [1], "status": "failed" }));
    }
}
