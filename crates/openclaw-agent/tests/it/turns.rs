//! Plain turns, tools, idempotency, memory of the conversation.

use std::sync::Arc;

use openclaw_domain::Change;
use openclaw_domain::message::ToolStatus;
use openclaw_domain::model::ErrorClass;
use openclaw_domain::ports::Runs;
use openclaw_domain::run::{Abort, End, QueueMode, StartState};
use openclaw_testkit::model::{Turn, error};
use openclaw_testkit::{FakeTool, Latch, ScriptedModel};
use serde_json::json;

use crate::harness::{Setup, request, run, session};

#[tokio::test]
async fn an_answer_is_streamed_recorded_and_remembered() {
    let rig = Setup::new(ScriptedModel::new([Turn::say("hello there"), Turn::say("still here")])).build();
    rig.start("r1", "hi").await.unwrap();
    assert_eq!(rig.ended("r1").await.text, "hello there");
    let deltas: String = rig
        .recorder
        .changes(&run("r1"))
        .iter()
        .filter_map(|change| match change {
            Change::TextDelta(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(deltas, "hello there");
    rig.start("r2", "and now?").await.unwrap();
    rig.ended("r2").await;
    assert_eq!(
        rig.transcript().await,
        ["user: hi", "assistant: hello there", "user: and now?", "assistant: still here"]
    );
    assert_eq!(rig.model.requests()[1].prompt.turns().len(), 3, "the second call sees the first turn");
}

#[tokio::test]
async fn updates_of_a_run_are_numbered_without_gaps_and_end_with_the_end() {
    let rig = Setup::new(ScriptedModel::new([Turn::say("a b c")])).build();
    rig.start("r1", "hi").await.unwrap();
    rig.recorder.ended(&run("r1")).await;
    let updates = rig.recorder.updates();
    let numbers: Vec<u64> = updates.iter().map(|update| update.seq).collect();
    assert_eq!(numbers, (1..=updates.len() as u64).collect::<Vec<_>>());
    assert!(matches!(updates.last().unwrap().change, Change::Ended(_)));
}

#[tokio::test]
async fn parallel_calls_run_side_by_side_and_both_results_reach_the_model() {
    let door = Latch::new();
    let slow = Arc::new(FakeTool::says("slow", "slow result").hold(&door));
    let fast = Arc::new(FakeTool::says("fast", "fast result"));
    let turns = [Turn::new().call("slow", &json!({})).call("fast", &json!({})), Turn::say("done")];
    let rig = Setup::new(ScriptedModel::new(turns)).tool(&slow).tool(&fast).build();
    rig.start("r1", "go").await.unwrap();
    door.reached().await;
    rig.recorder
        .wait_for(|update| matches!(&update.change, Change::ToolEnded { call, .. } if call.name == "fast"))
        .await;
    door.open();
    let outcome = rig.ended("r1").await;
    assert_eq!((outcome.text.as_str(), outcome.tool_calls, outcome.iterations), ("done", 2, 2));
    let turn = rig.assistant_of(1);
    let results: Vec<String> = turn.calls().map(|(_, result)| result.unwrap().text()).collect();
    assert_eq!(results, ["slow result", "fast result"], "results stand in call order");
    assert_eq!(rig.transcript().await[1], "assistant: [slow slow result][fast fast result]");
}

#[tokio::test]
async fn an_unknown_tool_and_bad_arguments_are_told_to_the_model() {
    let tool = Arc::new(FakeTool::says("real", "x"));
    let turns = [Turn::new().call("nope", &json!({})).call_text("real", "{broken"), Turn::say("sorry")];
    let rig = Setup::new(ScriptedModel::new(turns)).tool(&tool).build();
    rig.start("r1", "go").await.unwrap();
    rig.ended("r1").await;
    let turn = rig.assistant_of(1);
    let results: Vec<_> = turn.calls().map(|(_, result)| result.unwrap()).collect();
    assert!(results[0].text().contains("There is no tool \"nope\"") && results[0].text().contains("real"));
    assert!(results[1].text().contains("not a JSON object"));
    assert!(results.iter().all(|result| result.status == ToolStatus::Failed));
    assert!(tool.ran().is_empty());
}

#[tokio::test]
async fn a_panicking_tool_does_not_end_the_run() {
    let tool = Arc::new(FakeTool::new("bad", |_| panic!("boom")));
    let rig =
        Setup::new(ScriptedModel::new([Turn::ask("bad", &json!({})), Turn::say("moving on")])).tool(&tool).build();
    rig.start("r1", "go").await.unwrap();
    assert_eq!(rig.ended("r1").await.text, "moving on");
}

#[tokio::test]
async fn the_same_key_runs_once_and_another_text_under_it_is_refused() {
    let door = Latch::new();
    let rig = Setup::new(ScriptedModel::new([Turn::new().hold(&door).text("one")])).build();
    assert_eq!(rig.start("r1", "hi").await.unwrap().state, StartState::New);
    assert_eq!(rig.start("r1", "hi").await.unwrap().state, StartState::InFlight);
    assert!(rig.start("r1", "something else").await.is_err());
    door.open();
    rig.ended("r1").await;
    assert!(matches!(rig.start("r1", "hi").await.unwrap().state, StartState::Ended(_)));
    assert_eq!(rig.model.requests().len(), 1);
}

#[tokio::test]
async fn a_model_failure_says_what_the_provider_said() {
    let rig =
        Setup::new(ScriptedModel::new([Turn::new().text("par").fail(error(ErrorClass::Truncated, "cut off"))])).build();
    rig.start("r1", "hi").await.unwrap();
    let end = rig.ended("r1").await.end;
    assert_eq!(end, End::ModelFailed { class: ErrorClass::Truncated, message: "cut off".into() });
    assert_eq!(rig.transcript().await, ["user: hi"], "half an answer is no answer");
}

#[tokio::test]
async fn a_stream_that_just_stops_is_an_error() {
    let rig = Setup::new(ScriptedModel::new([Turn::new().text("par").cut()])).build();
    rig.start("r1", "hi").await.unwrap();
    assert!(matches!(rig.ended("r1").await.end, End::ModelFailed { class: ErrorClass::Truncated, .. }));
}

#[tokio::test]
async fn aborting_stops_the_stream_and_the_session_goes_on() {
    let door = Latch::new();
    let rig = Setup::new(ScriptedModel::new([Turn::new().text("par").hold(&door), Turn::say("next")])).build();
    rig.start("r1", "hi").await.unwrap();
    rig.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;
    assert_eq!(rig.engine.active(None)[0].partial_text, "par");
    let abort = Abort { session: Some(session()), run: Some(run("r1")), by: "rpc".into() };
    assert_eq!(rig.engine.abort(abort).await.unwrap(), [run("r1")]);
    assert_eq!(rig.ended("r1").await.end, End::Cancelled { by: "rpc".into() });
    rig.start("r2", "again").await.unwrap();
    assert_eq!(rig.ended("r2").await.text, "next");
}

#[tokio::test]
async fn aborting_nothing_is_no_error() {
    let rig = Setup::new(ScriptedModel::new([])).build();
    let abort = Abort { session: None, run: Some(run("zz")), by: "rpc".into() };
    assert_eq!(rig.engine.abort(abort).await.unwrap(), []);
    assert_eq!(rig.engine.wait(None, &run("zz")).await.unwrap(), None);
}

#[tokio::test]
async fn an_agent_that_is_not_configured_is_named() {
    let rig = Setup::new(ScriptedModel::new([])).build();
    let mut asked = request("r1", "hi", QueueMode::Steer);
    asked.session = "agent:ghost:main".parse().unwrap();
    assert!(rig.engine.start(asked).await.unwrap_err().message.contains("ghost"));
}
