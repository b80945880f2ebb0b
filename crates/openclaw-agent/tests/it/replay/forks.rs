//! Another way from the middle of a recorded run.

use std::collections::BTreeMap;
use std::sync::Arc;

use openclaw_agent::Engine;
use openclaw_domain::message::ToolStatus;
use openclaw_domain::ports::{Edit, ForkWish, Forked, History, RunName, Runs};
use openclaw_domain::run::{End, QueueMode};
use openclaw_domain::session::EntryQuery;
use openclaw_domain::tool::Effect;
use openclaw_domain::{CallId, Kind, Limits, Outcome, RunEvent, Turn as Said};
use openclaw_testkit::model::Turn;
use openclaw_testkit::{AllowAll, FakeClock, FakeTool, ScriptedModel, memory};
use serde_json::json;

use super::events;
use super::world::{Parts, Stores, engine};
use crate::harness::{request, run};

struct Rig {
    engine: Arc<Engine>,
    model: Arc<ScriptedModel>,
    tool: Arc<FakeTool>,
    stores: Stores,
}

/// A recorded run: it looks twice, then speaks.
async fn rig() -> Rig {
    let model = Arc::new(ScriptedModel::new([
        Turn::say("before"),
        Turn::new().text("looking ").call("look", &json!({ "at": "a", "n": 1 })),
        Turn::ask("look", &json!({ "at": "b" })),
        Turn::say("the end"),
    ]));
    let tool = Arc::new(FakeTool::says("look", "a fact").effect(Effect::Once));
    let stores = Stores::memory(Arc::new(memory::Store::new()));
    let parts = Parts {
        stores: stores.clone(),
        model: model.clone(),
        tools: vec![tool.clone()],
        gate: Arc::new(AllowAll),
        limits: Limits::default(),
        clock: Arc::new(FakeClock::new()),
    };
    let engine = engine(&parts, "boot-1");
    for (id, text) in [("r0", "hello"), ("r1", "look around")] {
        engine.start(request(id, text, QueueMode::Followup)).await.unwrap();
        tokio::time::timeout(super::PATIENCE, engine.wait(None, &run(id))).await.unwrap().unwrap();
    }
    Rig { engine, model, tool, stores }
}

impl Rig {
    fn wish(from_step: u32) -> ForkWish {
        let of = RunName { session: None, run: run("r1") };
        ForkWish { of, from_step, model: None, edit: Edit::default(), is_live: false }
    }

    async fn fork(&self, wish: ForkWish, turns: impl IntoIterator<Item = Turn>) -> (Forked, Outcome) {
        for turn in turns {
            self.model.push(turn);
        }
        let forked = self.engine.fork(wish).await.unwrap();
        let ended = self.engine.wait(Some(&forked.session_key), &forked.run_id);
        let outcome = tokio::time::timeout(super::PATIENCE, ended).await.unwrap().unwrap().unwrap();
        let replay = self.engine.replay(Some(&forked.session_key), &forked.run_id).await.unwrap();
        assert!(replay.is_identical, "a fork replays like any run: {:#?}", replay.differences);
        (forked, outcome)
    }

    /// What the model was shown last, as `role: text` lines.
    fn shown(&self) -> Vec<String> {
        let requests = self.model.requests();
        let turns = requests.last().unwrap().prompt.turns();
        let line = |turn: &Said| match turn {
            Said::User(turn) => format!("user: {}", turn.text()),
            Said::Assistant(turn) => {
                let calls =
                    turn.calls().map(|(call, result)| format!("[{} {}]", call.arguments, result.unwrap().text()));
                format!("assistant: {}{}", turn.text(), calls.collect::<String>())
            }
        };
        turns.iter().map(line).collect()
    }

    async fn first_call(&self) -> CallId {
        let record = self.stores.journal.runs(None, false, 1).await.unwrap().remove(0);
        let events = events(self.stores.journal.as_ref(), &record).await;
        let call = events.iter().find_map(|recorded| match &recorded.event {
            RunEvent::ToolIntent { call, .. } => Some(call.clone()),
            _ => None,
        });
        call.unwrap()
    }
}

#[tokio::test]
async fn another_model_sees_what_the_first_one_saw_before_that_step() {
    let rig = rig().await;
    let wish = ForkWish { model: Some("other/model".parse().unwrap()), ..Rig::wish(3) };
    let (forked, outcome) = rig.fork(wish, [Turn::say("another end")]).await;
    assert_eq!((outcome.text.as_str(), outcome.end), ("another end", End::Done));
    let seen = [
        "user: hello",
        "assistant: before",
        "user: look around",
        r#"assistant: looking [{"at":"a","n":1} a fact]"#,
        r#"assistant: [{"at":"b"} a fact]"#,
    ];
    assert_eq!(rig.shown(), seen);
    assert_eq!(rig.model.requests().last().unwrap().choice.primary.to_string(), "other/model");
    assert!(forked.session_key.as_str().starts_with("agent:main:fork:"));
    let entries = rig.stores.sessions.entries(&forked.session_key, EntryQuery::default()).await.unwrap();
    assert_eq!(entries.total, 6, "the conversation so far, and the new answer");
    // The copied steps are paid for by nobody: only the new call counts.
    assert_eq!(outcome.usage.input, 1);
}

#[tokio::test]
async fn tools_of_a_fork_answer_from_the_record_and_touch_nothing() {
    let rig = rig().await;
    let ran = rig.tool.ran().len();
    let turns = [
        Turn::ask("look", &json!({ "n": 1, "at": "a" })),
        Turn::ask("look", &json!({ "at": "elsewhere" })),
        Turn::say("done"),
    ];
    let (_, outcome) = rig.fork(Rig::wish(1), turns).await;
    assert_eq!(outcome.text, "done");
    assert_eq!(rig.tool.ran().len(), ran, "no tool ran");
    assert_eq!(
        rig.shown()[3..],
        [r#"assistant: [{"n":1,"at":"a"} a fact]"#, r#"assistant: [{"at":"elsewhere"} not run: replay]"#]
    );
}

#[tokio::test]
async fn tools_of_a_live_fork_run() {
    let rig = rig().await;
    let ran = rig.tool.ran().len();
    let wish = ForkWish { is_live: true, ..Rig::wish(2) };
    let (_, outcome) = rig.fork(wish, [Turn::ask("look", &json!({ "at": "elsewhere" })), Turn::say("done")]).await;
    assert_eq!((outcome.text.as_str(), rig.tool.ran().len()), ("done", ran + 1));
}

#[tokio::test]
async fn changed_texts_stand_in_place_of_the_recorded_ones() {
    let rig = rig().await;
    let results = BTreeMap::from([(rig.first_call().await, "another fact".to_owned())]);
    let edit = Edit { input: Some("look closely".into()), system: Some("be brief".into()), results };
    rig.fork(ForkWish { edit, ..Rig::wish(2) }, [Turn::say("done")]).await;
    assert_eq!(rig.shown()[2..], ["user: look closely", r#"assistant: looking [{"at":"a","n":1} another fact]"#]);
    assert_eq!(rig.model.requests().last().unwrap().system.last().unwrap(), "be brief");
}

#[tokio::test]
async fn a_wish_that_cannot_be_met_is_refused_and_leaves_nothing_behind() {
    let rig = rig().await;
    let sessions = || async {
        rig.stores
            .sessions
            .list(&openclaw_domain::session::SessionQuery { limit: 100, ..Default::default() })
            .await
            .unwrap()
            .total
    };
    let before = sessions().await;
    for step in [0, 4] {
        assert_eq!(rig.engine.fork(Rig::wish(step)).await.unwrap_err().kind, Kind::User);
    }
    let results = BTreeMap::from([("no-such-call".parse().unwrap(), String::new())]);
    let fault =
        rig.engine.fork(ForkWish { edit: Edit { results, ..Edit::default() }, ..Rig::wish(2) }).await.unwrap_err();
    assert!(fault.message.contains("no-such-call"));
    let of = RunName { session: None, run: run("r9") };
    assert_eq!(rig.engine.fork(ForkWish { of, ..Rig::wish(1) }).await.unwrap_err().kind, Kind::NotFound);
    assert_eq!(sessions().await, before);
}

#[tokio::test]
async fn two_runs_are_compared_step_by_step() {
    let rig = rig().await;
    let turns = [Turn::ask("look", &json!({ "at": "c" })), Turn::say("the end")];
    let (forked, _) = rig.fork(Rig::wish(2), turns).await;
    let name = |run| RunName { session: None, run };
    let seen = rig.engine.compare(&name(run("r1")), &name(forked.run_id)).await.unwrap();
    assert_eq!(seen.first_difference, Some(2));
    let differs: Vec<_> = seen.steps.iter().map(|step| step.differs.clone()).collect();
    assert_eq!(differs, [vec![], vec!["tools", "results"], vec![]]);
    assert_eq!(seen.steps[1].b.as_ref().unwrap().tools[0].status, Some(ToolStatus::Interrupted));
    let same = rig.engine.compare(&name(run("r1")), &name(run("r1"))).await.unwrap();
    assert_eq!(same.first_difference, None);
}
