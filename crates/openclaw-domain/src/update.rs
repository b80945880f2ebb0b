//! What live surfaces are told while a run works.

use std::time::Duration;

use crate::approval::{Approval, Decision};
use crate::compaction::Shrunk;
use crate::cursor::Cursor;
use crate::ids::{CallId, RunId, SessionKey, Timestamp};
use crate::message::{ToolCall, ToolResult};
use crate::model::{Selected, Usage};
use crate::question::{Answer, Question};
use crate::run::{Outcome, Source};
use crate::session::Entry;
use crate::tool::Progress;

/// One change of one run or session, in the order it happened.
#[derive(Debug, Clone, PartialEq)]
pub struct RunUpdate {
    /// The run.
    pub run: RunId,
    /// Its session.
    pub session: SessionKey,
    /// Where the run came from.
    pub source: Source,
    /// Number of this update within the run, from 1, without gaps.
    pub seq: u64,
    /// How far the run is seen once this update was.
    pub cursor: Cursor,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub change: Change,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The input is durable; the run is queued or about to work.
    Accepted,
    /// An entry joined the transcript.
    EntryAdded(Box<Entry>),
    /// The run works now.
    Started,
    /// What the run is doing before the first token.
    Phase(Phase),
    /// A provider accepted the request.
    ModelSelected(Selected),
    /// More visible text.
    TextDelta(String),
    /// More visible reasoning.
    ThinkingDelta(String),
    /// The text since the last complete turn is void; this stands instead.
    TextReplaced(String),
    /// The model's turn is complete; text after this belongs to a new block.
    TurnCompleted(Usage),
    /// A tool call is dispatched.
    ToolStarted(ToolCall),
    /// A running tool's sign of life.
    ToolProgress {
        /// The call.
        call: CallId,
        /// What it says.
        progress: Progress,
    },
    /// A tool call has its result.
    ToolEnded {
        /// The call.
        call: ToolCall,
        /// The result.
        result: Box<ToolResult>,
        /// How long it ran.
        took: Duration,
    },
    /// A person is asked.
    ApprovalRequested(Box<Approval>),
    /// The question was answered.
    ApprovalResolved {
        /// The question.
        approval: Box<Approval>,
        /// The answer.
        decision: Decision,
        /// Who answered.
        by: String,
    },
    /// The outcome of a call is unknown; a person is asked.
    QuestionAsked(Box<Question>),
    /// The question was answered.
    QuestionAnswered {
        /// The question.
        question: Box<Question>,
        /// The answer.
        answer: Answer,
        /// Who answered.
        by: String,
    },
    /// All text up to the update's cursor survives a crash.
    TextKept,
    /// A run that an earlier process left works again: the first new event is recorded (I14).
    Resumed,
    /// A summary of the conversation's older part is being made.
    Compacting,
    /// A part of the conversation is shown to the model as a summary from here on.
    Compacted {
        /// Entries that the summary stands for.
        entries: u64,
        /// How much shorter the conversation became.
        tokens: Option<Shrunk>,
        /// Whether a model call that did not fit is made again now.
        is_retry: bool,
    },
    /// No summary was made; the conversation is shown as before.
    NotCompacted {
        /// Why.
        reason: String,
    },
    /// Input joined the running turn.
    Steered {
        /// The input's own run id.
        input: RunId,
    },
    /// The run ended.
    Ended(Box<Outcome>),
    /// The run's input was taken in by another run, which ended; so did this one.
    Carried(Box<Outcome>),
}

/// What a run does before the first token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for its turn or opening the workspace.
    PreparingWorkspace,
    /// Loading the conversation and building the prompt.
    PreparingContext,
    /// Waiting for the model.
    StartingModel,
}

impl Phase {
    /// Returns the phase's name on the wire (`protocol.md` §1.6).
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::PreparingWorkspace => "preparing_workspace",
            Phase::PreparingContext => "preparing_context",
            Phase::StartingModel => "starting_model",
        }
    }
}
