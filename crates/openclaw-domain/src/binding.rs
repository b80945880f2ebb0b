//! A chat thread that speaks to a session (C1 b).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{SessionKey, Timestamp};

/// A thread of a chat platform.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Thread {
    /// For example `slack`.
    pub channel: String,
    /// Which of our accounts there; empty for the only one.
    #[serde(default)]
    pub account: String,
    /// The platform's id of the thread.
    pub thread: String,
}

/// A binding in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// The thread.
    #[serde(flatten)]
    pub thread: Thread,
    /// The session it speaks to.
    pub session: SessionKey,
    /// When it was bound.
    pub bound_at: Timestamp,
    /// When something was last said in it.
    pub used_at: Timestamp,
}

/// How long bindings last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Whether threads can be bound at all.
    pub is_enabled: bool,
    /// A binding ends after this long without a message; zero means never.
    pub idle_max: Duration,
    /// A binding ends at this age; zero means never.
    pub age_max: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self { is_enabled: true, idle_max: Duration::from_secs(24 * 3600), age_max: Duration::ZERO }
    }
}

impl Binding {
    /// Tells whether the binding has ended by itself.
    pub fn is_over(&self, terms: &Terms, now: Timestamp) -> bool {
        let passed = |max: Duration, since: Timestamp| !max.is_zero() && now.since(since) >= max;
        passed(terms.idle_max, self.used_at) || passed(terms.age_max, self.bound_at)
    }
}
