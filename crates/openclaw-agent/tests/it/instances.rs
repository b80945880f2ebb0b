//! Agents whose every request has an instance of its own.

use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::approval::Decision;
use openclaw_domain::fault::Kind;
use openclaw_domain::ports::{Approvals, FileChange, Keeping, Runs, Tool, ToolCx};
use openclaw_domain::run::{Abort, End, Limit, QueueMode, Status};
use openclaw_domain::runtime::{Instance, ThreadBound};
use openclaw_domain::tool::{Error, ToolOutput, ToolSpec};
use openclaw_domain::{Change, Origin, Permit, RunRequest, SessionKey};
use openclaw_testkit::model::Turn;
use openclaw_testkit::{AskAll, FakeTool, Latch, ScriptedModel, tool};
use serde_json::json;

use crate::harness::{Rig, Setup, request, run};

fn own() -> SessionKey {
    "agent:own:main".parse().unwrap()
}

fn ask(id: &str, text: &str) -> RunRequest {
    RunRequest { session: own(), ..request(id, text, QueueMode::Followup) }
}

/// Waits, in turns of the scheduler, until something holds; a test that waits in vain fails.
async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if holds() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("in vain: {what}");
}

async fn nothing_left(rig: &Rig) {
    until("all instances go", || rig.engine.instances().is_empty()).await;
}

/// Writes `note` into the workspace, and says where it works.
struct Noting(ToolSpec);

#[async_trait::async_trait]
impl Tool for Noting {
    fn spec(&self) -> &ToolSpec {
        &self.0
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let content = permit.call().arguments.clone().into();
        let change = FileChange::Write { path: "note".into(), content };
        cx.files.change(change).await.map_err(|error| Error::tell(error.to_string()))?;
        Ok(ToolOutput::text("noted", Origin::System))
    }
}

#[tokio::test]
async fn requests_of_a_session_work_side_by_side_and_do_not_see_each_other() {
    let door = Latch::new();
    let held = door.clone();
    let model = ScriptedModel::answering(move |_| Turn::new().hold(&held).text("done"));
    let rig = Setup::new(model).thread_bound(ThreadBound::default()).build();
    for id in ["r1", "r2", "r3"] {
        rig.engine.start(ask(id, id)).await.unwrap();
    }
    door.reached_by(3).await;
    let instances = rig.engine.instances();
    let ids: std::collections::BTreeSet<_> = instances.iter().map(|instance| instance.id.clone()).collect();
    assert_eq!((instances.len(), ids.len()), (3, 3), "every request has an instance with its own id");
    assert!(instances.iter().all(|it| it.status == Status::Running && it.scratch.is_some()), "{instances:?}");
    door.open();
    for id in ["r1", "r2", "r3"] {
        assert_eq!(rig.ended(id).await.text, "done");
    }
    for sent in rig.model.requests() {
        assert_eq!(sent.prompt.turns().len(), 1, "nothing of the session is seen");
    }
    nothing_left(&rig).await;
    assert_eq!(rig.scratches.count(), 0);
    let transcript = rig.transcript_of(&own()).await;
    assert_eq!(transcript.iter().filter(|line| *line == "assistant: done").count(), 3, "answers join the session");
}

#[tokio::test]
async fn each_instance_has_its_own_files() {
    let model = ScriptedModel::answering(|sent| {
        let said = sent.prompt.turns().len();
        let who = match &sent.prompt.turns()[0] {
            openclaw_domain::Turn::User(turn) => turn.text(),
            openclaw_domain::Turn::Assistant(_) => String::new(),
        };
        if said == 1 { Turn::ask("note", &json!({ "by": who })) } else { Turn::say("ok") }
    });
    let mut setup = Setup::new(model).thread_bound(ThreadBound { auto_destroy: false, ..ThreadBound::default() });
    setup.own_tools.push(Arc::new(Noting(tool::spec("note"))));
    let rig = setup.build();
    for id in ["one", "two"] {
        rig.engine.start(ask(id, id)).await.unwrap();
        rig.ended(id).await;
    }
    nothing_left(&rig).await;
    let opened = rig.scratches.opened();
    let notes: Vec<String> = opened.iter().map(|id| rig.scratches.files(id).unwrap().text("note").unwrap()).collect();
    assert!(notes[0].contains("one") && notes[1].contains("two"), "{notes:?}");
    let kept = rig.scratches.closed();
    assert!(kept.iter().all(|(_, keeping)| *keeping == Keeping::Keep) && kept.len() == 2, "{kept:?}");
}

#[tokio::test]
async fn requests_beyond_the_limit_wait_recorded_and_in_order() {
    let door = Latch::new();
    let held = door.clone();
    let model = ScriptedModel::answering(move |_| Turn::new().hold(&held).text("done"));
    let rig = Setup::new(model).thread_bound(ThreadBound { concurrent_max: 2, ..ThreadBound::default() }).build();
    for id in ["r1", "r2", "r3", "r4"] {
        rig.engine.start(ask(id, id)).await.unwrap();
    }
    door.reached_by(2).await;
    let status = |rig: &Rig| rig.engine.instances().iter().map(|it: &Instance| it.status).collect::<Vec<_>>();
    assert_eq!(status(&rig), [Status::Running, Status::Running, Status::Queued, Status::Queued]);
    assert_eq!(rig.model.requests().len(), 2);
    door.open();
    assert_eq!(rig.ended("r4").await.text, "done");
    let order: Vec<String> = rig.model.requests().iter().map(|sent| format!("{:?}", sent.prompt.turns()[0])).collect();
    assert!(order[2].contains("r3") && order[3].contains("r4"), "first come, first served");
}

#[tokio::test]
async fn at_its_time_an_instance_ends_even_while_a_person_is_waited_for() {
    let idle = Arc::new(FakeTool::says("act", "never"));
    let terms = ThreadBound { duration_max: Duration::from_secs(120), ..ThreadBound::default() };
    let mut setup = Setup::new(ScriptedModel::new([Turn::ask("act", &json!({}))])).tool(&idle).thread_bound(terms);
    setup.gate = Arc::new(AskAll);
    let rig = setup.build();
    rig.engine.start(ask("r1", "go")).await.unwrap();
    rig.recorder.wait_for(|update| matches!(update.change, Change::ApprovalRequested(_))).await;
    rig.clock.advance(Duration::from_secs(119)).await;
    assert_eq!(rig.engine.instances()[0].left, Some(Duration::from_secs(1)));
    rig.clock.advance(Duration::from_secs(1)).await;
    let outcome = rig.ended("r1").await;
    assert!(matches!(outcome.end, End::Limited { limit: Limit::Duration, .. }), "{:?}", outcome.end);
    nothing_left(&rig).await;
    assert!(rig.engine.pending().is_empty());
    assert_eq!(rig.scratches.count(), 0);
}

#[tokio::test]
async fn an_approval_reaches_the_instance_that_asked() {
    let acting = Arc::new(FakeTool::says("act", "acted"));
    let mut setup = Setup::new(ScriptedModel::new([Turn::ask("act", &json!({})), Turn::say("ok")])).tool(&acting);
    setup = setup.thread_bound(ThreadBound::default());
    setup.gate = Arc::new(AskAll);
    let rig = setup.build();
    rig.engine.start(ask("r1", "go")).await.unwrap();
    rig.recorder.wait_for(|update| matches!(update.change, Change::ApprovalRequested(_))).await;
    let asked = rig.engine.pending().remove(0);
    rig.engine.resolve(&asked.id, Decision::AllowOnce, "owner").await.unwrap();
    assert_eq!(rig.ended("r1").await.text, "ok");
    assert_eq!(acting.ran().len(), 1);
}

#[tokio::test]
async fn one_instance_is_cancelled_and_its_neighbour_goes_on() {
    let door = Latch::new();
    let held = door.clone();
    let model = ScriptedModel::answering(move |_| Turn::new().hold(&held).text("done"));
    let rig = Setup::new(model).thread_bound(ThreadBound { concurrent_max: 2, ..ThreadBound::default() }).build();
    for id in ["r1", "r2", "waits"] {
        rig.engine.start(ask(id, id)).await.unwrap();
    }
    door.reached_by(2).await;
    for id in ["r1", "waits"] {
        let abort = Abort { session: Some(own()), run: Some(run(id)), by: "rpc".into() };
        assert_eq!(rig.engine.abort(abort).await.unwrap(), [run(id)]);
        assert_eq!(rig.ended(id).await.end, End::Cancelled { by: "rpc".into() });
    }
    door.open();
    assert_eq!(rig.ended("r2").await.text, "done");
    nothing_left(&rig).await;
}

#[tokio::test]
async fn the_same_request_again_starts_nothing() {
    let model = ScriptedModel::answering(|_| Turn::say("done"));
    let rig = Setup::new(model).thread_bound(ThreadBound::default()).build();
    rig.engine.start(ask("r1", "hi")).await.unwrap();
    rig.ended("r1").await;
    let again = rig.engine.start(ask("r1", "hi")).await.unwrap();
    assert!(matches!(again.state, openclaw_domain::run::StartState::Ended(_)));
    assert_eq!(rig.engine.start(ask("r1", "other")).await.unwrap_err().kind, Kind::Conflict);
    assert_eq!(rig.model.requests().len(), 1);
    nothing_left(&rig).await;
}

#[tokio::test]
async fn a_deterministic_request_is_the_same_every_time_and_sees_what_was_there_when_it_was_accepted() {
    let door = Latch::new();
    let held = door.clone();
    let model = ScriptedModel::answering(move |sent| {
        let is_first = format!("{:?}", sent.prompt.turns().last()).contains("first");
        if is_first { Turn::say("one") } else { Turn::new().hold(&held).text("done") }
    });
    let terms = ThreadBound { deterministic: true, concurrent_max: 1, ..ThreadBound::default() };
    let rig = Setup::new(model).thread_bound(terms).build();
    rig.engine.start(ask("r0", "first")).await.unwrap();
    rig.ended("r0").await;
    nothing_left(&rig).await;
    // The second waits while the first of the two works, and must not see its answer.
    rig.engine.start(ask("r1", "same")).await.unwrap();
    rig.engine.start(ask("r2", "same")).await.unwrap();
    door.open();
    rig.ended("r2").await;
    let sent = rig.model.requests();
    let (one, two) = (&sent[1], &sent[2]);
    assert_eq!(one.prompt.turns().len(), 3, "the first exchange and the question");
    assert_eq!((one.temperature, one.seed.is_some()), (Some(0.0), true));
    let shown = |sent: &openclaw_domain::model::ModelRequest| {
        let turns: Vec<String> = sent.prompt.turns().iter().map(|turn| format!("{turn:?}")).collect();
        (turns, sent.system.clone(), sent.tools.clone(), sent.seed)
    };
    assert_eq!(shown(one), shown(two));
}

#[tokio::test]
async fn after_a_crash_an_instance_goes_on_in_its_own_scratch_and_left_over_ones_go() {
    let holding = Arc::new(FakeTool::says("act", "never").hold(&Latch::new()));
    let terms = ThreadBound { concurrent_max: 1, ..ThreadBound::default() };
    let first =
        Setup::new(ScriptedModel::new([Turn::ask("act", &json!({}))])).tool(&holding).thread_bound(terms).build();
    first.engine.start(ask("r1", "go")).await.unwrap();
    first.engine.start(ask("r2", "waits")).await.unwrap();
    first.recorder.wait_for(|update| matches!(update.change, Change::ToolStarted(_))).await;
    let id = first.engine.instances()[0].id.clone();
    first.scratches.files(&id).unwrap().put("kept.txt", "from before");
    first.engine.shutdown().await;
    first.scratches.leave(&"t-left-over".parse().unwrap());

    let working = Arc::new(FakeTool::says("act", "again"));
    let turns = [Turn::say("went on"), Turn::say("began")];
    let mut setup = Setup::new(ScriptedModel::new(turns)).tool(&working).thread_bound(terms);
    setup.store = first.store.clone();
    setup.scratches = Some(first.scratches.clone());
    setup.owner = "boot-2";
    let rig = setup.build();
    assert_eq!(rig.engine.recover().await.unwrap(), 2);
    assert_eq!(rig.scratches.count(), 1, "only the one whose request goes on is left");
    let files = rig.scratches.files(&id).unwrap();
    assert_eq!(files.text("kept.txt").as_deref(), Some("from before"));
    assert_eq!(rig.ended("r1").await.text, "went on");
    assert_eq!(rig.ended("r2").await.text, "began");
    assert_eq!(working.ran().len(), 1, "a reading call is made again");
    assert!(rig.recorder.changes(&run("r1")).contains(&Change::Resumed));
    assert!(!rig.recorder.changes(&run("r2")).contains(&Change::Resumed), "it only waited before, and begins now");
    nothing_left(&rig).await;
    assert_eq!(rig.scratches.count(), 0);
}
