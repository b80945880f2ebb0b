//! Writes a responses request.
//!
//! Stateless: the whole history goes along (`store: false`), with the encrypted
//! reasoning of earlier turns of the same model. Tools are flat here, and
//! `strict` is said explicitly.

use std::borrow::Cow;

use openclaw_domain::message::Part;
use openclaw_domain::model::Error;
use openclaw_domain::tool::ToolSpec;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::dialect::{Call, Encoded};
use crate::error::protocol;
use crate::repair::{Answer, Item, Said, items};
use crate::schema::{self, Level};
use crate::{names, thinking};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<String>,
    input: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    include: Vec<&'static str>,
    store: bool,
    stream: bool,
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    name: Cow<'a, str>,
    description: &'a str,
    parameters: Cow<'a, Value>,
    strict: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Native(&'a RawValue),
    Message { r#type: &'static str, role: &'static str, content: Vec<Piece<'a>> },
    Call { r#type: &'static str, call_id: Cow<'a, str>, name: Cow<'a, str>, arguments: Cow<'a, str> },
    Output { r#type: &'static str, call_id: Cow<'a, str>, output: Output<'a> },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Output<'a> {
    Text(String),
    Pieces(Vec<Piece<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Piece<'a> {
    InputText { text: Cow<'a, str> },
    InputImage { image_url: String },
    OutputText { text: Cow<'a, str> },
}

/// Encodes a call.
pub(crate) fn encode(call: &Call<'_>) -> Result<Encoded, Error> {
    let (has_extras, params) = (call.form.has_extras(), call.sampling());
    let cache_key = Some(call.request.cache_key.as_str()).filter(|key| !key.is_empty());
    let body = Body {
        model: &call.model.id,
        instructions: call.system(),
        input: input(call)?,
        tools: call.tools,
        max_output_tokens: call.output_tokens_max(),
        reasoning: call.level().and_then(reasoning),
        // Models that reason refuse sampling parameters.
        temperature: params.temperature.filter(|_| !call.model.reasons),
        top_p: params.top_p.filter(|_| !call.model.reasons),
        prompt_cache_key: cache_key.filter(|_| has_extras && call.quirks().cache_key),
        include: if call.model.reasons && has_extras { vec!["reasoning.encrypted_content"] } else { Vec::new() },
        store: false,
        stream: true,
    };
    Encoded::new("/responses", &body)
}

fn reasoning(level: openclaw_domain::model::Thinking) -> Option<Value> {
    let effort = thinking::effort(level);
    match effort {
        Some("none") => Some(json!({ "effort": "none" })),
        Some(effort) => Some(json!({ "effort": effort, "summary": "auto" })),
        None => Some(json!({ "summary": "auto" })),
    }
}

/// Writes the tools on offer.
pub(crate) fn tools(specs: &[ToolSpec]) -> serde_json::Result<Box<RawValue>> {
    to_raw_value(&schema::unique(specs).map(tool).collect::<Vec<_>>())
}

fn tool(tool: &ToolSpec) -> Tool<'_> {
    Tool {
        r#type: "function",
        name: names::portable(&tool.name),
        description: &tool.description,
        parameters: schema::portable(&tool.parameters, Level::Portable),
        strict: false,
    }
}

fn input<'a>(call: &Call<'a>) -> Result<Vec<Entry<'a>>, Error> {
    let mut out = Vec::new();
    for item in items(call)? {
        match item {
            Item::User(parts) => {
                let content = parts.into_iter().map(part).collect();
                out.push(Entry::Message { r#type: "message", role: "user", content });
            }
            Item::Assistant(said) => assistant(said, &mut out)?,
            Item::Results(answers) => out.extend(answers.into_iter().map(|answer| {
                let output = output(&answer);
                Entry::Output { r#type: "function_call_output", call_id: answer.id, output }
            })),
        }
    }
    Ok(out)
}

fn assistant<'a>(said: Said<'a>, out: &mut Vec<Entry<'a>>) -> Result<(), Error> {
    if let Some(native) = said.native {
        let items: Vec<&RawValue> = serde_json::from_str(native.get())
            .map_err(|cause| protocol(format!("an earlier turn cannot be read back: {cause}")))?;
        out.extend(items.into_iter().map(Entry::Native));
        return Ok(());
    }
    if !said.text.is_empty() {
        let content = vec![Piece::OutputText { text: Cow::Owned(said.text) }];
        out.push(Entry::Message { r#type: "message", role: "assistant", content });
    }
    out.extend(said.calls.into_iter().map(|asked| Entry::Call {
        r#type: "function_call",
        call_id: asked.id,
        name: asked.name,
        arguments: asked.arguments,
    }));
    Ok(())
}

fn output<'a>(answer: &Answer<'_>) -> Output<'a> {
    let text = answer.text();
    let pictures: Vec<Piece<'a>> = answer.images().map(|(media_type, data)| picture(media_type, data)).collect();
    if pictures.is_empty() {
        return Output::Text(text);
    }
    let text = Piece::InputText { text: Cow::Owned(text) };
    Output::Pieces(std::iter::once(text).chain(pictures).collect())
}

fn picture<'a>(media_type: &str, data: &str) -> Piece<'a> {
    Piece::InputImage { image_url: format!("data:{media_type};base64,{data}") }
}

fn part<'a>(part: Cow<'a, Part>) -> Piece<'a> {
    match part {
        Cow::Borrowed(Part::Text { text }) => Piece::InputText { text: Cow::Borrowed(text.as_str()) },
        Cow::Owned(Part::Text { text }) => Piece::InputText { text: Cow::Owned(text) },
        Cow::Borrowed(Part::Image { media_type, data }) => picture(media_type, data),
        Cow::Owned(Part::Image { media_type, data }) => picture(&media_type, &data),
    }
}
