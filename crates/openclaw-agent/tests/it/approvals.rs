//! A person is asked, and the run waits for free.

use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::Change;
use openclaw_domain::approval::Decision;
use openclaw_domain::message::ToolStatus;
use openclaw_domain::ports::{Approvals, Grants, Runs};
use openclaw_domain::run::{Abort, End, Status};
use openclaw_testkit::model::Turn;
use openclaw_testkit::{AskAll, DenyAll, FakeTool, ScriptedModel};
use serde_json::json;

use crate::harness::{Rig, Setup, session};

fn asking(tool: &Arc<FakeTool>) -> Setup {
    let model = ScriptedModel::new([Turn::ask("exec", &json!({"command": "rm x"})), Turn::say("ok")]);
    let mut setup = Setup::new(model).tool(tool);
    setup.gate = Arc::new(AskAll);
    setup
}

async fn asked(rig: &Rig) -> String {
    rig.start("r1", "do it").await.unwrap();
    rig.recorder.wait_for(|update| matches!(update.change, Change::ApprovalRequested(_))).await;
    let pending = rig.engine.pending();
    assert_eq!(pending[0].call.arguments, r#"{"command":"rm x"}"#, "the literal arguments are shown");
    pending[0].id.clone()
}

fn told(rig: &Rig) -> ToolStatus {
    let turn = rig.assistant_of(1);
    turn.calls().next().unwrap().1.unwrap().status
}

#[tokio::test]
async fn nothing_runs_before_the_answer_and_allow_once_runs_it_once() {
    let tool = Arc::new(FakeTool::says("exec", "done"));
    let rig = asking(&tool).build();
    let id = asked(&rig).await;
    assert!(tool.ran().is_empty());
    rig.engine.resolve(&id, Decision::AllowOnce, "owner").await.unwrap();
    rig.ended("r1").await;
    assert_eq!(tool.ran().len(), 1);
    assert!(rig.engine.pending().is_empty());
    assert!(Grants::list(rig.store.as_ref()).await.unwrap().is_empty());
}

#[tokio::test]
async fn allow_always_leaves_a_grant_for_exactly_this_call() {
    let tool = Arc::new(FakeTool::says("exec", "done"));
    let rig = asking(&tool).build();
    let id = asked(&rig).await;
    rig.engine.resolve(&id, Decision::AllowAlways, "owner").await.unwrap();
    rig.ended("r1").await;
    rig.engine.shutdown().await;
    let grants = Grants::list(rig.store.as_ref()).await.unwrap();
    assert_eq!((grants.len(), grants[0].tool.as_str(), grants[0].by.as_str()), (1, "exec", "owner"));
}

#[tokio::test]
async fn a_denied_call_never_runs_and_the_model_is_told() {
    let tool = Arc::new(FakeTool::says("exec", "done"));
    let rig = asking(&tool).build();
    let id = asked(&rig).await;
    rig.engine.resolve(&id, Decision::Deny, "owner").await.unwrap();
    rig.ended("r1").await;
    assert!(tool.ran().is_empty());
    assert_eq!(told(&rig), ToolStatus::Denied);
}

#[tokio::test]
async fn the_first_answer_stands() {
    let tool = Arc::new(FakeTool::says("exec", "done"));
    let rig = asking(&tool).build();
    let id = asked(&rig).await;
    rig.engine.resolve(&id, Decision::Deny, "owner").await.unwrap();
    assert!(rig.engine.resolve(&id, Decision::AllowOnce, "other").await.is_err());
    rig.ended("r1").await;
    assert!(tool.ran().is_empty());
}

#[tokio::test]
async fn an_expired_question_is_not_a_denial() {
    let tool = Arc::new(FakeTool::says("exec", "done"));
    let mut setup = asking(&tool);
    setup.approval_timeout = Some(Duration::from_secs(60));
    let rig = setup.build();
    asked(&rig).await;
    rig.clock.advance(Duration::from_secs(61)).await;
    rig.ended("r1").await;
    assert!(tool.ran().is_empty());
    assert_eq!(told(&rig), ToolStatus::Interrupted);
}

#[tokio::test]
async fn waiting_for_a_person_does_not_count_against_the_clock() {
    let tool = Arc::new(FakeTool::says("exec", "done"));
    let mut setup = asking(&tool);
    setup.limits.duration_max = Duration::from_secs(10);
    let rig = setup.build();
    let id = asked(&rig).await;
    while rig.engine.active(None)[0].status != Status::Waiting {
        tokio::task::yield_now().await;
    }
    rig.clock.advance(Duration::from_secs(3600)).await;
    rig.engine.resolve(&id, Decision::AllowOnce, "owner").await.unwrap();
    assert_eq!(rig.ended("r1").await.end, End::Done);
}

#[tokio::test]
async fn a_gate_that_denies_is_obeyed() {
    let tool = Arc::new(FakeTool::says("exec", "done"));
    let mut setup = asking(&tool);
    setup.gate = Arc::new(DenyAll);
    let rig = setup.build();
    rig.start("r1", "do it").await.unwrap();
    rig.ended("r1").await;
    assert!(tool.ran().is_empty());
}

#[tokio::test]
async fn aborting_a_parked_run_withdraws_the_question() {
    let tool = Arc::new(FakeTool::says("exec", "done"));
    let rig = asking(&tool).build();
    asked(&rig).await;
    rig.engine.abort(Abort { session: Some(session()), run: None, by: "rpc".into() }).await.unwrap();
    assert!(matches!(rig.ended("r1").await.end, End::Cancelled { .. }));
    assert!(rig.engine.pending().is_empty());
}
