//! Takes up what an earlier process left unfinished.
//!
//! A run is rebuilt by folding its journal; `step::resume` says how to go on.
//! Input that was accepted and never began waits again. Nothing is judged by age.

use std::collections::{BTreeMap, HashMap};

use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::{JournalError, RecordError, RunRecord};
use openclaw_domain::run::{Outcome, Status};
use openclaw_domain::session::EntryQuery;
use openclaw_domain::{Recorded, RunEvent, RunId, RunRequest, Seq, SessionKey, Turn};

use crate::command::{Interrupted, Recovered};
use crate::shared::Shared;
use crate::step::{self, CallState, RunState};

/// Most unfinished runs taken up at once.
const UNFINISHED_MAX: usize = 100_000;

/// Events read at a time.
const PAGE: usize = 1000;

/// How many ended runs are searched for input they took in.
const LOOKBACK: usize = 100;

/// Finds all unfinished runs; returns how many, and what to tell each session's actor.
pub(crate) async fn recover(shared: &Shared) -> Result<(usize, Vec<(SessionKey, Recovered)>), Fault> {
    let unfinished = shared.ports.journal.runs(None, true, UNFINISHED_MAX).await.map_err(|error| journal(&error))?;
    shared.actions.load(shared.ports.journal.open_actions().await.map_err(|error| journal(&error))?);
    let mut by_session: BTreeMap<SessionKey, Vec<RunRecord>> = BTreeMap::new();
    for record in unfinished {
        by_session.entry(record.session.clone()).or_default().push(record);
    }
    let mut count = 0;
    let mut all = Vec::new();
    for (session, mut records) in by_session {
        records.sort_by_key(|record| record.accepted_at);
        count += records.len();
        let found = recover_session(shared, &session, records).await?;
        all.push((session, found));
    }
    Ok((count, all))
}

async fn recover_session(shared: &Shared, key: &SessionKey, records: Vec<RunRecord>) -> Result<Recovered, Fault> {
    let taken = inputs_taken_in(shared, key).await?;
    let mut found = Recovered::default();
    for record in records {
        let events = all_events(shared, key, &record.id).await?;
        let Some(request) = request_of(&events) else {
            tracing::error!(run = %record.id, "an unfinished run has no accepted event and is left alone");
            continue;
        };
        if record.status == Status::Queued || !has_begun(&events) {
            match taken.get(&record.id) {
                None => found.waiting.push(request),
                Some(outcome) => found.joined.push((request, outcome.clone())),
            }
        } else if found.interrupted.is_none() {
            found.interrupted = rebuild(shared, key, request, &events).await?;
        }
    }
    // Registered here, so that whoever asks right after the start finds them.
    let interrupted = found.interrupted.iter().map(|interrupted| &interrupted.request);
    let waiting = found.waiting.iter().chain(found.joined.iter().map(|(request, _)| request));
    for request in interrupted.chain(waiting) {
        shared.waiters.begin(&request.id, key, request.source, Status::Queued, request.input.at);
    }
    Ok(found)
}

/// Finds what is to be done about a run whose owner let its lease expire.
pub(crate) async fn expired(shared: &Shared, record: &RunRecord) -> Result<Recovered, Fault> {
    let key = &record.session;
    shared.actions.load(shared.ports.journal.open_actions().await.map_err(|error| journal(&error))?);
    let events = all_events(shared, key, &record.id).await?;
    let mut found = Recovered::default();
    let Some(request) = request_of(&events) else { return Ok(found) };
    if has_begun(&events) {
        let interrupted = rebuild(shared, key, request, &events).await?;
        found.interrupted = interrupted.map(|interrupted| Interrupted { is_expired: true, ..interrupted });
    } else {
        found.waiting.push(request);
    }
    Ok(found)
}

/// Finds input that joined another run: it ends with that run, not by itself.
/// The value is that run's outcome, if it has ended.
async fn inputs_taken_in(shared: &Shared, key: &SessionKey) -> Result<HashMap<RunId, Option<Outcome>>, Fault> {
    let recent = shared.ports.journal.runs(Some(key), false, LOOKBACK).await.map_err(|error| journal(&error))?;
    let mut taken = HashMap::new();
    for record in recent {
        for recorded in all_events(shared, key, &record.id).await? {
            if let RunEvent::Steered { input, .. } = recorded.event {
                taken.insert(input, record.outcome.clone());
            }
        }
    }
    Ok(taken)
}

async fn all_events(shared: &Shared, key: &SessionKey, run: &RunId) -> Result<Vec<Recorded>, Fault> {
    let mut all: Vec<Recorded> = Vec::new();
    loop {
        let after = all.last().map_or(Seq(0), |last| last.seq);
        let page = shared.ports.journal.events(key, run, after, PAGE).await.map_err(|error| journal(&error))?;
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

fn request_of(events: &[Recorded]) -> Option<RunRequest> {
    events.iter().find_map(|recorded| match &recorded.event {
        RunEvent::Accepted { request, .. } => Some((**request).clone()),
        _ => None,
    })
}

fn has_begun(events: &[Recorded]) -> bool {
    events.iter().any(|recorded| matches!(recorded.event, RunEvent::Began { .. }))
}

async fn rebuild(
    shared: &Shared,
    key: &SessionKey,
    request: RunRequest,
    events: &[Recorded],
) -> Result<Option<Interrupted>, Fault> {
    let sessions = &shared.ports.sessions;
    let Some(session) = sessions.get(key).await.map_err(|error| records(&error))? else { return Ok(None) };
    let head = events.iter().find_map(|recorded| match recorded.event {
        RunEvent::Began { transcript_head } => Some(transcript_head),
        _ => None,
    });
    let page = sessions.entries(key, EntryQuery::default()).await.map_err(|error| records(&error))?;
    let (earlier, own): (Vec<_>, Vec<_>) = page.entries.into_iter().partition(|entry| entry.n <= head.unwrap_or(0));
    let mut state = RunState::new(earlier.into_iter().map(|entry| entry.turn).collect());
    let base = state.conversation.turns().len();
    for recorded in events {
        step::step(&mut state, &recorded.event);
    }
    let own: Vec<_> = own.into_iter().filter(|entry| entry.run.as_ref() == Some(&request.id)).collect();
    let written = base + own.len();
    let last_assistant = own.iter().enumerate().rev().find(|(_, entry)| matches!(entry.turn, Turn::Assistant(_)));
    let open_entry = last_assistant.filter(|_| !state.open.is_empty()).map(|(offset, entry)| (entry.n, base + offset));
    let asked = state.open.values().filter_map(|call| match call {
        CallState::Asking(approval) => Some((**approval).clone()),
        _ => None,
    });
    let asked = asked.collect();
    let unsure = state.open.values().filter_map(|call| match call {
        CallState::Unsure(question) => Some((**question).clone()),
        _ => None,
    });
    let unsure = unsure.collect();
    let started = events.iter().filter_map(|recorded| match &recorded.event {
        RunEvent::ToolStarted { call, .. } => Some((call.clone(), recorded.at)),
        _ => None,
    });
    let started = started.collect();
    Ok(Some(Interrupted {
        request,
        head: session.head,
        session,
        state,
        written,
        open_entry,
        asked,
        unsure,
        started,
        is_expired: false,
    }))
}

fn journal(error: &JournalError) -> Fault {
    Fault::new(Kind::Unavailable, error.to_string())
}

fn records(error: &RecordError) -> Fault {
    Fault::new(Kind::Unavailable, error.to_string())
}
