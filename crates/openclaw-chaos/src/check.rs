//! The checker: what must hold after any kill (`durability.md` §3.5).
//!
//! It knows the form of domain events and what its own servers saw, and nothing
//! of the engine or the store. Each rule is one function over the evidence.

mod effects;
mod files;
mod inputs;
mod journal;
mod kept;
mod readers;
mod transcript;

pub use readers::{Tally, compare};

use crate::evidence::{Evidence, Violation};

/// One rule: its name, what it says, and its test.
pub struct Rule {
    /// The invariant's name.
    pub name: &'static str,
    /// What must hold.
    pub says: &'static str,
    check: fn(&Evidence) -> Vec<String>,
}

const fn rule(name: &'static str, says: &'static str, check: fn(&Evidence) -> Vec<String>) -> Rule {
    Rule { name, says, check }
}

/// All rules.
pub const RULES: &[Rule] = &[
    rule("I1", "positions of a run are 1..n, and what is recorded never changes", journal::is_append_only),
    rule("I2", "epochs never go back, and each begins with exactly one claim", journal::epochs_begin_with_a_claim),
    rule("I2b", "a life adds to a run only after it claimed it", journal::a_new_life_claims),
    rule("I3", "what was acknowledged is there after every kill", inputs::acknowledged_is_kept),
    rule("I3b", "every input is answered", inputs::every_input_ends),
    rule("I4", "one key is one run", inputs::one_key_is_one_run),
    rule("I5", "nothing is dispatched before its start is recorded", effects::dispatch_is_announced),
    rule("I6", "what may happen once happens once", effects::once_is_once),
    rule("I6b", "a keyed message arrives once", effects::keyed_is_once),
    rule("I6c", "a file has what was written", effects::files_hold),
    rule(
        "I6d",
        "an instance reads what it wrote, and what is kept of its files is what it wrote",
        files::files_are_there,
    ),
    rule("I7", "a call with a recorded result is never dispatched again", effects::settled_is_not_repeated),
    rule("I7b", "a word about an unknown outcome holds", effects::settled_stays_settled),
    rule("I8", "a completed model call is paid once, one more per kill at most", effects::model_calls_are_paid_once),
    rule("I8b", "a run's bill is the sum of its model calls", effects::bills_add_up),
    rule(
        "I9",
        "a reader is told every recorded event and every byte once, in order, and nothing that is not committed",
        readers::readers_get_everything_once,
    ),
    rule(
        "I10",
        "a delivery is made once, and one that may have been made is not made again",
        effects::deliveries_are_made_once,
    ),
    rule("I11", "a kept state is the fold of the events up to it", kept::states_are_folds),
    rule(
        "I12",
        "an agent has no more instances at work than it may have, and nothing of them is left",
        kept::places_are_few,
    ),
    rule("I13", "nothing is left running or queued without a reason", journal::nothing_is_left_running),
    rule("I14", "what is said to go on has something new recorded", readers::resumed_means_resumed),
    rule("T1", "a transcript's entries are numbered 1..n", transcript::is_numbered),
    rule("T2", "every message is in its transcript once, and answered once", transcript::messages_are_there_once),
    rule("T3", "a run's turns are those its model gave", transcript::turns_are_the_models),
    rule("T4", "every call has one result, and every result its call", transcript::calls_have_results),
    rule("T5", "a turn that was there stays as it was", kept::turns_stay),
    rule("C1", "a summary that was acknowledged is kept, one that was taken back stays so", kept::summaries_hold),
];

/// Judges a case.
pub fn all(evidence: &Evidence) -> Vec<Violation> {
    let found = |rule: &Rule| {
        let name = rule.name;
        (rule.check)(evidence).into_iter().map(move |what| Violation { rule: name, what })
    };
    RULES.iter().flat_map(found).collect()
}

#[cfg(test)]
mod tests;
