//! Counts the time a run works, not the time it waits for people.

use std::time::Duration;

/// A stopwatch over a monotonic clock that the caller reads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stopwatch {
    counted: Duration,
    running_since: Option<Duration>,
}

impl Stopwatch {
    /// Makes a watch that has counted this much already.
    pub(crate) fn with(counted: Duration) -> Self {
        Self { counted, running_since: None }
    }

    /// Runs or pauses the watch; saying the same twice changes nothing.
    pub(crate) fn set_running(&mut self, is_running: bool, now: Duration) {
        match (is_running, self.running_since) {
            (true, None) => self.running_since = Some(now),
            (false, Some(since)) => {
                self.counted += now.saturating_sub(since);
                self.running_since = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// Returns what is left of `max`; `None` while paused.
    pub(crate) fn left(&self, max: Duration, now: Duration) -> Option<Duration> {
        let since = self.running_since?;
        Some(max.saturating_sub(self.counted + now.saturating_sub(since)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_people_does_not_count() {
        let s = Duration::from_secs;
        let mut watch = Stopwatch::default();
        watch.set_running(true, s(0));
        watch.set_running(false, s(4));
        assert_eq!(watch.left(s(10), s(100)), None);
        watch.set_running(true, s(100));
        assert_eq!(watch.left(s(10), s(103)), Some(s(3)));
    }
}
