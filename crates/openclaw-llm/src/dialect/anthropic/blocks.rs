//! The content blocks of a turn while they arrive, and their JSON for replay.
//!
//! Blocks are kept by index, not by arrival: they may interleave and indices may
//! have gaps. Signatures and other opaque fields pass through as strings.

use std::collections::BTreeMap;

use openclaw_domain::message::Native;
use openclaw_domain::model::{Error, ModelEvent, StopReason};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::dialect::Dialect;
use crate::draft::{Asked, Draft, Out};
use crate::error::protocol;
use crate::names::Names;
use crate::repair::object_of;

/// One block as it was begun.
#[derive(Debug)]
enum Block {
    Text {
        place: usize,
        citations: Vec<Value>,
    },
    Thinking {
        place: usize,
        signature: String,
    },
    Call {
        place: usize,
        given: Option<String>,
    },
    /// Run by the provider; its input streams like a call's.
    Served {
        start: String,
        input: String,
    },
    /// Arrives whole, or is of a kind not known yet: kept as it is.
    Opaque {
        start: String,
    },
}

/// The head of a block.
#[derive(Deserialize)]
struct Start<'a> {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    thinking: String,
    #[serde(default)]
    signature: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(default)]
    citations: Option<Vec<Value>>,
}

/// A change of a block.
#[derive(Deserialize)]
pub(super) struct Delta {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    thinking: Option<String>,
    #[serde(default)]
    signature: Option<String>,
    #[serde(default)]
    partial_json: Option<String>,
    #[serde(default)]
    citation: Option<Value>,
    #[serde(default)]
    content: Option<Value>,
    #[serde(default)]
    encrypted_content: Option<Value>,
    #[serde(default)]
    pub(super) stop_reason: Option<String>,
    #[serde(default)]
    pub(super) stop_details: Option<StopDetails>,
}

/// Why the model refused.
#[derive(Deserialize)]
pub(super) struct StopDetails {
    #[serde(default)]
    pub(super) explanation: Option<String>,
}

/// All blocks of a turn.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    by_index: BTreeMap<u64, Block>,
}

impl Blocks {
    /// Begins a block.
    pub(super) fn start(
        &mut self,
        index: u64,
        raw: &str,
        draft: &mut Draft,
        names: &Names,
        out: &mut Out,
    ) -> Result<(), Error> {
        let start: Start<'_> =
            serde_json::from_str(raw).map_err(|cause| protocol(format!("a content block makes no sense: {cause}")))?;
        let block = match start.r#type.as_str() {
            "text" => {
                let place = draft.begin_text();
                draft.append(place, &start.text, out);
                Block::Text { place, citations: start.citations.unwrap_or_default() }
            }
            "thinking" => {
                let place = draft.begin_thinking();
                draft.append(place, &start.thinking, out);
                Block::Thinking { place, signature: start.signature }
            }
            "tool_use" => {
                out.push_back(ModelEvent::CallStarted { name: names.original(&start.name).to_owned() });
                let asked = Asked { id: start.id, name: start.name, ..Asked::default() };
                let given = start.input.map(RawValue::get).filter(|input| !matches!(input.trim(), "{}" | "null"));
                Block::Call { place: draft.begin_call(asked), given: given.map(str::to_owned) }
            }
            "server_tool_use" | "mcp_tool_use" => Block::Served { start: raw.to_owned(), input: String::new() },
            _ => Block::Opaque { start: raw.to_owned() },
        };
        self.by_index.insert(index, block);
        Ok(())
    }

    /// Adds to a block; what belongs to no known block is ignored.
    pub(super) fn delta(&mut self, index: u64, delta: Delta, draft: &mut Draft, out: &mut Out) {
        match (self.by_index.get_mut(&index), delta.r#type.as_str()) {
            (Some(Block::Text { place, .. }), "text_delta") => {
                draft.append(*place, delta.text.as_deref().unwrap_or_default(), out);
            }
            (Some(Block::Text { citations, .. }), "citations_delta") => citations.extend(delta.citation),
            (Some(Block::Thinking { place, .. }), "thinking_delta") => {
                draft.append(*place, delta.thinking.as_deref().unwrap_or_default(), out);
            }
            // The signature comes whole; a later one replaces it.
            (Some(Block::Thinking { signature, .. }), "signature_delta") => {
                *signature = delta.signature.unwrap_or_default();
            }
            (Some(Block::Call { place, .. }), "input_json_delta") => {
                if let Some(asked) = draft.call_mut(*place) {
                    asked.arguments.push_str(&delta.partial_json.unwrap_or_default());
                }
            }
            (Some(Block::Served { input, .. }), "input_json_delta") => {
                input.push_str(&delta.partial_json.unwrap_or_default());
            }
            (Some(Block::Opaque { start }), "compaction_delta") => {
                let fields = [("content", delta.content), ("encrypted_content", delta.encrypted_content)];
                *start = with_fields(start, fields.into_iter().filter_map(|(key, value)| Some((key, value?))));
            }
            _ => {}
        }
    }

    /// Ends a block: from here on its arguments are complete.
    pub(super) fn stop(&mut self, index: u64, draft: &mut Draft) {
        if let Some(Block::Call { place, given }) = self.by_index.get_mut(&index)
            && let Some(asked) = draft.call_mut(*place)
        {
            if asked.arguments.trim().is_empty() {
                asked.arguments = given.take().unwrap_or_default();
            }
            asked.is_closed = true;
        }
    }

    /// Ends all blocks.
    pub(super) fn stop_all(&mut self, draft: &mut Draft) {
        let indices: Vec<u64> = self.by_index.keys().copied().collect();
        indices.into_iter().for_each(|index| self.stop(index, draft));
    }

    /// Writes the turn as it must be sent back; `None` when it cannot be.
    pub(super) fn native(&self, draft: &Draft, stop: StopReason) -> Option<Native> {
        let blocks: Vec<String> = self.by_index.values().filter_map(|block| json_of(block, draft, stop)).collect();
        // A turn that ends with a thought is refused; its neutral form is sent instead.
        let last: Start<'_> = serde_json::from_str(blocks.last()?).ok()?;
        if matches!(last.r#type.as_str(), "thinking" | "redacted_thinking") && stop != StopReason::Pause {
            return None;
        }
        let json = format!("[{}]", blocks.join(","));
        Some(Native { dialect: Dialect::AnthropicMessages.as_str().to_owned(), json })
    }
}

/// Sets fields of a JSON object given as text.
fn with_fields(raw: &str, fields: impl Iterator<Item = (&'static str, Value)>) -> String {
    let mut object: Map<String, Value> = serde_json::from_str(raw).unwrap_or_default();
    object.extend(fields.map(|(key, value)| (key.to_owned(), value)));
    Value::Object(object).to_string()
}

#[derive(Serialize)]
struct ToolUse<'a> {
    r#type: &'static str,
    id: &'a str,
    name: &'a str,
    /// Text of the model, not re-encoded: key order and numbers stay as they are.
    input: &'a RawValue,
}

/// Writes one block as it must be sent back.
fn json_of(block: &Block, draft: &Draft, stop: StopReason) -> Option<String> {
    match block {
        Block::Text { place, citations } => {
            let text = draft.text_at(*place).filter(|text| !text.trim().is_empty())?;
            let mut json = json!({ "type": "text", "text": text });
            if !citations.is_empty() {
                json["citations"] = json!(citations);
            }
            Some(json.to_string())
        }
        // Without a signature the block cannot be read back and would be refused.
        Block::Thinking { signature, .. } if signature.is_empty() => None,
        Block::Thinking { place, signature } => {
            let text = draft.text_at(*place).unwrap_or_default();
            Some(json!({ "type": "thinking", "thinking": text, "signature": signature }).to_string())
        }
        Block::Call { place, .. } => {
            let asked = draft.call(*place)?;
            if !draft.kept_calls(stop).any(|kept| std::ptr::eq(kept, asked)) {
                return None;
            }
            let input = object_of(&asked.arguments);
            let input = serde_json::from_str(&input).ok()?;
            serde_json::to_string(&ToolUse { r#type: "tool_use", id: &asked.id, name: &asked.name, input }).ok()
        }
        Block::Served { start, input } if input.trim().is_empty() => Some(start.clone()),
        Block::Served { start, input } => {
            let input: Value = serde_json::from_str(input).ok()?;
            Some(with_fields(start, std::iter::once(("input", input))))
        }
        Block::Opaque { start } => Some(start.clone()),
    }
}
