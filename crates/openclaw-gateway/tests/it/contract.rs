//! Every method and every event against the published schema, over the whole tables.
//!
//! What has no published definition is listed by name, so that a new method or
//! event cannot go unchecked unnoticed.

use std::collections::BTreeSet;

use openclaw_domain::approval::Grant;
use openclaw_domain::device::PairingRequest;
use openclaw_domain::message::{Block, ToolStatus};
use openclaw_domain::model::{ModelRef, StopReason};
use openclaw_domain::ports::{Devices as _, Grants as _, Sessions as _};
use openclaw_domain::session::SessionChange;
use openclaw_domain::{AgentId, AssistantTurn, ToolCall, ToolResult, Turn};
use serde_json::{Value, json};

use crate::auth::refused;
use crate::events::ask;
use crate::fakes::AT;
use crate::rig::{ALL, Device, Rig, Ws, params};
use crate::schema::Schema;

/// Methods whose result the schema does not define, not even in parts.
const UNDEFINED_RESULTS: [&str; 43] = [
    "agent",
    "agent.wait",
    "chat.abort",
    "chat.inject",
    "chat.send",
    "config.apply",
    "config.get",
    "config.patch",
    "config.set",
    "cron.list",
    "cron.status",
    "device.pair.approve",
    "device.pair.reject",
    "device.pair.remove",
    "device.token.revoke",
    "exec.approval.get",
    "exec.approval.list",
    "exec.approval.resolve",
    "exec.approval.waitDecision",
    "health",
    "last-heartbeat",
    "methods.list",
    "node.list",
    "plugin.approval.list",
    "runs.diff",
    "runs.fork",
    "runs.replay",
    "sessions.abort",
    "sessions.get",
    "sessions.messages.subscribe",
    "sessions.messages.unsubscribe",
    "sessions.patch",
    "sessions.preview",
    "sessions.reset",
    "sessions.send",
    "sessions.unsubscribe",
    "skills.status",
    "status",
    "system-event",
    "vars.get",
    "vars.list",
    "vars.set",
    "wake",
];

/// Definitions that are not named after their method.
const RENAMED: [(&str, &str); 1] = [("agent.identity.get", "AgentIdentityResult")];

/// Parts of results that have a definition of their own; `*` is each element.
const PARTS: [(&str, &str, &str); 12] = [
    ("system-presence", "/*", "PresenceEntry"),
    ("sessions.list", "/sessions/*", "SessionRow"),
    ("sessions.subscribe", "/list/sessions/*", "SessionRow"),
    ("sessions.describe", "/session", "SessionRow"),
    ("chat.history", "/sessionInfo", "SessionRow"),
    ("chat.startup", "/sessionInfo", "SessionRow"),
    ("chat.metadata", "/models/*", "ModelChoice"),
    ("exec.approval.grants.list", "/grants/*", "ExecApprovalStandingGrant"),
    ("agents.list", "/agents/*", "AgentSummary"),
    ("models.list", "/models/*", "ModelChoice"),
    ("tools.catalog", "/groups/*", "ToolCatalogGroup"),
    ("device.pair.list", "/pending/*", "DevicePairRequestedEvent"),
];

/// Events whose payload the schema does not define, not even in parts.
const UNDEFINED_EVENTS: [&str; 7] = [
    "config.changed",
    "connect.challenge",
    "device.pair.changed",
    "exec.approval.requested",
    "exec.approval.resolved",
    "health",
    "session.message",
];

/// Fields every known gateway puts into `agent` events besides those of the schema.
const AGENT_EXTRAS: [&str; 3] = ["sessionKey", "agentId", "sessionId"];

/// Returns the definition of a method's result by the package's naming rule.
fn definition(schema: &Schema, method: &str) -> Option<String> {
    if let Some((_, name)) = RENAMED.iter().find(|(known, _)| *known == method) {
        return Some((*name).to_owned());
    }
    let words = method.split(['.', '-']);
    let name: String = words.map(|word| format!("{}{}", word[..1].to_uppercase(), &word[1..])).collect();
    ["Result", "Response"].iter().map(|end| format!("{name}{end}")).find(|name| schema.has(name))
}

/// Returns the values at a pointer in which `*` stands for every element.
fn at<'a>(value: &'a Value, pointer: &str) -> Vec<&'a Value> {
    let mut found = vec![value];
    for step in pointer.split('/').skip(1) {
        found = found
            .into_iter()
            .flat_map(|value| match step {
                "*" => value.as_array().into_iter().flatten().collect::<Vec<_>>(),
                name => value.get(name).into_iter().collect(),
            })
            .collect();
    }
    found
}

fn paired(seed: u8, roles: &[&str]) -> openclaw_domain::device::Device {
    openclaw_domain::device::Device {
        id: Device::new(seed).id(),
        public_key: "AAAA".into(),
        client_id: "openclaw-tui".into(),
        client_mode: "ui".into(),
        platform: "linux".into(),
        display_name: Some("desk".into()),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        scopes: vec!["operator.read".into()],
        token_hash: Some("00".into()),
        approved_via: "owner".into(),
        paired_at: AT,
        seen_at: AT,
    }
}

/// Makes a gateway with something behind every method.
async fn furnished() -> Rig {
    let rig = Rig::start().await;
    let key = "agent:main:notes".parse().unwrap();
    rig.store.open(&key, AT).await.unwrap();
    let call = ToolCall {
        id: "c1".parse().unwrap(),
        provider_id: "p1".into(),
        name: "exec".into(),
        arguments: r#"{"command":"echo hi"}"#.into(),
    };
    let result = Some(ToolResult::notice(ToolStatus::Ok, "hi"));
    let blocks = vec![
        Block::Thinking { text: "hm".into() },
        Block::Call { call, result },
        Block::Text { text: "Done, see above.".into() },
    ];
    let model = ModelRef::new("scripted", "one");
    let turn = AssistantTurn { blocks, model, stop: StopReason::EndTurn, native: None, at: AT };
    rig.store.change(&key, SessionChange::Inject(Turn::Assistant(turn)), None, AT).await.unwrap();
    for (seed, roles) in [(1, &["operator"][..]), (2, &["node", "operator"])] {
        rig.store.put(paired(seed, roles)).await.unwrap();
    }
    for (seed, id) in [(3, "p3"), (4, "p4"), (5, "p5")] {
        let request = PairingRequest { id: id.into(), device: paired(seed, &["operator"]), asked_at: AT };
        rig.store.request(request).await.unwrap();
    }
    for (id, arguments) in [("g1", "echo hi".to_owned()), ("g2", "x".repeat(600)), ("g3", String::new())] {
        let (agent, tool, digest) = (AgentId::main(), "exec".to_owned(), "00".to_owned());
        let by = "owner".to_owned();
        rig.store.add(Grant { id: id.into(), agent, tool, digest, arguments, by, at: AT }).await.unwrap();
    }
    for id in ["q1", "q2"] {
        ask(&rig, id);
    }
    rig
}

/// One call of every method, in an order in which each has something to work on.
#[expect(clippy::too_many_lines, reason = "a table with a row per method")]
fn calls() -> Vec<(&'static str, Value)> {
    let say = |key: &str, id: &str, text: &str| json!({ key: "notes", "message": text, "idempotencyKey": id });
    let raw = r#"{"gateway":{"port":2}}"#;
    let device = |seed: u8| Device::new(seed).id();
    vec![
        ("health", json!({})),
        ("status", json!({})),
        ("system-presence", json!({})),
        ("system.info", json!({})),
        ("system-event", json!({ "text": "door opened" })),
        ("last-heartbeat", json!({})),
        ("wake", json!({ "mode": "now", "text": "door opened" })),
        ("logs.tail", json!({})),
        ("methods.list", json!({})),
        ("config.get", json!({})),
        ("config.set", json!({ "raw": raw, "baseHash": "hash-1" })),
        ("config.apply", json!({ "raw": raw, "baseHash": "hash-2" })),
        ("config.patch", json!({ "raw": raw, "baseHash": "hash-2" })),
        ("config.schema", json!({})),
        ("config.schema.lookup", json!({ "path": "gateway" })),
        ("agent", json!({ "message": "use a tool", "idempotencyKey": "a1" })),
        ("agent.wait", json!({ "runId": "a1" })),
        ("agent.identity.get", json!({})),
        ("sessions.subscribe", json!({ "limit": 5 })),
        ("sessions.messages.subscribe", json!({ "key": "notes" })),
        ("chat.send", say("sessionKey", "r1", "hold on")),
        ("tasks.list", json!({})),
        ("sessions.list", json!({ "includeLastMessage": true, "includeDerivedTitles": true })),
        ("chat.history", json!({ "sessionKey": "notes" })),
        ("chat.startup", json!({ "sessionKey": "notes" })),
        ("chat.abort", json!({ "sessionKey": "notes" })),
        ("chat.inject", json!({ "sessionKey": "notes", "message": "a note" })),
        ("chat.metadata", json!({})),
        ("sessions.describe", json!({ "key": "notes", "includeLastMessage": true })),
        ("sessions.resolve", json!({ "key": "notes" })),
        ("sessions.resolve", json!({ "key": "gone", "allowMissing": true })),
        ("sessions.preview", json!({ "keys": ["notes", "gone"] })),
        ("sessions.get", json!({ "key": "notes" })),
        ("sessions.create", json!({ "label": "a", "message": "hi" })),
        ("sessions.create", json!({})),
        ("sessions.patch", json!({ "key": "notes", "label": "b", "model": "scripted/one", "pinned": true })),
        ("sessions.list", json!({})),
        ("sessions.send", say("key", "r2", "hi")),
        ("sessions.abort", json!({ "key": "notes" })),
        ("sessions.reset", json!({ "key": "notes" })),
        ("sessions.delete", json!({ "key": "notes" })),
        ("sessions.delete", json!({ "key": "gone" })),
        ("sessions.messages.unsubscribe", json!({ "key": "notes" })),
        ("sessions.unsubscribe", json!({})),
        ("agents.list", json!({})),
        ("models.list", json!({})),
        ("commands.list", json!({})),
        ("tools.catalog", json!({})),
        ("tools.effective", json!({ "sessionKey": "main" })),
        ("skills.status", json!({})),
        ("channels.status", json!({})),
        ("node.list", json!({})),
        ("cron.list", json!({})),
        ("cron.status", json!({})),
        ("question.list", json!({})),
        ("taskSuggestions.list", json!({})),
        ("exec.approval.list", json!({})),
        ("exec.approval.get", json!({ "id": "q1" })),
        ("exec.approval.waitDecision", json!({ "id": "q1", "timeoutMs": 0 })),
        ("exec.approval.resolve", json!({ "id": "q1", "decision": "allow-always" })),
        ("exec.approval.waitDecision", json!({ "id": "q1" })),
        ("exec.approval.grants.list", json!({})),
        ("exec.approval.grants.revoke", json!({ "grantId": "g1" })),
        ("exec.approval.grants.revoke", json!({ "grantId": "gone" })),
        ("plugin.approval.list", json!({})),
        ("device.pair.list", json!({})),
        ("device.pair.approve", json!({ "requestId": "p3" })),
        ("device.pair.reject", json!({ "requestId": "p4" })),
        ("device.token.revoke", json!({ "deviceId": device(2), "role": "operator" })),
        ("device.pair.remove", json!({ "deviceId": device(1) })),
        ("vars.set", json!({ "name": "a", "value": 1, "scope": "global" })),
        ("runs.diff", json!({ "a": "r1", "b": "r2" })),
        ("runs.fork", json!({ "runId": "r1" })),
        ("runs.replay", json!({ "runId": "r1" })),
        ("vars.get", json!({ "name": "a", "scope": "global" })),
        ("vars.list", json!({ "scope": "global" })),
    ]
}

#[tokio::test]
async fn the_result_of_every_method_validates() {
    let Some(schema) = Schema::load() else { return };
    let rig = furnished().await;
    let mut ws = rig.client().await;
    let listed = ws.hello["features"]["methods"].clone();
    let listed: BTreeSet<&str> = listed.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let calls = calls();
    assert_eq!(calls.iter().map(|(method, _)| *method).collect::<BTreeSet<_>>(), listed, "every method is called");
    let mut checked = BTreeSet::new();
    for (method, params) in calls {
        let answer = ws.call(method, params).await;
        assert_eq!(answer["ok"], true, "{method}: {answer}");
        schema.check("ResponseFrame", &answer);
        if let Some(name) = definition(&schema, method) {
            schema.check(&name, &answer["payload"]);
            checked.insert(method);
        }
        for (_, pointer, name) in PARTS.iter().filter(|(known, _, _)| *known == method) {
            let parts = at(&answer["payload"], pointer);
            assert!(!parts.is_empty(), "{method} has nothing at {pointer}: {answer}");
            parts.into_iter().for_each(|part| schema.check(name, part));
            checked.insert(method);
        }
    }
    let undefined: Vec<&str> = listed.difference(&checked).copied().collect();
    assert_eq!(undefined, UNDEFINED_RESULTS);
}

#[tokio::test]
async fn what_came_after_a_cursor_validates() {
    let Some(schema) = Schema::load() else { return };
    let rig = furnished().await;
    let mut ws = rig.client().await;
    let history = ws.ok("chat.history", json!({ "sessionKey": "notes" })).await;
    ws.ok("chat.inject", json!({ "sessionKey": "notes", "message": "a note" })).await;
    for cursor in [history["deltaCursor"].as_str().unwrap(), "another:1"] {
        let since = ws.ok("chat.history", json!({ "sessionKey": "notes", "cursor": cursor })).await;
        schema.check("ChatHistoryCursorResult", &since);
    }
}

/// Checks an event frame; false when its payload has no definition.
fn check_event(schema: &Schema, event: &Value) -> bool {
    schema.check("EventFrame", event);
    let payload = &event["payload"];
    match event["event"].as_str().unwrap() {
        "chat" => schema.check("ChatEvent", payload),
        "tick" => schema.check("TickEvent", payload),
        "shutdown" => schema.check("ShutdownEvent", payload),
        "device.pair.requested" => schema.check("DevicePairRequestedEvent", payload),
        "device.pair.resolved" => schema.check("DevicePairResolvedEvent", payload),
        "sessions.changed" => at(payload, "/session").into_iter().for_each(|row| schema.check("SessionRow", row)),
        "presence" => at(payload, "/presence/*").into_iter().for_each(|entry| schema.check("PresenceEntry", entry)),
        "agent" => {
            let mut payload = payload.clone();
            AGENT_EXTRAS.iter().for_each(|name| drop(payload.as_object_mut().unwrap().remove(*name)));
            schema.check("AgentEvent", &payload);
        }
        _ => return false,
    }
    true
}

/// Brings about every event this gateway has.
async fn stir(rig: &mut Rig, ws: &mut Ws) {
    ws.ok("sessions.subscribe", json!({})).await;
    ws.ok("sessions.messages.subscribe", json!({ "key": "main" })).await;
    for (run, message) in [("r1", "use a tool"), ("r2", "fail"), ("r3", "hold"), ("r4", "unanswered"), ("r5", "limit")]
    {
        ws.ok("chat.send", json!({ "sessionKey": "main", "message": message, "idempotencyKey": run })).await;
        if message == "hold" {
            ws.ok("chat.abort", json!({ "sessionKey": "main" })).await;
        }
        ws.chat_end(run).await;
    }
    ws.ok("chat.inject", json!({ "sessionKey": "main", "message": "a note" })).await;
    ws.ok("sessions.reset", json!({ "key": "main" })).await;
    ask(rig, "q9");
    ws.ok("exec.approval.resolve", json!({ "id": "q9", "decision": "deny" })).await;
    ws.ok("config.set", json!({ "raw": "{}", "baseHash": "hash-1" })).await;
    let origin = format!("http://127.0.0.1:{}", rig.port);
    let mut page = rig.raw_with(&[("origin", &origin)]).await.unwrap();
    let mut asked = params(&["operator.read"]);
    (asked["client"]["id"], asked["client"]["mode"]) = (json!("openclaw-control-ui"), json!("webchat"));
    Device::new(9).sign(&mut asked, &page.challenge, false);
    let refused = page.call("connect", asked).await;
    let request = refused["error"]["details"]["requestId"].clone();
    page.shut().await;
    ws.ok("device.pair.reject", json!({ "requestId": request })).await;
    rig.client().await.shut().await;
    for _ in 0..2 {
        rig.clock.wait_for_sleepers(1).await;
        rig.clock.advance(std::time::Duration::from_secs(30)).await;
        ws.ok("last-heartbeat", json!({})).await;
    }
    ws.event(|event| event["event"] == "health").await;
    ws.event(|event| event["event"] == "presence").await;
    let handle = rig.handle.take().unwrap();
    // Shutting down waits for this client, which goes away only after reading everything.
    tokio::select! {
        () = handle.shutdown("") => panic!("the gateway left before its client"),
        _ = ws.closed() => {}
    }
}

#[tokio::test]
async fn every_event_validates() {
    let Some(schema) = Schema::load() else { return };
    let mut rig = furnished().await;
    let mut ws = rig.client().await;
    let listed = ws.hello["features"]["events"].clone();
    let listed: BTreeSet<String> =
        listed.as_array().unwrap().iter().map(|name| name.as_str().unwrap().into()).collect();
    stir(&mut rig, &mut ws).await;
    let mut seen = BTreeSet::from(["connect.challenge".to_owned()]);
    let mut undefined = seen.clone();
    for event in &ws.events {
        let name = event["event"].as_str().unwrap().to_owned();
        if !check_event(&schema, event) {
            undefined.insert(name.clone());
        }
        seen.insert(name);
    }
    assert_eq!(seen, listed, "every event came");
    assert_eq!(undefined.iter().map(String::as_str).collect::<Vec<_>>(), UNDEFINED_EVENTS);
    for state in ["status", "delta", "final", "aborted", "error"] {
        assert!(ws.events.iter().any(|event| event["payload"]["state"] == state), "a chat event says {state}");
    }
}

/// Checks a refusal: the frame, the body, and the particulars that have a definition.
fn check_refusal(schema: &Schema, answer: &Value) {
    schema.check("ResponseFrame", answer);
    assert_eq!(answer["ok"], false, "{answer}");
    schema.check("ErrorShape", &answer["error"]);
    let details = &answer["error"]["details"];
    let code = &details["code"];
    let defined = schema.root["definitions"]["GatewayErrorDetails"]["anyOf"].as_array().unwrap();
    if defined.iter().any(|kind| kind["properties"]["code"]["const"] == *code) {
        schema.check("GatewayErrorDetails", details);
    }
}

#[tokio::test]
async fn every_refusal_validates() {
    let Some(schema) = Schema::load() else { return };
    let rig = furnished().await;
    let mut ws = rig.client().await;
    let mut nobody = rig.client_with(params(&[])).await;
    let methods = ws.hello["features"]["methods"].clone();
    for method in methods.as_array().unwrap().iter().filter_map(Value::as_str) {
        let bad = json!({ "noSuchParameter": 1, "key": 7, "sessionKey": 7 });
        let unknown = json!({ "agentId": "nobody", "sessionKey": "x", "key": "x", "message": "x" });
        for answer in [ws.call(method, bad).await, ws.call(method, unknown).await, nobody.call(method, json!({})).await]
        {
            if answer["ok"] == false {
                check_refusal(&schema, &answer);
            }
        }
    }
    for (method, params) in [
        ("does.not.exist", json!({})),
        ("agents.list", json!([])),
        ("agent.identity.get", json!({ "agentId": "nobody" })),
        ("config.set", json!({ "raw": "{}", "baseHash": "old" })),
        ("config.schema.lookup", json!({ "path": "no.such" })),
        ("exec.approval.get", json!({ "id": "gone" })),
        ("device.pair.approve", json!({ "requestId": "gone" })),
        ("chat.send", json!({ "sessionKey": "main", "message": "defect", "idempotencyKey": "d" })),
        ("chat.send", json!({ "sessionKey": "main", "message": "busy", "idempotencyKey": "b" })),
    ] {
        check_refusal(&schema, &ws.call(method, params).await);
    }
    for message in ["fail", "unanswered", "limit"] {
        let id = ws.request("agent", json!({ "message": message, "idempotencyKey": message })).await;
        assert_eq!(ws.answer(&id).await["payload"]["status"], "accepted");
        check_refusal(&schema, &ws.answer(&id).await);
    }
}

#[tokio::test]
async fn every_refusal_of_a_handshake_validates() {
    let Some(schema) = Schema::load() else { return };
    let changes = [
        json!({ "auth": { "token": "wrong" } }),
        json!({ "auth": {} }),
        json!({ "role": "boss" }),
        json!({ "minProtocol": 9, "maxProtocol": 9 }),
        json!({ "device": { "id": "x", "publicKey": "x", "signature": "x", "signedAt": 1, "nonce": "x" } }),
        json!({ "client": {} }),
    ];
    let rig = Rig::start().await;
    for change in changes {
        let mut bad = params(&ALL);
        bad.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let (error, _, _) = refused(&rig, bad).await;
        check_refusal(&schema, &json!({ "type": "res", "id": "1", "ok": false, "error": error }));
    }
}
