//! A journal that refuses, as one on a full disk does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use openclaw_domain::ports::{Admission, Admitted, Batch, Checkpoint, Journal, JournalError, OpenAction, RunRecord};
use openclaw_domain::run::End;
use openclaw_domain::session::Entry;
use openclaw_domain::{Answer, CallId, Epoch, Recorded, RunId, Seq, SessionKey};
use openclaw_testkit::ScriptedModel;
use openclaw_testkit::memory::Store;
use openclaw_testkit::model::Turn;

use crate::harness::{Rig, Setup};

/// Refuses the next appends.
struct Full {
    inner: Arc<Store>,
    refusals: AtomicUsize,
}

#[async_trait]
impl Journal for Full {
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
        self.inner.append(batch).await
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

fn rig(refusals: usize) -> Rig {
    let mut setup = Setup::new(ScriptedModel::answering(|_| Turn::say("fine")));
    setup.journal = Some(Arc::new(Full { inner: setup.store.clone(), refusals: AtomicUsize::new(refusals) }));
    setup.build()
}

#[tokio::test]
async fn a_full_disk_ends_the_turn_with_the_reason_and_the_session_goes_on_afterwards() {
    let rig = rig(1);
    rig.start("r1", "hi").await.unwrap();
    let End::Failed { message } = rig.ended("r1").await.end else { panic!("not failed") };
    assert!(message.contains("no space left"), "{message}");
    rig.start("r2", "again").await.unwrap();
    assert_eq!(rig.ended("r2").await.text, "fine");
    assert_eq!(rig.transcript().await, ["user: hi", "user: again", "assistant: fine"]);
}

#[tokio::test]
async fn while_the_disk_is_full_new_input_is_refused_not_lost() {
    let rig = rig(2);
    rig.start("r1", "hi").await.unwrap();
    rig.ended("r1").await;
    let refused = rig.start("r2", "again").await.unwrap_err();
    assert!(refused.message.contains("no space left"), "{refused}");
    assert!(refused.hint.unwrap().contains("disk"));
    rig.start("r3", "now").await.unwrap();
    assert_eq!(rig.ended("r3").await.text, "fine");
}
