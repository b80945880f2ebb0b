//! Runs that somebody asks to go on with, and runs that ended before they could be taken up.

use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::lease::TTL;
use openclaw_domain::ports::{Approvals, Batch, Durability, Journal, RunRecord, Runs, TakeUp, Upkeep};
use openclaw_domain::run::{End, Outcome, QueueMode, Status};
use openclaw_domain::runtime::Concurrency;
use openclaw_domain::{Change, Kind, RunEvent, RunRequest, Timestamp};
use openclaw_testkit::memory::Store;
use openclaw_testkit::model::Turn;
use openclaw_testkit::{AskAll, FakeTool, FlawedJournal, Latch, ScriptedModel};
use serde_json::json;

use crate::harness::{Rig, Setup, request, run, session, soon};

fn engine(owner: &'static str, store: Option<&Arc<Store>>, turns: Vec<Turn>, runs_max: usize) -> Rig {
    let mut setup = Setup::new(ScriptedModel::new(turns));
    setup.owner = owner;
    setup.concurrency = Concurrency { runs_max, ..Concurrency::default() };
    if let Some(store) = store {
        setup.store = store.clone();
    }
    setup.build()
}

async fn record(store: &Store, id: &str) -> RunRecord {
    let runs = store.runs(None, false, 20).await.unwrap();
    runs.into_iter().find(|record| record.id == run(id)).unwrap()
}

/// The next write of a run's owner.
fn batch_of(record: &RunRecord) -> Batch {
    Batch {
        session: session(),
        run: record.id.clone(),
        epoch: record.epoch,
        first: record.seq.next(),
        events: Vec::new(),
        entries: Vec::new(),
        amended: None,
        status: None,
        outcome: None,
        deliveries: Vec::new(),
        at: Timestamp(1),
        durability: Durability::Barrier,
    }
}

/// Records an end as the owner of a run would.
async fn end_as_its_owner(store: &Store, id: &str, text: &str) -> Outcome {
    let record = record(store, id).await;
    let outcome = Outcome {
        end: End::Done,
        text: text.to_owned(),
        answered_by: None,
        usage: openclaw_domain::model::Usage::default(),
        iterations: 1,
        tool_calls: 0,
        started_at: Timestamp(0),
        ended_at: Timestamp(1),
    };
    let batch = Batch {
        events: vec![RunEvent::Ended { outcome: Box::new(outcome.clone()) }],
        status: Some(Status::Done),
        outcome: Some(Box::new(outcome.clone())),
        ..batch_of(&record)
    };
    store.append(batch).await.unwrap();
    outcome
}

/// A second engine that read what the first left and waits for a place to take it up.
async fn waiting_to_take_up(store: &Arc<Store>, turns: Vec<Turn>, door: &Latch) -> Rig {
    let mut all = vec![Turn::new().text("busy").hold(door)];
    all.extend(turns);
    let second = engine("boot-2", Some(store), all, 1);
    let other = RunRequest { session: "agent:main:other".parse().unwrap(), ..request("o1", "hi", QueueMode::Followup) };
    second.engine.start(other).await.unwrap();
    second.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;
    second.engine.recover().await.unwrap();
    // What had joined is told right after it was read.
    second.recorder.wait_for(|update| update.run == run("r2") && matches!(update.change, Change::Accepted)).await;
    second
}

#[tokio::test]
async fn input_that_a_run_had_used_has_the_end_its_old_owner_recorded() {
    let (one, two, door) = (Latch::new(), Latch::new(), Latch::new());
    let turns = vec![Turn::new().text("a").hold(&one), Turn::new().text("b").hold(&two)];
    let first = engine("boot-1", None, turns, 9);
    first.start("r1", "begin").await.unwrap();
    first.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;
    first.start("r2", "also this").await.unwrap();
    first.recorder.wait_for(|update| matches!(update.change, Change::Steered { .. })).await;
    one.open();
    soon("the second model call", async || first.model.requests().len() == 2).await;
    first.engine.shutdown().await;

    let second = waiting_to_take_up(&first.store, vec![], &door).await;
    let outcome = end_as_its_owner(&first.store, "r1", "said before it died").await;
    door.open();
    for id in ["r1", "r2"] {
        assert_eq!(second.ended(id).await, outcome, "{id}");
    }
    second.idle().await;
    assert_eq!(record(&first.store, "r2").await.status, Status::Done);
    let told = second.recorder.changes(&run("r2"));
    assert!(told.iter().any(|change| matches!(change, Change::Carried(_))), "{told:?}");
}

#[tokio::test]
async fn input_that_joined_too_late_to_be_used_is_a_turn_of_its_own() {
    let (one, door) = (Latch::new(), Latch::new());
    let first = engine("boot-1", None, vec![Turn::new().text("a").hold(&one)], 9);
    first.start("r1", "begin").await.unwrap();
    first.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;
    first.start("r2", "also this").await.unwrap();
    first.recorder.wait_for(|update| matches!(update.change, Change::Steered { .. })).await;
    first.engine.shutdown().await;

    let second = waiting_to_take_up(&first.store, vec![Turn::say("and this is for you")], &door).await;
    let outcome = end_as_its_owner(&first.store, "r1", "said before it died").await;
    door.open();
    assert_eq!(second.ended("r1").await, outcome);
    assert_eq!(second.ended("r2").await.text, "and this is for you");
    second.idle().await;
    assert_eq!(record(&first.store, "r2").await.status, Status::Done);
}

#[tokio::test]
async fn a_run_whose_claim_is_refused_for_now_is_claimed_again_and_its_session_waits() {
    let first = left_by("boot-1").await;
    let mut setup = Setup::new(ScriptedModel::new([Turn::say("hello"), Turn::say("next")]));
    (setup.owner, setup.store) = ("boot-2", first.store.clone());
    setup.journal = Some(Arc::new(FlawedJournal::new(setup.store.clone()).refusing_claims(1)));
    let second = setup.build();
    second.engine.recover().await.unwrap();
    // The actor waits to read the run again.
    second.clock.wait_for_sleepers(1).await;
    soon("the refusal", async || second.start("r2", "too early").await.is_err()).await;
    second.clock.advance(Duration::from_secs(1)).await;
    assert_eq!(second.ended("r1").await.text, "hello");
    second.start("r3", "now").await.unwrap();
    assert_eq!(second.ended("r3").await.text, "next");
    assert_eq!(record(&first.store, "r1").await.status, Status::Done);
}

#[tokio::test]
async fn a_run_that_moved_on_and_cannot_be_read_again_is_read_later() {
    let first = left_by("boot-1").await;
    let journal = Arc::new(FlawedJournal::new(first.store.clone()));
    let door = Latch::new();
    let turns = [Turn::new().text("busy").hold(&door), Turn::say("hello")];
    let mut setup = Setup::new(ScriptedModel::new(turns));
    (setup.owner, setup.store) = ("boot-2", first.store.clone());
    setup.journal = Some(journal.clone());
    setup.concurrency = Concurrency { runs_max: 1, ..Concurrency::default() };
    let second = setup.build();
    let other = RunRequest { session: "agent:main:other".parse().unwrap(), ..request("o1", "hi", QueueMode::Followup) };
    second.engine.start(other).await.unwrap();
    second.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;
    second.engine.recover().await.unwrap();
    soon("it to be read", async || journal.checkpoints_read() > 0).await;
    // The old owner's last write lands after that.
    let left = record(&first.store, "r1").await;
    let late = Batch {
        events: vec![RunEvent::ModelDelta { text: "hm".to_owned() }],
        status: None,
        outcome: None,
        ..batch_of(&left)
    };
    first.store.append(late).await.unwrap();
    journal.fail_to_read(1);
    door.open();
    soon("the first try", async || journal.checkpoints_read() > 1).await;
    second.clock.wait_for_sleepers(1).await;
    second.clock.advance(Duration::from_secs(1)).await;
    assert_eq!(second.ended("r1").await.text, "hello");
}

/// A run in the middle of its work whose process is gone.
async fn left_by(owner: &'static str) -> Rig {
    let door = Latch::new();
    let first = engine(owner, None, vec![Turn::new().text("hm").hold(&door)], 9);
    first.start("r1", "hi").await.unwrap();
    first.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;
    first.engine.shutdown().await;
    first
}

#[tokio::test]
async fn a_run_is_taken_up_when_asked_once_its_owners_lease_is_over_and_not_before() {
    let first = left_by("boot-1").await;
    let second = engine("boot-2", Some(&first.store), vec![Turn::say("hello")], 9);
    second.engine.take_up_left();
    let left = record(&first.store, "r1").await;
    let fault = second.engine.take_up(&left).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Conflict);
    assert!(fault.message.contains("r1 is worked on by another process (boot-1)"), "{fault}");
    first.store.shift_lease_clock(TTL + Duration::from_secs(1));
    assert_eq!(second.engine.take_up(&left).await.unwrap(), TakeUp::Taken);
    assert_eq!(second.engine.take_up(&left).await.unwrap(), TakeUp::Held, "it is taken up once");
    assert_eq!(second.ended("r1").await.text, "hello");
    let changes = second.recorder.changes(&run("r1"));
    assert!(changes.iter().any(|change| matches!(change, Change::Resumed)), "{changes:?}");
    assert_eq!(second.transcript().await, ["user: hi", "assistant: hello"]);
}

#[tokio::test]
async fn a_run_of_our_own_that_nobody_works_on_is_taken_up_at_once() {
    let first = left_by("boot-1").await;
    let second = engine("boot-1", Some(&first.store), vec![Turn::say("hello")], 9);
    second.engine.take_up_left();
    let left = record(&first.store, "r1").await;
    assert_eq!(second.engine.take_up(&left).await.unwrap(), TakeUp::Taken);
    assert_eq!(second.ended("r1").await.text, "hello");
    assert_eq!(record(&first.store, "r1").await.status, Status::Done);
}

#[tokio::test]
async fn input_that_never_began_begins_when_asked() {
    let door = Latch::new();
    let first = engine("boot-1", None, vec![Turn::new().text("hm").hold(&door)], 9);
    first.start("r1", "hi").await.unwrap();
    first.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;
    first.send("r2", "later", QueueMode::Followup).await;
    first.engine.shutdown().await;
    end_as_its_owner(&first.store, "r1", "over").await;

    let second = engine("boot-2", Some(&first.store), vec![Turn::say("now")], 9);
    second.engine.take_up_left();
    let waiting = record(&first.store, "r2").await;
    assert_eq!(second.engine.take_up(&waiting).await.unwrap(), TakeUp::Taken);
    assert_eq!(second.ended("r2").await.text, "now");
}

#[tokio::test]
async fn a_run_that_waits_for_a_person_waits_here_once_it_is_taken_up() {
    let tool = Arc::new(FakeTool::says("act", "done"));
    let asking = |store: Option<&Arc<Store>>| {
        let mut setup = Setup::new(ScriptedModel::new([Turn::ask("act", &json!({})), Turn::say("ok")])).tool(&tool);
        setup.gate = Arc::new(AskAll);
        if let Some(store) = store {
            setup.store = store.clone();
        }
        setup.build()
    };
    let first = asking(None);
    first.start("r1", "act").await.unwrap();
    soon("the question", async || !first.engine.pending().is_empty()).await;
    first.engine.shutdown().await;

    let second = asking(Some(&first.store));
    second.engine.take_up_left();
    assert_eq!(second.engine.pending(), []);
    let left = record(&first.store, "r1").await;
    assert_eq!(left.status, Status::Waiting);
    assert_eq!(second.engine.take_up(&left).await.unwrap(), TakeUp::Taken);
    soon("the question", async || !second.engine.pending().is_empty()).await;
}
