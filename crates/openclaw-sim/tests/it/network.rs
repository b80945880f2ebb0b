//! Crashes, partitions and delays: every accepted input is answered once, and followers see it all once.

use openclaw_sim::network::{self, Plan, Planted, Report};

fn plan(seed: u64) -> Plan {
    Plan { seed, inputs: 3, faults: 5, planted: None }
}

#[test]
fn two_hundred_worlds_answer_once_and_show_everything_once() {
    let mut sum = Report::default();
    for seed in 0..200 {
        let report = network::run(plan(seed)).unwrap();
        assert_eq!(report.broken, Vec::<String>::new());
        assert_eq!(report.inputs, 6, "seed {seed}");
        sum.inputs += report.inputs;
        sum.boots += report.boots;
        sum.cuts += report.cuts;
        sum.connections += report.connections;
        sum.dispatches += report.dispatches;
        sum.taken_back += report.taken_back;
    }
    println!("{sum:?}");
    assert!(sum.boots > 400 && sum.cuts > 200 && sum.taken_back > 100, "{sum:?}");
}

/// Returns the broken promises of a few worlds with a defect.
fn broken(planted: Planted) -> Vec<String> {
    let plans = (0..12).map(|seed| Plan { planted: Some(planted), ..plan(seed) });
    plans.flat_map(|plan| network::run(plan).unwrap().broken).collect()
}

#[test]
fn a_cursor_that_repeats_is_noticed() {
    let found = broken(Planted::RepeatsEvents);
    assert!(found.iter().any(|broken| broken.contains("came after")), "{found:?}");
    let found = broken(Planted::RepeatsText);
    assert!(found.iter().any(|broken| broken.contains("live text is not what was kept")), "{found:?}");
}

#[test]
fn a_second_dispatch_of_a_tool_that_must_run_once_is_noticed() {
    // A crash must meet a call that is out, so worlds are run until one does.
    let plans = (0..150).map(|seed| Plan { planted: Some(Planted::RepeatsOnce), faults: 8, ..plan(seed) });
    let mut found = plans.flat_map(|plan| network::run(plan).unwrap().broken);
    assert!(found.any(|broken| broken.contains("pay")));
}

#[test]
fn a_run_that_is_not_taken_up_again_is_noticed() {
    let plans = (0..2).map(|seed| Plan { planted: Some(Planted::ForgetsToRecover), ..plan(seed) });
    let found: Vec<String> = plans.flat_map(|plan| network::run(plan).unwrap().broken).collect();
    assert!(found.iter().any(|broken| broken.contains("does not come to an end")), "{found:?}");
}
