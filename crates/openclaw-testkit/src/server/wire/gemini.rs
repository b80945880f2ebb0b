//! Gemini generateContent.

mod rules;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Cx, NotARequest, Refused, Wire, Writer, data_event};
use crate::server::heard::Heard;
use crate::server::lint::seal;
use crate::server::script::{Failure, Stop};

pub(super) use rules::rules;

#[derive(Deserialize)]
struct Request {
    contents: Vec<Content>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    parts: Vec<Value>,
}

pub(super) fn hear(path: &str, body: &Bytes) -> Result<Heard, NotARequest> {
    let request: Request = serde_json::from_slice(body)?;
    let (model, method) = path.rsplit_once('/').map_or(path, |(_, last)| last).split_once(':').unwrap_or_default();
    let mut heard = Heard::new(Wire::Gemini, model, method.starts_with("stream"), body);
    let spoke = request.contents.iter().rposition(|content| content.role.as_deref() == Some("model"));
    for part in request.contents[spoke.map_or(0, |index| index + 1)..].iter().flat_map(|content| &content.parts) {
        if let Some(text) = part["text"].as_str() {
            heard.say(text);
        }
        let response = &part["functionResponse"];
        if let Some(name) = response["name"].as_str() {
            let call = response["id"].as_str().unwrap_or(name);
            let said = ["output", "error", "result"].into_iter().find_map(|key| response["response"].get(key));
            let text = said.map(|said| said.as_str().map_or_else(|| said.to_string(), str::to_owned));
            heard.hand_back(call, text.unwrap_or_default());
        }
    }
    Ok(heard)
}

pub(super) fn refuse(failure: Failure, message: Option<&str>) -> Refused {
    let (code, status, default) = row(failure);
    let mut error = json!({ "code": code, "message": message.unwrap_or(default), "status": status });
    let details = details(failure);
    if !details.is_empty() {
        error["details"] = details.into();
    }
    Refused { status: code, headers: Vec::new(), body: json!({ "error": error }) }
}

fn row(failure: Failure) -> (u16, &'static str, &'static str) {
    match failure {
        Failure::Auth => (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
        Failure::Permission => (403, "PERMISSION_DENIED", "The caller does not have permission"),
        Failure::Quota => (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan."),
        Failure::RateLimit => (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
        Failure::Overloaded => (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
        Failure::ContextOverflow => (
            400,
            "INVALID_ARGUMENT",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        ),
        Failure::BadRequest => (400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
        Failure::Thinking => (400, "INVALID_ARGUMENT", "Thinking level is not supported for this model."),
        Failure::NoSuchModel => (404, "NOT_FOUND", "models/mock is not found for API version v1beta"),
        Failure::TooLarge => (413, "INVALID_ARGUMENT", "Request payload size exceeds the limit"),
        Failure::Server | Failure::Html | Failure::Empty => (500, "INTERNAL", "An internal error has occurred."),
    }
}

fn details(failure: Failure) -> Vec<Value> {
    let quota =
        |id: &str| json!({ "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{ "quotaId": id }] });
    let retry = |delay: &str| json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay });
    match failure {
        Failure::Auth => vec![json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com",
        })],
        Failure::Quota => vec![quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), retry("36s")],
        Failure::RateLimit => vec![quota("GenerateRequestsPerMinutePerProjectPerModel"), retry("7s")],
        Failure::Permission | Failure::Overloaded | Failure::ContextOverflow | Failure::BadRequest => Vec::new(),
        Failure::Thinking | Failure::NoSuchModel | Failure::TooLarge => Vec::new(),
        Failure::Server | Failure::Html | Failure::Empty => Vec::new(),
    }
}

/// A response as it is being written.
pub(super) struct Stream {
    cx: Cx,
    parts: Vec<Value>,
    has_thought: bool,
    has_called: bool,
}

impl Stream {
    pub(super) fn new(cx: Cx) -> Self {
        Self { cx, parts: Vec::new(), has_thought: false, has_called: false }
    }

    fn response(&self, parts: &[Value], finish: Option<&str>) -> Value {
        let mut candidate = json!({ "content": { "role": "model", "parts": parts }, "index": 0 });
        if let Some(finish) = finish {
            candidate["finishReason"] = finish.into();
        }
        json!({
            "candidates": [candidate], "usageMetadata": self.usage(), "modelVersion": self.cx.model,
            "responseId": "scripted",
        })
    }

    fn usage(&self) -> Value {
        let usage = self.cx.usage;
        let prompt = usage.input + usage.cache_read + usage.cache_write;
        let candidates = usage.output - usage.reasoning.min(usage.output);
        json!({
            "promptTokenCount": prompt, "cachedContentTokenCount": usage.cache_read,
            "candidatesTokenCount": candidates, "thoughtsTokenCount": usage.reasoning,
            "totalTokenCount": prompt + usage.output,
        })
    }

    fn part(&mut self, out: &mut String, part: Value) {
        data_event(out, &self.response(std::slice::from_ref(&part), None));
        self.parts.push(part);
    }
}

fn finish_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End | Stop::Tools => "STOP",
        Stop::Length => "MAX_TOKENS",
        Stop::Refusal => "SAFETY",
    }
}

impl Writer for Stream {
    fn start(&mut self, _out: &mut String) {}

    fn text(&mut self, out: &mut String, delta: &str) {
        self.part(out, json!({ "text": delta }));
    }

    fn thinking(&mut self, out: &mut String, delta: &str) {
        self.has_thought = true;
        self.part(out, json!({ "text": delta, "thought": true }));
    }

    /// Only the first of parallel calls is signed.
    fn call(&mut self, out: &mut String, name: &str, arguments: &str) {
        let arguments: Value = serde_json::from_str(arguments).unwrap_or_else(|_| json!({}));
        let mut call = json!({ "name": name, "args": arguments });
        if !self.cx.has_no_ids {
            call["id"] = format!("fc-{:06}", self.cx.first_call).into();
            self.cx.first_call += 1;
        }
        let mut part = json!({ "functionCall": call });
        if !self.has_called {
            part["thoughtSignature"] = seal(name).into();
        }
        self.has_called = true;
        self.part(out, part);
    }

    /// The service has no sign of life.
    fn comment(&mut self, _out: &mut String) {}

    fn unknown(&mut self, out: &mut String) {
        let mut response = self.response(&[json!({ "text": "" })], None);
        response["candidates"][0]["safetyRatings"] =
            json!([{ "category": "HARM_CATEGORY_FUTURE", "probability": "LOW" }]);
        data_event(out, &response);
    }

    fn break_off(&mut self, out: &mut String, failure: Failure, message: &str) {
        data_event(out, &refuse(failure, Some(message)).body);
    }

    fn finish(&mut self, out: &mut String, stop: Stop) {
        // After reasoning without a call the signature comes last, on an empty part.
        let mut last = json!({ "text": "" });
        if self.has_thought && !self.has_called {
            last["thoughtSignature"] = seal("").into();
        }
        data_event(out, &self.response(std::slice::from_ref(&last), Some(finish_reason(stop))));
        if self.has_thought && !self.has_called {
            self.parts.push(last);
        }
    }

    fn whole(&self, stop: Stop) -> Value {
        let mut parts: Vec<Value> = Vec::new();
        for part in &self.parts {
            let is_plain = |part: &Value| part.get("thoughtSignature").is_none() && part.get("text").is_some();
            match parts.last_mut() {
                Some(last) if is_plain(last) && is_plain(part) && last["thought"] == part["thought"] => {
                    let joined = format!(
                        "{}{}",
                        last["text"].as_str().unwrap_or_default(),
                        part["text"].as_str().unwrap_or_default()
                    );
                    last["text"] = joined.into();
                }
                _ => parts.push(part.clone()),
            }
        }
        self.response(&parts, Some(finish_reason(stop)))
    }
}
