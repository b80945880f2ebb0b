//! Power cuts: what was acknowledged is there, whatever the moment.

use openclaw_powercut::Flaw;
use openclaw_sim::power::{self, Plan, Planted, Report};

/// Runs one chain per seed and adds up; the first broken promise fails the test.
fn all(plans: impl IntoIterator<Item = Plan>) -> Report {
    let mut sum = Report::default();
    for plan in plans {
        let report = power::run(plan).unwrap();
        assert_eq!(report.broken, Vec::<String>::new(), "{plan:?}");
        sum.cuts += report.cuts;
        sum.inputs += report.inputs;
        sum.tools += report.tools;
        sum.forgotten += report.forgotten;
    }
    sum
}

#[test]
fn a_thousand_accepted_inputs_survive_hundreds_of_power_cuts() {
    let one = (0..7).map(|seed| Plan { seed, cuts: 26, lanes: 1, planted: None });
    let several = (7..14).map(|seed| Plan { seed, cuts: 26, lanes: 4, planted: None });
    let report = all(one.chain(several));
    println!("{report:?}");
    assert!(report.cuts >= 300 && report.inputs >= 1000 && report.tools >= 300, "{report:?}");
    assert!(report.forgotten > 0, "cuts between barriers take something: {report:?}");
}

/// Returns the broken promises of a few chains with a defect.
fn losses(planted: Planted) -> Vec<String> {
    let plans = (100..106).map(|seed| Plan { seed, cuts: 12, lanes: 1 + seed as usize % 2, planted: Some(planted) });
    plans.flat_map(|plan| power::run(plan).unwrap().broken).collect()
}

#[test]
fn a_commit_that_is_not_synced_is_noticed() {
    for flaw in [Flaw::NoLogSyncs, Flaw::NoSyncs] {
        let losses = losses(Planted::Disk(flaw));
        assert!(losses.iter().any(|broken| broken.contains("is lost")), "{flaw:?}: {losses:?}");
    }
}

#[test]
fn a_forgotten_barrier_before_a_tool_is_noticed() {
    let losses = losses(Planted::ForgottenBarrier);
    assert!(losses.iter().any(|broken| broken.contains("tool at")), "{losses:?}");
}

#[test]
fn the_same_seed_cuts_the_same_moment() {
    let plan = Plan { seed: 7, cuts: 5, lanes: 1, planted: None };
    assert_eq!(power::run(plan).unwrap(), power::run(plan).unwrap());
}
