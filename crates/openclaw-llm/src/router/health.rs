//! What was learned from failures: who rests, and what a model refuses.
//!
//! Keyed by provider, profile and model together, so that one bad pair never
//! takes healthy ones with it (pain 15). A resting candidate is asked last, never
//! not at all. Kept in memory only.

use std::collections::HashMap;
use std::time::Duration;

use openclaw_domain::model::{Error, ErrorClass, ModelRef, Thinking};

use super::verdict::rest;

/// Most pairs remembered; the rested ones are forgotten first.
const ENTRIES_MAX: usize = 1024;

/// Provider, model and profile.
pub(super) type Key = (ModelRef, Option<String>);

#[derive(Debug)]
struct Record {
    rests_until: Duration,
    /// Until when the provider itself asked to be left alone.
    asked_until: Duration,
    failures: u32,
    class: ErrorClass,
}

/// A candidate that rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resting {
    pub(super) left: Duration,
    /// What is left of the wait the provider asked for.
    pub(super) asked: Duration,
    pub(super) class: ErrorClass,
}

/// What a model was found to refuse.
#[derive(Debug, Default, Clone)]
pub(super) struct Learned {
    /// Thinking levels.
    pub(super) thinking: Vec<Thinking>,
    /// Optional parameters.
    pub(super) no_extras: bool,
}

/// Everything learned.
#[derive(Debug, Default)]
pub(super) struct Health {
    records: HashMap<Key, Record>,
    learned: HashMap<ModelRef, Learned>,
}

impl Health {
    /// Notes that a candidate failed and must rest.
    pub(super) fn failed(&mut self, key: Key, error: &Error, now: Duration) {
        if self.records.len() >= ENTRIES_MAX {
            self.records.retain(|_, record| record.rests_until > now);
        }
        let record = self.records.entry(key).or_insert(Record {
            rests_until: now,
            asked_until: now,
            failures: 0,
            class: error.class,
        });
        record.failures = record.failures.saturating_add(1);
        record.class = error.class;
        record.rests_until = now + rest(error, record.failures);
        record.asked_until = now + error.retry_after.unwrap_or(Duration::ZERO);
    }

    /// Notes that a candidate answered.
    pub(super) fn answered(&mut self, key: &Key) {
        self.records.remove(key);
    }

    /// Tells whether a candidate rests, and how long still.
    pub(super) fn resting(&self, key: &Key, now: Duration) -> Option<Resting> {
        let record = self.records.get(key)?;
        let left = record.rests_until.checked_sub(now).filter(|left| !left.is_zero())?;
        Some(Resting { left, asked: record.asked_until.saturating_sub(now), class: record.class })
    }

    /// Returns what a model refuses.
    pub(super) fn learned(&self, model: &ModelRef) -> Learned {
        self.learned.get(model).cloned().unwrap_or_default()
    }

    /// Notes that a model refused a thinking level.
    pub(super) fn refuses_thinking(&mut self, model: &ModelRef, level: Thinking) {
        let known = self.entry(model);
        if !known.thinking.contains(&level) {
            known.thinking.push(level);
        }
    }

    /// Notes that a model refused optional parameters.
    pub(super) fn refuses_extras(&mut self, model: &ModelRef) {
        self.entry(model).no_extras = true;
    }

    fn entry(&mut self, model: &ModelRef) -> &mut Learned {
        if self.learned.len() >= ENTRIES_MAX {
            self.learned.clear();
        }
        self.learned.entry(model.clone()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::error;

    fn key(profile: &str, model: &str) -> Key {
        (ModelRef::new("p", model), Some(profile.to_owned()))
    }

    #[test]
    fn a_failure_rests_one_pair_and_leaves_its_neighbours_alone() {
        let mut health = Health::default();
        health.failed(key("a", "big"), &error(ErrorClass::RateLimited, ""), Duration::ZERO);
        assert!(health.resting(&key("a", "big"), Duration::from_secs(29)).is_some());
        assert!(health.resting(&key("a", "big"), Duration::from_secs(30)).is_none());
        assert!(health.resting(&key("a", "small"), Duration::ZERO).is_none());
        assert!(health.resting(&key("b", "big"), Duration::ZERO).is_none());
    }

    #[test]
    fn rests_grow_to_a_cap_and_an_answer_ends_them() {
        let mut health = Health::default();
        let mut lefts = Vec::new();
        for _ in 0..4 {
            health.failed(key("a", "m"), &error(ErrorClass::Overloaded, ""), Duration::ZERO);
            lefts.extend(health.resting(&key("a", "m"), Duration::ZERO).map(|resting| resting.left.as_secs()));
        }
        assert_eq!(lefts, [30, 60, 300, 300]);
        health.answered(&key("a", "m"));
        assert_eq!(health.resting(&key("a", "m"), Duration::ZERO), None);
    }
}
