//! Accepting input: durable first, then it begins, waits or joins the running turn.

use std::sync::Arc;

use openclaw_domain::catalog::Agent;
use openclaw_domain::compaction::Compaction;
use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::{Admission, Admitted, Batch, Durability, JournalError, RecordError, RunRecord};
use openclaw_domain::run::{End, Outcome, QueueMode, Source, StartState, Started, Status};
use openclaw_domain::session::{EntryQuery, Session};
use openclaw_domain::{
    Change, Conversation, Epoch, RunEvent, RunId, RunRequest, Runtime, Seq, SessionKey, Timestamp, UserTurn,
};

use super::{Lane, status_of, stopped};
use crate::driver::Control;
use crate::places::Place;
use crate::publish::Publisher;
use crate::shared::Shared;

/// More events than this and a run has begun: before that it is only accepted and claimed.
const UNBEGUN_EVENTS_MAX: usize = 100;

impl Lane {
    /// Accepts input according to its queue mode.
    pub(super) async fn accept(&mut self, request: RunRequest) -> Result<Started, Fault> {
        self.refuse_before_read()?;
        let agent = self.agent()?;
        if let Some(place) = self.free_place() {
            return self.begin_now(request, agent, place).await;
        }
        let is_running = self.running.as_ref().is_some_and(|running| running.request.id == request.id);
        if is_running || self.queue.holds(&request.id) {
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

    /// Returns a place for new input if nothing is before it.
    fn free_place(&self) -> Option<Arc<Place>> {
        let is_next = self.running.is_none() && self.queue.is_empty() && self.interrupted.is_none();
        is_next.then(|| self.shared.places.of(&self.key, &Runtime::SessionBound).try_take()).flatten()
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
        self.shared.stop_children(&(self.key.clone(), request.id.clone()));
    }

    /// Records the end of input that another turn took in.
    pub(super) async fn end_carried(&mut self, id: &RunId, source: Source, outcome: &Arc<Outcome>) {
        if let Err(error) = self.close(id, outcome).await {
            tracing::error!(run = %id, %error, "the end of a joined input could not be recorded");
        }
        let ports = &self.shared.ports;
        let (observer, clock) = (ports.observer.clone(), ports.clock.clone());
        let publisher = Publisher::new(id.clone(), self.key.clone(), source, observer, clock);
        publisher.publish(Change::Carried(Box::new((**outcome).clone())));
        self.shared.waiters.end(id, &self.key, outcome.clone());
    }

    pub(super) async fn close(&mut self, id: &RunId, outcome: &Outcome) -> Result<(), JournalError> {
        close(&self.shared, &self.key, id, outcome).await
    }

    /// Returns the event that recorded an input.
    pub(super) async fn accepted(&mut self, request: &RunRequest) -> Result<RunEvent, Fault> {
        let events = self.shared.ports.journal.events(&self.key, &request.id, Seq(0), 1).await;
        let first = events.map_err(|error| fault(&error))?.into_iter().next().map(|recorded| recorded.event);
        match first {
            Some(accepted @ RunEvent::Accepted { .. }) => Ok(accepted),
            Some(_) | None => Err(Fault::new(Kind::Bug, format!("run {} is not recorded as accepted", request.id))),
        }
    }

    /// Returns the session and its conversation, read anew only if somebody else changed it.
    pub(super) async fn open(&mut self, at: Timestamp) -> Result<Opened, Fault> {
        let sessions = self.shared.ports.sessions.clone();
        let session = match sessions.get(&self.key).await.map_err(store)? {
            Some(session) => session,
            None => sessions.open(&self.key, at).await.map_err(store)?,
        };
        let cached = self.history.take().filter(|history| history.id == session.id && history.head == session.head);
        let (turns, compaction) = match cached {
            Some(history) => (history.turns, history.compaction),
            None => {
                let page = sessions.entries(&self.key, EntryQuery::default()).await.map_err(store)?;
                let compaction = self.compaction_of(&page.entries, at).await?;
                (page.entries.into_iter().map(|entry| entry.turn).collect(), compaction)
            }
        };
        Ok(Opened { session, conversation: Conversation::resume(turns), compaction })
    }
}

/// A session that is about to be worked in.
pub(super) struct Opened {
    pub(super) session: Session,
    pub(super) conversation: Conversation,
    /// What of it is shown as a summary.
    pub(super) compaction: Option<Compaction>,
}

/// Maps a failure of the store to what the caller is told.
pub(super) fn store(error: RecordError) -> Fault {
    let kind = match &error {
        RecordError::NotFound { .. } => Kind::NotFound,
        RecordError::Stale(_) | RecordError::Illegal(_) => Kind::Conflict,
        RecordError::TooLarge { .. } | RecordError::Store(_) => Kind::Unavailable,
    };
    Fault::new(kind, error.to_string())
}

/// The admission of input that does not begin at once.
fn queued(request: RunRequest, agent: Agent, at: Timestamp) -> Admission {
    let accepted =
        RunEvent::Accepted { request: Box::new(request.clone()), limits: agent.limits, runtime: Runtime::SessionBound };
    Admission { request, events: vec![accepted], transcript: false, owner: None, at }
}

/// Records the end of a run that nobody drives.
pub(crate) async fn close(
    shared: &Shared,
    session: &SessionKey,
    id: &RunId,
    outcome: &Outcome,
) -> Result<(), JournalError> {
    let (epoch, seq) = match place_to_close(shared, session, id).await {
        Err(JournalError::Ended(_)) => return Ok(()),
        place => place?,
    };
    let events = vec![RunEvent::Ended { outcome: Box::new(outcome.clone()) }];
    let batch = Batch {
        session: session.clone(),
        run: id.clone(),
        epoch,
        first: seq.next(),
        events,
        entries: Vec::new(),
        amended: None,
        status: Some(status_of(outcome)),
        outcome: Some(Box::new(outcome.clone())),
        deliveries: Vec::new(),
        at: shared.ports.clock.now(),
        durability: Durability::Barrier,
    };
    match shared.ports.journal.append(batch).await {
        Ok(_) | Err(JournalError::Ended(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Returns where the end of a run is to be written. Input that never began
/// is not claimed for it: while another turn runs, a claim is refused.
async fn place_to_close(shared: &Shared, session: &SessionKey, id: &RunId) -> Result<(Epoch, Seq), JournalError> {
    let journal = &shared.ports.journal;
    let events = journal.events(session, id, Seq(0), UNBEGUN_EVENTS_MAX).await?;
    let has_begun = events.iter().any(|recorded| matches!(recorded.event, RunEvent::Began { .. }));
    match events.last() {
        Some(last) if !has_begun && events.len() < UNBEGUN_EVENTS_MAX => Ok((last.epoch, last.seq)),
        _ => journal.claim(session, id, &shared.options.owner).await,
    }
}

/// Maps a journal's refusal to what the caller is told.
pub(crate) fn fault(error: &JournalError) -> Fault {
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
