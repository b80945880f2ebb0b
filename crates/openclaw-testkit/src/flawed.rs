//! A journal with the flaws a test asks for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use openclaw_domain::ports::{
    Admission, Admitted, Batch, Checkpoint, Durability, Journal, JournalError as Error, Mail, OpenAction, RunRecord,
};
use openclaw_domain::scratch::KeptScratch;
use openclaw_domain::session::Entry;
use openclaw_domain::{Answer, CallId, Epoch, Recorded, RunEvent, RunId, Seq, SessionKey};

use crate::clock::FakeClock;

/// Passes on to another journal, with flaws; counts what a test wants to know.
pub struct FlawedJournal {
    inner: Arc<dyn Journal>,
    refusals: AtomicUsize,
    unread: AtomicUsize,
    unclaimed: AtomicUsize,
    slowness: Option<(FakeClock, Duration)>,
    change: Option<fn(&mut Vec<Recorded>)>,
    pause: Option<Pause>,
    synced: Mutex<Vec<&'static str>>,
    syncs: AtomicUsize,
    renewals: AtomicUsize,
    read: AtomicUsize,
}

/// What goes before and after every call.
pub type Pause = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

impl FlawedJournal {
    /// Makes a journal without flaws.
    pub fn new(inner: Arc<dyn Journal>) -> Self {
        let count = || AtomicUsize::new(0);
        Self {
            inner,
            refusals: count(),
            unread: count(),
            unclaimed: count(),
            slowness: None,
            change: None,
            pause: None,
            synced: Mutex::default(),
            syncs: count(),
            renewals: count(),
            read: count(),
        }
    }

    /// Refuses the next appends, as a full disk does.
    #[must_use]
    pub fn refusing(mut self, appends: usize) -> Self {
        self.refusals = AtomicUsize::new(appends);
        self
    }

    /// Fails to read the next checkpoints that are asked for.
    #[must_use]
    pub fn failing_to_read(mut self, checkpoints: usize) -> Self {
        self.unread = AtomicUsize::new(checkpoints);
        self
    }

    /// Fails to read the next checkpoints from now on.
    pub fn fail_to_read(&self, checkpoints: usize) {
        self.unread.store(checkpoints, Ordering::SeqCst);
    }

    /// Refuses the next claims, as a full disk does.
    #[must_use]
    pub fn refusing_claims(mut self, claims: usize) -> Self {
        self.unclaimed = AtomicUsize::new(claims);
        self
    }

    /// Lets appends take so long that say a call is dispatched.
    #[must_use]
    pub fn slow_to_dispatch(mut self, clock: FakeClock, by: Duration) -> Self {
        self.slowness = Some((clock, by));
        self
    }

    /// Shows events changed.
    #[must_use]
    pub fn changing(mut self, change: fn(&mut Vec<Recorded>)) -> Self {
        self.change = Some(change);
        self
    }

    /// Pauses before and after every call: a crash may come before a write is
    /// committed, or after it and before anybody knows.
    #[must_use]
    pub fn pausing(mut self, pause: Pause) -> Self {
        self.pause = Some(pause);
        self
    }

    /// Returns how many appends were to be synced.
    pub fn syncs(&self) -> usize {
        self.syncs.load(Ordering::SeqCst)
    }

    /// Returns the names of the events in them.
    pub fn synced(&self) -> Vec<&'static str> {
        self.synced.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns how often a checkpoint was asked for.
    pub fn checkpoints_read(&self) -> usize {
        self.read.load(Ordering::SeqCst)
    }

    /// Returns how often leases were renewed.
    pub fn renewals(&self) -> usize {
        self.renewals.load(Ordering::SeqCst)
    }

    async fn paused<T>(&self, act: impl Future<Output = T> + Send) -> T {
        let Some(pause) = &self.pause else { return act.await };
        pause().await;
        let result = act.await;
        pause().await;
        result
    }
}

#[async_trait]
impl Journal for FlawedJournal {
    async fn admit(&self, admission: Admission) -> Result<Admitted, Error> {
        self.paused(self.inner.admit(admission)).await
    }

    async fn claim(&self, session: &SessionKey, run: &RunId, owner: &str) -> Result<(Epoch, Seq), Error> {
        if self.unclaimed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(Error::Full(run.clone()));
        }
        self.paused(self.inner.claim(session, run, owner)).await
    }

    async fn take_over(&self, session: &SessionKey, run: &RunId, owner: &str) -> Result<(Epoch, Seq), Error> {
        self.paused(self.inner.take_over(session, run, owner)).await
    }

    async fn renew(&self, owner: &str, ttl: Duration) -> Result<usize, Error> {
        self.renewals.fetch_add(1, Ordering::SeqCst);
        self.paused(self.inner.renew(owner, ttl)).await
    }

    async fn expired(&self, limit: usize) -> Result<Vec<RunRecord>, Error> {
        self.paused(self.inner.expired(limit)).await
    }

    async fn mail(&self, session: &SessionKey, run: &RunId) -> Result<Vec<Mail>, Error> {
        self.paused(self.inner.mail(session, run)).await
    }

    async fn append(&self, batch: Batch) -> Result<Vec<Entry>, Error> {
        if self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(Error::Full(batch.run));
        }
        if batch.durability == Durability::Barrier {
            self.syncs.fetch_add(1, Ordering::SeqCst);
            let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
            synced.extend(batch.events.iter().map(RunEvent::name));
        }
        let dispatches = batch.events.iter().any(|event| matches!(event, RunEvent::ToolStarted { .. }));
        let written = self.paused(self.inner.append(batch)).await;
        if let Some((clock, slowness)) = self.slowness.as_ref().filter(|_| dispatches) {
            clock.advance(*slowness).await;
        }
        written
    }

    async fn events(
        &self,
        session: &SessionKey,
        run: &RunId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Recorded>, Error> {
        let mut events = self.paused(self.inner.events(session, run, after, limit)).await?;
        if let Some(change) = self.change {
            change(&mut events);
        }
        Ok(events)
    }

    async fn open_actions(&self) -> Result<Vec<OpenAction>, Error> {
        self.paused(self.inner.open_actions()).await
    }

    async fn settle_action(
        &self,
        session: &SessionKey,
        run: &RunId,
        call: &CallId,
        answer: Answer,
    ) -> Result<bool, Error> {
        self.paused(self.inner.settle_action(session, run, call, answer)).await
    }

    async fn keep_checkpoint(
        &self,
        session: &SessionKey,
        run: &RunId,
        epoch: Epoch,
        checkpoint: Checkpoint,
    ) -> Result<(), Error> {
        self.paused(self.inner.keep_checkpoint(session, run, epoch, checkpoint)).await
    }

    async fn checkpoint(&self, session: &SessionKey, run: &RunId) -> Result<Option<Checkpoint>, Error> {
        self.read.fetch_add(1, Ordering::SeqCst);
        if self.unread.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(Error::Store("a checkpoint could not be read".to_owned()));
        }
        self.paused(self.inner.checkpoint(session, run)).await
    }

    async fn keep_scratch(
        &self,
        session: &SessionKey,
        run: &RunId,
        epoch: Epoch,
        kept: KeptScratch,
    ) -> Result<(), Error> {
        self.paused(self.inner.keep_scratch(session, run, epoch, kept)).await
    }

    async fn scratch(&self, session: &SessionKey, run: &RunId, through: Seq) -> Result<Option<KeptScratch>, Error> {
        self.paused(self.inner.scratch(session, run, through)).await
    }

    async fn runs(
        &self,
        session: Option<&SessionKey>,
        unfinished_only: bool,
        limit: usize,
    ) -> Result<Vec<RunRecord>, Error> {
        self.paused(self.inner.runs(session, unfinished_only, limit)).await
    }
}
