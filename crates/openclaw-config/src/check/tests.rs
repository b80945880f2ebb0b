use super::*;
use crate::tree::read;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

/// Checks a text and returns what is left of it and the issues as `severity path`.
fn checked(text: &str) -> (Value, Vec<String>) {
    let mut root = read(text, &Arc::from(Path::new("f"))).unwrap();
    let mut findings = check(&root);
    set_aside(&mut root, &mut findings);
    let shown = findings
        .issues
        .iter()
        .map(|issue| format!("{} {}", if issue.is_error() { "error" } else { "warning" }, issue.path))
        .collect();
    (root.to_value(), shown)
}

fn expect(text: &str, left: Value, issues: &[&str]) {
    assert_eq!(checked(text), (left, issues.iter().map(|issue| (*issue).to_owned()).collect()), "{text}");
}

#[test]
fn a_good_configuration_is_left_alone() {
    let text = r#"{gateway: {port: 1, auth: {token: {source: "env", id: "T"}}}, agents: {defaults: {model: "a/b"}, entries: {main: {model: {primary: "a/b"}}}},
        channels: {telegram: {botToken: "x", allowFrom: [1, "2"], accounts: {two: {dmPolicy: "pairing"}}}, unknownplatform: {whatever: 1}},
        plugins: {entries: {x: {config: {any: {thing: 1}}}}}, bindings: [{agentId: "main", match: {channel: "telegram"}}]}"#;
    let (left, issues) = checked(text);
    assert_eq!(issues, Vec::<String>::new());
    assert_eq!(left, crate::tree::parse(text).unwrap());
}

#[test]
fn a_faulty_value_goes_and_its_neighbours_stay() {
    expect("{gateway: {port: 99999, mode: 'local'}}", json!({"gateway": {"mode": "local"}}), &["error gateway.port"]);
    expect(
        "{gateway: 5, logging: {level: 'info'}}",
        json!({
            "gateway": {
                "allowRealIpFallback": false,
                "auth": {"allowTailscale": false, "rateLimit": {"exemptLoopback": false}},
                "bind": "loopback",
                "controlUi": {"allowedOrigins": [], "dangerouslyAllowHostHeaderOriginFallback": false, "dangerouslyDisableDeviceAuth": false},
                "http": {"endpoints": {"chatCompletions": {"enabled": false}, "responses": {"enabled": false}}},
                "nodes": {"allowSkills": false, "browser": {"mode": "off"}, "commands": {"allow": [], "deny": ["*"]}, "pairing": {"autoApproveCidrs": [], "autoApproveLocal": false}, "pluginTools": {"enabled": false}},
                "remote": {"sshHostKeyPolicy": "strict"},
                "tailscale": {"mode": "off"},
                "terminal": {"enabled": false},
                "tools": {"allow": [], "deny": ["*"]},
                "trustedProxies": []
            },
            "logging": {"level": "info"}
        }),
        &["error gateway"],
    );
}

#[test]
fn a_fault_never_permits_more_than_its_author_can_have_meant() {
    for (text, path, stand_in) in [
        ("{tools: {exec: {mode: 'aks'}}}", "tools.exec.mode", json!("deny")),
        ("{tools: {deny: 'exec'}}", "tools.deny", json!(["*"])),
        ("{tools: {deny: ['exec', 5]}}", "tools.deny", json!(["*"])),
        ("{tools: {allow: {}}}", "tools.allow", json!(["-"])),
        ("{tools: {profile: 'cding'}}", "tools.profile", json!("minimal")),
        ("{tools: {fs: {workspaceOnly: 'yes'}}}", "tools.fs.workspaceOnly", json!(true)),
        ("{channels: {telegram: {dmPolicy: 'opne'}}}", "channels.telegram.dmPolicy", json!("disabled")),
        ("{channels: {x: {allowFrom: '*'}}}", "channels.x.allowFrom", json!([])),
        (
            "{channels: {telegram: {groups: {'*': {requireMention: 'no'}}}}}",
            "channels.telegram.groups.*.requireMention",
            json!(true),
        ),
        ("{agents: {defaults: {sandbox: {mode: 1}}}}", "agents.defaults.sandbox.mode", json!("all")),
        ("{agents: {entries: {main: {tools: {deny: 1}}}}}", "agents.entries.main.tools.deny", json!(["*"])),
        ("{gateway: {bind: '192.168.0.1'}}", "gateway.bind", json!("loopback")),
        ("{session: {sendPolicy: {default: 'deny', rules: 5}}}", "session.sendPolicy", json!({"default": "deny"})),
        ("{plugins: {allow: 'x'}}", "plugins.allow", json!(["-"])),
        ("{hooks: {enabled: 'true'}}", "hooks.enabled", json!(false)),
    ] {
        let (left, issues) = checked(text);
        let found = crate::load::get(&left, &KeyPath::parse(path).unwrap()).cloned();
        assert_eq!(found, Some(stand_in), "{text}");
        assert_eq!(issues.len(), 1, "{text}: {issues:?}");
    }
}

#[test]
fn what_means_more_without_its_faulty_part_goes_as_a_whole() {
    expect(
        "{bindings: [{agentId: 'a', match: {channel: 'x', peer: 5}}, {agentId: 'b', match: {channel: 'y'}}]}",
        json!({"bindings": [{"agentId": "b", "match": {"channel": "y"}}]}),
        &["error bindings[0].match.peer"],
    );
    expect(
        "{mcp: {servers: {s: {command: 'x', env: {A: []}}}}}",
        json!({"mcp": {"servers": {}}}),
        &["error mcp.servers.s.env.A"],
    );
}

#[test]
fn several_faulty_elements_go_without_taking_their_neighbours() {
    expect(
        "{bindings: [1, {agentId: 'a'}, 2, {agentId: 'b'}]}",
        json!({"bindings": [{"agentId": "a"}, {"agentId": "b"}]}),
        &["error bindings[0]", "error bindings[2]"],
    );
    expect(
        "{agents: {defaults: {model: {primary: 'a/b', fallbacks: ['c/d', 7]}}}}",
        json!({"agents": {"defaults": {"model": {"primary": "a/b", "fallbacks": ["c/d"]}}}}),
        &["error agents.defaults.model.fallbacks[1]"],
    );
    expect(
        "{security: {audit: {suppressions: ['x', {id: 'a'}, 5]}}}",
        json!({"security": {"audit": {"suppressions": [{"id": "a"}]}}}),
        &["error security.audit.suppressions[0]", "error security.audit.suppressions[2]"],
    );
}

#[test]
fn unknown_keys_are_kept_and_reported() {
    expect("{gatway: {port: 1}}", json!({"gatway": {"port": 1}}), &["warning gatway"]);
    expect("{gateway: {zzz: 1}}", json!({"gateway": {"zzz": 1}}), &["warning gateway.zzz"]);
    // Open blocks say nothing, unless a known key is clearly meant.
    expect("{channels: {telegram: {zzz: 1}}}", json!({"channels": {"telegram": {"zzz": 1}}}), &[]);
    expect(
        "{channels: {telegram: {dmPolcy: 1}}}",
        json!({"channels": {"telegram": {"dmPolcy": 1}}}),
        &["warning channels.telegram.dmPolcy"],
    );
}

#[test]
fn a_misspelt_limit_does_not_mean_no_limit() {
    expect(
        "{tools: {denny: ['exec']}}",
        json!({"tools": {"denny": ["exec"], "deny": ["*"]}}),
        &["warning tools.denny"],
    );
    expect(
        "{tools: {exec: {mdoe: 'ask'}}}",
        json!({"tools": {"exec": {"mdoe": "ask", "mode": "deny"}}}),
        &["warning tools.exec.mdoe"],
    );
    expect(
        "{tools: {denny: [], deny: ['x']}}",
        json!({"tools": {"denny": [], "deny": ["x"]}}),
        &["warning tools.denny"],
    );
    expect("{logging: {levl: 'x'}}", json!({"logging": {"levl": "x"}}), &["warning logging.levl"]);
}

#[test]
fn a_flood_of_faults_takes_whole_sections() {
    let bindings = vec!["1"; ISSUES_MAX + 1].join(",");
    let (left, issues) = checked(&format!("{{bindings: [{bindings}], gateway: {{port: 5}}}}"));
    assert_eq!((left, issues.len()), (json!({"gateway": {"port": 5}}), ISSUES_MAX));
}

#[test]
fn messages_name_the_form_and_the_place() {
    let root = read("{\n  gateway: {\n    port: 99999 } }", &Arc::from(Path::new("f"))).unwrap();
    let issue = check(&root).issues.remove(0);
    assert_eq!(issue.message, "gateway.port must be a whole number from 1 to 65535, got 99999");
    assert_eq!(
        (issue.line, issue.column, issue.expected.as_deref()),
        (Some(3), Some(11), Some("a whole number from 1 to 65535"))
    );
    let root = read("{gatway: 1}", &Arc::from(Path::new("f"))).unwrap();
    let issue = check(&root).issues.remove(0);
    assert_eq!(issue.message, "there is no setting \"gatway\"; closest: gateway");
    let root = read("{gateway: {auth: {mode: 'tokn', token: 5}}}", &Arc::from(Path::new("f"))).unwrap();
    let issues = check(&root).issues;
    assert_eq!(issues[0].suggestion.as_deref(), Some("openclaw config set gateway.auth.mode token"));
    assert!(!issues[1].message.contains('5'), "{}", issues[1].message);
}

#[test]
fn rules_between_settings_hold() {
    expect(
        "{tools: {allow: ['a'], alsoAllow: ['b']}}",
        json!({"tools": {"allow": ["a"], "alsoAllow": []}}),
        &["error tools.alsoAllow"],
    );
    expect("{tools: {allow: [], alsoAllow: ['b']}}", json!({"tools": {"allow": [], "alsoAllow": ["b"]}}), &[]);
    expect(
        "{channels: {slack: {dmPolicy: 'open', allowFrom: ['u1']}}}",
        json!({"channels": {"slack": {"dmPolicy": "disabled", "allowFrom": ["u1"]}}}),
        &["error channels.slack.dmPolicy"],
    );
    expect(
        "{channels: {slack: {dmPolicy: 'open', allowFrom: ['*']}}}",
        json!({"channels": {"slack": {"dmPolicy": "open", "allowFrom": ["*"]}}}),
        &[],
    );
    expect(
        "{agents: {entries: {a: {sandbox: {docker: {network: 'host'}}}}}}",
        json!({"agents": {"entries": {"a": {"sandbox": {"docker": {"network": "none"}}}}}}),
        &["error agents.entries.a.sandbox.docker.network"],
    );
}

#[test]
fn the_number_of_issues_is_bounded() {
    let entries: Vec<String> = (0..2 * ISSUES_MAX).map(|index| format!("x{index}: 1")).collect();
    let (_, issues) = checked(&format!("{{gateway: {{{}}}}}", entries.join(",")));
    assert_eq!(issues.len(), ISSUES_MAX);
}
