//! The run journal.

mod admit;
mod append;
mod checkpoint;
mod claim;
mod finish;
mod inbox;
mod lease;
mod line;
mod mail;
mod read;
mod run;
mod scratch;
mod step;

use std::time::Duration;

use async_trait::async_trait;
use openclaw_domain::event::{Recorded, RunEvent};
use openclaw_domain::ids::{CallId, Epoch, RunId, Seq, SessionKey};
use openclaw_domain::ports::{
    Admission, Admitted, Batch, Checkpoint, Durability, Journal, JournalError as Error, Mail, OpenAction, RunRecord,
};
use openclaw_domain::question::Answer;
use openclaw_domain::scratch::KeptScratch;
use openclaw_domain::session::Entry;
use rusqlite::Connection;

use super::Store;
use super::error::WorkError;
use claim::Terms;

pub(super) use finish::cancel_open_runs;
pub(super) use lease::LeaseClock;
pub(super) use line::Lines;
#[cfg(test)]
pub(super) use run::find_sql;

#[async_trait]
impl Journal for Store {
    async fn admit(&self, admission: Admission) -> Result<Admitted, Error> {
        let id = admission.request.id.clone();
        let fail = |error: WorkError<Error>| error.in_journal(self.path(), &id);
        let (new, turn) = admit::prepare(admission).map_err(fail)?;
        let (at, events) = (new.at, self.names(new.lines()));
        let work = move |db: &Connection| new.write(db);
        let written = self.write_events("journal.admit", events, Durability::Barrier, work).await.map_err(fail)?;
        Ok(match written {
            admit::Written::Known(record) => Admitted::Known(record),
            admit::Written::New { epoch, seq, entry } => {
                let entry = entry.zip(turn).map(|(n, turn)| Entry { n, run: Some(id), turn, at });
                Admitted::New { epoch, seq, entry }
            }
        })
    }

    async fn claim(&self, session: &SessionKey, run: &RunId, owner: &str) -> Result<(Epoch, Seq), Error> {
        let fail = |error: WorkError<Error>| error.in_journal(self.path(), run);
        let claim = claim::prepare(session, run, owner, Terms::AtOnce).map_err(fail)?;
        let events = self.names([claim.lines()]);
        let work = move |db: &Connection| claim.write(db);
        self.write_events("journal.claim", events, Durability::Barrier, work).await.map_err(fail)
    }

    async fn take_over(&self, session: &SessionKey, run: &RunId, owner: &str) -> Result<(Epoch, Seq), Error> {
        let fail = |error: WorkError<Error>| error.in_journal(self.path(), run);
        let claim = claim::prepare(session, run, owner, Terms::IfExpired).map_err(fail)?;
        let events = self.names([claim.lines()]);
        let work = move |db: &Connection| claim.write(db);
        self.write_events("journal.take_over", events, Durability::Barrier, work).await.map_err(fail)
    }

    async fn renew(&self, owner: &str, ttl: Duration) -> Result<usize, Error> {
        let owner = owner.to_owned();
        let work = move |db: &Connection| Ok(lease::renew(db, &owner, ttl)?);
        self.write("journal.renew", Durability::Committed, work).await.map_err(|error| self.store_error(error))
    }

    async fn expired(&self, limit: usize) -> Result<Vec<RunRecord>, Error> {
        let work = move |db: &Connection| Ok(read::expired(db, limit)?);
        self.read("journal.expired", work).await.map_err(|error| self.store_error(error))
    }

    async fn mail(&self, session: &SessionKey, run: &RunId) -> Result<Vec<Mail>, Error> {
        let (session, id) = (session.clone(), run.clone());
        let work = move |db: &Connection| Ok(mail::list(db, &session, &id)?);
        self.read("journal.mail", work).await.map_err(|error| self.store_error(error))
    }

    async fn append(&self, batch: Batch) -> Result<Vec<Entry>, Error> {
        let (id, at, durability) = (batch.run.clone(), batch.at, batch.durability);
        let fail = |error: WorkError<Error>| error.in_journal(self.path(), &id);
        let (addition, turns) = append::prepare(batch).map_err(fail)?;
        let events = self.names([addition.lines()]);
        let work = move |db: &Connection| addition.write(db);
        let numbers = self.write_events("journal.append", events, durability, work).await.map_err(fail)?;
        let entry = |(n, turn)| Entry { n, run: Some(id.clone()), turn, at };
        Ok(numbers.into_iter().zip(turns).map(entry).collect())
    }

    async fn events(
        &self,
        session: &SessionKey,
        run: &RunId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Recorded>, Error> {
        let (session, id) = (session.clone(), run.clone());
        let work = move |db: &Connection| read::events(db, &session, &id, after, limit);
        self.read("journal.events", work).await.map_err(|error: WorkError<Error>| error.in_journal(self.path(), run))
    }

    async fn open_actions(&self) -> Result<Vec<OpenAction>, Error> {
        let work = |db: &Connection| Ok(step::open_actions(db)?);
        self.read("journal.open_actions", work).await.map_err(|error| self.store_error(error))
    }

    async fn settle_action(
        &self,
        session: &SessionKey,
        run: &RunId,
        call: &CallId,
        answer: Answer,
    ) -> Result<bool, Error> {
        let (session, id, call) = (session.clone(), run.clone(), call.clone());
        let work = move |db: &Connection| {
            let row = run::require(db, &session, &id)?;
            Ok(step::settle(db, row.id, &call, answer)?)
        };
        let fail = |error: WorkError<Error>| error.in_journal(self.path(), run);
        self.write("journal.settle_action", Durability::Barrier, work).await.map_err(fail)
    }

    async fn keep_checkpoint(
        &self,
        session: &SessionKey,
        run: &RunId,
        epoch: Epoch,
        checkpoint: Checkpoint,
    ) -> Result<(), Error> {
        let (session, id) = (session.clone(), run.clone());
        let work = move |db: &Connection| checkpoint::keep(db, &session, &id, epoch, &checkpoint);
        let fail = |error: WorkError<Error>| error.in_journal(self.path(), run);
        self.write("journal.keep_checkpoint", Durability::Committed, work).await.map_err(fail)
    }

    async fn checkpoint(&self, session: &SessionKey, run: &RunId) -> Result<Option<Checkpoint>, Error> {
        let (session, id) = (session.clone(), run.clone());
        let work = move |db: &Connection| Ok(checkpoint::newest(db, &session, &id)?);
        self.read("journal.checkpoint", work).await.map_err(|error| self.store_error(error))
    }

    async fn keep_scratch(
        &self,
        session: &SessionKey,
        run: &RunId,
        epoch: Epoch,
        kept: KeptScratch,
    ) -> Result<(), Error> {
        let (session, id) = (session.clone(), run.clone());
        let work = move |db: &Connection| scratch::keep(db, &session, &id, epoch, &kept, scratch::SHELF);
        let fail = |error: WorkError<Error>| error.in_journal(self.path(), run);
        self.write("journal.keep_scratch", Durability::Committed, work).await.map_err(fail)
    }

    async fn scratch(&self, session: &SessionKey, run: &RunId, through: Seq) -> Result<Option<KeptScratch>, Error> {
        let (session, id) = (session.clone(), run.clone());
        let work = move |db: &Connection| Ok(scratch::newest(db, &session, &id, through)?);
        self.read("journal.scratch", work).await.map_err(|error| self.store_error(error))
    }

    async fn runs(
        &self,
        session: Option<&SessionKey>,
        unfinished_only: bool,
        limit: usize,
    ) -> Result<Vec<RunRecord>, Error> {
        let session = session.cloned();
        let work = move |db: &Connection| Ok(read::runs(db, session.as_ref(), unfinished_only, limit)?);
        self.read("journal.runs", work).await.map_err(|error| self.store_error(error))
    }

    async fn unfinished(&self, limit: usize) -> Result<Vec<(RunRecord, Option<RunEvent>)>, Error> {
        let work = move |db: &Connection| read::unfinished(db, limit);
        self.read("journal.unfinished", work).await.map_err(|error| self.store_error(error))
    }
}

impl Store {
    /// Words a failure that belongs to no run.
    pub(super) fn store_error(&self, error: WorkError<Error>) -> Error {
        match error {
            WorkError::Refused(error) => error,
            WorkError::Failed(failure) => Error::Store(format!("{}: {failure}", self.path().display())),
        }
    }
}

/// Refuses a request that breaks the journal's own rules: a defect of the caller.
fn broken_rule(message: impl Into<String>) -> WorkError<Error> {
    WorkError::Refused(Error::Store(message.into()))
}
