//! Rebuilds one run from its checkpoint and journal, and finds its place in the transcript.

use openclaw_domain::approval::Approval;
use openclaw_domain::compaction::Kept;
use std::time::Duration;

use openclaw_domain::session::{Entry, EntryQuery};
use openclaw_domain::{Question, Timestamp, Turn};

use super::*;
use crate::checkpoint;
use crate::instances::frozen;
use crate::lane::KEPT_MAX;
use crate::step::{self, CallState, RunState};

/// Events among which the first model call of a run is looked for: before it
/// stand only its acceptance, input that joined and claims.
const OPENING: usize = 1000;

/// Rebuilds a run that has not ended.
pub(super) async fn rebuild(shared: &Shared, key: &SessionKey, record: &RunRecord) -> Result<Rebuilt, Fault> {
    let kept = if record.status == Status::Queued { None } else { kept_state(shared, key, record).await? };
    let (kept, kept_at) = kept.map_or((None, None), |(state, at)| (Some(state), Some(at)));
    let after = kept.as_ref().map_or(Seq(0), |state| state.seq);
    let tail = events_after(shared, key, &record.id, after).await?;
    let (request, head, runtime) = match opening(kept.as_ref(), &tail, record) {
        Ok(begun) => begun,
        Err(not_begun) => return Ok(*not_begun),
    };
    let sessions = &shared.ports.sessions;
    let Some(session) = sessions.get(key).await.map_err(|error| records(&error))? else {
        return Ok(Rebuilt::Nothing);
    };
    let page = sessions.entries(key, EntryQuery::default()).await.map_err(|error| records(&error))?;
    let (earlier, own): (Vec<_>, Vec<_>) = page.entries.into_iter().partition(|entry| entry.n <= head);
    let own: Vec<Entry> = own.into_iter().filter(|entry| entry.run.as_ref() == Some(&request.id)).collect();
    let earlier: Vec<Turn> = match runtime {
        Runtime::SessionBound => earlier.into_iter().map(|entry| entry.turn).collect(),
        Runtime::ThreadBound(_) => frozen(earlier, head),
    };
    let (state, tail) = start(shared, key, record, runtime, earlier, kept, tail).await?;
    let last_at = tail.last().map(|last| last.at).or(kept_at).unwrap_or_default();
    let worked = worked(shared, key, &record.id, runtime, last_at).await?;
    let seq = tail.last().map_or(state.seq, |last| last.seq);
    let state = fold(state, &tail);
    let started = tail.iter().filter_map(|recorded| match &recorded.event {
        RunEvent::ToolStarted { call, .. } => Some((call.clone(), recorded.at)),
        _ => None,
    });
    let started: BTreeMap<_, Timestamp> = started.collect();
    let written = state.earlier + own.len();
    let open_entry = open_entry(&state, &own);
    let (asked, unsure) = waits_of(&state);
    let head = session.head;
    let interrupted = Interrupted {
        request,
        seq,
        head,
        session,
        state,
        written,
        open_entry,
        asked,
        unsure,
        started,
        runtime,
        worked,
        is_expired: false,
    };
    Ok(Rebuilt::Begun(Box::new(interrupted)))
}

/// Returns what was asked, the end of the transcript before it and what serves
/// it; what the run is instead, where it has not begun.
fn opening(
    kept: Option<&RunState>,
    tail: &[Recorded],
    record: &RunRecord,
) -> Result<(RunRequest, u64, Runtime), Box<Rebuilt>> {
    if let Some(known) = kept.and_then(|state| Some((state.request.clone()?, state.began_after?, state.runtime))) {
        return Ok(known);
    }
    let Some((request, runtime)) = accepted_in(tail) else {
        tracing::error!(run = %record.id, "an unfinished run has no accepted event and is left alone");
        return Err(Box::new(Rebuilt::Nothing));
    };
    // What an instance sees is settled when it is accepted, so that is where it begins.
    let is_waiting = record.status == Status::Queued && runtime.thread_bound().is_none();
    match head_of(tail).filter(|_| !is_waiting) {
        Some(head) => Ok((request, head, runtime)),
        None => Err(Box::new(Rebuilt::Waiting(Box::new(request)))),
    }
}

/// Returns what people were asked and have not answered: permissions, and what became of calls.
fn waits_of(state: &RunState) -> (Vec<Approval>, Vec<Question>) {
    let (mut asked, mut unsure) = (Vec::new(), Vec::new());
    for call in state.open.values() {
        match call {
            CallState::Asking(approval) => asked.push((**approval).clone()),
            CallState::Unsure(question) => unsure.push((**question).clone()),
            _ => {}
        }
    }
    (asked, unsure)
}

/// Returns the state to fold the tail into: the checkpoint, when it fits the
/// transcript, or else the beginning with the whole journal.
async fn start(
    shared: &Shared,
    key: &SessionKey,
    record: &RunRecord,
    runtime: Runtime,
    earlier: Vec<Turn>,
    kept: Option<RunState>,
    tail: Vec<Recorded>,
) -> Result<(RunState, Vec<Recorded>), Fault> {
    Ok(match kept {
        Some(mut state) if state.earlier == earlier.len() => {
            state.conversation = std::mem::take(&mut state.conversation).preceded_by(earlier);
            (state, tail)
        }
        Some(state) => {
            let (claimed, found) = (state.earlier, earlier.len());
            tracing::warn!(run = %record.id, claimed, found, "a checkpoint does not fit the transcript and is not used");
            let tail = events_after(shared, key, &record.id, Seq(0)).await?;
            (beginning(shared, key, record, runtime, earlier).await?, tail)
        }
        None => (beginning(shared, key, record, runtime, earlier).await?, tail),
    })
}

/// Returns the state of the newest checkpoint and when it was kept, if it can be used.
async fn kept_state(
    shared: &Shared,
    key: &SessionKey,
    record: &RunRecord,
) -> Result<Option<(RunState, Timestamp)>, Fault> {
    let kept = shared.ports.journal.checkpoint(key, &record.id).await.map_err(|error| journal(&error))?;
    let Some(kept) = kept else { return Ok(None) };
    match checkpoint::decode(&kept, record.seq, &shared.options.build) {
        Ok(state) => Ok(Some((state, kept.at))),
        Err(reason) => {
            tracing::warn!(run = %record.id, %reason, "a checkpoint is not used; the whole journal is read instead");
            Ok(None)
        }
    }
}

/// Returns the state before the run's first event: the conversation, and what
/// of it was shown as a summary when the run began. An instance has a picture
/// of its own, which the session's summaries are not about.
async fn beginning(
    shared: &Shared,
    key: &SessionKey,
    record: &RunRecord,
    runtime: Runtime,
    earlier: Vec<Turn>,
) -> Result<RunState, Fault> {
    if runtime.thread_bound().is_some() {
        return Ok(RunState::new(earlier));
    }
    let kept = shared.ports.compactions.history(key, KEPT_MAX).await.map_err(|error| records(&error))?;
    let is_earlier = |kept: &Kept| kept.undone.is_none() && kept.run.as_ref() != Some(&record.id);
    let compaction = kept.into_iter().find(is_earlier).map(|kept| kept.compaction);
    let compaction = compaction.filter(|compaction| compaction.turns <= earlier.len());
    Ok(RunState::new(earlier).showing(compaction))
}

fn fold(mut state: RunState, events: &[Recorded]) -> RunState {
    for recorded in events {
        step::step(&mut state, &recorded.event);
    }
    state
}

/// Finds the transcript entry whose calls are open.
fn open_entry(state: &RunState, own: &[Entry]) -> Option<(u64, usize)> {
    if state.open.is_empty() {
        return None;
    }
    let last = own.iter().enumerate().rev().find(|(_, entry)| matches!(entry.turn, Turn::Assistant(_)));
    last.map(|(offset, entry)| (entry.n, state.earlier + offset))
}

/// Returns how long an instance had worked when its last event was recorded; it
/// lives by the clock on the wall. Turns of a session count their own work.
async fn worked(
    shared: &Shared,
    key: &SessionKey,
    run: &RunId,
    runtime: Runtime,
    last_at: Timestamp,
) -> Result<Duration, Fault> {
    if runtime.thread_bound().is_none() {
        return Ok(Duration::ZERO);
    }
    let opening = shared.ports.journal.events(key, run, Seq(0), OPENING).await.map_err(|error| journal(&error))?;
    let began = opening.iter().find(|recorded| matches!(recorded.event, RunEvent::ModelStarted { .. }));
    Ok(began.map_or(Duration::ZERO, |began| last_at.since(began.at)))
}

fn accepted_in(events: &[Recorded]) -> Option<(RunRequest, Runtime)> {
    events.iter().find_map(|recorded| match &recorded.event {
        RunEvent::Accepted { request, runtime, .. } => Some(((**request).clone(), *runtime)),
        _ => None,
    })
}

fn head_of(events: &[Recorded]) -> Option<u64> {
    events.iter().find_map(|recorded| match recorded.event {
        RunEvent::Began { transcript_head } => Some(transcript_head),
        _ => None,
    })
}
