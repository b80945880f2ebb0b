//! Asks a model for a summary, and reads the answer strictly.

use futures_util::StreamExt;
use openclaw_domain::compaction::Summary;
use openclaw_domain::model::{self, ModelChoice, ModelEvent, ModelRequest, Usage};
use openclaw_domain::ports::Model;
use openclaw_domain::{Conversation, Origin, Part, Timestamp, UserTurn};
use serde::Deserialize;

use super::check::{self, Fault};
use super::pieces::Sizes;
use super::words;

/// What the model is told.
pub(super) const INSTRUCTIONS: &str = include_str!("../../prompts/compaction.md");

/// Most entries of one list.
const ITEMS_MAX: usize = 100;

/// One question.
pub(super) struct Question<'a> {
    /// Which model.
    pub(super) choice: &'a ModelChoice,
    /// The notes so far.
    pub(super) notes: Option<&'a Summary>,
    /// The text to add to them.
    pub(super) piece: &'a str,
    /// What was wrong with the answer before.
    pub(super) fault: Option<&'a Fault>,
    /// Stable id of the question.
    pub(super) key: String,
    /// Stable id of the conversation, for cache routing.
    pub(super) cache_key: String,
}

/// Builds the request. Its size is bounded by `sizes`, whatever is asked.
pub(super) fn request(question: Question<'_>, sizes: &Sizes) -> Option<ModelRequest> {
    let notes = question.notes.and_then(|notes| serde_json::to_string(notes).ok()).unwrap_or_default();
    let fault = question.fault.map(ToString::to_string).unwrap_or_default();
    let mut text = format!("Write at most {} bytes.\n", sizes.summary_bytes);
    if !notes.is_empty() {
        text.push_str("# Notes so far\n");
        text.push_str(&notes);
        text.push('\n');
    }
    text.push_str("# Text\n");
    text.push_str(question.piece);
    if !fault.is_empty() {
        text.push_str("\n# Your last answer could not be used\n");
        text.push_str(words::cut(&fault, sizes.note_bytes));
    }
    let mut conversation = Conversation::default();
    conversation.say(UserTurn { parts: vec![Part::text(text)], origin: Origin::System, at: Timestamp(0) });
    Some(ModelRequest {
        choice: ModelChoice { thinking: None, ..question.choice.clone() },
        system: vec![INSTRUCTIONS.to_owned()],
        prompt: conversation.prompt().ok()?,
        tools: [].into(),
        output_tokens_max: Some(sizes.output_tokens),
        temperature: None,
        idempotency_key: question.key,
        cache_key: question.cache_key,
    })
}

/// Calls the model and returns all it said, with what it cost.
///
/// # Errors
/// When it fails or ends without an end marker.
pub(super) async fn answer(model: &dyn Model, request: ModelRequest) -> Result<(String, Usage), model::Error> {
    let mut stream = model.stream(request).await?;
    while let Some(event) = stream.next().await {
        if let ModelEvent::Done(completed) = event? {
            return Ok((completed.turn.text(), completed.usage));
        }
    }
    let message = "the stream of a summary ended without its end marker".to_owned();
    Err(model::Error { class: model::ErrorClass::Truncated, model: None, message, retry_after: None, status: None })
}

/// The answer as it must be: every key, and no other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    gist: String,
    decisions: Vec<String>,
    open_asks: Vec<String>,
    identifiers: Vec<String>,
    commitments: Vec<String>,
}

/// Reads the answer.
///
/// # Errors
/// [`Fault::Form`], [`Fault::TooLong`].
pub(super) fn read(text: &str, sizes: &Sizes) -> Result<Summary, Fault> {
    let Answer { gist, decisions, open_asks, identifiers, commitments } =
        serde_json::from_str(unfenced(text)).map_err(|error| Fault::Form(error.to_string()))?;
    if gist.trim().is_empty() {
        return Err(Fault::Form("gist is empty".to_owned()));
    }
    if [&decisions, &open_asks, &identifiers, &commitments].iter().any(|items| items.len() > ITEMS_MAX) {
        return Err(Fault::Form(format!("a list has more than {ITEMS_MAX} entries")));
    }
    let summary = Summary { gist, decisions, open_asks, identifiers, commitments };
    let bytes = check::size(&summary);
    if bytes > sizes.summary_bytes {
        return Err(Fault::TooLong { bytes, max: sizes.summary_bytes });
    }
    Ok(summary)
}

/// Takes away the code fence many models put around JSON.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let Some(inner) = text.strip_prefix("```").and_then(|text| text.strip_suffix("```")) else { return text };
    inner.strip_prefix("json").unwrap_or(inner).trim()
}
