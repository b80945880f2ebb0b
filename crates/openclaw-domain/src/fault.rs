//! An error at the edge: what a person or a client is told.

use serde::{Deserialize, Serialize};

/// What kind of error it is; decides status, exit code and log level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The caller asked for something malformed.
    User,
    /// The thing named is not there.
    NotFound,
    /// The thing changed meanwhile, or the request contradicts an earlier one.
    Conflict,
    /// The configuration is wrong or incomplete.
    Config,
    /// Something outside this machine failed.
    Remote,
    /// Refused by a gate, a scope or a person.
    Denied,
    /// Busy, full or starting; later may work.
    Unavailable,
    /// A defect of this program.
    Bug,
}

/// An error with a kind, a message that names the thing, and the next step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Its kind.
    pub kind: Kind,
    /// What happened, naming the thing.
    pub message: String,
    /// What to do next, when there is something.
    pub hint: Option<String>,
}

impl Fault {
    /// Makes a fault without a hint.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// Adds the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
