//! One piece of work of an agent: what starts it, bounds it and ends it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::delivery::{Destination, Inbound};
use crate::ids::{CallId, RunId, SessionKey, Timestamp};
use crate::message::UserTurn;
use crate::model::{ErrorClass, ModelRef, Selected, Thinking, Usage};

/// A request to run an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRequest {
    /// The run's id and idempotency key, chosen by the caller.
    pub id: RunId,
    /// The session to speak in; names the agent.
    pub session: SessionKey,
    /// What was said.
    pub input: UserTurn,
    /// A model the person named; then there is no cascade.
    #[serde(default)]
    pub model: Option<ModelRef>,
    /// How hard to think, when the person said so.
    #[serde(default)]
    pub thinking: Option<Thinking>,
    /// What to do when the session is busy.
    #[serde(default)]
    pub queue: QueueMode,
    /// Wall-clock ceiling of this run, when shorter than the agent's.
    #[serde(default)]
    pub timeout: Option<Duration>,
    /// Text added to the system prompt of this run only.
    #[serde(default)]
    pub extra_system: Option<String>,
    /// Where the run came from.
    pub source: Source,
    /// Trace id to carry through logs and events.
    #[serde(default)]
    pub trace: Option<String>,
    /// The call of another run that waits for this one.
    #[serde(default)]
    pub parent: Option<Parent>,
    /// The message this input came in, when a channel brought it.
    #[serde(default)]
    pub inbound: Option<Inbound>,
    /// Where the answer is sent besides the transcript.
    #[serde(default)]
    pub deliver: Option<Destination>,
    /// The recorded run this one tries another way from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Box<ForkOrigin>>,
}

impl RunRequest {
    /// Makes a request with nothing but what every request has.
    pub fn new(id: RunId, session: SessionKey, input: UserTurn, source: Source) -> Self {
        Self {
            id,
            session,
            input,
            model: None,
            thinking: None,
            queue: QueueMode::default(),
            timeout: None,
            extra_system: None,
            source,
            trace: None,
            parent: None,
            inbound: None,
            deliver: None,
            origin: None,
        }
    }
}

/// Where a run that tries another way began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkOrigin {
    /// Session of the recorded run.
    pub session: SessionKey,
    /// The recorded run.
    pub run: RunId,
    /// The model call it began with.
    pub from_step: u32,
    /// Whether tools work as ever; otherwise they answer from the record.
    pub is_live: bool,
    /// Texts that stand in place of recorded results, by call.
    #[serde(default)]
    pub results: BTreeMap<CallId, String>,
}

/// The call that a child run works for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Session of the run that waits.
    pub session: SessionKey,
    /// The run that waits.
    pub run: RunId,
    /// Its call, answered by the child's outcome.
    pub call: CallId,
    /// What the lineage calls its actions by: the session at its root. An
    /// action of unknown outcome stays blocked in all of the lineage.
    pub root: SessionKey,
    /// Whether the child is stopped when the run that waits ends. A message to
    /// another session is not: it was accepted there, and is answered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_owner: bool,
}

/// Where a run came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A chat surface: `chat.send`.
    Chat,
    /// The `agent` method or command.
    Agent,
    /// A JSON-RPC or HTTP call.
    Api,
    /// A trigger: cron, heartbeat, webhook, file watch.
    Trigger,
}

/// What happens to input that arrives while the session is busy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueMode {
    /// Put it before the model at the next tool boundary of the running turn.
    #[default]
    Steer,
    /// Run it as a turn of its own afterwards.
    Followup,
    /// Join it with other waiting input into one turn afterwards.
    Collect,
    /// Stop the running turn and run this one.
    Interrupt,
}

/// What happened to a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Started {
    /// The run that carries the input (for steered input: the running one).
    pub run: RunId,
    /// The session.
    pub session: SessionKey,
    /// Whether it is new.
    pub state: StartState,
    /// Position of the input in the session's transcript, once it is there.
    pub entry: Option<u64>,
    /// When it was accepted.
    pub at: Timestamp,
}

/// Whether a request started something.
#[derive(Debug, Clone, PartialEq)]
pub enum StartState {
    /// It runs now or is queued.
    New,
    /// The same request is already running or queued.
    InFlight,
    /// The same request has already ended.
    Ended(Box<Outcome>),
}

/// Ceilings of one run. All are on by default (D8, pain 12).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Model calls.
    pub iterations_max: u32,
    /// The same tool with the same arguments and the same result, in a row.
    pub identical_calls_max: u32,
    /// Failed tool calls in a row.
    pub errors_in_row_max: u32,
    /// Tokens of all model calls, prompt and output.
    pub tokens_max: u64,
    /// Wall-clock time, waiting for people not counted.
    pub duration_max: Duration,
    /// Tool calls running at once.
    pub parallel_tools_max: usize,
    /// Money of all model calls, in US dollars; unpriced calls do not count.
    pub cost_usd_max: Option<f64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            iterations_max: 60,
            identical_calls_max: 3,
            errors_in_row_max: 8,
            tokens_max: 2_000_000,
            // The default of `agents.defaults.timeoutSeconds`.
            duration_max: Duration::from_secs(7200),
            parallel_tools_max: 8,
            cost_usd_max: None,
        }
    }
}

/// Which ceiling ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// [`Limits::iterations_max`].
    Iterations,
    /// [`Limits::identical_calls_max`].
    IdenticalCalls,
    /// [`Limits::errors_in_row_max`].
    ErrorsInRow,
    /// [`Limits::tokens_max`].
    Tokens,
    /// [`Limits::duration_max`].
    Duration,
    /// [`RunRequest::timeout`], shorter than the agent's own.
    Timeout,
    /// [`Limits::cost_usd_max`].
    Cost,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The ending.
    pub end: End,
    /// The visible text of the last answer, possibly empty.
    pub text: String,
    /// Which model answered last and why that one.
    #[serde(default)]
    pub answered_by: Option<Selected>,
    /// Tokens and money of all its model calls.
    pub usage: Usage,
    /// Model calls made.
    pub iterations: u32,
    /// Tool calls made.
    pub tool_calls: u32,
    /// When it began to run.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// The ways a run ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum End {
    /// The model finished.
    Done,
    /// A ceiling was reached; the text says which and how to raise it.
    Limited {
        /// Which ceiling.
        limit: Limit,
        /// A sentence for the person.
        message: String,
    },
    /// Somebody stopped it.
    Cancelled {
        /// Who or what stopped it, for example `rpc`, `interrupt`, `shutdown`.
        by: String,
    },
    /// No model could answer.
    ModelFailed {
        /// The kind of failure.
        class: ErrorClass,
        /// What the provider said, and the next step.
        message: String,
    },
    /// Something inside broke.
    Failed {
        /// What broke.
        message: String,
    },
}

impl End {
    /// Tells whether the run produced what was asked.
    pub fn is_done(&self) -> bool {
        matches!(self, End::Done)
    }

    /// Returns the sentence to show when the run did not finish by itself.
    pub fn message(&self) -> Option<&str> {
        match self {
            End::Done => None,
            End::Limited { message, .. } | End::ModelFailed { message, .. } | End::Failed { message } => Some(message),
            End::Cancelled { by } => Some(by),
        }
    }
}

/// Where a run is in its life (`durability.md` §3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Accepted, not started.
    Queued,
    /// Owned and working.
    Running,
    /// Parked: a person, a timer or a child is awaited.
    Waiting,
    /// An outcome is unknown and somebody must say what happened.
    Attention,
    /// Ended well.
    Done,
    /// Ended badly, or at a ceiling.
    Failed,
    /// Stopped by somebody.
    Cancelled,
}

impl Status {
    /// Tells whether nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Status::Done | Status::Failed | Status::Cancelled)
    }

    /// Returns the status's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Queued => "queued",
            Status::Running => "running",
            Status::Waiting => "waiting",
            Status::Attention => "attention",
            Status::Done => "done",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
        }
    }
}

impl From<&End> for Status {
    fn from(end: &End) -> Status {
        match end {
            End::Done => Status::Done,
            End::Cancelled { .. } => Status::Cancelled,
            End::Limited { .. } | End::ModelFailed { .. } | End::Failed { .. } => Status::Failed,
        }
    }
}

/// A run that has not ended, as surfaces show it.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveRun {
    /// The run.
    pub id: RunId,
    /// Its session.
    pub session: SessionKey,
    /// Where it is in its life.
    pub status: Status,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Visible text streamed since the last complete turn.
    pub partial_text: String,
    /// Where it came from.
    pub source: Source,
}

/// Which runs to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abort {
    /// Runs of this session; `None` means any session.
    pub session: Option<SessionKey>,
    /// This run only.
    pub run: Option<RunId>,
    /// Who stops it, for the record.
    pub by: String,
}
