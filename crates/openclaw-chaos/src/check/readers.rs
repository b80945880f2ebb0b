//! Rules about what clients were told.

use openclaw_domain::{Recorded, RunEvent};

use crate::evidence::Evidence;
use crate::follow::Seen;
use crate::snapshot::{Run, Snapshot};

/// What a reader missed or got twice, in events and in bytes of text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Events and bytes that are recorded.
    pub recorded: usize,
    /// Events and bytes that were not told.
    pub missing: usize,
    /// Events and bytes that were told again, or are not recorded.
    pub duplicate: usize,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: Tally) {
        self.recorded += other.recorded;
        self.missing += other.missing;
        self.duplicate += other.duplicate;
    }
}

/// Compares what a reader was told with the journal: all of it when the run has
/// ended, otherwise up to where the reader is.
pub fn compare(seen: &Seen, run: &Run) -> Tally {
    let last = seen.events.iter().map(|event| event.seq).max().unwrap_or(0);
    let is_due = |recorded: &&Recorded| run.is_final() || recorded.seq.0 <= last;
    let mut tally = Tally::default();
    let mut told = seen.events.iter();
    for recorded in run.events.iter().filter(is_due) {
        tally.recorded += 1;
        // Whatever comes before the next one that fits was told out of order or twice.
        let mut ahead = told.clone();
        match ahead.position(|event| event.seq == recorded.seq.0 && event.name == recorded.event.name()) {
            Some(between) => {
                tally.duplicate += between;
                told = ahead;
            }
            None => tally.missing += 1,
        }
    }
    tally.duplicate += told.count();
    for recorded in run.events.iter().filter(is_due) {
        let RunEvent::ModelDone { turn, .. } = &recorded.event else { continue };
        let (whole, empty) = (turn.text(), String::new());
        let text = seen.turns.iter().find(|(seq, _)| *seq == recorded.seq.0).map_or(&empty, |(_, text)| text);
        let same = whole.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
        tally.recorded += whole.len();
        tally.missing += whole.len() - same;
        tally.duplicate += text.len() - same;
    }
    tally
}

fn run_of<'a>(snapshot: &'a Snapshot, id: &str) -> Option<&'a Run> {
    snapshot.runs.iter().find(|run| run.id == id)
}

/// The database after a start of the gateway.
fn after(evidence: &Evidence, life: usize) -> &Snapshot {
    evidence.crashes.get(life.saturating_sub(1)).unwrap_or(&evidence.end)
}

pub(super) fn readers_get_everything_once(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for seen in &evidence.seen {
        found.extend(seen.faults.iter().map(|fault| format!("the reader of run {}: {fault}", seen.run)));
        let Some(run) = run_of(&evidence.end, &seen.run) else {
            found.push(format!("run {} has a reader and is not recorded", seen.run));
            continue;
        };
        let Tally { missing, duplicate, recorded } = compare(seen, run);
        if missing + duplicate > 0 {
            found.push(format!(
                "the reader of run {} missed {missing} of {recorded} events and bytes and got {duplicate} too many",
                seen.run
            ));
        }
        for event in &seen.events {
            // Only what is committed may be told: a kill cannot take it back.
            let committed = run_of(after(evidence, event.life), &seen.run).map_or(0, |run| run.seq);
            if event.seq > committed {
                found.push(format!(
                    "{} of run {} was told in life {} at {} and the journal ended at {committed}",
                    event.name, seen.run, event.life, event.seq
                ));
            }
        }
    }
    found
}

/// What was said to go on goes on: something new is recorded behind the claim.
pub(super) fn resumed_means_resumed(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for (life, id) in &evidence.resumed {
        let before = life.checked_sub(2).and_then(|crash| evidence.crashes.get(crash));
        let epoch = before.and_then(|snapshot| run_of(snapshot, id)).map_or(0, |run| run.epoch);
        let is_new = |it: &Recorded| it.epoch.0 > epoch.max(1) && !matches!(it.event, RunEvent::Claimed { .. });
        if !run_of(after(evidence, *life), id).is_some_and(|run| run.events.iter().any(is_new)) {
            found.push(format!("run {id} was said to go on in life {life}, in which nothing new is recorded of it"));
        }
    }
    for seen in &evidence.seen {
        let Some(run) = run_of(&evidence.end, &seen.run) else { continue };
        for event in &seen.events {
            let position = usize::try_from(event.seq).unwrap_or(usize::MAX);
            let recorded = position.checked_sub(1).and_then(|it| run.events.get(it));
            let before = position.checked_sub(2).and_then(|it| run.events.get(it));
            let is_claim = |it: &Recorded| matches!(it.event, RunEvent::Claimed { .. });
            let is_first =
                before.is_some_and(|it| is_claim(it) && it.epoch.0 > 1) && recorded.is_some_and(|it| !is_claim(it));
            if event.is_resumed != is_first {
                let was = if event.is_resumed { "was" } else { "was not" };
                found.push(format!(
                    "{} of run {} at {} {was} told as the first of a new owner",
                    event.name, seen.run, event.seq
                ));
            }
        }
    }
    found
}
