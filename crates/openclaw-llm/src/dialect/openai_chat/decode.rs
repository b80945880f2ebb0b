//! Reads a chat-completions stream.
//!
//! Servers disagree on nearly everything here; the rules of assembly are those
//! of `models.md` §2.2. The terminal marker is a `finish_reason`; `[DONE]` is a
//! courtesy.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use openclaw_domain::Timestamp;
use openclaw_domain::message::Native;
use openclaw_domain::model::{Completed, Error, ModelEvent, StopReason, Usage};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::think_tags::{Kind, ThinkTags};
use super::usage::Tokens;
use crate::dialect::{Dialect, Progress, Reading};
use crate::draft::{Asked, Draft, Ending, Out};
use crate::error::{Said, in_stream, protocol, truncated};
use crate::providers::Replay;
use crate::repair::object_of;

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Option<First<'a>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    x_groq: Option<Groq<'a>>,
    /// MiniMax reports failures here at status 200.
    #[serde(borrow, default)]
    base_resp: Option<&'a RawValue>,
}

/// The first choice of a list; further ones are never asked for. A list would
/// take memory for four of them at every chunk.
struct First<'a>(Option<Choice<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for First<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FirstVisitor(PhantomData))
    }
}

struct FirstVisitor<'a>(PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for FirstVisitor<'a> {
    type Value = First<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of choices")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<First<'a>, S::Error> {
        let first = list.next_element()?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(First(first))
    }
}

/// A string, copied only if it has escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Groq<'a> {
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default, alias = "message")]
    delta: Option<Delta<'a>>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    /// A string, or an array of typed pieces (Mistral).
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    reasoning_content: Option<String>,
    #[serde(default)]
    reasoning: Option<String>,
    #[serde(borrow, default)]
    reasoning_details: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<CallDelta<'a>>>,
}

#[derive(Deserialize)]
struct CallDelta<'a> {
    #[serde(default)]
    index: Option<i64>,
    #[serde(default)]
    id: Option<String>,
    #[serde(borrow, default)]
    function: Option<FunctionDelta<'a>>,
    #[serde(borrow, default)]
    extra_content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct FunctionDelta<'a> {
    #[serde(default)]
    name: Option<String>,
    /// A string; on some servers an object.
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MistralPiece {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    thinking: Vec<MistralPiece>,
}

/// Where a call stands in the draft.
struct Slot {
    index: Option<i64>,
    place: usize,
    /// Opaque data to be sent back with the call.
    extra: Option<Value>,
}

/// The decoder of one response.
pub(crate) struct Decoder {
    reading: Reading,
    draft: Draft,
    slots: Vec<Slot>,
    tags: Option<ThinkTags>,
    details: Vec<Value>,
    stop: Option<StopReason>,
    has_refusal: bool,
    is_done: bool,
    usage: Usage,
}

impl Decoder {
    pub(crate) fn new(reading: Reading) -> Self {
        let tags = reading.quirks.think_tags.then(ThinkTags::default);
        Self {
            reading,
            draft: Draft::default(),
            slots: Vec::new(),
            tags,
            details: Vec::new(),
            stop: None,
            has_refusal: false,
            is_done: false,
            usage: Usage::default(),
        }
    }

    pub(crate) fn frame(&mut self, name: &str, data: &str, out: &mut Out) -> Result<(), Error> {
        if data.starts_with("[DONE]") {
            self.is_done = true;
            return Ok(());
        }
        let chunk: Chunk<'_> =
            serde_json::from_str(data).map_err(|cause| protocol(format!("a chunk is no chat completion: {cause}")))?;
        if let Some(said) = chunk.error.filter(|raw| is_set(raw.get())) {
            return Err(in_stream(Said::of(said.get())));
        }
        if name == "error" {
            return Err(in_stream(Said::of(data)));
        }
        if let Some(said) = chunk.base_resp.map(RawValue::get).filter(|raw| is_failure(raw)) {
            return Err(in_stream(Said::of(said)));
        }
        // Servers count in many shapes; a strange one must not cost the answer.
        let counted = chunk.usage.or(chunk.x_groq.and_then(|groq| groq.usage));
        if let Some(tokens) = counted.and_then(|raw| serde_json::from_str::<Tokens>(raw.get()).ok()) {
            self.usage = tokens.into();
        }
        match chunk.choices.and_then(|First(choice)| choice) {
            Some(choice) => self.choice(choice, out),
            None => Ok(()),
        }
    }

    pub(crate) fn whole(&mut self, json: &str, out: &mut Out) -> Result<(), Error> {
        self.frame("", json, out)
    }

    pub(crate) fn progress(&self) -> Progress {
        match (self.stop.is_some(), self.is_done) {
            (true, true) => Progress::Closed,
            (true, false) => Progress::Ended,
            (false, _) => Progress::Open,
        }
    }

    pub(crate) fn finish(self, at: Timestamp) -> Result<Completed, Error> {
        let stop = self.stop.ok_or_else(|| truncated("a finish_reason"))?;
        let stop = if self.has_refusal && stop == StopReason::EndTurn { StopReason::Refusal } else { stop };
        let native = self.native(stop);
        let Reading { names, model, .. } = &self.reading;
        let turn = self.draft.finish(Ending { stop, model, names, native, at });
        Ok(Completed { turn, usage: self.usage })
    }

    fn choice(&mut self, choice: Choice<'_>, out: &mut Out) -> Result<(), Error> {
        if let Some(delta) = choice.delta {
            self.delta(delta, out)?;
        }
        if let Some(said) = choice.error.filter(|raw| is_set(raw.get())) {
            return Err(in_stream(Said::of(said.get())));
        }
        let Some(reason) = choice.finish_reason else { return Ok(()) };
        self.stop = Some(match reason.as_str() {
            "length" | "max_tokens" => StopReason::MaxTokens,
            "tool_calls" | "function_call" => StopReason::ToolUse,
            "content_filter" => StopReason::Refusal,
            "model_context_window_exceeded" => StopReason::ContextFull,
            "error" => return Err(protocol("the provider broke off with finish_reason error")),
            "" => return Ok(()),
            // `stop`, `eos` and whatever comes next.
            _ => StopReason::EndTurn,
        });
        if let Some(tags) = self.tags.take() {
            self.content(tags.rest(), out);
        }
        self.close_calls();
        Ok(())
    }

    fn close_calls(&mut self) {
        // No server marks the end of one call; only the last can be cut by the limit,
        // and `Draft` drops it then unless its JSON is whole.
        for slot in &self.slots {
            if let Some(asked) = self.draft.call_mut(slot.place) {
                asked.is_closed = true;
            }
        }
    }

    fn delta(&mut self, delta: Delta<'_>, out: &mut Out) -> Result<(), Error> {
        // When both alias fields arrive they say the same: one is taken.
        let thought = delta.reasoning_content.filter(|text| !text.is_empty()).or(delta.reasoning);
        if let Some(thought) = thought {
            self.draft.thinking(&thought, out);
        }
        for detail in delta.reasoning_details.into_iter().flatten() {
            join_detail(&mut self.details, detail.get());
        }
        if let Some(content) = delta.content {
            self.raw_content(content.get(), out)?;
        }
        if let Some(refusal) = delta.refusal.filter(|text| !text.is_empty()) {
            self.has_refusal = true;
            self.draft.text(&refusal, out);
        }
        for call in delta.tool_calls.into_iter().flatten() {
            self.call(call, out)?;
        }
        Ok(())
    }

    fn raw_content(&mut self, raw: &str, out: &mut Out) -> Result<(), Error> {
        let odd = |cause| protocol(format!("the content of a chunk makes no sense: {cause}"));
        if raw.starts_with('"') {
            let Text(text) = serde_json::from_str(raw).map_err(odd)?;
            self.text(&text, out);
            return Ok(());
        }
        if raw.starts_with('[') {
            let pieces: Vec<MistralPiece> = serde_json::from_str(raw).map_err(odd)?;
            for piece in pieces {
                match piece.r#type.as_str() {
                    "thinking" => {
                        let thought: String = piece.thinking.into_iter().map(|inner| inner.text).collect();
                        self.draft.thinking(&thought, out);
                    }
                    _ => self.draft.text(&piece.text, out),
                }
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str, out: &mut Out) {
        match self.tags.take() {
            None => self.draft.text(text, out),
            Some(mut tags) => {
                tags.push(text, |kind| self.content(kind, out));
                self.tags = Some(tags);
            }
        }
    }

    fn content(&mut self, kind: Kind, out: &mut Out) {
        match kind {
            Kind::Thinking(text) => self.draft.thinking(&text, out),
            Kind::Text(text) => self.draft.text(&text, out),
        }
    }

    fn call(&mut self, delta: CallDelta<'_>, out: &mut Out) -> Result<(), Error> {
        let slot = self.slot_of(delta.index, delta.id.as_deref().unwrap_or(""));
        if let Some(extra) = delta.extra_content {
            self.slots[slot].extra = serde_json::from_str(extra.get()).ok();
        }
        let place = self.slots[slot].place;
        let Some(asked) = self.draft.call_mut(place) else { return Ok(()) };
        if let Some(id) = delta.id.filter(|id| !id.is_empty())
            && asked.id.is_empty()
        {
            asked.id = id;
        }
        let Some(function) = delta.function else { return Ok(()) };
        if let Some(name) = function.name.filter(|name| !name.is_empty())
            && asked.name.is_empty()
        {
            out.push_back(ModelEvent::CallStarted { name: self.reading.names.original(&name).to_owned() });
            asked.name = name;
        }
        match function.arguments.map(RawValue::get) {
            None => {}
            Some(text) if text.starts_with('"') => {
                let text: String = serde_json::from_str(text)
                    .map_err(|cause| protocol(format!("the arguments of a call make no sense: {cause}")))?;
                asked.arguments.push_str(&text);
            }
            Some(object) => asked.arguments.push_str(object),
        }
        Ok(())
    }

    /// Finds the call a delta belongs to, or opens one.
    fn slot_of(&mut self, index: Option<i64>, id: &str) -> usize {
        let draft = &self.draft;
        let id_at = |slot: &Slot| draft.call(slot.place).map(|asked| asked.id.as_str()).unwrap_or_default();
        let found = match index {
            // Several gateways label every call 0: another id means another call.
            Some(_) => self.slots.iter().rposition(|slot| slot.index == index).filter(|at| {
                let known = id_at(&self.slots[*at]);
                id.is_empty() || known.is_empty() || known == id
            }),
            None if id.is_empty() => self.slots.len().checked_sub(1),
            None => self.slots.iter().rposition(|slot| id_at(slot) == id),
        };
        found.unwrap_or_else(|| {
            let place = self.draft.begin_call(Asked::default());
            self.slots.push(Slot { index, place, extra: None });
            self.slots.len() - 1
        })
    }

    /// Writes the turn as it must be sent back, when the neutral form would lose something.
    fn native(&self, stop: StopReason) -> Option<Native> {
        let has_extra = self.slots.iter().any(|slot| slot.extra.is_some());
        if self.reading.quirks.replay == Replay::None && !has_extra {
            return None;
        }
        let (thought, text) = (self.draft.thought(), self.draft.visible());
        let mut message = json!({ "role": "assistant", "content": text });
        match self.reading.quirks.replay {
            Replay::None => {}
            Replay::ReasoningDetails if !self.details.is_empty() => {
                message["reasoning_details"] = Value::Array(self.details.clone());
            }
            Replay::ReasoningContent | Replay::ReasoningDetails if !thought.is_empty() => {
                message["reasoning_content"] = json!(thought);
            }
            Replay::ThinkingPiece if !thought.is_empty() => {
                let mut pieces = vec![json!({ "type": "thinking", "thinking": [{ "type": "text", "text": thought }] })];
                if !text.is_empty() {
                    pieces.push(json!({ "type": "text", "text": text }));
                }
                message["content"] = Value::Array(pieces);
            }
            Replay::ReasoningContent | Replay::ReasoningDetails | Replay::ThinkingPiece => return None,
        }
        let calls: Vec<Value> = self.native_calls(stop);
        if !calls.is_empty() {
            if text.is_empty() && !self.reading.quirks.empty_content && message["content"].is_string() {
                message["content"] = Value::Null;
            }
            message["tool_calls"] = Value::Array(calls);
        }
        Some(Native { dialect: Dialect::OpenaiChat.as_str().to_owned(), json: message.to_string() })
    }

    fn native_calls(&self, stop: StopReason) -> Vec<Value> {
        let extra_of = |id: &str| {
            let slot = self.slots.iter().find(|slot| self.draft.call(slot.place).is_some_and(|c| c.id == id));
            slot.and_then(|slot| slot.extra.clone())
        };
        let calls = self.draft.kept_calls(stop).map(|asked| {
            let function = json!({ "name": asked.name, "arguments": object_of(&asked.arguments) });
            let mut call = json!({ "id": asked.id, "type": "function", "function": function });
            if let Some(extra) = extra_of(&asked.id) {
                call["extra_content"] = extra;
            }
            call
        });
        calls.collect()
    }
}

fn is_set(raw: &str) -> bool {
    !matches!(raw, "null" | "false" | "\"\"" | "{}")
}

/// MiniMax: anything but status 0 is a failure.
fn is_failure(raw: &str) -> bool {
    let status = serde_json::from_str::<Value>(raw).ok().and_then(|value| value.get("status_code")?.as_i64());
    status.is_some_and(|status| status != 0)
}

/// Joins streamed pieces of one reasoning detail, keeping their order.
fn join_detail(details: &mut Vec<Value>, raw: &str) {
    let Ok(Value::Object(piece)) = serde_json::from_str(raw) else { return };
    match details.last_mut() {
        Some(Value::Object(earlier)) if continues(earlier, &piece) => {
            for (key, value) in piece {
                match (earlier.get_mut(&key), value) {
                    (Some(Value::String(text)), Value::String(more))
                        if matches!(key.as_str(), "text" | "summary" | "data") =>
                    {
                        text.push_str(&more);
                    }
                    (Some(known), value) if known.is_null() => *known = value,
                    (Some(_), _) => {}
                    (None, value) => {
                        earlier.insert(key, value);
                    }
                }
            }
        }
        Some(_) | None => details.push(Value::Object(piece)),
    }
}

/// Tells whether a piece belongs to the detail before it.
fn continues(earlier: &Map<String, Value>, piece: &Map<String, Value>) -> bool {
    piece.contains_key("index") && ["type", "index"].iter().all(|key| earlier.get(*key) == piece.get(*key))
}
