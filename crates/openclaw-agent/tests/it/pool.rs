//! Tasks for several agents, and runs that wait for runs.

use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::ports::{Pool, Runs, Tool, ToolCx};
use openclaw_domain::run::{Abort, End, Parent, QueueMode, Source, Status};
use openclaw_domain::runtime::{Concurrency, PoolTask};
use openclaw_domain::tool::{Error, ToolOutput, ToolSpec};
use openclaw_domain::{Origin, Permit, RunRequest, SessionKey, Turn as Said, UserTurn};
use openclaw_testkit::catalog::agent;
use openclaw_testkit::model::Turn;
use openclaw_testkit::{Latch, ScriptedModel, tool};
use serde_json::json;

use crate::harness::{Setup, request, run, session};

/// No test here takes longer; one that hangs fails.
const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap()
}

fn small() -> Concurrency {
    Concurrency { runs_max: 2, pool_max: 2, task_max: 1, task_timeout: Duration::from_secs(30) }
}

fn task(id: &str, agents: &[&str]) -> PoolTask {
    PoolTask {
        id: run(id),
        agents: agents.iter().map(|id| id.parse().unwrap()).collect(),
        task: "implement feature X".into(),
        timeout: None,
        parent: None,
    }
}

fn setup(model: ScriptedModel, concurrency: Concurrency) -> Setup {
    let mut setup = Setup::new(model);
    setup.agents = ["coder", "tester", "reviewer"].map(agent).into();
    setup.concurrency = concurrency;
    setup
}

#[tokio::test]
async fn every_agent_answers_and_no_more_than_allowed_work_at_once() {
    let door = Latch::new();
    let held = door.clone();
    let model = ScriptedModel::answering(move |_| Turn::new().hold(&held).text("done"));
    let concurrency = Concurrency { pool_max: 10, task_max: 2, ..Concurrency::default() };
    let rig = setup(model, concurrency).build();
    let execution = rig.engine.execute(task("t1", &["coder", "tester", "reviewer"])).await.unwrap();
    soon(door.reached_by(2)).await;
    tokio::task::yield_now().await;
    assert_eq!(rig.model.requests().len(), 2, "two of the three work");
    let queued = rig.engine.active(None).iter().filter(|run| run.status == Status::Queued).count();
    assert_eq!(queued, 1, "the third waits and is shown");
    door.open();
    let outcomes = soon(execution.ended).await;
    assert!(outcomes.iter().all(|outcome| outcome.as_ref().is_some_and(|it| it.text == "done")), "{outcomes:?}");
    let again = rig.engine.execute(task("t1", &["coder", "tester", "reviewer"])).await.unwrap();
    assert_eq!(again.children, execution.children);
    soon(again.ended).await;
    assert_eq!(rig.model.requests().len(), 3, "the same task again starts nothing");
}

#[tokio::test]
async fn what_has_not_ended_when_the_time_is_up_is_stopped() {
    let never = Latch::new();
    let held = never.clone();
    let model = ScriptedModel::answering(move |_| Turn::new().hold(&held).text("late"));
    let rig = setup(model, small()).build();
    let execution = rig.engine.execute(task("t1", &["coder", "tester"])).await.unwrap();
    soon(never.reached()).await;
    rig.clock.advance(Duration::from_secs(30)).await;
    let outcomes = soon(execution.ended).await;
    for outcome in &outcomes {
        let end = &outcome.as_ref().unwrap().end;
        assert!(matches!(end, End::Cancelled { .. } | End::Limited { .. }), "{end:?}");
    }
    assert!(rig.engine.active(None).is_empty());
}

#[tokio::test]
async fn an_unknown_agent_starts_nothing() {
    let rig = setup(ScriptedModel::new([]), small()).build();
    let refused = rig.engine.execute(task("t1", &["coder", "nobody"])).await;
    assert!(refused.err().unwrap().message.contains("nobody"));
    assert!(rig.engine.active(None).is_empty());
}

/// Starts one more level of runs below itself and waits for it.
struct Delegate {
    spec: ToolSpec,
    place: fn(u64) -> SessionKey,
}

#[async_trait::async_trait]
impl Tool for Delegate {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let arguments: serde_json::Value = serde_json::from_str(&permit.call().arguments).unwrap();
        let depth = arguments["depth"].as_u64().unwrap();
        let session = (self.place)(depth);
        let input = UserTurn::owner(depth.to_string(), cx.clock.now());
        let parent = Parent {
            session: cx.session.clone(),
            run: cx.run.clone(),
            call: permit.call().id.clone(),
            root: cx.session.clone(),
            is_owner: true,
        };
        let request = RunRequest {
            queue: QueueMode::Followup,
            parent: Some(parent),
            ..RunRequest::new(run(&format!("level-{depth}")), session.clone(), input, Source::Agent)
        };
        let started = cx.runs.start(request).await.map_err(|fault| Error::tell(fault.to_string()))?;
        let outcome = cx.runs.wait(Some(&session), &started.run).await.unwrap().unwrap();
        Ok(ToolOutput::text(outcome.text, Origin::System))
    }
}

/// Delegates until the depth is reached; the last says so and all others repeat it.
fn nesting(depth_max: u64) -> ScriptedModel {
    ScriptedModel::answering(move |sent| {
        let turns = sent.prompt.turns();
        let depth: u64 = match &turns[0] {
            Said::User(turn) => turn.text().parse().unwrap_or(0),
            Said::Assistant(_) => 0,
        };
        match turns.last() {
            Some(Said::Assistant(turn)) => {
                let text = turn.calls().next().and_then(|(_, result)| result).map(|result| result.text());
                Turn::say(&text.unwrap_or_default())
            }
            _ if depth >= depth_max => Turn::say("the bottom"),
            _ => Turn::ask("delegate", &json!({ "depth": depth + 1 })),
        }
    })
}

async fn nested(place: fn(u64) -> SessionKey, concurrency: Concurrency, depth: u64) -> String {
    let mut setup = setup(nesting(depth), concurrency);
    setup.own_tools.push(Arc::new(Delegate { spec: tool::spec("delegate"), place }));
    let rig = setup.build();
    let first = RunRequest { session: place(0), ..request("level-0", "0", QueueMode::Followup) };
    rig.engine.start(first).await.unwrap();
    soon(rig.ended("level-0")).await.text
}

#[tokio::test]
async fn runs_that_wait_for_runs_do_not_fill_the_pool() {
    let pooled: fn(u64) -> SessionKey = |depth| format!("agent:coder:pool:t{depth}:0").parse().unwrap();
    assert_eq!(nested(pooled, small(), 7).await, "the bottom", "seven levels in two places");
    let same: fn(u64) -> SessionKey = |depth| format!("agent:coder:pool:t:{depth}").parse().unwrap();
    assert_eq!(nested(same, small(), 7).await, "the bottom", "seven levels of one task in one place");
}

#[tokio::test]
async fn sessions_that_wait_for_sessions_do_not_fill_the_places() {
    let plain: fn(u64) -> SessionKey = |depth| format!("agent:coder:level-{depth}").parse().unwrap();
    assert_eq!(nested(plain, Concurrency { runs_max: 1, ..small() }, 5).await, "the bottom");
}

#[tokio::test]
async fn runs_beyond_the_limit_wait_recorded_and_go_on_in_order() {
    let door = Latch::new();
    let held = door.clone();
    let model = ScriptedModel::answering(move |_| Turn::new().hold(&held).text("done"));
    let rig = setup(model, Concurrency { runs_max: 1, ..small() }).build();
    for n in 0..3 {
        let session = format!("agent:main:s{n}").parse().unwrap();
        let id = format!("r{n}");
        rig.engine.start(RunRequest { session, ..request(&id, &id, QueueMode::Followup) }).await.unwrap();
    }
    soon(door.reached()).await;
    tokio::task::yield_now().await;
    assert_eq!(rig.model.requests().len(), 1);
    let status: Vec<Status> = rig.engine.active(None).iter().map(|run| run.status).collect();
    assert_eq!(status.iter().filter(|status| **status == Status::Queued).count(), 2, "{status:?}");
    rig.engine.shutdown().await;

    let mut second = setup(ScriptedModel::answering(|_| Turn::say("done")), Concurrency { runs_max: 1, ..small() });
    second.store = rig.store.clone();
    second.owner = "boot-2";
    let rig = second.build();
    assert_eq!(rig.engine.recover().await.unwrap(), 3, "what waited was recorded");
    for n in 0..3 {
        assert_eq!(soon(rig.ended(&format!("r{n}"))).await.text, "done");
    }
}

#[tokio::test]
async fn a_run_that_ends_takes_its_children_with_it() {
    let never = Latch::new();
    let held = never.clone();
    let model = ScriptedModel::answering(move |sent| match &sent.prompt.turns()[0] {
        Said::User(turn) if turn.text() == "0" => Turn::ask("delegate", &json!({ "depth": 1 })),
        _ => Turn::new().hold(&held).text("never"),
    });
    let mut setup = setup(model, small());
    let place: fn(u64) -> SessionKey = |depth| format!("agent:coder:pool:t{depth}:0").parse().unwrap();
    setup.own_tools.push(Arc::new(Delegate { spec: tool::spec("delegate"), place }));
    let rig = setup.build();
    rig.engine.start(request("mother", "0", QueueMode::Followup)).await.unwrap();
    soon(never.reached()).await;
    rig.engine.abort(Abort { session: Some(session()), run: Some(run("mother")), by: "rpc".into() }).await.unwrap();
    assert!(matches!(soon(rig.ended("mother")).await.end, End::Cancelled { .. }));
    let child = soon(rig.ended("level-1")).await;
    assert_eq!(child.end, End::Cancelled { by: "the end of its parent".into() });
}
