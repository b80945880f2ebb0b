//! How many tokens something takes, before a provider says.
//!
//! The rule: three bytes of UTF-8 are one token, rounded up, and every turn and
//! call has a few on top. English prose has about four bytes per token, code
//! three, Chinese three bytes per character and about one token for each, so
//! the rule errs on the side of too many. What the last call really used
//! corrects it (see [`super::budget`]).

use openclaw_domain::message::{Block, Part};
use openclaw_domain::tool::ToolSpec;
use openclaw_domain::{AssistantTurn, ToolResult, Turn};
use serde::{Deserialize, Serialize};

/// Bytes of one token.
pub(crate) const TOKEN_BYTES: u64 = 3;

/// Roles and separators around a turn.
const TURN: u64 = 8;

/// Names and structure around a call and its result.
const CALL: u64 = 16;

/// A picture, as the providers with the largest price for one count it.
const PICTURE: u64 = 1600;

/// The prompt of the last call: what the provider counted, and what the rule
/// says of its turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Prompt tokens, cached ones included.
    pub tokens: u64,
    /// The estimate of the turns, without system prompt and tools.
    pub estimated: u64,
}

/// Estimates a text of so many bytes.
pub(crate) fn bytes(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(TOKEN_BYTES)
}

/// Estimates what stands before the turns.
pub(crate) fn fixed(system: &[String], tools: &[ToolSpec]) -> u64 {
    let tool = |tool: &ToolSpec| {
        CALL + bytes(tool.name.len()) + bytes(tool.description.len()) + bytes(tool.parameters.to_string().len())
    };
    let system: u64 = system.iter().map(|section| TURN + bytes(section.len())).sum();
    system + tools.iter().map(tool).sum::<u64>()
}

/// Estimates turns.
pub(crate) fn turns<'a>(turns: impl Iterator<Item = &'a Turn>) -> u64 {
    turns.map(turn).sum()
}

/// Estimates a turn, the results of its calls included.
pub(crate) fn turn(turn: &Turn) -> u64 {
    match turn {
        Turn::User(turn) => TURN + parts(&turn.parts),
        Turn::Assistant(turn) => {
            TURN + said(turn) + turn.calls().filter_map(|(_, result)| result).map(answer).sum::<u64>()
        }
    }
}

fn answer(result: &ToolResult) -> u64 {
    CALL + parts(&result.parts)
}

/// The provider's own form is sent back when there is one; it holds sealed
/// thoughts that the blocks do not show.
fn said(turn: &AssistantTurn) -> u64 {
    let blocks = turn.blocks.iter().map(|block| match block {
        Block::Text { text } | Block::Thinking { text } => bytes(text.len()),
        Block::Call { call, .. } => CALL + bytes(call.name.len()) + bytes(call.arguments.len()),
    });
    let native = turn.native.as_ref().map_or(0, |native| bytes(native.json.len()));
    native.max(blocks.sum())
}

fn parts(parts: &[Part]) -> u64 {
    let part = |part: &Part| match part {
        Part::Text { text } => bytes(text.len()),
        Part::Image { .. } => PICTURE,
    };
    parts.iter().map(part).sum()
}
