//! Ollama chat.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Cx, NotARequest, Refused, Wire, Writer};
use crate::server::heard::Heard;
use crate::server::lint::{Asked, Rule, items, text};
use crate::server::script::{Failure, Stop};

/// Context window of a model that was not given one.
const WINDOW_DEFAULT: u64 = 4_096;

#[derive(Deserialize)]
struct Request {
    model: String,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: String,
    #[serde(default)]
    tool_name: Option<String>,
    #[serde(default)]
    tool_call_id: Option<String>,
}

pub(super) fn hear(body: &Bytes) -> Result<Heard, NotARequest> {
    let request: Request = serde_json::from_slice(body)?;
    // Streaming is the default here, unlike everywhere else.
    let mut heard = Heard::new(Wire::Ollama, &request.model, request.stream.unwrap_or(true), body);
    let spoke = request.messages.iter().rposition(|message| message.role == "assistant");
    for message in &request.messages[spoke.map_or(0, |index| index + 1)..] {
        match message.role.as_str() {
            "user" => heard.say(&message.content),
            "tool" => {
                let call = message.tool_call_id.as_deref().or(message.tool_name.as_deref());
                heard.hand_back(call.unwrap_or_default(), message.content.clone());
            }
            _ => {}
        }
    }
    Ok(heard)
}

pub(super) fn refuse(failure: Failure, message: Option<&str>) -> Refused {
    let (status, default) = match failure {
        Failure::Auth => (401, "unauthorized"),
        Failure::Permission => (403, "this model requires a subscription"),
        Failure::Quota => (429, "you have reached your weekly usage limit"),
        Failure::RateLimit => (429, "too many concurrent requests"),
        Failure::Overloaded => (503, "server busy, please try again.  maximum pending requests exceeded"),
        Failure::ContextOverflow => (400, "the input length exceeds the context length"),
        Failure::BadRequest => (400, "invalid request"),
        Failure::Thinking => (400, "\"mock-1\" does not support thinking"),
        Failure::NoSuchModel => (404, "model \"mock-9\" not found, try pulling it first"),
        Failure::TooLarge => (413, "request body too large"),
        Failure::Server | Failure::Html | Failure::Empty => (500, "llama runner process has terminated"),
    };
    Refused { status, headers: Vec::new(), body: json!({ "error": message.unwrap_or(default) }) }
}

/// Returns the rules, in the order the service checks.
pub(super) fn rules() -> &'static [Rule] {
    &[
        Rule { name: "roles", check: roles },
        Rule { name: "call-arguments", check: call_arguments },
        Rule { name: "images", check: images },
        Rule { name: "capabilities", check: capabilities },
        Rule { name: "context", check: context },
    ]
}

fn messages<'a>(asked: &'a Asked<'_>) -> &'a [Value] {
    items(asked.body, "/messages")
}

fn roles(asked: &Asked<'_>) -> Option<String> {
    const ROLES: [&str; 4] = ["system", "user", "assistant", "tool"];
    let wrong = messages(asked).iter().find(|message| !ROLES.contains(&text(message, "role")))?;
    Some(format!(
        "invalid role: {}, must be one of [\"system\", \"user\", \"assistant\", \"tool\"]",
        text(wrong, "role")
    ))
}

fn call_arguments(asked: &Asked<'_>) -> Option<String> {
    let mut calls = messages(asked).iter().flat_map(|message| items(message, "/tool_calls"));
    calls.find(|call| !call["function"]["arguments"].is_object()).map(|_| {
        "json: cannot unmarshal string into Go struct field ChatRequest.messages.tool_calls.function.arguments of type \
         api.ToolCallFunctionArguments"
            .to_owned()
    })
}

fn images(asked: &Asked<'_>) -> Option<String> {
    let mut images = messages(asked).iter().flat_map(|message| items(message, "/images")).filter_map(Value::as_str);
    images.find(|image| !is_base64(image)).map(|_| "illegal base64 data at input byte 4".to_owned())
}

/// Models with `plain` in their name can neither think nor call tools.
fn capabilities(asked: &Asked<'_>) -> Option<String> {
    if !asked.model.contains("plain") {
        return None;
    }
    let lacks = |what: &str| Some(format!("\"{}\" does not support {what}", asked.model));
    if asked.body.get("think").is_some_and(|think| *think != Value::Bool(false)) {
        return lacks("thinking");
    }
    if items(asked.body, "/tools").is_empty() { None } else { lacks("tools") }
}

/// A prompt that does not fit is an error only when cutting is forbidden.
fn context(asked: &Asked<'_>) -> Option<String> {
    let window = asked.body.pointer("/options/num_ctx").and_then(Value::as_u64).unwrap_or(WINDOW_DEFAULT);
    let prompt = asked.body.to_string().len() as u64 / 4;
    let may_cut = asked.body["truncate"].as_bool().unwrap_or(true);
    (prompt > window && !may_cut).then(|| "the input length exceeds the context length".to_owned())
}

/// Tells whether a text is base64 as the server reads it: no `data:` prefix.
fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - body.len() <= 2
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

/// An answer as it is being written.
pub(super) struct Stream {
    cx: Cx,
    content: String,
    thinking: String,
    calls: Vec<Value>,
}

impl Stream {
    pub(super) fn new(cx: Cx) -> Self {
        Self { cx, content: String::new(), thinking: String::new(), calls: Vec::new() }
    }

    fn line(&self, out: &mut String, message: &Value) {
        let line = json!({
            "model": self.cx.model, "created_at": "2026-01-01T00:00:00.000000Z", "message": message, "done": false,
        });
        out.push_str(&line.to_string());
        out.push('\n');
    }

    fn last(&self, message: &Value, stop: Stop) -> Value {
        let usage = self.cx.usage;
        json!({
            "model": self.cx.model, "created_at": "2026-01-01T00:00:00.000000Z", "message": message, "done": true,
            "done_reason": if stop == Stop::Length { "length" } else { "stop" },
            "total_duration": 1_000_000, "load_duration": 100_000,
            "prompt_eval_count": usage.input + usage.cache_read + usage.cache_write, "prompt_eval_duration": 100_000,
            "eval_count": usage.output, "eval_duration": 800_000,
        })
    }
}

impl Writer for Stream {
    fn start(&mut self, _out: &mut String) {}

    fn text(&mut self, out: &mut String, delta: &str) {
        self.content.push_str(delta);
        self.line(out, &json!({ "role": "assistant", "content": delta }));
    }

    fn thinking(&mut self, out: &mut String, delta: &str) {
        self.thinking.push_str(delta);
        self.line(out, &json!({ "role": "assistant", "content": "", "thinking": delta }));
    }

    fn call(&mut self, out: &mut String, name: &str, arguments: &str) {
        let arguments: Value = serde_json::from_str(arguments).unwrap_or_else(|_| json!({}));
        let function = json!({ "index": self.calls.len(), "name": name, "arguments": arguments });
        let mut call = json!({ "function": function });
        if !self.cx.has_no_ids {
            call["id"] = format!("call_{:06}", self.cx.first_call).into();
            self.cx.first_call += 1;
        }
        self.line(out, &json!({ "role": "assistant", "content": "", "tool_calls": [call] }));
        self.calls.push(call);
    }

    /// The service has no sign of life.
    fn comment(&mut self, _out: &mut String) {}

    fn unknown(&mut self, out: &mut String) {
        self.line(out, &json!({ "role": "assistant", "content": "", "future_field": "not known yet" }));
    }

    fn break_off(&mut self, out: &mut String, _failure: Failure, message: &str) {
        out.push_str(&json!({ "error": message }).to_string());
        out.push('\n');
    }

    fn finish(&mut self, out: &mut String, stop: Stop) {
        out.push_str(&self.last(&json!({ "role": "assistant", "content": "" }), stop).to_string());
        out.push('\n');
    }

    fn whole(&self, stop: Stop) -> Value {
        let mut message = json!({ "role": "assistant", "content": self.content });
        if !self.thinking.is_empty() {
            message["thinking"] = self.thinking.as_str().into();
        }
        if !self.calls.is_empty() {
            message["tool_calls"] = self.calls.clone().into();
        }
        self.last(&message, stop)
    }
}
