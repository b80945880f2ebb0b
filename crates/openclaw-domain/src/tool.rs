//! What a tool is: its description, its effect class, and how it can fail.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::message::Part;
use crate::origin::Origin;

/// Describes a tool to models, people and gates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Portable name: `^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$` (`models.md` §0).
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON schema of the arguments: an object with `properties` and `required`.
    pub parameters: Value,
    /// What running it twice would do.
    pub effect: Effect,
    /// What it touches.
    pub capability: Capability,
}

/// What a second dispatch of the same call would do (`durability.md` §3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing: it only reads.
    Pure,
    /// The same as the first: it sets a state.
    Idempotent,
    /// Nothing more, if it is given the same key.
    Keyed,
    /// Something more: it must never be repeated blindly.
    Once,
}

/// What a tool touches; gates reason over this, never over tool names alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Reads files of the workspace.
    FsRead,
    /// Writes files of the workspace.
    FsWrite,
    /// Runs programs.
    Exec,
    /// Reads from hosts outside.
    NetRead,
    /// Reads or writes this program's own sessions, variables and memory.
    Runtime,
    /// Sends something to somebody.
    Message,
}

/// What a tool returns when it worked.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolOutput {
    /// What the model is told.
    pub parts: Vec<Part>,
    /// Where the content came from.
    pub origin: Origin,
    /// Structured facts for people and programs, not sent to the model.
    pub details: Value,
}

impl ToolOutput {
    /// Makes a text result.
    pub fn text(text: impl Into<String>, origin: Origin) -> Self {
        Self { parts: vec![Part::text(text)], origin, details: Value::Null }
    }

    /// Adds structured facts.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }
}

/// What a tool finds out about a call whose result was never recorded.
#[derive(Debug, Clone, PartialEq)]
pub enum Probed {
    /// It happened; this is its result.
    Happened(ToolOutput),
    /// It did not happen and may be run.
    NotHappened,
    /// The tool cannot tell.
    Unknown,
}

/// The two ways a tool fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The model is told and may try something else. A sentence that names the
    /// thing and the next step.
    #[error("{0}")]
    Tell(String),
    /// The run cannot go on: an invariant is broken or a store is gone.
    #[error("{0}")]
    EndRun(String),
}

impl Error {
    /// Makes an error the model is told.
    pub fn tell(text: impl Into<String>) -> Self {
        Error::Tell(text.into())
    }
}

/// A running tool's sign of life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Progress {
    /// More output of a command.
    Output {
        /// Text, at most 16 KiB at a time.
        text: String,
    },
    /// One line that says what it is doing.
    Status {
        /// The line.
        text: String,
    },
}
