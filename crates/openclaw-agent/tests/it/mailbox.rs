//! A run that waits for another one, and a message that comes twice.

use std::sync::Arc;

use openclaw_domain::delivery::Inbound;
use openclaw_domain::ports::{Journal, Runs};
use openclaw_domain::run::{Parent, QueueMode, StartState};
use openclaw_domain::tool::Effect;
use openclaw_domain::{Change, RunEvent, RunRequest, Seq, SessionKey};
use openclaw_testkit::model::Turn;
use openclaw_testkit::{FakeTool, Latch, ScriptedModel};
use serde_json::json;

use crate::harness::{Setup, request, run, session};

#[tokio::test]
async fn a_parent_that_comes_back_finds_the_answer_instead_of_calling_again() {
    for effect in [Effect::Keyed, Effect::Once] {
        // The parent dispatches a call that waits, and its process stops.
        let tool = Arc::new(FakeTool::says("ask_other", "never").effect(effect).hold(&Latch::new()));
        let first = Setup::new(ScriptedModel::new([Turn::ask("ask_other", &json!({}))])).tool(&tool).build();
        first.start("p1", "ask the other one").await.unwrap();
        let started = first.recorder.wait_for(|update| matches!(update.change, Change::ToolStarted(_))).await;
        let Change::ToolStarted(call) = started.change else { panic!("a call") };
        first.engine.shutdown().await;

        // The child ends meanwhile.
        let mut setup = Setup::new(ScriptedModel::new([Turn::say("green")]));
        (setup.owner, setup.store) = ("boot-2", first.store.clone());
        let second = setup.build();
        let parent =
            Parent { session: session(), run: run("p1"), call: call.id.clone(), root: session(), is_owner: false };
        let key: SessionKey = "agent:main:other".parse().unwrap();
        let child =
            RunRequest { parent: Some(parent), session: key, ..request("c1", "which colour?", QueueMode::Followup) };
        second.engine.start(child).await.unwrap();
        second.ended("c1").await;
        second.engine.shutdown().await;
        assert_eq!(second.store.mail(&session(), &run("p1")).await.unwrap().len(), 1);

        // The parent goes on with the answer; the tool is neither run nor asked.
        let tool = Arc::new(FakeTool::says("ask_other", "again").effect(effect));
        let mut setup = Setup::new(ScriptedModel::new([Turn::say("it is green")])).tool(&tool);
        (setup.owner, setup.store) = ("boot-3", first.store.clone());
        let third = setup.build();
        third.engine.recover().await.unwrap();
        assert_eq!(third.ended("p1").await.text, "it is green");
        assert_eq!(tool.ran().len(), 0, "{effect:?}");
        let answered = third.assistant_of(0);
        assert_eq!(answered.calls().next().unwrap().1.unwrap().text(), "green");
        assert_eq!(third.store.mail(&session(), &run("p1")).await.unwrap(), []);
        let events = third.store.events(&session(), &run("p1"), Seq(0), 99).await.unwrap();
        let dispatches = events.iter().filter(|event| matches!(event.event, RunEvent::ToolStarted { .. }));
        assert_eq!(dispatches.count(), 1);
    }
}

#[tokio::test]
async fn a_channel_message_that_comes_again_starts_nothing() {
    let rig = Setup::new(ScriptedModel::answering(|_| Turn::say("hello"))).build();
    let arrival = |id: &str| {
        let inbound = Inbound { channel: "chat".into(), account: "work".into(), message: "m1".into() };
        RunRequest { inbound: Some(inbound), ..request(id, "hi", QueueMode::Followup) }
    };
    rig.engine.start(arrival("r1")).await.unwrap();
    rig.ended("r1").await;
    let again = rig.engine.start(arrival("r2")).await.unwrap();
    assert_eq!((again.run, matches!(again.state, StartState::Ended(_))), (run("r1"), true));
    let elsewhere = RunRequest { session: "agent:main:other".parse().unwrap(), ..arrival("r3") };
    let again = rig.engine.start(elsewhere).await.unwrap();
    assert_eq!((again.run, again.session), (run("r1"), session()));
    assert_eq!(rig.model.requests().len(), 1);
    assert_eq!(rig.transcript().await.len(), 2);
}
