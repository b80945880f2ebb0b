//! Reads a responses stream.
//!
//! Deltas are for display; `output_item.done` is the authority for what is kept
//! and replayed. The terminal marker is `response.completed` or
//! `response.incomplete`; a failed response is an error, never an answer.

use std::collections::BTreeMap;

use openclaw_domain::Timestamp;
use openclaw_domain::message::Native;
use openclaw_domain::model::{Completed, Error, ModelEvent, StopReason, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::dialect::{Dialect, Progress, Reading};
use crate::draft::{Asked, Draft, Ending, Out};
use crate::error::{Said, in_stream, protocol, truncated};

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    output_index: u64,
    #[serde(borrow, default)]
    item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<Response<'a>>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(default)]
    status: Option<String>,
    #[serde(borrow, default)]
    output: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    usage: Option<Tokens>,
    #[serde(default)]
    incomplete_details: Option<Incomplete>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Incomplete {
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tokens {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
}

/// What of an item is shown or run.
#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    call_id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    arguments: String,
    #[serde(default)]
    content: Option<Vec<Piece>>,
    #[serde(default)]
    summary: Option<Vec<Piece>>,
}

#[derive(Deserialize)]
struct Piece {
    #[serde(default)]
    text: String,
    #[serde(default)]
    refusal: String,
}

/// One output item.
#[derive(Default)]
struct Item {
    /// Its place in the draft, once something of it was shown.
    place: Option<usize>,
    /// Its final form.
    done: Option<String>,
}

/// The decoder of one response.
pub(crate) struct Decoder {
    reading: Reading,
    draft: Draft,
    items: BTreeMap<u64, Item>,
    stop: Option<StopReason>,
    has_refusal: bool,
    usage: Usage,
}

impl Decoder {
    pub(crate) fn new(reading: Reading) -> Self {
        Self {
            reading,
            draft: Draft::default(),
            items: BTreeMap::new(),
            stop: None,
            has_refusal: false,
            usage: Usage::default(),
        }
    }

    pub(crate) fn frame(&mut self, name: &str, data: &str, out: &mut Out) -> Result<(), Error> {
        if data.starts_with("[DONE]") {
            return Ok(());
        }
        let frame: Frame<'_> =
            serde_json::from_str(data).map_err(|cause| protocol(format!("a frame is no responses event: {cause}")))?;
        let kind = if frame.r#type.is_empty() { name } else { frame.r#type.as_str() };
        match kind {
            "response.output_text.delta" => self.text(frame.output_index, delta_of(frame.delta), out),
            "response.refusal.delta" => {
                self.has_refusal = true;
                self.text(frame.output_index, delta_of(frame.delta), out);
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                self.thinking(frame.output_index, delta_of(frame.delta), out);
            }
            "response.reasoning_summary_part.added" => self.next_summary(frame.output_index, out),
            "response.function_call_arguments.delta" => {
                let place = self.items.get(&frame.output_index).and_then(|item| item.place);
                if let Some(asked) = place.and_then(|place| self.draft.call_mut(place)) {
                    asked.arguments.push_str(&delta_of(frame.delta));
                }
            }
            "response.output_item.added" => self.added(frame.output_index, frame.item, out)?,
            "response.output_item.done" => self.done(frame.output_index, frame.item, out)?,
            "response.completed" | "response.incomplete" | "response.failed" => {
                let response = frame.response.ok_or_else(|| protocol(format!("{kind} carries no response")))?;
                self.ended(response, kind.trim_start_matches("response."), out)?;
            }
            "error" => return Err(in_stream(Said::of(data))),
            // Hosted tools, annotations and whatever comes next.
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn whole(&mut self, json: &str, out: &mut Out) -> Result<(), Error> {
        let response: Response<'_> =
            serde_json::from_str(json).map_err(|cause| protocol(format!("the answer is no response: {cause}")))?;
        if response.output.is_none() {
            return Err(in_stream(Said::of(json)));
        }
        let status = response.status.clone().unwrap_or_default();
        self.ended(response, &status, out)
    }

    pub(crate) fn progress(&self) -> Progress {
        if self.stop.is_some() { Progress::Closed } else { Progress::Open }
    }

    pub(crate) fn finish(self, at: Timestamp) -> Result<Completed, Error> {
        let stop = self.stop.ok_or_else(|| truncated("response.completed"))?;
        let stop = if self.has_refusal && stop == StopReason::EndTurn { StopReason::Refusal } else { stop };
        let native = self.native(stop);
        let Reading { names, model, .. } = &self.reading;
        let turn = self.draft.finish(Ending { stop, model, names, native, at });
        Ok(Completed { turn, usage: self.usage })
    }

    fn text(&mut self, index: u64, delta: String, out: &mut Out) {
        let item = self.items.entry(index).or_default();
        let place = *item.place.get_or_insert_with(|| self.draft.begin_text());
        self.draft.append(place, &delta, out);
    }

    fn thinking(&mut self, index: u64, delta: String, out: &mut Out) {
        let item = self.items.entry(index).or_default();
        let place = *item.place.get_or_insert_with(|| self.draft.begin_thinking());
        self.draft.append(place, &delta, out);
    }

    /// Sets the parts of a reasoning summary apart.
    fn next_summary(&mut self, index: u64, out: &mut Out) {
        let place = self.items.get(&index).and_then(|item| item.place);
        let has_text = place.and_then(|place| self.draft.text_at(place)).is_some_and(|text| !text.is_empty());
        if has_text {
            self.thinking(index, "\n\n".to_owned(), out);
        }
    }

    fn added(&mut self, index: u64, item: Option<&RawValue>, out: &mut Out) -> Result<(), Error> {
        let Some(raw) = item else { return Ok(()) };
        let content = content_of(raw.get())?;
        if content.r#type == "function_call" {
            self.open_call(index, content, out);
        }
        Ok(())
    }

    fn open_call(&mut self, index: u64, content: Content, out: &mut Out) -> usize {
        out.push_back(ModelEvent::CallStarted { name: self.reading.names.original(&content.name).to_owned() });
        // Arguments come with deltas and again with the finished item.
        let asked = Asked { id: content.call_id, name: content.name, ..Asked::default() };
        let place = self.draft.begin_call(asked);
        self.items.entry(index).or_default().place = Some(place);
        place
    }

    fn done(&mut self, index: u64, item: Option<&RawValue>, out: &mut Out) -> Result<(), Error> {
        let Some(raw) = item else { return Ok(()) };
        let content = content_of(raw.get())?;
        let place = self.items.get(&index).and_then(|item| item.place);
        match content.r#type.as_str() {
            "function_call" => {
                let Content { arguments, name, call_id, .. } = content;
                let again = Content {
                    arguments: String::new(),
                    r#type: String::new(),
                    content: None,
                    summary: None,
                    name,
                    call_id,
                };
                let place = place.unwrap_or_else(|| self.open_call(index, again, out));
                if let Some(asked) = self.draft.call_mut(place) {
                    asked.arguments = arguments;
                    asked.is_closed = true;
                }
            }
            // Servers that send no deltas show everything now.
            "message" if place.is_none() => {
                for piece in content.content.into_iter().flatten() {
                    self.has_refusal |= !piece.refusal.is_empty();
                    self.text(index, piece.text + &piece.refusal, out);
                }
            }
            "reasoning" if place.is_none() => {
                let summary = content.summary.into_iter().flatten().chain(content.content.into_iter().flatten());
                for piece in summary {
                    self.next_summary(index, out);
                    self.thinking(index, piece.text, out);
                }
            }
            _ => {}
        }
        self.items.entry(index).or_default().done = Some(raw.get().to_owned());
        Ok(())
    }

    fn ended(&mut self, response: Response<'_>, status: &str, out: &mut Out) -> Result<(), Error> {
        if let Some(tokens) = response.usage {
            self.usage = tokens.into();
        }
        let reason = response.incomplete_details.and_then(|details| details.reason).unwrap_or_default();
        let stop = match status {
            "completed" | "" => StopReason::EndTurn,
            "incomplete" => match reason.as_str() {
                "content_filter" => StopReason::Refusal,
                _ => StopReason::MaxTokens,
            },
            "failed" | "cancelled" => {
                let said = response.error.map(|raw| Said::of(raw.get())).unwrap_or_default();
                return Err(in_stream(said));
            }
            other => return Err(truncated(&format!("it was complete; its status is {other:?}"))),
        };
        // Some servers send the items only here.
        if self.items.values().all(|item| item.done.is_none()) {
            for (index, raw) in (0u64..).zip(response.output.into_iter().flatten()) {
                self.done(index, Some(raw), out)?;
            }
        }
        self.stop = Some(stop);
        Ok(())
    }

    /// Writes the items as they must be sent back. Ids are left out, since nothing
    /// is stored under them; reasoning that cannot be read back stays away.
    fn native(&self, stop: StopReason) -> Option<Native> {
        let kept: Vec<&str> = self.draft.kept_calls(stop).map(|asked| asked.id.as_str()).collect();
        let mut items = Vec::new();
        for item in self.items.values() {
            // An item that was not finished may be half a call: the neutral form leaves it out.
            let mut item: Map<String, Value> = serde_json::from_str(item.done.as_deref()?).ok()?;
            let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            match text("type").as_str() {
                "reasoning" if text("encrypted_content").is_empty() => continue,
                "function_call" if !kept.contains(&text("call_id").as_str()) => continue,
                _ => {}
            }
            item.shift_remove("id");
            item.shift_remove("status");
            items.push(Value::Object(item));
        }
        // Reasoning must be followed by what it led to.
        while items.last().is_some_and(|item| item.get("type").and_then(Value::as_str) == Some("reasoning")) {
            items.pop();
        }
        let json = serde_json::to_string(&items).ok().filter(|_| !items.is_empty())?;
        Some(Native { dialect: Dialect::OpenaiResponses.as_str().to_owned(), json })
    }
}

fn delta_of(raw: Option<&RawValue>) -> String {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

fn content_of(raw: &str) -> Result<Content, Error> {
    serde_json::from_str(raw).map_err(|cause| protocol(format!("an output item makes no sense: {cause}")))
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Usage {
        let details = tokens.input_tokens_details.unwrap_or_default();
        let (read, write) = (details.cached_tokens.unwrap_or(0), details.cache_write_tokens.unwrap_or(0));
        Usage {
            input: tokens.input_tokens.unwrap_or(0).saturating_sub(read + write),
            output: tokens.output_tokens.unwrap_or(0),
            cache_read: read,
            cache_write: write,
            reasoning: tokens.output_tokens_details.and_then(|details| details.reasoning_tokens).unwrap_or(0),
            cost_usd: None,
        }
    }
}
