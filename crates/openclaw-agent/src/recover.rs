//! Takes up what an earlier process left unfinished.
//!
//! A run is rebuilt from its newest checkpoint and the events after it, or by
//! folding its whole journal; `step::resume` says how to go on. Input that was
//! accepted and never began waits again. Nothing is judged by age. Sessions are
//! read side by side and each is told as soon as it is found, so that the first
//! run goes on while others are still being read.

mod rebuild;
mod taken;

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::{JournalError, RecordError, RunRecord};
use openclaw_domain::run::{Outcome, Status};
use openclaw_domain::runtime::{Runtime, ThreadBound};
use openclaw_domain::{Epoch, Recorded, RunEvent, RunId, RunRequest, Seq, SessionKey, Timestamp};

use crate::command::{Interrupted, Recovered};
use crate::shared::Shared;

/// Most unfinished runs taken up at once.
const UNFINISHED_MAX: usize = 100_000;

/// Events read at a time.
const PAGE: usize = 1000;

/// Sessions read at a time: enough to keep a store busy, few enough to bound
/// the transcripts that are in memory before their actors have them.
const SESSIONS_AT_ONCE: usize = 16;

/// What an earlier process left, besides what sessions were told.
pub(crate) struct Found {
    /// How many runs in all.
    pub(crate) count: usize,
    /// Requests that have an instance each, oldest first.
    pub(crate) instances: Vec<Left>,
}

/// A request whose instance was left.
pub(crate) struct Left {
    pub(crate) standing: Box<Interrupted>,
    pub(crate) terms: ThreadBound,
    accepted_at: Timestamp,
}

impl Left {
    fn of(standing: Box<Interrupted>, record: &RunRecord) -> Result<Self, Box<Interrupted>> {
        match standing.runtime.thread_bound().copied() {
            Some(terms) => Ok(Self { standing, terms, accepted_at: record.accepted_at }),
            None => Err(standing),
        }
    }
}

/// Finds all unfinished runs and tells each session's actor what is its.
pub(crate) async fn recover(
    shared: &Shared,
    tell: impl Fn(&SessionKey, Recovered) -> Result<(), Fault>,
) -> Result<Found, Fault> {
    let unfinished = shared.ports.journal.runs(None, true, UNFINISHED_MAX).await.map_err(|error| journal(&error))?;
    shared.actions.load(shared.ports.journal.open_actions().await.map_err(|error| journal(&error))?);
    let count = unfinished.len();
    let mut by_session: BTreeMap<SessionKey, Vec<RunRecord>> = BTreeMap::new();
    for record in unfinished {
        by_session.entry(record.session.clone()).or_default().push(record);
    }
    let mut found = stream::iter(by_session)
        .map(|(session, mut records)| async move {
            // Listed newest first; what was accepted in the same millisecond keeps its order.
            records.reverse();
            records.sort_by_key(|record| record.accepted_at);
            let found = recover_session(shared, &session, records).await?;
            Ok::<_, Fault>((session, found))
        })
        .buffer_unordered(SESSIONS_AT_ONCE);
    let mut instances = Vec::new();
    while let Some(next) = found.next().await {
        let (session, (recovered, left)) = next?;
        instances.extend(left);
        if !recovered.is_empty() {
            tell(&session, recovered)?;
        }
    }
    instances.sort_by_key(|left: &Left| left.accepted_at);
    Ok(Found { count, instances })
}

async fn recover_session(
    shared: &Shared,
    key: &SessionKey,
    records: Vec<RunRecord>,
) -> Result<(Recovered, Vec<Left>), Fault> {
    let mut instances = Vec::new();
    let mut found = Recovered::default();
    let mut waiting = Vec::new();
    for record in records {
        match rebuild::rebuild(shared, key, &record).await? {
            Rebuilt::Waiting(request) => waiting.push((record, *request)),
            Rebuilt::Begun(standing) => match Left::of(standing, &record) {
                Ok(left) => instances.push(left),
                Err(interrupted) if found.interrupted.is_none() => found.interrupted = Some(*interrupted),
                Err(_another) => {}
            },
            Rebuilt::Nothing => {}
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
    // Registered here, so that whoever asks right after the start finds them.
    let interrupted = found.interrupted.iter().map(|interrupted| &interrupted.request);
    let waiting = found.waiting.iter().chain(found.joined.iter().map(|(request, _)| request));
    let own = instances.iter().map(|left: &Left| &left.standing.request);
    for request in interrupted.chain(waiting).chain(own) {
        shared.waiters.begin(&request.id, key, request.source, Status::Queued, request.input.at);
        if let Some(parent) = &request.parent {
            shared.children.add(parent, (key.clone(), request.id.clone()));
        }
    }
    Ok((found, instances))
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
        Rebuilt::Begun(standing) => match Left::of(Box::new(Interrupted { is_expired: true, ..*standing }), &record) {
            Ok(left) => return Ok(Expired::Instance(Box::new(left))),
            Err(interrupted) => found.interrupted = Some(*interrupted),
        },
        Rebuilt::Waiting(request) => found.waiting.push(*request),
        Rebuilt::Nothing => {}
    }
    Ok(Expired::Turn(Box::new(found)))
}

/// Returns what a run was accepted to be served by.
pub(crate) async fn runtime_of(shared: &Shared, record: &RunRecord) -> Result<Runtime, Fault> {
    let first = shared.ports.journal.events(&record.session, &record.id, Seq(0), 1).await;
    match first.map_err(|error| journal(&error))?.into_iter().next().map(|recorded| recorded.event) {
        Some(RunEvent::Accepted { runtime, .. }) => Ok(runtime),
        Some(_) | None => Ok(Runtime::default()),
    }
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

/// What an unfinished run turned out to be.
enum Rebuilt {
    /// It never began.
    Waiting(Box<RunRequest>),
    /// It is in the middle of its work.
    Begun(Box<Interrupted>),
    /// There is nothing to go on with.
    Nothing,
}

async fn events_after(shared: &Shared, key: &SessionKey, run: &RunId, after: Seq) -> Result<Vec<Recorded>, Fault> {
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
    Fault::new(Kind::Unavailable, error.to_string())
}

fn records(error: &RecordError) -> Fault {
    Fault::new(Kind::Unavailable, error.to_string())
}
