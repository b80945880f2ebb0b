//! What is asked of a model and what comes back, free of any vendor.

use std::fmt;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use serde::{Deserialize, Serialize};

use crate::conversation::Prompt;
use crate::message::AssistantTurn;
use crate::tool::ToolSpec;

/// A provider and a model of it, written `provider/model`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelRef {
    /// The provider row's id, for example `anthropic`.
    pub provider: String,
    /// The model's id at that provider; may itself hold slashes.
    pub model: String,
}

impl ModelRef {
    /// Makes a reference from its two halves.
    pub fn new(provider: impl Into<String>, model: impl Into<String>) -> Self {
        Self { provider: provider.into(), model: model.into() }
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

/// A model reference without a slash, or with an empty half.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("model {0:?} is not of the form provider/model")]
pub struct BadModelRef(pub String);

impl FromStr for ModelRef {
    type Err = BadModelRef;
    fn from_str(text: &str) -> Result<Self, BadModelRef> {
        match text.split_once('/') {
            Some((provider, model)) if !provider.is_empty() && !model.is_empty() => Ok(Self::new(provider, model)),
            _ => Err(BadModelRef(text.to_owned())),
        }
    }
}

impl TryFrom<String> for ModelRef {
    type Error = BadModelRef;
    fn try_from(text: String) -> Result<Self, BadModelRef> {
        text.parse()
    }
}

impl From<ModelRef> for String {
    fn from(model: ModelRef) -> String {
        model.to_string()
    }
}

/// How hard the model should think (`models.md` §0.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thinking {
    /// No reasoning, or the least the model offers.
    Off,
    /// The smallest amount.
    Minimal,
    /// Level 1.
    Low,
    /// Level 2.
    Medium,
    /// Level 3.
    High,
    /// Above high.
    Xhigh,
    /// Level 4.
    Max,
    /// The model decides.
    Adaptive,
}

impl Thinking {
    /// All levels, weakest first; `Adaptive` last.
    pub const ALL: [Thinking; 8] = [
        Thinking::Off,
        Thinking::Minimal,
        Thinking::Low,
        Thinking::Medium,
        Thinking::High,
        Thinking::Xhigh,
        Thinking::Max,
        Thinking::Adaptive,
    ];

    /// Returns the level's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Thinking::Off => "off",
            Thinking::Minimal => "minimal",
            Thinking::Low => "low",
            Thinking::Medium => "medium",
            Thinking::High => "high",
            Thinking::Xhigh => "xhigh",
            Thinking::Max => "max",
            Thinking::Adaptive => "adaptive",
        }
    }

    /// Returns the next weaker level, for the thinking downgrade of D2.
    pub fn weaker(self) -> Option<Thinking> {
        match self {
            Thinking::Off => None,
            Thinking::Minimal => Some(Thinking::Off),
            Thinking::Low => Some(Thinking::Off),
            Thinking::Medium => Some(Thinking::Low),
            Thinking::High | Thinking::Adaptive => Some(Thinking::Medium),
            Thinking::Xhigh => Some(Thinking::High),
            Thinking::Max => Some(Thinking::Xhigh),
        }
    }
}

/// A name that is not a thinking level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("thinking level {0:?} is not one of off, minimal, low, medium, high, xhigh, max, adaptive")]
pub struct BadThinking(pub String);

impl FromStr for Thinking {
    type Err = BadThinking;
    fn from_str(text: &str) -> Result<Self, BadThinking> {
        let level = match text.to_ascii_lowercase().as_str() {
            "off" | "none" | "0" => Thinking::Off,
            "minimal" | "min" => Thinking::Minimal,
            "low" | "1" | "on" => Thinking::Low,
            "medium" | "med" | "2" => Thinking::Medium,
            "high" | "3" => Thinking::High,
            "xhigh" => Thinking::Xhigh,
            "max" | "4" | "highest" => Thinking::Max,
            "adaptive" | "auto" => Thinking::Adaptive,
            _ => return Err(BadThinking(text.to_owned())),
        };
        Ok(level)
    }
}

/// Which model is wanted and what may stand in for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelChoice {
    /// The wanted model.
    pub primary: ModelRef,
    /// Stand-ins, in order; empty when the person named the model (strict).
    #[serde(default)]
    pub fallbacks: Vec<ModelRef>,
    /// How hard to think; `None` leaves it to the model's default.
    #[serde(default)]
    pub thinking: Option<Thinking>,
}

/// One call of a model.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// Which model, and what may stand in for it.
    pub choice: ModelChoice,
    /// The system prompt, in sections that are stable from first to last, so
    /// that prefix caches hold.
    pub system: Vec<String>,
    /// The conversation.
    pub prompt: Prompt,
    /// The tools on offer, sorted by name; shared by all calls of a run.
    pub tools: Arc<[ToolSpec]>,
    /// Most tokens to generate; `None` means the model's own limit.
    pub output_tokens_max: Option<u32>,
    /// Sampling temperature; `None` leaves it to the provider.
    pub temperature: Option<f32>,
    /// Makes sampling repeatable, at providers that take one.
    pub seed: Option<u32>,
    /// Stable id of this step over retries, passed to providers that take one.
    pub idempotency_key: String,
    /// Stable id of the conversation, for cache routing.
    pub cache_key: String,
}

/// What a model stream yields. After [`ModelEvent::Done`] comes nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelEvent {
    /// A provider accepted the request. May come again after a failover.
    Selected(Selected),
    /// More visible text.
    Text(String),
    /// More visible reasoning.
    Thinking(String),
    /// A tool call began; its arguments are still arriving.
    CallStarted {
        /// The tool's name.
        name: String,
    },
    /// What was streamed so far is void: another attempt starts from nothing.
    Superseded {
        /// Why.
        reason: String,
    },
    /// The turn is complete.
    Done(Box<Completed>),
}

/// Which model answers, and why that one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selected {
    /// The model.
    pub model: ModelRef,
    /// The credential profile, when the provider has several.
    #[serde(default)]
    pub profile: Option<String>,
    /// The thinking level in force.
    #[serde(default)]
    pub thinking: Option<Thinking>,
    /// Why not the wanted one; `None` when it is the wanted one.
    #[serde(default)]
    pub why: Option<String>,
}

/// A complete answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Completed {
    /// The turn; its calls are open.
    pub turn: AssistantTurn,
    /// Tokens and money.
    pub usage: Usage,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It had finished.
    EndTurn,
    /// It wants tools to run.
    ToolUse,
    /// The output limit was reached; the last call may be cut and must not run.
    MaxTokens,
    /// A stop sequence was met.
    StopSequence,
    /// The model or a filter refused.
    Refusal,
    /// The provider wants the same turn sent back to go on.
    Pause,
    /// The context window is full.
    ContextFull,
}

/// Tokens used, and their price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Prompt tokens that were not served from a cache.
    pub input: u64,
    /// Generated tokens, reasoning included.
    pub output: u64,
    /// Prompt tokens read from a cache.
    pub cache_read: u64,
    /// Prompt tokens written to a cache.
    pub cache_write: u64,
    /// Reasoning tokens, a part of `output`.
    pub reasoning: u64,
    /// Price in US dollars; `None` when no price is known.
    pub cost_usd: Option<f64>,
}

impl Usage {
    /// Returns all tokens, prompt and output.
    pub fn total(&self) -> u64 {
        self.input + self.output + self.cache_read + self.cache_write
    }

    /// Adds another call's usage; the sum has a price only if both have one.
    pub fn add(&mut self, other: &Usage) {
        let priced = |usage: &Usage| usage.cost_usd.or((usage.total() == 0).then_some(0.0));
        self.cost_usd = priced(self).zip(priced(other)).map(|(a, b)| a + b);
        self.input += other.input;
        self.output += other.output;
        self.cache_read += other.cache_read;
        self.cache_write += other.cache_write;
        self.reasoning += other.reasoning;
    }
}

/// A model's stream. Dropping it cancels the request.
pub type ModelStream = Pin<Box<dyn Stream<Item = Result<ModelEvent, Error>> + Send>>;

/// Why a model call failed (`models.md` §9).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What kind of failure it is; decides retry and failover.
    pub class: ErrorClass,
    /// The provider and model that failed, when one was chosen.
    pub model: Option<ModelRef>,
    /// One sentence that names the provider and what it said; no secrets.
    pub message: String,
    /// How long the provider asked us to wait.
    pub retry_after: Option<Duration>,
    /// The HTTP status, when there was one.
    pub status: Option<u16>,
}

/// Kinds of model failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The key is missing, wrong or not allowed.
    Auth,
    /// Money or quota is used up; waiting seconds does not help.
    Quota,
    /// Too many requests just now.
    RateLimited,
    /// The provider is overloaded or broken.
    Overloaded,
    /// The prompt does not fit.
    ContextOverflow,
    /// The provider refused the request's form; the same request fails again.
    BadRequest,
    /// The provider refused the thinking setting.
    ThinkingRefused,
    /// There is no such model.
    NoSuchModel,
    /// The content was refused.
    ContentRefused,
    /// The stream ended without its terminal marker.
    Truncated,
    /// No byte for too long, or the total ceiling was reached.
    Timeout,
    /// The connection failed.
    Network,
    /// The answer made no sense in its dialect.
    Protocol,
    /// Nothing is configured that could answer.
    NotConfigured,
}
