//! Taking up what an earlier process left of this session.

use std::sync::Arc;

use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::RunRecord;

use super::Lane;
use crate::command::Recovered;
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

    pub(super) async fn recover(&mut self, found: Recovered) {
        // A turn runs already: what was found is found again once it has ended.
        if self.running.is_some() {
            return;
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
        for request in found.waiting {
            if !self.queue.holds(&request.id) {
                self.enqueue(request);
            }
        }
        // One that waits for a place already is read again once it is claimed.
        if self.interrupted.is_none() {
            self.interrupted = found.interrupted;
        }
    }
}
