//! Who may call what, over the whole method table.

use serde_json::{Value, json};

use crate::rig::{Rig, params};

const SCOPES: [&str; 7] = [
    "operator.admin",
    "operator.read",
    "operator.write",
    "operator.approvals",
    "operator.questions",
    "operator.pairing",
    "operator.talk",
];

fn covers(held: &str, needed: &str) -> bool {
    held == needed || held == "operator.admin" || (held == "operator.write" && needed == "operator.read")
}

#[tokio::test]
async fn every_method_is_refused_without_its_scope_and_reached_with_it() {
    let rig = Rig::start().await;
    let table = rig.client().await.ok("methods.list", json!({})).await;
    let methods = table["methods"].as_array().unwrap();
    for held in SCOPES {
        let mut ws = rig.client_with(params(&[held])).await;
        for method in methods {
            let name = method["name"].as_str().unwrap();
            // A parameter nobody knows stops the call behind the scope check.
            let answer = ws.call(name, json!({ "noSuchParameter": 1, "key": "x", "sessionKey": "x" })).await;
            let is_refused = answer["error"]["code"] == "FORBIDDEN";
            let needed = method["scope"].as_str();
            let expected = needed.is_some_and(|needed| !covers(held, needed));
            assert_eq!(is_refused, expected, "{held} calling {name}: {answer}");
            if is_refused {
                assert_eq!(answer["error"]["message"], format!("missing scope: {}", needed.unwrap()));
                assert_eq!(
                    answer["error"]["details"],
                    json!({ "code": "MISSING_SCOPE", "missingScope": needed, "requiredScopes": [needed] })
                );
            }
        }
    }
}

#[tokio::test]
async fn hello_lists_exactly_the_callable_methods() {
    let rig = Rig::start().await;
    let mut ws = rig.client().await;
    let listed = ws.hello["features"]["methods"].clone();
    let table = ws.ok("methods.list", json!({})).await;
    let names: Vec<Value> = table["methods"].as_array().unwrap().iter().map(|method| method["name"].clone()).collect();
    assert_eq!(listed, json!(names));
    let mut unique = names.clone();
    unique.sort_by_key(Value::to_string);
    unique.dedup();
    assert_eq!(unique.len(), names.len());
}

/// The scopes upstream demands, for the methods both have.
#[tokio::test]
async fn scopes_are_those_of_the_contract() {
    let rig = Rig::start().await;
    let table = rig.client().await.ok("methods.list", json!({})).await;
    let scope_of = |name: &str| {
        let row = table["methods"].as_array().unwrap().iter().find(|method| method["name"] == name);
        row.unwrap_or_else(|| panic!("{name} is missing"))["scope"].as_str().unwrap_or("").to_owned()
    };
    for (scope, names) in [
        (
            "operator.write",
            "agent agent.wait chat.abort chat.send sessions.abort sessions.create sessions.patch sessions.send wake",
        ),
        (
            "operator.read",
            "agent.identity.get agents.list channels.status chat.history chat.metadata chat.startup commands.list \
            config.get config.schema config.schema.lookup cron.list cron.status last-heartbeat logs.tail models.list node.list \
            sessions.describe sessions.get sessions.list sessions.messages.subscribe sessions.messages.unsubscribe \
            sessions.preview sessions.resolve sessions.subscribe skills.status status system-presence system.info \
            taskSuggestions.list tasks.list tools.catalog tools.effective",
        ),
        (
            "operator.admin",
            "chat.inject config.apply config.patch config.set sessions.compact sessions.compaction.restore sessions.delete sessions.reset system-event",
        ),
        (
            "operator.approvals",
            "exec.approval.get exec.approval.grants.list exec.approval.grants.revoke exec.approval.list \
            exec.approval.resolve exec.approval.waitDecision plugin.approval.list",
        ),
        (
            "operator.pairing",
            "device.pair.approve device.pair.list device.pair.reject device.pair.remove device.token.revoke",
        ),
        ("operator.questions", "question.list"),
        ("", "health"),
    ] {
        for name in names.split_whitespace() {
            assert_eq!(scope_of(name), scope, "{name}");
        }
    }
}
