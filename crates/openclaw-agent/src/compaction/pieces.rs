//! Cuts a conversation into texts that a model can be asked to summarise.
//!
//! A request for a summary must itself fit the window, whatever the
//! conversation holds: it is made of a fixed instruction, the notes so far, of
//! limited size, and one piece of text.

use openclaw_domain::message::{Block, Part};
use openclaw_domain::{ToolResult, Turn};

use super::budget::Budget;
use super::{estimate, words};

/// Most pieces of one summary; a longer text is summarised by rule.
const PIECES_MAX: usize = 24;

/// Largest summary, in estimated tokens.
const SUMMARY_MAX: u64 = 4096;

/// Structure of the request, and rounding.
const OVERHEAD: u64 = 64;

/// Smallest piece worth asking about, in estimated tokens.
const PIECE_MIN: u64 = 128;

/// Longest part of a result that is put before the summariser: its beginning and its end.
const RESULT_HEAD_BYTES: usize = 3072;
const RESULT_TAIL_BYTES: usize = 1024;

/// How large the parts of a request for a summary may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Bytes of a summary's JSON.
    pub(super) summary_bytes: usize,
    /// Bytes of the note that names a fault.
    pub(super) note_bytes: usize,
    /// Bytes of one piece.
    pub(super) piece_bytes: usize,
    /// Real tokens the model may answer with.
    pub(super) output_tokens: u32,
}

/// Divides a window; `None` when it is too small to ask a model at all.
pub(super) fn sizes(budget: &Budget, instructions: &str) -> Option<Sizes> {
    let whole = budget.estimated(budget.window);
    let summary = SUMMARY_MAX.min(whole / 8);
    let note = (whole / 64).min(128);
    // Twice a summary: thinking and JSON escapes take room as well.
    let output = summary * 2;
    let taken = estimate::bytes(instructions.len()) + summary + note + output + OVERHEAD;
    let piece = whole.checked_sub(taken).filter(|piece| *piece >= PIECE_MIN)?;
    let bytes = |tokens: u64| usize::try_from(tokens * estimate::TOKEN_BYTES).unwrap_or(usize::MAX);
    // Rounded down, so that the sum of the parts stays within the window.
    let output_tokens = u32::try_from(budget.real(output).saturating_sub(1)).unwrap_or(u32::MAX);
    Some(Sizes { summary_bytes: bytes(summary), note_bytes: bytes(note), piece_bytes: bytes(piece), output_tokens })
}

/// Cuts the turns into pieces; `None` when they are too many.
pub(super) fn split(turns: &[Turn], sizes: &Sizes) -> Option<Vec<String>> {
    let mut pieces = vec![String::new()];
    for turn in turns {
        let text = render(turn);
        let mut rest = text.as_str();
        while let Some(piece) = pieces.last_mut() {
            let free = sizes.piece_bytes - piece.len();
            if rest.len() <= free {
                piece.push_str(rest);
                break;
            }
            // A turn that fits into a piece of its own is not torn apart.
            if rest.len() > sizes.piece_bytes {
                let part = words::cut(rest, free);
                piece.push_str(part);
                rest = &rest[part.len()..];
            }
            if pieces.len() == PIECES_MAX {
                return None;
            }
            pieces.push(String::new());
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    Some(pieces)
}

fn render(turn: &Turn) -> String {
    let mut text = String::new();
    match turn {
        Turn::User(turn) => line(&mut text, "person", &shown(&turn.parts)),
        Turn::Assistant(turn) => {
            for block in &turn.blocks {
                match block {
                    Block::Text { text: said } => line(&mut text, "agent", said),
                    Block::Thinking { .. } => {}
                    Block::Call { call, result } => {
                        line(&mut text, &format!("agent calls {}", call.name), &shortened(&call.arguments));
                        if let Some(result) = result {
                            line(&mut text, &outcome(result), &shortened(&shown(&result.parts)));
                        }
                    }
                }
            }
        }
    }
    text
}

fn line(text: &mut String, who: &str, said: &str) {
    text.push_str("## ");
    text.push_str(who);
    text.push('\n');
    text.push_str(said);
    text.push('\n');
}

fn outcome(result: &ToolResult) -> String {
    if result.is_error() { "result (failed)".to_owned() } else { "result".to_owned() }
}

fn shown(parts: &[Part]) -> String {
    let part = |part: &Part| match part {
        Part::Text { text } => text.clone(),
        Part::Image { media_type, .. } => format!("[a picture, {media_type}]"),
    };
    parts.iter().map(part).collect::<Vec<_>>().join("\n")
}

fn shortened(text: &str) -> String {
    if text.len() <= RESULT_HEAD_BYTES + RESULT_TAIL_BYTES {
        return text.to_owned();
    }
    let head = words::cut(text, RESULT_HEAD_BYTES);
    let tail = text.ceil_char_boundary(text.len() - RESULT_TAIL_BYTES);
    format!("{head}\n[… {} bytes left out …]\n{}", tail - head.len(), &text[tail..])
}
