//! Rebuilds one run from its checkpoint and journal, and finds its place in the transcript.

use openclaw_domain::compaction::Kept;
use openclaw_domain::session::{Entry, EntryQuery};
use openclaw_domain::{Timestamp, Turn};

use super::*;
use crate::checkpoint;
use crate::lane::KEPT_MAX;
use crate::step::{self, CallState, RunState};

/// Rebuilds a run that has not ended.
pub(super) async fn rebuild(shared: &Shared, key: &SessionKey, record: &RunRecord) -> Result<Rebuilt, Fault> {
    let kept = if record.status == Status::Queued { None } else { kept_state(shared, key, record).await? };
    let after = kept.as_ref().map_or(Seq(0), |state| state.seq);
    let tail = events_after(shared, key, &record.id, after).await?;
    let known = kept.as_ref().and_then(|state| state.request.clone().zip(state.began_after));
    let (request, head) = match known {
        Some(known) => known,
        None => match (request_of(&tail), head_of(&tail)) {
            (Some(request), Some(head)) if record.status != Status::Queued => (request, head),
            (Some(request), _) => return Ok(Rebuilt::Waiting(Box::new(request))),
            (None, _) => {
                tracing::error!(run = %record.id, "an unfinished run has no accepted event and is left alone");
                return Ok(Rebuilt::Nothing);
            }
        },
    };
    let sessions = &shared.ports.sessions;
    let Some(session) = sessions.get(key).await.map_err(|error| records(&error))? else {
        return Ok(Rebuilt::Nothing);
    };
    let page = sessions.entries(key, EntryQuery::default()).await.map_err(|error| records(&error))?;
    let (earlier, own): (Vec<_>, Vec<_>) = page.entries.into_iter().partition(|entry| entry.n <= head);
    let own: Vec<Entry> = own.into_iter().filter(|entry| entry.run.as_ref() == Some(&request.id)).collect();
    let earlier: Vec<Turn> = earlier.into_iter().map(|entry| entry.turn).collect();
    let (state, tail) = start(shared, key, record, earlier, kept, tail).await?;
    let seq = tail.last().map_or(state.seq, |last| last.seq);
    let state = fold(state, &tail);
    let started = tail.iter().filter_map(|recorded| match &recorded.event {
        RunEvent::ToolStarted { call, .. } => Some((call.clone(), recorded.at)),
        _ => None,
    });
    let started: BTreeMap<_, Timestamp> = started.collect();
    let written = state.earlier + own.len();
    let open_entry = open_entry(&state, &own);
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
        is_expired: false,
    };
    Ok(Rebuilt::Begun(Box::new(interrupted)))
}

/// Returns the state to fold the tail into: the checkpoint, when it fits the
/// transcript, or else the beginning with the whole journal.
async fn start(
    shared: &Shared,
    key: &SessionKey,
    record: &RunRecord,
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
            (beginning(shared, key, record, earlier).await?, tail)
        }
        None => (beginning(shared, key, record, earlier).await?, tail),
    })
}

/// Returns the state of the newest checkpoint, if it can be used.
async fn kept_state(shared: &Shared, key: &SessionKey, record: &RunRecord) -> Result<Option<RunState>, Fault> {
    let kept = shared.ports.journal.checkpoint(key, &record.id).await.map_err(|error| journal(&error))?;
    let Some(kept) = kept else { return Ok(None) };
    match checkpoint::decode(&kept, record.seq, &shared.options.build) {
        Ok(state) => Ok(Some(state)),
        Err(reason) => {
            tracing::warn!(run = %record.id, %reason, "a checkpoint is not used; the whole journal is read instead");
            Ok(None)
        }
    }
}

/// Returns the state before the run's first event: the conversation, and what
/// of it was shown as a summary when the run began.
async fn beginning(
    shared: &Shared,
    key: &SessionKey,
    record: &RunRecord,
    earlier: Vec<Turn>,
) -> Result<RunState, Fault> {
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

fn request_of(events: &[Recorded]) -> Option<RunRequest> {
    events.iter().find_map(|recorded| match &recorded.event {
        RunEvent::Accepted { request, .. } => Some((**request).clone()),
        _ => None,
    })
}

fn head_of(events: &[Recorded]) -> Option<u64> {
    events.iter().find_map(|recorded| match recorded.event {
        RunEvent::Began { transcript_head } => Some(transcript_head),
        _ => None,
    })
}
