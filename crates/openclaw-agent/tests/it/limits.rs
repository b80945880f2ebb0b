//! Ceilings end a run and say why.

use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::RunRequest;
use openclaw_domain::ports::Runs;
use openclaw_domain::run::{End, Limit, Limits, QueueMode};
use openclaw_testkit::model::Turn;
use openclaw_testkit::{FakeTool, Latch, ScriptedModel};
use serde_json::json;

use crate::harness::{Setup, request};

async fn limited(limits: Limits, answer: impl Fn(usize) -> Turn + Send + Sync + 'static) -> (Limit, String) {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let model = ScriptedModel::answering(move |_| answer(count.fetch_add(1, std::sync::atomic::Ordering::SeqCst)));
    let tool = Arc::new(FakeTool::says("poll", "same"));
    let mut setup = Setup::new(model).tool(&tool);
    setup.limits = limits;
    let rig = setup.build();
    rig.start("r1", "go").await.unwrap();
    match rig.ended("r1").await.end {
        End::Limited { limit, message } => (limit, message),
        other => panic!("ended {other:?}"),
    }
}

#[tokio::test]
async fn a_model_that_repeats_itself_is_stopped_by_default() {
    let (limit, message) = limited(Limits::default(), |_| Turn::ask("poll", &json!({"id": 1}))).await;
    assert_eq!(limit, Limit::IdenticalCalls);
    assert!(message.contains("poll 3 times"), "{message}");
}

#[tokio::test]
async fn a_model_that_never_stops_is_stopped_by_default() {
    let (limit, message) = limited(Limits::default(), |n| Turn::ask("poll", &json!({"n": n}))).await;
    assert_eq!(limit, Limit::Iterations);
    assert!(message.contains("60 model calls"), "{message}");
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_stopped() {
    let door = Latch::new();
    let rig = Setup::new(ScriptedModel::new([Turn::new().text("x").hold(&door)])).build();
    rig.start("r1", "go").await.unwrap();
    rig.model.called(1).await;
    rig.clock.wait_for_sleepers(1).await;
    rig.clock.advance(Duration::from_secs(7201)).await;
    assert!(matches!(rig.ended("r1").await.end, End::Limited { limit: Limit::Duration, .. }));
}

#[tokio::test]
async fn the_time_a_request_gives_is_told_from_the_agents_own() {
    let door = Latch::new();
    let rig = Setup::new(ScriptedModel::new([Turn::new().text("x").hold(&door)])).build();
    let timeout = Some(Duration::from_secs(5));
    rig.engine.start(RunRequest { timeout, ..request("r1", "go", QueueMode::Steer) }).await.unwrap();
    rig.model.called(1).await;
    rig.clock.wait_for_sleepers(1).await;
    rig.clock.advance(Duration::from_secs(6)).await;
    assert!(matches!(rig.ended("r1").await.end, End::Limited { limit: Limit::Timeout, .. }));
}
