//! Reads Ollama's lines.
//!
//! Calls arrive whole, before the last line. The terminal marker is `done: true`;
//! an `error` line can come at status 200. Absent counts are not known.

use openclaw_domain::Timestamp;
use openclaw_domain::message::Native;
use openclaw_domain::model::{Completed, Error, ModelEvent, StopReason, Usage};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::dialect::{Dialect, Progress, Reading};
use crate::draft::{Asked, Draft, Ending, Out};
use crate::error::{Said, in_stream, protocol, truncated};
use crate::repair::object_of;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(default)]
    done: bool,
    #[serde(default)]
    done_reason: Option<String>,
    #[serde(default)]
    prompt_eval_count: Option<u64>,
    #[serde(default)]
    eval_count: Option<u64>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    thinking: Option<String>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<ToolCall<'a>>>,
}

#[derive(Deserialize)]
struct ToolCall<'a> {
    #[serde(default)]
    id: String,
    #[serde(borrow)]
    function: Function<'a>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(default)]
    name: String,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

/// The turn as it is sent back.
#[derive(Serialize)]
struct Replayed<'a> {
    role: &'static str,
    content: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thinking: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ReplayedCall<'a>>,
}

#[derive(Serialize)]
struct ReplayedCall<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    function: ReplayedFunction<'a>,
}

#[derive(Serialize)]
struct ReplayedFunction<'a> {
    name: &'a str,
    arguments: Box<RawValue>,
}

/// The decoder of one response.
pub(crate) struct Decoder {
    reading: Reading,
    draft: Draft,
    stop: Option<StopReason>,
    usage: Usage,
}

impl Decoder {
    pub(crate) fn new(reading: Reading) -> Self {
        Self { reading, draft: Draft::default(), stop: None, usage: Usage::default() }
    }

    pub(crate) fn frame(&mut self, _name: &str, data: &str, out: &mut Out) -> Result<(), Error> {
        let line: Line<'_> =
            serde_json::from_str(data).map_err(|cause| protocol(format!("a line is no chat response: {cause}")))?;
        if line.error.is_some_and(|raw| !matches!(raw.get(), "null" | "\"\"")) {
            return Err(in_stream(Said::of(data)));
        }
        if let Some(message) = line.message {
            self.draft.thinking(message.thinking.as_deref().unwrap_or_default(), out);
            self.draft.text(message.content.as_deref().unwrap_or_default(), out);
            for call in message.tool_calls.into_iter().flatten() {
                self.call(call, out)?;
            }
        }
        if line.done {
            self.usage.input = line.prompt_eval_count.unwrap_or(0);
            self.usage.output = line.eval_count.unwrap_or(0);
            self.stop = Some(match line.done_reason.as_deref() {
                Some("length") => StopReason::MaxTokens,
                Some(_) | None => StopReason::EndTurn,
            });
        }
        Ok(())
    }

    pub(crate) fn whole(&mut self, json: &str, out: &mut Out) -> Result<(), Error> {
        self.frame("", json, out)
    }

    pub(crate) fn progress(&self) -> Progress {
        if self.stop.is_some() { Progress::Closed } else { Progress::Open }
    }

    pub(crate) fn finish(self, at: Timestamp) -> Result<Completed, Error> {
        let stop = self.stop.ok_or_else(|| truncated("the line with done"))?;
        let native = native(&self.draft, stop);
        let Reading { names, model, .. } = &self.reading;
        let turn = self.draft.finish(Ending { stop, model, names, native, at });
        Ok(Completed { turn, usage: self.usage })
    }

    fn call(&mut self, call: ToolCall<'_>, out: &mut Out) -> Result<(), Error> {
        out.push_back(ModelEvent::CallStarted { name: self.reading.names.original(&call.function.name).to_owned() });
        let raw = call.function.arguments.map(RawValue::get).unwrap_or_default();
        // Objects by the book; some relatives send text.
        let arguments = if raw.starts_with('"') {
            serde_json::from_str(raw).map_err(|cause| protocol(format!("arguments make no sense: {cause}")))?
        } else {
            raw.to_owned()
        };
        self.draft.begin_call(Asked { id: call.id, name: call.function.name, arguments, is_closed: true });
        Ok(())
    }
}

fn native(draft: &Draft, stop: StopReason) -> Option<Native> {
    let tool_calls = draft.kept_calls(stop).map(|asked| {
        let arguments = RawValue::from_string(object_of(&asked.arguments).into_owned()).unwrap_or_default();
        ReplayedCall { id: &asked.id, function: ReplayedFunction { name: &asked.name, arguments } }
    });
    let turn = Replayed {
        role: "assistant",
        content: draft.visible(),
        thinking: draft.thought(),
        tool_calls: tool_calls.collect(),
    };
    let json = serde_json::to_string(&turn).ok()?;
    Some(Native { dialect: Dialect::Ollama.as_str().to_owned(), json })
}
