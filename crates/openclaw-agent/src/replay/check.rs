//! Replays a recorded run with the pure engine and compares the two.
//!
//! Every recorded event is either a fact from outside (an answer of the model,
//! of a started tool, of a person, or the clock) or what the engine asked for
//! at exactly that point. The second kind is rebuilt from scratch and must
//! equal the stored event in every byte; the first kind must have been possible.
//! A new owner's claim is where the engine decides anew, as recovery does.

use std::collections::{BTreeMap, VecDeque};

use openclaw_domain::message::AssistantTurn;
use openclaw_domain::ports::{Difference, Replay};
use openclaw_domain::run::Status;
use openclaw_domain::{CallId, Epoch, Recorded, RunEvent, Seq, Timestamp, Turn};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::recording::Recording;
use crate::keys::hex;
use crate::step::{self, Effect, RunState};

/// Most differences that are reported.
const DIFFERENCES_MAX: usize = 20;

/// Most bytes of a differing event that are shown.
const SHOWN_BYTES_MAX: usize = 600;

/// Something the engine asked for that is not recorded yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Owed {
    /// What `step` asked for.
    Effect(Effect),
    /// The start of a call whose intent was recorded.
    Start(CallId),
}

/// What is wrong with an event.
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) expected: String,
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { what: what.into(), expected: expected.into() }
    }
}

/// A replay under way.
pub(super) struct Check<'a> {
    pub(super) recording: &'a Recording,
    pub(super) state: RunState,
    /// Owed now, in this order, in one transaction.
    pub(super) batch: VecDeque<Owed>,
    /// Owed in the transaction after it.
    then: Vec<Effect>,
    /// Whether a part of `batch` is recorded already.
    is_batch_begun: bool,
    /// Position in the events.
    pub(super) at: usize,
    pub(super) has_begun: bool,
    /// Whether the owner recorded nothing yet but how it began.
    pub(super) is_opening: bool,
    /// When each call was dispatched by an earlier owner.
    pub(super) dispatched: BTreeMap<CallId, Timestamp>,
    /// The last model turn as it was recorded, its calls open.
    last_turn: Option<(usize, AssistantTurn)>,
    epoch: Epoch,
    inputs: u64,
    rebuilt: u64,
    differences: Vec<Difference>,
    hashes: (Sha256, Sha256),
}

/// Replays a recorded run. Pure.
pub(crate) fn check(recording: &Recording) -> Replay {
    let earlier = recording.transcript.as_ref().map(|transcript| transcript.earlier.clone()).unwrap_or_default();
    let mut check = Check {
        recording,
        state: RunState::new(earlier),
        batch: VecDeque::new(),
        then: Vec::new(),
        is_batch_begun: false,
        at: 0,
        has_begun: false,
        is_opening: false,
        dispatched: BTreeMap::new(),
        last_turn: None,
        epoch: Epoch(0),
        inputs: 0,
        rebuilt: 0,
        differences: Vec::new(),
        hashes: (Sha256::new(), Sha256::new()),
    };
    let is_followed = check.follow();
    let entries = if is_followed { check.whole() } else { 0 };
    check.report(entries)
}

impl Check<'_> {
    /// Follows the events to their end; false when the two part ways for good.
    fn follow(&mut self) -> bool {
        while let Some(recorded) = self.recording.events.get(self.at) {
            if !self.take(recorded) {
                return false;
            }
            self.at += 1;
        }
        true
    }

    /// Takes one event; false when what follows cannot be compared any more.
    fn take(&mut self, recorded: &Recorded) -> bool {
        if let Err(wrong) = self.in_order(recorded) {
            self.differ(recorded.seq, wrong.what, wrong.expected, json(recorded));
            return false;
        }
        let found = json(&recorded.event);
        if matches!(recorded.event, RunEvent::Claimed { .. }) {
            self.inputs += 1;
            self.hash(&found, &found);
            return self.claimed(recorded);
        }
        self.refill();
        let is_aborted = self.opening_failed(&recorded.event);
        let owed = if is_aborted { None } else { self.batch.pop_front() };
        let verdict = match owed {
            Some(owed) => {
                self.is_batch_begun = true;
                self.rebuilt += 1;
                self.rebuild(&owed, recorded).map(Some)
            }
            None => {
                self.inputs += 1;
                self.outside(recorded).map(|()| None)
            }
        };
        match verdict {
            Err(wrong) => {
                self.differ(recorded.seq, wrong.what, wrong.expected, found);
                return false;
            }
            Ok(Some(event)) => {
                let expected = json(&event);
                if expected != found {
                    self.differ(recorded.seq, format!("{} differs", event.name()), expected.clone(), found.clone());
                }
                self.hash(&found, &expected);
            }
            Ok(None) => self.hash(&found, &found),
        }
        self.fold(&recorded.event);
        true
    }

    /// Checks position, epoch, and that nothing follows the end.
    fn in_order(&mut self, recorded: &Recorded) -> Result<(), Wrong> {
        let seq = Seq(self.at as u64 + 1);
        if recorded.seq != seq {
            return Err(Wrong::new("an event is missing", format!("the event at position {}", seq.0)));
        }
        if self.state.is_ended {
            return Err(Wrong::new("something follows the end", "nothing"));
        }
        if self.at == 0 && !matches!(recorded.event, RunEvent::Accepted { .. }) {
            return Err(Wrong::new("the run does not begin with its input", "accepted"));
        }
        let is_claim = matches!(recorded.event, RunEvent::Claimed { .. });
        let epoch = if is_claim { Epoch(self.epoch.0 + 1) } else { self.epoch };
        if recorded.epoch != epoch {
            return Err(Wrong::new("the event belongs to another owner", format!("epoch {}", epoch.0)));
        }
        self.epoch = epoch;
        Ok(())
    }

    /// Folds an event into the state and notes what the engine asks for.
    fn fold(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Began { .. } => self.has_begun = true,
            RunEvent::Steered { .. } if !self.has_begun => {}
            RunEvent::ModelStarted { .. } if self.is_opening && self.at == 3 => {}
            _ => self.is_opening = false,
        }
        let effects = step::step(&mut self.state, event);
        if let RunEvent::ModelDone { turn, .. } = event {
            let position = self.state.conversation.turns().len().saturating_sub(1);
            self.last_turn = Some((position, (**turn).clone()));
        }
        for effect in effects {
            match effect {
                // An end is recorded in the transaction that caused it.
                Effect::Finish { .. } => {
                    self.then.clear();
                    self.batch.push_back(Owed::Effect(effect));
                }
                other => self.then.push(other),
            }
        }
    }

    /// Makes the next transaction's events the ones that are owed now.
    fn refill(&mut self) {
        if self.batch.is_empty() {
            self.is_batch_begun = false;
            // What a tool says about a call, and a summary, come later, as facts from outside.
            let is_owed = |effect: &Effect| !matches!(effect, Effect::Probe { .. } | Effect::Compact { .. });
            let effects = std::mem::take(&mut self.then).into_iter();
            self.batch.extend(effects.filter(is_owed).map(Owed::Effect));
        }
    }

    /// A new owner: what the old one still owed is lost, and the engine decides
    /// from the record how to go on.
    fn claimed(&mut self, recorded: &Recorded) -> bool {
        if self.is_batch_begun && !self.batch.is_empty() {
            let missing = format!("{:?}", self.batch.front());
            self.differ(recorded.seq, "a transaction is recorded in part", missing, json(&recorded.event));
            return false;
        }
        self.batch.clear();
        self.then.clear();
        self.is_batch_begun = false;
        self.is_opening = true;
        if self.has_begun {
            let (state, dispatched) = self.fold_anew();
            self.state = state;
            self.dispatched = dispatched;
            let decided = self.decided_repeats();
            self.then = step::resume(&mut self.state, |call| decided.get(&call.id).copied().unwrap_or(false));
        }
        true
    }

    /// Folds the events up to here from nothing, as the new owner did: what the
    /// old one decided but did not record is not known to it.
    fn fold_anew(&self) -> (RunState, BTreeMap<CallId, Timestamp>) {
        let earlier = self.recording.transcript.as_ref().map(|transcript| transcript.earlier.clone());
        let mut state = RunState::new(earlier.unwrap_or_default());
        let mut dispatched = BTreeMap::new();
        for recorded in &self.recording.events[..self.at] {
            step::step(&mut state, &recorded.event);
            if let RunEvent::ToolStarted { call, .. } = &recorded.event {
                dispatched.insert(call.clone(), recorded.at);
            }
        }
        (state, dispatched)
    }

    /// Compares what belongs to the run as a whole: its row and its transcript.
    /// Returns how many entries were compared.
    fn whole(&mut self) -> u64 {
        let (record, last) = (&self.recording.record, self.recording.events.last());
        let (seq, epoch) = last.map_or((Seq(0), Epoch(0)), |last| (last.seq, last.epoch));
        self.same("the run's last position", &seq, &record.seq);
        self.same("the run's epoch", &epoch, &record.epoch);
        if let Some(RunEvent::Ended { outcome }) = last.map(|last| &last.event) {
            self.same("the run's outcome", &Some(outcome.as_ref()), &record.outcome.as_ref());
            self.same("the run's status", &Status::from(&outcome.end), &record.status);
        }
        let Some(transcript) = &self.recording.transcript else { return 0 };
        let mut rebuilt: Vec<Turn> =
            self.state.conversation.turns().get(transcript.earlier.len()..).unwrap_or_default().to_vec();
        if !self.state.open.is_empty()
            && let Some((position, turn)) = &self.last_turn
            && let Some(written) = position.checked_sub(transcript.earlier.len()).and_then(|at| rebuilt.get_mut(at))
        {
            // Results join the transcript once the last of the turn is there.
            *written = Turn::Assistant(turn.clone());
        }
        self.same("the number of transcript entries", &rebuilt.len(), &transcript.own.len());
        for (expected, found) in rebuilt.iter().zip(&transcript.own) {
            self.same("a transcript entry", expected, found);
        }
        rebuilt.len() as u64
    }

    fn same<T: Serialize>(&mut self, what: &str, expected: &T, found: &T) {
        let (expected, found) = (json(expected), json(found));
        if expected != found {
            self.differ(Seq(0), format!("{what} differs"), expected, found);
        }
    }

    fn differ(&mut self, seq: Seq, what: impl Into<String>, expected: impl Into<String>, found: String) {
        if self.differences.len() < DIFFERENCES_MAX {
            let (expected, found) = shown(expected.into(), found);
            self.differences.push(Difference { seq, what: what.into(), expected, found });
        }
    }

    fn hash(&mut self, found: &str, expected: &str) {
        for (hash, line) in [(&mut self.hashes.0, found), (&mut self.hashes.1, expected)] {
            hash.update(line.as_bytes());
            hash.update(b"\n");
        }
    }

    fn report(self, entries: u64) -> Replay {
        let record = &self.recording.record;
        let mut notes = Vec::new();
        if self.recording.transcript.is_none() && self.has_begun {
            notes.push(
                "the session was reset or removed since: its transcript and the keys derived from it were not compared"
                    .to_owned(),
            );
        }
        if !record.status.is_final() {
            notes.push("the run has not ended: what is recorded so far was compared".to_owned());
        }
        Replay {
            run_id: record.id.clone(),
            session_key: record.session.clone(),
            status: record.status,
            is_identical: self.differences.is_empty(),
            events: self.recording.events.len() as u64,
            inputs: self.inputs,
            rebuilt: self.rebuilt,
            epochs: self.epoch.0,
            entries,
            recorded_sha256: hex(&self.hashes.0.finalize()),
            rebuilt_sha256: hex(&self.hashes.1.finalize()),
            differences: self.differences,
            notes,
        }
    }
}

/// Writes a value as the journal does.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| format!("cannot be written as JSON: {error}"))
}

/// Cuts two texts to what is worth showing: the same window, around the first
/// place where they differ.
fn shown(expected: String, found: String) -> (String, String) {
    if expected.len() <= SHOWN_BYTES_MAX && found.len() <= SHOWN_BYTES_MAX {
        return (expected, found);
    }
    let apart = expected.bytes().zip(found.bytes()).take_while(|(a, b)| a == b).count();
    let from = apart.saturating_sub(SHOWN_BYTES_MAX / 4);
    let cut = |text: &str| {
        let start = text.floor_char_boundary(from.min(text.len()));
        let end = text.floor_char_boundary((start + SHOWN_BYTES_MAX).min(text.len()));
        let (before, after) = (if start > 0 { "..." } else { "" }, if end < text.len() { "..." } else { "" });
        format!("{before}{}{after}", &text[start..end])
    };
    (cut(&expected), cut(&found))
}
