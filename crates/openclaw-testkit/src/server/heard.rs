//! What a request says, whatever wire format it came in.

use bytes::Bytes;
use serde_json::Value;

use super::wire::Wire;

/// A request for an answer, as a script sees it.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The wire format.
    pub wire: Wire,
    /// The model that was asked.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub is_stream: bool,
    /// The user's text since the model last spoke.
    pub text: String,
    /// The tool results since the model last spoke.
    pub results: Vec<Returned>,
    /// Whether a usage report was asked for (OpenAI chat).
    pub wants_usage: bool,
    /// The body as it arrived.
    pub body: Bytes,
}

/// A tool result that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// The call's id, or the tool's name where the format has no ids.
    pub call: String,
    /// Its text.
    pub text: String,
}

impl Heard {
    /// Makes a request in which nothing was said yet.
    pub(super) fn new(wire: Wire, model: &str, is_stream: bool, body: &Bytes) -> Self {
        Self {
            wire,
            model: model.to_owned(),
            is_stream,
            text: String::new(),
            results: Vec::new(),
            wants_usage: false,
            body: body.clone(),
        }
    }

    /// Returns the body as JSON; `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(super) fn say(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(text);
    }

    pub(super) fn hand_back(&mut self, call: &str, text: String) {
        self.results.push(Returned { call: call.to_owned(), text });
    }
}

/// Joins the text of a content that is a string or a list of parts with `text`.
pub(super) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
            texts.collect::<Vec<_>>().join(" ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}
