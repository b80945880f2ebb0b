//! Taking up what an earlier process left of this session.

use std::sync::Arc;

use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::RunRecord;
use openclaw_domain::{Change, RunId, RunRequest};

use super::Lane;
use crate::command::{Interrupted, Recovered};
use crate::recover;

impl Lane {
    /// Reads unfinished runs and takes them up. Few sessions read at a time, so
    /// that a start with many open runs leaves time for everybody else.
    pub(super) async fn read_left(&mut self, records: Vec<RunRecord>) {
        let shared = self.shared.clone();
        let _turn = tokio::select! {
            biased;
            () = shared.stopping.cancelled() => return,
            // The semaphore is never closed.
            turn = shared.reading.acquire() => turn,
        };
        match recover::of_session(&shared, &self.key, &records).await {
            Ok(found) => self.recover(found).await,
            Err(fault) => {
                tracing::error!(session = %self.key, %fault, "unfinished runs could not be read; trying again");
                self.unread = records;
            }
        }
    }

    /// Reads again what could not be read.
    pub(super) async fn read_again(&mut self) {
        let records = std::mem::take(&mut self.unread);
        Box::pin(self.read_left(records)).await;
    }

    /// Refuses while it is not known what the session was doing.
    pub(super) fn refuse_before_read(&self) -> Result<(), Fault> {
        match self.unread.first() {
            None => Ok(()),
            Some(record) => {
                let text = format!("run {} of session {} could not be read yet", record.id, self.key);
                Err(Fault::new(Kind::Unavailable, text).hint("try again in a few seconds"))
            }
        }
    }

    /// Tells how a run ended that was found unfinished and was ended by its old
    /// owner before it was claimed here. Input it took in has its end; input that
    /// joined too late to be used is a turn of its own.
    pub(super) async fn ended_elsewhere(&mut self, interrupted: Interrupted) {
        let request = &interrupted.request;
        let (outcome, carried) = match recover::end_of(&self.shared, &self.key, &request.id).await {
            Ok(Some(end)) => end,
            Ok(None) => {
                tracing::warn!(run = %request.id, "a run that has ended is not recorded any more");
                for id in interrupted.taken_in().iter().chain([&request.id]) {
                    self.shared.waiters.forget(id, &self.key);
                }
                return;
            }
            Err(fault) => {
                tracing::error!(run = %request.id, %fault, "the end of a run could not be read; trying again");
                self.unread.push(self.record_of(&interrupted));
                return;
            }
        };
        tracing::info!(run = %request.id, "a run to be taken up had been ended by its old owner");
        let outcome = Arc::new(outcome);
        self.publisher(request).publish(Change::Ended(Box::new((*outcome).clone())));
        self.shared.waiters.end(&request.id, &self.key, outcome.clone());
        self.shared.stop_children(&(self.key.clone(), request.id.clone()));
        for id in carried.iter().filter(|id| **id != request.id) {
            // It may have been taken in after the queue was read.
            self.queue.remove(Some(id));
            self.end_carried(id, request.source, &outcome).await;
        }
        // While its old owner lives, what joined too late is that owner's to begin.
        let left = interrupted.state.steered.iter().filter(|_| !interrupted.is_expired);
        for (id, turn) in left.filter(|(id, _)| !carried.contains(id)) {
            match recover::end_of(&self.shared, &self.key, id).await {
                Ok(Some((outcome, _))) => self.end_carried(id, request.source, &Arc::new(outcome)).await,
                Ok(None) | Err(_) if self.queue.holds(id) => {}
                // One that cannot be read now is read again when it begins.
                Ok(None) | Err(_) => self.requeue(request, id.clone(), turn.clone()).await,
            }
        }
    }

    pub(super) async fn recover(&mut self, found: Recovered) {
        if let Some(running) = &self.running {
            let working = running.request.id.clone();
            return self.recover_beside(&working, found);
        }
        if let Err(fault) = self.settle().await {
            tracing::error!(session = %self.key, %fault, "the end of a broken run could not be recorded");
        }
        for (request, outcome) in found.joined {
            self.register(&request);
            if let Some(outcome) = outcome {
                self.end_carried(&request.id, request.source, &Arc::new(outcome)).await;
            }
        }
        self.enqueue_new(found.waiting);
        // One that waits for a place already is read again once it is claimed.
        if self.interrupted.is_none() {
            self.interrupted = found.interrupted;
        }
    }

    /// While a turn works, input waits behind it. Another run in the middle is
    /// found again by a sweep or when somebody asks for it.
    fn recover_beside(&mut self, working: &RunId, found: Recovered) {
        self.enqueue_new(found.waiting.into_iter().filter(|request| request.id != *working));
        if let Some(interrupted) = found.interrupted.filter(|interrupted| interrupted.request.id != *working) {
            self.shared.waiters.forget(&interrupted.request.id, &self.key);
        }
    }

    fn enqueue_new(&mut self, requests: impl IntoIterator<Item = RunRequest>) {
        for request in requests {
            if !self.queue.holds(&request.id) {
                self.enqueue(request);
            }
        }
    }
}
