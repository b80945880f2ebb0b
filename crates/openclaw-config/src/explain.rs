//! What a person may ask about a setting: meaning, form, default, source.

use serde::Serialize;
use serde_json::Value;

use crate::keys;
use crate::load::Loaded;
use crate::path::{KeyPath, Segment};
use crate::redact;
use crate::reload::{self, Class};
use crate::tree::Origin;

/// Everything known about one path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The path asked about.
    pub path: String,
    /// The row it falls under, `agents.entries.*.model`.
    pub pattern: String,
    /// What it does.
    pub doc: &'static str,
    /// What may stand there.
    pub expected: String,
    /// The built-in default.
    pub default: Option<Value>,
    /// The value in force, secrets replaced.
    pub value: Option<Value>,
    /// Where it came from.
    pub origin: Option<String>,
    /// 1 works, 2 is understood and reported, 3 is kept as written.
    pub ring: u8,
    /// Whether it is a secret.
    pub is_secret: bool,
    /// When a change takes effect: `none`, `hot` or `restart`.
    pub takes_effect: &'static str,
    /// The settings directly below, for an object.
    pub below: Vec<String>,
}

/// Explains a path; `None` if there is no such setting.
#[must_use]
pub fn explain(path: &KeyPath, loaded: Option<&Loaded>) -> Option<Explanation> {
    let (pattern, is_known) = keys::pattern(path);
    if !is_known {
        return None;
    }
    let branch = keys::branch(path);
    let key = branch.and_then(|branch| branch.key);
    let is_secret = redact::is_secret_path(path);
    let value = loaded.and_then(|loaded| crate::load::get(&loaded.value, path)).map(|value| shown(path, value));
    Some(Explanation {
        pattern,
        doc: key.map_or("a group of settings", |key| key.doc),
        expected: key.map_or_else(|| "an object".to_owned(), |key| key.kind.to_string()),
        default: key.and_then(keys::Key::default_value),
        value,
        origin: loaded.and_then(|loaded| loaded.origins.get(&path.to_string())).map(ToString::to_string),
        ring: key.map_or(1, |key| key.ring),
        is_secret,
        takes_effect: match reload::class(path) {
            Class::None => "none",
            Class::Hot => "hot",
            Class::Restart => "restart",
        },
        below: branch.map(|branch| branch.children.keys().map(|name| (*name).to_owned()).collect()).unwrap_or_default(),
        path: path.to_string(),
    })
}

/// One setting the author wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Configured {
    /// Where it stands.
    pub path: String,
    /// 1 works, 2 is understood and reported, 3 is kept as written; `None` is unknown.
    pub ring: Option<u8>,
    /// File, line and column.
    pub origin: String,
}

/// Lists the settings the author wrote, with what this program makes of them.
#[must_use]
pub fn configured(loaded: &Loaded) -> Vec<Configured> {
    let is_leaf =
        |path: &KeyPath| !matches!(crate::load::get(&loaded.value, path), Some(Value::Object(map)) if !map.is_empty());
    loaded
        .origins
        .iter()
        .filter(|(_, origin)| matches!(origin, Origin::File { .. }))
        .filter_map(|(text, origin)| Some((KeyPath::parse(text).ok()?, text, origin)))
        .filter(|(path, ..)| is_leaf(path) && !path.segments().iter().any(|step| matches!(step, Segment::Index(_))))
        .map(|(path, text, origin)| Configured { path: text.clone(), ring: ring(&path), origin: origin.to_string() })
        .collect()
}

/// Returns the ring of the row at a path or of the open block around it.
fn ring(path: &KeyPath) -> Option<u8> {
    if !keys::pattern(path).1 {
        return None;
    }
    let mut here = Some(path.clone());
    while let Some(path) = here {
        if let Some(key) = keys::find(&path) {
            return Some(key.ring);
        }
        here = path.parent();
    }
    Some(1)
}

/// Replaces secrets in a value that stands at a path.
#[must_use]
pub fn shown(path: &KeyPath, value: &Value) -> Value {
    // Wrapped in its own path, so that the table is asked about the right place.
    let wrapped = path.segments().iter().rev().fold(value.clone(), |inner, segment| match segment {
        Segment::Key(key) => Value::Object(std::iter::once((key.clone(), inner)).collect()),
        Segment::Index(_) => Value::Array(vec![inner]),
    });
    let mut shown = redact::value(&wrapped);
    for segment in path.segments() {
        shown = match (segment, shown) {
            (Segment::Key(key), Value::Object(mut map)) => map.remove(key).unwrap_or_default(),
            (Segment::Index(_), Value::Array(mut items)) => items.pop().unwrap_or_default(),
            (_, other) => other,
        };
    }
    shown
}

/// Completes a half-written path; own keys of maps come from the configuration.
#[must_use]
pub fn complete_path(start: &str, loaded: Option<&Loaded>) -> Vec<String> {
    let (parent, last) = start.rsplit_once('.').unwrap_or(("", start));
    let path = match KeyPath::parse(parent) {
        Ok(path) => path,
        Err(_) if parent.is_empty() => KeyPath::root(),
        Err(_) => return Vec::new(),
    };
    let Some(branch) = keys::branch(&path) else { return Vec::new() };
    let mut names: Vec<String> = branch.children.keys().map(|name| (*name).to_owned()).collect();
    if branch.any.is_some()
        && let Some(Value::Object(map)) = loaded.and_then(|loaded| crate::load::get(&loaded.value, &path))
    {
        names.extend(map.keys().cloned());
    }
    names.retain(|name| name.starts_with(last));
    names.sort();
    names.dedup();
    names.into_iter().map(|name| path.key(&name).to_string()).collect()
}

/// Completes the value of a setting.
#[must_use]
pub fn complete_value(path: &KeyPath, start: &str) -> Vec<&'static str> {
    let mut words = keys::find(path).map(|key| key.kind.words()).unwrap_or_default();
    words.retain(|word| word.starts_with(start));
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn path(text: &str) -> KeyPath {
        KeyPath::parse(text).unwrap()
    }

    #[test]
    fn explains_a_setting_without_a_configuration() {
        let found = explain(&path("gateway.port"), None).unwrap();
        assert_eq!(
            (found.expected.as_str(), found.default, found.takes_effect),
            ("a whole number from 1 to 65535", Some(json!(18789)), "restart")
        );
        assert_eq!(explain(&path("gateway.nope"), None), None);
        assert!(explain(&path("gateway.auth"), None).unwrap().below.contains(&"token".to_owned()));
    }

    #[test]
    fn completes_paths_and_words() {
        assert_eq!(complete_path("gateway.po", None), ["gateway.port", "gateway.portals"]);
        assert!(complete_path("", None).contains(&"gateway".to_owned()));
        assert_eq!(complete_path("no.such", None), Vec::<String>::new());
        assert_eq!(complete_value(&path("gateway.bind"), "l"), ["lan", "loopback"]);
        assert_eq!(complete_value(&path("update.checkOnStart"), ""), ["true", "false"]);
    }

    #[test]
    fn a_secret_is_replaced_wherever_one_asks_from() {
        assert_eq!(shown(&path("gateway.auth.token"), &json!("hunter2")), json!(redact::SENTINEL));
        assert_eq!(
            shown(&path("gateway.auth"), &json!({"token": "hunter2", "mode": "token"})),
            json!({"token": redact::SENTINEL, "mode": "token"})
        );
        assert_eq!(shown(&path("gateway.port"), &json!(1)), json!(1));
    }
}
