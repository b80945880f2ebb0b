//! The wire formats: how each hears a request, judges it, and renders a reply.
//!
//! Adding one is a file below and a row in each `match` here. Shapes follow the
//! formats' references; the official clients referee them in `tests/sdk`.

mod anthropic;
mod chat;
mod gemini;
mod ollama;
mod responses;

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use super::heard::Heard;
use super::lint::{Asked, Rule};
use super::script::{Failure, Reply, Step, Stop, Usage};
use crate::latch::Latch;

/// Seconds since the epoch that replies are dated with: 2026-01-01T00:00:00Z.
pub(super) const CREATED: u64 = 1_767_225_600;

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wire {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI Chat Completions.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Gemini generateContent.
    Gemini,
    /// Ollama chat.
    Ollama,
}

/// A body that is not a request of its format.
#[derive(Debug, thiserror::Error)]
#[error("the body is not a request: {0}")]
pub(super) struct NotARequest(#[from] serde_json::Error);

/// What a failure looks like in one format.
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Value,
}

/// What a rendering needs besides the reply.
#[derive(Debug, Clone)]
pub(super) struct Cx {
    pub(super) model: String,
    /// Number of the first call of this reply; ids count on from it.
    pub(super) first_call: u64,
    /// Whether a usage report was asked for (OpenAI chat).
    pub(super) wants_usage: bool,
    /// Leave out ids of calls where the format allows it.
    pub(super) has_no_ids: bool,
    /// Prompt tokens as far as this server can tell.
    pub(super) usage: Usage,
}

/// Renders one reply. Collects it too, for the form that is not streamed.
pub(super) trait Writer {
    /// Opens the stream.
    fn start(&mut self, out: &mut String);
    /// Adds a piece of text.
    fn text(&mut self, out: &mut String, delta: &str);
    /// Adds a piece of reasoning.
    fn thinking(&mut self, out: &mut String, delta: &str);
    /// Adds a whole call.
    fn call(&mut self, out: &mut String, name: &str, arguments: &str);
    /// Sends a sign of life, when the format has one.
    fn comment(&mut self, out: &mut String);
    /// Sends an event of a type nobody knows.
    fn unknown(&mut self, out: &mut String);
    /// Fails at status 200.
    fn break_off(&mut self, out: &mut String, failure: Failure, message: &str);
    /// Closes the stream.
    fn finish(&mut self, out: &mut String, stop: Stop);
    /// Returns the collected reply, as one that was not asked to stream.
    fn whole(&self, stop: Stop) -> Value;
}

impl Wire {
    /// All wire formats.
    pub const ALL: [Wire; 5] = [Wire::Anthropic, Wire::Chat, Wire::Responses, Wire::Gemini, Wire::Ollama];

    /// Reads a request; `path` names the model in Gemini's format.
    pub(super) fn hear(self, path: &str, body: &Bytes) -> Result<Heard, NotARequest> {
        match self {
            Wire::Anthropic => anthropic::hear(body),
            Wire::Chat => chat::hear(body),
            Wire::Responses => responses::hear(body),
            Wire::Gemini => gemini::hear(path, body),
            Wire::Ollama => ollama::hear(body),
        }
    }

    pub(super) fn rules(self) -> &'static [Rule] {
        match self {
            Wire::Anthropic => anthropic::rules(),
            Wire::Chat => chat::rules(),
            Wire::Responses => responses::rules(),
            Wire::Gemini => gemini::rules(),
            Wire::Ollama => ollama::rules(),
        }
    }

    pub(super) fn refuse(self, failure: Failure, message: Option<&str>) -> Refused {
        match self {
            Wire::Anthropic => anthropic::refuse(failure, message),
            Wire::Chat | Wire::Responses => chat::refuse(failure, message),
            Wire::Gemini => gemini::refuse(failure, message),
            Wire::Ollama => ollama::refuse(failure, message),
        }
    }

    pub(super) fn writer(self, cx: Cx) -> Box<dyn Writer> {
        match self {
            Wire::Anthropic => Box::new(anthropic::Stream::new(cx)),
            Wire::Chat => Box::new(chat::Stream::new(cx)),
            Wire::Responses => Box::new(responses::Stream::new(cx)),
            Wire::Gemini => Box::new(gemini::Stream::new(cx)),
            Wire::Ollama => Box::new(ollama::Stream::new(cx)),
        }
    }

    /// Returns the content type of a stream.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Wire::Anthropic | Wire::Chat | Wire::Responses => "text/event-stream; charset=utf-8",
            Wire::Gemini => "text/event-stream",
            Wire::Ollama => "application/x-ndjson",
        }
    }

    /// Returns the key a request brings, in any of the places the format knows.
    pub(super) fn key(self, headers: &HeaderMap) -> Option<String> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let bearer = || header("authorization").and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned));
        match self {
            Wire::Anthropic => header("x-api-key").or_else(bearer),
            Wire::Chat | Wire::Responses => bearer(),
            Wire::Gemini => header("x-goog-api-key"),
            // A local server takes everybody.
            Wire::Ollama => bearer().or_else(|| Some(String::new())),
        }
    }

    /// Returns the rule a request breaks first.
    pub(super) fn judge(self, lint: &super::lint::Lint, heard: &Heard, headers: &HeaderMap) -> Option<String> {
        let body = heard.json();
        let asked = Asked { body: &body, headers, model: &heard.model };
        lint.judge(self.rules(), &asked).map(|(_, message)| message)
    }
}

/// A stretch of a streamed body.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    Bytes(Bytes),
    /// Let what was written go out before more is written.
    Flush,
    Sleep(Duration),
    Hold(Latch),
    /// Break the connection.
    Reset,
}

/// Renders a streamed reply. Bytes are joined as far as nothing happens in between.
pub(super) fn stream(wire: Wire, reply: &Reply, cx: Cx) -> Vec<Piece> {
    let mut writer = wire.writer(cx);
    let mut pieces = Pieces { done: Vec::new(), open: String::with_capacity(4096), reply };
    writer.start(&mut pieces.open);
    for step in &reply.steps {
        let out = &mut pieces.open;
        match step {
            Step::Text(delta) => writer.text(out, delta),
            Step::Thinking(delta) => writer.thinking(out, delta),
            Step::Call { name, arguments } => writer.call(out, name, arguments),
            Step::Comment => writer.comment(out),
            Step::Unknown => writer.unknown(out),
            Step::Pause(pause) => pieces.then(Piece::Sleep(*pause)),
            Step::Hold(latch) => pieces.then(Piece::Hold(latch.clone())),
            Step::Break(failure, message) => {
                let message = message.as_deref().unwrap_or("scripted failure in the middle of the stream");
                writer.break_off(out, *failure, message);
                return pieces.close();
            }
            Step::Cut => return pieces.close(),
            Step::Reset => {
                // What was written must be seen before the connection breaks.
                pieces.then(Piece::Flush);
                pieces.then(Piece::Reset);
                return pieces.close();
            }
        }
    }
    writer.finish(&mut pieces.open, reply.stops());
    pieces.close()
}

/// Renders a reply that is not streamed; `Err` for a failure in the middle.
pub(super) fn whole(wire: Wire, reply: &Reply, cx: Cx) -> Result<Value, Failure> {
    let mut writer = wire.writer(cx);
    let mut ignored = String::new();
    writer.start(&mut ignored);
    for step in &reply.steps {
        match step {
            Step::Text(delta) => writer.text(&mut ignored, delta),
            Step::Thinking(delta) => writer.thinking(&mut ignored, delta),
            Step::Call { name, arguments } => writer.call(&mut ignored, name, arguments),
            Step::Break(failure, _) => return Err(*failure),
            Step::Comment | Step::Unknown | Step::Pause(_) | Step::Hold(_) | Step::Cut | Step::Reset => {}
        }
    }
    // Closing open blocks is part of finishing.
    writer.finish(&mut ignored, reply.stops());
    Ok(writer.whole(reply.stops()))
}

struct Pieces<'a> {
    done: Vec<Piece>,
    open: String,
    reply: &'a Reply,
}

impl Pieces<'_> {
    fn then(&mut self, piece: Piece) {
        self.flush();
        self.done.push(piece);
    }

    fn flush(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.open);
        let text = if self.reply.shape.is_crlf { text.replace('\n', "\r\n") } else { text };
        let bytes = Bytes::from(text);
        let size = self.reply.shape.write_bytes;
        if size == 0 {
            self.done.push(Piece::Bytes(bytes));
            return;
        }
        for start in (0..bytes.len()).step_by(size) {
            let end = (start + size).min(bytes.len());
            self.done.extend([Piece::Bytes(bytes.slice(start..end)), Piece::Flush]);
        }
    }

    fn close(mut self) -> Vec<Piece> {
        self.flush();
        self.done
    }
}

/// Writes one server-sent event with a name.
fn named_event(out: &mut String, name: &str, data: &Value) {
    out.push_str("event: ");
    out.push_str(name);
    out.push('\n');
    data_event(out, data);
}

/// Writes one server-sent event without a name.
fn data_event(out: &mut String, data: &Value) {
    out.push_str("data: ");
    out.push_str(&data.to_string());
    out.push_str("\n\n");
}

/// Cuts argument text into fragments as services do: an empty one first, then
/// thirds, wherever that falls (between the bytes of an escape, for example).
fn fragments(arguments: &str) -> Vec<&str> {
    let third = arguments.len().div_ceil(3);
    let cut = |at: usize| arguments.floor_char_boundary(at.min(arguments.len()));
    let (first, second) = (cut(third), cut(2 * third));
    let thirds = [&arguments[..first], &arguments[first..second], &arguments[second..]];
    std::iter::once("").chain(thirds.into_iter().filter(|third| !third.is_empty())).collect()
}

#[cfg(test)]
mod rule_tests;
#[cfg(test)]
mod tests;
