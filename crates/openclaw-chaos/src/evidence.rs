//! Everything that was seen of a case: what the checker judges.

use std::collections::BTreeMap;

use crate::effect::Dispatch;
use crate::plan::Metered;
use crate::scenario::Say;
use crate::snapshot::Snapshot;

/// What was seen.
#[derive(Debug, Default)]
pub struct Evidence {
    /// The messages that were to be said.
    pub said: Vec<Say>,
    /// Ids that were acknowledged, with the start of the gateway that did so first.
    pub acked: BTreeMap<String, usize>,
    /// How often the gateway was killed.
    pub kills: usize,
    /// The database after each kill, in order; a long run keeps none.
    pub crashes: Vec<Snapshot>,
    /// The database at the end.
    pub end: Snapshot,
    /// What the effect server saw.
    pub effects: Vec<Dispatch>,
    /// What the model server was asked.
    pub calls: Vec<Metered>,
    /// Files of the workspace at the end, by name.
    pub files: BTreeMap<String, String>,
    /// Calls a person said never happened, by name of the effect.
    pub denied: Vec<String>,
}

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Violation {
    /// Which invariant.
    pub rule: &'static str,
    /// What was found.
    pub what: String,
}
