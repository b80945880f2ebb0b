//! Numbers a run's updates and hands them to the observer, in order.

use std::sync::{Arc, Mutex, PoisonError};

use openclaw_domain::ports::{Clock, RunObserver};
use openclaw_domain::run::Source;
use openclaw_domain::{Change, RunId, RunUpdate, SessionKey};

/// Publishes the changes of one run.
pub(crate) struct Publisher {
    run: RunId,
    session: SessionKey,
    source: Source,
    observer: Arc<dyn RunObserver>,
    clock: Arc<dyn Clock>,
    /// Held while the observer is told, so that numbers and order agree even
    /// when a tool reports progress from another thread.
    seq: Mutex<u64>,
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
        Self { run, session, source, observer, clock, seq: Mutex::new(0) }
    }

    /// Tells the observer.
    pub(crate) fn publish(&self, change: Change) {
        let mut seq = self.seq.lock().unwrap_or_else(PoisonError::into_inner);
        *seq += 1;
        self.observer.observe(&RunUpdate {
            run: self.run.clone(),
            session: self.session.clone(),
            source: self.source,
            seq: *seq,
            at: self.clock.now(),
            change,
        });
    }
}
