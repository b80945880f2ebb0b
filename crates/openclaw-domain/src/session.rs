//! A conversation lane: its life, its transcript and where replies go.

use serde::{Deserialize, Serialize};

use crate::conversation::Turn;
use crate::ids::{RunId, SessionId, SessionKey, Timestamp};
use crate::model::{ModelRef, Thinking, Usage};

/// A session as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its name.
    pub key: SessionKey,
    /// The uuid of the current conversation.
    pub id: SessionId,
    /// Where it is in its life (E1).
    pub state: SessionState,
    /// A name given by a person.
    pub label: Option<String>,
    /// Model override.
    pub model: Option<ModelRef>,
    /// Thinking override.
    pub thinking: Option<Thinking>,
    /// Kept at the top of lists.
    pub is_pinned: bool,
    /// Shown as unread.
    pub is_unread: bool,
    /// Where replies go (E3).
    pub delivery: Delivery,
    /// Tokens and money since the last reset.
    pub usage: Usage,
    /// Number of transcript entries of the current conversation.
    pub entries: u64,
    /// Highest entry number ever given out; numbers survive resets.
    pub head: u64,
    /// Grows with every change of this record, for compare-and-swap.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Life of a session (E1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SessionState {
    /// Made, nothing said yet.
    Created,
    /// In use.
    Active,
    /// Idle or suspended; input wakes it.
    Paused,
    /// Being loaded after a pause or a restart.
    Resuming,
    /// Being closed; running work is stopping.
    Closing,
    /// Archived. Reopening goes through `Resuming`.
    Closed,
}

/// A transition that is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session cannot go from {from} to {to}")]
pub struct IllegalTransition {
    /// The state it is in.
    pub from: SessionState,
    /// The state that was asked for.
    pub to: SessionState,
}

impl SessionState {
    /// All states in order.
    pub const ALL: [SessionState; 6] = [
        SessionState::Created,
        SessionState::Active,
        SessionState::Paused,
        SessionState::Resuming,
        SessionState::Closing,
        SessionState::Closed,
    ];

    /// Returns the state's name.
    pub fn as_str(self) -> &'static str {
        match self {
            SessionState::Created => "CREATED",
            SessionState::Active => "ACTIVE",
            SessionState::Paused => "PAUSED",
            SessionState::Resuming => "RESUMING",
            SessionState::Closing => "CLOSING",
            SessionState::Closed => "CLOSED",
        }
    }

    /// Checks a transition.
    ///
    /// # Errors
    /// When the state machine has no such edge. Staying is not an edge.
    pub fn to(self, to: SessionState) -> Result<SessionState, IllegalTransition> {
        use SessionState::{Active, Closed, Closing, Created, Paused, Resuming};
        let allowed = matches!(
            (self, to),
            (Created, Active | Closing)
                | (Active, Paused | Closing)
                | (Paused, Resuming | Closing)
                | (Resuming, Active | Paused | Closing)
                | (Closing, Closed)
                | (Closed, Resuming)
        );
        if allowed { Ok(to) } else { Err(IllegalTransition { from: self, to }) }
    }
}

impl std::fmt::Display for SessionState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the last message came from, and so where a reply goes (E3).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Delivery {
    /// The channel.
    pub last_channel: Option<String>,
    /// The peer.
    pub last_to: Option<String>,
    /// The account the message arrived at.
    pub last_account_id: Option<String>,
    /// The thread within the chat.
    pub last_thread_id: Option<String>,
}

/// One line of a transcript.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Number within the session, from 1, never reused.
    pub n: u64,
    /// The run that wrote it; `None` for injected notes.
    pub run: Option<RunId>,
    /// What was said.
    pub turn: Turn,
    /// When.
    pub at: Timestamp,
}

/// Which sessions to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionQuery {
    /// Only of this agent.
    pub agent: Option<crate::ids::AgentId>,
    /// Only whose key or label holds this text (case-insensitive).
    pub search: Option<String>,
    /// Archived ones instead of live ones.
    pub archived: bool,
    /// How many to skip.
    pub offset: usize,
    /// At most this many.
    pub limit: usize,
}

/// A page of sessions, newest change first, pinned ones on top.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<Session>,
    /// How many match in all.
    pub total: usize,
}

/// Which entries of a transcript to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EntryQuery {
    /// Only entries with a greater number.
    pub after: u64,
    /// Only entries with a smaller number; 0 means no bound.
    pub before: u64,
    /// At most this many, the newest ones; 0 means all.
    pub limit: usize,
}

/// A page of a transcript, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EntryPage {
    /// The entries.
    pub entries: Vec<Entry>,
    /// How many the current conversation has in all.
    pub total: u64,
}

/// A change of a session record.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionChange {
    /// Sets fields; `None` leaves one alone, `Some(None)` clears it.
    Patch(SessionPatch),
    /// Moves along the state machine.
    Transition(SessionState),
    /// Records where a message came from.
    Deliver(Delivery),
    /// Starts a new conversation under the same key; the old one is kept.
    Reset,
    /// Adds a note to the transcript without a run.
    Inject(Turn),
    /// Removes the session, and its transcript when asked.
    Delete {
        /// Also remove the entries.
        transcript: bool,
    },
}

/// Fields of a session a person can set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SessionPatch {
    /// The name.
    pub label: Option<Option<String>>,
    /// The model override.
    pub model: Option<Option<ModelRef>>,
    /// The thinking override.
    pub thinking: Option<Option<Thinking>>,
    /// Whether it is kept at the top.
    pub is_pinned: Option<bool>,
    /// Whether it shows as unread.
    pub is_unread: Option<bool>,
}

/// Whom a variable belongs to (E4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "scope", content = "owner", rename_all = "snake_case")]
pub enum Scope {
    /// One session.
    Session(SessionKey),
    /// All sessions of one agent.
    Agent(crate::ids::AgentId),
    /// Everybody.
    Global,
}

/// Largest variable value, in bytes of JSON text.
pub const VARIABLE_BYTES_MAX: usize = 64 * 1024;

/// Most variables of one scope.
pub const VARIABLES_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::SessionState::{self, Active, Closed, Closing, Created, Paused, Resuming};

    #[test]
    fn only_the_drawn_edges_are_legal() {
        let legal = [
            (Created, Active),
            (Created, Closing),
            (Active, Paused),
            (Active, Closing),
            (Paused, Resuming),
            (Paused, Closing),
            (Resuming, Active),
            (Resuming, Paused),
            (Resuming, Closing),
            (Closing, Closed),
            (Closed, Resuming),
        ];
        for from in SessionState::ALL {
            for to in SessionState::ALL {
                assert_eq!(from.to(to).is_ok(), legal.contains(&(from, to)), "{from} -> {to}");
            }
        }
    }
}
