//! Rules about what people read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use openclaw_domain::{RunEvent, Turn};

use crate::evidence::Evidence;
use crate::plan;

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
    let (mut said, mut answered) = (Counts::new(), Counts::new());
    for entry in &evidence.end.entries {
        match &entry.turn {
            Turn::User(turn) => {
                plan::said(&turn.text()).into_iter().for_each(|(id, _)| *said.entry(id).or_default() += 1);
            }
            Turn::Assistant(turn) => {
                plan::ids(&turn.text()).into_iter().for_each(|id| *answered.entry(id).or_default() += 1);
            }
        }
    }
    let status: HashMap<&str, &str> =
        evidence.end.runs.iter().map(|run| (run.id.as_str(), run.status.as_str())).collect();
    let mut found = Vec::new();
    for say in &evidence.said {
        let id = format!("#{}", say.id);
        let is_done = status.get(say.id.as_str()) == Some(&"done");
        let (said, answered) = (said.get(&say.id).copied().unwrap_or(0), answered.get(&id).copied().unwrap_or(0));
        if said > 1 || (is_done && said != 1) {
            found.push(format!("{id} stands {said} times in the transcripts"));
        }
        if answered > 1 || (is_done && answered != 1) {
            found.push(format!("{id} is answered {answered} times"));
        }
    }
    found
}

type Counts = HashMap<String, usize>;

pub(super) fn turns_are_the_models(evidence: &Evidence) -> Vec<String> {
    let mut written: HashMap<(&str, &str), Vec<String>> = HashMap::new();
    for entry in &evidence.end.entries {
        if let (Turn::Assistant(turn), Some(run)) = (&entry.turn, &entry.run) {
            written.entry((&entry.session, run)).or_default().push(turn.text());
        }
    }
    let mut found = Vec::new();
    for run in &evidence.end.runs {
        let given = run.facts().filter_map(|fact| match fact {
            RunEvent::ModelDone { turn, .. } => Some(turn.text()),
            _ => None,
        });
        let given: Vec<String> = given.collect();
        let written = written.remove(&(run.session.as_str(), run.id.as_str())).unwrap_or_default();
        if given != written {
            found.push(format!("run {}: its model gave {given:?}, the transcript has {written:?}", run.id));
        }
    }
    found
}

pub(super) fn calls_have_results(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let over: BTreeSet<(&str, &str)> = evidence
        .end
        .runs
        .iter()
        .filter(|run| run.is_final())
        .map(|run| (run.session.as_str(), run.id.as_str()))
        .collect();
    for entry in &evidence.end.entries {
        let Turn::Assistant(turn) = &entry.turn else { continue };
        for (call, result) in turn.calls() {
            if !seen.insert(call.id.clone()) {
                found.push(format!("call {} stands twice in the transcripts", call.id));
            }
            let is_over = entry.run.as_ref().is_some_and(|run| over.contains(&(entry.session.as_str(), run.as_str())));
            if result.is_none() && is_over {
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
