//! A tool that keeps failing in a session is paused for a while.

use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::run::{Limits, QueueMode};
use openclaw_domain::tool::Error;
use openclaw_testkit::model::Turn;
use openclaw_testkit::{FakeTool, ScriptedModel};
use serde_json::json;

use crate::harness::Setup;

#[tokio::test]
async fn after_five_failures_a_tool_is_paused_for_a_minute_also_in_the_next_run() {
    let failing = Arc::new(FakeTool::new("fetch", |_| Err(Error::tell("the host is down"))));
    let mut turns: Vec<Turn> = (0..5).map(|n| Turn::ask("fetch", &json!({ "n": n }))).collect();
    turns.push(Turn::say("gave up"));
    turns.extend([Turn::ask("fetch", &json!({ "n": 6 })), Turn::say("still paused")]);
    turns.extend([Turn::ask("fetch", &json!({ "n": 7 })), Turn::say("tried again")]);
    let mut setup = Setup::new(ScriptedModel::new(turns)).tool(&failing);
    setup.limits = Limits { errors_in_row_max: 100, ..Limits::default() };
    let rig = setup.build();
    rig.send("r1", "go", QueueMode::Followup).await;
    rig.ended("r1").await;
    assert_eq!(failing.ran().len(), 5);
    rig.send("r2", "go", QueueMode::Followup).await;
    rig.ended("r2").await;
    assert_eq!(failing.ran().len(), 5, "it was not run");
    let transcript = rig.transcript().await.join("\n");
    assert!(transcript.contains("fetch failed 5 times in a row in this session and is paused for"), "{transcript}");
    rig.clock.advance(Duration::from_secs(60)).await;
    rig.send("r3", "go", QueueMode::Followup).await;
    rig.ended("r3").await;
    assert_eq!(failing.ran().len(), 6, "after the pause it gets a new chance");
}
