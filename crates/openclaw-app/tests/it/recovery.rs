//! Taking up many runs at once from the real database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openclaw_agent::{Deliveries, Engine, Options, Ports};
use openclaw_domain::delivery::Retention;
use openclaw_domain::ports::{Clock, Runs};
use openclaw_domain::run::{RunRequest, Source};
use openclaw_domain::runtime::Concurrency;
use openclaw_domain::{Change, Timestamp, UserTurn};
use openclaw_store::sqlite::Store;
use openclaw_testkit::model::Turn;
use openclaw_testkit::observer::PATIENCE;
use openclaw_testkit::{
    AllowAll, FakeClock, FakeNet, FakeProcesses, FixedCatalog, FixedContext, Latch, MemoryFiles, MemoryScratches,
    Recorder, ScriptedModel,
};

const RUNS: usize = 1000;

struct Rig {
    engine: Arc<Engine>,
    recorder: Arc<Recorder>,
    store: Store,
}

fn rig(folder: &std::path::Path, owner: &str, model: ScriptedModel) -> Rig {
    let store = Store::open(openclaw_store::sqlite::Options::new(folder)).unwrap();
    let kept = Arc::new(store.clone());
    let (recorder, clock) = (Arc::new(Recorder::new()), FakeClock::new());
    let files = Arc::new(MemoryFiles::new([]));
    let ports = Ports {
        journal: kept.clone(),
        sessions: kept.clone(),
        compactions: kept.clone(),
        model: Arc::new(model),
        tools: Vec::new(),
        gate: Arc::new(AllowAll),
        context: Arc::new(FixedContext::new(["be good"])),
        catalog: Arc::new(FixedCatalog::new()),
        observer: recorder.clone(),
        scratches: Arc::new(MemoryScratches::new(Arc::new(FakeProcesses::echo(&clock)))),
        workspaces: Arc::new(move |_| Ok(files.clone())),
        processes: Arc::new(FakeProcesses::echo(&clock)),
        net: Arc::new(FakeNet::unreachable()),
        variables: kept.clone(),
        memories: kept.clone(),
        grants: kept.clone(),
        deliveries: Deliveries {
            outbox: kept,
            couriers: Vec::new(),
            kept: Duration::from_secs(900),
            retention: Retention::default(),
        },
        clock: Arc::new(clock) as Arc<dyn Clock>,
    };
    let options = Options {
        crash: None,
        owner: owner.to_owned(),
        approval_timeout: None,
        idle: Duration::from_secs(300),
        concurrency: Concurrency { runs_max: RUNS, ..Concurrency::default() },
        snapshot_interval: None,
        build: "1".to_owned(),
    };
    Rig { engine: Engine::new(options, ports), recorder, store }
}

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE * 3, work).await.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// The first run goes on while the others are still being read, and none is left out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_open_runs_are_taken_up_and_the_first_goes_on_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let door = Latch::new();
    let first = rig(folder.path(), "boot-1", ScriptedModel::answering(move |_| Turn::new().text("x").hold(&door)));
    for n in 0..RUNS {
        let session = format!("agent:main:s{n}").parse().unwrap();
        let input = UserTurn::owner(format!("task {n}"), Timestamp(1));
        let request = RunRequest::new(format!("r{n}").parse().unwrap(), session, input, Source::Chat);
        first.engine.start(request).await.unwrap();
    }
    first.engine.shutdown().await;
    first.store.close().await;
    drop(first);

    let second = rig(folder.path(), "boot-2", ScriptedModel::answering(|_| Turn::say("done")));
    let recorder = second.recorder.clone();
    let began = Instant::now();
    let resumed = tokio::spawn(async move {
        recorder.wait_for(|update| matches!(update.change, Change::Resumed)).await;
        began.elapsed()
    });
    assert_eq!(in_time("recovery", second.engine.recover()).await.unwrap(), RUNS);
    let found = began.elapsed();
    let first_event = in_time("the first event", resumed).await.unwrap();
    for n in 0..RUNS {
        let run = format!("r{n}").parse().unwrap();
        assert_eq!(in_time("a run", second.engine.wait(None, &run)).await.unwrap().unwrap().text, "done");
    }
    println!(
        "{RUNS} open runs: first event after {first_event:?}, all found after {found:?}, all ended after {:?}",
        began.elapsed()
    );
    // The target is 200 ms; a busy machine gets room, a scan of all runs before the first does not fit.
    assert!(first_event < Duration::from_secs(2), "{first_event:?}");
    second.engine.shutdown().await;
    second.store.close().await;
}
