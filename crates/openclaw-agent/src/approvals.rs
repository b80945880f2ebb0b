//! What waits for a person, across all sessions.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use openclaw_domain::approval::Approval;
use openclaw_domain::{Question, RunId, SessionKey, Timestamp};

/// Something a person is asked.
pub(crate) trait Asked: Clone {
    /// Its id.
    fn id(&self) -> &str;
    /// The run that waits.
    fn run(&self) -> (&SessionKey, &RunId);
    /// When it was asked.
    fn asked_at(&self) -> Timestamp;
}

impl Asked for Approval {
    fn id(&self) -> &str {
        &self.id
    }

    fn run(&self) -> (&SessionKey, &RunId) {
        (&self.session, &self.run)
    }

    fn asked_at(&self) -> Timestamp {
        self.asked_at
    }
}

impl Asked for Question {
    fn id(&self) -> &str {
        &self.id
    }

    fn run(&self) -> (&SessionKey, &RunId) {
        (&self.session, &self.run)
    }

    fn asked_at(&self) -> Timestamp {
        self.asked_at
    }
}

/// What is pending, by id. The journal holds the truth; this is its index.
pub(crate) struct Pending<T> {
    by_id: Mutex<BTreeMap<String, T>>,
}

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self { by_id: Mutex::default() }
    }
}

impl<T: Asked> Pending<T> {
    /// Adds a question.
    pub(crate) fn add(&self, asked: T) {
        self.lock().insert(asked.id().to_owned(), asked);
    }

    /// Takes a question out; `None` when it is answered already. Whoever gets
    /// it is the one whose answer stands.
    pub(crate) fn take(&self, id: &str) -> Option<T> {
        self.lock().remove(id)
    }

    /// Drops the questions of a run that ended.
    pub(crate) fn forget(&self, session: &SessionKey, run: &RunId) {
        self.lock().retain(|_, asked| asked.run() != (session, run));
    }

    /// Lists the questions, oldest first.
    pub(crate) fn list(&self) -> Vec<T> {
        let mut all: Vec<T> = self.lock().values().cloned().collect();
        all.sort_by(|a, b| (a.asked_at(), a.id()).cmp(&(b.asked_at(), b.id())));
        all
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, T>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
