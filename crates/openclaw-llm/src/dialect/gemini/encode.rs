//! Writes a `streamGenerateContent` request.
//!
//! Every call is answered by one `functionResponse` of the same name, in order;
//! ids go back only where Google gave them. Unknown fields are an error there,
//! so schemas are cut to what its parser knows.

use std::borrow::Cow;

use openclaw_domain::message::Part;
use openclaw_domain::model::Error;
use openclaw_domain::tool::ToolSpec;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use crate::dialect::{Call, Encoded};
use crate::repair::{Answer, Item, Said, items};
use crate::schema::{self, Level};
use crate::{names, thinking};

/// Stands in for the signature of a call another model made.
const FOREIGN_SIGNATURE: &str = "skip_thought_signature_validator";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Value>,
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    generation_config: Map<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tools<'a> {
    function_declarations: Vec<Declaration<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Declaration<'a> {
    name: Cow<'a, str>,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<Cow<'a, Value>>,
}

#[derive(Serialize)]
struct Content<'a> {
    role: &'static str,
    parts: Parts<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Parts<'a> {
    Ours(Vec<Piece<'a>>),
    Native(&'a RawValue),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Piece<'a> {
    Text(Cow<'a, str>),
    InlineData(Blob<'a>),
    FunctionResponse(Response<'a>),
    #[serde(untagged)]
    FunctionCall(SignedCall<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Blob<'a> {
    mime_type: Cow<'a, str>,
    data: Cow<'a, str>,
}

#[derive(Serialize)]
struct Response<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    id: Cow<'a, str>,
    name: Cow<'a, str>,
    response: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedCall<'a> {
    function_call: FunctionCall<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'static str>,
}

#[derive(Serialize)]
struct FunctionCall<'a> {
    name: Cow<'a, str>,
    args: Box<RawValue>,
}

/// Encodes a call.
pub(crate) fn encode(call: &Call<'_>) -> Result<Encoded, Error> {
    let body = Body {
        system_instruction: call.system().map(|text| json!({ "parts": [{ "text": text }] })),
        contents: contents(call)?,
        tools: call.tools,
        generation_config: generation_config(call),
    };
    let model = call.model.id.strip_prefix("models/").unwrap_or(&call.model.id);
    Encoded::new(&format!("/models/{model}:streamGenerateContent?alt=sse"), &body)
}

fn is_third(model: &str) -> bool {
    thinking::version(model).is_none_or(|(major, _)| major >= 3)
}

fn generation_config(call: &Call<'_>) -> Map<String, Value> {
    let mut config = Map::new();
    if let Some(limit) = call.output_tokens_max() {
        config.insert("maxOutputTokens".to_owned(), json!(limit));
    }
    let params = call.sampling();
    // From 3 on the default sampling is to be left alone.
    let may_sample = !is_third(&call.model.id);
    let rows = [
        ("temperature", params.temperature.filter(|_| may_sample).map(Value::from)),
        ("topP", params.top_p.filter(|_| may_sample).map(Value::from)),
        ("topK", params.top_k.filter(|_| may_sample).map(Value::from)),
        ("seed", params.seed.map(Value::from)),
        ("presencePenalty", params.presence_penalty.map(Value::from)),
        ("frequencyPenalty", params.frequency_penalty.map(Value::from)),
        ("stopSequences", (!params.stop.is_empty()).then(|| json!(params.stop))),
    ];
    config.extend(rows.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    if let Some(level) = call.level() {
        config.insert("thinkingConfig".to_owned(), thinking::gemini(&call.model.id, level));
    }
    config
}

/// Writes the tools on offer.
pub(crate) fn tools(specs: &[ToolSpec]) -> serde_json::Result<Box<RawValue>> {
    to_raw_value(&[Tools { function_declarations: schema::unique(specs).map(declaration).collect() }])
}

fn declaration(tool: &ToolSpec) -> Declaration<'_> {
    let schema = schema::portable(&tool.parameters, Level::Google);
    let has_fields = schema.get("properties").and_then(Value::as_object).is_some_and(|fields| !fields.is_empty());
    Declaration {
        name: names::portable(&tool.name),
        description: &tool.description,
        parameters_json_schema: has_fields.then_some(schema),
    }
}

fn contents<'a>(call: &Call<'a>) -> Result<Vec<Content<'a>>, Error> {
    let mut out = Vec::new();
    let mut pending: Vec<Piece<'a>> = Vec::new();
    let mut is_native = false;
    let must_sign = is_third(&call.model.id);
    for item in items(call)? {
        match item {
            Item::User(parts) => {
                let mut pieces = std::mem::take(&mut pending);
                pieces.extend(parts.into_iter().map(part));
                out.push(Content { role: "user", parts: Parts::Ours(pieces) });
            }
            Item::Assistant(said) => {
                flush(&mut pending, &mut out);
                is_native = said.native.is_some();
                out.push(Content { role: "model", parts: assistant(said, must_sign) });
            }
            Item::Results(answers) => pending.extend(results(answers, is_native)),
        }
    }
    flush(&mut pending, &mut out);
    Ok(out)
}

fn flush<'a>(pending: &mut Vec<Piece<'a>>, out: &mut Vec<Content<'a>>) {
    if !pending.is_empty() {
        out.push(Content { role: "user", parts: Parts::Ours(std::mem::take(pending)) });
    }
}

fn assistant(said: Said<'_>, must_sign: bool) -> Parts<'_> {
    if let Some(native) = said.native {
        return Parts::Native(native);
    }
    let mut pieces = Vec::with_capacity(said.calls.len() + 1);
    if !said.text.is_empty() {
        pieces.push(Piece::Text(Cow::Owned(said.text)));
    }
    for (at, asked) in said.calls.into_iter().enumerate() {
        let args = RawValue::from_string(asked.arguments.into_owned()).unwrap_or_default();
        let function_call = FunctionCall { name: asked.name, args };
        // Of parallel calls only the first carries a signature.
        let thought_signature = (must_sign && at == 0).then_some(FOREIGN_SIGNATURE);
        pieces.push(Piece::FunctionCall(SignedCall { function_call, thought_signature }));
    }
    Parts::Ours(pieces)
}

/// Writes the responses first, then the pictures among them.
fn results(answers: Vec<Answer<'_>>, is_native: bool) -> Vec<Piece<'_>> {
    let mut pieces = Vec::with_capacity(answers.len());
    let mut pictures = Vec::new();
    for answer in answers {
        let key = if answer.is_error { "error" } else { "output" };
        let response = json!({ key: answer.text() });
        let is_picture = |part: &Cow<'_, Part>| matches!(part.as_ref(), Part::Image { .. });
        let Answer { id, name, parts, .. } = answer;
        pictures.extend(parts.into_iter().filter(is_picture).map(part));
        let id = if is_native { id } else { Cow::Borrowed("") };
        pieces.push(Piece::FunctionResponse(Response { id, name, response }));
    }
    pieces.extend(pictures);
    pieces
}

fn part<'a>(part: Cow<'a, Part>) -> Piece<'a> {
    match part {
        Cow::Borrowed(Part::Text { text }) => Piece::Text(Cow::Borrowed(text.as_str())),
        Cow::Owned(Part::Text { text }) => Piece::Text(Cow::Owned(text)),
        Cow::Borrowed(Part::Image { media_type, data }) => {
            Piece::InlineData(Blob { mime_type: Cow::Borrowed(media_type), data: Cow::Borrowed(data) })
        }
        Cow::Owned(Part::Image { media_type, data }) => {
            Piece::InlineData(Blob { mime_type: Cow::Owned(media_type), data: Cow::Owned(data) })
        }
    }
}
