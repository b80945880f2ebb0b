//! Drives one run: append to the journal, step, perform the effects.
//!
//! This is the one `select!` of the engine. Nothing is done to the world before
//! the event that says so is committed. Dropping the driver's future stops the
//! model stream and every tool of the run; the journal then shows a run without
//! an end, which recovery picks up.

mod checkpointing;
mod compacting;
mod journaling;
mod performing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, future::BoxFuture};
use openclaw_domain::approval::{Approval, Decision};
use openclaw_domain::compaction::Compaction;
use openclaw_domain::message::ToolStatus;
use openclaw_domain::model::{ModelEvent, ModelStream};
use openclaw_domain::ports::Snapshotted;
use openclaw_domain::run::{Outcome, Status};
use openclaw_domain::session::Session;
use openclaw_domain::update::Phase;
use openclaw_domain::{
    Answer, CallId, Change, Epoch, Permit, Question, RunEvent, RunId, RunRequest, Seq, SessionId, SessionKey,
    Timestamp, ToolResult, Turn, UserTurn,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::instances::Quarters;
use crate::model_call::{self, Preparation};
use crate::places::Place;
use crate::publish::Publisher;
use crate::shared::Shared;
use crate::step::{CallState, Effect, RunState};
use crate::stopwatch::Stopwatch;
use crate::tool_call::{EndedCall, Means, ProbedCall};
use crate::waiters::Live;

/// Streamed text is journalled after this long or this much, so that a crash
/// loses at most that much of what was shown (`durability.md` §3.6).
const DELTA_FLUSH: Duration = Duration::from_millis(200);
const DELTA_BYTES_MAX: usize = 1024;

/// What others tell a running run.
pub(crate) enum Control {
    /// Input that joins at the next boundary.
    Steer { input: RunId, turn: UserTurn },
    /// Stop.
    Cancel { by: String },
    /// A person answered.
    Resolve { approval: String, decision: Decision, by: String },
    /// A person said what became of a call.
    Answer { question: String, answer: Answer, by: String },
    /// Keep a checkpoint.
    Snapshot { reply: oneshot::Sender<Snapshotted> },
    /// Show older turns as a summary before the next model call.
    Compact,
}

/// What a run needs to go on from where its journal stands.
pub(crate) struct Start {
    pub(crate) request: RunRequest,
    pub(crate) session: Session,
    pub(crate) epoch: Epoch,
    /// Position of the last event in the journal.
    pub(crate) seq: Seq,
    /// The fold of the journal.
    pub(crate) state: RunState,
    /// Turns of `state` that are in the transcript already.
    pub(crate) written: usize,
    /// Number of the last transcript entry.
    pub(crate) head: u64,
    /// The transcript entry of the last assistant turn, if its calls were open.
    pub(crate) open_entry: Option<(u64, usize)>,
    /// What to do first.
    pub(crate) effects: Vec<Effect>,
    /// Events to record before anything else.
    pub(crate) events: Vec<RunEvent>,
    pub(crate) live: Arc<Live>,
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) control: mpsc::Receiver<Control>,
    /// Whether an earlier process began the run.
    pub(crate) is_resumed: bool,
    /// When the calls of that process were dispatched.
    pub(crate) started: BTreeMap<CallId, Timestamp>,
    pub(crate) started_at: openclaw_domain::Timestamp,
    /// What lets it run.
    pub(crate) place: Arc<Place>,
    /// Where it works, when that is an instance of its own.
    pub(crate) quarters: Option<Arc<Quarters>>,
    /// How long it worked under earlier owners.
    pub(crate) worked: Duration,
    /// By the monotonic clock, when the run's first lease was asked for.
    pub(crate) claimed_at: Duration,
    /// Held by a run that is being taken up, until it goes on.
    pub(crate) turn: Option<OwnedSemaphorePermit>,
}

/// What a finished run leaves behind.
pub(crate) struct Finished {
    /// How it ended.
    pub(crate) outcome: Arc<Outcome>,
    /// The session's conversation it belongs to.
    pub(crate) session: SessionId,
    /// Number of the last transcript entry it wrote or saw.
    pub(crate) head: u64,
    /// The conversation, for the next turn of the session.
    pub(crate) turns: Vec<Turn>,
    /// What of it is shown as a summary.
    pub(crate) compaction: Option<Compaction>,
    /// Inputs of other runs it took in: they end with it.
    pub(crate) carried: Vec<RunId>,
    /// Inputs it was given but never put before the model.
    pub(crate) left: Vec<(RunId, UserTurn)>,
}

pub(crate) struct Driver {
    shared: Arc<Shared>,
    request: RunRequest,
    session: Session,
    epoch: Epoch,
    next: Seq,
    state: RunState,
    written: usize,
    /// Number of the last transcript entry.
    head: u64,
    open_entry: Option<(u64, usize)>,
    live: Arc<Live>,
    publisher: Arc<Publisher>,
    control: mpsc::Receiver<Control>,
    prepared: Option<Preparation>,
    stream: Option<ModelStream>,
    tools: FuturesUnordered<BoxFuture<'static, EndedCall>>,
    probes: FuturesUnordered<BoxFuture<'static, ProbedCall>>,
    /// When calls of an earlier process were dispatched.
    started: BTreeMap<CallId, Timestamp>,
    /// An earlier process began the run, and nothing new is recorded yet (I14).
    is_resuming: bool,
    /// Admitted calls whose start is being recorded.
    admitted: Vec<(Permit, String)>,
    /// Whether a model call is recorded and now to be made.
    model_due: bool,
    /// Streamed text that is not in the journal yet.
    unflushed: String,
    unflushed_since: Option<Duration>,
    selected: Option<openclaw_domain::model::Selected>,
    stopwatch: Stopwatch,
    /// Questions of this run that were asked and not answered.
    asking: BTreeMap<String, Approval>,
    /// Questions about unknown outcomes that were not answered.
    unsure: BTreeMap<String, Question>,
    /// How long ended calls ran, until they are told.
    took: BTreeMap<CallId, Duration>,
    started_at: openclaw_domain::Timestamp,
    place: Arc<Place>,
    quarters: Option<Arc<Quarters>>,
    claimed_at: Duration,
    /// Others are taken up once this run goes on.
    turn: Option<OwnedSemaphorePermit>,
    /// When the lease was granted under which events were recorded last.
    granted_at: Duration,
    ended: Option<Arc<Outcome>>,
    keeping: checkpointing::Keeping,
    shortening: compacting::Shortening,
}

/// Why a run could not be driven to its end; the journal says how far it got.
pub(crate) struct Broken {
    /// What broke.
    pub(crate) message: String,
    /// Whether the run belongs to another process now; then this one says
    /// nothing more about it.
    pub(crate) is_lost: bool,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, start: Start) -> (Self, Vec<Effect>, Vec<RunEvent>) {
        let asking = asked_in(&start.state);
        let unsure = unsure_in(&start.state);
        let driver = Self {
            shared,
            request: start.request,
            session: start.session,
            epoch: start.epoch,
            next: start.seq.next(),
            model_due: start.state.is_calling,
            state: start.state,
            written: start.written,
            head: start.head,
            open_entry: start.open_entry,
            live: start.live,
            publisher: start.publisher,
            control: start.control,
            prepared: None,
            stream: None,
            tools: FuturesUnordered::new(),
            probes: FuturesUnordered::new(),
            started: start.started,
            is_resuming: start.is_resumed,
            admitted: Vec::new(),
            unflushed: String::new(),
            unflushed_since: None,
            selected: None,
            stopwatch: Stopwatch::with(start.worked),
            asking,
            unsure,
            took: BTreeMap::new(),
            started_at: start.started_at,
            place: start.place,
            quarters: start.quarters,
            claimed_at: start.claimed_at,
            turn: start.turn,
            granted_at: start.claimed_at,
            ended: None,
            keeping: checkpointing::Keeping::default(),
            shortening: compacting::Shortening::default(),
        };
        (driver, start.effects, start.events)
    }

    /// Drives the run to its end.
    ///
    /// # Errors
    /// When the journal refuses: the run then belongs to somebody else, or the
    /// disk is full, and nothing more may be done to the world.
    pub(crate) async fn drive(mut self, first: Vec<Effect>, events: Vec<RunEvent>) -> Result<Finished, Broken> {
        self.live.set_status(Status::Running);
        if !self.is_resuming {
            self.publisher.publish(Change::Started);
            self.publisher.publish(Change::Phase(Phase::PreparingContext));
        }
        let mut effects = first;
        if !events.is_empty() {
            effects.extend(self.record(events).await?);
        }
        match model_call::prepare(&self.shared, &self.request, &self.session, self.quarters.as_deref()).await {
            Ok(prepared) => self.prepared = Some(prepared),
            Err(fault) => {
                effects =
                    vec![Effect::Finish { end: openclaw_domain::run::End::Failed { message: fault.to_string() } }];
            }
        }
        loop {
            let events = self.perform(effects);
            effects = if events.is_empty() && self.ended.is_none() {
                self.turn = None;
                self.checkpoint_if_due().await;
                self.launch().await;
                let event = self.next_event().await?;
                self.record(event).await?
            } else {
                self.record(events).await?
            };
            if let Some(outcome) = self.ended.take() {
                return Ok(self.finished(outcome));
            }
        }
    }

    fn finished(mut self, outcome: Arc<Outcome>) -> Finished {
        let mut left: Vec<(RunId, UserTurn)> = self.state.steered.iter().cloned().collect();
        // Input that was on its way when the run ended is not lost with it.
        while let Ok(control) = self.control.try_recv() {
            if let Control::Steer { input, turn } = control {
                left.push((input, turn));
            }
        }
        Finished {
            outcome,
            session: self.session.id,
            head: self.head,
            carried: self.state.carried,
            left,
            compaction: self.state.compaction,
            turns: self.state.conversation.into_turns(),
        }
    }

    /// Makes what was recorded as started really start.
    async fn launch(&mut self) {
        for (permit, key) in std::mem::take(&mut self.admitted) {
            self.publisher.publish(Change::ToolStarted(permit.call().clone()));
            if let Some(refused) = self.refuse_without_lease(&permit) {
                self.tools.push(Box::pin(std::future::ready(refused)));
                continue;
            }
            self.keeping.note_start(permit.request().effect);
            let means = self.means();
            self.tools.push(crate::tool_call::run(&self.shared, means, permit, key));
        }
        if self.shorten().await {
            return;
        }
        if std::mem::take(&mut self.model_due) {
            self.publisher.publish(Change::Phase(Phase::StartingModel));
            self.stream = Some(self.start_model().await);
        }
    }

    /// Refuses a call that acts on the world once so little is left of the lease
    /// that another process may own the run (I5). The lease that counts is the
    /// one in force when the call's start was recorded: only that record proves
    /// that the run was still ours.
    fn refuse_without_lease(&self, permit: &Permit) -> Option<EndedCall> {
        let now = self.shared.ports.clock.monotonic();
        let acts = permit.request().effect != openclaw_domain::tool::Effect::Pure;
        if !acts || self.shared.leases.holds(self.granted_at, now) {
            return None;
        }
        tracing::warn!(run = %self.request.id, tool = permit.call().name, "not run: the lease could not be confirmed");
        let text = "Not run: this program could not confirm in time that the run is still its own. Try again.";
        Some(EndedCall {
            call: permit.call().clone(),
            result: Ok(ToolResult::notice(ToolStatus::Failed, text)),
            took: Duration::ZERO,
        })
    }

    /// Returns the session that actions of this lineage are named after.
    fn root(&self) -> &SessionKey {
        self.request.parent.as_ref().map_or(&self.request.session, |parent| &parent.root)
    }

    async fn start_model(&mut self) -> ModelStream {
        let failed = |error| futures_util::stream::once(std::future::ready(Err(error))).boxed();
        let Some(prepared) = &self.prepared else {
            return failed(performing::unprepared());
        };
        match model_call::request(&self.state, prepared, self.step_key(self.state.iterations)) {
            Ok(request) => match self.shared.ports.model.stream(request).await {
                Ok(stream) => stream,
                Err(error) => failed(error),
            },
            Err(fault) => failed(performing::defect(&fault)),
        }
    }

    /// Waits for the next thing that happens, relaying live text meanwhile.
    async fn next_event(&mut self) -> Result<Vec<RunEvent>, Broken> {
        loop {
            let parked = self.state.is_parked();
            self.live.set_status(self.status());
            let now = self.shared.ports.clock.monotonic();
            // An instance lives by the clock on the wall, whoever is waited for.
            self.stopwatch.set_running(!parked || self.quarters.is_some(), now);
            let deadline = self.stopwatch.left(self.duration_max(), now);
            let lapse = self.next_lapse();
            let checkpoint = self.next_checkpoint();
            let flush = self.unflushed_since.map(|since| (since + DELTA_FLUSH).saturating_sub(now));
            let clock = self.shared.ports.clock.clone();
            let timer = |after: Option<Duration>| {
                let clock = clock.clone();
                async move {
                    match after {
                        Some(after) => clock.sleep(after).await,
                        None => std::future::pending().await,
                    }
                }
            };
            tokio::select! {
                biased;
                Some(control) = self.control.recv() => match control {
                    Control::Snapshot { reply } => self.snapshot(reply).await,
                    control => {
                        if let Some(event) = self.told(control) {
                            return Ok(self.after_text(event));
                        }
                    }
                },
                made = compacting::made(&mut self.shortening) => match self.shortened(made) {
                    Some(events) => return Ok(events),
                    None => self.launch().await,
                },
                item = next_of(&mut self.stream) => {
                    let events = self.model_says(item);
                    if !events.is_empty() {
                        return Ok(events);
                    }
                }
                Some(ended) = self.tools.next(), if !self.tools.is_empty() => return Ok(self.tool_ended(ended)),
                Some(probed) = self.probes.next(), if !self.probes.is_empty() => return Ok(self.probed(probed)),
                () = timer(flush) => return Ok(self.flush_delta()),
                () = timer(lapse) => {
                    if let Some(event) = self.lapsed() {
                        return Ok(vec![event]);
                    }
                }
                () = timer(checkpoint) => self.checkpoint_if_due().await,
                () = timer(deadline) => return Ok(self.after_text(RunEvent::DeadlinePassed)),
            }
        }
    }

    /// Returns where the run is in its life, while it has not ended.
    fn status(&self) -> Status {
        match (self.state.is_parked(), self.state.needs_attention()) {
            (_, true) => Status::Attention,
            (true, false) => Status::Waiting,
            (false, false) => Status::Running,
        }
    }

    /// Returns what a tool call of this run works with.
    fn means(&self) -> Means {
        Means {
            publisher: self.publisher.clone(),
            root: self.root().clone(),
            place: self.place.clone(),
            quarters: self.quarters.clone(),
        }
    }

    fn duration_max(&self) -> Duration {
        let own = self.state.limits.duration_max;
        self.request.timeout.map_or(own, |asked| asked.min(own))
    }

    fn step_key(&self, step: u32) -> String {
        crate::keys::step_key(&self.session.id, &self.request.id, step)
    }
}

/// Returns the next item; pends while there is no stream, so that it can stand in a `select!`.
async fn next_of(stream: &mut Option<ModelStream>) -> Option<Result<ModelEvent, openclaw_domain::model::Error>> {
    match stream {
        Some(stream) => stream.next().await,
        None => std::future::pending().await,
    }
}

fn asked_in(state: &RunState) -> BTreeMap<String, Approval> {
    let asked = state.open.values().filter_map(|call| match call {
        CallState::Asking(asked) => Some((asked.id.clone(), (**asked).clone())),
        _ => None,
    });
    asked.collect()
}

fn unsure_in(state: &RunState) -> BTreeMap<String, Question> {
    let unsure = state.open.values().filter_map(|call| match call {
        CallState::Unsure(question) => Some((question.id.clone(), (**question).clone())),
        _ => None,
    });
    unsure.collect()
}
