//! Operator scopes.

use serde::{Deserialize, Serialize};

/// What an operator may do. `Admin` implies all others; `Write` implies `Read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// Everything.
    #[serde(rename = "operator.admin")]
    Admin,
    /// Look.
    #[serde(rename = "operator.read")]
    Read,
    /// Talk to agents and send.
    #[serde(rename = "operator.write")]
    Write,
    /// Answer approvals.
    #[serde(rename = "operator.approvals")]
    Approvals,
    /// Answer an agent's questions.
    #[serde(rename = "operator.questions")]
    Questions,
    /// Pair devices and nodes.
    #[serde(rename = "operator.pairing")]
    Pairing,
    /// Voice.
    #[serde(rename = "operator.talk")]
    Talk,
    /// Publish from sessions.
    #[serde(rename = "operator.sessions.write")]
    SessionsWrite,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Scope; 8] = [
        Scope::Admin,
        Scope::Read,
        Scope::Write,
        Scope::Approvals,
        Scope::Questions,
        Scope::Pairing,
        Scope::Talk,
        Scope::SessionsWrite,
    ];

    /// Returns the scope's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Admin => "operator.admin",
            Scope::Read => "operator.read",
            Scope::Write => "operator.write",
            Scope::Approvals => "operator.approvals",
            Scope::Questions => "operator.questions",
            Scope::Pairing => "operator.pairing",
            Scope::Talk => "operator.talk",
            Scope::SessionsWrite => "operator.sessions.write",
        }
    }

    /// Parses a name; `None` for one that is not known.
    pub fn parse(name: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.as_str() == name)
    }

    /// Tells whether holding this scope satisfies `required`.
    pub fn covers(self, required: Scope) -> bool {
        self == required || self == Scope::Admin || (self == Scope::Write && required == Scope::Read)
    }
}
