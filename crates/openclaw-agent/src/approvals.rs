//! The questions that wait for a person, across all sessions.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use openclaw_domain::RunId;
use openclaw_domain::approval::Approval;

/// Pending questions by id. The journal holds the truth; this is its index.
#[derive(Default)]
pub(crate) struct Pending {
    by_id: Mutex<BTreeMap<String, Approval>>,
}

impl Pending {
    /// Adds a question.
    pub(crate) fn add(&self, approval: Approval) {
        self.lock().insert(approval.id.clone(), approval);
    }

    /// Takes a question out; `None` when it is answered already. Whoever gets
    /// it is the one whose answer stands.
    pub(crate) fn take(&self, id: &str) -> Option<Approval> {
        self.lock().remove(id)
    }

    /// Drops the questions of a run that ended.
    pub(crate) fn forget(&self, run: &RunId) {
        self.lock().retain(|_, approval| approval.run != *run);
    }

    /// Lists the questions, oldest first.
    pub(crate) fn list(&self) -> Vec<Approval> {
        let mut all: Vec<Approval> = self.lock().values().cloned().collect();
        all.sort_by(|a, b| (a.asked_at, &a.id).cmp(&(b.asked_at, &b.id)));
        all
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Approval>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
