//! Writes an Ollama chat request.
//!
//! The context window is always named: the server's default is small and cuts
//! the prompt from the front in silence. Arguments are objects, pictures bare
//! base64, results are paired by order and name.

use std::borrow::Cow;

use openclaw_domain::message::Part;
use openclaw_domain::model::Error;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::dialect::{Call, Encoded, vocabulary};
use crate::repair::{Answer, Asked, Item, Said, items};
use crate::thinking;

const PATH: &str = "/api/chat";
/// Smallest window an agent can work in.
const WINDOW_MIN: u32 = 32_768;
/// Largest window asked for when the model's own is not known.
const WINDOW_MAX: u32 = 131_072;
/// Tokens kept free for the answer.
const ANSWER: u64 = 4_096;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a RawValue>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    think: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncate: Option<bool>,
    options: Map<String, Value>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Message<'a> {
    Native(&'a RawValue),
    Ours(Ours<'a>),
}

#[derive(Default, Serialize)]
struct Ours<'a> {
    role: &'static str,
    content: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    tool_name: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    tool_call_id: Cow<'a, str>,
}

#[derive(Serialize)]
struct ToolCall<'a> {
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: Cow<'a, str>,
    arguments: Box<RawValue>,
}

/// Encodes a call.
pub(crate) fn encode(call: &Call<'_>) -> Result<Encoded, Error> {
    let messages = messages(call)?;
    let mut body = Body {
        model: &call.model.id,
        messages,
        tools: call.tools,
        stream: true,
        think: call.level().map(|level| thinking::ollama(&call.model.id, level)),
        truncate: call.form.has_extras().then_some(false),
        options: options(call),
    };
    let encoded = Encoded::new(PATH, &body)?;
    let window = window(encoded.body.len(), call);
    if window == WINDOW_MIN {
        return Ok(encoded);
    }
    body.options.insert("num_ctx".to_owned(), json!(window));
    Encoded::new(PATH, &body)
}

fn options(call: &Call<'_>) -> Map<String, Value> {
    let mut options = Map::new();
    options.insert("num_ctx".to_owned(), json!(WINDOW_MIN));
    if let Some(limit) = call.output_tokens_max() {
        options.insert("num_predict".to_owned(), json!(limit));
    }
    options.extend(vocabulary::sampling(&call.sampling()));
    options
}

/// Chooses the window in powers of two, since every change reloads the model.
fn window(body_bytes: usize, call: &Call<'_>) -> u32 {
    // Three bytes a token errs on the safe side for text and JSON.
    let need = body_bytes as u64 / 3 + u64::from(call.output_tokens_max().unwrap_or(0)).max(ANSWER);
    let limit = call.model.window.unwrap_or(WINDOW_MAX);
    let step = u32::try_from(need.next_power_of_two()).unwrap_or(u32::MAX);
    step.max(WINDOW_MIN).min(limit)
}

fn messages<'a>(call: &Call<'a>) -> Result<Vec<Message<'a>>, Error> {
    let mut out = Vec::new();
    if let Some(content) = call.system() {
        out.push(Message::Ours(Ours { role: "system", content, ..Ours::default() }));
    }
    let mut pictures: Vec<String> = Vec::new();
    let mut is_native = false;
    for item in items(call)? {
        match item {
            Item::User(parts) => out.push(user(std::mem::take(&mut pictures), &parts)),
            Item::Assistant(said) => {
                flush(&mut pictures, &mut out);
                is_native = said.native.is_some();
                out.push(assistant(said));
            }
            Item::Results(answers) => {
                for answer in answers {
                    pictures.extend(answer.images().map(|(_, data)| data.to_owned()));
                    out.push(result(answer, is_native));
                }
            }
        }
    }
    flush(&mut pictures, &mut out);
    Ok(out)
}

fn flush<'a>(pictures: &mut Vec<String>, out: &mut Vec<Message<'a>>) {
    if !pictures.is_empty() {
        out.push(user(std::mem::take(pictures), &[]));
    }
}

fn user<'a>(mut images: Vec<String>, parts: &[Cow<'_, Part>]) -> Message<'a> {
    let mut texts = Vec::new();
    if !images.is_empty() {
        texts.push("Pictures returned by the tools are attached.");
    }
    for part in parts {
        match part.as_ref() {
            Part::Text { text } => texts.push(text),
            Part::Image { data, .. } => images.push(data.clone()),
        }
    }
    Message::Ours(Ours { role: "user", content: texts.join("\n"), images, ..Ours::default() })
}

fn assistant(said: Said<'_>) -> Message<'_> {
    if let Some(native) = said.native {
        return Message::Native(native);
    }
    let tool_calls = said.calls.into_iter().map(tool_call).collect();
    Message::Ours(Ours { role: "assistant", content: said.text, tool_calls, ..Ours::default() })
}

fn tool_call(asked: Asked<'_>) -> ToolCall<'_> {
    let arguments = RawValue::from_string(asked.arguments.into_owned()).unwrap_or_default();
    ToolCall { function: Function { name: asked.name, arguments } }
}

fn result(answer: Answer<'_>, is_native: bool) -> Message<'_> {
    let content = answer.text();
    let tool_call_id = if is_native { answer.id } else { Cow::Borrowed("") };
    Message::Ours(Ours { role: "tool", content, tool_name: answer.name, tool_call_id, ..Ours::default() })
}
