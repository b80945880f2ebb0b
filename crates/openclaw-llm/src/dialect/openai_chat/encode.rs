//! Writes a chat-completions request.
//!
//! What differs between servers is read from the provider's quirks, never from
//! its name. Tool results are text here; pictures in them follow as a user
//! message.

use std::borrow::Cow;

use openclaw_domain::message::Part;
use openclaw_domain::model::Error;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::dialect::{Call, Encoded, vocabulary};
use crate::providers::{Quirks, Replay, SystemRole, TokensField};
use crate::repair::{Answer, Asked, Item, Said, items};
use crate::thinking;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a RawValue>,
    stream: bool,
    #[serde(flatten)]
    more: Map<String, Value>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Message<'a> {
    Plain {
        role: &'static str,
        content: Content<'a>,
    },
    Assistant {
        role: &'static str,
        content: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reasoning_content: Option<&'static str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall<'a>>,
    },
    Result {
        role: &'static str,
        tool_call_id: Cow<'a, str>,
        content: String,
    },
    Native(&'a RawValue),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<Piece<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Piece<'a> {
    Text { text: Cow<'a, str> },
    ImageUrl { image_url: ImageUrl },
}

#[derive(Serialize)]
struct ImageUrl {
    url: String,
}

#[derive(Serialize)]
struct ToolCall<'a> {
    id: Cow<'a, str>,
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: Cow<'a, str>,
    arguments: Cow<'a, str>,
}

/// Encodes a call.
pub(crate) fn encode(call: &Call<'_>) -> Result<Encoded, Error> {
    let body =
        Body { model: &call.model.id, messages: messages(call)?, tools: call.tools, stream: true, more: more(call) };
    Encoded::new("/chat/completions", &body)
}

/// Everything that depends on the server or the request's options.
fn more(call: &Call<'_>) -> Map<String, Value> {
    let quirks = call.quirks();
    let mut more: Map<String, Value> = serde_json::from_str(quirks.extra_body).unwrap_or_default();
    if let Some(limit) = call.output_tokens_max() {
        let field = match quirks.tokens_field {
            TokensField::MaxTokens => "max_tokens",
            TokensField::MaxCompletionTokens => "max_completion_tokens",
        };
        more.insert(field.to_owned(), json!(limit));
    }
    if let Some(level) = call.level() {
        more.extend(thinking::chat(quirks.thinking, level).into_iter().map(|(key, value)| (key.to_owned(), value)));
    }
    if call.form.has_extras() {
        if quirks.stream_usage {
            more.insert("stream_options".to_owned(), json!({ "include_usage": true }));
        }
        let mut params = call.sampling();
        // The first party refuses what it never had.
        params.top_k = params.top_k.filter(|_| !quirks.is_first_party);
        more.extend(vocabulary::sampling(&params));
        if quirks.cache_key && !call.request.cache_key.is_empty() {
            more.insert("prompt_cache_key".to_owned(), json!(call.request.cache_key));
        }
    }
    more
}

fn messages<'a>(call: &Call<'a>) -> Result<Vec<Message<'a>>, Error> {
    let quirks = call.quirks();
    let mut out = Vec::new();
    if let Some(system) = call.system() {
        let role = match quirks.system_role {
            SystemRole::System => "system",
            SystemRole::Developer => "developer",
        };
        out.push(Message::Plain { role, content: Content::Text(Cow::Owned(system)) });
    }
    // Pictures out of tool results wait for the user message they go into.
    let mut pictures: Vec<Piece<'a>> = Vec::new();
    for item in items(call)? {
        match item {
            Item::User(parts) => out.push(user(std::mem::take(&mut pictures), parts)),
            Item::Assistant(said) => {
                flush(&mut pictures, &mut out);
                out.push(assistant(said, quirks));
            }
            Item::Results(answers) => {
                for answer in answers {
                    pictures.extend(pictures_of(&answer));
                    let content = answer.text();
                    out.push(Message::Result { role: "tool", tool_call_id: answer.id, content });
                }
            }
        }
    }
    flush(&mut pictures, &mut out);
    Ok(out)
}

fn flush<'a>(pictures: &mut Vec<Piece<'a>>, out: &mut Vec<Message<'a>>) {
    if !pictures.is_empty() {
        out.push(user(std::mem::take(pictures), Vec::new()));
    }
}

fn pictures_of<'a>(answer: &Answer<'_>) -> Vec<Piece<'a>> {
    let note = format!("Pictures returned by {}:", answer.name);
    let pictures: Vec<_> = answer.images().map(|(media_type, data)| picture(media_type, data)).collect();
    if pictures.is_empty() {
        return pictures;
    }
    std::iter::once(Piece::Text { text: Cow::Owned(note) }).chain(pictures).collect()
}

fn picture<'a>(media_type: &str, data: &str) -> Piece<'a> {
    Piece::ImageUrl { image_url: ImageUrl { url: format!("data:{media_type};base64,{data}") } }
}

fn user<'a>(mut pieces: Vec<Piece<'a>>, parts: Vec<Cow<'a, Part>>) -> Message<'a> {
    pieces.extend(parts.into_iter().map(|part| match part {
        Cow::Borrowed(Part::Text { text }) => Piece::Text { text: Cow::Borrowed(text.as_str()) },
        Cow::Owned(Part::Text { text }) => Piece::Text { text: Cow::Owned(text) },
        Cow::Borrowed(Part::Image { media_type, data }) => picture(media_type, data),
        Cow::Owned(Part::Image { media_type, data }) => picture(&media_type, &data),
    }));
    // Plain text goes as a string: the one form every server takes.
    let content = match pieces.as_mut_slice() {
        [Piece::Text { text }] => Content::Text(std::mem::take(text)),
        _ => Content::Parts(pieces),
    };
    Message::Plain { role: "user", content }
}

fn assistant<'a>(said: Said<'a>, quirks: &Quirks) -> Message<'a> {
    if let Some(native) = said.native {
        return Message::Native(native);
    }
    let content = match said.text {
        text if !text.is_empty() => Some(text),
        _ if quirks.empty_content => Some(String::new()),
        _ => None,
    };
    // Where reasoning must come back with calls, calls of another model have none.
    let wants_reasoning = quirks.replay == Replay::ReasoningContent && !said.calls.is_empty();
    let tool_calls = said.calls.into_iter().map(tool_call).collect();
    Message::Assistant { role: "assistant", content, reasoning_content: wants_reasoning.then_some(""), tool_calls }
}

fn tool_call(asked: Asked<'_>) -> ToolCall<'_> {
    ToolCall { id: asked.id, r#type: "function", function: Function { name: asked.name, arguments: asked.arguments } }
}
