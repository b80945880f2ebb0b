//! Rules about what was accepted.

use std::collections::BTreeSet;

use openclaw_domain::RunEvent;

use crate::evidence::Evidence;
use crate::snapshot::Run;

pub(super) fn acknowledged_is_kept(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for (id, life) in &evidence.acked {
        let later = evidence.crashes.iter().enumerate().filter(|(crash, _)| crash + 1 >= *life);
        for (crash, snapshot) in later {
            if !snapshot.runs.iter().any(|run| run.id == *id) {
                found.push(format!("{id} was acknowledged in life {life} and is not there after kill {}", crash + 1));
            }
        }
        if !evidence.end.runs.iter().any(|run| run.id == *id) {
            found.push(format!("{id} was acknowledged in life {life} and is not there at the end"));
        }
    }
    found
}

pub(super) fn every_input_ends(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for say in &evidence.said {
        match evidence.end.runs.iter().find(|run| run.id == say.id) {
            None => found.push(format!("{} has no run", say.id)),
            Some(run) if say.ends.contains(&run.status.as_str()) => {}
            Some(run) if rests(run) || waits_behind(evidence, run) => {}
            Some(run) => found.push(format!("{} ended {}: {}", say.id, run.status, why(run))),
        }
    }
    for run in evidence.end.runs.iter().filter(|run| run.id.starts_with("send:")) {
        if run.status != "done" {
            found.push(format!("{} ended {}: {}", run.id, run.status, why(run)));
        }
    }
    found
}

/// A run may rest when a command was dispatched and nobody knows its outcome.
fn rests(run: &Run) -> bool {
    run.status == "attention" && run.facts().any(|fact| matches!(fact, RunEvent::ToolUnsure { .. }))
}

fn waits_behind(evidence: &Evidence, run: &Run) -> bool {
    run.status == "queued" && evidence.end.runs.iter().any(|other| other.session == run.session && rests(other))
}

fn why(run: &Run) -> String {
    let ends = run.facts().filter_map(|fact| match fact {
        RunEvent::Ended { outcome } => Some(format!("{:?}", outcome.end)),
        _ => None,
    });
    ends.collect()
}

pub(super) fn one_key_is_one_run(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for run in &evidence.end.runs {
        if !seen.insert((&run.session, &run.id)) {
            found.push(format!("{} is two runs", run.id));
        }
        let is_ours = evidence.said.iter().any(|say| say.id == run.id) || run.id.starts_with("send:");
        if !is_ours {
            found.push(format!("run {} was asked for by nobody", run.id));
        }
    }
    found
}
