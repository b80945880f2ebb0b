//! Begins a new run from the middle of a recorded one.
//!
//! The new run lives in a session of its own. Its journal begins with the steps
//! before the cut, answered as they were (or as the edit says) and paid for by
//! nobody; from there on the engine drives it like a run whose owner is gone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::message::{Part, ToolStatus};
use openclaw_domain::model::{Selected, Usage};
use openclaw_domain::ports::{
    Admission, Admitted, Batch, Durability, ForkWish, Forked, JournalError, RecordError, RunName,
};
use openclaw_domain::run::{ForkOrigin, QueueMode, Source, Status};
use openclaw_domain::runtime::ThreadBound;
use openclaw_domain::session::{Session, SessionChange, SessionPatch};
use openclaw_domain::{
    AssistantTurn, CallId, Epoch, Limits, RunEvent, RunRequest, Runtime, Seq, SessionKey, ToolResult, Turn, UserTurn,
};

use super::dry;
use super::recording::{self, Recording, Transcript};
use crate::command::{Command, Interrupted, Recovered};
use crate::shared::Shared;
use crate::step::{self, Effect, RunState};
use crate::{instances, keys};

/// Begins a fork; returns once it is recorded.
pub(crate) async fn begin(shared: &Arc<Shared>, wish: ForkWish) -> Result<Forked, Fault> {
    let recording = recording::read(&*shared.ports.journal, &*shared.ports.sessions, &wish.of).await?;
    let (Some((asked, limits, runtime)), Some(transcript)) = (recording.accepted(), &recording.transcript) else {
        return Err(gone(&wish.of));
    };
    let original = shared.ports.sessions.get(&recording.record.session).await.map_err(|error| records(&error))?;
    let request = request(asked, original.as_ref(), &recording, &wish)?;
    let results = results(&recording, &wish)?;
    let tape = Tape::of(&recording);
    tape.check_step(wish.from_step)?;
    // Tried before anything is written: a wish that cannot be met leaves nothing behind.
    prefix(
        &tape,
        &results,
        &request,
        (limits, *runtime),
        Place { earlier: &transcript.earlier, head: 0, key: None },
        wish.from_step,
    )?;
    let session = prepare(shared, &request, transcript, &wish).await?;
    let place = Place { earlier: &transcript.earlier, head: session.head, key: Some(&session) };
    let prefix = prefix(&tape, &results, &request, (limits, *runtime), place, wish.from_step)?;
    let forked = Forked {
        run_id: request.id.clone(),
        session_key: request.session.clone(),
        of_run_id: recording.record.id.clone(),
        of_session_key: recording.record.session.clone(),
        from_step: wish.from_step,
        is_live: wish.is_live,
    };
    match runtime.thread_bound() {
        None => record(shared, request, limits, prefix).await?,
        Some(terms) => record_instance(shared, request, (limits, *terms), prefix).await?,
    }
    Ok(forked)
}

/// The request of the fork: the recorded one with what is to differ.
fn request(
    asked: &RunRequest,
    original: Option<&Session>,
    recording: &Recording,
    wish: &ForkWish,
) -> Result<RunRequest, Fault> {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let bad = |error: openclaw_domain::ids::Error| Fault::new(Kind::Bug, error.to_string());
    let session: SessionKey = format!("agent:{}:fork:{}", asked.session.agent(), &id[..12]).parse().map_err(bad)?;
    let mut input = asked.input.clone();
    if let Some(text) = &wish.edit.input {
        input.parts.retain(|part| !matches!(part, Part::Text { .. }));
        input.parts.insert(0, Part::text(text.clone()));
    }
    let extra_system = match &wish.edit.system {
        Some(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        None => asked.extra_system.clone(),
    };
    let model = wish.model.clone().or_else(|| asked.model.clone());
    Ok(RunRequest {
        model: model.or_else(|| original.and_then(|session| session.model.clone())),
        thinking: asked.thinking.or_else(|| original.and_then(|session| session.thinking)),
        queue: QueueMode::Followup,
        timeout: asked.timeout,
        extra_system,
        origin: Some(Box::new(ForkOrigin {
            session: recording.record.session.clone(),
            run: recording.record.id.clone(),
            from_step: wish.from_step,
            is_live: wish.is_live,
            results: wish.edit.results.clone(),
        })),
        ..RunRequest::new(id.parse().map_err(bad)?, session, input, Source::Agent)
    })
}

/// Returns the recorded results with the edit's in place of theirs.
fn results(recording: &Recording, wish: &ForkWish) -> Result<BTreeMap<CallId, ToolResult>, Fault> {
    let results = dry::results(recording, &wish.edit.results);
    let unknown = wish.edit.results.keys().find(|call| !results.contains_key(*call));
    match unknown {
        None => Ok(results),
        Some(call) => {
            let text = format!("run {} has no result of a call {call} to replace", recording.record.id);
            Err(Fault::new(Kind::User, text).hint(format!("openclaw runs show {}", recording.record.id)))
        }
    }
}

/// Makes the session, with the conversation as it was before the run.
async fn prepare(
    shared: &Shared,
    request: &RunRequest,
    transcript: &Transcript,
    wish: &ForkWish,
) -> Result<Session, Fault> {
    let (sessions, at) = (&shared.ports.sessions, shared.ports.clock.now());
    let key = &request.session;
    sessions.open(key, at).await.map_err(|error| records(&error))?;
    for turn in &transcript.earlier {
        let change = SessionChange::Inject(turn.clone());
        sessions.change(key, change, None, at).await.map_err(|error| records(&error))?;
    }
    let label = format!("{} from step {}", wish.of.run, wish.from_step);
    let patch = SessionPatch { label: Some(Some(label)), ..SessionPatch::default() };
    sessions.change(key, SessionChange::Patch(patch), None, at).await.map_err(|error| records(&error))
}

/// Records the fork up to the cut and hands it to its session's actor.
async fn record(shared: &Arc<Shared>, request: RunRequest, limits: &Limits, prefix: Prefix) -> Result<(), Fault> {
    let (journal, at) = (&shared.ports.journal, shared.ports.clock.now());
    let admission = Admission {
        request: request.clone(),
        events: vec![accepted(&request, limits, Runtime::SessionBound)],
        transcript: false,
        owner: None,
        at,
    };
    journal.admit(admission).await.map_err(|error| unrecorded(&error))?;
    let claimed = journal.claim(&request.session, &request.id, &shared.options.owner).await;
    let (epoch, seq) = claimed.map_err(|error| unrecorded(&error))?;
    let interrupted = append(shared, request, (epoch, seq), Runtime::SessionBound, prefix).await?;
    let (key, request) = (interrupted.request.session.clone(), &interrupted.request);
    shared.waiters.begin(&request.id, &key, request.source, Status::Queued, at);
    let recovered = Recovered { interrupted: Some(interrupted), ..Recovered::default() };
    crate::engine::tell(shared, &key, Command::Recover(Box::new(recovered)))
}

/// Records the fork of a run that had an instance, and gives it one of its own.
/// Its files are copied when it begins to work (`instances::files`).
async fn record_instance(
    shared: &Arc<Shared>,
    request: RunRequest,
    (limits, terms): (&Limits, ThreadBound),
    prefix: Prefix,
) -> Result<(), Fault> {
    let runtime = Runtime::ThreadBound(terms);
    // What a request sees of its session is settled when it is accepted, so it
    // begins there; nobody was there to say anything before that.
    let mut prefix = prefix;
    let began = prefix.events.iter().position(|event| matches!(event, RunEvent::Began { .. }));
    let Some(began) = began.map(|at| prefix.events.remove(at)) else {
        return Err(Fault::new(Kind::Bug, "a fork does not begin"));
    };
    let owner = shared.options.owner.clone();
    let admission = Admission {
        request: request.clone(),
        events: vec![accepted(&request, limits, runtime), RunEvent::Claimed { owner: owner.clone() }, began],
        transcript: true,
        owner: Some(owner),
        at: shared.ports.clock.now(),
    };
    let (epoch, seq) = match shared.ports.journal.admit(admission).await.map_err(|error| unrecorded(&error))? {
        Admitted::New { epoch, seq, .. } => (epoch, seq),
        Admitted::Known(_) => return Err(Fault::new(Kind::Conflict, format!("run {} is there already", request.id))),
    };
    // The input stands in the transcript with the admission.
    prefix.base += 1;
    let interrupted = append(shared, request, (epoch, seq), runtime, prefix).await?;
    instances::take_up(shared, interrupted, terms);
    Ok(())
}

/// Records the steps before the cut; returns the run as if its owner were gone.
async fn append(
    shared: &Shared,
    request: RunRequest,
    (epoch, seq): (Epoch, Seq),
    runtime: Runtime,
    prefix: Prefix,
) -> Result<Interrupted, Fault> {
    let batch = Batch {
        session: request.session.clone(),
        run: request.id.clone(),
        epoch,
        first: seq.next(),
        events: prefix.events,
        entries: prefix.state.conversation.turns()[prefix.base..].to_vec(),
        amended: None,
        status: Some(Status::Running),
        outcome: None,
        deliveries: Vec::new(),
        at: shared.ports.clock.now(),
        durability: Durability::Barrier,
    };
    let last = Seq(seq.0 + batch.events.len() as u64);
    shared.ports.journal.append(batch).await.map_err(|error| unrecorded(&error))?;
    let session = shared.ports.sessions.get(&request.session).await.map_err(|error| records(&error))?;
    let session = session.ok_or_else(|| Fault::new(Kind::Conflict, format!("session {} is gone", request.session)))?;
    Ok(Interrupted {
        request,
        head: session.head,
        session,
        seq: last,
        written: prefix.state.conversation.turns().len(),
        state: prefix.state,
        open_entry: None,
        asked: Vec::new(),
        unsure: Vec::new(),
        started: BTreeMap::new(),
        runtime,
        worked: Duration::ZERO,
        is_expired: false,
    })
}

fn accepted(request: &RunRequest, limits: &Limits, runtime: Runtime) -> RunEvent {
    RunEvent::Accepted { request: Box::new(request.clone()), limits: limits.clone(), runtime }
}

/// What a recorded run was told, by step.
struct Tape {
    /// Input that joined before the first model call.
    before: Vec<UserTurn>,
    steps: Vec<TapeStep>,
}

#[derive(Default)]
struct TapeStep {
    selected: Option<Selected>,
    turn: Option<AssistantTurn>,
    /// Input that joined before the next model call.
    steered: Vec<UserTurn>,
}

impl Tape {
    fn of(recording: &Recording) -> Self {
        let mut tape = Self { before: Vec::new(), steps: Vec::new() };
        for recorded in &recording.events {
            match &recorded.event {
                RunEvent::ModelStarted { step, .. } if *step as usize > tape.steps.len() => {
                    tape.steps.push(TapeStep::default());
                }
                RunEvent::ModelSelected { selected } => {
                    if let Some(step) = tape.steps.last_mut() {
                        step.selected = Some(selected.clone());
                    }
                }
                RunEvent::ModelDone { turn, .. } => {
                    if let Some(step) = tape.steps.last_mut() {
                        step.turn = Some((**turn).clone());
                    }
                }
                RunEvent::Steered { turn, .. } => match tape.steps.last_mut() {
                    Some(step) => step.steered.push(turn.clone()),
                    None => tape.before.push(turn.clone()),
                },
                _ => {}
            }
        }
        tape
    }

    fn check_step(&self, step: u32) -> Result<(), Fault> {
        let count = self.steps.len();
        if step >= 1 && step as usize <= count {
            return Ok(());
        }
        Err(Fault::new(Kind::User, format!("there is no step {step}: the run has {count} model calls"))
            .hint("give --from a number from 1 to that"))
    }
}

/// The beginning of a fork.
struct Prefix {
    /// All events but `accepted` and `claimed`.
    events: Vec<RunEvent>,
    /// Their fold.
    state: RunState,
    /// Turns of the conversation before the run.
    base: usize,
}

/// Where a fork begins.
struct Place<'a> {
    earlier: &'a [Turn],
    head: u64,
    /// The session; without it keys are left empty.
    key: Option<&'a Session>,
}

/// Makes the events before model call `from` by running the pure engine on the
/// tape: models and tools answer as recorded.
fn prefix(
    tape: &Tape,
    results: &BTreeMap<CallId, ToolResult>,
    request: &RunRequest,
    (limits, runtime): (&Limits, Runtime),
    place: Place<'_>,
    from: u32,
) -> Result<Prefix, Fault> {
    let mut state = RunState::new(place.earlier.to_vec());
    let base = state.conversation.turns().len();
    step::step(&mut state, &accepted(request, limits, runtime));
    // Input that joined has no run of its own here: it bears this run's id.
    let steered = |turn: &UserTurn| RunEvent::Steered { input: request.id.clone(), turn: turn.clone() };
    let mut events: Vec<RunEvent> = tape.before.iter().map(steered).collect();
    events.push(RunEvent::Began { transcript_head: place.head });
    let mut effects: VecDeque<Effect> = VecDeque::new();
    for event in &events {
        effects.extend(step::step(&mut state, event));
    }
    while let Some(effect) = effects.pop_front() {
        let new = match effect {
            Effect::CallModel { step } if step >= from => break,
            Effect::CallModel { step } => {
                let recorded = tape.steps.get(step as usize - 1);
                let Some((recorded, turn)) = recorded.and_then(|one| Some((one, one.turn.clone()?))) else {
                    return Err(Fault::new(
                        Kind::User,
                        format!("step {step} was never answered, so nothing follows it"),
                    ));
                };
                let key = |session: &Session| keys::step_key(&session.id, &request.id, step);
                let mut new =
                    vec![RunEvent::ModelStarted { step, idempotency_key: place.key.map(key).unwrap_or_default() }];
                new.extend(recorded.steered.iter().map(steered));
                new.extend(recorded.selected.clone().map(|selected| RunEvent::ModelSelected { selected }));
                let usage = Usage { cost_usd: Some(0.0), ..Usage::default() };
                new.push(RunEvent::ModelDone { turn: Box::new(turn), usage });
                new
            }
            Effect::Dispatch { call } => {
                let unanswered = || ToolResult::notice(ToolStatus::Interrupted, "not run: replay");
                let result = results.get(&call.id).cloned().unwrap_or_else(unanswered);
                vec![RunEvent::ToolEnded { call: call.id, result: Box::new(result) }]
            }
            Effect::Answer { call, result } => vec![RunEvent::ToolEnded { call, result: Box::new(result) }],
            Effect::Finish { end } => {
                let why = end.message().unwrap_or("the model finished").to_owned();
                let text = format!("so changed, the run ends before step {from}: {why}");
                return Err(Fault::new(Kind::User, text).hint("give --from an earlier step"));
            }
            // A fork shows the whole conversation; it is made shorter anew when it must be.
            Effect::Probe { .. } | Effect::Supersede { .. } | Effect::Compact { .. } => Vec::new(),
        };
        for event in new {
            effects.extend(step::step(&mut state, &event));
            events.push(event);
        }
    }
    Ok(Prefix { events, state, base })
}

fn gone(name: &RunName) -> Fault {
    Fault::new(
        Kind::Conflict,
        format!("the conversation of run {} is gone: its session was reset or it never began", name.run),
    )
    .hint("openclaw replay compares what is recorded without it")
}

fn records(error: &RecordError) -> Fault {
    Fault::new(Kind::Unavailable, error.to_string())
}

fn unrecorded(error: &JournalError) -> Fault {
    Fault::new(Kind::Unavailable, error.to_string())
}
