//! Guards against writes that look like accidents.

use serde_json::Value;

use super::{Change, Draft, Error};
use crate::load::{Loaded, get};
use crate::path::KeyPath;
use crate::redact;

/// Smallest text whose loss of half is suspicious.
const BASELINE_BYTES_MIN: usize = 512;

/// Maps that hold what a person built up over time.
const PROTECTED: &[&str] =
    &["agents.entries", "agents.defaults.models", "models.providers", "plugins.entries", "auth.profiles"];

/// Refuses a write that would lose much without saying so.
pub(super) fn check(before: &Loaded, after: &Loaded, change: &Change, draft: &Draft) -> Result<(), Error> {
    let (old, new) = (draft.old.len(), draft.text.len());
    let is_sweeping = !matches!(change, Change::Unset(_));
    if is_sweeping && old >= BASELINE_BYTES_MIN && new < old / 2 {
        return Err(Error::Guarded(format!(
            "the file would shrink from {old} to {new} bytes; say that it is meant to replace"
        )));
    }
    if before.get("gateway.mode").is_some() && after.get("gateway.mode").is_none() {
        return Err(Error::Guarded(
            "gateway.mode would vanish and no gateway would start; say that it is meant to replace".to_owned(),
        ));
    }
    if let Change::Set(pairs) = change {
        for (path, value) in pairs {
            protected_map(before, path, value)?;
        }
    }
    Ok(())
}

fn protected_map(before: &Loaded, path: &KeyPath, value: &Value) -> Result<(), Error> {
    for name in PROTECTED {
        let Ok(map_path) = KeyPath::parse(name) else { continue };
        // Setting the map itself or something above it; an entry may be set freely.
        if !map_path.starts_with(path) {
            continue;
        }
        let Some(Value::Object(old)) = get(&before.source, &map_path) else { continue };
        let below = KeyPath::from(map_path.segments()[path.segments().len()..].to_vec());
        let new = get(value, &below).and_then(Value::as_object);
        let lost: Vec<&str> =
            old.keys().filter(|key| !new.is_some_and(|new| new.contains_key(*key))).map(String::as_str).collect();
        if !lost.is_empty() {
            return Err(Error::Guarded(format!(
                "{name} would lose {}; say that it is meant to replace",
                lost.join(", ")
            )));
        }
    }
    Ok(())
}

/// Tells whether a secret is only stars or dots: somebody pasted what was shown.
pub(super) fn has_placeholder(source: &Value) -> bool {
    fn walk(value: &Value, path: &KeyPath) -> bool {
        match value {
            Value::String(text) => {
                text.len() >= 3
                    && text.chars().all(|c| matches!(c, '*' | '•' | '.' | '…'))
                    && redact::is_secret_path(path)
            }
            Value::Object(map) => map.iter().any(|(key, value)| walk(value, &path.key(key))),
            Value::Array(items) => items.iter().enumerate().any(|(index, item)| walk(item, &path.item(index))),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    walk(source, &KeyPath::root())
}
