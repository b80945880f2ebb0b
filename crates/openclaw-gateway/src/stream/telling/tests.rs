//! Whatever a run does and wherever a client is cut off, it ends with the
//! journal's events and text, each once (I9).

use openclaw_domain::message::Block;
use openclaw_domain::model::{ModelRef, StopReason, Usage};
use openclaw_domain::run::{End, Outcome, Source};
use openclaw_domain::{AssistantTurn, Change, Cursor, Epoch, Recorded, RunEvent, RunUpdate, Seq, Timestamp};
use proptest::prelude::*;

use super::{Telling, Told, What};
use crate::stream::feed::Feed;

const AT: Timestamp = Timestamp(1_767_225_600_000);

/// What happens next, to the run or to the client.
#[derive(Debug, Clone)]
enum Step {
    /// The model says something.
    Says(String),
    /// What was said is recorded.
    Flush,
    /// Input joins: what was said is recorded with it.
    Steered,
    /// The provider takes back what it said.
    Superseded,
    /// The turn is complete and the next one begins.
    Done,
    /// The process dies and another one takes the run up.
    Crash,
    /// The client takes this many events, if there are.
    Takes(usize),
    /// The client is at the end of the journal and takes live text.
    Hears,
    /// The client is cut off and comes back with its cursor.
    Reconnects,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let says = prop_oneof![Just("a".to_owned()), Just("wörd ".to_owned()), "[a-zäß€ ]{1,12}"];
    let step = prop_oneof![
        6 => says.prop_map(Step::Says),
        3 => Just(Step::Flush),
        1 => Just(Step::Steered),
        1 => Just(Step::Superseded),
        2 => Just(Step::Done),
        1 => Just(Step::Crash),
        4 => (1..5_usize).prop_map(Step::Takes),
        5 => Just(Step::Hears),
        3 => Just(Step::Reconnects),
    ];
    proptest::collection::vec(step, 1..80)
}

/// A run with its journal, as the engine writes it.
struct Run {
    journal: Vec<Recorded>,
    feed: Feed,
    epoch: u64,
    step: u32,
    updates: u64,
    off: u64,
    turn: String,
    unflushed: String,
}

impl Run {
    fn start() -> Self {
        let mut run = Self {
            journal: Vec::new(),
            feed: Feed::default(),
            epoch: 1,
            step: 0,
            updates: 0,
            off: 0,
            turn: String::new(),
            unflushed: String::new(),
        };
        run.record(RunEvent::Claimed { owner: "one".into() });
        run.record(RunEvent::Began { transcript_head: 1 });
        run.model_started();
        run
    }

    fn record(&mut self, event: RunEvent) {
        let seq = Seq(self.journal.len() as u64 + 1);
        self.journal.push(Recorded { seq, epoch: Epoch(self.epoch), at: AT, event });
        self.off = 0;
    }

    fn tell(&mut self, change: Change) {
        self.updates += 1;
        if let Change::TextDelta(text) = &change {
            self.off += text.len() as u64;
        }
        self.feed.observe(&RunUpdate {
            run: "r".parse().unwrap(),
            session: "agent:main:main".parse().unwrap(),
            source: Source::Chat,
            seq: self.updates,
            cursor: Cursor { seq: Seq(self.journal.len() as u64), off: self.off },
            at: AT,
            change,
        });
    }

    fn model_started(&mut self) {
        self.step += 1;
        self.record(RunEvent::ModelStarted { step: self.step, idempotency_key: "k".into() });
        self.tell(Change::Phase(openclaw_domain::update::Phase::StartingModel));
    }

    fn flush(&mut self) {
        let text = std::mem::take(&mut self.unflushed);
        if !text.is_empty() {
            self.record(RunEvent::ModelDelta { text });
            self.tell(Change::TextKept);
        }
    }

    fn void(&mut self) {
        self.unflushed.clear();
        self.turn.clear();
    }

    fn done(&mut self) {
        self.unflushed.clear();
        let blocks = vec![Block::Text { text: std::mem::take(&mut self.turn) }];
        let model = ModelRef::new("scripted", "one");
        let turn = AssistantTurn { blocks, model, stop: StopReason::EndTurn, native: None, at: AT };
        self.record(RunEvent::ModelDone { turn: Box::new(turn), usage: Usage::default() });
        self.tell(Change::TurnCompleted(Usage::default()));
    }

    fn happen(&mut self, step: &Step) {
        match step {
            Step::Says(text) => {
                self.turn.push_str(text);
                self.unflushed.push_str(text);
                self.tell(Change::TextDelta(text.clone()));
            }
            Step::Flush => self.flush(),
            Step::Steered => {
                self.flush();
                let parts = vec![openclaw_domain::Part::text("and?")];
                let turn = openclaw_domain::UserTurn { parts, origin: openclaw_domain::Origin::Owner, at: AT };
                self.record(RunEvent::Steered { input: "i".parse().unwrap(), turn });
                self.tell(Change::Steered { input: "i".parse().unwrap() });
            }
            Step::Superseded => {
                self.void();
                self.record(RunEvent::ModelSuperseded { reason: "again".into() });
                self.tell(Change::TextReplaced(String::new()));
            }
            Step::Done => {
                self.done();
                self.model_started();
            }
            Step::Crash => {
                self.void();
                // The new process knows nothing of what was live.
                self.feed = Feed::default();
                self.epoch += 1;
                self.record(RunEvent::Claimed { owner: "two".into() });
                self.tell(Change::Accepted);
                self.record(RunEvent::ModelSuperseded { reason: "crash".into() });
                self.step -= 1;
                self.model_started();
            }
            Step::Takes(_) | Step::Hears | Step::Reconnects => {}
        }
    }

    fn end(&mut self) {
        self.done();
        let outcome = Outcome {
            end: End::Done,
            text: String::new(),
            answered_by: None,
            usage: Usage::default(),
            iterations: 1,
            tool_calls: 0,
            started_at: AT,
            ended_at: AT,
        };
        self.record(RunEvent::Ended { outcome: Box::new(outcome.clone()) });
        self.tell(Change::Ended(Box::new(outcome)));
    }

    /// Returns the text of every turn, as the journal has it.
    fn turns(&self) -> Vec<String> {
        let mut turns = Vec::new();
        for recorded in &self.journal {
            match &recorded.event {
                RunEvent::ModelStarted { .. } => turns.push(String::new()),
                RunEvent::ModelDelta { text } => turns.last_mut().unwrap().push_str(text),
                RunEvent::ModelSuperseded { .. } => turns.last_mut().unwrap().clear(),
                RunEvent::ModelDone { turn, .. } => *turns.last_mut().unwrap() = turn.text(),
                _ => {}
            }
        }
        turns
    }
}

/// A client: what it has, and where it thinks it is.
#[derive(Default)]
struct Client {
    events: Vec<Seq>,
    turns: Vec<String>,
    cursor: Cursor,
    resumed: usize,
}

impl Client {
    fn take(&mut self, told: Vec<Told>, recorded: Option<&Recorded>) -> Result<(), String> {
        for told in told {
            match told.what {
                What::Text { delta, offset, .. } => self.append(&delta, offset)?,
                What::Superseded { keep } => self.turns.last_mut().ok_or("no turn")?.truncate(keep as usize),
                What::Event { text, is_resumed } => {
                    let recorded = recorded.ok_or("an event without an event")?;
                    if let Some((delta, offset)) = text {
                        self.append(&delta, offset)?;
                    }
                    match &recorded.event {
                        RunEvent::ModelStarted { .. } => self.turns.push(String::new()),
                        RunEvent::ModelSuperseded { .. } => self.turns.last_mut().ok_or("no turn")?.clear(),
                        _ => {}
                    }
                    self.resumed += usize::from(is_resumed);
                    self.events.push(recorded.seq);
                }
            }
            if told.cursor < self.cursor && told.cursor.seq < self.cursor.seq {
                return Err(format!("went back from {:?} to {:?}", self.cursor, told.cursor));
            }
            self.cursor = told.cursor;
        }
        Ok(())
    }

    fn append(&mut self, delta: &str, offset: u64) -> Result<(), String> {
        let turn = self.turns.last_mut().ok_or("text before a turn")?;
        if turn.len() as u64 != offset {
            return Err(format!("text for byte {offset} came at byte {}", turn.len()));
        }
        turn.push_str(delta);
        Ok(())
    }
}

/// Tells whether a client at this cursor has this event.
type Has = fn(Seq, Cursor) -> bool;

fn has(seq: Seq, cursor: Cursor) -> bool {
    seq <= cursor.seq
}

fn taken_up(run: &Run, cursor: Cursor, has: Has) -> Telling {
    let mut telling = Telling::new();
    run.journal.iter().filter(|recorded| has(recorded.seq, cursor)).for_each(|recorded| telling.skip(recorded));
    telling.has_live(cursor.off);
    telling
}

/// Lets a run and its client live through the steps; an error is a violation of I9.
fn live_through(steps: &[Step], has: Has) -> Result<(), String> {
    let (mut run, mut client, mut telling) = (Run::start(), Client::default(), Telling::new());
    let take = |run: &Run, client: &mut Client, telling: &mut Telling, count: usize| {
        let after = telling.seq();
        for recorded in run.journal.iter().filter(|recorded| recorded.seq > after).take(count) {
            client.take(telling.tell(recorded), Some(recorded))?;
        }
        Ok::<_, String>(())
    };
    for step in steps {
        run.happen(step);
        match step {
            Step::Takes(count) => take(&run, &mut client, &mut telling, *count)?,
            Step::Hears => {
                take(&run, &mut client, &mut telling, usize::MAX)?;
                let live = run.feed.live();
                client.take(telling.live(live.seq, live.from, &live.text), None)?;
                if client.turns.last() != Some(&run.turn) {
                    return Err(format!("heard {:?} of {:?}", client.turns.last(), run.turn));
                }
            }
            Step::Reconnects => telling = taken_up(&run, client.cursor, has),
            _ => {}
        }
    }
    run.end();
    take(&run, &mut client, &mut telling, usize::MAX)?;
    let all: Vec<Seq> = run.journal.iter().map(|recorded| recorded.seq).collect();
    if client.events != all {
        return Err(format!("got events {:?} of {}", client.events, all.len()));
    }
    let expected = run.turns();
    if client.turns != expected {
        return Err(format!("has {:?}, the journal has {expected:?}", client.turns));
    }
    if client.resumed as u64 != run.epoch - 1 {
        return Err(format!("was told {} times that the run works again, of {}", client.resumed, run.epoch - 1));
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_client_cut_off_anywhere_ends_with_the_journal_each_event_and_byte_once(steps in steps()) {
        live_through(&steps, has).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn a_cursor_that_is_compared_with_less_instead_of_less_or_equal_is_found_out() {
    let steps = [Step::Says("one".into()), Step::Flush, Step::Takes(9), Step::Reconnects, Step::Says("two".into())];
    assert_eq!(live_through(&steps, has), Ok(()));
    assert!(live_through(&steps, |seq, cursor| seq < cursor.seq).is_err());
    // And the other way: an event after the cursor counts as known.
    let steps = [Step::Takes(1), Step::Reconnects, Step::Takes(9)];
    assert_eq!(live_through(&steps, has), Ok(()));
    assert!(live_through(&steps, |seq, cursor| seq.0 <= cursor.seq.0 + 1).is_err());
}

#[test]
fn live_text_lost_in_a_crash_is_taken_back() {
    let steps = [Step::Says("kept".into()), Step::Flush, Step::Says(" lost".into()), Step::Hears, Step::Crash];
    let steps = [&steps[..], &[Step::Reconnects, Step::Says("again".into()), Step::Hears]].concat();
    assert_eq!(live_through(&steps, has), Ok(()));
}

#[test]
fn a_client_that_cut_a_character_in_two_gets_it_whole() {
    let mut run = Run::start();
    run.happen(&Step::Says("a€b".into()));
    run.flush();
    let mut telling = taken_up(&run, Cursor { seq: Seq(3), off: 2 }, has);
    let told = telling.tell(&run.journal[3]);
    assert_eq!(told[0].what, What::Superseded { keep: 1 });
    assert_eq!(told[1].what, What::Event { is_resumed: false, text: Some(("€b".into(), 1)) });
}

#[test]
fn a_turn_that_is_not_what_was_streamed_stands_instead() {
    let mut run = Run::start();
    run.happen(&Step::Says("streamed text".into()));
    run.turn = "short".into();
    run.done();
    let mut telling = taken_up(&run, Cursor { seq: Seq(3), off: 13 }, has);
    let told: Vec<What> = telling.tell(&run.journal[3]).into_iter().map(|told| told.what).collect();
    assert_eq!(told[0], What::Superseded { keep: 0 });
    assert_eq!(told[1], What::Text { delta: "short".into(), offset: 0, is_durable: true });
}

#[test]
fn text_the_feed_does_not_hold_from_its_beginning_waits_for_the_journal() {
    let mut telling = Telling::new();
    assert_eq!(telling.live(Seq(0), 5, "later"), Vec::new());
    assert_eq!(telling.live(Seq(1), 0, "of another event"), Vec::new());
    assert_eq!(telling.live(Seq(0), 0, "now").len(), 1);
}
