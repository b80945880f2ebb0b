//! Pauses a tool that keeps failing in a session (I7).
//!
//! The breaker of a run stops the run; this one spares the tool's far side
//! across runs. It is kept in memory: after a restart a tool gets a new chance.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openclaw_domain::SessionKey;

/// Failures in a row after which a tool is paused.
pub(crate) const FAILURES_MAX: u32 = 5;

/// How long a pause lasts.
pub(crate) const PAUSE: Duration = Duration::from_secs(60);

/// Most (session, tool) pairs remembered.
const KNOWN_MAX: usize = 10_000;

/// How tools did lately, by session and tool.
#[derive(Default)]
pub(crate) struct Pauses {
    known: Mutex<HashMap<(SessionKey, String), Streak>>,
}

#[derive(Clone, Copy, Default)]
struct Streak {
    failures: u32,
    last: Duration,
    paused_until: Option<Duration>,
}

impl Pauses {
    /// Notes how a call ended; true when the tool is paused from now on.
    pub(crate) fn note(&self, session: &SessionKey, tool: &str, has_failed: bool, now: Duration) -> bool {
        let mut known = self.lock();
        let key = (session.clone(), tool.to_owned());
        if !has_failed {
            known.remove(&key);
            return false;
        }
        if known.len() >= KNOWN_MAX && !known.contains_key(&key) {
            // What failed longest ago matters least.
            let oldest = known.iter().min_by_key(|(_, streak)| streak.last).map(|(key, _)| key.clone());
            oldest.map(|oldest| known.remove(&oldest));
        }
        let streak = known.entry(key).or_default();
        streak.failures += 1;
        streak.last = now;
        let is_over = streak.failures >= FAILURES_MAX;
        if is_over {
            streak.paused_until = Some(now + PAUSE);
        }
        is_over
    }

    /// Returns how much longer a tool is paused. After a pause the count begins anew.
    pub(crate) fn left(&self, session: &SessionKey, tool: &str, now: Duration) -> Option<Duration> {
        let mut known = self.lock();
        let key = (session.clone(), tool.to_owned());
        let until = known.get(&key)?.paused_until?;
        if until > now {
            return Some(until - now);
        }
        known.remove(&key);
        None
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(SessionKey, String), Streak>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(rest: &str) -> SessionKey {
        format!("agent:main:{rest}").parse().unwrap()
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_fifth_failure_in_a_row_pauses_for_a_minute_and_the_fourth_does_not() {
        let pauses = Pauses::default();
        let paused: Vec<bool> = (0..5).map(|n| pauses.note(&key("a"), "fetch", true, s(n))).collect();
        assert_eq!(paused, [false, false, false, false, true]);
        assert_eq!(pauses.left(&key("a"), "fetch", s(4)), Some(s(60)));
        assert_eq!(pauses.left(&key("a"), "read", s(4)), None, "other tools go on");
        assert_eq!(pauses.left(&key("b"), "fetch", s(4)), None, "other sessions go on");
        assert_eq!(pauses.left(&key("a"), "fetch", s(64)), None);
        assert!(!pauses.note(&key("a"), "fetch", true, s(65)), "after a pause the count begins anew");
    }

    #[test]
    fn one_success_begins_the_count_anew() {
        let pauses = Pauses::default();
        for round in 0..4 {
            pauses.note(&key("a"), "fetch", true, s(round));
        }
        pauses.note(&key("a"), "fetch", false, s(4));
        assert!(!pauses.note(&key("a"), "fetch", true, s(5)));
    }
}
