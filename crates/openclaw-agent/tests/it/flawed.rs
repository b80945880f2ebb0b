//! A journal with the flaws a test asks for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use openclaw_domain::ports::{
    Admission, Admitted, Batch, Checkpoint, Journal, JournalError, Mail, OpenAction, RunRecord,
};
use openclaw_domain::session::Entry;
use openclaw_domain::{Answer, CallId, Epoch, Recorded, RunEvent, RunId, Seq, SessionKey};
use openclaw_testkit::FakeClock;
use openclaw_testkit::memory::Store;

/// A store's journal that refuses or is slow when it is told to, and counts.
pub struct Flawed {
    pub inner: Arc<Store>,
    /// Appends to refuse, from the next one on.
    pub refusals: AtomicUsize,
    /// Renewals that were asked for.
    pub renewals: AtomicUsize,
    /// How long appends take that say a call is dispatched.
    pub slowness: Option<(FakeClock, Duration)>,
}

impl Flawed {
    /// Makes a journal without flaws.
    pub fn new(store: &Arc<Store>) -> Self {
        let (refusals, renewals) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { inner: store.clone(), refusals, renewals, slowness: None }
    }
}

#[async_trait]
impl Journal for Flawed {
    async fn admit(&self, admission: Admission) -> Result<Admitted, JournalError> {
        self.inner.admit(admission).await
    }

    async fn claim(&self, session: &SessionKey, run: &RunId, owner: &str) -> Result<(Epoch, Seq), JournalError> {
        self.inner.claim(session, run, owner).await
    }

    async fn append(&self, batch: Batch) -> Result<Vec<Entry>, JournalError> {
        if self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(JournalError::Full(batch.run));
        }
        let dispatches = batch.events.iter().any(|event| matches!(event, RunEvent::ToolStarted { .. }));
        let written = self.inner.append(batch).await;
        if let Some((clock, slowness)) = self.slowness.as_ref().filter(|_| dispatches) {
            clock.advance(*slowness).await;
        }
        written
    }

    async fn take_over(&self, session: &SessionKey, run: &RunId, owner: &str) -> Result<(Epoch, Seq), JournalError> {
        self.inner.take_over(session, run, owner).await
    }

    async fn renew(&self, owner: &str, ttl: Duration) -> Result<usize, JournalError> {
        self.renewals.fetch_add(1, Ordering::SeqCst);
        self.inner.renew(owner, ttl).await
    }

    async fn expired(&self, limit: usize) -> Result<Vec<RunRecord>, JournalError> {
        self.inner.expired(limit).await
    }

    async fn mail(&self, session: &SessionKey, run: &RunId) -> Result<Vec<Mail>, JournalError> {
        self.inner.mail(session, run).await
    }

    async fn events(
        &self,
        session: &SessionKey,
        run: &RunId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Recorded>, JournalError> {
        self.inner.events(session, run, after, limit).await
    }

    async fn open_actions(&self) -> Result<Vec<OpenAction>, JournalError> {
        self.inner.open_actions().await
    }

    async fn settle_action(
        &self,
        session: &SessionKey,
        run: &RunId,
        call: &CallId,
        answer: Answer,
    ) -> Result<bool, JournalError> {
        self.inner.settle_action(session, run, call, answer).await
    }

    async fn keep_checkpoint(
        &self,
        session: &SessionKey,
        run: &RunId,
        epoch: Epoch,
        checkpoint: Checkpoint,
    ) -> Result<(), JournalError> {
        self.inner.keep_checkpoint(session, run, epoch, checkpoint).await
    }

    async fn checkpoint(&self, session: &SessionKey, run: &RunId) -> Result<Option<Checkpoint>, JournalError> {
        self.inner.checkpoint(session, run).await
    }

    async fn runs(
        &self,
        session: Option<&SessionKey>,
        unfinished_only: bool,
        limit: usize,
    ) -> Result<Vec<RunRecord>, JournalError> {
        self.inner.runs(session, unfinished_only, limit).await
    }
}
