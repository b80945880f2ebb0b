//! What clients are told: rules I9 and I14.

use super::*;
use crate::check::{Tally, compare};
use crate::follow::{Seen, SeenEvent};

/// The story that is well, with a reader who was there all the time.
fn watched() -> Evidence {
    let recorded = events();
    let event = |(n, (epoch, event)): (usize, &(u64, RunEvent))| SeenEvent {
        seq: n as u64 + 1,
        name: event.name().into(),
        is_resumed: n == 8,
        life: if *epoch < 2 { 1 } else { 2 },
    };
    let seen = Seen {
        run: "m1".into(),
        events: recorded.iter().enumerate().map(event).collect(),
        turns: vec![(5, "Working.".into()), (11, "done #m1".into())],
        is_over: true,
        ..Seen::default()
    };
    Evidence { seen: vec![seen], resumed: vec![(2, "m1".into())], ..well() }
}

fn broken(change: impl FnOnce(&mut Evidence)) -> Vec<&'static str> {
    let mut evidence = watched();
    change(&mut evidence);
    rules(&evidence)
}

#[test]
fn a_reader_who_got_everything_once_breaks_no_rule() {
    assert_eq!(all(&watched()), []);
}

#[test]
fn an_event_that_is_missing_repeated_or_out_of_order_is_seen() {
    assert_eq!(broken(|it| drop(it.seen[0].events.remove(3))), ["I9"]);
    assert_eq!(broken(|it| drop(it.seen[0].events.pop())), ["I9"]);
    assert_eq!(
        broken(|it| {
            let again = it.seen[0].events[3].clone();
            it.seen[0].events.insert(6, again);
        }),
        ["I9"]
    );
    assert_eq!(broken(|it| it.seen[0].events.swap(3, 4)), ["I9"]);
    assert_eq!(broken(|it| it.seen[0].events.clear()), ["I9"]);
}

#[test]
fn a_byte_too_few_or_too_many_is_seen_and_counted() {
    assert_eq!(broken(|it| it.seen[0].turns[1].1 = "done #m".into()), ["I9"]);
    assert_eq!(broken(|it| it.seen[0].turns[0].1 = "Working.Working.".into()), ["I9"]);
    assert_eq!(broken(|it| drop(it.seen[0].turns.pop())), ["I9"]);
    let mut evidence = watched();
    evidence.seen[0].turns[1].1 = "done #mm1".into();
    let tally = compare(&evidence.seen[0], &evidence.end.runs[0]);
    assert_eq!(tally, Tally { recorded: 12 + 16, missing: 1, duplicate: 2 });
}

#[test]
fn what_is_told_before_it_is_committed_is_seen() {
    assert_eq!(broken(|it| it.seen[0].events[7].life = 1), ["I9"]);
}

#[test]
fn a_reader_that_cannot_go_on_is_seen() {
    assert_eq!(broken(|it| it.seen[0].faults.push("refused".into())), ["I9"]);
    assert_eq!(broken(|it| it.seen[0].run = "nobody".into()), ["I9"]);
}

#[test]
fn a_run_that_is_said_to_go_on_and_did_not_is_seen() {
    // In life 1 nothing is recorded under an owner who took it over.
    assert_eq!(broken(|it| it.resumed.push((1, "m1".into()))), ["I14"]);
    assert_eq!(
        broken(|it| {
            it.crashes.push(snapshot(&events()[..8], "running", Vec::new()));
            it.crashes[1].entries = it.crashes[0].entries.clone();
            it.crashes[1].sessions = it.crashes[0].sessions.clone();
            it.kills = 2;
            it.seen.clear();
        }),
        ["I2b", "I14"],
        "only a claim is recorded, and the second owner goes on without one"
    );
}

#[test]
fn the_first_event_of_a_new_owner_and_no_other_says_so() {
    assert_eq!(broken(|it| it.seen[0].events[8].is_resumed = false), ["I14"]);
    assert_eq!(broken(|it| it.seen[0].events[9].is_resumed = true), ["I14"]);
    assert_eq!(broken(|it| it.seen[0].events[7].is_resumed = true), ["I14"], "a claim is no work");
}
