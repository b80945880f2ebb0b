//! The effect ledger: what may have happened is not done again.

use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::catalog::UnknownOutcome;
use openclaw_domain::message::ToolStatus;
use openclaw_domain::ports::{Journal, Questions, Runs};
use openclaw_domain::run::{Abort, Status};
use openclaw_domain::tool::{Effect, Probed, ToolOutput};
use openclaw_domain::{Answer, Change, Origin, Question, RunEvent, Seq};
use openclaw_testkit::memory::Store;
use openclaw_testkit::model::Turn;
use openclaw_testkit::{FakeTool, FlawedJournal, Latch, ScriptedModel};
use serde_json::json;

use crate::harness::{Rig, Setup, run, session};

fn pay() -> Turn {
    Turn::ask("pay", &json!({ "to": "x" }))
}

fn tool(text: &str) -> FakeTool {
    FakeTool::says("pay", text).effect(Effect::Once)
}

/// A process that stopped after it dispatched a call of `effect`.
async fn stopped(effect: Effect) -> Rig {
    let held = Arc::new(FakeTool::says("pay", "never").effect(effect).hold(&Latch::new()));
    let rig = Setup::new(ScriptedModel::new([pay()])).tool(&held).build();
    rig.start("r1", "pay x").await.unwrap();
    rig.recorder.wait_for(|update| matches!(update.change, Change::ToolStarted(_))).await;
    rig.engine.shutdown().await;
    rig
}

fn next(
    store: &Arc<Store>,
    policy: UnknownOutcome,
    tool: &Arc<FakeTool>,
    turns: impl IntoIterator<Item = Turn>,
) -> Rig {
    let mut setup = Setup::new(ScriptedModel::new(turns)).tool(tool);
    (setup.store, setup.owner, setup.unknown_outcome) = (store.clone(), "boot-2", policy);
    setup.build()
}

async fn asked(rig: &Rig) -> Question {
    let update = rig.recorder.wait_for(|update| matches!(update.change, Change::QuestionAsked(_))).await;
    let Change::QuestionAsked(question) = update.change else { unreachable!() };
    *question
}

async fn result_of(rig: &Rig, id: &str) -> (ToolStatus, String) {
    let events = rig.store.events(&session(), &run(id), Seq(0), 1000).await.unwrap();
    let ended = events.into_iter().rev().find_map(|recorded| match recorded.event {
        RunEvent::ToolEnded { result, .. } => Some(*result),
        _ => None,
    });
    let result = ended.unwrap();
    (result.status, result.text())
}

#[tokio::test]
async fn an_unknown_outcome_waits_in_attention_for_a_person() {
    for (answer, runs, status) in [
        (Answer::Happened, 0, ToolStatus::Ok),
        (Answer::NotHappened, 1, ToolStatus::Ok),
        (Answer::Unknown, 0, ToolStatus::Unknown),
    ] {
        let first = stopped(Effect::Once).await;
        let again = Arc::new(tool("paid"));
        let rig = next(&first.store, UnknownOutcome::Ask, &again, [Turn::say("done")]);
        rig.engine.recover().await.unwrap();
        let question = asked(&rig).await;
        assert_eq!((question.call.name.as_str(), question.run.as_str()), ("pay", "r1"));
        assert_eq!(rig.engine.open(), std::slice::from_ref(&question));
        assert_eq!(rig.store.runs(Some(&session()), true, 10).await.unwrap()[0].status, Status::Attention);
        rig.engine.answer(&question.id, answer, "owner").await.unwrap();
        assert_eq!(rig.ended("r1").await.text, "done");
        assert_eq!(again.ran().len(), runs, "{answer:?}");
        assert_eq!(result_of(&rig, "r1").await.0, status, "{answer:?}");
        assert!(rig.engine.answer(&question.id, answer, "owner").await.is_err(), "the first answer stands");
        assert_eq!(rig.engine.unsettled().await.unwrap().is_empty(), answer != Answer::Unknown);
    }
}

#[tokio::test]
async fn a_question_about_an_outcome_survives_a_restart() {
    let first = stopped(Effect::Once).await;
    let again = Arc::new(tool("paid"));
    let rig = next(&first.store, UnknownOutcome::Ask, &again, []);
    rig.engine.recover().await.unwrap();
    let question = asked(&rig).await;
    rig.engine.shutdown().await;
    let rig = next(&first.store, UnknownOutcome::Ask, &again, [Turn::say("done")]);
    rig.engine.recover().await.unwrap();
    rig.recorder.wait_for(|update| update.change == Change::Accepted).await;
    assert_eq!(rig.engine.open(), std::slice::from_ref(&question));
    rig.engine.answer(&question.id, Answer::Happened, "owner").await.unwrap();
    rig.ended("r1").await;
    assert_eq!(again.ran().len(), 0);
}

#[tokio::test]
async fn a_call_planned_anew_does_not_repeat_what_may_have_happened() {
    let first = stopped(Effect::Once).await;
    let again = Arc::new(tool("paid"));
    let turns = [pay(), Turn::say("blocked"), pay(), Turn::say("still"), pay(), Turn::say("free")];
    let rig = next(&first.store, UnknownOutcome::Tell, &again, turns);
    rig.engine.recover().await.unwrap();
    assert_eq!(rig.ended("r1").await.text, "blocked");
    let (status, text) = result_of(&rig, "r1").await;
    assert_eq!(status, ToolStatus::Failed);
    assert!(text.contains("outcome is not known") && text.contains("openclaw runs settle r1"), "{text}");
    rig.start("r2", "try again").await.unwrap();
    assert_eq!(rig.ended("r2").await.text, "still");
    assert_eq!(again.ran().len(), 0, "neither in the run nor in a later one");
    let open = rig.engine.unsettled().await.unwrap();
    assert_eq!((open.len(), open[0].run.as_str()), (1, "r1"));
    assert!(rig.engine.settle(&open[0], Answer::NotHappened).await.unwrap());
    assert!(!rig.engine.settle(&open[0], Answer::NotHappened).await.unwrap(), "it is known by now");
    rig.start("r3", "now").await.unwrap();
    assert_eq!(rig.ended("r3").await.text, "free");
    assert_eq!(again.ran().len(), 1);
}

#[tokio::test]
async fn a_tool_that_can_tell_is_asked_before_a_person_is() {
    let output = ToolOutput::text("receipt 7", Origin::Tool { tool: "pay".into() });
    for (probed, runs, text) in [(Probed::Happened(output), 0, "receipt 7"), (Probed::NotHappened, 1, "paid")] {
        let first = stopped(Effect::Once).await;
        let again = Arc::new(tool("paid").probed(probed));
        let rig = next(&first.store, UnknownOutcome::Ask, &again, [Turn::say("done")]);
        rig.engine.recover().await.unwrap();
        rig.ended("r1").await;
        assert_eq!(again.ran().len(), runs);
        assert_eq!(result_of(&rig, "r1").await, (ToolStatus::Ok, text.to_owned()));
    }
}

#[tokio::test]
async fn a_key_that_may_be_forgotten_is_not_relied_on() {
    for (passed, runs) in [(Duration::from_secs(59), 1), (Duration::from_secs(60), 0)] {
        let first = stopped(Effect::Keyed).await;
        let again = Arc::new(FakeTool::says("pay", "paid").effect(Effect::Keyed).keys_kept(Duration::from_secs(60)));
        let rig = next(&first.store, UnknownOutcome::Tell, &again, [Turn::say("done")]);
        rig.clock.advance(passed).await;
        rig.engine.recover().await.unwrap();
        rig.ended("r1").await;
        assert_eq!(again.ran().len(), runs, "after {passed:?}");
    }
}

#[tokio::test]
async fn of_two_equal_calls_at_once_one_is_run() {
    let paid = Arc::new(tool("paid"));
    let both = Turn::new().call("pay", &json!({ "to": "x", "sum": 1 })).call("pay", &json!({ "sum": 1, "to": "x" }));
    let rig = Setup::new(ScriptedModel::new([both, Turn::say("done")])).tool(&paid).build();
    rig.start("r1", "pay").await.unwrap();
    rig.ended("r1").await;
    assert_eq!(paid.ran().len(), 1);
}

#[tokio::test]
async fn the_same_action_may_be_done_again_once_its_outcome_is_known() {
    let paid = Arc::new(tool("paid"));
    let rig = Setup::new(ScriptedModel::new([pay(), pay(), Turn::say("done")])).tool(&paid).build();
    rig.start("r1", "pay twice").await.unwrap();
    rig.ended("r1").await;
    assert_eq!(paid.ran().len(), 2);
}

#[tokio::test]
async fn whoever_stops_a_run_frees_what_it_was_doing() {
    let latch = Latch::new();
    let held = Arc::new(tool("paid").hold(&latch));
    let rig = Setup::new(ScriptedModel::new([pay(), pay(), Turn::say("done")])).tool(&held).build();
    rig.start("r1", "pay").await.unwrap();
    rig.recorder.wait_for(|update| matches!(update.change, Change::ToolStarted(_))).await;
    rig.engine.abort(Abort { session: Some(session()), run: None, by: "owner".into() }).await.unwrap();
    rig.ended("r1").await;
    assert_eq!(rig.engine.unsettled().await.unwrap(), []);
    latch.open();
    rig.start("r2", "pay after all").await.unwrap();
    assert_eq!(rig.ended("r2").await.text, "done");
    assert_eq!(held.ran().len(), 2);
}

#[tokio::test]
async fn a_run_syncs_twice_and_once_for_each_call_that_acts() {
    for (effect, calls, synced) in
        [(Effect::Pure, 3, 1), (Effect::Idempotent, 2, 3), (Effect::Keyed, 2, 3), (Effect::Once, 3, 4)]
    {
        let acts = Arc::new(FakeTool::says("act", "ok").effect(effect));
        let mut turns: Vec<Turn> = (0..calls).map(|n| Turn::ask("act", &json!({ "n": n }))).collect();
        turns.push(Turn::say("done"));
        let mut setup = Setup::new(ScriptedModel::new(turns)).tool(&acts);
        let journal = Arc::new(FlawedJournal::new(setup.store.clone()));
        setup.journal = Some(journal.clone());
        let rig = setup.build();
        rig.start("r1", "go").await.unwrap();
        rig.ended("r1").await;
        // The admission is the other one: it is always synced.
        assert_eq!(journal.syncs(), synced, "{effect:?}");
    }
}
