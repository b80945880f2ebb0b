//! The gate: one verdict for each tool call, at the moment it would run.
//!
//! The order is fixed. A deny by configuration stands, whatever a person or a
//! grant says. Only where the configuration asks does a person's answer count,
//! and only for the very call it was given for (T-21, T-25).

use std::sync::{Arc, PoisonError, RwLock};

use openclaw_domain::AgentId;
use openclaw_domain::approval::{Decision, Grant};
use openclaw_domain::gate::{Evidence, Request, Verdict};
use openclaw_domain::ports::Gate;
use openclaw_domain::tool::{Capability, ToolSpec};

use crate::exec::{Mode, Ruling};
use crate::names::{canonical, is_known};
use crate::policy::Policy;

/// The gate of tool profiles, allow and deny lists, exec rules and answers.
///
/// Configuration and grants may be replaced while it is in use; a verdict sees
/// either the old state or the new one.
#[derive(Debug, Default)]
pub struct Profiles {
    // Read for each call and written for each change of the configuration or of
    // a grant, so a plain lock around a shared snapshot is enough.
    state: RwLock<Arc<State>>,
}

#[derive(Debug, Clone, Default)]
struct State {
    policy: Arc<Policy>,
    grants: Arc<Vec<Grant>>,
}

impl Profiles {
    /// Makes a gate without standing grants.
    pub fn new(policy: Policy) -> Self {
        Self { state: RwLock::new(Arc::new(State { policy: Arc::new(policy), grants: Arc::default() })) }
    }

    /// Puts another policy in force; grants stay.
    pub fn replace(&self, policy: Policy) {
        self.update(|state| state.policy = Arc::new(policy));
    }

    /// Puts other standing grants in force.
    pub fn set_grants(&self, grants: Vec<Grant>) {
        self.update(|state| state.grants = Arc::new(grants));
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut held = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let mut state = State::clone(&held);
        change(&mut state);
        *held = Arc::new(state);
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Gate for Profiles {
    fn decide(&self, request: &Request) -> Verdict {
        let state = self.state();
        if let Err(refusal) = state.policy.admits(&request.agent, &request.call.name) {
            return Verdict::Deny { rule: refusal.rule, reason: refusal.reason };
        }
        match request.capability {
            Capability::Exec => exec(&state, request),
            Capability::FsRead
            | Capability::FsWrite
            | Capability::NetRead
            | Capability::Runtime
            | Capability::Message => Verdict::Allow,
        }
    }

    fn offers(&self, agent: &AgentId, tool: &ToolSpec) -> bool {
        let state = self.state();
        let runs = tool.capability != Capability::Exec || state.policy.exec(agent).mode() != Mode::Deny;
        runs && state.policy.admits(agent, &tool.name).is_ok()
    }
}

fn exec(state: &State, request: &Request) -> Verdict {
    let rules = state.policy.exec(&request.agent);
    let rule = rules.name();
    let is_foreign = !is_known(canonical(&request.call.name));
    match rules.rule(&request.call.arguments, is_foreign) {
        Ruling::Run => Verdict::Allow,
        Ruling::Never => {
            let reason = format!(
                "commands are switched off for this agent ({rule}); use another tool, or ask the owner to change it"
            );
            Verdict::Deny { rule, reason }
        }
        Ruling::OnlyGranted if is_granted(state, request) => Verdict::Allow,
        Ruling::OnlyGranted => {
            let reason =
                format!("the command is not on the allow list ({rule}); use another tool, or ask the owner to add it");
            Verdict::Deny { rule, reason }
        }
        Ruling::Ask { grants, why } => {
            if grants && is_granted(state, request) {
                return Verdict::Allow;
            }
            answered(request, rule, why)
        }
    }
}

/// A person's answer, where the rules ask for one.
fn answered(request: &Request, rule: String, why: &str) -> Verdict {
    let ask = |why: &str| Verdict::Ask { rule: rule.clone(), reason: format!("{why} ({rule})") };
    let Some(evidence) = &request.evidence else { return ask(why) };
    if !binds(evidence, request) {
        return ask("the call is not the one that was approved");
    }
    match evidence.decision {
        Decision::AllowOnce | Decision::AllowAlways => Verdict::Allow,
        Decision::Deny => Verdict::Deny {
            rule: "approval".to_owned(),
            reason: format!("{} refused this call; do not try it again, ask what to do instead", evidence.by),
        },
        Decision::Expired => ask("nobody answered in time"),
    }
}

/// Tells whether the evidence was given for this very call.
fn binds(evidence: &Evidence, request: &Request) -> bool {
    evidence.digest == request.digest()
}

fn is_granted(state: &State, request: &Request) -> bool {
    let digest = hex::encode(request.digest());
    let names = |grant: &&Grant| grant.agent == request.agent && grant.tool == request.call.name;
    state.grants.iter().filter(names).any(|grant| grant.digest == digest)
}

#[cfg(test)]
mod tests;
