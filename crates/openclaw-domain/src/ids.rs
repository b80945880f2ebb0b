//! Identifiers. A raw string or integer never crosses a module boundary.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest accepted run, call, agent or session identifier, in bytes.
pub const ID_BYTES_MAX: usize = 512;

/// An identifier that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is empty.
    #[error("{what} is empty")]
    Empty {
        /// Which identifier was being parsed.
        what: &'static str,
    },
    /// The text is longer than [`ID_BYTES_MAX`].
    #[error("{what} is longer than {ID_BYTES_MAX} bytes")]
    TooLong {
        /// Which identifier was being parsed.
        what: &'static str,
    },
    /// The text holds a control character or has the wrong shape.
    #[error("{what} {text:?} is not of the form {form}")]
    Form {
        /// Which identifier was being parsed.
        what: &'static str,
        /// The offending text.
        text: String,
        /// What is expected.
        form: &'static str,
    },
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Returns the identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                check($what, text)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<Self, Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// One run of an agent. Clients choose it: it is the idempotency key of the request
    /// (`protocol.md` §1.7), so it is unique per session, not globally.
    RunId, "run id"
);
text_id!(
    /// One tool call of one assistant turn, as named by us (not by the provider).
    CallId, "call id"
);
text_id!(
    /// An agent instance that serves one request; letters, digits and `-`, fit to name a folder.
    InstanceId, "instance id"
);
text_id!(
    /// The uuid of a session's current conversation; a reset replaces it, the key stays.
    SessionId, "session id"
);

/// An agent's id: lower-case letters, digits, `_` and `-`, at most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentId(std::sync::Arc<str>);

impl AgentId {
    /// Returns the id of the default agent, `main`.
    pub fn main() -> Self {
        Self("main".into())
    }

    /// Returns the identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AgentId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        check("agent id", text)?;
        let lower = text.to_ascii_lowercase();
        let fits = lower.len() <= 64 && lower.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !fits {
            return Err(Error::Form { what: "agent id", text: text.to_owned(), form: "[a-z0-9_-]{1,64}" });
        }
        Ok(Self(lower.into()))
    }
}

impl TryFrom<String> for AgentId {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<AgentId> for String {
    fn from(id: AgentId) -> String {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a conversation lane: `agent:<agentId>:<rest>` (`protocol.md` §1.8).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionKey {
    text: std::sync::Arc<str>,
    agent: AgentId,
}

impl SessionKey {
    /// Returns `agent:<agent>:main`.
    pub fn main_of(agent: &AgentId) -> Self {
        Self { text: format!("agent:{agent}:main").into(), agent: agent.clone() }
    }

    /// Parses a full key, or completes a short one (`main`, `notes`) for `agent`.
    ///
    /// # Errors
    /// When the text is empty, too long, or holds control characters.
    pub fn resolve(text: &str, agent: &AgentId) -> Result<Self, Error> {
        if text.starts_with("agent:") {
            return text.parse();
        }
        format!("agent:{agent}:{text}").parse()
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the agent the key belongs to.
    pub fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// Returns what follows `agent:<id>:`.
    pub fn rest(&self) -> &str {
        self.text.splitn(3, ':').nth(2).unwrap_or("")
    }

    /// Tells whether this is the agent's main conversation.
    pub fn is_main(&self) -> bool {
        self.rest() == "main"
    }
}

impl FromStr for SessionKey {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        check("session key", text)?;
        let form = || Error::Form { what: "session key", text: text.to_owned(), form: "agent:<agentId>:<name>" };
        let mut parts = text.splitn(3, ':');
        let (Some("agent"), Some(agent), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(form());
        };
        if rest.is_empty() {
            return Err(form());
        }
        let agent: AgentId = agent.parse()?;
        Ok(Self { text: format!("agent:{agent}:{rest}").into(), agent })
    }
}

impl TryFrom<String> for SessionKey {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<SessionKey> for String {
    fn from(key: SessionKey) -> String {
        key.text.as_ref().to_owned()
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A point in time: milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Returns milliseconds since the Unix epoch.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Returns the time since `earlier`, zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> std::time::Duration {
        std::time::Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

/// Position of an event in its run's journal; the first event has 1 (invariant I1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// Returns the following position.
    #[must_use]
    pub fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

/// Fencing token of a run's owner; grows with every claim (invariant I2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

fn check(what: &'static str, text: &str) -> Result<(), Error> {
    if text.is_empty() {
        return Err(Error::Empty { what });
    }
    if text.len() > ID_BYTES_MAX {
        return Err(Error::TooLong { what });
    }
    if text.chars().any(char::is_control) {
        return Err(Error::Form { what, text: text.escape_debug().to_string(), form: "printable text" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_key_names_its_agent_and_its_rest() {
        let key: SessionKey = "agent:Main:explicit:notes".parse().unwrap();
        assert_eq!(
            (key.as_str(), key.agent().as_str(), key.rest()),
            ("agent:main:explicit:notes", "main", "explicit:notes")
        );
        assert!(SessionKey::main_of(&AgentId::main()).is_main());
    }

    #[test]
    fn a_short_name_is_completed_for_the_agent() {
        let key = SessionKey::resolve("notes", &AgentId::main()).unwrap();
        assert_eq!(key.as_str(), "agent:main:notes");
    }

    #[test]
    fn bad_identifiers_are_refused_with_the_expected_form() {
        for text in ["", "agent:main", "agent:main:", "main", "agent:a b:x", "agent:main:a\u{0}b"] {
            assert!(text.parse::<SessionKey>().is_err(), "{text:?}");
        }
        assert!("x".repeat(ID_BYTES_MAX + 1).parse::<RunId>().is_err());
    }
}
