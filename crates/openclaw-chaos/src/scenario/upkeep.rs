//! Stories about what is kept beside the journal, and about owners.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{Act, Ground, MAIN, Say, effect, read, write};
use crate::plan::{Call, Plan};

/// A session of the agent whose requests have an instance each.
const WORKER: &str = "agent:worker:main";

/// Enough text that a few turns of it are too long for a small model.
const FILLING: usize = 9_000;

/// A model with a small window.
pub(super) fn small(_: SocketAddr) -> Value {
    let model = json!({ "id": "mock-1", "name": "Mock 1", "contextWindow": 24_000, "maxTokens": 1_000 });
    json!({ "models": { "providers": { "mock": { "models": [model] } } },
        "agents": { "defaults": { "compaction": { "recentTurnsPreserve": 1, "keepRecentTokens": 1_000 } } } })
}

/// The state of a run is kept whenever nothing is under way.
pub(super) fn keeping(_: SocketAddr) -> Value {
    json!({ "agents": { "defaults": { "snapshotInterval": 1 } } })
}

/// An agent with one instance at a time, which lives for a second.
pub(super) fn single(_: SocketAddr) -> Value {
    let worker = json!({ "runtime": "thread-bound", "maxConcurrent": 1, "maxDuration": 1 });
    json!({ "agents": { "entries": { "main": {}, "worker": worker } } })
}

/// An agent whose instances live long enough, and whose files are kept at every step.
pub(super) fn filing(_: SocketAddr) -> Value {
    let worker = json!({ "runtime": "thread-bound", "maxDuration": 20 });
    json!({ "agents": { "defaults": { "snapshotInterval": 1 }, "entries": { "main": {}, "worker": worker } } })
}

fn main(id: &str, plan: Plan) -> Act {
    Act::Say(Say::main(id, plan))
}

/// Three turns, a summary, a turn that sees it, and all turns again.
pub(super) fn shorten(_: &Ground) -> Vec<Act> {
    let plan = || Plan { filling: FILLING / 3, ..Plan::default() };
    let turns = ["m1", "m2", "m3"].into_iter().flat_map(|id| [main(id, plan()), Act::Over]);
    let rest = [Act::Shorten(MAIN), main("m4", Plan::default()), Act::Over, Act::Restore(MAIN)];
    turns.chain(rest).chain([main("m5", Plan::default()), Act::Over]).collect()
}

/// Turns that fill the window, and one with a tool in which that is noticed.
pub(super) fn overflow(ground: &Ground) -> Vec<Act> {
    let plan = || Plan { filling: FILLING, ..Plan::default() };
    let turns = ["m1", "m2", "m3", "m4"].into_iter().flat_map(|id| [main(id, plan()), Act::Over]);
    let last = Plan { rounds: vec![vec![read()], vec![effect(ground, "m5-pay")]], filling: FILLING, ..Plan::default() };
    turns.chain([main("m5", last), Act::Over]).collect()
}

/// A command with an effect, and a file, in a run whose state is kept between them.
pub(super) fn paying(ground: &Ground) -> Vec<Act> {
    let rounds = vec![vec![effect(ground, "m1-pay")], vec![read()], vec![write("m1")]];
    vec![main("m1", Plan { rounds, pieces: 2, ..Plan::default() }), Act::Over]
}

/// Two requests to an agent with one place: the second waits for the first.
pub(super) fn instances(ground: &Ground) -> Vec<Act> {
    let rounds = vec![vec![effect(ground, "w1-pay")]];
    let first = Plan { rounds, pieces: 4, pause_ms: 25, ..Plan::default() };
    let ends = &["done", "failed"];
    let say = |id: &str, plan: Plan| Act::Say(Say { ends, ..Say::new(WORKER, id, plan) });
    let second = Plan { pieces: 2, pause_ms: 10, ..Plan::default() };
    vec![say("w1", first), Act::Calls(1), say("w2", second), Act::Over]
}

/// An instance that writes, does something else and reads what it wrote.
pub(super) fn files(ground: &Ground) -> Vec<Act> {
    let read = Call::new("read", json!({ "path": "w1.txt" }));
    let rounds = vec![vec![write("w1")], vec![effect(ground, "w1-pay")], vec![read]];
    let plan = Plan { rounds, pieces: 4, pause_ms: 10, ..Plan::default() };
    vec![Act::Say(Say::new(WORKER, "w1", plan)), Act::Over]
}

/// An instance that would take longer than it may.
pub(super) fn late(_: &Ground) -> Vec<Act> {
    let plan = Plan { pieces: 60, pause_ms: 50, ..Plan::default() };
    vec![Act::Say(Say { ends: &["failed"], ..Say::new(WORKER, "w1", plan) }), Act::Over]
}

/// Longer than it takes until leases are renewed.
pub(super) fn long(_: &Ground) -> Vec<Act> {
    let plan = Plan { pieces: 18, pause_ms: 250, ..Plan::default() };
    vec![main("m1", plan), Act::Over]
}

/// The model is still answering when the run is taken.
pub(super) fn stolen(ground: &Ground) -> Vec<Act> {
    let rounds = vec![vec![effect(ground, "m1-pay")]];
    let plan = Plan { rounds, pieces: 30, pause_ms: 25, ..Plan::default() };
    vec![main("m1", plan), Act::Calls(2), Act::Steal, Act::Over]
}

/// The model is told that the outcome is unknown; a person knows better, later.
pub(super) fn settle(ground: &Ground) -> Vec<Act> {
    let rounds = vec![vec![effect(ground, "m1-pay")]];
    vec![main("m1", Plan { rounds, ..Plan::default() }), Act::Over, Act::Settle, Act::Over]
}

/// An answer that may have arrived or not, sent again by hand.
pub(super) fn send_again(_: &Ground) -> Vec<Act> {
    let say = Say { is_delivered: true, ..Say::main("m1", Plan::default()) };
    vec![Act::Say(say), Act::Over, Act::SendAgain, Act::Over]
}
