//! What was acknowledged is there after a `kill -9`.
//!
//! The test runs its own binary again as a child that writes as fast as it can
//! and says on its output what was acknowledged. It is killed without warning;
//! then the database is opened and everything it said is looked for.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use openclaw_domain::ids::{Epoch, RunId, Seq, SessionKey};
use openclaw_domain::ports::{Batch, Journal, Sessions};
use openclaw_domain::run::Status;
use openclaw_domain::session::EntryQuery;
use openclaw_store::{Options, Store};
use openclaw_testkit::contract::journal::{admission, ending, key};

/// Tells the child where to write; without it the child's test does nothing.
const STATE_DIR: &str = "OPENCLAW_STORE_CRASH_TEST_DIR";

/// Acknowledgements to wait for before the child is killed.
const ACKS: [usize; 3] = [1, 60, 400];

/// Lanes that write at the same time in the child.
const LANES: usize = 8;

#[test]
fn child_writes_until_it_is_killed() {
    let Ok(state_dir) = std::env::var(STATE_DIR) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let store = Store::open(Options::new(state_dir)).unwrap();
        let lanes = (0..LANES).map(|lane| {
            let store = store.clone();
            tokio::spawn(async move {
                let key = key(&format!("lane-{lane}"));
                for left in store.runs(Some(&key), true, 10).await.unwrap() {
                    take_over(&store, &key, &left.id).await;
                }
                for n in 0.. {
                    let id = format!("{}-{n}", std::process::id());
                    store.admit(admission(&key, &id, "hi")).await.unwrap();
                    say("admitted", &key, &id);
                    store.append(ending(&key, &id, 3)).await.unwrap();
                    say("ended", &key, &id);
                }
            })
        });
        for lane in lanes.collect::<Vec<_>>() {
            lane.await.unwrap();
        }
    });
}

/// Ends what a killed process left running.
async fn take_over(store: &Store, key: &SessionKey, id: &RunId) {
    let (epoch, seq) = store.claim(key, id, "next").await.unwrap();
    let ending = ending(key, id.as_str(), seq.next().0);
    store.append(Batch { epoch, ..ending }).await.unwrap();
}

fn say(what: &str, key: &SessionKey, id: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nack {what} {key} {id}").unwrap();
    out.flush().unwrap();
}

fn start(state_dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_writes_until_it_is_killed", "--nocapture"])
        .env(STATE_DIR, state_dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Returns what was acknowledged before and while the child died.
fn kill_after(mut child: Child, acks: usize) -> BTreeMap<(SessionKey, RunId), bool> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut heard = BTreeMap::new();
    let mut count = 0;
    // The pipe ends with the child; what it still holds was acknowledged too.
    while let Some(Ok(line)) = lines.next() {
        let words: Vec<&str> = line.split(' ').collect();
        let ["ack", what, key, id] = words[..] else { continue };
        heard.insert((key.parse().unwrap(), id.parse().unwrap()), what == "ended");
        count += 1;
        if count == acks {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(count >= acks, "the child ended by itself after {count} acknowledgements");
    heard
}

#[tokio::test]
async fn everything_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut heard = BTreeMap::new();
    // Three children in a row over the same database: each opens what the last one left.
    for acks in ACKS {
        heard.extend(kill_after(start(folder.path()), acks));
    }
    let store = Store::open(Options::new(folder.path())).unwrap();
    for ((key, id), has_ended) in &heard {
        let events = store.events(key, id, Seq(0), 100).await.unwrap();
        let expected = if *has_ended { 6 } else { 2 };
        assert!(events.len() >= expected, "{key} {id}: {} of {expected} events", events.len());
    }
    for lane in 0..LANES {
        check_whole(&store, &key(&format!("lane-{lane}"))).await;
    }
    store.close().await;
    let db = rusqlite::Connection::open(store.path()).unwrap();
    let report: String = db.query_row("pragma integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(report, "ok");
}

/// A batch is there whole or not at all, acknowledged or not.
async fn check_whole(store: &Store, key: &SessionKey) {
    let Some(session) = Sessions::get(store, key).await.unwrap() else { return };
    let page = store.entries(key, EntryQuery::default()).await.unwrap();
    let numbers: Vec<u64> = page.entries.iter().map(|entry| entry.n).collect();
    assert_eq!(numbers, (1..=session.head).collect::<Vec<_>>());
    let mut entries = 0;
    let mut used = 0;
    for run in store.runs(Some(key), false, 10_000).await.unwrap() {
        let events = store.events(key, &run.id, Seq(0), 100).await.unwrap();
        let positions: Vec<u64> = events.iter().map(|event| event.seq.0).collect();
        assert_eq!(positions, (1..=run.seq.0).collect::<Vec<_>>());
        match run.status {
            Status::Done => {
                let taken_over = if run.epoch == Epoch(2) { Seq(7) } else { Seq(6) };
                assert_eq!((run.seq, run.outcome.is_some()), (taken_over, true));
                entries += 2;
                used += 10;
            }
            Status::Running => {
                assert_eq!((run.seq, run.outcome.is_none()), (Seq(2), true));
                entries += 1;
            }
            other => panic!("run {} is {other:?}", run.id),
        }
    }
    assert_eq!((session.entries, session.usage.input), (entries, used));
}
