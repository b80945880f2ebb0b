//! Looks into answers of the gateway without insisting on their shape: an older
//! or newer gateway may say less or more.

use serde_json::Value;

/// Returns text at a JSON pointer; numbers and switches as text, nothing else.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(is)) => is.to_string(),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => String::new(),
    }
}

/// Returns the first text that is there and not empty.
pub(crate) fn first_text(value: &Value, pointers: &[&str]) -> String {
    pointers.iter().map(|pointer| text(value, pointer)).find(|text| !text.is_empty()).unwrap_or_default()
}

/// Returns a whole number at a pointer.
pub(crate) fn int(value: &Value, pointer: &str) -> Option<i64> {
    let number = value.pointer(pointer)?;
    number.as_i64().or_else(|| {
        // Some clients write milliseconds as floating point.
        let float = number.as_f64()?;
        (float.is_finite() && float.abs() < 9e15).then_some(float as i64)
    })
}

/// Returns the first number that is there.
pub(crate) fn first_int(value: &Value, pointers: &[&str]) -> Option<i64> {
    pointers.iter().find_map(|pointer| int(value, pointer))
}

/// Returns a number at a pointer.
pub(crate) fn float(value: &Value, pointer: &str) -> Option<f64> {
    value.pointer(pointer).and_then(Value::as_f64)
}

/// Returns the items of a list at a pointer; none when there is no list.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Tells whether a switch at a pointer is on.
pub(crate) fn is(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// Returns the visible text of a transcript message, whatever its shape.
pub(crate) fn message_text(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter(|part| part["type"] == "text").map(|part| text(part, "/text"));
            texts.collect::<Vec<_>>().join("\n")
        }
        Some(_) | None => text(message, "/text"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_or_odd_is_nothing() {
        let value = json!({"a": {"b": 1.0, "c": "x", "d": [1], "e": true}});
        assert_eq!(text(&value, "/a/c"), "x");
        assert_eq!(text(&value, "/a/d"), "");
        assert_eq!(text(&value, "/nope"), "");
        assert_eq!(int(&value, "/a/b"), Some(1));
        assert_eq!(int(&value, "/a/c"), None);
        assert_eq!(list(&value, "/a/d").len(), 1);
        assert!(list(&value, "/a/c").is_empty());
        assert!(is(&value, "/a/e") && !is(&value, "/a/b"));
        assert_eq!(first_text(&value, &["/nope", "/a/c"]), "x");
    }

    #[test]
    fn messages_are_read_in_both_shapes() {
        assert_eq!(message_text(&json!({"content": "hi"})), "hi");
        let parts =
            json!({"content": [{"type": "text", "text": "a"}, {"type": "toolCall"}, {"type": "text", "text": "b"}]});
        assert_eq!(message_text(&parts), "a\nb");
        assert_eq!(message_text(&json!({})), "");
    }
}
