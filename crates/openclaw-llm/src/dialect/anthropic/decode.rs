//! Reads a messages stream.
//!
//! Frames are told apart by `data.type`; clones leave the `event:` line out. The
//! terminal marker is `message_stop`. Usage counts are cumulative: later ones
//! replace earlier ones.

use openclaw_domain::Timestamp;
use openclaw_domain::model::{Completed, Error, StopReason, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::blocks::{Blocks, Delta, StopDetails};
use crate::dialect::{Progress, Reading};
use crate::draft::{Draft, Ending, Out};
use crate::error::{Said, in_stream, protocol, truncated};

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    index: u64,
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(borrow, default)]
    content_block: Option<&'a RawValue>,
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    stop_details: Option<StopDetails>,
    #[serde(default)]
    usage: Option<Tokens>,
}

/// The `usage` object; absent and null fields change nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Tokens {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

/// The decoder of one response.
pub(crate) struct Decoder {
    reading: Reading,
    draft: Draft,
    blocks: Blocks,
    stop: StopReason,
    is_closed: bool,
    usage: Usage,
}

impl Decoder {
    pub(crate) fn new(reading: Reading) -> Self {
        Self {
            reading,
            draft: Draft::default(),
            blocks: Blocks::default(),
            stop: StopReason::EndTurn,
            is_closed: false,
            usage: Usage::default(),
        }
    }

    pub(crate) fn frame(&mut self, name: &str, data: &str, out: &mut Out) -> Result<(), Error> {
        // Clones of clones end with OpenAI's marker; it says nothing here.
        if data.starts_with("[DONE]") {
            return Ok(());
        }
        let frame: Frame<'_> =
            serde_json::from_str(data).map_err(|cause| protocol(format!("a frame is no messages event: {cause}")))?;
        let kind = if frame.r#type.is_empty() { name } else { frame.r#type.as_str() };
        match kind {
            "message_start" => self.count(frame.message.and_then(|message| message.usage)),
            "content_block_start" => {
                if let Some(raw) = frame.content_block {
                    let names = &self.reading.names;
                    self.blocks.start(frame.index, raw.get(), &mut self.draft, names, out)?;
                }
            }
            "content_block_delta" => {
                if let Some(delta) = frame.delta {
                    self.blocks.delta(frame.index, delta, &mut self.draft, out);
                }
            }
            "content_block_stop" => self.blocks.stop(frame.index, &mut self.draft),
            "message_delta" => {
                self.count(frame.usage);
                if let Some(delta) = frame.delta {
                    self.stopped(delta.stop_reason, delta.stop_details, out);
                }
            }
            "message_stop" => self.is_closed = true,
            "error" => return Err(in_stream(Said::of(data))),
            // `ping` and whatever comes next.
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn whole(&mut self, json: &str, out: &mut Out) -> Result<(), Error> {
        let is_message = |json| serde_json::from_str::<Message<'_>>(json).ok().filter(|m| m.content.is_some());
        let Some(message) = is_message(json) else { return Err(in_stream(Said::of(json))) };
        for (index, raw) in (0u64..).zip(message.content.into_iter().flatten()) {
            self.blocks.start(index, raw.get(), &mut self.draft, &self.reading.names, out)?;
        }
        self.blocks.stop_all(&mut self.draft);
        self.count(message.usage);
        self.stopped(message.stop_reason, message.stop_details, out);
        self.is_closed = true;
        Ok(())
    }

    pub(crate) fn progress(&self) -> Progress {
        if self.is_closed { Progress::Closed } else { Progress::Open }
    }

    pub(crate) fn finish(self, at: Timestamp) -> Result<Completed, Error> {
        if !self.is_closed {
            return Err(truncated("message_stop"));
        }
        let native = self.blocks.native(&self.draft, self.stop);
        let Reading { names, model, .. } = &self.reading;
        let turn = self.draft.finish(Ending { stop: self.stop, model, names, native, at });
        Ok(Completed { turn, usage: self.usage })
    }

    fn stopped(&mut self, reason: Option<String>, details: Option<StopDetails>, out: &mut Out) {
        let Some(reason) = reason else { return };
        self.stop = match reason.as_str() {
            "max_tokens" => StopReason::MaxTokens,
            "tool_use" => StopReason::ToolUse,
            "stop_sequence" => StopReason::StopSequence,
            "refusal" => StopReason::Refusal,
            "pause_turn" | "compaction" => StopReason::Pause,
            "model_context_window_exceeded" => StopReason::ContextFull,
            _ => StopReason::EndTurn,
        };
        let explanation = details.and_then(|details| details.explanation).unwrap_or_default();
        if self.stop == StopReason::Refusal && self.draft.visible().is_empty() {
            self.draft.text(&explanation, out);
        }
    }

    fn count(&mut self, tokens: Option<Tokens>) {
        let Some(tokens) = tokens else { return };
        let usage = &mut self.usage;
        let set = |field: &mut u64, count: Option<u64>| *field = count.unwrap_or(*field);
        set(&mut usage.input, tokens.input_tokens);
        set(&mut usage.output, tokens.output_tokens);
        set(&mut usage.cache_write, tokens.cache_creation_input_tokens);
        set(&mut usage.cache_read, tokens.cache_read_input_tokens);
        set(&mut usage.reasoning, tokens.output_tokens_details.and_then(|details| details.thinking_tokens));
    }
}
