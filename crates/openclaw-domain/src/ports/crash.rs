//! Port: where a test build ends itself, to prove what survives.
//!
//! Every write of the journal and every point of the engine between touching
//! the world and recording it calls the hook, when there is one. Production
//! has none: what remains is a test for `None`. The list [`SITES`] is built at
//! compile time from the events themselves, so that a new one cannot be left out.

use std::fmt;
use std::sync::Arc;

use crate::event::RunEvent;

/// A place in the program that calls the hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Site {
    /// A write of the store, by its operation.
    Operation(&'static str),
    /// A write that carries this event, by [`RunEvent::name`].
    Event(&'static str),
    /// A point of the engine after the world answered and before that is recorded.
    Engine(&'static str),
}

/// When the hook is called there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Moment {
    /// Nothing is written yet.
    BeforeWrite,
    /// Written, not committed.
    BeforeCommit,
    /// Committed, and nobody was told.
    AfterCommit,
    /// The world was touched or answered; nothing of it is recorded.
    AfterDispatch,
}

impl Site {
    /// Returns the moments at which the site calls the hook.
    pub const fn moments(self) -> &'static [Moment] {
        match self {
            Site::Operation(_) | Site::Event(_) => &[Moment::BeforeWrite, Moment::BeforeCommit, Moment::AfterCommit],
            Site::Engine(_) => &[Moment::AfterDispatch],
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Site::Operation(name) => f.write_str(name),
            Site::Event(name) => write!(f, "event.{name}"),
            Site::Engine(name) => write!(f, "engine.{name}"),
        }
    }
}

impl Moment {
    /// All moments, in the order in which a write passes them.
    pub const ALL: [Moment; 4] =
        [Moment::BeforeWrite, Moment::BeforeCommit, Moment::AfterCommit, Moment::AfterDispatch];

    /// Returns the moment's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Moment::BeforeWrite => "before-write",
            Moment::BeforeCommit => "before-commit",
            Moment::AfterCommit => "after-commit",
            Moment::AfterDispatch => "after-dispatch",
        }
    }
}

/// Writes of the store that concern runs.
const OPERATIONS: [&str; 18] = [
    "journal.admit",
    "journal.claim",
    "journal.append",
    "journal.settle_action",
    "journal.keep_checkpoint",
    "journal.keep_scratch",
    "journal.take_over",
    "journal.renew",
    "outbox.take",
    "outbox.settle",
    "outbox.orphaned",
    "outbox.retry",
    "outbox.discard",
    "outbox.prune",
    "compactions.keep",
    "compactions.undo",
    "sessions.open",
    "sessions.change",
];

/// Points of the engine.
const ENGINE: [&str; 8] = [
    "tool_result",
    "probe_result",
    "model_text",
    "model_done",
    "summary_made",
    "taken_up",
    "waiting_claimed",
    "scratch_restored",
];

/// Every site there is.
pub const SITES: [Site; OPERATIONS.len() + RunEvent::NAMES.len() + ENGINE.len()] = sites();

const fn sites() -> [Site; OPERATIONS.len() + RunEvent::NAMES.len() + ENGINE.len()] {
    let mut all = [Site::Engine(""); OPERATIONS.len() + RunEvent::NAMES.len() + ENGINE.len()];
    let mut i = 0;
    while i < OPERATIONS.len() {
        all[i] = Site::Operation(OPERATIONS[i]);
        i += 1;
    }
    let mut event = 0;
    while event < RunEvent::NAMES.len() {
        all[i] = Site::Event(RunEvent::NAMES[event]);
        (i, event) = (i + 1, event + 1);
    }
    let mut point = 0;
    while point < ENGINE.len() {
        all[i] = Site::Engine(ENGINE[point]);
        (i, point) = (i + 1, point + 1);
    }
    all
}

/// Is called at every site; may end the process.
#[derive(Clone)]
pub struct CrashHook(Arc<dyn Fn(Site, Moment) + Send + Sync>);

impl CrashHook {
    /// Makes a hook of a function.
    pub fn new(hook: impl Fn(Site, Moment) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }

    /// Says that a site was reached.
    pub fn at(&self, site: Site, moment: Moment) {
        (self.0)(site, moment);
    }
}

impl fmt::Debug for CrashHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CrashHook")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_site_is_listed_once_under_a_name_of_its_own() {
        let names: BTreeSet<String> = SITES.iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), SITES.len());
        assert!(names.contains("event.tool_started") && names.contains("engine.taken_up"));
        assert!(names.iter().all(|name| !name.ends_with('.')));
    }
}
