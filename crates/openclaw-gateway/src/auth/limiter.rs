//! Slows down and then locks out those who guess.
//!
//! Ten failures within a minute lock an address out for five minutes. Loopback
//! is delayed instead, since the owner sits there, unless the guess comes from
//! a browser: a page in the owner's browser also connects from loopback.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::client::Peer;

/// Failures that lock an address out.
const FAILURES_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
const LOCKOUT: Duration = Duration::from_secs(5 * 60);
const DELAY_MIN: Duration = Duration::from_millis(250);
const DELAY_MAX: Duration = Duration::from_secs(5);
/// Addresses remembered; the one idle longest is forgotten first.
const ADDRESSES_MAX: usize = 10_000;

/// Counts failures per address.
#[derive(Default)]
pub(crate) struct Limiter {
    failures: Mutex<HashMap<Guesser, Failures>>,
}

/// Who guesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Guesser {
    ip: Option<IpAddr>,
    is_browser: bool,
}

impl Guesser {
    pub(crate) fn new(peer: Peer, is_browser: bool) -> Self {
        match peer {
            Peer::Ip(ip) => Self { ip: Some(ip.to_canonical()), is_browser },
            Peer::SameUser => Self { ip: None, is_browser },
        }
    }

    fn is_only_delayed(self) -> bool {
        !self.is_browser && self.ip.is_none_or(|ip| ip.is_loopback())
    }
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    since: Duration,
    last: Duration,
    locked_until: Option<Duration>,
}

impl Limiter {
    /// Returns how long an address is still locked out.
    pub(crate) fn locked(&self, guesser: Guesser, now: Duration) -> Option<Duration> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let until = failures.get(&guesser)?.locked_until?;
        until.checked_sub(now).filter(|left| !left.is_zero())
    }

    /// Notes a failure and returns how long the answer should wait.
    pub(crate) fn failed(&self, guesser: Guesser, now: Duration) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= ADDRESSES_MAX && !failures.contains_key(&guesser) {
            let idle = failures.iter().min_by_key(|(_, entry)| entry.last).map(|(guesser, _)| *guesser);
            idle.map(|guesser| failures.remove(&guesser));
        }
        let fresh = Failures { count: 0, since: now, last: now, locked_until: None };
        let entry = failures.entry(guesser).or_insert(fresh);
        if now.saturating_sub(entry.since) > WINDOW {
            *entry = fresh;
        }
        entry.count += 1;
        entry.last = now;
        if guesser.is_only_delayed() {
            let doublings = entry.count.saturating_sub(1).min(8);
            return (DELAY_MIN * 2_u32.pow(doublings)).min(DELAY_MAX);
        }
        if entry.count >= FAILURES_MAX {
            entry.locked_until = Some(now + LOCKOUT);
        }
        Duration::ZERO
    }

    /// Forgets the failures of an address that showed the right credential.
    pub(crate) fn succeeded(&self, guesser: Guesser) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(&guesser);
    }
}

/// Changes of the control plane one client may make per minute and method.
const WRITES_MAX: usize = 30;

/// Counts changes of the control plane.
#[derive(Default)]
pub(crate) struct WriteLimit {
    writes: Mutex<HashMap<(&'static str, String), Vec<Duration>>>,
}

impl WriteLimit {
    /// Notes a write; false when the client has made too many.
    pub(crate) fn admit(&self, method: &'static str, client: String, now: Duration) -> bool {
        let mut writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        if writes.len() >= ADDRESSES_MAX {
            writes.retain(|_, times| times.last().is_some_and(|last| now.saturating_sub(*last) <= WINDOW));
        }
        let times = writes.entry((method, client)).or_default();
        times.retain(|time| now.saturating_sub(*time) <= WINDOW);
        let is_admitted = times.len() < WRITES_MAX;
        if is_admitted {
            times.push(now);
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote() -> Guesser {
        Guesser::new(Peer::Ip([192, 0, 2, 1].into()), false)
    }

    fn guess(limiter: &Limiter, guesser: Guesser, times: u32, now: Duration) {
        for _ in 0..times {
            limiter.failed(guesser, now);
        }
    }

    #[test]
    fn the_tenth_failure_locks_out_and_the_ninth_does_not() {
        let (limiter, now) = (Limiter::default(), Duration::from_secs(100));
        guess(&limiter, remote(), 9, now);
        assert_eq!(limiter.locked(remote(), now), None);
        guess(&limiter, remote(), 1, now);
        assert_eq!(limiter.locked(remote(), now), Some(LOCKOUT));
        assert_eq!(limiter.locked(remote(), now + LOCKOUT), None);
    }

    #[test]
    fn failures_spread_over_more_than_a_minute_do_not_lock() {
        let limiter = Limiter::default();
        guess(&limiter, remote(), 9, Duration::ZERO);
        guess(&limiter, remote(), 9, Duration::from_secs(61));
        assert_eq!(limiter.locked(remote(), Duration::from_secs(61)), None);
    }

    #[test]
    fn the_thirty_first_write_of_a_minute_is_refused() {
        let limit = WriteLimit::default();
        let admit = |at: u64| limit.admit("config.set", "cli".into(), Duration::from_secs(at));
        assert!((0..30).all(|_| admit(0)));
        assert!(!admit(60));
        assert!(limit.admit("config.patch", "cli".into(), Duration::ZERO));
        assert!(admit(61));
    }

    #[test]
    fn loopback_is_delayed_and_never_locked_but_a_browser_on_it_is() {
        let limiter = Limiter::default();
        let local = Guesser::new(Peer::Ip([127, 0, 0, 1].into()), false);
        let browser = Guesser::new(Peer::Ip([127, 0, 0, 1].into()), true);
        assert_eq!(limiter.failed(local, Duration::ZERO), DELAY_MIN);
        guess(&limiter, local, 20, Duration::ZERO);
        assert_eq!(limiter.failed(local, Duration::ZERO), DELAY_MAX);
        assert_eq!(limiter.locked(local, Duration::ZERO), None);
        guess(&limiter, browser, 10, Duration::ZERO);
        assert!(limiter.locked(browser, Duration::ZERO).is_some());
    }
}
