//! Rules about what people read.

use std::collections::{BTreeMap, BTreeSet};

use openclaw_domain::{RunEvent, Turn};

use crate::evidence::Evidence;
use crate::plan;
use crate::snapshot::Entry;

pub(super) fn is_numbered(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for snapshot in evidence.crashes.iter().chain([&evidence.end]) {
        for (session, head) in &snapshot.sessions {
            let of_session = snapshot.entries.iter().filter(|entry| entry.session == *session);
            let numbers: Vec<u64> = of_session.map(|entry| entry.n).collect();
            if numbers != (1..=*head).collect::<Vec<_>>() {
                found.push(format!("{session} has entries {numbers:?}, its row says {head}"));
            }
        }
    }
    found
}

pub(super) fn messages_are_there_once(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for say in &evidence.said {
        let id = format!("#{}", say.id);
        let status = evidence.end.runs.iter().find(|run| run.id == say.id).map(|run| run.status.as_str());
        let said = count(evidence, |turn| matches!(turn, Turn::User(turn) if plan::says(&turn.text(), say.id)));
        let answered =
            count(evidence, |turn| matches!(turn, Turn::Assistant(turn) if plan::ids(&turn.text()).contains(&id)));
        let is_done = status == Some("done");
        if said > 1 || (is_done && said != 1) {
            found.push(format!("{id} stands {said} times in the transcripts"));
        }
        if answered > 1 || (is_done && answered != 1) {
            found.push(format!("{id} is answered {answered} times"));
        }
    }
    found
}

fn count(evidence: &Evidence, fits: impl Fn(&Turn) -> bool) -> usize {
    evidence.end.entries.iter().filter(|entry| fits(&entry.turn)).count()
}

pub(super) fn turns_are_the_models(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for run in &evidence.end.runs {
        let given: Vec<String> = run
            .facts()
            .filter_map(|fact| match fact {
                RunEvent::ModelDone { turn, .. } => Some(turn.text()),
                _ => None,
            })
            .collect();
        let written: Vec<String> = evidence
            .end
            .entries
            .iter()
            .filter(|entry| entry.run.as_deref() == Some(run.id.as_str()) && entry.session == run.session)
            .filter_map(|entry| match &entry.turn {
                Turn::Assistant(turn) => Some(turn.text()),
                Turn::User(_) => None,
            })
            .collect();
        if given != written {
            found.push(format!("run {}: its model gave {given:?}, the transcript has {written:?}", run.id));
        }
    }
    found
}

pub(super) fn calls_have_results(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in &evidence.end.entries {
        let Turn::Assistant(turn) = &entry.turn else { continue };
        for (call, result) in turn.calls() {
            if !seen.insert(call.id.clone()) {
                found.push(format!("call {} stands twice in the transcripts", call.id));
            }
            if result.is_none() && is_final(evidence, entry) {
                found.push(format!("call {} of {} has no result", call.id, call.name));
            }
        }
    }
    for run in evidence.end.runs.iter().filter(|run| run.status == "done") {
        let mut results: BTreeMap<_, usize> = BTreeMap::new();
        for fact in run.facts() {
            match fact {
                RunEvent::ModelDone { turn, .. } => {
                    turn.calls().for_each(|(call, _)| {
                        results.entry(call.id.clone()).or_default();
                    });
                }
                RunEvent::ToolEnded { call, .. } => *results.entry(call.clone()).or_default() += 1,
                RunEvent::ToolStarted { call, .. } if !results.contains_key(call) => {
                    found.push(format!("run {} started call {call}, which no model asked for", run.id));
                }
                _ => {}
            }
        }
        let wrong = results.iter().filter(|(_, times)| **times != 1);
        found.extend(wrong.map(|(call, times)| format!("call {call} of run {} has {times} results", run.id)));
    }
    found
}

fn is_final(evidence: &Evidence, entry: &Entry) -> bool {
    let run = entry.run.as_deref();
    evidence.end.runs.iter().any(|it| Some(it.id.as_str()) == run && it.session == entry.session && it.is_final())
}
