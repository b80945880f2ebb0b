//! Refuses requests that the real services refuse.
//!
//! A lenient server hides mistakes, so every rule is on unless a test names it
//! and turns it off. Rules live beside the wire format they belong to.

use std::collections::BTreeSet;

use http::HeaderMap;
use serde_json::Value;

/// Which rules are in force.
#[derive(Debug, Clone)]
pub struct Lint {
    is_on: bool,
    without: BTreeSet<&'static str>,
}

/// One rule: its name, and what it says against a request.
pub(super) struct Rule {
    pub(super) name: &'static str,
    /// Returns the vendor's message when the request breaks the rule.
    pub(super) check: fn(&Asked<'_>) -> Option<String>,
}

/// A request as rules see it.
pub(super) struct Asked<'a> {
    pub(super) body: &'a Value,
    pub(super) headers: &'a HeaderMap,
    pub(super) model: &'a str,
}

impl Lint {
    /// Refuses everything the services refuse.
    pub fn strict() -> Self {
        Self { is_on: true, without: BTreeSet::new() }
    }

    /// Accepts anything that can be read; for benches.
    pub fn off() -> Self {
        Self { is_on: false, without: BTreeSet::new() }
    }

    /// Turns one rule off.
    #[must_use]
    pub fn without(mut self, rule: &'static str) -> Self {
        self.without.insert(rule);
        self
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Returns the first complaint: the rule and the vendor's message.
    pub(super) fn judge(&self, rules: &[Rule], asked: &Asked<'_>) -> Option<(&'static str, String)> {
        let active = rules.iter().filter(|rule| !self.without.contains(rule.name));
        let mut complaints = active.filter_map(|rule| (rule.check)(asked).map(|message| (rule.name, message)));
        complaints.next()
    }
}

/// Returns the elements of an array below `pointer`; none when it is no array.
pub(super) fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns a text field; empty when it is none.
pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Tells whether a name fits `[a-zA-Z0-9_-]{1,max}`.
pub(super) fn is_name(name: &str, max: usize) -> bool {
    (1..=max).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Returns the first value that occurs twice.
pub(super) fn repeated<'a>(values: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = BTreeSet::new();
    let mut repeated = values.filter(|value| !seen.insert(*value));
    repeated.next()
}

/// Seals a text: an opaque value that proves the text came back unchanged.
///
/// The seal is base64 of itself being hexadecimal, 20 characters long.
pub(super) fn seal(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("c2ln{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_bound_to_its_text() {
        assert_eq!(seal("a"), seal("a"));
        assert_ne!(seal("a"), seal("a "));
        assert_eq!(seal("a").len() % 4, 0);
    }

    #[test]
    fn a_rule_that_is_turned_off_says_nothing() {
        const RULES: [Rule; 1] = [Rule { name: "never", check: |_| Some("no".to_owned()) }];
        let headers = HeaderMap::new();
        let asked = Asked { body: &Value::Null, headers: &headers, model: "m" };
        assert_eq!(Lint::strict().judge(&RULES, &asked), Some(("never", "no".to_owned())));
        assert_eq!(Lint::strict().without("never").judge(&RULES, &asked), None);
    }
}
