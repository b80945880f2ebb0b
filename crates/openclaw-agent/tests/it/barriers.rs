//! What somebody was told or asked is on the disk before they hear it.

use std::sync::Arc;

use openclaw_domain::approval::Decision;
use openclaw_domain::ports::{Approvals, Questions};
use openclaw_domain::run::QueueMode;
use openclaw_domain::tool::Effect;
use openclaw_domain::{Answer, Change};
use openclaw_testkit::model::Turn;
use openclaw_testkit::{AskAll, FakeTool, FlawedJournal, Latch, ScriptedModel};
use serde_json::json;

use crate::harness::{Rig, Setup};

/// Builds with a journal that notes what was synced.
fn noted(mut setup: Setup) -> (Rig, Arc<FlawedJournal>) {
    let journal = Arc::new(FlawedJournal::new(setup.store.clone()));
    setup.journal = Some(journal.clone());
    (setup.build(), journal)
}

fn pay() -> Turn {
    Turn::ask("pay", &json!({ "to": "x" }))
}

#[tokio::test]
async fn an_approval_is_synced_when_it_is_asked_for_and_when_it_is_given() {
    let tool = Arc::new(FakeTool::says("pay", "paid"));
    let mut setup = Setup::new(ScriptedModel::new([pay(), Turn::say("ok")])).tool(&tool);
    setup.gate = Arc::new(AskAll);
    let (rig, journal) = noted(setup);
    rig.start("r1", "pay").await.unwrap();
    rig.recorder.wait_for(|update| matches!(update.change, Change::ApprovalRequested(_))).await;
    assert_eq!(journal.synced().last(), Some(&"approval_requested"));
    rig.engine.resolve(&rig.engine.pending()[0].id, Decision::AllowOnce, "owner").await.unwrap();
    rig.ended("r1").await;
    assert!(journal.synced().contains(&"approval_resolved"), "{:?}", journal.synced());
}

#[tokio::test]
async fn a_question_about_an_outcome_is_synced_and_so_is_its_answer() {
    let held = Arc::new(FakeTool::says("pay", "never").effect(Effect::Once).hold(&Latch::new()));
    let first = Setup::new(ScriptedModel::new([pay()])).tool(&held).build();
    first.start("r1", "pay").await.unwrap();
    first.recorder.wait_for(|update| matches!(update.change, Change::ToolStarted(_))).await;
    first.engine.shutdown().await;
    let tool = Arc::new(FakeTool::says("pay", "paid").effect(Effect::Once));
    let mut setup = Setup::new(ScriptedModel::new([Turn::say("ok")])).tool(&tool);
    (setup.store, setup.owner) = (first.store.clone(), "boot-2");
    let (rig, journal) = noted(setup);
    rig.engine.recover().await.unwrap();
    rig.recorder.wait_for(|update| matches!(update.change, Change::QuestionAsked(_))).await;
    assert_eq!(journal.synced().last(), Some(&"tool_unsure"));
    rig.engine.answer(&rig.engine.open()[0].id, Answer::Happened, "owner").await.unwrap();
    rig.ended("r1").await;
    assert!(journal.synced().contains(&"tool_settled"), "{:?}", journal.synced());
}

#[tokio::test]
async fn input_that_joins_a_run_is_synced_with_it() {
    let door = Latch::new();
    let tool = Arc::new(FakeTool::says("look", "seen").hold(&door));
    let model = ScriptedModel::new([Turn::ask("look", &json!({})), Turn::say("done")]);
    let (rig, journal) = noted(Setup::new(model).tool(&tool));
    rig.send("r1", "look", QueueMode::Steer).await;
    door.reached().await;
    rig.send("r2", "be brief", QueueMode::Steer).await;
    rig.recorder.wait_for(|update| matches!(update.change, Change::Steered { .. })).await;
    assert_eq!(journal.synced().last(), Some(&"steered"));
    door.open();
    rig.ended("r1").await;
}
