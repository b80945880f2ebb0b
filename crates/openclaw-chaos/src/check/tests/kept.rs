//! What is kept beside the journal: rules I7b, I11, I12, T5 and C1.

use openclaw_domain::compaction::{Compaction, Summary as Notes};
use openclaw_domain::runtime::ThreadBound;
use serde_json::Value;

use super::*;
use crate::snapshot::{Kept, Scratch, Step, Summary};

/// A state at position 7, as the gateway keeps it.
fn state() -> Value {
    json!({ "state": {
        "seq": 7, "iterations": 1, "tool_calls": 0, "partial": "", "open": { "c1": "started" },
        "usage": { "input": 10, "output": 5 }, "compaction": null, "steered": []
    } })
}

fn keeping(change: impl FnOnce(&mut Kept)) -> Vec<&'static str> {
    let mut kept = Kept { run: "m1".into(), seq: 7, body: Some(state()) };
    change(&mut kept);
    broken(|it| it.crashes[0].checkpoints.push(kept))
}

#[test]
fn a_state_that_is_not_the_fold_of_its_events_is_seen() {
    let none: [&str; 0] = [];
    assert_eq!(keeping(|_| {}), none);
    let wrong = |field: &str, value: Value| {
        let mut body = state();
        body["state"][field] = value;
        keeping(|kept| kept.body = Some(body))
    };
    assert_eq!(wrong("seq", json!(6)), ["I11"]);
    assert_eq!(wrong("iterations", json!(2)), ["I11"]);
    assert_eq!(wrong("open", json!({})), ["I11"]);
    assert_eq!(wrong("usage", json!({ "input": 10, "output": 6 })), ["I11"]);
    assert_eq!(wrong("partial", json!("Wor")), ["I11"]);
    assert_eq!(wrong("steered", json!([["m2", {}]])), ["I11"]);
}

#[test]
fn a_state_one_event_ahead_or_behind_is_seen() {
    assert_eq!(keeping(|kept| kept.seq = 8), ["I11"], "the journal ends before it");
    assert_eq!(keeping(|kept| kept.seq = 4), ["I11"], "it holds what came later");
}

#[test]
fn a_state_that_is_torn_or_forged_is_nobodys_word() {
    let none: [&str; 0] = [];
    assert_eq!(keeping(|kept| kept.body = None), none);
    assert_eq!(keeping(|kept| kept.body = Some(json!({ "format": 2 }))), none);
}

/// Two requests of an agent with this many places, both at work at once.
fn two_at_work(places: usize, owner: &str) -> Evidence {
    let session = "agent:worker:main";
    let terms = ThreadBound { concurrent_max: places, ..ThreadBound::default() };
    let request = |id: &str| RunRequest::new(id.parse().unwrap(), session.parse().unwrap(), input(), Source::Chat);
    let one = |id: &str, owner: &str| {
        let (limits, runtime) = (Limits::default(), Runtime::ThreadBound(terms));
        let accepted = RunEvent::Accepted { request: Box::new(request(id)), limits, runtime };
        let events = [(0, accepted), (1, RunEvent::Claimed { owner: owner.into() })];
        Run { id: id.into(), session: session.into(), ..run(&events, "running") }
    };
    let order = [("w1", 1), ("w1", 2), ("w2", 1), ("w2", 2)].map(|(id, seq)| (id.to_owned(), seq)).to_vec();
    let end = Snapshot { runs: vec![one("w1", "one"), one("w2", owner)], order, ..Snapshot::default() };
    Evidence { end, ..Evidence::default() }
}

#[test]
fn more_instances_at_work_than_an_agent_may_have_are_seen() {
    assert!(rules(&two_at_work(1, "one")).contains(&"I12"));
    assert!(!rules(&two_at_work(2, "one")).contains(&"I12"));
    assert!(!rules(&two_at_work(1, "two")).contains(&"I12"), "the first died with its process");
}

#[test]
fn a_folder_that_an_instance_leaves_behind_is_seen() {
    assert_eq!(broken(|it| it.left.push("t-1".into())), ["I12"]);
}

fn summary(id: u64, through: u64, is_undone: bool) -> Summary {
    Summary { id, session: SESSION.into(), run: None, through, is_undone }
}

#[test]
fn a_summary_that_is_lost_or_in_force_again_is_seen() {
    let kept = |it: &mut Evidence| {
        it.summaries.push((1, 1));
        it.crashes[0].summaries.push(summary(1, 2, false));
        it.end.summaries.push(summary(1, 2, false));
    };
    let none: [&str; 0] = [];
    assert_eq!(broken(kept), none);
    assert_eq!(broken(|it| it.summaries.push((1, 1))), ["C1"]);
    assert_eq!(
        broken(|it| {
            kept(it);
            it.restored.push((2, 1));
        }),
        ["C1"]
    );
    assert_eq!(broken(|it| it.end.summaries.push(summary(1, 9, false))), ["C1"], "it stands for what is not there");
    let compaction = Compaction { turns: 1, through: 1, summary: Notes::default(), tokens: None };
    let made = RunEvent::Compacted { compaction: Box::new(compaction), usage: Usage::default() };
    assert!(broken(|it| it.end.runs[0].events[8].event = made).contains(&"C1"), "its row is missing");
}

#[test]
fn a_turn_that_changes_is_seen() {
    let other = UserTurn::owner(format!("{} and more", plan().message("m1")), Timestamp(1));
    assert_eq!(broken(|it| it.end.entries[0].turn = Turn::User(other)), ["T5"]);
}

#[test]
fn a_word_about_a_call_that_is_forgotten_is_seen() {
    let open = |state: &str| Step { run: "m1".into(), call: "c1".into(), effect: "once".into(), state: state.into() };
    let none: [&str; 0] = [];
    for (state, found) in [("resolved", &none[..]), ("unknown", &["I7b"][..])] {
        let story = |it: &mut Evidence| {
            it.settled.push((2, "c1".into()));
            it.end.steps.push(open(state));
        };
        assert_eq!(broken(story), found, "{state}");
    }
}

/// An instance that wrote `w.txt` and read this of it; killed once in between.
fn read_back(text: &str, is_without_folders: bool, kept: Option<&str>) -> Evidence {
    let session = "agent:worker:main";
    let request = RunRequest::new("w1".parse().unwrap(), session.parse().unwrap(), input(), Source::Chat);
    let runtime = Runtime::ThreadBound(ThreadBound::default());
    let accepted = RunEvent::Accepted { request: Box::new(request), limits: Limits::default(), runtime };
    let step = |id: &str, name: &str, arguments: Value, said: &str| {
        let call = ToolCall {
            id: id.parse().unwrap(),
            provider_id: id.into(),
            name: name.into(),
            arguments: arguments.to_string(),
        };
        let asked = done(vec![Block::Call { call: call.clone(), result: None }]);
        let status = if said.is_empty() { ToolStatus::Failed } else { ToolStatus::Ok };
        let result = Box::new(ToolResult::notice(status, said));
        [(1, asked), (1, RunEvent::ToolEnded { call: call.id, result })]
    };
    let writes = step("c1", "write", json!({ "path": "w.txt", "content": "by w1\n" }), "written");
    let reads = step("c2", "read", json!({ "path": "w.txt" }), text);
    let begun: Vec<_> =
        [(0, accepted), (1, RunEvent::Claimed { owner: "one".into() })].into_iter().chain(writes).collect();
    let whole: Vec<_> = begun.iter().cloned().chain(reads).collect();
    let own = |events: &[(u64, RunEvent)]| Run { id: "w1".into(), session: session.into(), ..run(events, "running") };
    let files = kept.iter().map(|text| ("w.txt".to_owned(), (*text).to_owned())).collect();
    let scratches = vec![Scratch { run: "w1".into(), seq: 4, files }];
    let crash = Snapshot { runs: vec![own(&begun)], scratches, ..Snapshot::default() };
    let end = Snapshot { runs: vec![own(&whole)], ..Snapshot::default() };
    Evidence { crashes: vec![crash], end, is_without_folders, ..Evidence::default() }
}

#[test]
fn files_that_an_instance_wrote_and_does_not_find_again_are_seen() {
    let check = |evidence: Evidence, is_seen: bool| {
        assert_eq!(rules(&evidence).contains(&"I6d"), is_seen, "{evidence:#?}");
    };
    check(read_back("by w1", false, None), false);
    check(read_back("", false, None), true);
    check(read_back("something else", false, None), true);
    check(read_back("", true, None), false);
    check(read_back("", true, Some("by w1\n")), true);
    check(read_back("by w1", true, Some("by w1\n")), false);
    check(read_back("by w1", true, Some("by w")), true);
}
