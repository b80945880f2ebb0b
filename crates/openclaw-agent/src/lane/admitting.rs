//! Accepting input: durable first, then it begins, waits or joins the running turn.

use std::sync::Arc;

use openclaw_domain::catalog::Agent;
use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::{Admission, Admitted, Batch, Durability, JournalError, RunRecord};
use openclaw_domain::run::{End, Outcome, QueueMode, StartState, Started, Status};
use openclaw_domain::{Change, Conversation, RunEvent, RunId, RunRequest, Timestamp, UserTurn};

use super::{Lane, status_of, stopped};
use crate::driver::Control;
use crate::publish::Publisher;

impl Lane {
    /// Accepts input according to its queue mode.
    pub(super) async fn accept(&mut self, request: RunRequest) -> Result<Started, Fault> {
        let agent = self.agent()?;
        let Some(running) = &self.running else {
            return self.begin_now(request, agent).await;
        };
        if running.request.id == request.id || self.queue.holds(&request.id) {
            return self.known_here(request, agent).await;
        }
        if self.queue.is_full() {
            let text = format!("session {} has {} inputs waiting", self.key, crate::queue::WAITING_MAX);
            return Err(Fault::new(Kind::Unavailable, text).hint("wait for answers, then try again"));
        }
        let at = self.shared.ports.clock.now();
        let admission = queued(request.clone(), agent, at);
        match self.shared.ports.journal.admit(admission).await.map_err(|error| fault(&error))? {
            Admitted::Known(record) => Ok(self.known(&record)),
            Admitted::New { .. } => {
                self.wait_or_join(request.clone());
                Ok(Started { run: request.id, session: self.key.clone(), state: StartState::New, entry: None, at })
            }
        }
    }

    fn wait_or_join(&mut self, request: RunRequest) {
        let mode = request.queue;
        let (input, turn) = (request.id.clone(), request.input.clone());
        self.register(&request);
        if mode == QueueMode::Steer && self.control(Control::Steer { input, turn }) {
            return;
        }
        if mode == QueueMode::Interrupt {
            self.control(Control::Cancel { by: "interrupt".to_owned() });
        }
        self.queue.push(request);
    }

    /// Shows a waiting run to those who list or wait.
    pub(super) fn register(&self, request: &RunRequest) {
        let at = self.shared.ports.clock.now();
        self.shared.waiters.begin(&request.id, &self.key, request.source, Status::Queued, at);
        self.publisher(request).publish(Change::Accepted);
    }

    /// Puts recorded input in the queue at start-up.
    pub(super) fn enqueue(&mut self, request: RunRequest) {
        self.register(&request);
        self.queue.push(request);
    }

    /// Input that was given to a turn which ended before it was used becomes a turn of its own.
    pub(super) async fn requeue(&mut self, carrier: &RunRequest, id: RunId, turn: UserTurn) {
        let own = RunRequest { parent: None, inbound: None, ..carrier.clone() };
        let request = RunRequest { id, input: turn, queue: QueueMode::Followup, ..own };
        self.queue.push(request);
    }

    pub(super) fn publisher(&self, request: &RunRequest) -> Arc<Publisher> {
        let ports = &self.shared.ports;
        let publisher = Publisher::new(
            request.id.clone(),
            self.key.clone(),
            request.source,
            ports.observer.clone(),
            ports.clock.clone(),
        );
        Arc::new(publisher)
    }

    pub(super) fn agent(&self) -> Result<Agent, Fault> {
        let id = self.key.agent();
        self.shared.ports.catalog.agent(id).ok_or_else(|| crate::model_call::no_such_agent(id.as_str()))
    }

    async fn known_here(&mut self, request: RunRequest, agent: Agent) -> Result<Started, Fault> {
        // The journal compares the request with the recorded one.
        let at = self.shared.ports.clock.now();
        let id = request.id.clone();
        match self.shared.ports.journal.admit(queued(request, agent, at)).await.map_err(|error| fault(&error))? {
            Admitted::Known(record) => Ok(self.known(&record)),
            Admitted::New { .. } => Err(Fault::new(Kind::Bug, format!("run {id} runs but is not recorded"))),
        }
    }

    pub(super) fn known(&self, record: &RunRecord) -> Started {
        let state = match &record.outcome {
            Some(outcome) => StartState::Ended(Box::new(outcome.clone())),
            None => StartState::InFlight,
        };
        Started { run: record.id.clone(), session: record.session.clone(), state, entry: None, at: record.accepted_at }
    }

    /// Records the end of input that never began.
    pub(super) async fn end_waiting(&mut self, request: &RunRequest, end: End) {
        let outcome = stopped(end, self.shared.ports.clock.now());
        if let Err(error) = self.close(&request.id, &outcome).await {
            tracing::error!(run = %request.id, %error, "the end of a waiting input could not be recorded");
        }
        self.publisher(request).publish(Change::Ended(Box::new(outcome.clone())));
        self.shared.waiters.end(&request.id, &self.key, Arc::new(outcome));
    }

    /// Records the end of input that another turn took in.
    pub(super) async fn end_carried(&mut self, id: &RunId, outcome: &Arc<Outcome>) {
        if let Err(error) = self.close(id, outcome).await {
            tracing::error!(run = %id, %error, "the end of a joined input could not be recorded");
        }
        self.shared.waiters.end(id, &self.key, outcome.clone());
    }

    pub(super) async fn close(&mut self, id: &RunId, outcome: &Outcome) -> Result<(), JournalError> {
        let journal = &self.shared.ports.journal;
        let (epoch, seq) = match journal.claim(&self.key, id, &self.shared.options.owner).await {
            Err(JournalError::Ended(_)) => return Ok(()),
            claimed => claimed?,
        };
        let events = vec![RunEvent::Ended { outcome: Box::new(outcome.clone()) }];
        let batch = Batch {
            session: self.key.clone(),
            run: id.clone(),
            epoch,
            first: seq.next(),
            events,
            entries: Vec::new(),
            amended: None,
            status: Some(status_of(outcome)),
            outcome: Some(Box::new(outcome.clone())),
            deliveries: Vec::new(),
            at: self.shared.ports.clock.now(),
            durability: Durability::Barrier,
        };
        journal.append(batch).await.map(|_entries| ())
    }

    /// Returns the session and its conversation, read anew only if somebody else changed it.
    pub(super) async fn open(
        &mut self,
        at: Timestamp,
    ) -> Result<(openclaw_domain::session::Session, Conversation), Fault> {
        let sessions = &self.shared.ports.sessions;
        let store = |error: openclaw_domain::ports::RecordError| Fault::new(Kind::Unavailable, error.to_string());
        let session = match sessions.get(&self.key).await.map_err(store)? {
            Some(session) => session,
            None => sessions.open(&self.key, at).await.map_err(store)?,
        };
        let cached = self.history.take().filter(|history| history.id == session.id && history.head == session.head);
        let turns = match cached {
            Some(history) => history.turns,
            None => {
                let page = sessions
                    .entries(&self.key, openclaw_domain::session::EntryQuery::default())
                    .await
                    .map_err(store)?;
                page.entries.into_iter().map(|entry| entry.turn).collect()
            }
        };
        Ok((session, Conversation::resume(turns)))
    }
}

/// The admission of input that does not begin at once.
fn queued(request: RunRequest, agent: Agent, at: Timestamp) -> Admission {
    let accepted =
        RunEvent::Accepted { request: Box::new(request.clone()), limits: agent.limits, runtime: agent.runtime };
    Admission { request, events: vec![accepted], transcript: false, owner: None, at }
}

/// Maps a journal's refusal to what the caller is told.
pub(super) fn fault(error: &JournalError) -> Fault {
    let kind = match error {
        JournalError::Mismatch(_) => Kind::Conflict,
        JournalError::NoSuchRun(_) => Kind::NotFound,
        JournalError::Fenced(_) | JournalError::Ended(_) | JournalError::Blocked { .. } => Kind::Conflict,
        JournalError::Full(_) | JournalError::Store(_) => Kind::Unavailable,
    };
    let fault = Fault::new(kind, error.to_string());
    match error {
        JournalError::Full(_) => fault.hint("free some disk space, then send it again"),
        _ => fault,
    }
}
