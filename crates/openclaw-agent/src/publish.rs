//! Numbers a run's updates and hands them to the observer, in order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openclaw_domain::ports::{Clock, RunObserver};
use openclaw_domain::run::Source;
use openclaw_domain::{Change, Cursor, RunId, RunUpdate, Seq, SessionKey};

/// Publishes the changes of one run.
pub(crate) struct Publisher {
    observer: Arc<dyn RunObserver>,
    clock: Arc<dyn Clock>,
    /// Held while the observer is told, so that numbers and order agree even
    /// when a tool reports progress from another thread.
    last: Mutex<RunUpdate>,
}

impl Publisher {
    /// Makes a publisher; the first change gets number 1.
    pub(crate) fn new(
        run: RunId,
        session: SessionKey,
        source: Source,
        observer: Arc<dyn RunObserver>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (cursor, at) = (Cursor::default(), clock.now());
        let last = RunUpdate { run, session, source, seq: 0, cursor, at, change: Change::Accepted };
        Self { observer, clock, last: Mutex::new(last) }
    }

    /// Notes that all up to an event is in the journal, live text included:
    /// changes from here on belong to it.
    pub(crate) fn committed(&self, seq: Seq) {
        self.lock().cursor = Cursor::at(seq);
    }

    /// Tells the observer.
    pub(crate) fn publish(&self, change: Change) {
        let mut update = self.lock();
        update.seq += 1;
        if let Change::TextDelta(text) = &change {
            update.cursor.off += text.len() as u64;
        }
        update.at = self.clock.now();
        update.change = change;
        self.observer.observe(&update);
    }

    fn lock(&self) -> MutexGuard<'_, RunUpdate> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
