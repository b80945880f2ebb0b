//! Reads a `streamGenerateContent` stream.
//!
//! Each frame is a whole response object whose parts are appended. A signature
//! stays on the very part it came with. The terminal marker is a `finishReason`,
//! or a blocked prompt.

use openclaw_domain::Timestamp;
use openclaw_domain::message::Native;
use openclaw_domain::model::{Completed, Error, ErrorClass, ModelEvent, StopReason, Usage};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::dialect::{Dialect, Progress, Reading};
use crate::draft::{Asked, Draft, Ending, Out};
use crate::error::{Said, error, in_stream, protocol, truncated};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Frame<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    candidates: Option<Vec<Candidate<'a>>>,
    #[serde(default)]
    prompt_feedback: Option<Feedback>,
    #[serde(default)]
    usage_metadata: Option<Tokens>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(borrow, default)]
    content: Option<Content<'a>>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    finish_message: Option<String>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    parts: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    #[serde(default)]
    block_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    thought: bool,
    #[serde(default)]
    thought_signature: Option<String>,
    #[serde(borrow, default)]
    function_call: Option<FunctionCall<'a>>,
}

#[derive(Deserialize)]
struct FunctionCall<'a> {
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(borrow, default)]
    args: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Tokens {
    prompt_token_count: u64,
    cached_content_token_count: u64,
    candidates_token_count: u64,
    thoughts_token_count: u64,
    tool_use_prompt_token_count: u64,
}

/// A part as it must be sent back.
enum Kept {
    /// Unsigned text, which may be joined with the next.
    Text(String),
    /// Anything else, byte for byte.
    Raw(String),
}

/// The decoder of one response.
pub(crate) struct Decoder {
    reading: Reading,
    draft: Draft,
    kept: Vec<Kept>,
    stop: Option<StopReason>,
    usage: Usage,
}

impl Decoder {
    pub(crate) fn new(reading: Reading) -> Self {
        Self { reading, draft: Draft::default(), kept: Vec::new(), stop: None, usage: Usage::default() }
    }

    pub(crate) fn frame(&mut self, _name: &str, data: &str, out: &mut Out) -> Result<(), Error> {
        if data.starts_with("[DONE]") {
            return Ok(());
        }
        let frame: Frame<'_> = serde_json::from_str(data)
            .map_err(|cause| protocol(format!("a frame is no generateContent response: {cause}")))?;
        if frame.error.is_some() {
            return Err(in_stream(Said::of(data)));
        }
        if let Some(tokens) = frame.usage_metadata {
            self.usage = tokens.into();
        }
        let candidate = frame.candidates.into_iter().flatten().next();
        if let Some(reason) = frame.prompt_feedback.and_then(|feedback| feedback.block_reason)
            && candidate.is_none()
        {
            self.draft.text(&format!("The provider blocked this prompt ({reason})."), out);
            self.stop = Some(StopReason::Refusal);
            return Ok(());
        }
        let Some(candidate) = candidate else { return Ok(()) };
        for raw in candidate.content.and_then(|content| content.parts).into_iter().flatten() {
            self.part(raw.get(), out)?;
        }
        match candidate.finish_reason {
            Some(reason) => self.finished(&reason, candidate.finish_message),
            None => Ok(()),
        }
    }

    pub(crate) fn whole(&mut self, json: &str, out: &mut Out) -> Result<(), Error> {
        // Without `alt=sse` the frames come as one array.
        match serde_json::from_str::<Vec<&RawValue>>(json) {
            Ok(frames) => frames.into_iter().try_for_each(|frame| self.frame("", frame.get(), out)),
            Err(_) => self.frame("", json, out),
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        // Usage may come with a later frame; the end of the body ends it.
        if self.stop.is_some() { Progress::Ended } else { Progress::Open }
    }

    pub(crate) fn finish(self, at: Timestamp) -> Result<Completed, Error> {
        let stop = self.stop.ok_or_else(|| truncated("a finishReason"))?;
        let native =
            native(&self.kept).filter(|_| stop != StopReason::MaxTokens || self.draft.calls().next().is_none());
        let Reading { names, model, .. } = &self.reading;
        let turn = self.draft.finish(Ending { stop, model, names, native, at });
        Ok(Completed { turn, usage: self.usage })
    }

    fn part(&mut self, raw: &str, out: &mut Out) -> Result<(), Error> {
        let part: Part<'_> =
            serde_json::from_str(raw).map_err(|cause| protocol(format!("a content part makes no sense: {cause}")))?;
        let is_signed = part.thought_signature.is_some_and(|signature| !signature.is_empty());
        if let Some(call) = part.function_call {
            self.call(call, out);
            self.kept.push(Kept::Raw(raw.to_owned()));
            return Ok(());
        }
        let Some(text) = part.text else {
            self.kept.push(Kept::Raw(raw.to_owned()));
            return Ok(());
        };
        match (is_signed, part.thought) {
            (true, _) => self.kept.push(Kept::Raw(raw.to_owned())),
            // Summaries of thoughts need not go back.
            (false, true) => {}
            (false, false) => match self.kept.last_mut() {
                Some(Kept::Text(open)) => open.push_str(&text),
                Some(Kept::Raw(_)) | None if text.is_empty() => {}
                Some(Kept::Raw(_)) | None => self.kept.push(Kept::Text(text.clone())),
            },
        }
        if part.thought {
            self.draft.thinking(&text, out);
        } else {
            self.draft.text(&text, out);
        }
        Ok(())
    }

    fn call(&mut self, call: FunctionCall<'_>, out: &mut Out) {
        out.push_back(ModelEvent::CallStarted { name: self.reading.names.original(&call.name).to_owned() });
        let arguments = call.args.map(RawValue::get).unwrap_or_default().to_owned();
        self.draft.begin_call(Asked { id: call.id, name: call.name, arguments, is_closed: true });
    }

    fn finished(&mut self, reason: &str, message: Option<String>) -> Result<(), Error> {
        let explained = |what: &str| match &message {
            Some(message) => format!("{what} ({reason}): {message}"),
            None => format!("{what} ({reason})"),
        };
        self.stop = Some(match reason {
            "MAX_TOKENS" | "CONTINUATION" => StopReason::MaxTokens,
            "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "MODEL_ARMOR" => {
                StopReason::Refusal
            }
            "IMAGE_SAFETY" | "IMAGE_PROHIBITED_CONTENT" | "ESCALATION" => StopReason::Refusal,
            "MISSING_THOUGHT_SIGNATURE" => {
                return Err(error(ErrorClass::BadRequest, explained("the history was refused")));
            }
            "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS" | "MALFORMED_RESPONSE" => {
                return Err(protocol(explained("the model's call makes no sense")));
            }
            _ => StopReason::EndTurn,
        });
        Ok(())
    }
}

/// Writes the parts as they must be sent back.
fn native(kept: &[Kept]) -> Option<Native> {
    let parts: Vec<String> = kept
        .iter()
        .map(|part| match part {
            Kept::Text(text) => json!({ "text": text }).to_string(),
            Kept::Raw(raw) => raw.clone(),
        })
        .collect();
    let json = format!("[{}]", parts.join(","));
    (!parts.is_empty()).then(|| Native { dialect: Dialect::GoogleGenerativeAi.as_str().to_owned(), json })
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Usage {
        let cached = tokens.cached_content_token_count;
        let prompt = tokens.prompt_token_count + tokens.tool_use_prompt_token_count;
        Usage {
            input: prompt.saturating_sub(cached),
            // Thoughts are counted beside the candidates, not among them.
            output: tokens.candidates_token_count + tokens.thoughts_token_count,
            cache_read: cached,
            cache_write: 0,
            reasoning: tokens.thoughts_token_count,
            cost_usd: None,
        }
    }
}
