//! Reads section `tools` of the configuration.
//!
//! Tools ask for a dotted path, a default and the legal range. A value of the
//! wrong type counts as absent: crate `config` reports it with its line, and one
//! bad key must not take a tool away.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;

/// Section `tools`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section<'a>(&'a Value);

impl<'a> Section<'a> {
    pub(crate) fn new(value: &'a Value) -> Self {
        Self(value)
    }

    /// Returns what is at a dotted path.
    pub(crate) fn at(self, path: &str) -> Option<&'a Value> {
        path.split('.').try_fold(self.0, |value, key| value.get(key))
    }

    pub(crate) fn text(self, path: &str) -> Option<&'a str> {
        self.at(path)?.as_str().filter(|text| !text.trim().is_empty())
    }

    pub(crate) fn flag(self, path: &str, default: bool) -> bool {
        self.at(path).and_then(Value::as_bool).unwrap_or(default)
    }

    /// Returns a whole number, moved into the range.
    pub(crate) fn number(self, path: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let value = self.at(path).and_then(Value::as_u64).unwrap_or(default);
        value.clamp(*range.start(), *range.end())
    }

    /// Returns a number of seconds as a duration, moved into the range.
    pub(crate) fn seconds(self, path: &str, default: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(path, default, range))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn wrong_types_count_as_absent_and_numbers_stay_in_range() {
        let value = json!({ "a": { "n": 500, "flag": "yes", "text": "  " } });
        let section = Section::new(&value);
        assert_eq!(section.number("a.n", 7, 1..=100), 100);
        assert_eq!(section.number("a.missing", 7, 1..=100), 7);
        assert_eq!(section.number("a.flag", 7, 1..=100), 7);
        assert!(section.flag("a.flag", true));
        assert_eq!(section.text("a.text"), None);
        assert_eq!(section.seconds("a.n.deeper", 3, 1..=9), Duration::from_secs(3));
    }
}
