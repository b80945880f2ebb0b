//! An engine that runs nothing.
//!
//! [`FakeRuns`] implements the ports of the engine for tests of what stands in
//! front of it: requests are recorded, the same request twice is one run, and
//! runs end when a test says so. It knows no queues and no limits.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use openclaw_domain::approval::{Approval, Decision};
use openclaw_domain::model::Usage;
use openclaw_domain::ports::{Approvals, Clock, Runs};
use openclaw_domain::run::{Abort, ActiveRun, End, Outcome, RunRequest, StartState, Started, Status};
use openclaw_domain::{Fault, Kind, RunId, SessionKey};
use tokio::sync::watch;

use crate::clock::FakeClock;

/// Runs and approvals of a test.
pub struct FakeRuns {
    clock: FakeClock,
    state: Mutex<State>,
    ended: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    runs: Vec<Run>,
    pending: Vec<Approval>,
    resolved: Vec<(String, Decision, String)>,
    refusal: Option<Fault>,
}

struct Run {
    request: RunRequest,
    started: Started,
    outcome: Option<Outcome>,
}

impl FakeRuns {
    /// Makes an engine with nothing to do.
    pub fn new(clock: &FakeClock) -> Self {
        Self { clock: clock.clone(), state: Mutex::default(), ended: watch::Sender::new(0) }
    }

    /// Returns the accepted requests, oldest first.
    pub fn requests(&self) -> Vec<RunRequest> {
        self.state().runs.iter().map(|run| run.request.clone()).collect()
    }

    /// Makes every further start fail.
    pub fn refuse(&self, fault: Fault) {
        self.state().refusal = Some(fault);
    }

    /// Ends a run with this text.
    pub fn finish(&self, run: &RunId, text: &str) {
        self.end(run, End::Done, text);
    }

    /// Adds a question that waits for a person.
    pub fn ask(&self, approval: Approval) {
        self.state().pending.push(approval);
    }

    /// Returns the answers given so far: question, decision, who.
    pub fn resolved(&self) -> Vec<(String, Decision, String)> {
        self.state().resolved.clone()
    }

    fn end(&self, run: &RunId, end: End, text: &str) {
        let now = self.clock.now();
        let mut state = self.state();
        for it in state.runs.iter_mut().filter(|it| it.request.id == *run && it.outcome.is_none()) {
            it.outcome = Some(Outcome {
                end: end.clone(),
                text: text.to_owned(),
                answered_by: None,
                usage: Usage::default(),
                iterations: 1,
                tool_calls: 0,
                started_at: it.started.at,
                ended_at: now,
            });
        }
        drop(state);
        self.ended.send_modify(|version| *version += 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Runs for FakeRuns {
    async fn start(&self, request: RunRequest) -> Result<Started, Fault> {
        let mut state = self.state();
        if let Some(fault) = &state.refusal {
            return Err(fault.clone());
        }
        let known =
            state.runs.iter().find(|run| run.request.id == request.id && run.request.session == request.session);
        if let Some(run) = known {
            let ended = run.outcome.clone().map(|outcome| StartState::Ended(Box::new(outcome)));
            return Ok(Started { state: ended.unwrap_or(StartState::InFlight), ..run.started.clone() });
        }
        let started = Started {
            run: request.id.clone(),
            session: request.session.clone(),
            state: StartState::New,
            entry: None,
            at: self.clock.now(),
        };
        state.runs.push(Run { request, started: started.clone(), outcome: None });
        Ok(started)
    }

    async fn abort(&self, abort: Abort) -> Result<Vec<RunId>, Fault> {
        let fits = |run: &ActiveRun| abort.run.as_ref().is_none_or(|id| run.id == *id);
        let found: Vec<RunId> =
            self.active(abort.session.as_ref()).into_iter().filter(fits).map(|run| run.id).collect();
        for run in &found {
            self.end(run, End::Cancelled { by: abort.by.clone() }, "");
        }
        Ok(found)
    }

    async fn wait(&self, session: Option<&SessionKey>, run: &RunId) -> Result<Option<Outcome>, Fault> {
        let mut ended = self.ended.subscribe();
        loop {
            ended.mark_unchanged();
            let known = {
                let state = self.state();
                let fits = |it: &&Run| it.request.id == *run && session.is_none_or(|key| it.request.session == *key);
                state.runs.iter().find(fits).map(|it| it.outcome.clone())
            };
            match known {
                None => return Ok(None),
                Some(Some(outcome)) => return Ok(Some(outcome)),
                // The sender lives in `self`, so waiting cannot fail.
                Some(None) => drop(ended.changed().await),
            }
        }
    }

    fn active(&self, session: Option<&SessionKey>) -> Vec<ActiveRun> {
        let state = self.state();
        let active = state
            .runs
            .iter()
            .filter(|run| run.outcome.is_none() && session.is_none_or(|key| run.request.session == *key));
        let shown = active.map(|run| ActiveRun {
            id: run.request.id.clone(),
            session: run.request.session.clone(),
            status: Status::Running,
            accepted_at: run.started.at,
            partial_text: String::new(),
            source: run.request.source,
        });
        shown.collect()
    }
}

#[async_trait]
impl Approvals for FakeRuns {
    fn pending(&self) -> Vec<Approval> {
        self.state().pending.clone()
    }

    async fn resolve(&self, id: &str, decision: Decision, by: &str) -> Result<Approval, Fault> {
        let mut state = self.state();
        let Some(position) = state.pending.iter().position(|approval| approval.id == id) else {
            return Err(Fault::new(Kind::NotFound, format!("there is no pending approval {id}")));
        };
        state.resolved.push((id.to_owned(), decision, by.to_owned()));
        Ok(state.pending.remove(position))
    }
}

#[cfg(test)]
mod tests {
    use openclaw_domain::UserTurn;
    use openclaw_domain::run::Source;

    use super::*;

    fn request(id: &str) -> RunRequest {
        let input = UserTurn::owner("hi", crate::clock::START);
        RunRequest::new(id.parse().unwrap(), "agent:main:main".parse().unwrap(), input, Source::Chat)
    }

    #[tokio::test]
    async fn the_same_request_is_one_run_in_flight_and_then_ended() {
        let runs = FakeRuns::new(&FakeClock::new());
        let id: RunId = "r1".parse().unwrap();
        assert_eq!(runs.start(request("r1")).await.unwrap().state, StartState::New);
        assert_eq!(runs.start(request("r1")).await.unwrap().state, StartState::InFlight);
        runs.finish(&id, "done");
        assert_eq!(runs.wait(None, &id).await.unwrap().unwrap().text, "done");
        assert!(matches!(runs.start(request("r1")).await.unwrap().state, StartState::Ended(_)));
        assert_eq!(runs.requests().len(), 1);
    }

    #[tokio::test]
    async fn an_abort_ends_what_runs_and_names_it() {
        let runs = FakeRuns::new(&FakeClock::new());
        runs.start(request("r1")).await.unwrap();
        let abort = Abort { session: None, run: None, by: "rpc".to_owned() };
        assert_eq!(runs.abort(abort.clone()).await.unwrap(), ["r1".parse::<RunId>().unwrap()]);
        assert_eq!(runs.abort(abort).await.unwrap(), []);
        assert_eq!(runs.wait(None, &"r2".parse().unwrap()).await.unwrap(), None);
    }
}
