//! Takes secrets out of text: those that are known here, and what looks like one.

use openclaw_config::path::KeyPath;
use openclaw_config::redact::{SENTINEL, is_secret_path};
use serde_json::Value;

use crate::cx::Cx;

/// Shorter values would take ordinary words along.
const KNOWN_CHARS_MIN: usize = 6;

/// Beginnings of words that are keys and tokens of well-known services.
const PREFIXES: [&str; 16] = [
    "sk-",
    "sk_",
    "rk_",
    "pk_",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xox",
    "hf_",
    "AKIA",
    "ASIA",
    "AIza",
    "eyJ",
    "gsk_",
];

/// A shorter word with such a beginning is no key.
const TOKEN_CHARS_MIN: usize = 16;

/// What is taken out.
pub(super) struct Blot {
    /// Longest first, so that no part of one is left standing.
    known: Vec<String>,
}

impl Blot {
    /// Collects the secrets this installation knows of.
    pub(super) fn of(cx: &Cx<'_>) -> Self {
        let mut known = Vec::new();
        collect(&cx.config().value, &KeyPath::root(), false, &mut known);
        for name in cx.env.names() {
            if sounds_secret(name) {
                known.extend(cx.env.get(name).map(str::to_owned));
            }
        }
        let token = std::fs::read_to_string(cx.home.state_dir.join("gateway.token")).unwrap_or_default();
        known.push(token.trim().to_owned());
        Self::new(known)
    }

    fn new(known: Vec<String>) -> Self {
        let mut all: Vec<String> = Vec::new();
        for secret in known.into_iter().filter(|secret| secret.chars().count() >= KNOWN_CHARS_MIN) {
            // In JSON a quote, a backslash or a line end of it is written otherwise.
            let escaped = Value::from(secret.as_str()).to_string();
            all.push(escaped.trim_matches('"').to_owned());
            all.push(secret);
        }
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        all.dedup();
        Self { known: all }
    }

    /// Returns the text without secrets.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.known {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), SENTINEL);
            }
        }
        without_tokens(&text)
    }
}

fn collect(value: &Value, path: &KeyPath, is_inside: bool, known: &mut Vec<String>) {
    let is_secret = is_inside || is_secret_path(path);
    match value {
        Value::Object(map) => map.iter().for_each(|(key, child)| collect(child, &path.key(key), is_secret, known)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, &path.item(index), is_secret, known);
            }
        }
        Value::String(text) if is_secret => known.push(text.clone()),
        Value::Number(number) if is_secret => known.push(number.to_string()),
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

fn sounds_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL"].iter().any(|part| name.contains(part))
}

/// Replaces words that look like keys, and whatever follows `Bearer`.
fn without_tokens(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let is_credential_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\' | ',' | ';');
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    let mut follows_bearer = false;
    while !rest.is_empty() {
        let starts_word = rest.starts_with(is_word);
        let end = match (follows_bearer, starts_word) {
            (true, true) => rest.find(is_credential_end),
            (_, _) => rest.find(|c| !is_word(c)),
        };
        let end = end.unwrap_or(rest.len());
        if end == 0 {
            let next = rest.chars().next().map_or(1, char::len_utf8);
            clean.push_str(&rest[..next]);
            follows_bearer &= rest.starts_with(' ');
            rest = &rest[next..];
            continue;
        }
        let word = &rest[..end];
        let looks = word.len() >= TOKEN_CHARS_MIN && PREFIXES.iter().any(|prefix| word.starts_with(prefix));
        let is_credential = follows_bearer && word.len() >= KNOWN_CHARS_MIN;
        clean.push_str(if looks || is_credential { SENTINEL } else { word });
        follows_bearer = matches!(word, "Bearer" | "bearer" | "Basic");
        rest = &rest[end..];
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::{Blot, SENTINEL, without_tokens};

    #[test]
    fn known_secrets_go_however_they_are_written() {
        let blot = Blot::new(vec!["hunter2\"quoted".to_owned(), "short".to_owned()]);
        assert_eq!(blot.clean("a hunter2\"quoted b short"), format!("a {SENTINEL} b short"));
        assert_eq!(blot.clean(r#"{"a":"hunter2\"quoted"}"#), format!(r#"{{"a":"{SENTINEL}"}}"#));
    }

    #[test]
    fn what_looks_like_a_key_goes_and_ordinary_words_stay() {
        for key in ["sk-abcdefghij0123456789", "ghp_abcdefghijklmnop1234", "eyJhbGciOiJIUzI1NiJ9.e30.x"] {
            for text in [format!("key={key};"), format!("\"{key}\""), format!("https://x/{key}")] {
                assert!(!without_tokens(&text).contains(key), "{text}");
            }
        }
        assert_eq!(without_tokens("Authorization: Bearer abc/123+def=="), format!("Authorization: Bearer {SENTINEL}"));
        for plain in ["sk-short", "a Bearer of news", "task-eyJ", "日本 sk"] {
            assert_eq!(without_tokens(plain), plain);
        }
    }
}
