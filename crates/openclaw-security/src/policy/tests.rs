use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::names::GROUPS;

fn policy(tools: Value, agents: Value) -> (Policy, Vec<Issue>) {
    Policy::from_config(&tools, &agents)
}

fn check(tools: Value, agents: Value, tool: &str, rule: Option<&str>) {
    let (policy, _) = policy(tools.clone(), agents);
    let refused = policy.admits(&AgentId::main(), tool).err().map(|refusal| refusal.rule);
    assert_eq!(refused.as_deref(), rule, "{tools} {tool}");
}

fn alone(tools: Value, tool: &str, rule: Option<&str>) {
    check(tools, json!({}), tool, rule);
}

#[test]
fn without_a_profile_the_vocabulary_is_in_and_foreign_tools_are_out() {
    alone(json!({}), "exec", None);
    alone(json!({}), "web_fetch", None);
    alone(json!({}), "outlook__send", Some("tools.allow"));
    alone(json!({ "alsoAllow": ["outlook__*"] }), "outlook__send", None);
    alone(json!({ "allow": ["outlook__*"] }), "outlook__send", None);
    alone(json!({ "allow": ["outlook__*"] }), "exec", Some("tools.allow"));
    alone(json!({ "profile": "full" }), "outlook__send", None);
}

#[test]
fn a_profile_is_the_base_and_also_allow_adds_to_it() {
    alone(json!({ "profile": "minimal" }), "session_status", None);
    alone(json!({ "profile": "minimal" }), "exec", Some("tools.profile=minimal"));
    alone(json!({ "profile": "coding" }), "exec", None);
    alone(json!({ "profile": "coding" }), "message", Some("tools.profile=coding"));
    alone(json!({ "profile": "messaging" }), "message", None);
    alone(json!({ "profile": "messaging" }), "read", Some("tools.profile=messaging"));
    alone(json!({ "profile": "minimal", "alsoAllow": ["group:fs"] }), "read", None);
    alone(json!({ "profile": "coding", "allow": ["read"] }), "exec", Some("tools.allow"));
    alone(json!({ "profile": "coding", "allow": ["message"] }), "message", Some("tools.profile=coding"));
}

#[test]
fn deny_goes_over_every_allowance() {
    alone(json!({ "profile": "full", "alsoAllow": ["exec"], "deny": ["bash"] }), "exec", Some("tools.deny"));
    alone(json!({ "allow": ["exec"], "deny": ["group:runtime"] }), "exec", Some("tools.deny"));
    alone(json!({ "deny": ["group:runtime"] }), "read", None);
    alone(json!({ "deny": ["EXEC"] }), "Exec", Some("tools.deny"));
}

#[test]
fn leave_to_write_is_leave_to_patch() {
    alone(json!({ "allow": ["write"] }), "apply_patch", None);
    alone(json!({ "allow": ["read"] }), "apply_patch", Some("tools.allow"));
    alone(json!({ "allow": ["write"], "deny": ["apply_patch"] }), "apply_patch", Some("tools.deny"));
}

#[test]
fn an_agent_narrows_and_its_profile_replaces_the_general_one() {
    let agent = |tools: Value| json!({ "entries": { "Main": { "tools": tools } } });
    check(json!({}), agent(json!({ "deny": ["exec"] })), "exec", Some("agents.entries.Main.tools.deny"));
    check(json!({ "deny": ["exec"] }), agent(json!({ "allow": ["exec"] })), "exec", Some("tools.deny"));
    check(json!({ "allow": ["read"] }), agent(json!({ "allow": ["exec"] })), "exec", Some("tools.allow"));
    check(json!({ "profile": "minimal" }), agent(json!({ "profile": "coding" })), "exec", None);
    check(
        json!({ "profile": "coding" }),
        agent(json!({ "profile": "minimal" })),
        "exec",
        Some("agents.entries.Main.tools.profile=minimal"),
    );
    let listed = json!({ "list": [{ "id": "main", "tools": { "deny": ["exec"] } }] });
    check(json!({}), listed, "exec", Some("agents.list[0].tools.deny"));
    let other = json!({ "entries": { "work": { "tools": { "deny": ["exec"] } } } });
    check(json!({}), other, "exec", None);
}

#[test]
fn an_agents_exec_rules_go_over_the_general_ones() {
    let agents = json!({ "entries": { "work": { "tools": { "exec": { "mode": "full" } } } } });
    let (policy, _) = policy(json!({ "exec": { "mode": "deny" } }), agents);
    assert_eq!(policy.exec(&AgentId::main()).mode(), exec::Mode::Deny);
    assert_eq!(policy.exec(&"work".parse().unwrap()).mode(), exec::Mode::Full);
}

#[test]
fn what_cannot_be_read_is_closed_and_reported() {
    let closed = |tools: Value, tool: &str, place: &str| {
        let (policy, issues) = policy(tools.clone(), json!({}));
        assert!(policy.admits(&AgentId::main(), tool).is_err(), "{tools}");
        let issue = issues.iter().find(|issue| issue.path == place);
        assert_eq!(issue.map(|issue| issue.severity), Some(Severity::Error), "{tools} {issues:?}");
    };
    closed(json!({ "profile": "everything" }), "exec", "tools.profile");
    closed(json!({ "profile": 7 }), "exec", "tools.profile");
    closed(json!({ "deny": 7 }), "read", "tools.deny");
    closed(json!({ "deny": ["group:nothing"] }), "read", "tools.deny[0]");
    closed(json!({ "allow": ["group:nothing"] }), "read", "tools.allow[0]");
    closed(json!({ "allow": true }), "read", "tools.allow");
    closed(json!({ "allow": ["read"], "alsoAllow": ["exec"] }), "exec", "tools.alsoAllow");
}

#[test]
fn an_empty_allow_list_is_no_restriction_and_a_single_name_is_a_list() {
    alone(json!({ "allow": [] }), "exec", None);
    alone(json!({ "deny": "exec" }), "exec", Some("tools.deny"));
}

#[test]
fn keys_that_are_not_in_force_are_named() {
    let (_, issues) = policy(json!({ "byProvider": {}, "exec": { "grantExpiryDays": 3 } }), json!({}));
    let places: Vec<_> = issues.iter().map(|issue| issue.path.as_str()).collect();
    assert_eq!(places, ["tools.byProvider", "tools.exec.grantExpiryDays"]);
}

fn names() -> impl Strategy<Value = String> {
    let known: Vec<String> = GROUPS.iter().flat_map(|(_, members)| members.iter().map(|&it| it.to_owned())).collect();
    prop_oneof![proptest::sample::select(known), "[a-z_]{1,10}"]
}

fn lists() -> impl Strategy<Value = Vec<String>> {
    let groups: Vec<String> = GROUPS.iter().map(|(group, _)| (*group).to_owned()).chain(["*".to_owned()]).collect();
    proptest::collection::vec(prop_oneof![names(), proptest::sample::select(groups)], 0..4)
}

proptest! {
    #[test]
    fn deny_beats_allow_in_every_order_and_scope(
        tool in names(),
        mut deny in lists(),
        allow in lists(),
        also in lists(),
        at in 0usize..4,
        in_agent in any::<bool>(),
        profile in proptest::sample::select(vec!["minimal", "coding", "messaging", "full"]),
    ) {
        deny.insert(at.min(deny.len()), tool.clone());
        let open = json!({ "profile": profile, "allow": allow, "alsoAllow": also });
        let shut = json!({ "deny": deny });
        let (tools, agent) = if in_agent { (open, shut) } else { (shut, open) };
        let agents = json!({ "entries": { "main": { "tools": agent } } });
        let (policy, _) = Policy::from_config(&tools, &agents);
        prop_assert!(policy.admits(&AgentId::main(), &tool).is_err());
    }

    #[test]
    fn minimal_never_admits_commands(deny in lists(), tool in proptest::sample::select(vec!["exec", "process", "bash", "Exec", "write"])) {
        let (policy, _) = Policy::from_config(&json!({ "profile": "minimal", "deny": deny }), &json!({}));
        prop_assert!(policy.admits(&AgentId::main(), tool).is_err());
    }

    #[test]
    fn an_agents_lists_never_widen_the_general_ones(tool in names(), deny in lists(), allow in lists(), agent_allow in lists()) {
        let tools = json!({ "profile": "full", "deny": deny, "allow": allow });
        let agents = json!({ "entries": { "main": { "tools": { "allow": agent_allow } } } });
        let (general, _) = Policy::from_config(&tools, &json!({}));
        let (narrowed, _) = Policy::from_config(&tools, &agents);
        let main = AgentId::main();
        prop_assert!(general.admits(&main, &tool).is_ok() || narrowed.admits(&main, &tool).is_err());
    }
}
