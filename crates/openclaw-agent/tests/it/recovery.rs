//! A process that stops in the middle, and the next one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::approval::Decision;
use openclaw_domain::ports::{Approvals, Journal, Runs};
use openclaw_domain::run::{End, QueueMode};
use openclaw_domain::tool::Effect;
use openclaw_domain::{Change, Epoch, RunEvent, RunRequest, Seq};
use openclaw_testkit::memory::Store;
use openclaw_testkit::model::Turn;
use openclaw_testkit::{AskAll, FakeTool, FlawedJournal, Latch, ScriptedModel};
use serde_json::json;

use crate::harness::{Rig, Setup, request, run, session};

fn second(store: &Arc<Store>, turns: impl IntoIterator<Item = Turn>, tool: &Arc<FakeTool>) -> Setup {
    let mut setup = Setup::new(ScriptedModel::new(turns)).tool(tool);
    setup.store = store.clone();
    setup.owner = "boot-2";
    setup
}

async fn stopped_in_tool(effect: Effect) -> Rig {
    let tool = Arc::new(FakeTool::says("act", "never").effect(effect).hold(&Latch::new()));
    let rig = Setup::new(ScriptedModel::new([Turn::ask("act", &json!({}))])).tool(&tool).build();
    rig.start("r1", "act").await.unwrap();
    rig.recorder.wait_for(|update| matches!(update.change, Change::ToolStarted(_))).await;
    rig.engine.shutdown().await;
    rig
}

#[tokio::test]
async fn an_interrupted_model_call_is_made_again() {
    let first = Setup::new(ScriptedModel::new([Turn::new().text("ha").hold(&Latch::new())])).build();
    first.start("r1", "hi").await.unwrap();
    first.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;
    first.engine.shutdown().await;
    let idle = Arc::new(FakeTool::says("x", "x"));
    let rig = second(&first.store, [Turn::say("hello")], &idle).build();
    assert_eq!(rig.engine.recover().await.unwrap(), 1);
    assert_eq!(rig.ended("r1").await.text, "hello");
    assert_eq!(rig.transcript().await, ["user: hi", "assistant: hello"]);
}

#[tokio::test]
async fn a_tool_that_may_be_repeated_is_run_again_with_its_key() {
    for effect in [Effect::Pure, Effect::Idempotent, Effect::Keyed] {
        let first = stopped_in_tool(effect).await;
        let tool = Arc::new(FakeTool::says("act", "again").effect(effect));
        let rig = second(&first.store, [Turn::say("done")], &tool).build();
        rig.engine.recover().await.unwrap();
        assert_eq!(rig.ended("r1").await.text, "done");
        assert_eq!(tool.ran().len(), 1, "{effect:?}");
        assert!(rig.transcript().await[1].contains("again"), "the transcript has the result");
        assert_eq!(started_keys(&rig).await.len(), 1, "both dispatches carry one key");
    }
}

async fn started_keys(rig: &Rig) -> BTreeSet<String> {
    let events = rig.store.events(&session(), &run("r1"), Seq(0), 1000).await.unwrap();
    let keys = events.into_iter().filter_map(|recorded| match recorded.event {
        RunEvent::ToolStarted { idempotency_key, .. } => Some(idempotency_key),
        _ => None,
    });
    keys.collect()
}

#[tokio::test]
async fn what_was_shown_of_an_interrupted_answer_is_taken_back_and_resumed_is_told_after_it() {
    let first = Setup::new(ScriptedModel::new([Turn::new().text("ha").hold(&Latch::new())])).build();
    first.start("r1", "hi").await.unwrap();
    first.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;
    first.engine.shutdown().await;
    let idle = Arc::new(FakeTool::says("x", "x"));
    let rig = second(&first.store, [Turn::say("hello")], &idle).build();
    rig.engine.recover().await.unwrap();
    rig.ended("r1").await;
    let changes = rig.recorder.changes(&run("r1"));
    let place = |wanted: &Change| changes.iter().position(|change| change == wanted).unwrap();
    assert!(place(&Change::Resumed) < place(&Change::TextReplaced(String::new())));
    assert!(place(&Change::TextReplaced(String::new())) < place(&Change::TextDelta("hello".into())));
    let events = rig.store.events(&session(), &run("r1"), Seq(0), 1000).await.unwrap();
    let resumed = rig.recorder.wait_for(|update| update.change == Change::Resumed).await;
    let told_at = events.iter().find(|recorded| recorded.seq == resumed.cursor.seq).unwrap();
    assert_eq!((told_at.epoch, told_at.event.name()), (Epoch(2), "model_started"), "a new event stands behind it");
}

#[tokio::test]
async fn input_that_waited_is_not_lost() {
    let first = Setup::new(ScriptedModel::new([Turn::new().text("x").hold(&Latch::new())])).build();
    first.send("r1", "a", QueueMode::Followup).await;
    first.send("r2", "b", QueueMode::Followup).await;
    first.engine.shutdown().await;
    let idle = Arc::new(FakeTool::says("x", "x"));
    let rig = second(&first.store, [Turn::say("one"), Turn::say("two")], &idle).build();
    assert_eq!(rig.engine.recover().await.unwrap(), 2);
    rig.ended("r1").await;
    assert_eq!(rig.ended("r2").await.text, "two");
    assert_eq!(rig.transcript().await, ["user: a", "assistant: one", "user: b", "assistant: two"]);
}

#[tokio::test]
async fn inputs_of_one_instant_wait_in_the_order_in_which_they_came() {
    let first = Setup::new(ScriptedModel::new([Turn::new().text("x").hold(&Latch::new())])).build();
    for (id, text) in [("r1", "a"), ("r2", "b"), ("r3", "c")] {
        first.send(id, text, QueueMode::Followup).await;
    }
    first.engine.shutdown().await;
    let idle = Arc::new(FakeTool::says("x", "x"));
    let rig = second(&first.store, ["one", "two", "three"].map(Turn::say), &idle).build();
    rig.engine.recover().await.unwrap();
    rig.ended("r3").await;
    let said: Vec<String> = rig.transcript().await.into_iter().filter(|line| line.starts_with("user")).collect();
    assert_eq!(said, ["user: a", "user: b", "user: c"]);
}

#[tokio::test]
async fn steered_input_is_answered_once_across_a_restart() {
    let tool = Arc::new(FakeTool::says("act", "never").hold(&Latch::new()));
    let first = Setup::new(ScriptedModel::new([Turn::ask("act", &json!({}))])).tool(&tool).build();
    first.send("r1", "act", QueueMode::Steer).await;
    first.recorder.wait_for(|update| matches!(update.change, Change::ToolStarted(_))).await;
    first.send("r2", "also this", QueueMode::Steer).await;
    first.recorder.wait_for(|update| matches!(update.change, Change::Steered { .. })).await;
    first.engine.shutdown().await;
    let again = Arc::new(FakeTool::says("act", "again"));
    let rig = second(&first.store, [Turn::say("both")], &again).build();
    rig.engine.recover().await.unwrap();
    assert_eq!(rig.ended("r1").await.text, "both");
    assert_eq!(rig.ended("r2").await.text, "both");
    assert_eq!(rig.transcript().await.iter().filter(|line| line.contains("also this")).count(), 1);
}

#[tokio::test]
async fn a_question_survives_a_restart() {
    let tool = Arc::new(FakeTool::says("act", "done"));
    let mut setup = Setup::new(ScriptedModel::new([Turn::ask("act", &json!({}))])).tool(&tool);
    setup.gate = Arc::new(AskAll);
    let first = setup.build();
    first.start("r1", "act").await.unwrap();
    first.recorder.wait_for(|update| matches!(update.change, Change::ApprovalRequested(_))).await;
    let asked = first.engine.pending()[0].clone();
    first.engine.shutdown().await;
    let mut setup = second(&first.store, [Turn::say("ok")], &tool);
    setup.gate = Arc::new(AskAll);
    let rig = setup.build();
    rig.engine.recover().await.unwrap();
    while rig.engine.pending().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.engine.pending(), std::slice::from_ref(&asked));
    rig.engine.resolve(&asked.id, Decision::AllowOnce, "owner").await.unwrap();
    assert_eq!(rig.ended("r1").await.end, End::Done);
    assert_eq!(tool.ran().len(), 1);
}

#[tokio::test]
async fn nothing_is_taken_up_twice() {
    let first = Setup::new(ScriptedModel::new([Turn::say("done")])).build();
    first.start("r1", "hi").await.unwrap();
    first.ended("r1").await;
    first.engine.shutdown().await;
    let idle = Arc::new(FakeTool::says("x", "x"));
    let rig = second(&first.store, [], &idle).build();
    assert_eq!(rig.engine.recover().await.unwrap(), 0);
}

#[tokio::test]
async fn however_much_was_left_is_known_at_once_and_goes_on() {
    let count = 40;
    let key = |n: usize| format!("agent:main:s{n}").parse().unwrap();
    let first = Setup::new(ScriptedModel::new((0..count).map(|_| Turn::new().text("x").hold(&Latch::new())))).build();
    for n in 0..count {
        let request = RunRequest { session: key(n), ..request(&format!("r{n}"), "hi", QueueMode::Steer) };
        first.engine.start(request).await.unwrap();
    }
    first.engine.shutdown().await;
    let idle = Arc::new(FakeTool::says("x", "x"));
    let rig = second(&first.store, (0..count).map(|_| Turn::say("hello")), &idle).build();
    assert_eq!(rig.engine.recover().await.unwrap(), count);
    assert_eq!(rig.engine.active(None).len(), count, "whoever asks right after the start finds them");
    for n in 0..count {
        assert_eq!(rig.ended(&format!("r{n}")).await.text, "hello");
    }
}

#[tokio::test]
async fn a_session_whose_run_cannot_be_read_refuses_input_and_reads_it_again() {
    let first = Setup::new(ScriptedModel::new([Turn::new().text("x").hold(&Latch::new())])).build();
    first.start("r1", "a").await.unwrap();
    first.engine.shutdown().await;
    let idle = Arc::new(FakeTool::says("x", "x"));
    let mut setup = second(&first.store, [Turn::say("one"), Turn::say("two")], &idle);
    setup.journal = Some(Arc::new(FlawedJournal::new(first.store.clone()).failing_to_read(1)));
    let rig = setup.build();
    assert_eq!(rig.engine.recover().await.unwrap(), 1);
    let refused = rig.start("r2", "b").await.unwrap_err();
    assert!(refused.to_string().contains("run r1 of session agent:main:main could not be read yet"), "{refused}");
    rig.clock.advance(Duration::from_secs(1)).await;
    assert_eq!(rig.ended("r1").await.text, "one");
    rig.start("r3", "b").await.unwrap();
    assert_eq!(rig.ended("r3").await.text, "two");
}
