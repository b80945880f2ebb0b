//! OpenAI Responses.

mod rules;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{CREATED, Cx, NotARequest, Wire, Writer, fragments, named_event};
use crate::server::heard::{Heard, text_of};
use crate::server::lint::seal;
use crate::server::script::{Failure, Stop};

pub(super) use rules::rules;

/// Mark in the id of a call that was made after reasoning.
const THOUGHTFUL: &str = "call_t";

#[derive(Deserialize)]
struct Request {
    model: String,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    input: Value,
}

pub(super) fn hear(body: &Bytes) -> Result<Heard, NotARequest> {
    let request: Request = serde_json::from_slice(body)?;
    let mut heard = Heard::new(Wire::Responses, &request.model, request.stream.unwrap_or(false), body);
    let items = match &request.input {
        Value::String(text) => {
            heard.say(text);
            return Ok(heard);
        }
        Value::Array(items) => items.as_slice(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => &[],
    };
    let spoke = items.iter().rposition(|item| {
        item["role"] == "assistant"
            || ["function_call", "reasoning"].contains(&item["type"].as_str().unwrap_or_default())
    });
    for item in &items[spoke.map_or(0, |index| index + 1)..] {
        if item["role"] == "user" {
            heard.say(&text_of(&item["content"]));
        } else if item["type"] == "function_call_output" {
            heard.hand_back(item["call_id"].as_str().unwrap_or_default(), text_of(&item["output"]));
        }
    }
    Ok(heard)
}

/// Returns the opaque form of reasoning: the text's length, sealed.
pub(super) fn encrypted(summary: &str) -> String {
    format!("gAAAAB{}", seal(summary))
}

/// A response as it is being written.
pub(super) struct Stream {
    cx: Cx,
    sequence: u64,
    /// Finished items.
    output: Vec<Value>,
    open: Open,
}

/// The item that is being written.
enum Open {
    Nothing,
    Text(String),
    Reasoning(String),
}

impl Stream {
    pub(super) fn new(cx: Cx) -> Self {
        Self { cx, sequence: 0, output: Vec::new(), open: Open::Nothing }
    }

    fn event(&mut self, out: &mut String, name: &str, mut data: Value) {
        data["type"] = name.into();
        data["sequence_number"] = self.sequence.into();
        self.sequence += 1;
        named_event(out, name, &data);
    }

    /// Returns the id of the item that is being written.
    fn item(&self, prefix: &str) -> String {
        format!("{prefix}_scripted_{}", self.output.len())
    }

    fn response(&self, status: &str, usage: bool) -> Value {
        json!({
            "id": "resp_scripted", "object": "response", "created_at": CREATED, "status": status, "error": null,
            "incomplete_details": null, "instructions": null, "max_output_tokens": null, "model": self.cx.model,
            "output": if usage { self.output.clone() } else { Vec::new() }, "parallel_tool_calls": true,
            "previous_response_id": null, "reasoning": { "effort": null, "summary": null }, "store": false,
            "temperature": 1.0, "text": { "format": { "type": "text" } }, "tool_choice": "auto", "tools": [],
            "top_p": 1.0, "truncation": "disabled", "usage": if usage { self.usage() } else { Value::Null },
            "user": null, "metadata": {},
        })
    }

    fn usage(&self) -> Value {
        let usage = self.cx.usage;
        let input = usage.input + usage.cache_read + usage.cache_write;
        json!({
            "input_tokens": input,
            "input_tokens_details": { "cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write },
            "output_tokens": usage.output,
            "output_tokens_details": { "reasoning_tokens": usage.reasoning },
            "total_tokens": input + usage.output,
        })
    }

    fn done(&mut self, out: &mut String, item: Value) {
        let data = json!({ "output_index": self.output.len(), "item": item });
        self.output.push(item);
        self.event(out, "response.output_item.done", data);
    }

    fn close(&mut self, out: &mut String) {
        let index = self.output.len();
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            Open::Text(text) => {
                let id = self.item("msg");
                let at = json!({ "item_id": id, "output_index": index, "content_index": 0 });
                self.event(out, "response.output_text.done", with(&at, json!({ "text": text, "logprobs": [] })));
                let part = json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] });
                self.event(out, "response.content_part.done", with(&at, json!({ "part": part })));
                self.done(
                    out,
                    json!({ "id": id, "type": "message", "status": "completed", "role": "assistant", "content": [part] }),
                );
            }
            Open::Reasoning(text) => {
                let id = self.item("rs");
                let at = json!({ "item_id": id, "output_index": index, "summary_index": 0 });
                self.event(out, "response.reasoning_summary_text.done", with(&at, json!({ "text": text })));
                let part = json!({ "type": "summary_text", "text": text });
                self.event(out, "response.reasoning_summary_part.done", with(&at, json!({ "part": part })));
                let sealed = encrypted(&text);
                self.done(
                    out,
                    json!({ "id": id, "type": "reasoning", "summary": [part], "encrypted_content": sealed }),
                );
            }
        }
    }

    fn open_text(&mut self, out: &mut String) {
        self.close(out);
        let (id, index) = (self.item("msg"), self.output.len());
        let item = json!({ "id": id, "type": "message", "status": "in_progress", "role": "assistant", "content": [] });
        self.event(out, "response.output_item.added", json!({ "output_index": index, "item": item }));
        let part = json!({ "type": "output_text", "text": "", "annotations": [], "logprobs": [] });
        let data = json!({ "item_id": id, "output_index": index, "content_index": 0, "part": part });
        self.event(out, "response.content_part.added", data);
        self.open = Open::Text(String::new());
    }

    fn open_reasoning(&mut self, out: &mut String) {
        self.close(out);
        let (id, index) = (self.item("rs"), self.output.len());
        // What stands here is not whole yet: only the finished item's may be replayed.
        let item = json!({ "id": id, "type": "reasoning", "summary": [], "encrypted_content": "gAAAAB" });
        self.event(out, "response.output_item.added", json!({ "output_index": index, "item": item }));
        let part = json!({ "type": "summary_text", "text": "" });
        let data = json!({ "item_id": id, "output_index": index, "summary_index": 0, "part": part });
        self.event(out, "response.reasoning_summary_part.added", data);
        self.open = Open::Reasoning(String::new());
    }
}

/// Joins two objects.
fn with(at: &Value, more: Value) -> Value {
    let mut all = at.clone();
    if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
        all.extend(more);
    }
    all
}

impl Writer for Stream {
    fn start(&mut self, out: &mut String) {
        let response = self.response("in_progress", false);
        self.event(out, "response.created", json!({ "response": response }));
        let response = self.response("in_progress", false);
        self.event(out, "response.in_progress", json!({ "response": response }));
    }

    fn text(&mut self, out: &mut String, delta: &str) {
        if !matches!(self.open, Open::Text(_)) {
            self.open_text(out);
        }
        if let Open::Text(text) = &mut self.open {
            text.push_str(delta);
        }
        let (id, index) = (self.item("msg"), self.output.len());
        let data = json!({ "item_id": id, "output_index": index, "content_index": 0, "delta": delta, "logprobs": [] });
        self.event(out, "response.output_text.delta", data);
    }

    fn thinking(&mut self, out: &mut String, delta: &str) {
        if !matches!(self.open, Open::Reasoning(_)) {
            self.open_reasoning(out);
        }
        if let Open::Reasoning(text) = &mut self.open {
            text.push_str(delta);
        }
        let (id, index) = (self.item("rs"), self.output.len());
        let data = json!({ "item_id": id, "output_index": index, "summary_index": 0, "delta": delta });
        self.event(out, "response.reasoning_summary_text.delta", data);
    }

    fn call(&mut self, out: &mut String, name: &str, arguments: &str) {
        self.close(out);
        let has_thought = self.output.iter().any(|item| item["type"] == "reasoning");
        let prefix = if has_thought { THOUGHTFUL } else { "call_" };
        let call_id = format!("{prefix}{:06}", self.cx.first_call);
        self.cx.first_call += 1;
        let (id, index) = (self.item("fc"), self.output.len());
        let item = |status: &str, arguments: &str| {
            json!({
                "id": id, "type": "function_call", "status": status, "call_id": call_id, "name": name,
                "arguments": arguments,
            })
        };
        self.event(
            out,
            "response.output_item.added",
            json!({ "output_index": index, "item": item("in_progress", "") }),
        );
        for fragment in fragments(arguments) {
            let data = json!({ "item_id": id, "output_index": index, "delta": fragment });
            self.event(out, "response.function_call_arguments.delta", data);
        }
        let data = json!({ "item_id": id, "output_index": index, "name": name, "arguments": arguments });
        self.event(out, "response.function_call_arguments.done", data);
        self.done(out, item("completed", arguments));
    }

    fn comment(&mut self, out: &mut String) {
        out.push_str(": keep-alive\n\n");
    }

    fn unknown(&mut self, out: &mut String) {
        self.event(out, "response.future_event", json!({ "content": "not known yet" }));
    }

    fn break_off(&mut self, out: &mut String, failure: Failure, message: &str) {
        let code = match failure {
            Failure::RateLimit | Failure::Quota => "rate_limit_exceeded",
            Failure::BadRequest | Failure::Thinking | Failure::ContextOverflow => "invalid_prompt",
            Failure::Auth | Failure::Permission | Failure::NoSuchModel | Failure::TooLarge => "server_error",
            Failure::Overloaded | Failure::Server | Failure::Html | Failure::Empty => "server_error",
        };
        let mut response = self.response("failed", false);
        response["error"] = json!({ "code": code, "message": message });
        self.event(out, "response.failed", json!({ "response": response }));
    }

    fn finish(&mut self, out: &mut String, stop: Stop) {
        self.close(out);
        let response = self.whole(stop);
        let name = if response["status"] == "incomplete" { "response.incomplete" } else { "response.completed" };
        self.event(out, name, json!({ "response": response }));
    }

    fn whole(&self, stop: Stop) -> Value {
        let reason = match stop {
            Stop::End | Stop::Tools => return self.response("completed", true),
            Stop::Length => "max_output_tokens",
            Stop::Refusal => "content_filter",
        };
        let mut response = self.response("incomplete", true);
        response["incomplete_details"] = json!({ "reason": reason });
        response
    }
}
