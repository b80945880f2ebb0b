//! What there is to choose from: agents, models, tools.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::AgentId;
use crate::model::{ModelChoice, ModelRef, Thinking};
use crate::run::Limits;
use crate::runtime::Runtime;

/// A configured agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// A name for people.
    pub name: Option<String>,
    /// Whether it is the default one.
    pub is_default: bool,
    /// Absolute path of its workspace.
    pub workspace: String,
    /// Its model and stand-ins.
    pub choice: ModelChoice,
    /// The ceilings of its runs.
    pub limits: Limits,
    /// What serves its requests.
    pub runtime: Runtime,
    /// What happens when the outcome of a call is unknown.
    pub unknown_outcome: UnknownOutcome,
    /// How its long conversations are made shorter.
    pub compaction: Compacting,
    /// Path of a person-chosen picture or emoji, if any.
    pub emoji: Option<String>,
}

/// When and how older turns are shown to the model as a summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compacting {
    /// Whether it happens by itself, near the end of the context window.
    pub is_automatic: bool,
    /// Recent tokens shown word for word.
    pub keep_tokens: u64,
    /// Recent turns shown word for word, even when they are longer than that.
    pub keep_turns: usize,
    /// The model that summarises; `None` means the conversation's own.
    pub model: Option<ModelRef>,
    /// Ceiling of making one summary; then a rule makes it without a model.
    pub timeout: Duration,
}

impl Default for Compacting {
    fn default() -> Self {
        Self { is_automatic: true, keep_tokens: 20_000, keep_turns: 3, model: None, timeout: Duration::from_secs(180) }
    }
}

/// What a run does about a call that may have happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownOutcome {
    /// Waits until a person says what became of it.
    #[default]
    Ask,
    /// Tells the model that nobody knows and goes on; the action stays blocked.
    Tell,
}

/// A model that could be chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Provider and id.
    pub model: ModelRef,
    /// A name for people.
    pub name: String,
    /// Tokens of prompt and output together; `None` when not known.
    pub context_window: Option<u32>,
    /// Most tokens it generates; `None` when not known.
    pub output_tokens_max: Option<u32>,
    /// Whether it can reason.
    pub reasons: bool,
    /// Whether it takes pictures.
    pub sees: bool,
    /// Thinking levels it offers.
    pub thinking: Vec<Thinking>,
    /// Dollars per million tokens: input, output, cache read, cache write.
    pub price: Option<Price>,
    /// Whether a credential or local server for it is configured.
    pub is_available: bool,
}

/// Dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub struct Price {
    /// Prompt tokens.
    pub input: f64,
    /// Generated tokens.
    pub output: f64,
    /// Cached prompt tokens.
    pub cache_read: f64,
    /// Prompt tokens written to a cache.
    pub cache_write: f64,
}
