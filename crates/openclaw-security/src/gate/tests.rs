use openclaw_domain::gate::{Admission, admit};
use openclaw_domain::message::ToolCall;
use openclaw_domain::tool::Effect;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn gate(tools: Value) -> Profiles {
    Profiles::new(Policy::from_config(&tools, &json!({})).0)
}

fn request(tool: &str, capability: Capability, arguments: &str) -> Request {
    Request {
        call: ToolCall {
            id: "c1".parse().unwrap(),
            provider_id: "p1".into(),
            name: tool.into(),
            arguments: arguments.into(),
        },
        capability,
        effect: Effect::Once,
        agent: AgentId::main(),
        session: "agent:main:main".parse().unwrap(),
        run: "r1".parse().unwrap(),
        evidence: None,
    }
}

const LS: &str = r#"{"command":"ls -la"}"#;

fn exec_call(arguments: &str) -> Request {
    request("exec", Capability::Exec, arguments)
}

fn answered_by(decision: Decision, mut request: Request) -> Request {
    let digest = request.digest();
    request.evidence = Some(Evidence { approval: "a1".into(), decision, by: "owner".into(), digest });
    request
}

fn grant(arguments: &str) -> Grant {
    Grant {
        id: "g1".into(),
        agent: AgentId::main(),
        tool: "exec".into(),
        digest: hex::encode(openclaw_domain::gate::digest("exec", arguments)),
        arguments: arguments.into(),
        by: "owner".into(),
        at: openclaw_domain::Timestamp(0),
    }
}

fn rule_of(verdict: Verdict) -> String {
    match verdict {
        Verdict::Allow => "allow".into(),
        Verdict::Deny { rule, .. } => format!("deny {rule}"),
        Verdict::Ask { rule, .. } => format!("ask {rule}"),
    }
}

fn check(gate: &Profiles, request: &Request, expected: &str) {
    assert_eq!(rule_of(gate.decide(request)), expected);
}

#[test]
fn commands_are_asked_about_and_other_work_is_not() {
    let gate = gate(json!({}));
    check(&gate, &exec_call(LS), "ask tools.exec.mode=ask");
    check(&gate, &request("read", Capability::FsRead, "{}"), "allow");
    check(&gate, &request("write", Capability::FsWrite, "{}"), "allow");
}

#[test]
fn a_persons_answer_decides_where_the_rules_ask() {
    let gate = gate(json!({}));
    check(&gate, &answered_by(Decision::AllowOnce, exec_call(LS)), "allow");
    check(&gate, &answered_by(Decision::AllowAlways, exec_call(LS)), "allow");
    check(&gate, &answered_by(Decision::Deny, exec_call(LS)), "deny approval");
    check(&gate, &answered_by(Decision::Expired, exec_call(LS)), "ask tools.exec.mode=ask");
}

#[test]
fn no_answer_goes_over_a_configured_deny() {
    for tools in
        [json!({ "exec": { "mode": "deny" } }), json!({ "deny": ["exec"] }), json!({ "exec": { "mode": "allowlist" } })]
    {
        let gate = gate(tools.clone());
        let verdict = gate.decide(&answered_by(Decision::AllowAlways, exec_call(LS)));
        assert!(matches!(verdict, Verdict::Deny { .. }), "{tools}");
    }
}

#[test]
fn an_answer_for_another_call_is_void() {
    let gate = gate(json!({}));
    let evidence = answered_by(Decision::AllowOnce, exec_call(LS)).evidence;
    let other = Request { evidence, ..exec_call(r#"{"command":"ls -la /"}"#) };
    check(&gate, &other, "ask tools.exec.mode=ask");
}

#[test]
fn a_grant_covers_the_exact_call_of_its_agent_only() {
    let gate = gate(json!({}));
    gate.set_grants(vec![grant(LS)]);
    check(&gate, &exec_call(LS), "allow");
    check(&gate, &exec_call(r#"{"command":"ls -la "}"#), "ask tools.exec.mode=ask");
    check(&gate, &Request { agent: "work".parse().unwrap(), ..exec_call(LS) }, "ask tools.exec.mode=ask");
    gate.set_grants(vec![Grant { tool: "process".into(), ..grant(LS) }]);
    check(&gate, &exec_call(LS), "ask tools.exec.mode=ask");
    gate.set_grants(Vec::new());
    check(&gate, &exec_call(LS), "ask tools.exec.mode=ask");
}

#[test]
fn a_grant_counts_in_allowlist_mode_and_not_where_it_must_not() {
    let decide = |mode: Value| {
        let gate = gate(json!({ "exec": mode }));
        gate.set_grants(vec![grant(LS)]);
        rule_of(gate.decide(&exec_call(LS)))
    };
    assert_eq!(decide(json!({ "mode": "allowlist" })), "allow");
    assert_eq!(decide(json!({ "mode": "deny" })), "deny tools.exec.mode=deny");
    assert_eq!(decide(json!({ "security": "full", "ask": "always" })), "ask tools.exec.mode=always");
}

#[test]
fn another_policy_takes_force_and_grants_stay() {
    let gate = gate(json!({ "exec": { "mode": "deny" } }));
    gate.set_grants(vec![grant(LS)]);
    check(&gate, &exec_call(LS), "deny tools.exec.mode=deny");
    gate.replace(Policy::from_config(&json!({}), &json!({})).0);
    check(&gate, &exec_call(LS), "allow");
}

#[test]
fn a_tool_that_could_never_run_is_not_offered() {
    let spec = |name: &str, capability| ToolSpec {
        name: name.into(),
        description: String::new(),
        parameters: json!({}),
        effect: Effect::Pure,
        capability,
    };
    let offers = |tools: Value, name, capability| gate(tools).offers(&AgentId::main(), &spec(name, capability));
    assert!(offers(json!({}), "exec", Capability::Exec));
    assert!(!offers(json!({ "exec": { "mode": "deny" } }), "exec", Capability::Exec));
    assert!(!offers(json!({ "profile": "minimal" }), "exec", Capability::Exec));
    assert!(!offers(json!({ "deny": ["read"] }), "read", Capability::FsRead));
    assert!(offers(json!({ "exec": { "mode": "deny" } }), "read", Capability::FsRead));
}

#[test]
fn a_foreign_tool_that_runs_programs_is_always_asked_about() {
    let gate = gate(json!({ "alsoAllow": ["plugin__*"], "exec": { "mode": "ask", "safeBins": ["wc"] } }));
    for arguments in [r#"{"action":"list"}"#, r#"{"command":"wc -l"}"#] {
        check(&gate, &exec_call(arguments), "allow");
        check(&gate, &request("plugin__run", Capability::Exec, arguments), "ask tools.exec.mode=ask");
    }
}

#[test]
fn the_rule_names_the_section_that_decided() {
    let agents = json!({ "entries": { "main": { "tools": { "exec": { "mode": "deny" } } } } });
    let (policy, _) = Policy::from_config(&json!({ "exec": { "mode": "full" } }), &agents);
    check(&Profiles::new(policy), &exec_call(LS), "deny agents.entries.main.tools.exec.mode=deny");
}

#[test]
fn deny_everything_runs_nothing() {
    let gate = gate(json!({ "deny": ["*"] }));
    for capability in [
        Capability::FsRead,
        Capability::FsWrite,
        Capability::Exec,
        Capability::NetRead,
        Capability::Runtime,
        Capability::Message,
    ] {
        check(&gate, &request("anything", capability, "{}"), "deny tools.deny");
    }
}

#[test]
fn a_permit_comes_only_from_an_allowing_verdict() {
    let gate = gate(json!({}));
    assert!(matches!(admit(&gate, exec_call(LS)), Admission::Ask { .. }));
    let Admission::Allow(permit) = admit(&gate, answered_by(Decision::AllowOnce, exec_call(LS))) else {
        panic!("an approved call is admitted");
    };
    assert_eq!(permit.call().arguments, LS);
}

#[test]
fn reasons_name_the_rule_for_people_and_models() {
    let Verdict::Deny { reason, .. } = gate(json!({ "deny": ["exec"] })).decide(&exec_call(LS)) else {
        panic!("exec is denied");
    };
    assert_eq!(
        reason,
        "the configuration does not let this agent use exec (tools.deny); use another tool, or ask the owner to change it"
    );
}

proptest! {
    #[test]
    fn evidence_with_one_changed_byte_is_void(byte in 0usize..32, bit in 0u8..8) {
        let gate = gate(json!({}));
        let mut request = answered_by(Decision::AllowOnce, exec_call(LS));
        if let Some(evidence) = &mut request.evidence {
            evidence.digest[byte] ^= 1 << bit;
        }
        let is_asked = matches!(gate.decide(&request), Verdict::Ask { .. });
        prop_assert!(is_asked);
    }

    #[test]
    fn a_call_with_one_changed_byte_is_not_the_approved_one(at in 0usize..20, with in "[ -~]") {
        let gate = gate(json!({}));
        let evidence = answered_by(Decision::AllowOnce, exec_call(LS)).evidence;
        let mut arguments = LS.to_owned();
        arguments.replace_range(at..=at, &with);
        prop_assume!(arguments != LS);
        let verdict = gate.decide(&Request { evidence, ..exec_call(&arguments) });
        prop_assert!(!matches!(verdict, Verdict::Allow));
    }
}
