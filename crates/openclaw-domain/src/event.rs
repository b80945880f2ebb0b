//! What the run journal records. Append-only; a run is the fold of its events.
//!
//! Each stored event carries [`VERSION`]. Readers accept every version they
//! know and refuse a newer one; fields are added with defaults, never renamed.

use serde::{Deserialize, Serialize};

use crate::approval::{Approval, Decision};
use crate::compaction::Compaction;
use crate::ids::{CallId, Epoch, RunId, Seq, Timestamp};
use crate::message::{AssistantTurn, ToolResult, UserTurn};
use crate::model::{ErrorClass, Selected, Usage};
use crate::question::{Answer, Question};
use crate::run::{Limits, Outcome, RunRequest};
use crate::runtime::Runtime;
use crate::tool::Effect;

/// Version of the event bodies written by this build.
pub const VERSION: u16 = 1;

/// One fact about a run (`durability.md` §3.4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunEvent {
    /// The input was accepted.
    Accepted {
        /// The request.
        request: Box<RunRequest>,
        /// The ceilings in force.
        limits: Limits,
        /// What serves it.
        #[serde(default)]
        runtime: Runtime,
    },
    /// An owner took the run; every epoch begins with exactly one of these (I2).
    Claimed {
        /// The owner: boot id of the process.
        owner: String,
    },
    /// The conversation was loaded and the run begins.
    Began {
        /// Last transcript entry that was loaded; replay loads the same.
        transcript_head: u64,
    },
    /// A model is about to be called.
    ModelStarted {
        /// Number of the step, from 1.
        step: u32,
        /// Key of the step, stable over retries.
        idempotency_key: String,
    },
    /// A provider accepted the request.
    ModelSelected {
        /// Which, and why that one.
        selected: Selected,
    },
    /// A stretch of streamed text; never sent as durable before it is committed.
    ModelDelta {
        /// The text.
        text: String,
    },
    /// What was streamed of this turn is void; whoever shows it takes it back.
    ModelSuperseded {
        /// Why.
        reason: String,
    },
    /// The model's turn is complete.
    ModelDone {
        /// The turn, its calls open.
        turn: Box<AssistantTurn>,
        /// Tokens and money of the step.
        usage: Usage,
    },
    /// No model could answer.
    ModelFailed {
        /// The kind of failure.
        class: ErrorClass,
        /// What was said, and the next step.
        message: String,
    },
    /// A tool call is planned.
    ToolIntent {
        /// The call.
        call: CallId,
        /// The tool.
        tool: String,
        /// Hash of the tool name and the literal arguments, hex.
        digest: String,
        /// What a second dispatch would do.
        effect: Effect,
        /// Key of what the call would do to the world, hex: the same for a
        /// call that was planned anew. Empty in journals older than the ledger.
        #[serde(default)]
        action: String,
    },
    /// A person is asked; the run parks.
    ApprovalRequested {
        /// The question.
        approval: Box<Approval>,
    },
    /// The question was answered.
    ApprovalResolved {
        /// Its id.
        approval: String,
        /// The call it was about.
        call: CallId,
        /// The answer.
        decision: Decision,
        /// Who answered.
        by: String,
    },
    /// The call is dispatched now. A barrier for every effect but `pure`.
    ToolStarted {
        /// The call.
        call: CallId,
        /// Key handed to the tool, stable over attempts.
        idempotency_key: String,
    },
    /// The call has its result.
    ToolEnded {
        /// The call.
        call: CallId,
        /// The result.
        result: Box<ToolResult>,
    },
    /// The call was dispatched by an owner that is gone, and nothing says
    /// whether it happened. A person is asked; the run is in `attention`.
    ToolUnsure {
        /// The question.
        question: Box<Question>,
    },
    /// Somebody said what became of the call.
    ToolSettled {
        /// Id of the question.
        question: String,
        /// The call it was about.
        call: CallId,
        /// The answer.
        answer: Answer,
        /// Who answered.
        by: String,
    },
    /// A part of the conversation is shown to the model as a summary from here on.
    Compacted {
        /// Which part, and its summary.
        compaction: Box<Compaction>,
    },
    /// Input was put before the model while the run was working.
    Steered {
        /// The input's own run id.
        input: RunId,
        /// What was said.
        turn: UserTurn,
    },
    /// Somebody wants the run to stop.
    CancelRequested {
        /// Who.
        by: String,
    },
    /// The wall-clock ceiling was reached.
    DeadlinePassed,
    /// The run ended.
    Ended {
        /// How.
        outcome: Box<Outcome>,
    },
}

impl RunEvent {
    /// All names, in the order of the variants.
    pub const NAMES: [&'static str; 21] = [
        "accepted",
        "claimed",
        "began",
        "model_started",
        "model_selected",
        "model_delta",
        "model_superseded",
        "model_done",
        "model_failed",
        "tool_intent",
        "approval_requested",
        "approval_resolved",
        "tool_started",
        "tool_ended",
        "tool_unsure",
        "tool_settled",
        "compacted",
        "steered",
        "cancel_requested",
        "deadline_passed",
        "ended",
    ];

    /// Returns the event's stable name, as stored.
    pub fn name(&self) -> &'static str {
        match self {
            RunEvent::Accepted { .. } => "accepted",
            RunEvent::Claimed { .. } => "claimed",
            RunEvent::Began { .. } => "began",
            RunEvent::ModelStarted { .. } => "model_started",
            RunEvent::ModelSelected { .. } => "model_selected",
            RunEvent::ModelDelta { .. } => "model_delta",
            RunEvent::ModelSuperseded { .. } => "model_superseded",
            RunEvent::ModelDone { .. } => "model_done",
            RunEvent::ModelFailed { .. } => "model_failed",
            RunEvent::ToolIntent { .. } => "tool_intent",
            RunEvent::ApprovalRequested { .. } => "approval_requested",
            RunEvent::ApprovalResolved { .. } => "approval_resolved",
            RunEvent::ToolStarted { .. } => "tool_started",
            RunEvent::ToolEnded { .. } => "tool_ended",
            RunEvent::ToolUnsure { .. } => "tool_unsure",
            RunEvent::ToolSettled { .. } => "tool_settled",
            RunEvent::Compacted { .. } => "compacted",
            RunEvent::Steered { .. } => "steered",
            RunEvent::CancelRequested { .. } => "cancel_requested",
            RunEvent::DeadlinePassed => "deadline_passed",
            RunEvent::Ended { .. } => "ended",
        }
    }
}

/// An event as it stands in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Position in the run.
    pub seq: Seq,
    /// Epoch of the owner that wrote it.
    pub epoch: Epoch,
    /// When it was written.
    pub at: Timestamp,
    /// The fact.
    pub event: RunEvent,
}

#[cfg(test)]
mod tests {
    use super::RunEvent;

    #[test]
    fn the_list_of_names_holds_every_variant() {
        let source = include_str!("event.rs");
        let (_, arms) = source.split_once("pub fn name(").unwrap();
        let (arms, _) = arms.split_once("\n    }\n").unwrap();
        let named: Vec<&str> = arms.split("=> \"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(named, RunEvent::NAMES);
    }
}
