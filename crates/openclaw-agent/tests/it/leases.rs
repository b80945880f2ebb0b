//! Several owners of one store: leases, taking over, and the one that was paused.

use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::Change;
use openclaw_domain::lease::{MARGIN, TTL};
use openclaw_domain::ports::{Journal, Runs};
use openclaw_domain::run::{QueueMode, Status};
use openclaw_domain::tool::Effect;
use openclaw_testkit::memory::Store;
use openclaw_testkit::model::Turn;
use openclaw_testkit::{FakeClock, FakeTool, FlawedJournal, Latch, ScriptedModel};
use serde_json::json;

use crate::harness::{Rig, Setup, run, session, soon};

const SECOND: Duration = Duration::from_secs(1);

fn acting() -> Arc<FakeTool> {
    Arc::new(FakeTool::says("act", "done").effect(Effect::Once))
}

/// An owner that asks for the tool and then answers, with a store of its own or another's.
fn owner(name: &'static str, store: Option<&Arc<Store>>, first: Turn, tool: &Arc<FakeTool>) -> Rig {
    let mut setup = Setup::new(ScriptedModel::new([first, Turn::say("finished")])).tool(tool);
    setup.owner = name;
    if let Some(store) = store {
        setup.store = store.clone();
    }
    let rig = setup.build();
    rig.engine.watch();
    rig
}

async fn status(store: &Store, id: &str) -> Status {
    let runs = store.runs(None, false, 10).await.unwrap();
    runs.into_iter().find(|record| record.id == run(id)).unwrap().status
}

/// Lets an owner look for expired leases once.
async fn sweep(rig: &Rig) {
    rig.clock.wait_for_sleepers(1).await;
    rig.clock.advance(SECOND).await;
}

#[tokio::test]
async fn a_paused_owner_is_fenced_and_dispatches_nothing() {
    let (door, zombies_tool, tool) = (Latch::new(), acting(), acting());
    let zombie = owner("boot-1", None, Turn::new().text("hm").hold(&door).call("act", &json!({})), &zombies_tool);
    zombie.start("r1", "act").await.unwrap();
    zombie.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;

    // Nothing of the first owner moves while its lease expires.
    zombie.store.shift_lease_clock(TTL + SECOND);
    let second = owner("boot-2", Some(&zombie.store), Turn::ask("act", &json!({})), &tool);
    sweep(&second).await;
    soon("the run to end", async || status(&second.store, "r1").await == Status::Done).await;
    assert_eq!(second.ended("r1").await.text, "finished");

    door.open();
    zombie.idle().await;
    assert_eq!((zombies_tool.ran().len(), tool.ran().len()), (0, 1));
    let told = zombie.recorder.changes(&run("r1"));
    assert!(!told.iter().any(|change| matches!(change, Change::Ended(_) | Change::ToolStarted(_))), "{told:?}");
    // What the second owner wrote stands: the first one did not end the run in its place.
    assert_eq!(status(&second.store, "r1").await, Status::Done);
    assert_eq!(second.transcript().await.len(), 3);
}

#[tokio::test]
async fn a_run_of_an_owner_that_is_gone_is_taken_up_within_one_sweep_of_its_expiry() {
    let (door, tool) = (Latch::new(), acting());
    let first = owner("boot-1", None, Turn::new().text("hm").hold(&door), &tool);
    first.start("r1", "hi").await.unwrap();
    first.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;
    first.engine.shutdown().await;

    let second = owner("boot-2", Some(&first.store), Turn::say("hello"), &tool);
    second.store.shift_lease_clock(TTL);
    sweep(&second).await;
    assert_eq!(second.engine.active(None), [], "the lease holds for its whole time");
    second.store.shift_lease_clock(Duration::from_millis(1));
    sweep(&second).await;
    assert_eq!(second.ended("r1").await.text, "hello");
    let changes = second.recorder.changes(&run("r1"));
    assert!(changes.iter().any(|change| matches!(change, Change::Resumed)), "{changes:?}");
    assert_eq!(second.transcript().await, ["user: hi", "assistant: hello"]);
}

#[tokio::test]
async fn of_two_that_look_at_once_one_takes_the_run() {
    let (door, tool) = (Latch::new(), acting());
    let first = owner("boot-1", None, Turn::new().text("hm").hold(&door), &tool);
    first.start("r1", "hi").await.unwrap();
    first.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;
    first.engine.shutdown().await;
    first.store.shift_lease_clock(TTL + SECOND);

    let others = ["boot-2", "boot-3"].map(|name| owner(name, Some(&first.store), Turn::say("hello"), &tool));
    futures_util::future::join_all(others.iter().map(sweep)).await;
    soon("the run to end", async || status(&first.store, "r1").await == Status::Done).await;
    let asked: usize = others.iter().map(|other| other.model.requests().len()).sum();
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn a_working_owner_renews_and_an_idle_one_writes_nothing() {
    let (door, tool) = (Latch::new(), acting());
    let mut setup = Setup::new(ScriptedModel::new([Turn::new().text("hm").hold(&door)])).tool(&tool);
    let journal = Arc::new(FlawedJournal::new(setup.store.clone()));
    setup.journal = Some(journal.clone());
    let rig = setup.build();
    rig.engine.watch();
    let pass = async |seconds: u64| {
        for _ in 0..seconds {
            sweep(&rig).await;
            rig.store.shift_lease_clock(SECOND);
            assert_eq!(rig.store.expired(10).await.unwrap(), []);
        }
        journal.renewals()
    };
    assert_eq!(pass(30).await, 0);
    rig.start("r1", "hi").await.unwrap();
    rig.recorder.wait_for(|update| matches!(update.change, Change::TextDelta(_))).await;
    let renewals = pass(30).await;
    assert!((9..=11).contains(&renewals), "{renewals} renewals in 30 s");
    door.open();
    rig.idle().await;
    assert_eq!(pass(30).await, renewals);
}

/// Runs one call whose start takes this long to record.
async fn call_after(slowness: Duration, effect: Effect) -> (usize, String) {
    let tool = Arc::new(FakeTool::says("act", "done").effect(effect));
    let turns = [Turn::ask("act", &json!({})), Turn::say("ok")];
    let mut setup = Setup::new(ScriptedModel::new(turns)).tool(&tool);
    let clock = FakeClock::new();
    setup.clock = clock.clone();
    setup.journal = Some(Arc::new(FlawedJournal::new(setup.store.clone()).slow_to_dispatch(clock, slowness)));
    let rig = setup.build();
    rig.engine.watch();
    rig.start("r1", "act").await.unwrap();
    rig.ended("r1").await;
    let result = rig.assistant_of(1).calls().next().unwrap().1.unwrap().text();
    (tool.ran().len(), result)
}

#[tokio::test]
async fn a_call_that_acts_is_not_dispatched_once_the_lease_may_be_over() {
    let (late, early) = (TTL - MARGIN, TTL - MARGIN - Duration::from_millis(1));
    let (ran, told) = call_after(late, Effect::Once).await;
    assert_eq!(ran, 0);
    assert!(told.starts_with("Not run: "), "{told}");
    assert_eq!(call_after(late, Effect::Keyed).await.0, 0);
    assert_eq!(call_after(early, Effect::Once).await, (1, "done".to_owned()));
    assert_eq!(call_after(late, Effect::Pure).await, (1, "done".to_owned()));
}

#[tokio::test]
async fn a_run_that_broke_is_ended_once_its_lease_is_over() {
    let mut setup = Setup::new(ScriptedModel::new([Turn::say("never recorded")]));
    setup.journal = Some(Arc::new(FlawedJournal::new(setup.store.clone()).refusing(1)));
    let rig = setup.build();
    rig.engine.watch();
    rig.send("r1", "hi", QueueMode::Followup).await;
    rig.ended("r1").await;
    assert_eq!(status(&rig.store, "r1").await, Status::Running);
    rig.store.shift_lease_clock(TTL + SECOND);
    sweep(&rig).await;
    soon("its end to be recorded", async || status(&rig.store, "r1").await == Status::Failed).await;
    assert_eq!(rig.store.events(&session(), &run("r1"), openclaw_domain::Seq(0), 99).await.unwrap().len(), 6);
}
