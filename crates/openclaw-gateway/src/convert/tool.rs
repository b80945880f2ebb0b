//! Tool calls and results on the wire.

use openclaw_domain::message::Part;
use openclaw_domain::{ToolCall, ToolResult};
use serde_json::{Value, json};

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
    let mut value = json!({ "content": parts(&result.parts) });
    if !result.details.is_null() {
        value["details"] = result.details.clone();
    }
    value
}

/// Returns message parts as content blocks.
pub(crate) fn parts(parts: &[Part]) -> Vec<Value> {
    let block = |part: &Part| match part {
        Part::Text { text } => json!({ "type": "text", "text": text }),
        Part::Image { media_type, data } => json!({ "type": "image", "mimeType": media_type, "data": data }),
    };
    parts.iter().map(block).collect()
}
