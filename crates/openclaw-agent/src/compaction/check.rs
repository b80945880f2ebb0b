//! What a summary must keep to before it stands in for anything (pain 13).

use openclaw_domain::compaction::Summary;
use openclaw_domain::message::plain_text;
use openclaw_domain::{Origin, Turn};
use serde_json::Value;

use super::{estimate, words};

/// The part of a request that a summary must show.
pub(super) const ASK_BYTES_MAX: usize = 400;

/// How many of a request's telling words make it recognisable, in percent.
const SHOWN_PERCENT: usize = 60;

/// What is wrong with a summary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the answer is not the JSON object that was asked for: {0}")]
    Form(String),
    #[error("{field} names {token:?}, which does not stand in the conversation")]
    Invented { field: &'static str, token: String },
    #[error("open_asks does not show the request {0:?}")]
    Missing(String),
    #[error("the notes are {bytes} bytes, more than {max}")]
    TooLong { bytes: usize, max: usize },
    #[error("the notes are not shorter than what they stand for")]
    NotShorter,
}

/// What is summarised, as text to look things up in.
pub(super) struct Originals {
    text: String,
    /// Beginnings of requests that were not answered.
    pub(super) asks: Vec<String>,
    /// Estimated tokens of all of it.
    tokens: u64,
}

impl Originals {
    /// Reads turns, and the summary that stood for even earlier ones. `after`
    /// are the turns that follow: what they answer is not open.
    pub(super) fn of(turns: &[Turn], after: &[Turn], previous: Option<&Summary>) -> Self {
        let mut text = previous.map(Summary::render).unwrap_or_default();
        for turn in turns {
            read(turn, &mut text);
        }
        let shown = previous.map_or(0, |previous| estimate::bytes(previous.render().len()));
        // Excerpts stand on one line, so names are looked up on one line as well.
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        text.push_str(&line);
        Self { text, asks: unanswered(turns, after), tokens: shown + estimate::turns(turns.iter()) }
    }

    /// Checks all rules.
    ///
    /// # Errors
    /// The first that is broken.
    pub(super) fn check(&self, summary: &Summary, bytes_max: usize) -> Result<(), Fault> {
        let bytes = size(summary);
        if bytes > bytes_max {
            return Err(Fault::TooLong { bytes, max: bytes_max });
        }
        if estimate::bytes(summary.render().len()) >= self.tokens {
            return Err(Fault::NotShorter);
        }
        if let Some(ask) = self.asks.iter().find(|ask| !is_shown(ask, &summary.open_asks)) {
            return Err(Fault::Missing(ask.clone()));
        }
        self.vouch(summary)
    }

    /// Checks that nothing is named that does not stand in the originals.
    ///
    /// # Errors
    /// [`Fault::Invented`].
    pub(super) fn vouch(&self, summary: &Summary) -> Result<(), Fault> {
        for (field, items) in [("open_asks", &summary.open_asks), ("commitments", &summary.commitments)] {
            let tokens = items.iter().flat_map(|item| words::identifiers(item));
            if let Some(token) = tokens.into_iter().find(|token| !self.text.contains(*token)) {
                return Err(Fault::Invented { field, token: token.to_owned() });
            }
        }
        match summary.identifiers.iter().find(|identifier| !self.text.contains(identifier.as_str())) {
            Some(invented) => Err(Fault::Invented { field: "identifiers", token: invented.clone() }),
            None => Ok(()),
        }
    }
}

/// Returns how large a summary is, as it is sent back to be carried on.
pub(super) fn size(summary: &Summary) -> usize {
    serde_json::to_string(summary).map_or(usize::MAX, |json| json.len())
}

/// Adds all that was said in a turn, arguments of calls also without their JSON escapes.
fn read(turn: &Turn, text: &mut String) {
    let mut add = |more: &str| {
        text.push_str(more);
        text.push('\n');
    };
    match turn {
        Turn::User(turn) => add(&turn.text()),
        Turn::Assistant(turn) => {
            add(&turn.text());
            for (call, result) in turn.calls() {
                add(&call.name);
                add(&call.arguments);
                if let Ok(arguments) = serde_json::from_str(&call.arguments) {
                    strings(&arguments, &mut add);
                }
                if let Some(result) = result {
                    add(&plain_text(&result.parts));
                }
            }
        }
    }
}

fn strings(value: &Value, add: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => add(text),
        Value::Array(items) => items.iter().for_each(|item| strings(item, add)),
        Value::Object(fields) => fields.values().for_each(|field| strings(field, add)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Finds requests that no finished answer follows: text without further calls
/// answers all that was asked before it.
fn unanswered(turns: &[Turn], after: &[Turn]) -> Vec<String> {
    let is_answer = |turn: &Turn| match turn {
        Turn::User(_) => false,
        Turn::Assistant(turn) => turn.calls().next().is_none() && !turn.text().trim().is_empty(),
    };
    if after.iter().any(is_answer) {
        return Vec::new();
    }
    let mut waiting = Vec::new();
    for turn in turns {
        match turn {
            Turn::User(turn) if turn.origin == Origin::System => {}
            Turn::User(turn) => waiting.push(words::beginning(&turn.text(), ASK_BYTES_MAX)),
            answer if is_answer(answer) => waiting.clear(),
            Turn::Assistant(_) => {}
        }
    }
    waiting.retain(|ask| !words::telling(ask).is_empty());
    waiting
}

/// Tells whether one of the items is recognisably the request.
fn is_shown(ask: &str, items: &[String]) -> bool {
    let wanted = words::telling(ask);
    items.iter().any(|item| {
        let said = words::telling(item);
        let shown = wanted.iter().filter(|word| said.binary_search(word).is_ok()).count();
        shown * 100 >= wanted.len() * SHOWN_PERCENT
    })
}
