//! Which file a change belongs to when parts of the configuration are included.
//!
//! A setting that lives in one included file is written there and the main
//! file stays untouched. Where that is not plain (lists of files, a file used
//! twice, includes inside includes, changes across files) the write is refused.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Change, Error};
use crate::disk;
use crate::include;
use crate::load::Loaded;
use crate::path::{KeyPath, Segment};
use crate::tree;

/// A file to edit.
pub(super) struct Target {
    /// Its text.
    pub(super) text: String,
    /// Its path; `None` is the main file.
    pub(super) included: Option<PathBuf>,
    /// Where its content hangs in the configuration.
    at: KeyPath,
}

impl Target {
    /// Returns a path as seen from inside the file.
    pub(super) fn below(&self, path: &KeyPath) -> KeyPath {
        KeyPath::from(path.segments()[self.at.segments().len().min(path.segments().len())..].to_vec())
    }

    /// Returns the part of a patch that belongs inside the file.
    pub(super) fn patch_below(&self, patch: &Value) -> Value {
        crate::load::get(patch, &self.at).cloned().unwrap_or(Value::Object(Map::new()))
    }
}

/// Finds the one file all parts of a change belong to.
pub(super) fn find(before: &Loaded, change: &Change) -> Result<Target, Error> {
    let mut paths = Vec::new();
    match change {
        Change::Set(pairs) => paths.extend(pairs.iter().map(|(path, _)| path.clone())),
        Change::Unset(path) => paths.push(path.clone()),
        Change::Patch { patch, .. } => leaves(patch, &KeyPath::root(), &mut paths),
        Change::Replace(_) => {}
    }
    let mut found: Option<Option<(KeyPath, String)>> = None;
    for path in &paths {
        let owner = owner(before, path)?;
        match &found {
            None => found = Some(owner),
            Some(known) if *known == owner => {}
            Some(_) => return Err(refusal(path, "the change touches more than one file; make one change per file")),
        }
    }
    match found.flatten() {
        None => Ok(Target { text: before.raw.clone(), included: None, at: KeyPath::root() }),
        Some((at, name)) => open(before, at, &name),
    }
}

fn refusal(path: &KeyPath, reason: &'static str) -> Error {
    Error::Included { path: path.to_string(), reason }
}

fn leaves(value: &Value, path: &KeyPath, out: &mut Vec<KeyPath>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                leaves(value, &path.key(key), out);
            }
        }
        _ => out.push(path.clone()),
    }
}

/// Returns where and by which name the file owning a path is included, `None`
/// for the main file.
fn owner(before: &Loaded, path: &KeyPath) -> Result<Option<(KeyPath, String)>, Error> {
    let mut here = &before.source;
    let mut at = KeyPath::root();
    for segment in path.segments() {
        if let Some(include) = here.get(include::KEY) {
            let is_sibling = matches!(segment, Segment::Key(key) if here.get(key).is_some());
            if !is_sibling {
                let Value::String(name) = include else {
                    return Err(refusal(path, "it is merged from a list of files; edit the file that holds it"));
                };
                if !at.is_root() || holds(before, name, path) {
                    return Ok(Some((at, name.clone())));
                }
            }
        }
        let next = match segment {
            Segment::Key(key) => here.get(key),
            Segment::Index(index) => here.get(index),
        };
        let Some(next) = next else { return Ok(None) };
        here = next;
        at = match segment {
            Segment::Key(key) => at.key(key),
            Segment::Index(index) => at.item(*index),
        };
    }
    if here.get(include::KEY).is_some() {
        return Err(refusal(path, "it is merged from an included file; set a key inside it"));
    }
    Ok(None)
}

fn file_of(before: &Loaded, name: &str) -> Option<PathBuf> {
    before.path.parent().unwrap_or(Path::new(".")).join(name).canonicalize().ok()
}

/// Tells whether an included file has the first key of a path.
fn holds(before: &Loaded, name: &str, path: &KeyPath) -> bool {
    let Some(Segment::Key(key)) = path.segments().first() else { return false };
    file_of(before, name)
        .and_then(|file| disk::read_text(&file, include::FILE_BYTES_MAX).ok())
        .and_then(|text| tree::parse(&text).ok())
        .is_some_and(|value| value.get(key).is_some())
}

fn open(before: &Loaded, at: KeyPath, name: &str) -> Result<Target, Error> {
    if uses(&before.source, name) > 1 {
        return Err(refusal(&at, "the included file is used in more than one place; edit it by hand"));
    }
    let file = file_of(before, name).ok_or_else(|| refusal(&at, "the included file cannot be found"))?;
    let home = before.path.parent().and_then(|dir| dir.canonicalize().ok());
    if !home.is_some_and(|home| file.starts_with(home)) {
        return Err(refusal(&at, "the included file lies outside the folder of the configuration; edit it by hand"));
    }
    let text = disk::read_text(&file, include::FILE_BYTES_MAX)?;
    let value = tree::parse(&text).map_err(|_| refusal(&at, "the included file cannot be read"))?;
    if uses_any(&value) {
        return Err(refusal(&at, "the included file includes others; edit it by hand"));
    }
    Ok(Target { text, included: Some(file), at })
}

fn uses(value: &Value, name: &str) -> usize {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| match value {
                Value::String(found) if key == include::KEY => usize::from(found == name),
                Value::Array(found) if key == include::KEY => {
                    found.iter().filter(|found| found.as_str() == Some(name)).count()
                }
                other => uses(other, name),
            })
            .sum(),
        Value::Array(items) => items.iter().map(|item| uses(item, name)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn uses_any(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.contains_key(include::KEY) || map.values().any(uses_any),
        Value::Array(items) => items.iter().any(uses_any),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
