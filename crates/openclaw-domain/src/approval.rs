//! A question to a person about one exact tool call.

use serde::{Deserialize, Serialize};

use crate::ids::{AgentId, RunId, SessionKey, Timestamp};
use crate::message::ToolCall;

/// A pending question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Id of the question.
    pub id: String,
    /// The call that waits, with its literal arguments.
    pub call: ToolCall,
    /// The run that waits.
    pub run: RunId,
    /// The session it works for.
    pub session: SessionKey,
    /// The agent that asks.
    pub agent: AgentId,
    /// The rule that made it ask.
    pub rule: String,
    /// Why a person is asked.
    pub reason: String,
    /// The directory a command would run in, for exec.
    #[serde(default)]
    pub cwd: Option<String>,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When the question lapses; `None` means it waits until answered.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

/// What a person, or the clock, answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// This call, once.
    AllowOnce,
    /// This call now, and the same call from the same agent later.
    AllowAlways,
    /// Not this call.
    Deny,
    /// Nobody answered in time. Not a refusal: it can be asked again.
    Expired,
}

/// A standing permission left by [`Decision::AllowAlways`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Id of the grant.
    pub id: String,
    /// The agent it is for.
    pub agent: AgentId,
    /// The tool it is for.
    pub tool: String,
    /// Hash of the tool name and literal arguments ([`crate::gate::digest`]), hex.
    pub digest: String,
    /// The arguments as shown to the person.
    pub arguments: String,
    /// Who gave it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}
