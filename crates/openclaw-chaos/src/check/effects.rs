//! Rules about the world: tools and models.

use std::collections::{BTreeMap, BTreeSet};

use openclaw_domain::message::ToolStatus;
use openclaw_domain::{RunEvent, ToolCall};

use super::kept::instance_of;
use crate::evidence::Evidence;
use crate::plan;
use crate::snapshot::{Run, Snapshot};
use crate::tell::effect_in;

/// Calls of a run's model, in order.
pub(super) fn calls(run: &Run) -> Vec<&ToolCall> {
    let turns = run.facts().filter_map(|fact| match fact {
        RunEvent::ModelDone { turn, .. } => Some(turn),
        _ => None,
    });
    turns.flat_map(|turn| turn.calls().map(|(call, _)| call)).collect()
}

/// The status a call ended with, if it ended.
fn ended(run: &Run, call: &ToolCall) -> Option<ToolStatus> {
    run.facts().find_map(|fact| match fact {
        RunEvent::ToolEnded { call: id, result } if *id == call.id => Some(result.status),
        _ => None,
    })
}

/// The name of the effect of a command, for those that have one.
fn effect(call: &ToolCall) -> Option<String> {
    if call.name == "exec" { effect_in(&call.arguments) } else { None }
}

pub(super) fn dispatch_is_announced(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let at_the_end = keys(&evidence.end);
    let at_crashes: Vec<_> = evidence.crashes.iter().map(keys).collect();
    for dispatch in &evidence.effects {
        let announced = at_crashes.get(dispatch.life.saturating_sub(1)).unwrap_or(&at_the_end);
        if !announced.contains(dispatch.key.as_str()) {
            found.push(format!(
                "{} was dispatched in life {} under key {:?}, which no tool_started has",
                dispatch.name, dispatch.life, dispatch.key
            ));
        }
    }
    found
}

/// Keys of all calls whose start is recorded.
fn keys(snapshot: &Snapshot) -> BTreeSet<&str> {
    let started = snapshot.runs.iter().flat_map(Run::facts).filter_map(|fact| match fact {
        RunEvent::ToolStarted { idempotency_key, .. } => Some(idempotency_key.as_str()),
        _ => None,
    });
    started.collect()
}

pub(super) fn once_is_once(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let mut known = BTreeSet::new();
    let mut dispatched: BTreeMap<&str, usize> = BTreeMap::new();
    evidence.effects.iter().for_each(|dispatch| *dispatched.entry(&dispatch.name).or_default() += 1);
    for run in &evidence.end.runs {
        for call in calls(run) {
            let Some(name) = effect(call) else { continue };
            let times = dispatched.get(name.as_str()).copied().unwrap_or(0);
            if times > 1 {
                found.push(format!("{name} happened {times} times"));
            }
            if ended(run, call) == Some(ToolStatus::Ok) && times == 0 {
                found.push(format!("{name} is recorded as done and never happened"));
            }
            known.insert(name);
        }
    }
    let unknown = evidence.effects.iter().filter(|dispatch| !known.contains(&dispatch.name));
    found.extend(unknown.map(|dispatch| format!("{} happened and no model asked for it", dispatch.name)));
    found
}

pub(super) fn keyed_is_once(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
    for text in evidence.end.runs.iter().filter_map(input) {
        plan::said(&text).into_iter().for_each(|(id, _)| *arrived.entry(id).or_default() += 1);
    }
    for run in &evidence.end.runs {
        for call in calls(run).into_iter().filter(|call| call.name == "sessions_send") {
            let arguments: serde_json::Value = serde_json::from_str(&call.arguments).unwrap_or_default();
            let Some((id, _)) = plan::said(arguments["message"].as_str().unwrap_or_default()).pop() else { continue };
            let times = arrived.get(&id).copied().unwrap_or(0);
            let was_sent = ended(run, call) == Some(ToolStatus::Ok);
            if times > 1 || (was_sent && times == 0) {
                found.push(format!("the message {id} of run {} arrived {times} times", run.id));
            }
        }
    }
    found
}

/// The text a run was asked with.
fn input(run: &Run) -> Option<String> {
    run.facts().find_map(|fact| match fact {
        RunEvent::Accepted { request, .. } => Some(request.input.text()),
        _ => None,
    })
}

fn asks(run: &Run, id: &str) -> bool {
    input(run).is_some_and(|text| plan::says(&text, id))
}

pub(super) fn files_hold(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    // An instance has a folder of its own, which is gone at the end: see rule I6d.
    for run in evidence.end.runs.iter().filter(|run| instance_of(run).is_none()) {
        for call in calls(run).into_iter().filter(|call| call.name == "write") {
            let arguments: serde_json::Value = serde_json::from_str(&call.arguments).unwrap_or_default();
            let (path, content) = (arguments["path"].as_str().unwrap_or_default(), arguments["content"].as_str());
            let held = evidence.files.get(path).map(String::as_str);
            let is_done = ended(run, call) == Some(ToolStatus::Ok);
            if (is_done || held.is_some()) && held != content {
                found.push(format!("{path} holds {held:?}"));
            }
        }
    }
    found
}

pub(super) fn settled_is_not_repeated(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for (crash, snapshot) in evidence.crashes.iter().enumerate() {
        for run in &snapshot.runs {
            for call in calls(run) {
                let Some(status) = ended(run, call) else { continue };
                let started_again = later(evidence, snapshot, run).into_iter().any(|fact| {
                    matches!(fact, RunEvent::ToolStarted { call: id, .. } | RunEvent::ToolEnded { call: id, .. } if *id == call.id)
                });
                let name = effect(call);
                let again = evidence.effects.iter().any(|it| Some(&it.name) == name.as_ref() && it.life > crash + 1);
                if started_again || again {
                    found.push(format!(
                        "call {} of {} ended {status:?} before kill {} and was dispatched again",
                        call.id,
                        call.name,
                        crash + 1
                    ));
                }
            }
        }
    }
    found
}

/// What was recorded of a run after a snapshot.
fn later<'a>(evidence: &'a Evidence, snapshot: &Snapshot, run: &Run) -> Vec<&'a RunEvent> {
    let known = snapshot.runs.iter().find(|it| it.id == run.id).map_or(0, |it| it.events.len());
    let end = evidence.end.runs.iter().find(|it| it.id == run.id);
    end.into_iter().flat_map(Run::facts).skip(known).collect()
}

pub(super) fn model_calls_are_paid_once(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let kills = evidence.kills;
    let mut per_life: BTreeMap<(&str, usize), usize> = BTreeMap::new();
    let mut total: BTreeMap<&str, usize> = BTreeMap::new();
    for call in evidence.calls.iter().filter(|call| !call.step.starts_with(plan::FAILING)) {
        *per_life.entry((&call.step, call.life)).or_default() += 1;
        *total.entry(&call.step).or_default() += 1;
    }
    // Whoever loses a run asks for nothing more, and its next owner asks once again.
    let thefts = |life: usize| evidence.thefts.iter().filter(|it| **it == life).count();
    let kills = kills + evidence.thefts.len();
    let is_twice = per_life.iter().filter(|((_, life), times)| **times > 1 + thefts(*life));
    found.extend(is_twice.map(|((step, life), times)| format!("step {step} was asked {times} times in life {life}")));
    let is_many = total.iter().filter(|(_, times)| **times > kills + 1);
    found.extend(is_many.map(|(step, times)| format!("step {step} was asked {times} times with {kills} kills")));
    for (crash, snapshot) in evidence.crashes.iter().enumerate() {
        for session in sessions(evidence) {
            let done = completed(snapshot, &session);
            let paid: BTreeSet<String> = steps(evidence, &session).into_iter().take(done).collect();
            let again = evidence.calls.iter().filter(|call| call.life > crash + 1 && paid.contains(&call.step));
            found.extend(
                again.map(|call| format!("step {} was complete before kill {} and asked again", call.step, crash + 1)),
            );
        }
    }
    found
}

fn sessions(evidence: &Evidence) -> BTreeSet<String> {
    evidence.end.sessions.iter().map(|(key, _)| key.clone()).collect()
}

/// Distinct steps that a session's model was asked, in order.
fn steps(evidence: &Evidence, session: &str) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    for call in &evidence.calls {
        let id = call.step.split('/').next().unwrap_or_default();
        let is_here = evidence.end.runs.iter().any(|run| run.session == session && asks(run, id));
        if is_here && !steps.contains(&call.step) {
            steps.push(call.step.clone());
        }
    }
    steps
}

fn completed(snapshot: &Snapshot, session: &str) -> usize {
    let runs = snapshot.runs.iter().filter(|run| run.session == session);
    runs.flat_map(Run::facts).filter(|fact| matches!(fact, RunEvent::ModelDone { .. })).count()
}

pub(super) fn bills_add_up(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for run in &evidence.end.runs {
        let (mut input, mut output, mut is_own) = (0, 0, false);
        for fact in run.facts() {
            match fact {
                RunEvent::Began { .. } => is_own = true,
                RunEvent::ModelDone { usage, .. } | RunEvent::Compacted { usage, .. } => {
                    input += usage.input;
                    output += usage.output;
                }
                RunEvent::Ended { outcome }
                    if is_own && (outcome.usage.input, outcome.usage.output) != (input, output) =>
                {
                    found.push(format!(
                        "run {} is billed {:?}, its calls used {input} and {output}",
                        run.id, outcome.usage
                    ));
                }
                _ => {}
            }
        }
    }
    found
}

pub(super) fn settled_stays_settled(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for (life, call) in &evidence.settled {
        let later = evidence.crashes.iter().skip(life.saturating_sub(1)).chain([&evidence.end]);
        let is_open = |snapshot: &Snapshot| {
            snapshot.steps.iter().any(|step| step.call == *call && matches!(step.state.as_str(), "started" | "unknown"))
        };
        if later.into_iter().any(is_open) {
            found.push(format!("the word about call {call} was taken in life {life} and is forgotten"));
        }
    }
    found
}

pub(super) fn deliveries_are_made_once(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let times = |key: &str| evidence.messages.iter().filter(|message| message.key == key).count();
    for delivery in &evidence.end.deliveries {
        let times = times(&delivery.key);
        // A person who sends it again takes the risk that it was there.
        let again = evidence.sent_again.iter().filter(|key| **key == delivery.key).count();
        let is_well = match delivery.state.as_str() {
            "sent" => (1..=1 + again).contains(&times),
            "unknown" => times <= 1 + again,
            _ => false,
        };
        if !is_well {
            found.push(format!("the answer of run {} is {} and arrived {times} times", delivery.run, delivery.state));
        }
    }
    for say in evidence.said.iter().filter(|say| say.is_delivered) {
        let rows = evidence.end.deliveries.iter().filter(|delivery| delivery.run == say.id).count();
        let is_done = evidence.end.runs.iter().any(|run| run.id == say.id && run.status == "done");
        if is_done && rows != 1 {
            found.push(format!("the answer of run {} has {rows} deliveries", say.id));
        }
    }
    let is_known = |key: &str| evidence.end.deliveries.iter().any(|delivery| delivery.key == key);
    let stray = evidence.messages.iter().filter(|message| !is_known(&message.key));
    found.extend(stray.map(|message| format!("a message of run {} arrived that nothing records", message.name)));
    found
}
