//! The engine as one run's tools see it.
//!
//! A tool that waits for another run gives its own run's place back meanwhile;
//! the place is taken again before the run goes on.

use std::sync::Arc;

use async_trait::async_trait;
use openclaw_domain::ports::Runs;
use openclaw_domain::run::{Abort, ActiveRun, Outcome, RunRequest, Started};
use openclaw_domain::runtime::Instance;
use openclaw_domain::{Fault, RunId, SessionKey};

use crate::places::Place;

/// Starts and waits for runs on behalf of one.
pub(crate) struct Caller {
    /// The engine.
    pub(crate) runs: Arc<dyn Runs>,
    /// The place of the run that calls.
    pub(crate) place: Arc<Place>,
}

#[async_trait]
impl Runs for Caller {
    async fn start(&self, request: RunRequest) -> Result<Started, Fault> {
        self.runs.start(request).await
    }

    async fn abort(&self, abort: Abort) -> Result<Vec<RunId>, Fault> {
        self.runs.abort(abort).await
    }

    async fn wait(&self, session: Option<&SessionKey>, run: &RunId) -> Result<Option<Outcome>, Fault> {
        let _lent = self.place.lend();
        self.runs.wait(session, run).await
    }

    fn active(&self, session: Option<&SessionKey>) -> Vec<ActiveRun> {
        self.runs.active(session)
    }

    fn instances(&self) -> Vec<Instance> {
        self.runs.instances()
    }
}
