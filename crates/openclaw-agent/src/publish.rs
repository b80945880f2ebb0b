//! Numbers a run's updates and hands them to the observer, in order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openclaw_domain::ports::{Clock, RunObserver};
use openclaw_domain::run::Source;
use openclaw_domain::{Change, Cursor, RunId, RunUpdate, Seq, SessionKey};

/// Publishes the changes of one run.
pub(crate) struct Publisher {
    run: RunId,
    session: SessionKey,
    source: Source,
    observer: Arc<dyn RunObserver>,
    clock: Arc<dyn Clock>,
    /// Held while the observer is told, so that numbers and order agree even
    /// when a tool reports progress from another thread.
    position: Mutex<Position>,
}

#[derive(Default)]
struct Position {
    seq: u64,
    cursor: Cursor,
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
        Self { run, session, source, observer, clock, position: Mutex::default() }
    }

    /// Notes that all up to an event is in the journal, live text included:
    /// changes from here on belong to it.
    pub(crate) fn committed(&self, seq: Seq) {
        self.lock().cursor = Cursor::at(seq);
    }

    /// Tells the observer.
    pub(crate) fn publish(&self, change: Change) {
        let mut position = self.lock();
        position.seq += 1;
        if let Change::TextDelta(text) = &change {
            position.cursor.off += text.len() as u64;
        }
        self.observer.observe(&RunUpdate {
            run: self.run.clone(),
            session: self.session.clone(),
            source: self.source,
            seq: position.seq,
            cursor: position.cursor,
            at: self.clock.now(),
            change,
        });
    }

    fn lock(&self) -> MutexGuard<'_, Position> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
