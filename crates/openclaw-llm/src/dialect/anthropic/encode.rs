//! Writes a messages request.
//!
//! Tool results stand first in the user turn that follows their calls. At most
//! four cache markers are set, from the most stable part of the prompt to the
//! least. Earlier turns of the same model go back byte for byte.

use std::borrow::Cow;

use openclaw_domain::message::Part;
use openclaw_domain::model::Error;
use openclaw_domain::tool::ToolSpec;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::dialect::{Call, Encoded, Form};
use crate::names;
use crate::repair::{Answer, Item, Said, items};
use crate::schema::{self, Level};
use crate::thinking::{self, Claude};

/// The version every server of this dialect knows.
const VERSION: &str = "2023-06-01";
/// The first party's newest version; it refuses sampling parameters.
const VERSION_NEW: &str = "2026-10-21";
/// Lets older models think between tool calls.
const INTERLEAVED: &str = "interleaved-thinking-2025-05-14";

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a RawValue>,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<String>,
    stream: bool,
}

#[derive(Serialize)]
struct Tool<'a> {
    name: Cow<'a, str>,
    description: &'a str,
    input_schema: Cow<'a, Value>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Blocks(Vec<Block<'a>>),
    Native(&'a RawValue),
}

#[derive(Serialize)]
struct Block<'a> {
    #[serde(flatten)]
    kind: Kind<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Kind<'a> {
    Text {
        text: Cow<'a, str>,
    },
    Image {
        source: Source<'a>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        input: Box<RawValue>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        content: Vec<Block<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

#[derive(Serialize)]
struct Source<'a> {
    r#type: &'static str,
    media_type: Cow<'a, str>,
    data: Cow<'a, str>,
}

#[derive(Serialize)]
struct CacheControl {
    r#type: &'static str,
}

impl<'a> From<Kind<'a>> for Block<'a> {
    fn from(kind: Kind<'a>) -> Self {
        Block { kind, cache_control: None }
    }
}

/// Encodes a call.
pub(crate) fn encode(call: &Call<'_>) -> Result<Encoded, Error> {
    let max_tokens = call.output_tokens_max().unwrap_or_else(|| default_max_tokens(call));
    let thinking = call.level().map_or(Claude::Omit, |level| thinking::claude(&call.model.id, level, max_tokens));
    let params = call.sampling();
    let may_sample = takes_temperature(call, thinking);
    let temperature = params.temperature.filter(|_| may_sample);
    // Not both: newer models refuse a request that names both.
    let top_p = params.top_p.filter(|_| may_sample && temperature.is_none());
    let top_k = params.top_k.filter(|_| may_sample);
    let samples = temperature.is_some() || top_p.is_some() || top_k.is_some();
    let mut body = Body {
        model: &call.model.id,
        max_tokens,
        system: system(call),
        tools: call.tools,
        messages: messages(call)?,
        thinking: thinking_field(thinking),
        output_config: match thinking {
            Claude::Adaptive(Some(effort)) => Some(json!({ "effort": effort })),
            Claude::Adaptive(None) | Claude::Budget(_) | Claude::Disabled | Claude::Omit => None,
        },
        temperature,
        top_p,
        top_k,
        stop_sequences: params.stop,
        stream: true,
    };
    if call.form.has_extras() {
        mark(&mut body);
    }
    let path = if call.provider.base_url.ends_with("/v1") { "/messages" } else { "/v1/messages" };
    Ok(Encoded { headers: headers(call, thinking, samples), ..Encoded::new(path, &body)? })
}

fn headers(call: &Call<'_>, thinking: Claude, samples: bool) -> Vec<(&'static str, String)> {
    let is_new = call.quirks().is_first_party && !samples && call.form == Form::Full;
    let mut headers = vec![("anthropic-version", if is_new { VERSION_NEW } else { VERSION }.to_owned())];
    let interleaves = matches!(thinking, Claude::Budget(_)) && !call.request.tools.is_empty();
    if interleaves && call.quirks().is_first_party && call.form.has_extras() {
        headers.push(("anthropic-beta", INTERLEAVED.to_owned()));
    }
    headers
}

/// Most tokens asked for when nobody set a limit; more would crowd out the prompt.
const MAX_TOKENS: u32 = 64_000;

/// The field is required; without a known limit one that every model of the kind accepts.
fn default_max_tokens(call: &Call<'_>) -> u32 {
    let model = call.model.id.as_str();
    match (call.model.output_tokens_max, thinking::version(model)) {
        (Some(limit), _) => limit.min(MAX_TOKENS),
        (None, Some(version)) if model.contains("claude") && version >= (4, 0) => 32_000,
        (None, Some(_) | None) => 8_192,
    }
}

/// Newer models and all that think refuse any temperature but the default.
fn takes_temperature(call: &Call<'_>, thinking: Claude) -> bool {
    let is_old = thinking::version(&call.model.id).is_none_or(|version| version < (4, 7));
    let is_quiet = matches!(thinking, Claude::Omit | Claude::Disabled);
    call.form.has_extras() && is_old && is_quiet
}

fn thinking_field(thinking: Claude) -> Option<Value> {
    match thinking {
        // Without `display` newer models hide their thoughts.
        Claude::Adaptive(_) => Some(json!({ "type": "adaptive", "display": "summarized" })),
        Claude::Budget(tokens) => Some(json!({ "type": "enabled", "budget_tokens": tokens })),
        Claude::Disabled => Some(json!({ "type": "disabled" })),
        Claude::Omit => None,
    }
}

fn system<'a>(call: &Call<'a>) -> Vec<Block<'a>> {
    let sections = call.request.system.iter().filter(|text| !text.trim().is_empty());
    sections.map(|text| Kind::Text { text: Cow::Borrowed(text.as_str()) }.into()).collect()
}

/// Writes the tools on offer.
pub(crate) fn tools(specs: &[ToolSpec]) -> serde_json::Result<Box<RawValue>> {
    to_raw_value(&schema::unique(specs).map(tool).collect::<Vec<_>>())
}

fn tool(tool: &ToolSpec) -> Tool<'_> {
    Tool {
        name: names::portable(&tool.name),
        description: &tool.description,
        input_schema: schema::portable(&tool.parameters, Level::Portable),
    }
}

fn messages<'a>(call: &Call<'a>) -> Result<Vec<Message<'a>>, Error> {
    let mut out: Vec<Message<'a>> = Vec::new();
    let mut results: Vec<Block<'a>> = Vec::new();
    for item in items(call)? {
        match item {
            Item::User(parts) => {
                let mut blocks = std::mem::take(&mut results);
                blocks.extend(parts.into_iter().map(part));
                out.push(Message { role: "user", content: Content::Blocks(blocks) });
            }
            Item::Assistant(said) => {
                flush(&mut results, &mut out);
                out.push(Message { role: "assistant", content: assistant(said) });
            }
            Item::Results(answers) => results.extend(answers.into_iter().map(result)),
        }
    }
    flush(&mut results, &mut out);
    Ok(out)
}

fn flush<'a>(results: &mut Vec<Block<'a>>, out: &mut Vec<Message<'a>>) {
    if !results.is_empty() {
        out.push(Message { role: "user", content: Content::Blocks(std::mem::take(results)) });
    }
}

fn assistant(said: Said<'_>) -> Content<'_> {
    if let Some(native) = said.native {
        return Content::Native(native);
    }
    let mut blocks = Vec::with_capacity(said.calls.len() + 1);
    if !said.text.is_empty() {
        blocks.push(Kind::Text { text: Cow::Owned(said.text) }.into());
    }
    blocks.extend(said.calls.into_iter().map(|asked| {
        let input = RawValue::from_string(asked.arguments.into_owned()).unwrap_or_default();
        Kind::ToolUse { id: asked.id, name: asked.name, input }.into()
    }));
    Content::Blocks(blocks)
}

fn part<'a>(part: Cow<'a, Part>) -> Block<'a> {
    let kind = match part {
        Cow::Borrowed(Part::Text { text }) => Kind::Text { text: Cow::Borrowed(text.as_str()) },
        Cow::Owned(Part::Text { text }) => Kind::Text { text: Cow::Owned(text) },
        Cow::Borrowed(Part::Image { media_type, data }) => image(Cow::Borrowed(media_type), Cow::Borrowed(data)),
        Cow::Owned(Part::Image { media_type, data }) => image(Cow::Owned(media_type), Cow::Owned(data)),
    };
    kind.into()
}

fn image<'a>(media_type: Cow<'a, str>, data: Cow<'a, str>) -> Kind<'a> {
    Kind::Image { source: Source { r#type: "base64", media_type, data } }
}

fn result(answer: Answer<'_>) -> Block<'_> {
    let text = answer.text();
    let mut content: Vec<Block<'_>> = vec![Kind::Text { text: Cow::Owned(text) }.into()];
    let is_picture = |part: &Cow<'_, Part>| matches!(part.as_ref(), Part::Image { .. });
    let Answer { id, parts, is_error, .. } = answer;
    content.extend(parts.into_iter().filter(is_picture).map(part));
    Kind::ToolResult { tool_use_id: id, content, is_error }.into()
}

/// Sets the cache markers: end of the stable and of the whole system prompt, end of
/// the last two user turns. All stand on blocks of ours, never on replayed ones.
fn mark(body: &mut Body<'_>) {
    let set = |block: &mut Block<'_>| block.cache_control = Some(CacheControl { r#type: "ephemeral" });
    if let [first, rest @ ..] = body.system.as_mut_slice() {
        set(first);
        rest.last_mut().into_iter().for_each(set);
    }
    let users = body.messages.iter_mut().rev().filter_map(|message| match &mut message.content {
        Content::Blocks(blocks) if message.role == "user" => blocks.last_mut(),
        Content::Blocks(_) | Content::Native(_) => None,
    });
    users.take(2).for_each(set);
}
