//! A conversation that cannot hold an orphan.
//!
//! A tool result exists only inside the call it answers ([`Block::Call`]), so a
//! result without a call cannot be expressed. The other half, a call without a
//! result, is legal while tools run; only a [`Prompt`] may be sent to a
//! provider, and one is made only when every call is answered (pain 14).

use serde::{Deserialize, Serialize};

use crate::ids::CallId;
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
        match self.open_call() {
            Some(id) => Err(Unanswered(id.clone())),
            None => Ok(Prompt { turns: self.turns.clone() }),
        }
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

    #[test]
    fn resuming_settles_calls_that_were_left_open() {
        let conversation = Conversation::resume(vec![Turn::Assistant(asking("c1"))]);
        assert_eq!(conversation.open_call(), None);
    }
}
