//! Beginning a turn: new input on an idle session, waiting input, or an interrupted run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::catalog::Agent;
use openclaw_domain::fault::Fault;
use openclaw_domain::ports::{Admission, Admitted, JournalError, RunRecord};
use openclaw_domain::run::{End, StartState, Started, Status};
use openclaw_domain::session::Session;
use openclaw_domain::tool::Effect;
use openclaw_domain::{CallId, Change, Epoch, RunEvent, RunRequest, Runtime, Seq, SessionId, Timestamp, ToolCall};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::admitting::{Opened, fault};
use super::{CONTROL_MAX, Lane, Running};
use crate::command::Interrupted;
use crate::driver::{Driver, Start};
use crate::mailbox;
use crate::places::Place;
use crate::shared::Shared;
use crate::step::{self, RunState};

/// A turn that is about to run.
struct Turn {
    request: RunRequest,
    session: Session,
    epoch: Epoch,
    seq: Seq,
    state: RunState,
    written: usize,
    head: u64,
    open_entry: Option<(u64, usize)>,
    events: Vec<RunEvent>,
    effects: Vec<step::Effect>,
    joined: Vec<RunRequest>,
    /// Whether an earlier process began it.
    is_resumed: bool,
    /// When the calls of that process were dispatched.
    started: BTreeMap<CallId, Timestamp>,
    /// What lets it run.
    place: Arc<Place>,
    /// By the monotonic clock, when the run's first lease was asked for.
    claimed_at: Duration,
    /// Held by a run that is being taken up.
    turn: Option<OwnedSemaphorePermit>,
}

impl Lane {
    /// Accepts input on an idle session and begins its turn: one transaction.
    pub(super) async fn begin_now(
        &mut self,
        request: RunRequest,
        agent: Agent,
        place: Arc<Place>,
    ) -> Result<Started, Fault> {
        self.settle().await?;
        let at = self.shared.ports.clock.now();
        let Opened { session, conversation, compaction } = self.open(at).await?;
        let events = vec![
            RunEvent::Accepted {
                request: Box::new(request.clone()),
                limits: agent.limits,
                runtime: Runtime::SessionBound,
            },
            RunEvent::Claimed { owner: self.shared.options.owner.clone() },
            RunEvent::Began { transcript_head: session.head },
            model_started(&session.id, &request),
        ];
        let owner = Some(self.shared.options.owner.clone());
        let admission = Admission { request: request.clone(), events: events.clone(), transcript: true, owner, at };
        let claimed_at = self.shared.ports.clock.monotonic();
        let (epoch, seq, entry) =
            match self.shared.ports.journal.admit(admission).await.map_err(|error| fault(&error))? {
                Admitted::Known(record) => return Ok(self.known(&record)),
                Admitted::New { epoch, seq, entry } => (epoch, seq, entry),
            };
        let mut state = RunState::new(conversation.into_turns()).showing(compaction);
        for event in &events {
            // The effects of these events are recorded among them already.
            step::step(&mut state, event);
        }
        let written = state.conversation.turns().len();
        let n = entry.as_ref().map(|entry| entry.n);
        let turn = Turn {
            request: request.clone(),
            session,
            epoch,
            seq,
            state,
            written,
            head: n.unwrap_or_default(),
            open_entry: None,
            events: vec![],
            effects: vec![],
            joined: vec![],
            is_resumed: false,
            started: BTreeMap::new(),
            place,
            claimed_at,
            turn: None,
        };
        let running = self.spawn(turn, at);
        running.publisher.publish(Change::Accepted);
        if let Some(entry) = entry {
            running.publisher.publish(Change::EntryAdded(Box::new(entry)));
        }
        self.running = Some(running);
        Ok(Started { run: request.id, session: self.key.clone(), state: StartState::New, entry: n, at })
    }

    /// Begins the next waiting turn; one that cannot begin ends with the reason.
    pub(super) async fn begin_next(&mut self, place: Arc<Place>) {
        if let Some(interrupted) = self.interrupted.take() {
            // Rare and large; boxed, so that the actor stays small.
            return Box::pin(self.take_up(interrupted, place)).await;
        }
        let Some((request, joined)) = self.queue.next_turn() else { return };
        if let Err(fault) = self.begin_waiting(request.clone(), joined.clone(), place).await {
            for request in std::iter::once(request).chain(joined) {
                self.end_waiting(&request, End::Failed { message: fault.to_string() }).await;
            }
        }
    }

    async fn begin_waiting(
        &mut self,
        request: RunRequest,
        joined: Vec<RunRequest>,
        place: Arc<Place>,
    ) -> Result<(), Fault> {
        self.settle().await?;
        let at = self.shared.ports.clock.now();
        let Opened { session, conversation, compaction } = self.open(at).await?;
        // What was recorded at acceptance holds, as it does for recovery and replay.
        let accepted = self.accepted(&request).await?;
        let claimed_at = self.shared.ports.clock.monotonic();
        let claimed = self.shared.ports.journal.claim(&self.key, &request.id, &self.shared.options.owner).await;
        let (epoch, seq) = claimed.map_err(|error| fault(&error))?;
        self.shared.reach("waiting_claimed");
        let mut state = RunState::new(conversation.into_turns()).showing(compaction);
        let written = state.conversation.turns().len();
        step::step(&mut state, &accepted);
        let request = state.request.clone().unwrap_or(request);
        let mut events: Vec<RunEvent> = joined
            .iter()
            .map(|other| RunEvent::Steered { input: other.id.clone(), turn: other.input.clone() })
            .collect();
        events.push(RunEvent::Began { transcript_head: session.head });
        let turn = Turn {
            request,
            head: session.head,
            session,
            epoch,
            seq,
            state,
            written,
            open_entry: None,
            events,
            effects: vec![],
            joined,
            is_resumed: false,
            started: BTreeMap::new(),
            place,
            claimed_at,
            turn: None,
        };
        self.running = Some(self.spawn(turn, at));
        Ok(())
    }

    /// Goes on with a run that an earlier process left in the middle.
    pub(crate) async fn take_up(&mut self, interrupted: Interrupted, place: Arc<Place>) {
        let turn = self.shared.take_turn().await;
        let at = self.shared.ports.clock.now();
        let request = interrupted.request.clone();
        let claimed_at = self.shared.ports.clock.monotonic();
        let (journal, owner) = (&self.shared.ports.journal, &self.shared.options.owner);
        let claimed = match interrupted.is_expired {
            true => journal.take_over(&self.key, &request.id, owner).await,
            false => journal.claim(&self.key, &request.id, owner).await,
        };
        let (epoch, seq) = match claimed {
            Ok(claimed) => claimed,
            Err(error) => return self.not_claimed(interrupted, error, at).await,
        };
        self.shared.reach("taken_up");
        let Some(interrupted) = self.as_claimed(interrupted, (epoch, seq)).await else { return };
        let mut state = interrupted.state;
        let shared = &self.shared;
        let effects =
            step::resume(&mut state, |call| is_repeatable(shared, call, interrupted.started.get(&call.id), at));
        let effects = mailbox::answer(shared, &request, effects).await;
        for approval in interrupted.asked {
            self.shared.pending.add(approval);
        }
        for question in interrupted.unsure {
            self.shared.questions.add(question);
        }
        let turn = Turn {
            request,
            session: interrupted.session,
            epoch,
            seq,
            written: interrupted.written,
            head: interrupted.head,
            open_entry: interrupted.open_entry,
            state,
            events: vec![],
            effects,
            joined: vec![],
            is_resumed: true,
            started: interrupted.started,
            place,
            claimed_at,
            turn,
        };
        let running = self.spawn(turn, at);
        running.publisher.publish(Change::Accepted);
        self.running = Some(running);
    }

    /// Decides about a run that this process may not go on with.
    async fn not_claimed(&mut self, interrupted: Interrupted, error: JournalError, at: Timestamp) {
        let id = &interrupted.request.id;
        match error {
            JournalError::Ended(_) => self.ended_elsewhere(interrupted).await,
            error if interrupted.is_expired => tracing::info!(run = %id, %error, "a run was not taken over"),
            error @ (JournalError::Store(_) | JournalError::Full(_) | JournalError::Blocked { .. }) => {
                tracing::error!(run = %id, %error, "an interrupted run could not be taken up; trying again");
                self.unread.push(self.record_of(&interrupted));
            }
            error @ (JournalError::NoSuchRun(_) | JournalError::Fenced(_) | JournalError::Mismatch(_)) => {
                tracing::error!(run = %id, %error, "an interrupted run could not be taken up");
                let outcome = Arc::new(super::stopped(End::Failed { message: error.to_string() }, at));
                for id in interrupted.taken_in().iter().chain([id]) {
                    self.shared.waiters.end(id, &self.key, outcome.clone());
                }
            }
        }
    }

    /// What is read again of a run that could not be taken up yet.
    pub(super) fn record_of(&self, interrupted: &Interrupted) -> RunRecord {
        RunRecord {
            id: interrupted.request.id.clone(),
            session: self.key.clone(),
            status: Status::Running,
            epoch: Epoch(0),
            seq: interrupted.seq,
            outcome: None,
            accepted_at: interrupted.request.input.at,
            details: serde_json::Value::Null,
        }
    }

    /// Returns the run as it was when it was claimed; `None` while nobody can read it.
    async fn as_claimed(&mut self, interrupted: Interrupted, (epoch, seq): (Epoch, Seq)) -> Option<Interrupted> {
        if interrupted.seq.next() == seq {
            return Some(interrupted);
        }
        // The old owner's last write landed after the run was read: the claim
        // came after it, and fenced off what follows.
        let id = &interrupted.request.id;
        match crate::recover::anew(&self.shared, &self.key, id, (epoch, seq)).await {
            Ok(Some(now)) => Some(now),
            Ok(None) => Some(interrupted),
            Err(fault) => {
                tracing::error!(run = %id, %fault, "an interrupted run could not be read again; trying again");
                self.unread.push(RunRecord { epoch, seq, ..self.record_of(&interrupted) });
                None
            }
        }
    }

    fn spawn(&self, mut turn: Turn, at: openclaw_domain::Timestamp) -> Running {
        // Claims are not folded: they say who works, not what was done.
        turn.state.seq = turn.seq;
        let (control, inbox) = mpsc::channel(CONTROL_MAX);
        let publisher = self.publisher(&turn.request);
        publisher.committed(turn.seq);
        let live = self.shared.waiters.begin(&turn.request.id, &self.key, turn.request.source, Status::Running, at);
        let start = Start {
            request: turn.request.clone(),
            session: turn.session,
            epoch: turn.epoch,
            seq: turn.seq,
            state: turn.state,
            written: turn.written,
            head: turn.head,
            open_entry: turn.open_entry,
            effects: turn.effects,
            events: turn.events,
            live,
            publisher: publisher.clone(),
            control: inbox,
            is_resumed: turn.is_resumed,
            started: turn.started,
            started_at: at,
            place: turn.place,
            quarters: None,
            worked: Duration::ZERO,
            claimed_at: turn.claimed_at,
            turn: turn.turn,
        };
        let (driver, effects, events) = Driver::new(self.shared.clone(), start);
        let joined = turn.joined.into_iter().map(|request| request.id).collect();
        let future = Box::pin(driver.drive(effects, events));
        Running { request: turn.request, control, publisher, joined, future }
    }
}

/// Tells whether a call that was dispatched may be dispatched again with its key.
pub(crate) fn is_repeatable(shared: &Shared, call: &ToolCall, started: Option<&Timestamp>, now: Timestamp) -> bool {
    let Some(tool) = shared.tool(&call.name) else { return false };
    match tool.spec().effect {
        Effect::Pure | Effect::Idempotent => true,
        Effect::Keyed => match (tool.keys_kept(), started) {
            (None, _) => true,
            (Some(kept), Some(started)) => now.since(*started) < kept,
            (Some(_), None) => false,
        },
        Effect::Once => false,
    }
}

fn model_started(session: &SessionId, request: &RunRequest) -> RunEvent {
    RunEvent::ModelStarted { step: 1, idempotency_key: crate::keys::step_key(session, &request.id, 1) }
}
