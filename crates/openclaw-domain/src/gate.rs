//! The one way to a running tool.
//!
//! `Tool::run` takes a [`Permit`]. The only function that makes one is
//! [`admit`], and only upon [`Verdict::Allow`]. A permit owns the exact call it
//! was made for and is consumed by running it, so arguments changed after a
//! verdict, or a second run, do not compile. `impl Gate` is allowed in crates
//! `security` and `testkit` only (`cargo xtask tidy`).

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::approval::Decision;
use crate::ids::{AgentId, RunId, SessionKey};
use crate::message::ToolCall;
use crate::ports::Gate;
use crate::tool::{Capability, Effect};

/// A request to run one tool call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The call, with its literal arguments.
    pub call: ToolCall,
    /// What the tool touches.
    pub capability: Capability,
    /// What a second dispatch would do.
    pub effect: Effect,
    /// The agent that asks.
    pub agent: AgentId,
    /// The session it works for.
    pub session: SessionKey,
    /// The run it belongs to.
    pub run: RunId,
    /// A person's answer to an earlier [`Verdict::Ask`] about this very call.
    pub evidence: Option<Evidence>,
}

impl Request {
    /// Returns the hash an approval binds to: tool name and literal arguments.
    pub fn digest(&self) -> [u8; 32] {
        digest(&self.call.name, &self.call.arguments)
    }
}

/// Hashes a tool name and its literal arguments.
pub fn digest(tool: &str, arguments: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((tool.len() as u64).to_be_bytes());
    hash.update(tool.as_bytes());
    hash.update(arguments.as_bytes());
    hash.finalize().into()
}

/// A person's answer, bound to the call it was given for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The approval it answers.
    pub approval: String,
    /// What was decided.
    pub decision: Decision,
    /// Who decided.
    pub by: String,
    /// [`Request::digest`] of the call that was shown.
    pub digest: [u8; 32],
}

/// What a gate says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Run it.
    Allow,
    /// Do not run it; the model is told why.
    Deny {
        /// The rule that decided.
        rule: String,
        /// A sentence for the model and the person.
        reason: String,
    },
    /// A person must decide.
    Ask {
        /// The rule that decided.
        rule: String,
        /// Why a person is asked.
        reason: String,
    },
}

/// What [`admit`] gives back.
#[derive(Debug)]
pub enum Admission {
    /// The call may run, once.
    Allow(Permit),
    /// The call is refused.
    Deny {
        /// The rule that decided.
        rule: String,
        /// A sentence for the model and the person.
        reason: String,
    },
    /// A person must decide first.
    Ask {
        /// The rule that decided.
        rule: String,
        /// Why a person is asked.
        reason: String,
    },
}

/// The right to run one exact tool call, once.
#[derive(Debug)]
pub struct Permit {
    request: Request,
}

impl Permit {
    /// Returns the call this permit is for.
    pub fn call(&self) -> &ToolCall {
        &self.request.call
    }

    /// Returns the request that was judged.
    pub fn request(&self) -> &Request {
        &self.request
    }
}

/// Asks the gate; mints a permit when it allows.
pub fn admit(gate: &dyn Gate, request: Request) -> Admission {
    match gate.decide(&request) {
        Verdict::Allow => Admission::Allow(Permit { request }),
        Verdict::Deny { rule, reason } => Admission::Deny { rule, reason },
        Verdict::Ask { rule, reason } => Admission::Ask { rule, reason },
    }
}
