//! An assistant turn while it arrives.
//!
//! Every dialect's decoder writes into one of these and gets a complete turn out
//! of it, so that the rules about calls (empty arguments, cut calls, stop
//! reasons) stand in one place. Refuses to keep a call that was cut by the
//! output limit. Called by the decoders under `dialect`.

use std::collections::VecDeque;

use openclaw_domain::message::{AssistantTurn, Block, Native};
use openclaw_domain::model::{ModelEvent, ModelRef, StopReason};
use openclaw_domain::{CallId, Timestamp, ToolCall};

use crate::names::Names;

/// Most bytes told as one event, unless they came as one.
const TOLD_BYTES_MAX: usize = 4 * 1024;

/// Events on their way out.
pub(crate) type Out = VecDeque<ModelEvent>;

/// One block that may still grow.
#[derive(Debug)]
enum Piece {
    Text(String),
    Thinking(String),
    Call(Asked),
}

/// A call whose arguments may still be arriving.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// The provider's id; empty when it gave none.
    pub(crate) id: String,
    /// The tool's name as the provider wrote it.
    pub(crate) name: String,
    /// JSON text so far.
    pub(crate) arguments: String,
    /// The provider said that the arguments are complete.
    pub(crate) is_closed: bool,
}

/// The turn so far.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pieces: Vec<Piece>,
}

/// What a finished draft is completed with.
pub(crate) struct Ending<'a> {
    pub(crate) stop: StopReason,
    pub(crate) model: &'a ModelRef,
    pub(crate) names: &'a Names,
    pub(crate) native: Option<Native>,
    pub(crate) at: Timestamp,
}

impl Draft {
    /// Adds visible text to the open text block, or begins one.
    pub(crate) fn text(&mut self, delta: &str, out: &mut Out) {
        if delta.is_empty() {
            return;
        }
        match self.pieces.last_mut() {
            Some(Piece::Text(text)) => text.push_str(delta),
            Some(Piece::Thinking(_) | Piece::Call(_)) | None => self.pieces.push(Piece::Text(delta.to_owned())),
        }
        tell_text(delta, out);
    }

    /// Adds visible reasoning to the open thinking block, or begins one.
    pub(crate) fn thinking(&mut self, delta: &str, out: &mut Out) {
        if delta.is_empty() {
            return;
        }
        match self.pieces.last_mut() {
            Some(Piece::Thinking(text)) => text.push_str(delta),
            Some(Piece::Text(_) | Piece::Call(_)) | None => self.pieces.push(Piece::Thinking(delta.to_owned())),
        }
        tell_thinking(delta, out);
    }

    /// Begins a text block of its own and returns its place.
    pub(crate) fn begin_text(&mut self) -> usize {
        self.pieces.push(Piece::Text(String::new()));
        self.pieces.len() - 1
    }

    /// Begins a thinking block of its own and returns its place.
    pub(crate) fn begin_thinking(&mut self) -> usize {
        self.pieces.push(Piece::Thinking(String::new()));
        self.pieces.len() - 1
    }

    /// Adds to the text or thinking block at `place`, whatever is open meanwhile.
    pub(crate) fn append(&mut self, place: usize, delta: &str, out: &mut Out) {
        match self.pieces.get_mut(place) {
            Some(Piece::Text(text)) if !delta.is_empty() => {
                text.push_str(delta);
                tell_text(delta, out);
            }
            Some(Piece::Thinking(text)) if !delta.is_empty() => {
                text.push_str(delta);
                tell_thinking(delta, out);
            }
            Some(Piece::Text(_) | Piece::Thinking(_) | Piece::Call(_)) | None => {}
        }
    }

    /// Begins a call and returns its place.
    pub(crate) fn begin_call(&mut self, asked: Asked) -> usize {
        self.pieces.push(Piece::Call(asked));
        self.pieces.len() - 1
    }

    /// Returns the text or thinking at `place`.
    pub(crate) fn text_at(&self, place: usize) -> Option<&str> {
        match self.pieces.get(place) {
            Some(Piece::Text(text) | Piece::Thinking(text)) => Some(text),
            Some(Piece::Call(_)) | None => None,
        }
    }

    /// Returns the call at `place`.
    pub(crate) fn call(&self, place: usize) -> Option<&Asked> {
        match self.pieces.get(place) {
            Some(Piece::Call(asked)) => Some(asked),
            Some(Piece::Text(_) | Piece::Thinking(_)) | None => None,
        }
    }

    /// Returns the call at `place`, to add to it.
    pub(crate) fn call_mut(&mut self, place: usize) -> Option<&mut Asked> {
        match self.pieces.get_mut(place) {
            Some(Piece::Call(asked)) => Some(asked),
            Some(Piece::Text(_) | Piece::Thinking(_)) | None => None,
        }
    }

    /// Iterates over the calls in order.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &Asked> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Call(asked) => Some(asked),
            Piece::Text(_) | Piece::Thinking(_) => None,
        })
    }

    /// Iterates over the calls that may run, in order, when the turn stopped for `stop`.
    pub(crate) fn kept_calls(&self, stop: StopReason) -> impl Iterator<Item = &Asked> {
        self.calls().filter(move |asked| is_kept(asked, stop))
    }

    /// Returns the visible text so far.
    pub(crate) fn visible(&self) -> String {
        let texts = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Thinking(_) | Piece::Call(_) => None,
        });
        texts.collect()
    }

    /// Returns the visible reasoning so far.
    pub(crate) fn thought(&self) -> String {
        let texts = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Thinking(text) => Some(text.as_str()),
            Piece::Text(_) | Piece::Call(_) => None,
        });
        texts.collect()
    }

    /// Completes the turn.
    pub(crate) fn finish(self, ending: Ending<'_>) -> AssistantTurn {
        let mut blocks = Vec::with_capacity(self.pieces.len());
        for piece in self.pieces {
            match piece {
                Piece::Text(text) if text.is_empty() => {}
                Piece::Text(text) => blocks.push(Block::Text { text }),
                Piece::Thinking(text) => blocks.push(Block::Thinking { text }),
                Piece::Call(asked) if is_kept(&asked, ending.stop) => {
                    blocks.push(Block::Call { call: call_of(asked, ending.names), result: None });
                }
                Piece::Call(_) => {}
            }
        }
        let has_calls = blocks.iter().any(|block| matches!(block, Block::Call { .. }));
        let stop = match ending.stop {
            StopReason::EndTurn | StopReason::StopSequence if has_calls => StopReason::ToolUse,
            StopReason::ToolUse if !has_calls => StopReason::EndTurn,
            other => other,
        };
        AssistantTurn { blocks, model: ending.model.clone(), stop, native: ending.native, at: ending.at }
    }
}

/// Tells of visible text. What arrived together is told together: whoever relays
/// it pays for each event, and a reader cannot tell two of the same instant apart.
fn tell_text(delta: &str, out: &mut Out) {
    match out.back_mut() {
        Some(ModelEvent::Text(text)) if text.len() + delta.len() <= TOLD_BYTES_MAX => text.push_str(delta),
        _ => out.push_back(ModelEvent::Text(delta.to_owned())),
    }
}

/// As [`tell_text`], for visible reasoning.
fn tell_thinking(delta: &str, out: &mut Out) {
    match out.back_mut() {
        Some(ModelEvent::Thinking(text)) if text.len() + delta.len() <= TOLD_BYTES_MAX => text.push_str(delta),
        _ => out.push_back(ModelEvent::Thinking(delta.to_owned())),
    }
}

/// A call survives unless it has no name, or the output limit may have cut it.
fn is_kept(asked: &Asked, stop: StopReason) -> bool {
    if asked.name.is_empty() {
        return false;
    }
    match stop {
        StopReason::MaxTokens | StopReason::ContextFull | StopReason::Refusal => {
            asked.is_closed && serde_json::from_str::<serde::de::IgnoredAny>(arguments(&asked.arguments)).is_ok()
        }
        StopReason::EndTurn | StopReason::ToolUse | StopReason::StopSequence | StopReason::Pause => true,
    }
}

fn call_of(asked: Asked, names: &Names) -> ToolCall {
    let arguments = match arguments(&asked.arguments) {
        same if same.len() == asked.arguments.len() => asked.arguments,
        other => other.to_owned(),
    };
    ToolCall { id: new_call_id(), provider_id: asked.id, name: names.original(&asked.name).to_owned(), arguments }
}

/// Makes an id that every dialect takes.
#[expect(clippy::expect_used, reason = "the text is neither empty nor long and holds no control character")]
fn new_call_id() -> CallId {
    format!("call_{}", uuid::Uuid::new_v4().simple()).parse().expect("a call id of hex digits is valid")
}

/// Returns the arguments without the noise some servers add: nothing at all,
/// `null`, and an empty object before the real one.
pub(crate) fn arguments(text: &str) -> &str {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed == "null" {
        return "{}";
    }
    if let Some(rest) = trimmed.strip_prefix("{}")
        && rest.trim_start().starts_with('{')
    {
        return rest.trim_start();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(stop: StopReason, calls: Vec<Asked>) -> AssistantTurn {
        let mut draft = Draft::default();
        for call in calls {
            draft.begin_call(call);
        }
        let model = ModelRef::new("p", "m");
        draft.finish(Ending { stop, model: &model, names: &Names::default(), native: None, at: Timestamp(0) })
    }

    fn asked(arguments: &str, is_closed: bool) -> Asked {
        Asked { id: "x".into(), name: "read".into(), arguments: arguments.into(), is_closed }
    }

    #[test]
    fn absent_arguments_are_an_empty_object_and_invalid_ones_are_kept() {
        for (text, expected) in
            [("", "{}"), ("null", "{}"), ("{}", "{}"), ("{}{\"a\":1}", "{\"a\":1}"), ("{\"a\":", "{\"a\":")]
        {
            let turn = finish(StopReason::ToolUse, vec![asked(text, true)]);
            assert_eq!(turn.calls().next().unwrap().0.arguments, expected, "{text:?}");
        }
    }

    #[test]
    fn a_call_cut_by_the_output_limit_is_dropped_and_a_whole_one_is_kept() {
        let count = |call| finish(StopReason::MaxTokens, vec![call]).calls().count();
        assert_eq!(count(asked("{\"a\":1}", true)), 1);
        assert_eq!(count(asked("{\"a\":1}", false)), 0);
        assert_eq!(count(asked("{\"a\":", true)), 0);
    }

    #[test]
    fn what_arrived_together_is_told_together_and_nothing_else_is() {
        let (mut draft, mut out) = (Draft::default(), Out::new());
        let text = |text: &str| ModelEvent::Text(text.to_owned());
        draft.thinking("hm", &mut out);
        draft.thinking("m", &mut out);
        draft.text("a", &mut out);
        draft.text("b", &mut out);
        assert_eq!(out.drain(..).collect::<Vec<_>>(), [ModelEvent::Thinking("hmm".to_owned()), text("ab")]);
        draft.text("c", &mut out);
        assert_eq!(out, [text("c")], "what was told already stays told");
        draft.text(&"d".repeat(TOLD_BYTES_MAX), &mut out);
        assert_eq!(out, [text("c"), text(&"d".repeat(TOLD_BYTES_MAX))]);
        assert_eq!(draft.visible().len(), 3 + TOLD_BYTES_MAX);
    }

    #[test]
    fn the_stop_reason_follows_the_calls() {
        assert_eq!(finish(StopReason::EndTurn, vec![asked("", true)]).stop, StopReason::ToolUse);
        assert_eq!(finish(StopReason::ToolUse, vec![]).stop, StopReason::EndTurn);
    }
}
