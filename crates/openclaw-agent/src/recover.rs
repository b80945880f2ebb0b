//! Takes up what an earlier process left unfinished.
//!
//! A run is rebuilt from its newest checkpoint and the events after it, or by
//! folding its whole journal; `step::resume` says how to go on. Input that was
//! accepted and never began waits again. Nothing is judged by age.
//!
//! At the start only the first event of each run is read ([`find`]), so that the
//! program answers soon however much was left. Each session's actor then reads
//! its own runs, before anything else it was told ([`of_session`]).

mod rebuild;
mod taken;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::{JournalError, RecordError, RunRecord};
use openclaw_domain::run::{Outcome, Status};
use openclaw_domain::runtime::{Runtime, ThreadBound};
use openclaw_domain::{Epoch, InstanceId, Recorded, RunEvent, RunId, RunRequest, Seq, SessionKey, Timestamp};

use crate::command::{Interrupted, Recovered};
use crate::instances;
use crate::shared::Shared;
use crate::step::{self, RunState};

/// Most unfinished runs taken up at once.
const UNFINISHED_MAX: usize = 100_000;

/// How long after a failure runs are read again.
pub(crate) const READ_AGAIN: Duration = Duration::from_secs(1);

/// Events read at a time.
const PAGE: usize = 1000;

/// Runs read at a time: enough to keep a store busy, few enough to bound the
/// transcripts in memory and the time that others wait.
pub(crate) const AT_ONCE: usize = 16;

/// What an earlier process left.
pub(crate) struct Found {
    /// Turns of sessions, by session; each list oldest first.
    pub(crate) turns: BTreeMap<SessionKey, Vec<RunRecord>>,
    /// Requests that have an instance each, oldest first.
    pub(crate) instances: Vec<(RunRecord, InstanceId)>,
}

/// A request whose instance was left.
pub(crate) struct Left {
    pub(crate) standing: Box<Interrupted>,
    pub(crate) terms: ThreadBound,
}

impl Left {
    fn of(standing: Box<Interrupted>) -> Result<Self, Box<Interrupted>> {
        match standing.runtime.thread_bound().copied() {
            Some(terms) => Ok(Self { standing, terms }),
            None => Err(standing),
        }
    }
}

/// Finds all unfinished runs and registers them, so that whoever asks right
/// after the start finds them.
pub(crate) async fn find(shared: &Shared) -> Result<Found, Fault> {
    let mut unfinished = shared.ports.journal.unfinished(UNFINISHED_MAX).await.map_err(|error| journal(&error))?;
    shared.actions.load(shared.ports.journal.open_actions().await.map_err(|error| journal(&error))?);
    // What was accepted in the same millisecond keeps its order.
    unfinished.sort_by_key(|(record, _)| record.accepted_at);
    let mut found = Found { turns: BTreeMap::new(), instances: Vec::new() };
    for (record, first) in unfinished {
        let Some((request, runtime)) = first.and_then(accepted) else {
            tracing::error!(run = %record.id, "an unfinished run has no accepted event and is left alone");
            continue;
        };
        register(shared, &record.session, &request);
        match runtime {
            Runtime::ThreadBound(_) => found.instances.push((record, instances::id_of(&request))),
            Runtime::SessionBound => found.turns.entry(record.session.clone()).or_default().push(record),
        }
    }
    Ok(found)
}

fn accepted(first: RunEvent) -> Option<(RunRequest, Runtime)> {
    match first {
        RunEvent::Accepted { request, runtime, .. } => Some((*request, runtime)),
        _ => None,
    }
}

fn register(shared: &Shared, key: &SessionKey, request: &RunRequest) {
    shared.waiters.begin(&request.id, key, request.source, Status::Queued, request.input.at);
    if let Some(parent) = &request.parent {
        shared.children.add(parent, (key.clone(), request.id.clone()));
    }
}

/// Reads what was left of one session's turns; `records` are oldest first.
pub(crate) async fn of_session(shared: &Shared, key: &SessionKey, records: &[RunRecord]) -> Result<Recovered, Fault> {
    let mut found = Recovered::default();
    let mut waiting = Vec::new();
    for record in records {
        match rebuild::rebuild(shared, key, record).await? {
            Rebuilt::Waiting(request) => waiting.push((record, *request)),
            Rebuilt::Begun(interrupted) if found.interrupted.is_none() => found.interrupted = Some(*interrupted),
            // Nobody goes on with it, so nobody is to wait for it.
            Rebuilt::Begun(_) | Rebuilt::Nothing => shared.waiters.forget(&record.id, key),
        }
    }
    let taken = match waiting.iter().map(|(record, _)| record.accepted_at).min() {
        Some(first) => taken::inputs(shared, key, found.interrupted.as_ref(), first).await?,
        None => BTreeMap::new(),
    };
    for (record, request) in waiting {
        match taken.get(&record.id) {
            None => found.waiting.push(request),
            Some(outcome) => found.joined.push((request, outcome.clone())),
        }
    }
    Ok(found)
}

/// Reads the instances that were left and goes on with each, oldest first; those
/// that cannot be read are tried again.
pub(crate) async fn take_up_instances(shared: Arc<Shared>, mut left: Vec<RunRecord>) {
    let work = async {
        // Nobody reads before all were found. The semaphore is never closed.
        drop(shared.reading.acquire().await);
        while !left.is_empty() {
            let mut read = stream::iter(std::mem::take(&mut left))
                .map(|record| async { (rebuild::rebuild(&shared, &record.session, &record).await, record) })
                .buffered(AT_ONCE);
            let mut unread = Vec::new();
            while let Some((rebuilt, record)) = read.next().await {
                match rebuilt.map(instance) {
                    Ok(Some(left)) => instances::take_up(&shared, *left.standing, left.terms),
                    Ok(None) => shared.waiters.forget(&record.id, &record.session),
                    Err(fault) => {
                        tracing::error!(run = %record.id, %fault, "an instance that was left could not be read");
                        unread.push(record);
                    }
                }
            }
            drop(read);
            left = unread;
            if !left.is_empty() {
                shared.ports.clock.sleep(READ_AGAIN).await;
            }
        }
    };
    tokio::select! {
        biased;
        () = shared.stopping.cancelled() => {}
        () = work => {}
    }
}

fn instance(rebuilt: Rebuilt) -> Option<Left> {
    match rebuilt {
        Rebuilt::Begun(standing) => Left::of(standing).ok(),
        Rebuilt::Waiting(_) | Rebuilt::Nothing => None,
    }
}

/// A run whose owner let its lease expire, by who goes on with it.
pub(crate) enum Expired {
    /// Its session's actor.
    Turn(Box<Recovered>),
    /// An instance of its own.
    Instance(Box<Left>),
}

/// Finds what is to be done about a run whose owner let its lease expire.
pub(crate) async fn expired(shared: &Shared, record: &RunRecord) -> Result<Expired, Fault> {
    let key = &record.session;
    shared.actions.load(shared.ports.journal.open_actions().await.map_err(|error| journal(&error))?);
    let mut found = Recovered::default();
    // Whether it began says its journal, whatever its owner left as its status.
    let record = RunRecord { status: Status::Running, ..record.clone() };
    match rebuild::rebuild(shared, key, &record).await? {
        Rebuilt::Begun(standing) => match Left::of(Box::new(Interrupted { is_expired: true, ..*standing })) {
            Ok(left) => return Ok(Expired::Instance(Box::new(left))),
            Err(interrupted) => found.interrupted = Some(*interrupted),
        },
        Rebuilt::Waiting(request) => found.waiting.push(*request),
        Rebuilt::Nothing => {}
    }
    Ok(Expired::Turn(Box::new(found)))
}

/// Registers a run that nobody here knows of; returns what it is served by.
pub(crate) async fn introduce(shared: &Shared, record: &RunRecord) -> Result<Runtime, Fault> {
    let first = shared.ports.journal.events(&record.session, &record.id, Seq(0), 1).await;
    let first = first.map_err(|error| journal(&error))?.into_iter().next();
    let Some((request, runtime)) = first.and_then(|recorded| accepted(recorded.event)) else {
        return Err(Fault::new(Kind::Bug, format!("run {} has no accepted event and is left alone", record.id)));
    };
    register(shared, &record.session, &request);
    shared.actions.load(shared.ports.journal.open_actions().await.map_err(|error| journal(&error))?);
    Ok(runtime)
}

/// Returns what a run was accepted to be served by.
pub(crate) async fn runtime_of(shared: &Shared, record: &RunRecord) -> Result<Runtime, Fault> {
    let first = shared.ports.journal.events(&record.session, &record.id, Seq(0), 1).await;
    let first = first.map_err(|error| journal(&error))?.into_iter().next();
    Ok(first.and_then(|recorded| accepted(recorded.event)).map_or_else(Runtime::default, |(_, runtime)| runtime))
}

/// Rebuilds a run as it stands now, its newest claim at `(epoch, seq)`.
pub(crate) async fn anew(
    shared: &Shared,
    key: &SessionKey,
    run: &RunId,
    (epoch, seq): (Epoch, Seq),
) -> Result<Option<Interrupted>, Fault> {
    let record = RunRecord {
        id: run.clone(),
        session: key.clone(),
        status: Status::Running,
        epoch,
        seq,
        outcome: None,
        accepted_at: Timestamp(0),
        details: serde_json::Value::Null,
    };
    Ok(match rebuild::rebuild(shared, key, &record).await? {
        Rebuilt::Begun(interrupted) => Some(*interrupted),
        Rebuilt::Waiting(_) | Rebuilt::Nothing => None,
    })
}

/// Returns how a run ended and which inputs it took in; `None` when it has not
/// ended, or is not recorded any more.
pub(crate) async fn end_of(
    shared: &Shared,
    key: &SessionKey,
    run: &RunId,
) -> Result<Option<(Outcome, Vec<RunId>)>, Fault> {
    let mut state = RunState::new(Vec::new());
    let mut end = None;
    for recorded in events_after(shared, key, run, Seq(0)).await? {
        step::step(&mut state, &recorded.event);
        if let RunEvent::Ended { outcome } = recorded.event {
            end = Some(*outcome);
        }
    }
    Ok(end.map(|outcome| (outcome, state.carried.into_iter().collect())))
}

/// What an unfinished run turned out to be.
enum Rebuilt {
    /// It never began.
    Waiting(Box<RunRequest>),
    /// It is in the middle of its work.
    Begun(Box<Interrupted>),
    /// There is nothing to go on with.
    Nothing,
}

/// Reads the events of a run after a position.
pub(crate) async fn events_after(
    shared: &Shared,
    key: &SessionKey,
    run: &RunId,
    after: Seq,
) -> Result<Vec<Recorded>, Fault> {
    let mut all: Vec<Recorded> = Vec::new();
    loop {
        let after = all.last().map_or(after, |last| last.seq);
        let page = shared.ports.journal.events(key, run, after, PAGE).await.map_err(|error| journal(&error))?;
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

fn journal(error: &JournalError) -> Fault {
    let kind = if matches!(error, JournalError::NoSuchRun(_)) { Kind::NotFound } else { Kind::Unavailable };
    Fault::new(kind, error.to_string())
}

fn records(error: &RecordError) -> Fault {
    Fault::new(Kind::Unavailable, error.to_string())
}
