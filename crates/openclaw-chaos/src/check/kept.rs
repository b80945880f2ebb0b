//! Rules about what is kept beside the journal: states, summaries, places.

use std::collections::{BTreeMap, BTreeSet};

use openclaw_domain::{Recorded, RunEvent, Turn};
use serde_json::{Value, json};

use crate::evidence::Evidence;
use crate::snapshot::{Kept, Run, Snapshot};

fn snapshots(evidence: &Evidence) -> impl Iterator<Item = &Snapshot> {
    evidence.crashes.iter().chain([&evidence.end])
}

/// A kept state says what the events up to it say; what comes after is folded
/// into it, so the state of the whole follows.
pub(super) fn states_are_folds(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for snapshot in snapshots(evidence) {
        for kept in &snapshot.checkpoints {
            let (Some(run), Some(body)) = (snapshot.runs.iter().find(|run| run.id == kept.run), &kept.body) else {
                continue;
            };
            // One that a scenario forged is none of the gateway's.
            if body.get("state").is_none() {
                continue;
            }
            found.extend(differences(kept, &body["state"], run));
        }
    }
    found
}

fn differences(kept: &Kept, state: &Value, run: &Run) -> Vec<String> {
    if kept.seq > run.seq {
        return vec![format!("run {}: a state is kept at {} and the journal ends at {}", run.id, kept.seq, run.seq)];
    }
    let up_to = |recorded: &&Recorded| recorded.seq.0 <= kept.seq;
    let folded = fold(run.events.iter().filter(up_to).map(|recorded| &recorded.event), kept.seq);
    let differs = folded.into_iter().filter_map(|(name, wanted)| {
        let held = read(state, name);
        (held != wanted).then(|| {
            format!("run {}: the state kept at {} has {name} {held}, its events say {wanted}", run.id, kept.seq)
        })
    });
    differs.collect()
}

/// Reads a field of a kept state in the form of [`fold`].
fn read(state: &Value, name: &str) -> Value {
    match name {
        "input" | "output" => state["usage"][name].clone(),
        "open" => json!(state["open"].as_object().into_iter().flatten().map(|(id, _)| id).collect::<BTreeSet<_>>()),
        "through" => state["compaction"]["through"].clone(),
        _ => state[name].clone(),
    }
}

/// What events amount to, without a word from the engine.
fn fold<'a>(events: impl Iterator<Item = &'a RunEvent>, seq: u64) -> Vec<(&'static str, Value)> {
    let (mut iterations, mut tool_calls, mut input, mut output) = (0, 0, 0, 0);
    let (mut partial, mut open, mut through, mut carried) = (String::new(), BTreeSet::new(), Value::Null, 0);
    for event in events {
        match event {
            RunEvent::ModelStarted { step, .. } => {
                iterations = *step;
                partial.clear();
            }
            RunEvent::ModelDelta { text } => partial.push_str(text),
            RunEvent::ModelSuperseded { .. } => partial.clear(),
            RunEvent::ModelDone { turn, usage } => {
                partial.clear();
                (input, output) = (input + usage.input, output + usage.output);
                open = turn.calls().map(|(call, _)| call.id.to_string()).collect();
            }
            RunEvent::ToolEnded { call, .. } => {
                tool_calls += 1;
                open.remove(call.as_str());
            }
            RunEvent::Compacted { compaction, usage } => {
                (input, output) = (input + usage.input, output + usage.output);
                through = json!(compaction.through);
            }
            RunEvent::Steered { .. } => carried += 1,
            _ => {}
        }
    }
    let mut fields = vec![
        ("seq", json!(seq)),
        ("iterations", json!(iterations)),
        ("tool_calls", json!(tool_calls)),
        ("input", json!(input)),
        ("output", json!(output)),
        ("partial", json!(partial)),
        ("open", json!(open)),
    ];
    // A summary of an earlier run is in force until this one makes its own.
    if !through.is_null() {
        fields.push(("through", through));
    }
    // Given input stands in one of two lists, depending on how far the run is.
    if carried == 0 {
        fields.push(("steered", json!([])));
    }
    fields
}

/// An agent has no more instances at work than it may have, and none leaves anything.
pub(super) fn places_are_few(evidence: &Evidence) -> Vec<String> {
    let left = |name: &String| format!("the folder of instance {name} is there although all have ended");
    let mut found: Vec<String> = evidence.left.iter().map(left).collect();
    for snapshot in snapshots(evidence) {
        let mut at_work: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut owner: Option<&str> = None;
        let instances = snapshot.runs.iter().filter_map(|run| Some((run.id.as_str(), (run, instance_of(run)?))));
        let instances: BTreeMap<&str, _> = instances.collect();
        for (id, seq) in &snapshot.order {
            let Some((run, (agent, places))) = instances.get(id.as_str()).copied() else { continue };
            let event = usize::try_from(*seq).ok().and_then(|seq| run.events.get(seq.checked_sub(1)?));
            match event.map(|recorded| &recorded.event) {
                Some(RunEvent::Claimed { owner: by }) => {
                    if owner.replace(by) != Some(by) {
                        // What the process before it had at work died with it.
                        at_work.clear();
                    }
                    let busy = at_work.entry(agent).or_default();
                    busy.insert(id);
                    if busy.len() > places {
                        found.push(format!("agent {agent} has {places} places and {} instances at work", busy.len()));
                    }
                }
                Some(RunEvent::Ended { .. }) => {
                    at_work.entry(agent).or_default().remove(id.as_str());
                }
                _ => {}
            }
        }
    }
    found
}

/// The agent of a request that has an instance of its own, and how many it may have at once.
pub(super) fn instance_of(run: &Run) -> Option<(&str, usize)> {
    let terms = run.facts().find_map(|fact| match fact {
        RunEvent::Accepted { runtime, .. } => runtime.thread_bound(),
        _ => None,
    })?;
    Some((run.session.split(':').nth(1)?, terms.concurrent_max))
}

/// A summary hides what is there, what was acknowledged of it holds, and no turn changes.
pub(super) fn summaries_hold(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for snapshot in snapshots(evidence) {
        for summary in &snapshot.summaries {
            let head = snapshot.sessions.iter().find(|(key, _)| *key == summary.session).map_or(0, |(_, head)| *head);
            if summary.through > head {
                found.push(format!(
                    "summary {} of {} stands for entries up to {} and the last is {head}",
                    summary.id, summary.session, summary.through
                ));
            }
        }
        for run in snapshot.runs.iter().filter(|run| instance_of(run).is_none()) {
            let made = run.facts().filter(|fact| matches!(fact, RunEvent::Compacted { .. })).count();
            let rows = snapshot.summaries.iter().filter(|it| it.run.as_deref() == Some(&run.id)).count();
            if made != rows {
                found.push(format!("run {} made {made} summaries and {rows} are kept", run.id));
            }
        }
    }
    let later = |life: usize| evidence.crashes.iter().skip(life.saturating_sub(1)).chain([&evidence.end]);
    for (life, id) in &evidence.summaries {
        if later(*life).any(|snapshot| !snapshot.summaries.iter().any(|it| it.id == *id)) {
            found.push(format!("summary {id} was acknowledged in life {life} and is gone"));
        }
    }
    for (life, id) in &evidence.restored {
        if later(*life).any(|snapshot| snapshot.summaries.iter().any(|it| it.id == *id && !it.is_undone)) {
            found.push(format!("summary {id} was taken back in life {life} and is in force again"));
        }
    }
    found
}

/// What people read only grows: a turn that was there stays as it was.
pub(super) fn turns_stay(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let all: Vec<&Snapshot> = snapshots(evidence).collect();
    for pair in all.windows(2) {
        for entry in &pair[0].entries {
            let now = pair[1].entries.iter().find(|it| it.session == entry.session && it.n == entry.n);
            if now.is_none_or(|now| !is_same(&entry.turn, &now.turn)) {
                found.push(format!("entry {} of {} has changed", entry.n, entry.session));
            }
        }
    }
    found
}

/// Results join a turn later; nothing else of it changes.
fn is_same(before: &Turn, now: &Turn) -> bool {
    match (before, now) {
        (Turn::Assistant(before), Turn::Assistant(now)) => {
            let kept = before
                .calls()
                .zip(now.calls())
                .all(|((a, result), (b, later))| a == b && (result.is_none() || result == later));
            before.text() == now.text() && before.calls().count() == now.calls().count() && kept
        }
        (before, now) => before == now,
    }
}
