//! Claim, append and takeover: every order of events that the model knows.

use openclaw_sim::claims::{Without, check};

#[test]
fn no_order_of_events_breaks_the_protocol() {
    let findings = check(None);
    println!("{findings:?}");
    assert_eq!((findings.broken.as_slice(), findings.missing.as_slice()), (&[] as &[&str], &[] as &[&str]));
    assert!(findings.states > 10_000, "{findings:?}");
}

#[test]
fn the_position_is_a_fence_of_its_own() {
    assert_eq!(check(Some(Without::Epoch)).broken, Vec::<&str>::new());
}

#[test]
fn each_rule_of_the_protocol_is_needed() {
    let needed = [
        (Without::Fences, "positions have no gap and epochs never go back"),
        (Without::Margin, "nobody dispatches after a takeover"),
        (Without::Barrier, "a start is recorded before the dispatch"),
        (Without::Ledger, "the tool is dispatched at most once"),
    ];
    for (without, rule) in needed {
        let findings = check(Some(without));
        assert!(findings.broken.contains(&rule), "{without:?}: {findings:?}");
    }
}
