//! Each rule against a story that is well, and against one that breaks it.

mod kept;
mod told;

use openclaw_domain::ids::{Epoch, Seq, Timestamp};
use openclaw_domain::message::{Block, ToolStatus};
use openclaw_domain::model::{ModelRef, StopReason, Usage};
use openclaw_domain::run::{End, Limits, Source};
use openclaw_domain::tool::Effect;
use openclaw_domain::{
    AssistantTurn, CallId, Outcome, Recorded, RunEvent, RunRequest, Runtime, ToolCall, ToolResult, Turn, UserTurn,
};
use serde_json::json;

use super::{RULES, all};
use crate::effect::Dispatch;
use crate::evidence::Evidence;
use crate::plan::{Call, Metered, Plan};
use crate::scenario::Say;
use crate::snapshot::{Delivery, Entry, Run, Snapshot};

const SESSION: &str = "agent:main:main";

fn call() -> ToolCall {
    let command = json!({ "command": "chaos effect --at 127.0.0.1:1 --name pay" });
    ToolCall { id: "c1".parse().unwrap(), provider_id: "x".into(), name: "exec".into(), arguments: command.to_string() }
}

fn id() -> CallId {
    call().id
}

fn turn(blocks: Vec<Block>) -> AssistantTurn {
    let model = ModelRef { provider: "mock".into(), model: "m".into() };
    AssistantTurn { blocks, model, stop: StopReason::EndTurn, native: None, at: Timestamp(1) }
}

fn text(text: &str) -> Block {
    Block::Text { text: text.into() }
}

fn usage() -> Usage {
    Usage { input: 10, output: 5, ..Usage::default() }
}

fn plan() -> Plan {
    Plan { rounds: vec![vec![Call::new("exec", json!({}))]], ..Plan::default() }
}

fn input() -> UserTurn {
    UserTurn::owner(plan().message("m1"), Timestamp(1))
}

fn result() -> ToolResult {
    ToolResult::notice(ToolStatus::Ok, "done")
}

fn done(blocks: Vec<Block>) -> RunEvent {
    RunEvent::ModelDone { turn: Box::new(turn(blocks)), usage: usage() }
}

fn started(step: u32) -> RunEvent {
    RunEvent::ModelStarted { step, idempotency_key: format!("k{step}") }
}

/// A run that paid once and was killed before the result was recorded.
fn events() -> Vec<(u64, RunEvent)> {
    let request = RunRequest::new("m1".parse().unwrap(), SESSION.parse().unwrap(), input(), Source::Chat);
    let claimed = |owner: &str| RunEvent::Claimed { owner: owner.into() };
    let mut outcome_usage = usage();
    outcome_usage.add(&usage());
    let outcome = Outcome {
        end: End::Done,
        text: "done #m1".into(),
        answered_by: None,
        usage: outcome_usage,
        iterations: 2,
        tool_calls: 1,
        started_at: Timestamp(1),
        ended_at: Timestamp(2),
    };
    let limits = Limits::default();
    vec![
        (0, RunEvent::Accepted { request: Box::new(request), limits, runtime: Runtime::default() }),
        (1, claimed("one")),
        (1, RunEvent::Began { transcript_head: 0 }),
        (1, started(1)),
        (1, done(vec![text("Working."), Block::Call { call: call(), result: None }])),
        (
            1,
            RunEvent::ToolIntent {
                call: id(),
                tool: "exec".into(),
                digest: "d".into(),
                effect: Effect::Once,
                action: "a".into(),
            },
        ),
        (1, RunEvent::ToolStarted { call: id(), idempotency_key: "key".into() }),
        (2, claimed("two")),
        (2, RunEvent::ToolEnded { call: id(), result: Box::new(result()) }),
        (2, started(2)),
        (2, done(vec![text("done #m1")])),
        (2, RunEvent::Ended { outcome: Box::new(outcome) }),
    ]
}

fn run(events: &[(u64, RunEvent)], status: &str) -> Run {
    let recorded = |(position, (epoch, event)): (usize, &(u64, RunEvent))| Recorded {
        seq: Seq(position as u64 + 1),
        epoch: Epoch(*epoch),
        at: Timestamp(1),
        event: event.clone(),
    };
    Run {
        id: "m1".into(),
        session: SESSION.into(),
        status: status.into(),
        epoch: events.last().map_or(0, |(epoch, _)| *epoch),
        seq: events.len() as u64,
        events: events.iter().enumerate().map(recorded).collect(),
    }
}

fn snapshot(events: &[(u64, RunEvent)], status: &str, turns: Vec<Turn>) -> Snapshot {
    let head = turns.len() as u64;
    let entry =
        |(position, turn)| Entry { session: SESSION.into(), n: position as u64 + 1, run: Some("m1".into()), turn };
    Snapshot {
        runs: vec![run(events, status)],
        entries: turns.into_iter().enumerate().map(entry).collect(),
        sessions: vec![(SESSION.into(), head)],
        ..Snapshot::default()
    }
}

fn well() -> Evidence {
    let events = events();
    let turns = |result| {
        vec![Turn::User(input()), Turn::Assistant(turn(vec![text("Working."), Block::Call { call: call(), result }]))]
    };
    let mut end = turns(Some(result()));
    end.push(Turn::Assistant(turn(vec![text("done #m1")])));
    let asked = |life, step: &str| Metered { life, step: step.into() };
    Evidence {
        said: vec![Say::new(SESSION, "m1", plan())],
        acked: [("m1".to_owned(), 1)].into(),
        kills: 1,
        crashes: vec![snapshot(&events[..7], "running", turns(None))],
        end: snapshot(&events, "done", end),
        effects: vec![Dispatch { life: 1, name: "pay".into(), key: "key".into() }],
        calls: vec![asked(1, "m1/0"), asked(2, "m1/2")],
        ..Evidence::default()
    }
}

/// Changes the story that is well and returns the rules that say so.
fn broken(change: impl FnOnce(&mut Evidence)) -> Vec<&'static str> {
    let mut evidence = well();
    change(&mut evidence);
    rules(&evidence)
}

fn rules(evidence: &Evidence) -> Vec<&'static str> {
    let mut rules: Vec<&str> = all(evidence).iter().map(|found| found.rule).collect();
    rules.dedup();
    rules
}

#[test]
fn a_story_that_is_well_breaks_no_rule() {
    assert_eq!(all(&well()), []);
}

#[test]
fn a_gap_and_a_changed_event_are_seen() {
    assert!(broken(|it| it.end.runs[0].events[3].seq = Seq(9)).contains(&"I1"));
    assert!(broken(|it| it.end.runs[0].events[3].event = started(7)).contains(&"I1"));
    assert!(broken(|it| it.end.runs.clear()).contains(&"I1"));
}

#[test]
fn a_missing_claim_and_a_claim_by_the_same_owner_are_seen() {
    let rules = broken(|it| {
        let run = &mut it.end.runs[0];
        run.events[7].event = RunEvent::DeadlinePassed;
    });
    assert!(rules.contains(&"I2") && rules.contains(&"I2b"), "{rules:?}");
    assert_eq!(broken(|it| it.end.runs[0].events[7].event = RunEvent::Claimed { owner: "one".into() }), ["I2b"]);
}

#[test]
fn lost_and_unanswered_input_is_seen() {
    assert_eq!(broken(|it| it.crashes[0] = Snapshot::default()), ["I3", "I5"]);
    assert!(broken(|it| it.end.runs[0].status = "failed".into()).contains(&"I3b"));
    assert!(broken(|it| it.end.runs[0].status = "running".into()).contains(&"I13"));
    assert!(broken(|it| it.said.clear()).contains(&"I4"));
}

#[test]
fn what_happens_twice_or_never_or_unannounced_is_seen() {
    let again = || Dispatch { life: 2, name: "pay".into(), key: "key".into() };
    assert!(broken(|it| it.effects.push(again())).contains(&"I6"));
    assert_eq!(broken(|it| it.effects.clear()), ["I6"]);
    assert_eq!(broken(|it| it.effects[0].key = "other".into()), ["I5"]);
    let settled_before = |it: &mut Evidence| {
        it.crashes[0].runs[0].events.push(it.end.runs[0].events[8].clone());
        it.effects[0].life = 2;
    };
    assert!(broken(settled_before).contains(&"I7"));
}

#[test]
fn a_model_call_that_is_paid_again_is_seen() {
    assert_eq!(broken(|it| it.calls.push(Metered { life: 2, step: "m1/2".into() })), ["I8"]);
    assert_eq!(broken(|it| it.calls.push(Metered { life: 2, step: "m1/0".into() })), ["I8"]);
    let bill = |it: &mut Evidence| {
        it.end.runs[0].events[10].event =
            RunEvent::ModelDone { turn: Box::new(turn(vec![text("done #m1")])), usage: Usage::default() };
    };
    assert_eq!(broken(bill), ["I8b"]);
}

#[test]
fn a_transcript_with_more_or_less_than_was_said_is_seen() {
    let twice = |it: &mut Evidence| {
        let entry = it.end.entries[2].clone();
        it.end.entries.push(Entry { n: 4, ..entry });
        it.end.sessions[0].1 = 4;
    };
    assert_eq!(broken(twice), ["T2", "T3"]);
    assert!(broken(|it| it.end.entries[0].n = 2).contains(&"T1"));
    assert!(broken(|it| drop(it.end.entries.remove(0))).contains(&"T2"));
    let open = Turn::Assistant(turn(vec![text("Working."), Block::Call { call: call(), result: None }]));
    assert_eq!(broken(|it| it.end.entries[1].turn = open), ["T4"]);
}

#[test]
fn a_message_that_arrives_twice_or_never_is_seen() {
    let delivered = |state: &'static str, times: usize| {
        move |it: &mut Evidence| {
            it.said[0].is_delivered = true;
            it.end.deliveries.push(Delivery { run: "m1".into(), key: "d1".into(), state: state.into() });
            let message = Dispatch { life: 1, name: "m1".into(), key: "d1".into() };
            it.messages = vec![message; times];
        }
    };
    let none: [&str; 0] = [];
    for (state, times) in [("sent", 1), ("unknown", 0), ("unknown", 1)] {
        assert_eq!(broken(delivered(state, times)), none, "{state} {times}");
    }
    for (state, times) in [("sent", 0), ("sent", 2), ("unknown", 2), ("pending", 0), ("failed", 0)] {
        assert_eq!(broken(delivered(state, times)), ["I10"], "{state} {times}");
    }
    assert_eq!(broken(|it| it.said[0].is_delivered = true), ["I10"]);
}

#[test]
fn every_rule_has_a_name_of_its_own() {
    let mut names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), RULES.len());
}
