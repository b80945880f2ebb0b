//! The conversation in the order and form a provider accepts (`models.md` §0).
//!
//! Every call is followed by its results, adjacent messages of one side are
//! merged, blank text is dropped, the first and the last word are the user's.
//! Refuses an empty conversation. A turn's own provider form is used only for
//! the same dialect, provider and model family. Called by the encoders.

use std::borrow::Cow;

use openclaw_domain::conversation::Turn;
use openclaw_domain::message::{AssistantTurn, Block, Part, ToolResult};
use openclaw_domain::model::{Error, ErrorClass, StopReason};
use serde_json::value::RawValue;

use crate::dialect::{Call, Dialect};
use crate::error::error;
use crate::names::{portable, portable_id};

/// What is said for the user when the model would otherwise speak first or twice.
const CONTINUE: &str = "Continue.";
const EARLIER: &str = "(Earlier messages are not shown.)";

/// One message; a user message never follows another, nor does an assistant's.
#[derive(Debug)]
pub(crate) enum Item<'a> {
    /// The user's words.
    User(Vec<Cow<'a, Part>>),
    /// The model's turn.
    Assistant(Said<'a>),
    /// The results of the calls of the turn before, in call order.
    Results(Vec<Answer<'a>>),
}

/// An earlier turn of the model.
#[derive(Debug)]
pub(crate) struct Said<'a> {
    /// Visible text, not blank unless empty.
    pub(crate) text: String,
    /// Its calls.
    pub(crate) calls: Vec<Asked<'a>>,
    /// The provider's own form, when it may be replayed; then it is all that is sent.
    pub(crate) native: Option<&'a RawValue>,
}

/// A call of an earlier turn.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) name: Cow<'a, str>,
    /// JSON text of an object.
    pub(crate) arguments: Cow<'a, str>,
}

/// The result of a call.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) name: Cow<'a, str>,
    pub(crate) parts: Vec<Cow<'a, Part>>,
    pub(crate) is_error: bool,
}

impl Answer<'_> {
    /// Returns the text parts joined with newlines; never empty.
    pub(crate) fn text(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part.as_ref() {
            Part::Text { text } => Some(text.as_str()),
            Part::Image { .. } => None,
        });
        let text = texts.collect::<Vec<_>>().join("\n");
        if text.trim().is_empty() { "(no output)".to_owned() } else { text }
    }

    /// Iterates over the pictures: media type and base64.
    pub(crate) fn images(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parts.iter().filter_map(|part| match part.as_ref() {
            Part::Image { media_type, data } => Some((media_type.as_str(), data.as_str())),
            Part::Text { .. } => None,
        })
    }
}

/// Puts the conversation in order.
///
/// # Errors
/// When there is nothing to answer.
pub(crate) fn items<'a>(call: &Call<'a>) -> Result<Vec<Item<'a>>, Error> {
    let turns = call.request.prompt.turns();
    let mut items: Vec<Item<'a>> = Vec::with_capacity(turns.len() + 2);
    let mut is_paused = false;
    for turn in turns {
        is_paused = false;
        match turn {
            Turn::User(user) => push_user(&mut items, visible(&user.parts, call.model.sees)),
            Turn::Assistant(assistant) => {
                if let Some((said, answers)) = said_of(assistant, call) {
                    is_paused = assistant.stop == StopReason::Pause && said.native.is_some();
                    push_assistant(&mut items, said, answers);
                }
            }
        }
    }
    match items.last() {
        None => return Err(error(ErrorClass::BadRequest, "there is no message to answer")),
        // A paused turn is sent back unchanged so that the provider goes on with it.
        Some(Item::Assistant(_)) if is_paused => {}
        Some(Item::Assistant(_)) => push_user(&mut items, vec![Cow::Owned(Part::text(CONTINUE))]),
        Some(Item::User(_) | Item::Results(_)) => {}
    }
    Ok(items)
}

fn push_user<'a>(items: &mut Vec<Item<'a>>, mut parts: Vec<Cow<'a, Part>>) {
    if parts.is_empty() {
        return;
    }
    match items.last_mut() {
        Some(Item::User(earlier)) => earlier.append(&mut parts),
        Some(Item::Assistant(_) | Item::Results(_)) | None => items.push(Item::User(parts)),
    }
}

fn push_assistant<'a>(items: &mut Vec<Item<'a>>, said: Said<'a>, answers: Vec<Answer<'a>>) {
    match items.last() {
        None => push_user(items, vec![Cow::Owned(Part::text(EARLIER))]),
        Some(Item::Assistant(_)) => push_user(items, vec![Cow::Owned(Part::text(CONTINUE))]),
        Some(Item::User(_) | Item::Results(_)) => {}
    }
    items.push(Item::Assistant(said));
    if !answers.is_empty() {
        items.push(Item::Results(answers));
    }
}

/// Keeps what may be sent: no blank text, and pictures only to a model that sees.
fn visible(parts: &[Part], sees: bool) -> Vec<Cow<'_, Part>> {
    let kept = parts.iter().filter_map(|part| match part {
        Part::Text { text } if text.trim().is_empty() => None,
        Part::Text { .. } => Some(Cow::Borrowed(part)),
        Part::Image { .. } if sees => Some(Cow::Borrowed(part)),
        Part::Image { media_type, .. } => {
            Some(Cow::Owned(Part::text(format!("[a picture ({media_type}) was left out: this model takes none]"))))
        }
    });
    kept.collect()
}

/// Returns the turn and its results; `None` when nothing of it can be sent.
fn said_of<'a>(turn: &'a AssistantTurn, call: &Call<'a>) -> Option<(Said<'a>, Vec<Answer<'a>>)> {
    let native = native_of(turn, call);
    let mut said = Said { text: String::new(), calls: Vec::new(), native };
    let mut answers = Vec::new();
    for block in &turn.blocks {
        match block {
            Block::Text { text } => said.text.push_str(text),
            Block::Thinking { .. } => {}
            Block::Call { call: asked, result } => {
                let id = match native {
                    Some(_) => Cow::Borrowed(asked.provider_id.as_str()),
                    None => portable_id(asked.id.as_str(), call.quirks().ids),
                };
                let name = portable(&asked.name);
                answers.push(answer_of(id.clone(), name.clone(), result.as_ref(), call.model.sees));
                said.calls.push(Asked { id, name, arguments: object_of(&asked.arguments) });
            }
        }
    }
    if said.text.trim().is_empty() {
        said.text.clear();
    }
    let is_empty = said.text.is_empty() && said.calls.is_empty() && native.is_none();
    (!is_empty).then_some((said, answers))
}

fn answer_of<'a>(id: Cow<'a, str>, name: Cow<'a, str>, result: Option<&'a ToolResult>, sees: bool) -> Answer<'a> {
    match result {
        Some(result) => Answer { id, name, parts: visible(&result.parts, sees), is_error: result.is_error() },
        // `Prompt` has no open calls; should one slip through, the provider is told.
        None => {
            let parts = vec![Cow::Owned(Part::text("the call has no result"))];
            Answer { id, name, parts, is_error: true }
        }
    }
}

/// Returns the provider's own form of a turn if it may be sent to this model.
fn native_of<'a>(turn: &'a AssistantTurn, call: &Call<'a>) -> Option<&'a RawValue> {
    let native = turn.native.as_ref()?;
    let dialect = call.dialect();
    let is_own = call.form.has_native()
        && native.dialect == dialect.as_str()
        && turn.model.provider == call.provider.id
        && family(&turn.model.model) == family(&call.model.id)
        && turn.stop != StopReason::Refusal;
    if !is_own || !has_usable_ids(turn, dialect) {
        return None;
    }
    serde_json::from_str::<&RawValue>(&native.json).ok()
}

/// Ids must tell the calls apart, except where results are paired by position.
fn has_usable_ids(turn: &AssistantTurn, dialect: Dialect) -> bool {
    if matches!(dialect, Dialect::GoogleGenerativeAi | Dialect::Ollama) {
        return true;
    }
    let mut seen = std::collections::HashSet::new();
    turn.calls().all(|(call, _)| !call.provider_id.is_empty() && seen.insert(call.provider_id.as_str()))
}

/// Returns a model's id without its date, so that an alias and its snapshot are one family.
pub(crate) fn family(model: &str) -> &str {
    let model = model.split('@').next().unwrap_or(model);
    let model = model.strip_suffix("-latest").unwrap_or(model);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((head, tail)) = model.rsplit_once('-')
        && tail.len() == 8
        && digits(tail)
    {
        return head;
    }
    let is_date = |text: &str| {
        let mut fields = text.split('-');
        [4, 2, 2].iter().all(|len| fields.next().is_some_and(|field| field.len() == *len && digits(field)))
    };
    match model.len().checked_sub(11) {
        Some(cut) if model.is_char_boundary(cut) && model[cut..].starts_with('-') && is_date(&model[cut + 1..]) => {
            &model[..cut]
        }
        Some(_) | None => model,
    }
}

/// Returns arguments as JSON text of an object. What is none is wrapped, so that
/// the model sees what it wrote and the provider sees an object.
pub(crate) fn object_of(arguments: &str) -> Cow<'_, str> {
    let text = crate::draft::arguments(arguments);
    if text.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(serde_json::json!({ "invalid_arguments": text }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_and_its_snapshots_are_one_family() {
        for id in ["claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5@20250929"] {
            assert_eq!(family(id), "claude-sonnet-4-5");
        }
        assert_eq!(family("gpt-5.1-2025-11-13"), "gpt-5.1");
        assert_eq!(family("claude-3-5-haiku-latest"), "claude-3-5-haiku");
        assert_eq!(family("gpt-5-mini"), "gpt-5-mini");
        assert_ne!(family("claude-opus-4-8"), family("claude-opus-5"));
        assert_ne!(family("qwen3:8b"), family("qwen3:70b"));
    }

    #[test]
    fn arguments_that_are_no_object_are_wrapped() {
        assert_eq!(object_of(""), "{}");
        assert_eq!(object_of("{\"a\": 1e3}"), "{\"a\": 1e3}");
        assert_eq!(object_of("{\"a\":"), "{\"invalid_arguments\":\"{\\\"a\\\":\"}");
        assert_eq!(object_of("[1]"), "{\"invalid_arguments\":\"[1]\"}");
    }
}
