//! Gates with one answer for everything.
//!
//! For tests of what happens around a verdict. Whether verdicts are right is
//! tested on the real gate in crate `security`.

use openclaw_domain::AgentId;
use openclaw_domain::approval::Decision;
use openclaw_domain::gate::{Request, Verdict};
use openclaw_domain::ports::Gate;
use openclaw_domain::tool::ToolSpec;

/// Allows every call.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowAll;

/// Denies every call, yet offers the tools.
#[derive(Debug, Clone, Copy, Default)]
pub struct DenyAll;

/// Asks a person about every call, and follows an answer bound to that call.
#[derive(Debug, Clone, Copy, Default)]
pub struct AskAll;

impl Gate for AllowAll {
    fn decide(&self, _request: &Request) -> Verdict {
        Verdict::Allow
    }

    fn offers(&self, _agent: &AgentId, _tool: &ToolSpec) -> bool {
        true
    }
}

impl Gate for DenyAll {
    fn decide(&self, request: &Request) -> Verdict {
        denied(format!("{} is denied in this test", request.call.name))
    }

    fn offers(&self, _agent: &AgentId, _tool: &ToolSpec) -> bool {
        true
    }
}

impl Gate for AskAll {
    fn decide(&self, request: &Request) -> Verdict {
        let bound = request.evidence.as_ref().filter(|evidence| evidence.digest == request.digest());
        match bound.map(|evidence| evidence.decision) {
            Some(Decision::AllowOnce | Decision::AllowAlways) => Verdict::Allow,
            Some(Decision::Deny) => denied("a person said no".to_owned()),
            Some(Decision::Expired) | None => Verdict::Ask {
                rule: "test.ask".to_owned(),
                reason: format!("{} is asked about in this test", request.call.name),
            },
        }
    }

    fn offers(&self, _agent: &AgentId, _tool: &ToolSpec) -> bool {
        true
    }
}

fn denied(reason: String) -> Verdict {
    Verdict::Deny { rule: "test.deny".to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use openclaw_domain::gate::Evidence;
    use openclaw_domain::message::ToolCall;
    use openclaw_domain::tool::{Capability, Effect};

    use super::*;

    fn request(arguments: &str) -> Request {
        Request {
            call: ToolCall {
                id: "c1".parse().unwrap(),
                provider_id: "c1".to_owned(),
                name: "exec".to_owned(),
                arguments: arguments.to_owned(),
            },
            capability: Capability::Exec,
            effect: Effect::Once,
            agent: AgentId::main(),
            session: "agent:main:main".parse().unwrap(),
            run: "r1".parse().unwrap(),
            evidence: None,
        }
    }

    #[test]
    fn an_answer_counts_only_for_the_call_it_was_given_for() {
        let mut asked = request("a");
        assert!(matches!(AskAll.decide(&asked), Verdict::Ask { .. }));
        let evidence = Evidence {
            approval: "a1".to_owned(),
            decision: Decision::AllowOnce,
            by: "owner".to_owned(),
            digest: asked.digest(),
        };
        asked.evidence = Some(evidence.clone());
        assert_eq!(AskAll.decide(&asked), Verdict::Allow);
        let changed = Request { evidence: Some(evidence), ..request("b") };
        assert!(matches!(AskAll.decide(&changed), Verdict::Ask { .. }));
    }
}
