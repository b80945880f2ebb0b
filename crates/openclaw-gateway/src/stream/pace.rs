//! When live text is sent: at once, or joined by time or count (B14).
//!
//! Pure: it is told the time. Text is never reordered: what waits is sent
//! together, and what is recorded next comes after it.

use std::time::Duration;

/// Longest pause a subscriber may ask for.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Pause between two sends to a person's screen, when it asks for none.
pub(crate) const SCREEN_INTERVAL: Duration = Duration::from_millis(50);

/// How long a batch may fill when only its size is given.
const BATCH_DELAY_DEFAULT: Duration = Duration::from_millis(20);

/// How a subscriber wants live text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Least time between two sends.
    pub(crate) interval: Duration,
    /// Deltas after which a batch is full.
    pub(crate) batch: u64,
    /// How long a batch may fill.
    pub(crate) delay: Duration,
}

/// Applies the terms to one stream.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    terms: Terms,
    sent_at: Option<Duration>,
    waiting_since: Option<Duration>,
}

impl Terms {
    /// Reads the terms; what is absent has no effect.
    pub(crate) fn new(interval: Option<u64>, batch: Option<u64>, delay: Option<u64>, is_screen: bool) -> Self {
        let span = |millis: u64| Duration::from_millis(millis).min(PAUSE_MAX);
        let own = if is_screen { SCREEN_INTERVAL } else { Duration::ZERO };
        let batch = batch.unwrap_or(0);
        let default = if batch > 1 { BATCH_DELAY_DEFAULT } else { Duration::ZERO };
        Self { interval: interval.map_or(own, span), batch, delay: delay.map_or(default, span) }
    }
}

impl Pace {
    pub(crate) fn new(terms: Terms) -> Self {
        Self { terms, sent_at: None, waiting_since: None }
    }

    /// Returns how long text waits from now on, with this many deltas waiting; zero is now.
    pub(crate) fn wait(&mut self, now: Duration, deltas: u64) -> Duration {
        let since = *self.waiting_since.get_or_insert(now);
        let is_full = self.terms.batch > 0 && deltas >= self.terms.batch;
        let filled = if is_full { since } else { since + self.terms.delay };
        let free = self.sent_at.map_or(since, |sent| sent + self.terms.interval);
        filled.max(free).saturating_sub(now)
    }

    /// Takes note that all waiting text was sent.
    pub(crate) fn sent(&mut self, now: Duration) {
        (self.sent_at, self.waiting_since) = (Some(now), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn text_goes_at_once_when_nothing_is_asked_for() {
        let mut pace = Pace::new(Terms::new(None, None, None, false));
        assert_eq!(pace.wait(millis(5), 1), Duration::ZERO);
        pace.sent(millis(5));
        assert_eq!(pace.wait(millis(5), 1), Duration::ZERO);
    }

    #[test]
    fn an_interval_holds_the_second_send_and_not_the_first() {
        let mut pace = Pace::new(Terms::new(Some(50), None, None, false));
        assert_eq!(pace.wait(millis(0), 1), Duration::ZERO);
        pace.sent(millis(0));
        assert_eq!(pace.wait(millis(10), 1), millis(40));
        assert_eq!(pace.wait(millis(50), 3), Duration::ZERO);
    }

    #[test]
    fn a_batch_goes_when_it_is_full_or_its_time_is_over() {
        let mut pace = Pace::new(Terms::new(None, Some(10), Some(20), false));
        assert_eq!(pace.wait(millis(0), 1), millis(20));
        assert_eq!(pace.wait(millis(5), 9), millis(15));
        assert_eq!(pace.wait(millis(5), 10), Duration::ZERO);
        pace.sent(millis(5));
        assert_eq!(pace.wait(millis(100), 1), millis(20));
        assert_eq!(pace.wait(millis(120), 2), Duration::ZERO);
    }

    #[test]
    fn screens_have_an_interval_of_their_own_and_pauses_a_limit() {
        assert_eq!(Terms::new(None, None, None, true).interval, SCREEN_INTERVAL);
        assert_eq!(Terms::new(Some(0), None, None, true).interval, Duration::ZERO);
        assert_eq!(Terms::new(Some(u64::MAX), None, None, false).interval, PAUSE_MAX);
        assert_eq!(Terms::new(None, Some(10), None, false).delay, BATCH_DELAY_DEFAULT);
    }
}
