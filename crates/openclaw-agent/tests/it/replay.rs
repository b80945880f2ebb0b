//! Recorded runs, replayed: what the engine did live is what the pure engine
//! asks for again, byte for byte; what was planted is found.

mod forks;
mod planted;
mod random;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::RunEvent;
use openclaw_domain::ports::{History, Journal};
use openclaw_domain::{Recorded, Seq};
use openclaw_testkit::memory;

use world::{Stores, live};

/// How long one generated run may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a set of recorded runs holds.
#[derive(Default)]
struct Seen {
    runs: usize,
    events: u64,
    rebuilt: u64,
    epochs_max: u64,
    kinds: BTreeMap<&'static str, usize>,
}

/// Records the conversations of these seeds and replays every run of them.
async fn record_and_replay(stores: impl Fn() -> Stores, seeds: std::ops::Range<u64>) -> Seen {
    let mut seen = Seen::default();
    for seed in seeds {
        let stores = stores();
        let Ok(engine) = tokio::time::timeout(PATIENCE, live(&stores, seed)).await else {
            panic!("seed {seed} hangs with {}", standing(&stores).await);
        };
        for record in stores.journal.runs(None, false, 100).await.unwrap() {
            let replay = engine.replay(Some(&record.session), &record.id).await.unwrap();
            assert!(replay.is_identical, "seed {seed}, run {}: {:#?}", record.id, replay.differences);
            assert_eq!(replay.recorded_sha256, replay.rebuilt_sha256);
            assert_eq!(replay.events, replay.inputs + replay.rebuilt);
            assert_eq!(replay.notes, Vec::<String>::new(), "seed {seed}, run {}", record.id);
            seen.runs += 1;
            seen.events += replay.events;
            seen.rebuilt += replay.rebuilt;
            seen.epochs_max = seen.epochs_max.max(replay.epochs);
            for recorded in stores.journal.events(&record.session, &record.id, Seq(0), 10_000).await.unwrap() {
                *seen.kinds.entry(recorded.event.name()).or_default() += 1;
            }
        }
        engine.shutdown().await;
    }
    seen
}

#[tokio::test]
async fn what_was_recorded_in_memory_is_what_the_engine_asks_for_again() {
    let seen = record_and_replay(|| Stores::memory(Arc::new(memory::Store::new())), 0..150).await;
    eprintln!(
        "{} runs, {} events, {} rebuilt, {} owners at most: {:?}",
        seen.runs, seen.events, seen.rebuilt, seen.epochs_max, seen.kinds
    );
    assert!(seen.runs >= 150 && seen.epochs_max >= 3);
    // A run is made shorter only when its model's window is full.
    let all = RunEvent::NAMES.into_iter().filter(|kind| *kind != "compacted");
    let missing: BTreeSet<_> = all.filter(|kind| !seen.kinds.contains_key(kind)).collect();
    assert_eq!(missing, BTreeSet::new(), "the generated runs must hold every kind of event");
}

#[tokio::test]
async fn what_was_recorded_in_sqlite_is_what_the_engine_asks_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let next = std::cell::Cell::new(0);
    let stores = || {
        next.set(next.get() + 1);
        Stores::sqlite(&folder.path().join(next.get().to_string()))
    };
    let seen = record_and_replay(stores, 0..60).await;
    eprintln!(
        "{} runs, {} events, {} rebuilt, {} owners at most",
        seen.runs, seen.events, seen.rebuilt, seen.epochs_max
    );
    assert!(seen.runs >= 60);
}

/// Tells where every run stands, for a failure.
async fn standing(stores: &Stores) -> String {
    let mut all = String::new();
    for record in stores.journal.runs(None, false, 100).await.unwrap() {
        let events = events(stores.journal.as_ref(), &record).await;
        let names: Vec<_> = events.iter().map(|recorded| recorded.event.name()).collect();
        all.push_str(&format!("\n{} {:?}: {}", record.id, record.status, names.join(" ")));
    }
    all
}

/// Returns a run's events.
async fn events(journal: &dyn Journal, record: &openclaw_domain::ports::RunRecord) -> Vec<Recorded> {
    journal.events(&record.session, &record.id, Seq(0), 10_000).await.unwrap()
}

/// Tells whether an event is of a kind.
fn is(recorded: &Recorded, kind: &str) -> bool {
    recorded.event.name() == kind
}

/// Returns the result a `tool_ended` carries.
fn result_of(recorded: &mut Recorded) -> Option<&mut openclaw_domain::ToolResult> {
    match &mut recorded.event {
        RunEvent::ToolEnded { result, .. } => Some(result),
        _ => None,
    }
}
