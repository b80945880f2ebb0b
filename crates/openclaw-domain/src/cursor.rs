//! How far somebody has seen a run, so that a stream can be taken up again.

use serde::{Deserialize, Serialize};

use crate::ids::Seq;

/// A position in what a run shows (`durability.md` §5.2).
///
/// Everything up to the journal's event `seq` was seen, and of the text that
/// streams after it `off` bytes of UTF-8. Text past `seq` is live: it is not
/// durable yet, and a crash may void it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cursor {
    /// Position of the last event that was seen.
    pub seq: Seq,
    /// Bytes of live text seen after it.
    pub off: u64,
}

impl Cursor {
    /// Makes the cursor right after an event.
    pub fn at(seq: Seq) -> Self {
        Self { seq, off: 0 }
    }
}
