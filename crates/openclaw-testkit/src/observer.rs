//! A recorder of what runs did.
//!
//! Waits for a condition instead of a time. When the condition does not come
//! within [`PATIENCE`], it panics and shows what came instead.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use openclaw_domain::ports::RunObserver;
use openclaw_domain::{Change, Outcome, RunId, RunUpdate};
use tokio::sync::watch;

/// How long [`Recorder::wait_for`] waits before it gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps every update it is told of.
pub struct Recorder {
    updates: Mutex<Vec<RunUpdate>>,
    count: watch::Sender<usize>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { updates: Mutex::default(), count: watch::Sender::new(0) }
    }
}

impl Recorder {
    /// Makes an empty recorder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns all updates so far, oldest first.
    pub fn updates(&self) -> Vec<RunUpdate> {
        self.updates.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what happened to one run, oldest first.
    pub fn changes(&self, run: &RunId) -> Vec<Change> {
        self.updates().into_iter().filter(|update| update.run == *run).map(|update| update.change).collect()
    }

    /// Waits for the first update that fits, past ones included.
    ///
    /// # Panics
    /// When none comes within [`PATIENCE`].
    pub async fn wait_for(&self, fits: impl Fn(&RunUpdate) -> bool) -> RunUpdate {
        let mut count = self.count.subscribe();
        let search = async {
            loop {
                count.mark_unchanged();
                if let Some(found) = self.updates().into_iter().find(|update| fits(update)) {
                    return found;
                }
                // The sender lives in `self`, so waiting cannot fail.
                drop(count.changed().await);
            }
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(found) => found,
            Err(_) => panic!("the awaited update did not come; these did: {:#?}", self.updates()),
        }
    }

    /// Waits for a run to end.
    ///
    /// # Panics
    /// When it does not end within [`PATIENCE`].
    pub async fn ended(&self, run: &RunId) -> Outcome {
        let update = self.wait_for(|update| update.run == *run && matches!(update.change, Change::Ended(_))).await;
        match update.change {
            Change::Ended(outcome) => *outcome,
            other => panic!("expected the end, found {other:?}"),
        }
    }
}

impl RunObserver for Recorder {
    fn observe(&self, update: &RunUpdate) {
        self.updates.lock().unwrap_or_else(PoisonError::into_inner).push(update.clone());
        self.count.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use openclaw_domain::run::Source;
    use openclaw_domain::{Cursor, Timestamp};

    use super::*;

    fn update(seq: u64, change: Change) -> RunUpdate {
        RunUpdate {
            run: "r1".parse().unwrap(),
            session: "agent:main:main".parse().unwrap(),
            source: Source::Agent,
            seq,
            cursor: Cursor::default(),
            at: Timestamp(0),
            change,
        }
    }

    #[tokio::test]
    async fn an_update_is_found_whether_it_came_before_or_comes_after() {
        let recorder = Arc::new(Recorder::new());
        recorder.observe(&update(1, Change::Accepted));
        assert_eq!(recorder.wait_for(|update| update.seq == 1).await.change, Change::Accepted);
        let waiting = Arc::clone(&recorder);
        let task = tokio::spawn(async move { waiting.wait_for(|update| update.seq == 2).await });
        recorder.observe(&update(2, Change::Started));
        assert_eq!(task.await.unwrap().change, Change::Started);
    }
}
