//! What is being worked on: the messages and calls since the last complete answer.

use openclaw_domain::message::{AssistantTurn, ToolResult, ToolStatus};
use openclaw_domain::{ToolCall, Turn, UserTurn};

use crate::offline::language::Language;
use crate::offline::request::{self, Request};

/// The turns since the last complete answer.
pub(super) struct Episode<'a> {
    asked: Vec<&'a UserTurn>,
    answered: Vec<&'a AssistantTurn>,
}

impl<'a> Episode<'a> {
    /// Splits the turns: what came before, and what is being worked on.
    ///
    /// Messages that arrived while tools ran belong to the work. A message that
    /// was never worked on does not come back with the next one, nor does work
    /// that was interrupted: the person may have changed their mind.
    pub(super) fn of(turns: &'a [Turn]) -> (&'a [Turn], Self) {
        let is_end = |turn: &Turn| match turn {
            Turn::User(_) => false,
            Turn::Assistant(assistant) => {
                assistant.calls().next().is_none() || assistant.calls().any(|(_, result)| was_interrupted(result))
            }
        };
        let after_end = turns.iter().rposition(is_end).map_or(0, |index| index + 1);
        let work = turns[after_end..].iter().position(|turn| matches!(turn, Turn::Assistant(_)));
        let first_work = after_end + work.unwrap_or(turns.len() - after_end);
        let start = first_work.saturating_sub(1).max(after_end);
        let mut episode = Self { asked: Vec::new(), answered: Vec::new() };
        for turn in &turns[start..] {
            match turn {
                Turn::User(user) => episode.asked.push(user),
                Turn::Assistant(assistant) => episode.answered.push(assistant),
            }
        }
        (&turns[..start], episode)
    }

    /// Joins what was asked into one request, in the language of the last message.
    pub(super) fn request(&self) -> Request {
        let mut whole = Request { language: Language::English, tasks: Vec::new(), unknown: Vec::new() };
        for (index, user) in self.asked.iter().enumerate() {
            let mut part = request::parse(&user.text());
            if let Some(first) = part.tasks.first_mut().filter(|_| index > 0) {
                first.is_after = true;
            }
            whole.language = part.language;
            whole.tasks.append(&mut part.tasks);
            whole.unknown.append(&mut part.unknown);
        }
        whole
    }

    pub(super) fn calls(&self) -> Vec<Answered<'a>> {
        let calls = self.answered.iter().flat_map(|turn| turn.calls());
        let answered =
            calls.filter_map(|(call, result)| result.map(|result| Answered { call, result, is_used: false }));
        answered.collect()
    }
}

fn was_interrupted(result: Option<&ToolResult>) -> bool {
    result.is_some_and(|result| result.status == ToolStatus::Interrupted)
}

/// A call of this episode and its result.
pub(super) struct Answered<'a> {
    pub(super) call: &'a ToolCall,
    pub(super) result: &'a ToolResult,
    /// Whether a task has taken the result.
    pub(super) is_used: bool,
}
