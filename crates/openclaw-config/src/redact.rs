//! Replaces secrets before a configuration is shown.
//!
//! A value is secret if the table says so, or if its key sounds like one:
//! open objects of plugins and channels hold tokens the table cannot know.
//! References (`${NAME}`, `{source, provider, id}`) name a secret without
//! being one and stay readable.

use std::sync::Arc;

use serde_json::Value;

use crate::keys;
use crate::path::{KeyPath, Segment};
use crate::secret::Ref;
use crate::tree::{self, Node, Shape};

/// What stands in place of a secret. Refused as input.
pub const SENTINEL: &str = "__OPENCLAW_REDACTED__";

/// Shortest secret that is also blotted out of comments.
const COMMENT_CHARS_MIN: usize = 6;

/// Returns a copy without secrets.
#[must_use]
pub fn value(value: &Value) -> Value {
    let mut copy = value.clone();
    walk(&mut copy, &KeyPath::root(), false);
    copy
}

fn walk(value: &mut Value, path: &KeyPath, is_inside: bool) {
    let is_secret = is_inside || is_secret_path(path);
    match value {
        Value::Object(_) if is_secret && Ref::from_value(value).is_some_and(|parsed| parsed.is_ok()) => {}
        Value::Object(map) => {
            for (key, child) in map {
                walk(child, &path.key(key), is_secret);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walk(item, &path.item(index), is_secret);
            }
        }
        Value::String(text) if is_secret && !is_reference(text) => SENTINEL.clone_into(text),
        Value::Number(_) if is_secret => *value = Value::from(SENTINEL),
        Value::String(text) => {
            if let Some(cleaned) = without_userinfo(text) {
                *text = cleaned;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Tells whether what stands at a path is a secret.
#[must_use]
pub fn is_secret_path(path: &KeyPath) -> bool {
    if keys::find(path).is_some_and(keys::Key::is_secret) {
        return true;
    }
    // A row that is not a secret knows better than the sound of its name.
    let is_listed = keys::branch(path).is_some_and(|branch| branch.key.is_some() || branch.has_rows_below());
    let text = path.to_string();
    if text.starts_with("env.vars.") {
        return true;
    }
    let mut names = path.segments().iter().rev().map(|segment| match segment {
        Segment::Key(key) => key.as_str(),
        Segment::Index(_) => "",
    });
    let (name, parent) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    let sits_secret = matches!((parent, name), ("headers" | "env", _) | ("auth", "value") | ("tls", "key"));
    !is_listed && (sits_secret || sounds_secret(name))
}

/// Tells whether a key sounds like it holds a secret.
fn sounds_secret(key: &str) -> bool {
    let lower: String = key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    const WORDS: &[&str] = &[
        "password",
        "passwd",
        "passphrase",
        "secret",
        "apikey",
        "privatekey",
        "accesskey",
        "credential",
        "authorization",
        "cookie",
        "bearer",
        "encryptkey",
        "signingkey",
        "serviceaccount",
        "authtag",
    ];
    const COUNTS: &[&str] = &["tokens", "maxtokens", "tokencount", "tokenizer", "tokenfile", "tokenmode"];
    if COUNTS.iter().any(|count| lower.ends_with(count)) || lower.ends_with("file") || lower.ends_with("path") {
        return false;
    }
    lower.ends_with("token") || WORDS.iter().any(|word| lower.contains(word))
}

/// Tells whether the whole text only names a variable.
fn is_reference(text: &str) -> bool {
    text.is_empty() || matches!(Ref::from_value(&Value::from(text)), Some(Ok(_)))
}

/// Removes `user:password@` from an address, `None` if there is none.
fn without_userinfo(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let (userinfo, _) = authority.rsplit_once('@')?;
    let (_, password) = userinfo.split_once(':')?;
    (!password.is_empty()).then(|| format!("{scheme}://{SENTINEL}@{}", &rest[userinfo.len() + 1..]))
}

/// Returns the text of a configuration without secrets, comments and layout
/// kept. A text that cannot be read is not shown at all.
#[must_use]
pub fn text(raw: &str) -> String {
    if raw.is_empty() {
        return String::new();
    }
    let Ok(root) = tree::read(raw, &Arc::from(std::path::Path::new(""))) else {
        return SENTINEL.to_owned();
    };
    let shown = crate::edit::rewrite_strings(raw, &mut |path, found| {
        let mut copy = Value::from(found);
        walk(&mut copy, path, inside_secret(path));
        match copy {
            Value::String(replaced) if replaced != found => Some(replaced),
            _ => None,
        }
    });
    let Ok(shown) = shown else { return SENTINEL.to_owned() };
    let mut secrets = Vec::new();
    root.walk(&KeyPath::root(), &mut |path, node| collect(path, node, &mut secrets));
    // Longest first, so that one secret inside another does not leave a rest.
    secrets.sort_by_key(|secret: &String| std::cmp::Reverse(secret.len()));
    let cleaned = crate::edit::rewrite_comments(&shown, &mut |comment| {
        secrets.iter().fold(comment.to_owned(), |comment, secret| comment.replace(secret.as_str(), SENTINEL))
    });
    cleaned.unwrap_or_else(|_| SENTINEL.to_owned())
}

fn inside_secret(path: &KeyPath) -> bool {
    let mut here = path.parent();
    while let Some(above) = here {
        if is_secret_path(&above) {
            return true;
        }
        here = above.parent();
    }
    false
}

fn collect(path: &KeyPath, node: &Node, secrets: &mut Vec<String>) {
    let Shape::Text(text) = &node.shape else { return };
    let is_secret = is_secret_path(path) || inside_secret(path);
    if is_secret && !is_reference(text) && text.chars().count() >= COMMENT_CHARS_MIN && text != SENTINEL {
        secrets.push(text.clone());
    }
}

/// Tells whether a value holds the stand-in, which must not be written.
#[must_use]
pub fn is_redacted(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(SENTINEL),
        Value::Array(items) => items.iter().any(is_redacted),
        Value::Object(map) => map.values().any(is_redacted),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests;
