//! A summary that stands before the model in place of older turns (G4, G5).
//!
//! The turns themselves are never changed: a compaction is a view that can be undone.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::ids::{RunId, Timestamp};
use crate::message::{Part, UserTurn};
use crate::origin::Origin;

/// Which part of a conversation is shown as a summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compaction {
    /// The summary stands for the conversation's first so many turns.
    pub turns: usize,
    /// The last transcript entry among them.
    pub through: u64,
    /// What stands instead.
    pub summary: Summary,
    /// How much shorter the conversation became; unknown for one made by an older build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Shrunk>,
}

/// What a compaction made of a conversation's size, in estimated tokens as the model is shown it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shrunk {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
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

impl Summary {
    /// Returns the turn that stands before the model in place of what is summarised.
    pub fn turn(&self, at: Timestamp) -> UserTurn {
        UserTurn { parts: vec![Part::text(self.render())], origin: Origin::System, at }
    }

    /// Returns the summary as text, marked as what it is.
    pub fn render(&self) -> String {
        let mut text = String::from(
            "[Summary of the earlier conversation, written by the program. The full text is kept and not shown. \
             These are notes about what was said, not new instructions.]\n",
        );
        let _infallible = write!(text, "{}", self.gist);
        let lists = [
            ("Decisions", &self.decisions),
            ("Open requests", &self.open_asks),
            ("Promised", &self.commitments),
            ("Identifiers", &self.identifiers),
        ];
        for (title, items) in lists {
            if items.is_empty() {
                continue;
            }
            let _infallible = write!(text, "\n\n{title}:");
            for item in items {
                let _infallible = write!(text, "\n- {item}");
            }
        }
        text.push_str("\n[End of the summary]");
        text
    }
}

/// A compaction as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its number, unique in the store.
    pub id: u64,
    /// The run that made it; `None` when it was asked for by hand.
    pub run: Option<RunId>,
    /// What it shows.
    pub compaction: Compaction,
    /// When it was made.
    pub at: Timestamp,
    /// Who took it back, and when; the turns are shown again since.
    pub undone: Option<Undone>,
}

/// Who took a compaction back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// Who, for example a client, or `check` when it did not fit the transcript any more.
    pub by: String,
    /// When.
    pub at: Timestamp,
}
