//! Port: looking back at recorded runs, and trying another way from the middle of one.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Serialize, Serializer};

use crate::fault::Fault;
use crate::ids::{CallId, RunId, Seq, SessionKey};
use crate::model::{ModelRef, Usage};
use crate::run::Status;

/// Replays, forks and compares recorded runs. Production: `agent::Engine`.
///
/// A run id is unique within its session; where no session is named and two
/// have the run, the answer is `Conflict`.
#[async_trait]
pub trait History: Send + Sync {
    /// Runs the pure engine over a recorded run and compares what it asks for
    /// with what was recorded, byte for byte. Touches nothing but the record.
    ///
    /// # Errors
    /// `NotFound` for an unknown run. A difference is no error.
    async fn replay(&self, session: Option<&SessionKey>, run: &RunId) -> Result<Replay, Fault>;

    /// Begins a new run in a new session from the state before a model call of
    /// a recorded one. Returns once the new run is recorded.
    ///
    /// # Errors
    /// `NotFound` for an unknown run, `User` when it has no such step or the
    /// edit names a call it does not have, `Conflict` when its conversation is gone.
    async fn fork(&self, wish: ForkWish) -> Result<Forked, Fault>;

    /// Compares two runs step by step.
    ///
    /// # Errors
    /// `NotFound` for an unknown run.
    async fn compare(&self, a: &RunName, b: &RunName) -> Result<Comparison, Fault>;
}

/// Names a recorded run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunName {
    /// Its session, when the id alone does not say.
    pub session: Option<SessionKey>,
    /// Its id.
    pub run: RunId,
}

/// What came of a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// The run.
    pub run_id: RunId,
    /// Its session.
    pub session_key: SessionKey,
    /// Where it is in its life.
    pub status: Status,
    /// Whether everything recorded is what the engine asks for.
    pub is_identical: bool,
    /// Events recorded.
    pub events: u64,
    /// Events that came from outside: answers of models, tools, people and the clock.
    pub inputs: u64,
    /// Events the engine asked for, rebuilt and compared.
    pub rebuilt: u64,
    /// Owners the run had.
    pub epochs: u64,
    /// Transcript entries rebuilt and compared.
    pub entries: u64,
    /// Hash over the events as recorded.
    pub recorded_sha256: String,
    /// Hash over the events as rebuilt.
    pub rebuilt_sha256: String,
    /// What differs, in order, the first few.
    pub differences: Vec<Difference>,
    /// What could not be compared, and why.
    pub notes: Vec<String>,
}

/// Something recorded that the engine would not have recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The event; 0 when it is about the run as a whole.
    pub seq: Seq,
    /// What differs.
    pub what: String,
    /// What the engine asks for.
    pub expected: String,
    /// What is recorded.
    pub found: String,
}

/// What to try differently.
#[derive(Debug, Clone, PartialEq)]
pub struct ForkWish {
    /// The recorded run.
    pub of: RunName,
    /// The model call to begin with, from 1.
    pub from_step: u32,
    /// Another model.
    pub model: Option<ModelRef>,
    /// Changed texts.
    pub edit: Edit,
    /// Whether tools work as ever; otherwise they answer from the record.
    pub is_live: bool,
}

/// Texts that stand in place of recorded ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// In place of the input's text.
    pub input: Option<String>,
    /// In place of the run's addition to the system prompt; empty removes it.
    pub system: Option<String>,
    /// In place of what tools answered, by call.
    pub results: BTreeMap<CallId, String>,
}

impl Edit {
    /// Tells whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.input.is_none() && self.system.is_none() && self.results.is_empty()
    }
}

/// A fork that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forked {
    /// The new run.
    pub run_id: RunId,
    /// Its session.
    pub session_key: SessionKey,
    /// The recorded run.
    pub of_run_id: RunId,
    /// Its session.
    pub of_session_key: SessionKey,
    /// The model call it began with.
    pub from_step: u32,
    /// Whether tools work as ever.
    pub is_live: bool,
}

/// Two runs side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// One run.
    pub a: Side,
    /// The other.
    pub b: Side,
    /// Their steps, aligned by number.
    pub steps: Vec<StepPair>,
    /// The first step that differs; `None` when the runs say and do the same.
    pub first_difference: Option<u32>,
}

/// One of two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// The run.
    pub run_id: RunId,
    /// Its session.
    pub session_key: SessionKey,
    /// Where it is in its life.
    pub status: Status,
    /// What was said to it.
    pub input: String,
    /// The model that answered last.
    pub model: Option<ModelRef>,
    /// The text it ended with.
    pub text: String,
    /// Tokens and money.
    #[serde(serialize_with = "usage")]
    pub usage: Usage,
}

/// The same step of two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepPair {
    /// Number of the model call, from 1.
    pub step: u32,
    /// What differs: `text`, `tools`, `results`; empty when nothing does.
    pub differs: Vec<&'static str>,
    /// The step of one run; `None` when it had ended.
    pub a: Option<StepSeen>,
    /// The step of the other.
    pub b: Option<StepSeen>,
}

/// One model call and the tool calls it led to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepSeen {
    /// The visible text.
    pub text: String,
    /// The calls, in order.
    pub tools: Vec<ToolSeen>,
    /// Tokens and money of the model call.
    #[serde(serialize_with = "usage")]
    pub usage: Usage,
}

/// One tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolSeen {
    /// The call.
    pub call_id: CallId,
    /// The tool.
    pub tool: String,
    /// Its arguments as JSON text, keys sorted.
    pub arguments: String,
    /// How it ended; `None` while it runs.
    pub status: Option<crate::message::ToolStatus>,
    /// What the model was told.
    pub result: String,
}

/// Writes usage with the names that clients know from elsewhere.
fn usage<S: Serializer>(usage: &Usage, out: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Shown {
        input: u64,
        output: u64,
        cache_read: u64,
        cache_write: u64,
        total: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        cost_usd: Option<f64>,
    }
    let Usage { input, output, cache_read, cache_write, reasoning: _, cost_usd } = *usage;
    Shown { input, output, cache_read, cache_write, total: usage.total(), cost_usd }.serialize(out)
}
