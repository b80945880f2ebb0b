//! Rules about the journal alone.

use std::collections::BTreeMap;

use openclaw_domain::RunEvent;

use crate::evidence::Evidence;
use crate::snapshot::{Run, Snapshot};

fn snapshots(evidence: &Evidence) -> impl Iterator<Item = &Snapshot> {
    evidence.crashes.iter().chain([&evidence.end])
}

pub(super) fn is_append_only(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let mut before: BTreeMap<&str, &Run> = BTreeMap::new();
    for snapshot in snapshots(evidence) {
        for run in &snapshot.runs {
            let seqs: Vec<u64> = run.events.iter().map(|event| event.seq.0).collect();
            if seqs != (1..=run.seq).collect::<Vec<_>>() {
                found.push(format!("run {}: events at {seqs:?}, its row says {}", run.id, run.seq));
            }
            if let Some(earlier) = before.insert(&run.id, run)
                && !run.events.starts_with(&earlier.events)
            {
                found.push(format!("run {}: events that were recorded have changed", run.id));
            }
        }
        let kept: Vec<&str> = snapshot.runs.iter().map(|run| run.id.as_str()).collect();
        found.extend(before.keys().filter(|id| !kept.contains(id)).map(|id| format!("run {id} is gone")));
    }
    found
}

pub(super) fn epochs_begin_with_a_claim(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for run in snapshots(evidence).flat_map(|snapshot| &snapshot.runs) {
        let mut epoch = 0;
        for recorded in &run.events {
            let is_claim = matches!(recorded.event, RunEvent::Claimed { .. });
            let now = recorded.epoch.0;
            // What is accepted at once is recorded right before its first claim.
            let is_well = if is_claim { now == epoch + 1 } else { now == epoch };
            if !is_well {
                found.push(format!(
                    "run {}: {} at {} has epoch {now} after {epoch}",
                    run.id,
                    recorded.event.name(),
                    recorded.seq.0
                ));
            }
            epoch = now;
        }
        if run.epoch != epoch {
            found.push(format!("run {}: its row says epoch {}, its events {epoch}", run.id, run.epoch));
        }
    }
    found
}

/// What a life adds to a run of an earlier one begins with a claim by a new owner.
pub(super) fn a_new_life_claims(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let all: Vec<&Snapshot> = snapshots(evidence).collect();
    for pair in all.windows(2) {
        for run in &pair[1].runs {
            let Some(earlier) = pair[0].runs.iter().find(|earlier| earlier.id == run.id) else { continue };
            let Some(first) = run.events.get(earlier.events.len()) else { continue };
            let owners = |events: &[openclaw_domain::Recorded]| -> Vec<String> {
                let owners = events.iter().filter_map(|recorded| match &recorded.event {
                    RunEvent::Claimed { owner } => Some(owner.clone()),
                    _ => None,
                });
                owners.collect()
            };
            match &first.event {
                RunEvent::Claimed { owner } if owners(&earlier.events).contains(owner) => {
                    found.push(format!("run {}: owner {owner} claimed it again in another life", run.id));
                }
                RunEvent::Claimed { .. } => {}
                // Input that nobody owned ends with the run that took it in, whose owner is fenced.
                RunEvent::Ended { .. } if earlier.epoch == 0 && was_taken_in(pair[1], &run.id) => {}
                other => found.push(format!("run {}: a new life began it with {}", run.id, other.name())),
            }
        }
    }
    found
}

/// Tells whether input joined another run.
fn was_taken_in(snapshot: &Snapshot, id: &str) -> bool {
    let mut facts = snapshot.runs.iter().flat_map(Run::facts);
    facts.any(|fact| matches!(fact, RunEvent::Steered { input, .. } if input.as_str() == id))
}

pub(super) fn nothing_is_left_running(evidence: &Evidence) -> Vec<String> {
    let needs_attention = evidence.end.runs.iter().any(|run| run.status == "attention");
    let is_stuck =
        |run: &&Run| !run.is_final() && run.status != "attention" && !(needs_attention && run.status == "queued");
    evidence.end.runs.iter().filter(is_stuck).map(|run| format!("run {} is {}", run.id, run.status)).collect()
}
