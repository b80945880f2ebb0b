//! The configuration as surfaces see and change it.

use serde_json::Value;

/// The configuration in force, secrets replaced.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The file.
    pub path: String,
    /// Whether the file is there.
    pub exists: bool,
    /// The file's text, secret values replaced by `__OPENCLAW_REDACTED__`.
    pub raw: String,
    /// The parsed text as authored, secret values replaced.
    pub source: Value,
    /// The configuration in force after includes, environment and defaults,
    /// secret values replaced.
    pub resolved: Value,
    /// Opaque hash of the file, for compare-and-swap.
    pub hash: String,
    /// What is wrong or unknown in it.
    pub issues: Vec<Issue>,
}

/// One finding about a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// How bad.
    pub severity: Severity,
    /// The dotted path, for example `gateway.port`.
    pub path: String,
    /// What is wrong and what is expected.
    pub message: String,
    /// Line in the file, from 1.
    pub line: Option<usize>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The section is quarantined; defaults stand in.
    Error,
    /// It is ignored or understood only in part.
    Warning,
}

/// A change of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// The new text (set, apply) or a JSON merge patch (patch).
    pub body: WriteBody,
    /// Hash the writer last saw; required once a file exists.
    pub base_hash: Option<String>,
}

/// What to write.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteBody {
    /// Replace the whole text.
    Replace(String),
    /// Merge: objects deep, `null` deletes.
    Patch {
        /// What to merge in.
        patch: Value,
        /// Dotted paths of lists and objects that may lose entries.
        replace_paths: Vec<String>,
    },
}

/// What a write did.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The configuration afterwards.
    pub snapshot: Snapshot,
    /// Dotted paths that changed.
    pub changed: Vec<String>,
    /// Whether a restart is needed for some of them.
    pub requires_restart: bool,
}

/// Why a write was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file changed since the writer read it.
    #[error("config changed since last load; re-run config.get and retry")]
    Stale,
    /// The new configuration is not acceptable.
    #[error("{}", .0.first().map_or("invalid config", |issue| issue.message.as_str()))]
    Invalid(Vec<Issue>),
    /// Writing is switched off.
    #[error("the configuration is read-only (OPENCLAW_CONFIG_READONLY)")]
    ReadOnly,
    /// The file could not be written.
    #[error("{0}")]
    Io(String),
}
