use super::*;
use crate::tree::read;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

/// Migrates a text and returns the result and the paths reported.
fn check(text: &str, expected: Value, reported: &[&str]) {
    let mut root = read(text, &Arc::from(Path::new("f"))).unwrap();
    let issues = migrate(&mut root);
    let paths: Vec<&str> = issues.iter().map(|issue| issue.path.as_str()).collect();
    assert_eq!((root.to_value(), paths), (expected, reported.to_vec()), "{text}");
    assert!(issues.iter().all(|issue| !issue.is_error() && issue.line.is_some()), "{issues:?}");
}

#[test]
fn todays_forms_are_left_alone() {
    let text = r#"{agents: {defaults: {model: "a/b", models: {"a/b": {}}}, entries: {main: {}}}, tools: {exec: {mode: "ask"}}, meta: {migrations: {modelPolicyAllowlist: true}}}"#;
    check(text, crate::tree::parse(text).unwrap(), &[]);
}

#[test]
fn renamed_settings_move_and_the_new_name_wins() {
    check("{defaultModel: 'a/b'}", json!({"agents": {"defaults": {"model": "a/b"}}}), &["defaultModel"]);
    check(
        "{defaultModel: 'old', agents: {defaults: {model: 'new'}}}",
        json!({"agents": {"defaults": {"model": "new"}}}),
        &["defaultModel"],
    );
    check(
        "{session: {idleMinutes: 5}}",
        json!({"session": {"reset": {"idleMinutes": 5, "mode": "idle"}}}),
        &["session.idleMinutes"],
    );
    check("{audit: {enabled: false}}", json!({"logging": {"audit": {"enabled": false}}}), &["audit"]);
    check(
        "{agents: {entries: {a: {memorySearch: {enabled: true}, sandbox: {perSession: true}}}}}",
        json!({"agents": {"entries": {"a": {"sandbox": {"scope": "session"}, "memory": {"search": {"enabled": true}}}}}}),
        &["agents.entries.a.memorySearch", "agents.entries.a.sandbox.perSession"],
    );
    check(
        "{heartbeat: {every: '5m', showOk: true}}",
        json!({"channels": {"defaults": {"heartbeatVisibility": {"showOk": true}}}, "agents": {"defaults": {"heartbeat": {"every": "5m"}}}}),
        &["heartbeat.showOk", "heartbeat"],
    );
    check(
        "{channels: {telegram: {requireMention: false}}}",
        json!({"channels": {"telegram": {"groups": {"*": {"requireMention": false}}}}}),
        &["channels.telegram.requireMention"],
    );
    check(
        "{routing: {allowFrom: ['+1']}}",
        json!({"channels": {"whatsapp": {"allowFrom": ["+1"]}}}),
        &["routing.allowFrom"],
    );
}

#[test]
fn the_agent_list_becomes_entries() {
    check(
        "{agents: {list: [{id: 'Main Bot', name: 'M', default: true}, {id: 'two'}, {name: 'no id'}]}}",
        json!({"agents": {"entries": {"main-bot": {"name": "M"}, "two": {}}, "defaults": {"systemAgent": {"agentId": "main-bot"}}, "ownership": "explicit"}}),
        &["agents.list", "agents.list[2]"],
    );
    check(
        "{agents: {list: [{id: 'a', name: 'old'}], entries: {a: {name: 'new'}}}}",
        json!({"agents": {"entries": {"a": {"name": "new"}}}}),
        &["agents.list"],
    );
}

#[test]
fn ids_of_agents_are_written_in_one_way() {
    check(
        "{agents: {entries: {'My Bot': {name: 'a'}, two: {name: 'b'}, TWO: {name: 'c'}}}}",
        json!({"agents": {"entries": {"two": {"name": "b"}, "my-bot": {"name": "a"}}}}),
        &["agents.entries.\"My Bot\"", "agents.entries.\"TWO\""],
    );
}

#[test]
fn models_limit_the_choice_only_in_homes_without_the_mark() {
    check(
        "{agents: {defaults: {models: {'a/b': {}, 'c/d': {alias: 'x'}}}}}",
        json!({"agents": {"defaults": {"models": {"a/b": {}, "c/d": {"alias": "x"}}, "modelPolicy": {"allow": ["a/b", "c/d"]}}}}),
        &["agents.defaults.models"],
    );
    for text in [
        "{agents: {defaults: {models: {'a/b': {}}}}, meta: {migrations: {modelPolicyAllowlist: true}}}",
        "{agents: {defaults: {models: {'a/b': {}}, modelPolicy: {allow: ['z/z']}}}}",
        "{agents: {defaults: {models: {}}}}",
    ] {
        check(text, crate::tree::parse(text).unwrap(), &[]);
    }
}

#[test]
fn the_old_command_pair_becomes_one_mode() {
    for (security, ask, mode) in [
        ("full", "off", "full"),
        ("allowlist", "on-miss", "ask"),
        ("allowlist", "off", "allowlist"),
        ("deny", "off", "deny"),
        ("deny", "always", "deny"),
    ] {
        let text = format!("{{tools: {{exec: {{security: '{security}', ask: '{ask}'}}}}}}");
        check(&text, json!({"tools": {"exec": {"mode": mode}}}), &["tools.exec.security"]);
    }
    for text in [
        "{tools: {exec: {security: 'full', ask: 'always'}}}",
        "{tools: {exec: {security: 'deny'}}}",
        "{tools: {exec: {mode: 'ask', security: 'full', ask: 'off'}}}",
    ] {
        check(text, crate::tree::parse(text).unwrap(), &[]);
    }
}

#[test]
fn older_words_and_servers_are_read() {
    check(
        "{gateway: {bind: '0.0.0.0', reload: {mode: 'hot'}}}",
        json!({"gateway": {"bind": "lan", "reload": {"mode": "hybrid"}}}),
        &["gateway.reload.mode", "gateway.bind"],
    );
    check(
        "{models: {providers: {p: {api: 'openai'}}}}",
        json!({"models": {"providers": {"p": {"api": "openai-completions"}}}}),
        &["models.providers.p.api"],
    );
    check(
        "{mcp: {servers: {s: {type: 'http', disabled: true, connectTimeout: 5}}}}",
        json!({"mcp": {"servers": {"s": {"transport": "streamable-http", "connectionTimeoutMs": 5, "enabled": false}}}}),
        &["mcp.servers.s.type", "mcp.servers.s.connectTimeout", "mcp.servers.s.transport", "mcp.servers.s.disabled"],
    );
    check(
        "{bindings: [{match: {peer: {kind: 'dm'}}}]}",
        json!({"bindings": [{"match": {"peer": {"kind": "direct"}}}]}),
        &["bindings[0].match.peer.kind"],
    );
    check("{env: {A: '1', vars: {B: '2'}}}", json!({"env": {"vars": {"B": "2", "A": "1"}}}), &["env.A"]);
}

#[test]
fn what_cannot_be_moved_stays_for_the_check_to_name() {
    check("{defaultModel: 'x', agents: 5}", json!({"defaultModel": "x", "agents": 5}), &["defaultModel"]);
}

#[test]
fn thread_bound_agents_as_articles_write_them_are_read() {
    check(
        r#"{agents: {"thread-bound": {runtime: "thread", deterministic: true, "auto-destroy": true, "max-duration": 300}}}"#,
        json!({"agents": {"entries": {"thread-bound": {
            "deterministic": true, "autoDestroy": true, "maxDuration": 300, "runtime": "thread-bound"}}}}),
        &[
            "agents.thread-bound",
            "agents.entries.thread-bound.auto-destroy",
            "agents.entries.thread-bound.max-duration",
            "agents.entries.thread-bound.runtime",
        ],
    );
    check(
        r#"{openclaw: {agents: {"critical-tasks": {runtime: "thread-bound", model: "claude-opus-4-6-thinking", timeout: 120},
            "routine-tasks": {runtime: "thread-bound", model: "local/gpt-oss-120b", "max-concurrent": 10}}}}"#,
        json!({"agents": {"entries": {
            "critical-tasks": {"runtime": "thread-bound", "model": "claude-opus-4-6", "maxDuration": 120, "thinkingDefault": "high"},
            "routine-tasks": {"runtime": "thread-bound", "model": "ollama/gpt-oss-120b", "maxConcurrent": 10}}}}),
        &[
            "openclaw.agents",
            "agents.critical-tasks",
            "agents.routine-tasks",
            "agents.entries.critical-tasks.timeout",
            "agents.entries.critical-tasks.model",
            "agents.entries.routine-tasks.max-concurrent",
            "agents.entries.routine-tasks.model",
        ],
    );
    let harness = r#"{agents: {entries: {main: {runtime: {type: "acp"}, model: "moonshot/kimi-k2-thinking"}}}}"#;
    check(harness, crate::tree::parse(harness).unwrap(), &[]);
}
