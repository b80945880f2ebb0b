//! A question to a person about a call whose outcome nobody recorded.
//!
//! It is asked when a program stopped between dispatching a call that must not
//! be repeated and recording its result (`durability.md` §3.4). While it is
//! open the run is in [`crate::run::Status::Attention`].

use serde::{Deserialize, Serialize};

use crate::ids::{AgentId, RunId, SessionKey, Timestamp};
use crate::message::ToolCall;

/// A pending question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Id of the question.
    pub id: String,
    /// The call, with its literal arguments.
    pub call: ToolCall,
    /// The run that waits.
    pub run: RunId,
    /// The session it works for.
    pub session: SessionKey,
    /// The agent that dispatched the call.
    pub agent: AgentId,
    /// When the call was dispatched.
    pub started_at: Timestamp,
    /// When the question was asked.
    pub asked_at: Timestamp,
}

/// What a person, a probe or a policy says about an unknown outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It happened; it is not done again.
    Happened,
    /// It did not happen; it may be done again.
    NotHappened,
    /// Nobody knows. The model is told so, and the same action stays blocked.
    Unknown,
}

impl Answer {
    /// All answers, in the order they are offered.
    pub const ALL: [Answer; 3] = [Answer::Happened, Answer::NotHappened, Answer::Unknown];

    /// Returns the answer's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Answer::Happened => "happened",
            Answer::NotHappened => "not-happened",
            Answer::Unknown => "unknown",
        }
    }

    /// Returns the answer of this name.
    pub fn from_name(name: &str) -> Option<Answer> {
        Answer::ALL.into_iter().find(|answer| answer.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::Answer;

    #[test]
    fn every_answer_is_found_by_its_name_and_nothing_else_is() {
        for answer in Answer::ALL {
            assert_eq!(Answer::from_name(answer.as_str()), Some(answer));
        }
        assert_eq!(Answer::from_name("maybe"), None);
    }
}
