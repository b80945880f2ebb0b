//! Events of one connection, handed to any number of readers. Each reader has a
//! bounded queue: a slow one is told how many it missed and goes on.

use openclaw_protocol::Event;
use tokio::sync::broadcast;

/// Events a reader may lag behind before it misses some.
pub(crate) const QUEUE: usize = 4096;

/// What a reader of events is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// Something happened.
    Event(Event),
    /// The gateway skipped events on this connection; state must be read again.
    Gap {
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        received: u64,
    },
    /// This reader was too slow and missed this many; state must be read again.
    Missed(u64),
}

/// A reader of events. Sees what comes after it was made.
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<Notice>,
}

impl Events {
    pub(crate) fn new(receiver: broadcast::Receiver<Notice>) -> Self {
        Self { receiver }
    }

    /// Waits for the next notice; `None` once the connection has ended. May be
    /// dropped without losing one.
    pub async fn next(&mut self) -> Option<Notice> {
        match self.receiver.recv().await {
            Ok(notice) => Some(notice),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Notice::Missed(count)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// Returns the next notice if one is already there.
    pub fn try_next(&mut self) -> Option<Notice> {
        match self.receiver.try_recv() {
            Ok(notice) => Some(notice),
            Err(broadcast::error::TryRecvError::Lagged(count)) => Some(Notice::Missed(count)),
            Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => None,
        }
    }
}

/// Notices jumps in the per-connection numbers.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    last: u64,
}

impl Counter {
    /// Takes an event's number; returns the gap before it, if any.
    pub(crate) fn take(&mut self, seq: Option<u64>) -> Option<Notice> {
        let received = seq?;
        let expected = self.last + 1;
        let is_gap = received > expected;
        self.last = self.last.max(received);
        is_gap.then_some(Notice::Gap { expected, received })
    }
}

#[cfg(test)]
mod tests {
    use super::{Counter, Notice};

    #[test]
    fn a_jump_is_told_once_and_directed_events_do_not_count() {
        let mut counter = Counter::default();
        assert_eq!(counter.take(Some(1)), None);
        assert_eq!(counter.take(None), None);
        assert_eq!(counter.take(Some(2)), None);
        assert_eq!(counter.take(Some(5)), Some(Notice::Gap { expected: 3, received: 5 }));
        assert_eq!(counter.take(Some(6)), None);
        assert_eq!(counter.take(Some(6)), None);
    }
}
