//! Compares what is found after a cut with what was promised.

use std::collections::BTreeSet;

use openclaw_domain::event::{Recorded, RunEvent};
use openclaw_domain::ids::{Epoch, Seq};
use openclaw_domain::ports::{Journal, JournalError, Sessions};
use openclaw_domain::session::EntryQuery;
use openclaw_store::Store;

use crate::log;

use super::history::{History, Name, Write};

/// Most events of one run.
const EVENTS_MAX: usize = 1000;

/// What a check found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Promises that were broken.
    pub(super) broken: Vec<String>,
    /// Writes that were acknowledged without a barrier and are gone, as allowed.
    pub(super) forgotten: usize,
}

/// Checks every run and every session, and brings the history in line with what
/// is on the disk now: that is safe from here on.
pub(super) async fn check(store: &Store, history: &mut History) -> Findings {
    let mut findings = Findings::default();
    let last_barrier = history.last_barrier();
    let mut earliest_loss = u64::MAX;
    let mut latest_find = 0;
    let mut open_calls = BTreeSet::new();
    let names: Vec<Name> = history.runs.keys().cloned().collect();
    for name in names {
        let found = match store.events(&name.0, &name.1, Seq(0), EVENTS_MAX).await {
            Ok(found) => found,
            Err(JournalError::NoSuchRun(_)) => Vec::new(),
            Err(error) => {
                findings.broken.push(format!("run {}: {error}", name.1));
                continue;
            }
        };
        findings.broken.extend(log::judge(&name.1, &found));
        if has_open_call(&found) {
            open_calls.insert(name.1.clone());
        }
        let writes = history.runs.remove(&name).unwrap_or_default();
        let mut kept = Vec::new();
        for write in writes {
            if is_there(&write, &found) {
                latest_find = latest_find.max(write.issued);
                kept.push(Write { issued: 0, acked: Some(0), is_barrier: true, ..write });
            } else if let Some(acked) = write.acked {
                if write.is_barrier || acked < last_barrier {
                    findings.broken.push(format!("run {}: {} at {} is lost", name.1, write.what, write.first.0));
                }
                findings.forgotten += 1;
                earliest_loss = earliest_loss.min(acked);
            }
        }
        if !kept.is_empty() {
            history.runs.insert(name, kept);
        }
    }
    if latest_find > earliest_loss {
        findings.broken.push("a later write is there although an earlier one is lost".to_owned());
    }
    findings.broken.extend(judge_actions(store, &open_calls).await);
    findings.broken.extend(judge_sessions(store, history).await);
    findings
}

/// A batch is there whole, as it was sent, or not at all.
fn is_there(write: &Write, found: &[Recorded]) -> bool {
    let start = usize::try_from(write.first.0).unwrap_or(usize::MAX).saturating_sub(1);
    let place = found.get(start..start.saturating_add(write.events.len()));
    place.is_some_and(|place| {
        place
            .iter()
            .zip(&write.events)
            .all(|(found, sent)| found.event == *sent && found.epoch == epoch_of(write, sent))
    })
}

/// An input is accepted before anybody has claimed its run.
fn epoch_of(write: &Write, event: &RunEvent) -> Epoch {
    if matches!(event, RunEvent::Accepted { .. }) { Epoch(0) } else { write.epoch }
}

fn has_open_call(found: &[Recorded]) -> bool {
    let started = found.iter().any(|recorded| matches!(recorded.event, RunEvent::ToolStarted { .. }));
    let answered = found.iter().any(|recorded| matches!(recorded.event, RunEvent::ToolEnded { .. }));
    started && !answered
}

/// The ledger's list of calls with an unknown outcome is the one the events tell.
async fn judge_actions(store: &Store, expected: &BTreeSet<openclaw_domain::RunId>) -> Option<String> {
    match store.open_actions().await {
        Err(error) => Some(format!("the open actions: {error}")),
        Ok(actions) => {
            let found: BTreeSet<_> = actions.into_iter().map(|action| action.run).collect();
            (found != *expected).then(|| format!("open actions are {found:?}, the journal says {expected:?}"))
        }
    }
}

/// A transcript has no gap, and its session counts it right.
async fn judge_sessions(store: &Store, history: &History) -> Vec<String> {
    let mut broken = Vec::new();
    let sessions: BTreeSet<_> = history.runs.keys().map(|(session, _)| session.clone()).collect();
    for key in sessions {
        let (session, page) = match (Sessions::get(store, &key).await, store.entries(&key, EntryQuery::default()).await)
        {
            (Ok(Some(session)), Ok(page)) => (session, page),
            (session, page) => {
                broken.push(format!("session {key}: {session:?}, {:?}", page.err()));
                continue;
            }
        };
        let numbers: Vec<u64> = page.entries.iter().map(|entry| entry.n).collect();
        let first = numbers.first().copied().unwrap_or(1);
        if numbers != (first..=session.head).collect::<Vec<_>>() || session.entries != session.head {
            broken
                .push(format!("session {key}: entries {numbers:?}, head {}, count {}", session.head, session.entries));
        }
    }
    broken
}
