//! Anthropic Messages.

mod rules;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Cx, NotARequest, Refused, Wire, Writer, fragments, named_event};
use crate::server::heard::{Heard, text_of};
use crate::server::lint::seal;
use crate::server::script::{Failure, Stop};

pub(super) use rules::rules;

/// Mark in the id of a call that was made after reasoning.
const THOUGHTFUL: &str = "toolu_t";

#[derive(Deserialize)]
struct Request<'a> {
    model: String,
    #[serde(default)]
    stream: bool,
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    role: String,
    #[serde(borrow)]
    content: &'a RawValue,
}

pub(super) fn hear(body: &Bytes) -> Result<Heard, NotARequest> {
    let request: Request<'_> = serde_json::from_slice(body)?;
    let mut heard = Heard::new(Wire::Anthropic, &request.model, request.stream, body);
    let spoke = request.messages.iter().rposition(|message| message.role == "assistant");
    for message in &request.messages[spoke.map_or(0, |index| index + 1)..] {
        match serde_json::from_str(message.content.get())? {
            Value::String(text) => heard.say(&text),
            Value::Array(blocks) => blocks.iter().for_each(|block| hear_block(&mut heard, block)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
        }
    }
    Ok(heard)
}

fn hear_block(heard: &mut Heard, block: &Value) {
    match block["type"].as_str() {
        Some("text") => heard.say(block["text"].as_str().unwrap_or_default()),
        Some("tool_result") => {
            heard.hand_back(block["tool_use_id"].as_str().unwrap_or_default(), text_of(&block["content"]));
        }
        Some(_) | None => {}
    }
}

pub(super) fn refuse(failure: Failure, message: Option<&str>) -> Refused {
    let (status, kind, default) = row(failure);
    let mut error = json!({ "type": kind, "message": message.unwrap_or(default) });
    if failure == Failure::Quota {
        error["details"] = json!({ "error_code": "enforced_spend_limit_reached" });
    }
    let body = json!({ "type": "error", "error": error, "request_id": "req_scripted" });
    Refused { status, headers: vec![("request-id", "req_scripted".to_owned())], body }
}

fn row(failure: Failure) -> (u16, &'static str, &'static str) {
    match failure {
        Failure::Auth => (401, "authentication_error", "invalid x-api-key"),
        Failure::Permission => (403, "permission_error", "Your API key does not have permission to use this resource"),
        Failure::Quota => (400, "invalid_request_error", "You have reached your specified API usage limits."),
        Failure::RateLimit => (429, "rate_limit_error", "This request would exceed your rate limit"),
        Failure::Overloaded => (529, "overloaded_error", "Overloaded"),
        Failure::ContextOverflow => {
            (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")
        }
        Failure::BadRequest => (400, "invalid_request_error", "messages: Field required"),
        Failure::Thinking => {
            (400, "invalid_request_error", "thinking: this model does not support the requested thinking setting")
        }
        Failure::NoSuchModel => (404, "not_found_error", "model: not found"),
        Failure::TooLarge => (413, "request_too_large", "Request exceeds the maximum size"),
        Failure::Server | Failure::Html | Failure::Empty => (500, "api_error", "Internal server error"),
    }
}

/// A message as it is being written.
pub(super) struct Stream {
    cx: Cx,
    blocks: Vec<Value>,
    /// Whether the last block is still open.
    is_open: bool,
    has_thought: bool,
}

impl Stream {
    pub(super) fn new(cx: Cx) -> Self {
        Self { cx, blocks: Vec::new(), is_open: false, has_thought: false }
    }

    fn kind(&self) -> &str {
        let last = self.blocks.last().filter(|_| self.is_open);
        last.and_then(|block| block["type"].as_str()).unwrap_or_default()
    }

    fn index(&self) -> usize {
        self.blocks.len().saturating_sub(1)
    }

    fn open(&mut self, out: &mut String, block: Value) {
        self.close(out);
        named_event(
            out,
            "content_block_start",
            &json!({ "type": "content_block_start", "index": self.blocks.len(), "content_block": block }),
        );
        self.blocks.push(block);
        self.is_open = true;
    }

    fn delta(&self, out: &mut String, delta: &Value) {
        let data = json!({ "type": "content_block_delta", "index": self.index(), "delta": delta });
        named_event(out, "content_block_delta", &data);
    }

    fn close(&mut self, out: &mut String) {
        if !self.is_open {
            return;
        }
        if self.kind() == "thinking" {
            let index = self.index();
            let signature = seal(self.blocks[index]["thinking"].as_str().unwrap_or_default());
            self.delta(out, &json!({ "type": "signature_delta", "signature": signature }));
            self.blocks[index]["signature"] = signature.into();
        }
        named_event(out, "content_block_stop", &json!({ "type": "content_block_stop", "index": self.index() }));
        self.is_open = false;
    }

    fn extend(&mut self, field: &str, delta: &str) {
        if let Some(Value::String(text)) = self.blocks.last_mut().and_then(|block| block.get_mut(field)) {
            text.push_str(delta);
        }
    }

    fn usage(&self, output: u64) -> Value {
        let usage = self.cx.usage;
        json!({
            "input_tokens": usage.input,
            "cache_creation_input_tokens": usage.cache_write,
            "cache_read_input_tokens": usage.cache_read,
            "cache_creation": { "ephemeral_5m_input_tokens": usage.cache_write, "ephemeral_1h_input_tokens": 0 },
            "output_tokens": output,
            "service_tier": "standard",
        })
    }

    fn message(&self, content: &[Value], stop: Option<Stop>, output: u64) -> Value {
        json!({
            "id": "msg_scripted", "type": "message", "role": "assistant", "model": self.cx.model, "content": content,
            "stop_reason": stop.map(stop_reason), "stop_sequence": null, "usage": self.usage(output),
        })
    }
}

fn stop_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "end_turn",
        Stop::Tools => "tool_use",
        Stop::Length => "max_tokens",
        Stop::Refusal => "refusal",
    }
}

impl Writer for Stream {
    fn start(&mut self, out: &mut String) {
        let message = self.message(&[], None, 1);
        named_event(out, "message_start", &json!({ "type": "message_start", "message": message }));
    }

    fn text(&mut self, out: &mut String, delta: &str) {
        if self.kind() != "text" {
            self.open(out, json!({ "type": "text", "text": "" }));
        }
        self.delta(out, &json!({ "type": "text_delta", "text": delta }));
        self.extend("text", delta);
    }

    fn thinking(&mut self, out: &mut String, delta: &str) {
        if self.kind() != "thinking" {
            self.open(out, json!({ "type": "thinking", "thinking": "", "signature": "" }));
        }
        self.has_thought = true;
        self.delta(out, &json!({ "type": "thinking_delta", "thinking": delta }));
        self.extend("thinking", delta);
    }

    fn call(&mut self, out: &mut String, name: &str, arguments: &str) {
        let prefix = if self.has_thought { THOUGHTFUL } else { "toolu_" };
        let id = format!("{prefix}{:06}", self.cx.first_call);
        self.cx.first_call += 1;
        self.open(out, json!({ "type": "tool_use", "id": id, "name": name, "input": {} }));
        for fragment in fragments(arguments) {
            self.delta(out, &json!({ "type": "input_json_delta", "partial_json": fragment }));
        }
        if let Some(block) = self.blocks.last_mut() {
            block["input"] = serde_json::from_str(arguments).unwrap_or_else(|_| json!({}));
        }
        self.close(out);
    }

    fn comment(&mut self, out: &mut String) {
        out.push_str(": keep-alive\n\n");
        named_event(out, "ping", &json!({ "type": "ping" }));
    }

    fn unknown(&mut self, out: &mut String) {
        named_event(out, "future_event", &json!({ "type": "future_event", "content": "not known yet" }));
    }

    fn break_off(&mut self, out: &mut String, failure: Failure, message: &str) {
        let (_, kind, _) = row(failure);
        let error = json!({ "type": kind, "message": message });
        named_event(out, "error", &json!({ "type": "error", "error": error, "request_id": "req_scripted" }));
    }

    fn finish(&mut self, out: &mut String, stop: Stop) {
        self.close(out);
        let mut delta = json!({ "stop_reason": stop_reason(stop), "stop_sequence": null });
        if stop == Stop::Refusal {
            delta["stop_details"] = json!({ "type": "refusal", "category": null, "explanation": "scripted refusal" });
        }
        let usage = json!({ "output_tokens": self.cx.usage.output });
        named_event(out, "message_delta", &json!({ "type": "message_delta", "delta": delta, "usage": usage }));
        named_event(out, "message_stop", &json!({ "type": "message_stop" }));
    }

    fn whole(&self, stop: Stop) -> Value {
        self.message(&self.blocks, Some(stop), self.cx.usage.output)
    }
}
