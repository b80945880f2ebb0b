//! A conversation that cannot hold an orphan.
//!
//! A tool result exists only inside the call it answers ([`Block::Call`]), so a
//! result without a call cannot be expressed. The other half, a call without a
//! result, is legal while tools run; only a [`Prompt`] may be sent to a
//! provider, and one is made only when every call is answered (pain 14).

use serde::{Deserialize, Serialize};

use crate::compaction::Compaction;
use crate::ids::{CallId, Timestamp};
use crate::message::{AssistantTurn, Block, ToolResult, ToolStatus, UserTurn};

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Turn {
    /// Somebody spoke to the agent.
    User(UserTurn),
    /// The model answered.
    Assistant(AssistantTurn),
}

/// The turns of one session, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Conversation {
    turns: Vec<Turn>,
}

/// A call of the last turn that has no result yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tool call {0} has no result yet")]
pub struct Unanswered(pub CallId);

/// No open call has this id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no open tool call {0}")]
pub struct NoSuchCall(pub CallId);

impl Conversation {
    /// Makes a conversation of earlier turns, settling calls an earlier run left open.
    pub fn resume(turns: Vec<Turn>) -> Self {
        let mut conversation = Self { turns };
        conversation.settle("the run ended before this call did; whether it happened is not known");
        conversation
    }

    /// Returns the turns, oldest first.
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// Gives the turns away, oldest first.
    pub fn into_turns(self) -> Vec<Turn> {
        self.turns
    }

    /// Returns the turns from number `first` on, as they stand.
    pub fn since(&self, first: usize) -> Conversation {
        Self { turns: self.turns.get(first..).unwrap_or_default().to_vec() }
    }

    /// Puts earlier turns before these, settling calls an earlier run left open.
    /// Calls of these turns stay as they are.
    #[must_use]
    pub fn preceded_by(self, earlier: Vec<Turn>) -> Conversation {
        let mut conversation = Self::resume(earlier);
        conversation.turns.extend(self.turns);
        conversation
    }

    /// Adds what somebody said.
    pub fn say(&mut self, turn: UserTurn) {
        self.turns.push(Turn::User(turn));
    }

    /// Adds the model's answer.
    pub fn reply(&mut self, turn: AssistantTurn) {
        self.turns.push(Turn::Assistant(turn));
    }

    /// Records the result of an open call.
    ///
    /// # Errors
    /// When no open call has this id: it was never asked, or is answered already.
    pub fn answer(&mut self, id: &CallId, result: ToolResult) -> Result<(), NoSuchCall> {
        for turn in self.turns.iter_mut().rev() {
            let Turn::Assistant(assistant) = turn else { continue };
            if assistant.answer(id, result.clone()) {
                return Ok(());
            }
        }
        Err(NoSuchCall(id.clone()))
    }

    /// Answers every open call with `why`, so that the conversation can go on.
    pub fn settle(&mut self, why: &str) {
        for turn in &mut self.turns {
            let Turn::Assistant(assistant) = turn else { continue };
            for block in &mut assistant.blocks {
                if let Block::Call { result: result @ None, .. } = block {
                    *result = Some(ToolResult::notice(ToolStatus::Interrupted, why));
                }
            }
        }
    }

    /// Returns the first open call.
    pub fn open_call(&self) -> Option<&CallId> {
        self.turns.iter().find_map(|turn| match turn {
            Turn::Assistant(assistant) => {
                assistant.calls().find(|(_, result)| result.is_none()).map(|(call, _)| &call.id)
            }
            Turn::User(_) => None,
        })
    }

    /// Returns the conversation in the form that may be sent.
    ///
    /// # Errors
    /// When a call is still open.
    pub fn prompt(&self) -> Result<Prompt, Unanswered> {
        self.prompt_through(None)
    }

    /// Returns the conversation in the form that may be sent, older turns shown as a summary.
    ///
    /// # Errors
    /// When a call is still open.
    pub fn prompt_through(&self, compaction: Option<&Compaction>) -> Result<Prompt, Unanswered> {
        match self.open_call() {
            Some(id) => Err(Unanswered(id.clone())),
            None => Ok(Prompt { turns: self.view(compaction).iter().cloned().collect() }),
        }
    }

    /// Returns what a model is shown. A compaction that covers more turns than
    /// there are shows nothing as a summary: it is not about this conversation.
    pub fn view(&self, compaction: Option<&Compaction>) -> View<'_> {
        let Some(compaction) = compaction.filter(|compaction| (1..=self.turns.len()).contains(&compaction.turns))
        else {
            return View { summary: None, input: None, rest: &self.turns };
        };
        let (hidden, rest) = self.turns.split_at(compaction.turns);
        let is_input = |turn: &&Turn| matches!(turn, Turn::User(_));
        // What was said last is always shown word for word.
        let input = if rest.iter().any(|turn| is_input(&turn)) { None } else { hidden.iter().rev().find(is_input) };
        let at = hidden.last().map_or(Timestamp(0), Turn::at);
        View { summary: Some(Turn::User(compaction.summary.turn(at))), input, rest }
    }
}

impl Turn {
    /// Returns when it was said.
    pub fn at(&self) -> Timestamp {
        match self {
            Turn::User(turn) => turn.at,
            Turn::Assistant(turn) => turn.at,
        }
    }
}

/// The turns of a conversation that a model is shown.
#[derive(Debug, Clone)]
pub struct View<'a> {
    summary: Option<Turn>,
    /// The newest input, when the summary covers it.
    input: Option<&'a Turn>,
    rest: &'a [Turn],
}

impl View<'_> {
    /// Iterates over the turns, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Turn> {
        self.summary.iter().chain(self.input).chain(self.rest)
    }
}

/// A conversation in which every call is answered: the only thing a provider is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    turns: Vec<Turn>,
}

impl Prompt {
    /// Returns the turns, oldest first.
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Timestamp;
    use crate::message::ToolCall;
    use crate::model::{ModelRef, StopReason};

    fn asking(id: &str) -> AssistantTurn {
        let call =
            ToolCall { id: id.parse().unwrap(), provider_id: id.into(), name: "read".into(), arguments: "{}".into() };
        AssistantTurn {
            blocks: vec![Block::Call { call, result: None }],
            model: ModelRef::new("p", "m"),
            stop: StopReason::ToolUse,
            native: None,
            at: Timestamp(0),
        }
    }

    #[test]
    fn an_open_call_cannot_be_sent_and_an_answered_one_can() {
        let mut conversation = Conversation::default();
        conversation.say(UserTurn::owner("hi", Timestamp(0)));
        conversation.reply(asking("c1"));
        assert_eq!(conversation.prompt(), Err(Unanswered("c1".parse().unwrap())));
        conversation.answer(&"c1".parse().unwrap(), ToolResult::notice(ToolStatus::Ok, "done")).unwrap();
        assert_eq!(conversation.prompt().unwrap().turns().len(), 2);
    }

    #[test]
    fn a_result_without_a_call_is_refused() {
        let mut conversation = Conversation::default();
        let id: CallId = "c9".parse().unwrap();
        assert_eq!(conversation.answer(&id, ToolResult::notice(ToolStatus::Ok, "x")), Err(NoSuchCall(id)));
    }

    fn compaction(turns: usize) -> Compaction {
        let summary = crate::compaction::Summary { gist: "they talked".into(), ..Default::default() };
        Compaction { turns, through: turns as u64, summary, tokens: None }
    }

    fn texts(conversation: &Conversation, compaction: &Compaction) -> Vec<String> {
        let prompt = conversation.prompt_through(Some(compaction)).unwrap();
        let text = |turn: &Turn| match turn {
            Turn::User(turn) => turn.text(),
            Turn::Assistant(turn) => turn.calls().map(|(call, _)| call.id.to_string()).collect(),
        };
        prompt.turns().iter().map(text).collect()
    }

    #[test]
    fn a_summary_stands_for_the_first_turns_and_the_newest_input_is_shown_word_for_word() {
        let mut conversation = Conversation::default();
        conversation.say(UserTurn::owner("old", Timestamp(0)));
        conversation.say(UserTurn::owner("new", Timestamp(1)));
        for id in ["c1", "c2"] {
            conversation.reply(asking(id));
            conversation.answer(&id.parse().unwrap(), ToolResult::notice(ToolStatus::Ok, "done")).unwrap();
        }
        let shown = texts(&conversation, &compaction(1));
        assert!(shown[0].contains("they talked") && shown[0].contains("not new instructions"), "{shown:?}");
        assert_eq!(shown[1..], ["new", "c1", "c2"]);
        // The input is older than the summarised calls and is shown all the same.
        assert_eq!(texts(&conversation, &compaction(3))[1..], ["new", "c2"]);
        assert_eq!(conversation.turns().len(), 4, "the turns themselves stay");
    }

    #[test]
    fn a_compaction_of_more_turns_than_there_are_hides_nothing() {
        let mut conversation = Conversation::default();
        conversation.say(UserTurn::owner("only", Timestamp(0)));
        assert_eq!(texts(&conversation, &compaction(2)), ["only"]);
    }

    #[test]
    fn resuming_settles_calls_that_were_left_open() {
        let conversation = Conversation::resume(vec![Turn::Assistant(asking("c1"))]);
        assert_eq!(conversation.open_call(), None);
    }
}
