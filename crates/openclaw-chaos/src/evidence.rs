//! Everything that was seen of a case: what the checker judges.

use std::collections::BTreeMap;

use crate::effect::Dispatch;
use crate::follow::Seen;
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
    /// Messages that were delivered, each named after its run.
    pub messages: Vec<Dispatch>,
    /// What the model server was asked.
    pub calls: Vec<Metered>,
    /// Files of the workspace at the end, by name.
    pub files: BTreeMap<String, String>,
    /// Folders of instances that were there long after the last of them had ended.
    pub left: Vec<String>,
    /// Whether the folders of instances were taken away after each kill.
    pub is_without_folders: bool,
    /// Calls a person said never happened, by name of the effect.
    pub denied: Vec<String>,
    /// Calls of unknown outcome whose settlement was acknowledged, each with the start of the gateway.
    pub settled: Vec<(usize, String)>,
    /// Keys of deliveries that a person sent again, once per wish.
    pub sent_again: Vec<String>,
    /// Summaries that were acknowledged, each with the start of the gateway.
    pub summaries: Vec<(usize, u64)>,
    /// Summaries whose end was acknowledged, each with the start of the gateway.
    pub restored: Vec<(usize, u64)>,
    /// Starts of the gateway in which somebody else took a run over.
    pub thefts: Vec<usize>,
    /// What readers were told.
    pub seen: Vec<Seen>,
    /// Runs that were said to go on, each with the start of the gateway that said so.
    pub resumed: Vec<(usize, String)>,
}

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Violation {
    /// Which invariant.
    pub rule: &'static str,
    /// What was found.
    pub what: String,
}
