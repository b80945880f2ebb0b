//! A summary that stands before the model in place of older turns (G4, G5).
//!
//! The turns themselves are never changed: a compaction is a view that can be undone.

use serde::{Deserialize, Serialize};

/// Which part of a conversation is shown as a summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compaction {
    /// The summary stands for the conversation's first so many turns.
    pub turns: usize,
    /// The last transcript entry among them.
    pub through: u64,
    /// What stands instead.
    pub summary: Summary,
}

/// What must survive of the turns that are not shown any more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// What happened, briefly.
    pub gist: String,
    /// What was decided, and why.
    pub decisions: Vec<String>,
    /// What was asked and is not done.
    pub open_asks: Vec<String>,
    /// Names, paths, numbers and ids that later turns need, verbatim.
    pub identifiers: Vec<String>,
    /// What the agent promised to do.
    pub commitments: Vec<String>,
}
