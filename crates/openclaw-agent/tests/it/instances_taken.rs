//! Instances whose owner is gone, paused or refused: leases, checkpoints and mail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use openclaw_domain::approval::Decision;
use openclaw_domain::lease::TTL;
use openclaw_domain::ports::{Approvals, Journal, Keeping, Runs, Upkeep};
use openclaw_domain::run::{End, Parent, QueueMode, Source, StartState, Status};
use openclaw_domain::runtime::ThreadBound;
use openclaw_domain::tool::Effect;
use openclaw_domain::{Change, RunEvent, RunRequest, Seq, SessionKey, Timestamp, UserTurn};
use openclaw_testkit::model::Turn;
use openclaw_testkit::{AskAll, FakeTool, FlawedJournal, Latch, ScriptedModel};
use serde_json::json;

use crate::harness::{Rig, SNAPSHOT_INTERVAL, Setup, request, run, soon};

const SECOND: Duration = Duration::from_secs(1);

fn own() -> SessionKey {
    "agent:own:main".parse().unwrap()
}

fn ask(id: &str, text: &str) -> RunRequest {
    RunRequest { session: own(), ..request(id, text, QueueMode::Followup) }
}

/// A process that works on what `earlier` left, or begins with an empty store.
fn process(owner: &'static str, earlier: Option<&Rig>, setup: Setup, terms: ThreadBound) -> Rig {
    let mut setup = setup.thread_bound(terms);
    setup.owner = owner;
    if let Some(earlier) = earlier {
        setup.store = earlier.store.clone();
        setup.scratches = Some(earlier.scratches.clone());
    }
    setup.build()
}

async fn status(rig: &Rig, id: &str) -> Status {
    let runs = rig.store.runs(None, false, 10).await.unwrap();
    runs.into_iter().find(|record| record.id == run(id)).unwrap().status
}

/// Lets a process look for expired leases once.
async fn sweep(rig: &Rig) {
    rig.clock.wait_for_sleepers(1).await;
    rig.clock.advance(SECOND).await;
}

async fn no_instances(rig: &Rig) {
    soon("all instances to go", async || rig.engine.instances().is_empty()).await;
}

#[tokio::test]
async fn an_instance_of_a_paused_owner_is_taken_over_by_an_instance_and_the_old_one_says_nothing_more() {
    let (door, zombies_tool) = (Latch::new(), Arc::new(FakeTool::says("act", "no").effect(Effect::Once)));
    let held = Turn::new().text("hm").hold(&door).call("act", &json!({}));
    let terms = ThreadBound::default();
    let zombie = process("boot-1", None, Setup::new(ScriptedModel::new([held])).tool(&zombies_tool), terms);
    zombie.engine.watch();
    zombie.engine.start(ask("r1", "act")).await.unwrap();
    zombie.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;
    let id = zombie.engine.instances()[0].id.clone();

    // Nothing of the first owner moves while its lease expires.
    zombie.store.shift_lease_clock(TTL + SECOND);
    let tool = Arc::new(FakeTool::says("act", "yes").effect(Effect::Once));
    let turns = [Turn::ask("act", &json!({})), Turn::say("finished")];
    let second = process("boot-2", Some(&zombie), Setup::new(ScriptedModel::new(turns)).tool(&tool), terms);
    second.engine.watch();
    sweep(&second).await;
    soon("the run to end", async || status(&second, "r1").await == Status::Done).await;
    assert_eq!(second.ended("r1").await.text, "finished");
    no_instances(&second).await;
    assert_eq!(second.scratches.opened(), [id.clone(), id.clone()], "both worked in the same scratch");

    door.open();
    no_instances(&zombie).await;
    assert_eq!((zombies_tool.ran().len(), tool.ran().len()), (0, 1));
    let told = zombie.recorder.changes(&run("r1"));
    assert!(!told.iter().any(|change| matches!(change, Change::Ended(_) | Change::ToolStarted(_))), "{told:?}");
    assert_eq!(status(&second, "r1").await, Status::Done);
    assert_eq!(zombie.scratches.closed(), [(id.clone(), Keeping::Destroy), (id, Keeping::Keep)]);
}

#[tokio::test]
async fn of_two_that_look_at_once_one_has_the_instance() {
    let door = Latch::new();
    let terms = ThreadBound::default();
    let held = ScriptedModel::new([Turn::new().text("hm").hold(&door)]);
    let first = process("boot-1", None, Setup::new(held), terms);
    first.engine.start(ask("r1", "hi")).await.unwrap();
    first.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;
    first.engine.shutdown().await;
    first.store.shift_lease_clock(TTL + SECOND);

    let others = ["boot-2", "boot-3"]
        .map(|name| process(name, Some(&first), Setup::new(ScriptedModel::new([Turn::say("hello")])), terms));
    others.iter().for_each(|other| other.engine.watch());
    futures_util::future::join_all(others.iter().map(sweep)).await;
    soon("the run to end", async || status(&first, "r1").await == Status::Done).await;
    for other in &others {
        no_instances(other).await;
        assert_eq!(other.engine.active(None).len(), 0);
    }
    let asked: usize = others.iter().map(|other| other.model.requests().len()).sum();
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn a_checkpoint_of_an_instance_is_used_and_its_time_goes_on() {
    let door = Latch::new();
    let terms = ThreadBound { duration_max: Duration::from_secs(120), ..ThreadBound::default() };
    let tool = Arc::new(FakeTool::says("act", "acted"));
    let first_turn = Turn::new().hold(&door).call("act", &json!({}));
    let mut setup = Setup::new(ScriptedModel::new([first_turn])).tool(&tool);
    setup.gate = Arc::new(AskAll);
    let first = process("boot-1", None, setup, terms);
    first.engine.start(ask("r1", "go")).await.unwrap();
    door.reached_by(1).await;
    first.clock.advance(Duration::from_secs(60)).await;
    door.open();
    first.recorder.wait_for(|update| matches!(update.change, Change::ApprovalRequested(_))).await;
    let snapshotted = first.engine.snapshot(&run("r1")).await.unwrap();
    assert_eq!(snapshotted.kept, snapshotted.head, "nothing is under way while a person is asked");
    first.engine.shutdown().await;
    assert!(first.store.checkpoint(&own(), &run("r1")).await.unwrap().is_some());

    let mut setup = Setup::new(ScriptedModel::new([Turn::say("ok")])).tool(&tool);
    setup.gate = Arc::new(AskAll);
    let rig = process("boot-2", Some(&first), setup, terms);
    assert_eq!(rig.engine.recover().await.unwrap(), 1);
    soon("the instance to work", async || rig.engine.instances().iter().any(|it| it.left.is_some())).await;
    assert_eq!(rig.engine.instances()[0].left, Some(Duration::from_secs(60)), "it had worked for a minute");
    soon("the question", async || !rig.engine.pending().is_empty()).await;
    let asked = rig.engine.pending().remove(0);
    rig.engine.resolve(&asked.id, Decision::AllowOnce, "owner").await.unwrap();
    assert_eq!(rig.ended("r1").await.text, "ok");
    assert_eq!(tool.ran().len(), 1);
    no_instances(&rig).await;
}

#[tokio::test]
async fn a_working_instance_keeps_checkpoints_by_itself() {
    let tool = Arc::new(FakeTool::says("act", "acted"));
    let mut setup = Setup::new(ScriptedModel::new([Turn::ask("act", &json!({}))])).tool(&tool);
    setup.gate = Arc::new(AskAll);
    let rig = process("boot-1", None, setup, ThreadBound::default());
    rig.engine.start(ask("r1", "go")).await.unwrap();
    rig.recorder.wait_for(|update| matches!(update.change, Change::ApprovalRequested(_))).await;
    rig.clock.wait_for_sleepers(2).await;
    rig.clock.advance(SNAPSHOT_INTERVAL).await;
    soon("a checkpoint", async || rig.store.checkpoint(&own(), &run("r1")).await.unwrap().is_some()).await;
}

#[tokio::test]
async fn an_end_of_an_instance_that_was_refused_is_recorded_once_its_lease_is_over() {
    let mut setup = Setup::new(ScriptedModel::new([Turn::say("never recorded")]));
    // The first append of the run, and every try to record that it broke.
    setup.journal = Some(Arc::new(FlawedJournal::new(setup.store.clone()).refusing(4)));
    let rig = process("boot-1", None, setup, ThreadBound::default());
    rig.engine.watch();
    rig.engine.start(ask("r1", "hi")).await.unwrap();
    for _ in 0..6 {
        sweep(&rig).await;
    }
    assert!(matches!(rig.ended("r1").await.end, End::Failed { .. }));
    no_instances(&rig).await;
    assert_ne!(status(&rig, "r1").await, Status::Failed);
    rig.store.shift_lease_clock(TTL + SECOND);
    sweep(&rig).await;
    soon("its end to be recorded", async || status(&rig, "r1").await == Status::Failed).await;
    assert_eq!(rig.scratches.count(), 0);
}

#[tokio::test]
async fn what_a_child_said_meanwhile_is_the_result_of_the_call_that_waited_for_it() {
    let waiting = Arc::new(FakeTool::says("ask", "asked again").hold(&Latch::new()));
    let terms = ThreadBound::default();
    let model = ScriptedModel::new([Turn::ask("ask", &json!({}))]);
    let first = process("boot-1", None, Setup::new(model).tool(&waiting), terms);
    first.engine.start(ask("r1", "go")).await.unwrap();
    first.recorder.wait_for(|update| matches!(update.change, Change::ToolStarted(_))).await;
    let events = first.store.events(&own(), &run("r1"), Seq(0), 99).await.unwrap();
    let call = events.iter().find_map(|recorded| match &recorded.event {
        RunEvent::ToolStarted { call, .. } => Some(call.clone()),
        _ => None,
    });
    first.engine.shutdown().await;

    // Another process ran the child to its end.
    let mut setup = Setup::new(ScriptedModel::new([Turn::say("found it")]));
    setup.store = first.store.clone();
    setup.owner = "boot-child";
    let other = setup.build();
    let parent = Parent { session: own(), run: run("r1"), call: call.unwrap(), root: own(), is_owner: false };
    let input = UserTurn::owner("find it", Timestamp(0));
    let child = RunRequest::new(run("child"), "agent:main:child".parse().unwrap(), input, Source::Agent);
    other.engine.start(RunRequest { parent: Some(parent), ..child }).await.unwrap();
    other.ended("child").await;

    let again = Arc::new(FakeTool::says("ask", "asked again"));
    let model = ScriptedModel::new([Turn::say("thanks")]);
    let rig = process("boot-2", Some(&first), Setup::new(model).tool(&again), terms);
    assert_eq!(rig.engine.recover().await.unwrap(), 1);
    assert_eq!(rig.ended("r1").await.text, "thanks");
    assert_eq!(again.ran().len(), 0, "the child's answer stands in for asking again");
    let transcript = rig.transcript_of(&own()).await;
    assert!(transcript.iter().any(|line| line.contains("[ask found it]")), "{transcript:?}");
}

#[tokio::test]
async fn a_request_that_is_sent_again_while_its_instance_is_taken_up_is_worked_on() {
    let (door, terms) = (Latch::new(), ThreadBound::default());
    let first = process("boot-1", None, Setup::new(ScriptedModel::new([Turn::new().hold(&door)])), terms);
    first.engine.start(ask("r1", "go")).await.unwrap();
    door.reached_by(1).await;
    first.engine.shutdown().await;

    // The admission that finds the request known takes longer than taking it up.
    let slow = Arc::new(AtomicUsize::new(0));
    let turns = slow.clone();
    let journal = FlawedJournal::new(first.store.clone()).pausing(Box::new(move || {
        let turns = turns.swap(0, Ordering::SeqCst);
        Box::pin(async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        })
    }));
    let mut setup = Setup::new(ScriptedModel::new([Turn::say("done")]));
    setup.journal = Some(Arc::new(journal));
    let second = process("boot-2", Some(&first), setup, terms);
    assert_eq!(second.engine.find_left().await.unwrap(), 1);
    slow.store(1000, Ordering::SeqCst);
    let again = async {
        let started = second.engine.start(ask("r1", "go")).await.unwrap();
        assert!(!matches!(started.state, StartState::New), "{started:?}");
    };
    tokio::join!(again, async { second.engine.take_up_left() });
    assert_eq!(second.ended("r1").await.text, "done");
    no_instances(&second).await;
}
