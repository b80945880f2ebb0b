//! OpenAI Chat Completions.

mod rules;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{CREATED, Cx, NotARequest, Refused, Wire, Writer, data_event, fragments};
use crate::server::heard::{Heard, text_of};
use crate::server::script::{Failure, Stop};

pub(super) use rules::rules;

/// Mark in the id of a call that was made after reasoning.
const THOUGHTFUL: &str = "call_t";

#[derive(Deserialize)]
struct Request<'a> {
    model: String,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct Message<'a> {
    role: String,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(default)]
    tool_call_id: Option<String>,
}

pub(super) fn hear(body: &Bytes) -> Result<Heard, NotARequest> {
    let request: Request<'_> = serde_json::from_slice(body)?;
    let mut heard = Heard::new(Wire::Chat, &request.model, request.stream.unwrap_or(false), body);
    heard.wants_usage = request.stream_options.is_some_and(|options| options.include_usage);
    let spoke = request.messages.iter().rposition(|message| message.role == "assistant");
    for message in &request.messages[spoke.map_or(0, |index| index + 1)..] {
        let content = match message.content {
            Some(raw) => serde_json::from_str(raw.get())?,
            None => Value::Null,
        };
        match message.role.as_str() {
            "user" => heard.say(&text_of(&content)),
            "tool" => heard.hand_back(message.tool_call_id.as_deref().unwrap_or_default(), text_of(&content)),
            _ => {}
        }
    }
    Ok(heard)
}

pub(super) fn refuse(failure: Failure, message: Option<&str>) -> Refused {
    let (status, kind, code, param, default) = row(failure);
    let error = json!({ "message": message.unwrap_or(default), "type": kind, "param": param, "code": code });
    Refused { status, headers: vec![("x-request-id", "req_scripted".to_owned())], body: json!({ "error": error }) }
}

type Row = (u16, &'static str, Option<&'static str>, Option<&'static str>, &'static str);

fn row(failure: Failure) -> Row {
    let invalid = "invalid_request_error";
    match failure {
        Failure::Auth => (401, invalid, Some("invalid_api_key"), None, "Incorrect API key provided: bad-key."),
        Failure::Permission => (403, invalid, Some("unsupported_country_region_territory"), None, "Not supported here"),
        Failure::Quota => {
            (429, "insufficient_quota", Some("insufficient_quota"), None, "You exceeded your current quota")
        }
        Failure::RateLimit => (429, "requests", Some("rate_limit_exceeded"), None, "Rate limit reached for requests"),
        Failure::Overloaded => (503, "server_error", Some("server_is_overloaded"), None, "The server is overloaded"),
        Failure::ContextOverflow => (
            400,
            invalid,
            Some("context_length_exceeded"),
            Some("messages"),
            "This model's maximum context length is 128000 tokens. Please reduce the length of the messages.",
        ),
        Failure::BadRequest => (400, invalid, None, None, "Invalid request"),
        Failure::Thinking => (
            400,
            invalid,
            Some("unsupported_value"),
            Some("reasoning_effort"),
            "Unsupported value: 'reasoning_effort' does not support this value with this model.",
        ),
        Failure::NoSuchModel => (404, invalid, Some("model_not_found"), None, "The model does not exist"),
        Failure::TooLarge => (413, invalid, None, None, "Request body is too large"),
        Failure::Server | Failure::Html | Failure::Empty => {
            (500, "server_error", None, None, "The server had an error")
        }
    }
}

/// A completion as it is being written.
pub(super) struct Stream {
    cx: Cx,
    /// The start of every chunk, up to the choices.
    head: String,
    content: String,
    reasoning: String,
    calls: Vec<Value>,
}

impl Stream {
    pub(super) fn new(cx: Cx) -> Self {
        let model = Value::from(cx.model.as_str());
        let head = format!(
            r#"{{"id":"chatcmpl-scripted","object":"chat.completion.chunk","created":{CREATED},"model":{model},"service_tier":"default","system_fingerprint":"fp_scripted","choices":"#
        );
        Self { cx, head, content: String::new(), reasoning: String::new(), calls: Vec::new() }
    }

    fn chunk(&self, out: &mut String, delta: &Value, finish: Option<&str>) {
        let choice = json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }]);
        self.raw(out, &choice, None);
    }

    fn raw(&self, out: &mut String, choices: &Value, usage: Option<&Value>) {
        out.push_str("data: ");
        out.push_str(&self.head);
        out.push_str(&choices.to_string());
        match usage {
            Some(usage) => {
                out.push_str(",\"usage\":");
                out.push_str(&usage.to_string());
            }
            None if self.cx.wants_usage => out.push_str(",\"usage\":null"),
            None => {}
        }
        out.push_str("}\n\n");
    }

    fn usage(&self) -> Value {
        let usage = self.cx.usage;
        let prompt = usage.input + usage.cache_read + usage.cache_write;
        json!({
            "prompt_tokens": prompt,
            "completion_tokens": usage.output,
            "total_tokens": prompt + usage.output,
            "prompt_tokens_details": { "cached_tokens": usage.cache_read, "audio_tokens": 0 },
            "completion_tokens_details": {
                "reasoning_tokens": usage.reasoning, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        })
    }
}

fn finish_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "stop",
        Stop::Tools => "tool_calls",
        Stop::Length => "length",
        Stop::Refusal => "content_filter",
    }
}

impl Writer for Stream {
    fn start(&mut self, out: &mut String) {
        self.chunk(out, &json!({ "role": "assistant", "content": "", "refusal": null }), None);
    }

    fn text(&mut self, out: &mut String, delta: &str) {
        self.content.push_str(delta);
        self.chunk(out, &json!({ "content": delta }), None);
    }

    fn thinking(&mut self, out: &mut String, delta: &str) {
        self.reasoning.push_str(delta);
        self.chunk(out, &json!({ "reasoning_content": delta }), None);
    }

    fn call(&mut self, out: &mut String, name: &str, arguments: &str) {
        let index = self.calls.len();
        let prefix = if self.reasoning.is_empty() { "call_" } else { THOUGHTFUL };
        let id = format!("{prefix}{:06}", self.cx.first_call);
        self.cx.first_call += 1;
        for (part, fragment) in fragments(arguments).into_iter().enumerate() {
            let call = if part == 0 {
                let function = json!({ "name": name, "arguments": fragment });
                json!({ "index": index, "id": id, "type": "function", "function": function })
            } else {
                json!({ "index": index, "function": { "arguments": fragment } })
            };
            self.chunk(out, &json!({ "tool_calls": [call] }), None);
        }
        let function = json!({ "name": name, "arguments": arguments });
        self.calls.push(json!({ "id": id, "type": "function", "function": function }));
    }

    fn comment(&mut self, out: &mut String) {
        out.push_str(": keep-alive\n\n");
    }

    fn unknown(&mut self, out: &mut String) {
        self.chunk(out, &json!({ "future_field": "not known yet" }), None);
    }

    fn break_off(&mut self, out: &mut String, failure: Failure, message: &str) {
        data_event(out, &refuse(failure, Some(message)).body);
    }

    fn finish(&mut self, out: &mut String, stop: Stop) {
        self.chunk(out, &json!({}), Some(finish_reason(stop)));
        if self.cx.wants_usage {
            self.raw(out, &json!([]), Some(&self.usage()));
        }
        out.push_str("data: [DONE]\n\n");
    }

    fn whole(&self, stop: Stop) -> Value {
        let content =
            if self.content.is_empty() && !self.calls.is_empty() { Value::Null } else { self.content.as_str().into() };
        let mut message = json!({ "role": "assistant", "content": content, "refusal": null, "annotations": [] });
        if !self.reasoning.is_empty() {
            message["reasoning_content"] = self.reasoning.as_str().into();
        }
        if !self.calls.is_empty() {
            message["tool_calls"] = self.calls.clone().into();
        }
        let choice = json!({ "index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(stop) });
        json!({
            "id": "chatcmpl-scripted", "object": "chat.completion", "created": CREATED, "model": self.cx.model,
            "choices": [choice], "usage": self.usage(), "service_tier": "default",
            "system_fingerprint": "fp_scripted",
        })
    }
}
