//! Instances that serve one request each (C1 to C4).
//!
//! Every request to a thread-bound agent gets an instance: an id, a scratch
//! directory that its tools take for the workspace, programs that die with it,
//! a wall-clock limit and a way to stop it. Requests of one session work side by
//! side; those beyond the agent's limit wait, recorded, in the order they came.

mod files;
mod registry;
mod serving;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::catalog::Agent;
use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::{Admission, Admitted, RecordError, Scratch};
use openclaw_domain::run::{StartState, Started, Status};
use openclaw_domain::runtime::{Runtime, ThreadBound};
use openclaw_domain::session::{EntryQuery, Session};
use openclaw_domain::{Change, InstanceId, Limits, RunEvent, RunRequest, SessionKey, Timestamp, Turn};
use tokio::sync::mpsc;

use crate::command::Interrupted;
use crate::keys;
use crate::publish::Publisher;
use crate::shared::Shared;
use crate::step::{self, RunState};

pub(crate) use registry::{Instances, Known};
pub(crate) use serving::{Claim, Serving, settle_late};
pub(crate) use view::frozen;

/// Messages to an instance that it has not read yet.
const CONTROL_MAX: usize = 64;

/// Where an instance works, and what is special about it.
pub(crate) struct Quarters {
    /// Whose they are.
    pub(crate) instance: InstanceId,
    /// Its files and programs.
    pub(crate) scratch: Scratch,
    /// The terms it works on.
    pub(crate) terms: ThreadBound,
    /// What makes its sampling repeatable.
    pub(crate) seed: u32,
}

/// Accepts a request durably and begins it, or leaves it waiting for a place.
pub(crate) async fn start(
    shared: &Arc<Shared>,
    request: RunRequest,
    agent: Agent,
    terms: ThreadBound,
) -> Result<Started, Fault> {
    let at = shared.ports.clock.now();
    let session = open(shared, &request.session, at).await?;
    let head = if terms.deterministic { session.head } else { 0 };
    let earlier = earlier(shared, &request.session, head).await?;
    let place = shared.places.of(&request.session, &agent.runtime).try_take();
    let (control, inbox) = mpsc::channel(CONTROL_MAX);
    let known = Arc::new(Known::new(shared, &request, terms, control));
    let place_in_line = shared.instances.reserve(&known, place.is_some())?;
    let (events, admission) = admission(shared, &request, &agent, terms, head, place.is_some(), at);
    let claimed_at = shared.ports.clock.monotonic();
    let admitted = shared.ports.journal.admit(admission).await.map_err(|error| crate::lane::fault(&error))?;
    let (epoch, seq, entry) = match admitted {
        Admitted::Known(record) => {
            let state = record.outcome.map_or(StartState::InFlight, |outcome| StartState::Ended(Box::new(outcome)));
            return Ok(Started { run: record.id, session: record.session, state, entry: None, at: record.accepted_at });
        }
        Admitted::New { epoch, seq, entry } => (epoch, seq, entry),
    };
    if let Some(reserved) = place_in_line {
        reserved.keep();
    }
    let status = if place.is_some() { Status::Running } else { Status::Queued };
    shared.waiters.begin(&request.id, &request.session, request.source, status, at);
    let publisher = publisher(shared, &request);
    publisher.committed(seq);
    publisher.publish(Change::Accepted);
    let n = entry.as_ref().map(|entry| entry.n);
    if let Some(entry) = entry {
        publisher.publish(Change::EntryAdded(Box::new(entry)));
    }
    let mut state = RunState::new(earlier);
    let effects = events.iter().flat_map(|event| step::step(&mut state, event)).collect();
    let written = state.conversation.turns().len();
    let standing = Interrupted {
        request: request.clone(),
        session,
        seq,
        state,
        written,
        head: n.unwrap_or_default(),
        open_entry: None,
        asked: Vec::new(),
        unsure: Vec::new(),
        started: BTreeMap::new(),
        runtime: agent.runtime,
        worked: Duration::ZERO,
        is_expired: false,
    };
    let claimed = place.is_some().then_some(Claim { epoch, seq, at: claimed_at });
    let serving = Serving { known, standing, first: Some(effects), claimed, place, control: inbox, publisher };
    shared.tasks.spawn(serving.work(shared.clone()));
    Ok(Started { run: request.id, session: request.session, state: StartState::New, entry: n, at })
}

/// Goes on with a request that an earlier process left, in its own scratch.
pub(crate) fn take_up(shared: &Arc<Shared>, standing: Interrupted, terms: ThreadBound) {
    let request = standing.request.clone();
    let (control, inbox) = mpsc::channel(CONTROL_MAX);
    let known = Arc::new(Known::new(shared, &request, terms, control));
    if !shared.instances.keep(&known) {
        return;
    }
    shared.waiters.begin(&request.id, &request.session, request.source, Status::Queued, request.input.at);
    let publisher = publisher(shared, &request);
    publisher.publish(Change::Accepted);
    // Taken here, not by the task: tasks begin in any order, and the oldest is first.
    let place = shared.places.of(&request.session, &standing.runtime).try_take();
    let serving = Serving { known, standing, first: None, claimed: None, place, control: inbox, publisher };
    shared.tasks.spawn(serving.work(shared.clone()));
}

/// Returns the id of the instance that serves a request: always the same one,
/// so that recovery finds its scratch.
pub(crate) fn id_of(request: &RunRequest) -> InstanceId {
    let digest = keys::digest(&[request.session.as_str(), request.id.as_str()]);
    let id = format!("t-{digest}");
    id.parse().unwrap_or_else(|_| unreachable!("a prefix and hex digits are an id"))
}

fn admission(
    shared: &Shared,
    request: &RunRequest,
    agent: &Agent,
    terms: ThreadBound,
    head: u64,
    begins: bool,
    at: Timestamp,
) -> (Vec<RunEvent>, Admission) {
    // The terms are the only clock of an instance; the agent's own is for turns.
    let limits = Limits { duration_max: terms.duration_max, ..agent.limits.clone() };
    let owner = begins.then(|| shared.options.owner.clone());
    let mut events =
        vec![RunEvent::Accepted { request: Box::new(request.clone()), limits, runtime: Runtime::ThreadBound(terms) }];
    events.extend(owner.clone().map(|owner| RunEvent::Claimed { owner }));
    // What the request sees of the session is settled when it is accepted.
    events.push(RunEvent::Began { transcript_head: head });
    let admission = Admission { request: request.clone(), events: events.clone(), transcript: true, owner, at };
    (events, admission)
}

async fn open(shared: &Shared, key: &SessionKey, at: Timestamp) -> Result<Session, Fault> {
    let sessions = &shared.ports.sessions;
    match sessions.get(key).await.map_err(|error| store(&error))? {
        Some(session) => Ok(session),
        None => sessions.open(key, at).await.map_err(|error| store(&error)),
    }
}

async fn earlier(shared: &Shared, key: &SessionKey, head: u64) -> Result<Vec<Turn>, Fault> {
    if head == 0 {
        return Ok(Vec::new());
    }
    let page = shared.ports.sessions.entries(key, EntryQuery::default()).await.map_err(|error| store(&error))?;
    Ok(frozen(page.entries, head))
}

fn publisher(shared: &Shared, request: &RunRequest) -> Arc<Publisher> {
    let ports = &shared.ports;
    let (run, session) = (request.id.clone(), request.session.clone());
    Arc::new(Publisher::new(run, session, request.source, ports.observer.clone(), ports.clock.clone()))
}

fn store(error: &RecordError) -> Fault {
    Fault::new(Kind::Unavailable, error.to_string())
}
