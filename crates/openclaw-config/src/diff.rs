//! Which settings differ between two configurations.

use serde_json::Value;

use crate::path::KeyPath;

/// Returns the paths that differ, deepest objects first resolved; a list that
/// differs is one path, because its elements have no names.
#[must_use]
pub fn diff(before: &Value, after: &Value) -> Vec<KeyPath> {
    let mut changed = Vec::new();
    walk(&KeyPath::root(), Some(before), Some(after), &mut changed);
    changed
}

fn walk(path: &KeyPath, before: Option<&Value>, after: Option<&Value>, changed: &mut Vec<KeyPath>) {
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for (key, value) in old {
                walk(&path.key(key), Some(value), new.get(key), changed);
            }
            for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
                walk(&path.key(key), None, Some(value), changed);
            }
        }
        // An object that comes or goes is its leaves: reload classes are theirs.
        (Some(Value::Object(map)), None) | (None, Some(Value::Object(map))) if !map.is_empty() => {
            for (key, value) in map {
                let (old, new) = if before.is_some() { (Some(value), None) } else { (None, Some(value)) };
                walk(&path.key(key), old, new, changed);
            }
        }
        (old, new) if old == new => {}
        _ => changed.push(path.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(before: Value, after: Value, expected: &[&str]) {
        let changed: Vec<String> = diff(&before, &after).iter().map(ToString::to_string).collect();
        assert_eq!(changed, expected, "{before} -> {after}");
    }

    #[test]
    fn names_every_leaf_that_differs() {
        check(json!({"a": 1}), json!({"a": 1}), &[]);
        check(json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": 1, "c": 3}}), &["a.c"]);
        check(json!({"a": {"b": 1}}), json!({}), &["a.b"]);
        check(json!({}), json!({"a": {"b": {"c": 1}}, "d": {}}), &["a.b.c", "d"]);
        check(json!({"a": [1]}), json!({"a": [1, 2]}), &["a"]);
        check(json!({"a": {"b": 1}}), json!({"a": 5}), &["a"]);
        check(json!({"x.y": 1}), json!({"x.y": 2}), &["\"x.y\""]);
    }
}
