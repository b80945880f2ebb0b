//! JSON merge patch as clients of the gateway send it.
//!
//! Objects merge deep, `null` deletes, lists of objects with an `id` merge by
//! id, other lists are replaced. A list may lose entries only if the patch
//! names its path: a form that shows half a list must not delete the rest.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::path::KeyPath;

/// Why a patch is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// Not an object.
    #[error("apply the patch: it must be an object")]
    NotAnObject,
    /// A list would lose entries without being named.
    #[error("apply the patch: {path} would lose {lost} entries; name it in replacePaths to allow that")]
    Shrinks {
        /// The list.
        path: String,
        /// How many entries would go.
        lost: usize,
    },
}

/// Returns the value after the patch.
///
/// # Errors
/// See [`PatchError`].
pub fn merge(base: &Value, patch: &Value, replace_paths: &BTreeSet<String>) -> Result<Value, PatchError> {
    if !patch.is_object() {
        return Err(PatchError::NotAnObject);
    }
    Merge { replace_paths }.value(&KeyPath::root(), Some(base), patch)
}

struct Merge<'a> {
    replace_paths: &'a BTreeSet<String>,
}

impl Merge<'_> {
    fn value(&self, path: &KeyPath, base: Option<&Value>, patch: &Value) -> Result<Value, PatchError> {
        match (base, patch) {
            (base, Value::Object(patch)) => {
                let mut merged = base.and_then(Value::as_object).cloned().unwrap_or_default();
                self.object(path, &mut merged, patch)?;
                Ok(Value::Object(merged))
            }
            (Some(Value::Array(base)), Value::Array(patch)) => self.list(path, base, patch).map(Value::Array),
            (_, patch) => Ok(patch.clone()),
        }
    }

    fn object(
        &self,
        path: &KeyPath,
        merged: &mut Map<String, Value>,
        patch: &Map<String, Value>,
    ) -> Result<(), PatchError> {
        for (key, value) in patch {
            if value.is_null() {
                merged.shift_remove(key);
                continue;
            }
            let new = self.value(&path.key(key), merged.get(key), value)?;
            merged.insert(key.clone(), new);
        }
        Ok(())
    }

    fn list(&self, path: &KeyPath, base: &[Value], patch: &[Value]) -> Result<Vec<Value>, PatchError> {
        if self.replace_paths.contains(&path.to_string()) {
            return Ok(patch.to_vec());
        }
        if !patch.is_empty() && has_ids(base) && has_ids(patch) {
            let mut merged = base.to_vec();
            for item in patch {
                match merged.iter().position(|known| known["id"] == item["id"]) {
                    Some(at) => merged[at] = self.value(&path.item(at), Some(&merged[at]), item)?,
                    None => merged.push(item.clone()),
                }
            }
            return Ok(merged);
        }
        let lost = base.iter().filter(|item| !patch.contains(item)).count();
        if lost > 0 && patch.len() < base.len() {
            return Err(PatchError::Shrinks { path: path.to_string(), lost });
        }
        Ok(patch.to_vec())
    }
}

fn has_ids(items: &[Value]) -> bool {
    items.iter().all(|item| item.get("id").is_some_and(Value::is_string))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(base: Value, patch: Value, expected: Result<Value, &str>) {
        let result = merge(&base, &patch, &BTreeSet::from(["named".to_owned()]));
        match (result, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (found, expected) => panic!("{base} + {patch}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn objects_merge_deep_and_null_deletes() {
        check(json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": null, "d": 3}}), Ok(json!({"a": {"c": 2, "d": 3}})));
        check(json!({}), json!({"a": {"b": {"c": null, "d": 1}}}), Ok(json!({"a": {"b": {"d": 1}}})));
        check(json!({"a": 1}), json!([1]), Err("must be an object"));
    }

    #[test]
    fn lists_are_replaced_but_do_not_shrink_unnamed() {
        check(json!({"l": [1]}), json!({"l": [2, 3]}), Ok(json!({"l": [2, 3]})));
        check(json!({"l": [1, 2]}), json!({"l": [1]}), Err("l would lose 1 entries"));
        check(json!({"named": [1, 2]}), json!({"named": []}), Ok(json!({"named": []})));
        check(json!({"l": [1, 2]}), json!({"l": null}), Ok(json!({})));
    }

    #[test]
    fn lists_of_ids_merge_by_id() {
        check(
            json!({"l": [{"id": "a", "x": 1}, {"id": "b"}]}),
            json!({"l": [{"id": "a", "y": 2}, {"id": "c"}]}),
            Ok(json!({"l": [{"id": "a", "x": 1, "y": 2}, {"id": "b"}, {"id": "c"}]})),
        );
    }
}
