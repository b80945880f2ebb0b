//! What people, models and tools say.

use serde::{Deserialize, Serialize};

use crate::ids::{CallId, Timestamp};
use crate::model::{ModelRef, StopReason};
use crate::origin::Origin;

/// One part of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// Plain text.
    Text {
        /// The text.
        text: String,
    },
    /// A picture, base64 of the file's bytes.
    Image {
        /// For example `image/png`.
        media_type: String,
        /// Base64 (standard alphabet, padded).
        data: String,
    },
}

impl Part {
    /// Makes a text part.
    pub fn text(text: impl Into<String>) -> Self {
        Part::Text { text: text.into() }
    }
}

/// Joins the text parts, dropping pictures.
pub fn plain_text(parts: &[Part]) -> String {
    let texts = parts.iter().filter_map(|part| match part {
        Part::Text { text } => Some(text.as_str()),
        Part::Image { .. } => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// What somebody said to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserTurn {
    /// The message.
    pub parts: Vec<Part>,
    /// Who said it.
    pub origin: Origin,
    /// When it was accepted.
    pub at: Timestamp,
}

impl UserTurn {
    /// Makes a text message from the owner.
    pub fn owner(text: impl Into<String>, at: Timestamp) -> Self {
        Self { parts: vec![Part::text(text)], origin: Origin::Owner, at }
    }

    /// Returns the text parts joined with newlines.
    pub fn text(&self) -> String {
        plain_text(&self.parts)
    }
}

/// What a model answered: text, thoughts and tool calls, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssistantTurn {
    /// The blocks in the order the model produced them.
    pub blocks: Vec<Block>,
    /// Which model answered.
    pub model: ModelRef,
    /// Why it stopped.
    pub stop: StopReason,
    /// The provider's own form of this turn, replayed unchanged to the same
    /// provider and model family (`models.md` §0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<Native>,
    /// When the turn was complete.
    pub at: Timestamp,
}

/// One block of an assistant turn.
#[expect(
    clippy::large_enum_variant,
    reason = "turns hold few blocks, and boxing the result would hide it from patterns"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    /// Visible text.
    Text {
        /// The text.
        text: String,
    },
    /// Reasoning shown by the model; never sent to another model family.
    Thinking {
        /// The visible summary, possibly empty.
        text: String,
    },
    /// A tool call together with its answer, once there is one.
    Call {
        /// The call.
        call: ToolCall,
        /// Its result; `None` while it is still owed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<ToolResult>,
    },
}

impl AssistantTurn {
    /// Returns the visible text.
    pub fn text(&self) -> String {
        let texts = self.blocks.iter().filter_map(|block| match block {
            Block::Text { text } => Some(text.as_str()),
            Block::Thinking { .. } | Block::Call { .. } => None,
        });
        texts.collect::<Vec<_>>().concat()
    }

    /// Iterates over the calls in order.
    pub fn calls(&self) -> impl Iterator<Item = (&ToolCall, Option<&ToolResult>)> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Call { call, result } => Some((call, result.as_ref())),
            Block::Text { .. } | Block::Thinking { .. } => None,
        })
    }

    /// Records the result of `call`; false when there is no such open call.
    pub fn answer(&mut self, id: &CallId, answer: ToolResult) -> bool {
        for block in &mut self.blocks {
            if let Block::Call { call, result } = block
                && call.id == *id
                && result.is_none()
            {
                *result = Some(answer);
                return true;
            }
        }
        false
    }
}

/// A provider's own JSON of an assistant turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Native {
    /// The dialect that wrote it, for example `anthropic-messages`.
    pub dialect: String,
    /// JSON text; kept as text so that nothing is re-encoded.
    pub json: String,
}

/// A request by the model to run a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Our id of the call, unique within the session.
    pub id: CallId,
    /// The provider's id of the call, to answer it with.
    pub provider_id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as JSON text, exactly as they arrived; `{}` when empty.
    pub arguments: String,
}

/// A tool's answer to one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// What the model is told.
    pub parts: Vec<Part>,
    /// How it ended.
    pub status: ToolStatus,
    /// Where the content came from.
    pub origin: Origin,
    /// Structured facts for people and programs, not sent to the model.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub details: serde_json::Value,
}

impl ToolResult {
    /// Makes a result without content from a tool: a refusal, a limit, an interruption.
    pub fn notice(status: ToolStatus, text: impl Into<String>) -> Self {
        Self { parts: vec![Part::text(text)], status, origin: Origin::System, details: serde_json::Value::Null }
    }

    /// Returns the text parts joined with newlines.
    pub fn text(&self) -> String {
        plain_text(&self.parts)
    }

    /// Tells whether the model must be told that the call failed.
    pub fn is_error(&self) -> bool {
        self.status != ToolStatus::Ok
    }
}

/// How a tool call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolStatus {
    /// It did what was asked.
    Ok,
    /// It ran and failed.
    Failed,
    /// A gate or a person refused it; nothing was run.
    Denied,
    /// The run ended before the call did.
    Interrupted,
    /// It may or may not have happened.
    Unknown,
}

impl ToolStatus {
    /// Tells whether it is certain what the call did.
    pub fn is_known(self) -> bool {
        matches!(self, ToolStatus::Ok | ToolStatus::Failed | ToolStatus::Denied)
    }
}
