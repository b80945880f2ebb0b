//! Positions in a run's stream: what was shown up to an event is in the journal with it.

use openclaw_domain::model::ErrorClass;
use openclaw_domain::ports::{Journal as _, Runs};
use openclaw_domain::run::{Abort, QueueMode};
use openclaw_domain::{Change, RunEvent, Seq};
use openclaw_testkit::model::{Turn, error};
use openclaw_testkit::{Latch, ScriptedModel};

use crate::harness::{Rig, Setup, request, run, session};

/// Returns the names of a run's events from the first text on.
async fn from_the_text_on(rig: &Rig, id: &str) -> Vec<String> {
    let events = rig.store.events(&session(), &run(id), Seq(0), 1000).await.unwrap();
    let named = events.iter().map(|recorded| match &recorded.event {
        RunEvent::ModelDelta { text } => format!("model_delta {text}"),
        event => event.name().to_owned(),
    });
    named.skip_while(|name| !name.starts_with("model_delta")).collect()
}

#[tokio::test]
async fn text_that_was_shown_is_recorded_before_the_stop_that_cuts_it_off() {
    let door = Latch::new();
    let rig = Setup::new(ScriptedModel::new([Turn::new().text("par").hold(&door)])).build();
    rig.start("r1", "hi").await.unwrap();
    rig.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;
    let abort = Abort { session: Some(session()), run: Some(run("r1")), by: "rpc".into() };
    rig.engine.abort(abort).await.unwrap();
    rig.ended("r1").await;
    assert_eq!(from_the_text_on(&rig, "r1").await, ["model_delta par", "cancel_requested", "ended"]);
}

#[tokio::test]
async fn text_that_was_shown_is_recorded_before_input_that_joins() {
    let door = Latch::new();
    let script = [Turn::new().text("par").hold(&door).text("tial"), Turn::say("more")];
    let rig = Setup::new(ScriptedModel::new(script)).build();
    rig.start("r1", "hi").await.unwrap();
    rig.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;
    rig.engine.start(request("r2", "and?", QueueMode::Steer)).await.unwrap();
    rig.recorder.wait_for(|update| matches!(update.change, Change::Steered { .. })).await;
    door.open();
    rig.ended("r1").await;
    assert_eq!(from_the_text_on(&rig, "r1").await[..2], ["model_delta par", "steered"]);
}

#[tokio::test]
async fn text_that_was_shown_is_recorded_before_the_failure_that_ends_it() {
    let failing = Turn::new().text("par").fail(error(ErrorClass::Truncated, "cut off"));
    let rig = Setup::new(ScriptedModel::new([failing])).build();
    rig.start("r1", "hi").await.unwrap();
    rig.ended("r1").await;
    assert_eq!(from_the_text_on(&rig, "r1").await, ["model_delta par", "model_failed", "ended"]);
}
