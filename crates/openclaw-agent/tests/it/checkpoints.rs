//! Kept states: when they are made, what recovery makes of them, and that
//! nothing depends on them.

use std::sync::Arc;

use bytes::Bytes;
use openclaw_domain::Change;
use openclaw_domain::approval::Decision;
use openclaw_domain::ports::{Approvals, Checkpoint, Journal, Upkeep};
use openclaw_domain::run::End;
use openclaw_testkit::model::Turn;
use openclaw_testkit::observer::PATIENCE;
use openclaw_testkit::{AskAll, FakeTool, Latch, ScriptedModel};
use serde_json::json;

use crate::harness::{Rig, SNAPSHOT_INTERVAL, Setup, run, session};

async fn checkpoint(rig: &Rig) -> Option<Checkpoint> {
    rig.store.checkpoint(&session(), &run("r1")).await.unwrap()
}

/// A run that waits for a person, kept after its interval.
async fn parked() -> (Rig, Arc<FakeTool>) {
    let tool = Arc::new(FakeTool::says("act", "done"));
    let mut setup = Setup::new(ScriptedModel::new([Turn::ask("act", &json!({"what": "this"}))])).tool(&tool);
    setup.gate = Arc::new(AskAll);
    let rig = setup.build();
    rig.start("r1", "act on it").await.unwrap();
    rig.recorder.wait_for(|update| matches!(update.change, Change::ApprovalRequested(_))).await;
    rig.clock.advance(SNAPSHOT_INTERVAL).await;
    (rig, tool)
}

async fn wait_until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what} did not happen"));
}

#[tokio::test]
async fn a_run_that_waits_is_kept_once_when_its_interval_has_passed() {
    let (rig, _tool) = parked().await;
    wait_until("a checkpoint", async || checkpoint(&rig).await.is_some()).await;
    let first = checkpoint(&rig).await.unwrap();
    rig.clock.advance(SNAPSHOT_INTERVAL * 3).await;
    assert_eq!(checkpoint(&rig).await.unwrap(), first, "nothing happened, so nothing new is kept");
    rig.engine.shutdown().await;
}

#[tokio::test]
async fn nothing_is_kept_before_the_interval_or_while_a_tool_works() {
    let door = Latch::new();
    let tool = Arc::new(FakeTool::says("act", "done").hold(&door));
    let model = ScriptedModel::new([Turn::ask("act", &json!({})), Turn::say("done")]);
    let rig = Setup::new(model).tool(&tool).build();
    rig.start("r1", "act").await.unwrap();
    rig.recorder.wait_for(|update| matches!(update.change, Change::ToolStarted(_))).await;
    rig.clock.advance(SNAPSHOT_INTERVAL * 3).await;
    assert_eq!(checkpoint(&rig).await, None);
    door.open();
    assert_eq!(rig.ended("r1").await.end, End::Done);
}

#[tokio::test]
async fn a_long_run_is_kept_between_its_steps() {
    let (door, second) = (Latch::new(), Latch::new());
    let tool = Arc::new(FakeTool::says("act", "done").hold(&door));
    let model = ScriptedModel::new([Turn::ask("act", &json!({})), Turn::new().text("x").hold(&second)]);
    let rig = Setup::new(model).tool(&tool).build();
    rig.start("r1", "act").await.unwrap();
    rig.recorder.wait_for(|update| matches!(update.change, Change::ToolStarted(_))).await;
    rig.clock.advance(SNAPSHOT_INTERVAL * 2).await;
    door.open();
    rig.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;
    assert!(checkpoint(&rig).await.is_some(), "the step after the tool is a quiescent point");
    rig.engine.shutdown().await;
}

/// Starts over on the store of a parked run, answers its question, and returns
/// what the model was sent and what the transcript says.
async fn taken_up(first: &Rig, tool: &Arc<FakeTool>, build: &'static str) -> (Vec<openclaw_domain::Turn>, Vec<String>) {
    let mut setup = Setup::new(ScriptedModel::new([Turn::say("ok")])).tool(tool);
    setup.store = first.store.clone();
    setup.owner = "boot-2";
    setup.build = build;
    setup.gate = Arc::new(AskAll);
    let rig = setup.build();
    assert_eq!(rig.engine.recover().await.unwrap(), 1);
    wait_until("the question", async || !rig.engine.pending().is_empty()).await;
    let asked = rig.engine.pending()[0].id.clone();
    rig.engine.resolve(&asked, Decision::AllowOnce, "owner").await.unwrap();
    assert_eq!(rig.ended("r1").await.end, End::Done);
    (rig.model.requests()[0].prompt.turns().to_vec(), rig.transcript().await)
}

#[tokio::test]
async fn a_run_goes_on_the_same_with_a_checkpoint_of_another_build_and_without_one() {
    let mut all = Vec::new();
    for (build, is_kept) in [("1.0.0", true), ("2.0.0", true), ("1.0.0", false)] {
        let (first, tool) = parked().await;
        wait_until("a checkpoint", async || checkpoint(&first).await.is_some()).await;
        first.engine.shutdown().await;
        if !is_kept {
            first.store.lose_checkpoints();
        }
        let (prompt, transcript) = taken_up(&first, &tool, build).await;
        assert_eq!(tool.ran().len(), 1);
        // Call ids are new in every run of the test.
        let text = serde_json::to_string(&prompt).unwrap();
        all.push((text.len(), transcript));
    }
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0], all[2]);
}

#[tokio::test]
async fn recovery_goes_on_from_the_checkpoint() {
    let (first, tool) = parked().await;
    wait_until("a checkpoint", async || checkpoint(&first).await.is_some()).await;
    first.engine.shutdown().await;
    // A state that says something else than the journal shows which one was read.
    let kept = checkpoint(&first).await.unwrap();
    let body = String::from_utf8(kept.body.to_vec()).unwrap().replace("act on it", "as was kept");
    let epoch = first.store.runs(None, true, 1).await.unwrap()[0].epoch;
    let other = Checkpoint { body: Bytes::from(body), ..kept };
    first.store.keep_checkpoint(&session(), &run("r1"), epoch, other).await.unwrap();
    let (prompt, _) = taken_up(&first, &tool, "1.0.0").await;
    assert!(serde_json::to_string(&prompt).unwrap().contains("as was kept"));
}

#[tokio::test]
async fn a_checkpoint_is_kept_by_hand_at_once_while_nothing_is_under_way() {
    let tool = Arc::new(FakeTool::says("act", "done"));
    let mut setup = Setup::new(ScriptedModel::new([Turn::ask("act", &json!({}))])).tool(&tool);
    setup.gate = Arc::new(AskAll);
    let rig = setup.build();
    rig.start("r1", "act").await.unwrap();
    rig.recorder.wait_for(|update| matches!(update.change, Change::ApprovalRequested(_))).await;
    let kept = rig.engine.snapshot(&run("r1")).await.unwrap();
    assert!(kept.is_current() && kept.kept.0 > 0, "{kept:?}");
    assert_eq!(checkpoint(&rig).await.unwrap().seq, kept.kept);
    let unknown = rig.engine.snapshot(&run("r9")).await.unwrap_err();
    assert!(unknown.to_string().contains("r9"), "{unknown}");
    rig.engine.shutdown().await;
}

#[tokio::test]
async fn a_checkpoint_asked_for_in_mid_answer_is_kept_at_the_next_step() {
    let door = Latch::new();
    let tool = Arc::new(FakeTool::says("act", "done"));
    let second = Latch::new();
    let model = ScriptedModel::new([
        Turn::new().text("a").hold(&door).call("act", &json!({})),
        Turn::new().text("b").hold(&second),
    ]);
    let rig = Setup::new(model).tool(&tool).build();
    rig.start("r1", "act").await.unwrap();
    rig.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;
    let kept = rig.engine.snapshot(&run("r1")).await.unwrap();
    assert!(!kept.is_current(), "{kept:?}");
    assert_eq!(checkpoint(&rig).await, None);
    door.open();
    wait_until("a checkpoint", async || checkpoint(&rig).await.is_some()).await;
    rig.engine.shutdown().await;
}
