//! Input that arrives while the session works.

use std::sync::Arc;

use openclaw_domain::ports::Runs;
use openclaw_domain::run::{End, QueueMode};
use openclaw_domain::{Change, Turn as Said};
use openclaw_testkit::model::Turn;
use openclaw_testkit::{FakeTool, Latch, ScriptedModel};
use serde_json::json;

use crate::harness::{Setup, request, run};

#[tokio::test]
async fn followups_run_afterwards_one_at_a_time() {
    let door = Latch::new();
    let rig =
        Setup::new(ScriptedModel::new([Turn::new().hold(&door).text("one"), Turn::say("two"), Turn::say("three")]))
            .build();
    rig.send("r1", "a", QueueMode::Followup).await;
    rig.send("r2", "b", QueueMode::Followup).await;
    rig.send("r3", "c", QueueMode::Followup).await;
    assert_eq!(rig.model.requests().len(), 1, "two turns of a session never run at once");
    door.open();
    rig.ended("r3").await;
    assert_eq!(
        rig.transcript().await,
        ["user: a", "assistant: one", "user: b", "assistant: two", "user: c", "assistant: three"]
    );
}

#[tokio::test]
async fn steered_input_reaches_the_model_at_the_next_tool_boundary() {
    let door = Latch::new();
    let tool = Arc::new(FakeTool::says("look", "seen").hold(&door));
    let rig =
        Setup::new(ScriptedModel::new([Turn::ask("look", &json!({})), Turn::say("both done")])).tool(&tool).build();
    rig.send("r1", "look", QueueMode::Steer).await;
    door.reached().await;
    rig.send("r2", "and be brief", QueueMode::Steer).await;
    rig.recorder.wait_for(|update| matches!(update.change, Change::Steered { .. })).await;
    door.open();
    assert_eq!(rig.ended("r1").await.text, "both done");
    assert_eq!(rig.ended("r2").await.text, "both done", "whoever waits for the steered input gets the answer");
    let carried = rig.recorder.wait_for(|update| matches!(update.change, Change::Carried(_))).await;
    assert_eq!(carried.run, run("r2"), "and whoever follows it hears that it ended");
    let turns = rig.model.requests()[1].prompt.turns().to_vec();
    assert!(matches!(turns.last(), Some(Said::User(turn)) if turn.text() == "and be brief"));
}

#[tokio::test]
async fn collected_inputs_become_one_turn() {
    let door = Latch::new();
    let rig = Setup::new(ScriptedModel::new([Turn::new().hold(&door).text("one"), Turn::say("two")])).build();
    rig.send("r1", "a", QueueMode::Collect).await;
    rig.send("r2", "b", QueueMode::Collect).await;
    rig.send("r3", "c", QueueMode::Collect).await;
    door.open();
    assert_eq!(rig.ended("r2").await.text, "two");
    assert_eq!(rig.ended("r3").await.text, "two");
    assert_eq!(rig.transcript().await, ["user: a", "assistant: one", "user: b", "user: c", "assistant: two"]);
}

#[tokio::test]
async fn an_interrupt_stops_the_turn_and_goes_first() {
    let door = Latch::new();
    let rig =
        Setup::new(ScriptedModel::new([Turn::new().text("x").hold(&door), Turn::say("urgent"), Turn::say("later")]))
            .build();
    rig.send("r1", "a", QueueMode::Steer).await;
    rig.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;
    rig.send("r2", "later", QueueMode::Followup).await;
    rig.send("r3", "now", QueueMode::Interrupt).await;
    assert_eq!(rig.ended("r1").await.end, End::Cancelled { by: "interrupt".into() });
    assert_eq!(rig.ended("r3").await.text, "urgent");
    assert_eq!(rig.ended("r2").await.text, "later");
}

#[tokio::test]
async fn a_full_queue_refuses_and_loses_nothing() {
    let door = Latch::new();
    let rig = Setup::new(ScriptedModel::answering({
        let door = door.clone();
        move |_| Turn::new().hold(&door).text("ok")
    }))
    .build();
    rig.send("r0", "first", QueueMode::Followup).await;
    for n in 1..=64 {
        rig.send(&format!("r{n}"), "more", QueueMode::Followup).await;
    }
    let refused = rig.engine.start(request("r65", "more", QueueMode::Followup)).await;
    assert!(refused.unwrap_err().message.contains("64 inputs waiting"));
    door.open();
    assert_eq!(rig.ended("r64").await.text, "ok");
    assert_eq!(rig.engine.wait(None, &run("r65")).await.unwrap(), None);
}
