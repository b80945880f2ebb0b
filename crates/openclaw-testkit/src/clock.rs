//! A clock that a test moves by hand.
//!
//! It refuses to go by itself: whoever sleeps on it wakes only when a test calls
//! [`FakeClock::advance`]. Used by every test that has a limit, a retry or a
//! timestamp in it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use openclaw_domain::Timestamp;
use openclaw_domain::ports::Clock;
use tokio::sync::{Notify, oneshot};

/// The time a new clock shows: 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp(1_767_225_600_000);

/// How often other tasks get a turn after each sleeper that wakes.
const YIELDS_PER_WAKE: usize = 32;

/// Domain clock under a test's control; clones share the time.
#[derive(Clone, Default)]
pub struct FakeClock {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Told when somebody begins to sleep.
    slept: Notify,
}

#[derive(Default)]
struct State {
    elapsed: Duration,
    sleepers: Vec<Sleeper>,
}

struct Sleeper {
    until: Duration,
    /// Closed when the sleeping future was dropped.
    wake: oneshot::Sender<()>,
}

impl FakeClock {
    /// Makes a clock that shows [`START`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves time on, waking sleepers in the order of their deadlines.
    ///
    /// After each wake-up other tasks get a turn, so that a task which sleeps
    /// again within the span wakes again within it.
    pub async fn advance(&self, span: Duration) {
        yield_turns().await;
        let target = self.monotonic() + span;
        while let Some(wake) = self.next_due(target) {
            let _ = wake.send(());
            yield_turns().await;
        }
        self.with(|state| state.elapsed = target);
        yield_turns().await;
    }

    /// Returns how many futures sleep on this clock now.
    pub fn sleepers(&self) -> usize {
        self.with(|state| {
            state.sleepers.retain(|sleeper| !sleeper.wake.is_closed());
            state.sleepers.len()
        })
    }

    /// Waits until at least `count` futures sleep on this clock.
    pub async fn wait_for_sleepers(&self, count: usize) {
        loop {
            let slept = self.shared.slept.notified();
            if self.sleepers() >= count {
                return;
            }
            slept.await;
        }
    }

    /// Takes the earliest sleeper due by `target` and moves time to its deadline.
    fn next_due(&self, target: Duration) -> Option<oneshot::Sender<()>> {
        self.with(|state| {
            state.sleepers.retain(|sleeper| !sleeper.wake.is_closed());
            let due = state.sleepers.iter().enumerate().filter(|(_, sleeper)| sleeper.until <= target);
            let (index, _) = due.min_by_key(|(_, sleeper)| sleeper.until)?;
            let sleeper = state.sleepers.remove(index);
            state.elapsed = state.elapsed.max(sleeper.until);
            Some(sleeper.wake)
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.shared.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn yield_turns() {
    for _ in 0..YIELDS_PER_WAKE {
        tokio::task::yield_now().await;
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        let millis = self.with(|state| state.elapsed.as_millis());
        Timestamp(START.0 + i64::try_from(millis).unwrap_or(i64::MAX - START.0))
    }

    fn monotonic(&self) -> Duration {
        self.with(|state| state.elapsed)
    }

    async fn sleep(&self, duration: Duration) {
        if duration.is_zero() {
            return;
        }
        let (wake, woken) = oneshot::channel();
        self.with(|state| state.sleepers.push(Sleeper { until: state.elapsed + duration, wake }));
        self.shared.slept.notify_waiters();
        // An error means that the clock is gone, and with it the test.
        drop(woken.await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_at_its_deadline_and_not_before() {
        let clock = FakeClock::new();
        let sleeping = clock.clone();
        let task = tokio::spawn(async move { sleeping.sleep(Duration::from_secs(5)).await });
        clock.wait_for_sleepers(1).await;
        clock.advance(Duration::from_millis(4_999)).await;
        assert!(!task.is_finished());
        clock.advance(Duration::from_millis(1)).await;
        assert!(task.is_finished());
    }

    #[tokio::test]
    async fn one_advance_carries_a_task_through_several_sleeps() {
        let clock = FakeClock::new();
        let sleeping = clock.clone();
        let task = tokio::spawn(async move {
            for _ in 0..10 {
                sleeping.sleep(Duration::from_secs(1)).await;
            }
            sleeping.now()
        });
        clock.advance(Duration::from_secs(60)).await;
        assert_eq!(task.await.unwrap(), Timestamp(START.0 + 10_000));
        assert_eq!(clock.now(), Timestamp(START.0 + 60_000));
    }

    #[tokio::test]
    async fn a_dropped_sleep_is_forgotten() {
        let clock = FakeClock::new();
        let sleep = clock.sleep(Duration::from_secs(1));
        let mut sleep = Box::pin(sleep);
        assert!(futures_util::poll!(&mut sleep).is_pending());
        assert_eq!(clock.sleepers(), 1);
        drop(sleep);
        assert_eq!(clock.sleepers(), 0);
    }
}
