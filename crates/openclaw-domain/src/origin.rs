//! Where a piece of text came from.

use serde::{Deserialize, Serialize};

/// The source of text placed before a model or returned by a tool.
///
/// Text keeps its origin through the journal and the transcript, so that a
/// policy can tell the owner's words from words that arrived with a web page.
/// Only crate `security` may treat text as more trusted than its origin says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Origin {
    /// Typed by the owner on an authenticated surface.
    Owner,
    /// Written by this program: prompts, notices, synthesised results.
    System,
    /// Produced by a model.
    Model,
    /// Arrived over a chat channel from `sender`.
    Channel {
        /// The channel's id.
        channel: String,
        /// The sender as the channel names it.
        sender: String,
    },
    /// Returned by a tool that reads the machine.
    Tool {
        /// The tool's name.
        tool: String,
    },
    /// Fetched from outside the machine.
    Web {
        /// The host it was fetched from.
        host: String,
    },
    /// Recalled from memory.
    Memory,
    /// Read from a file of the workspace.
    File,
}

impl Origin {
    /// Tells whether the text may carry somebody else's instructions.
    pub fn is_untrusted(&self) -> bool {
        match self {
            Origin::Owner | Origin::System | Origin::Model => false,
            Origin::Channel { .. } | Origin::Tool { .. } | Origin::Web { .. } | Origin::Memory | Origin::File => true,
        }
    }
}
