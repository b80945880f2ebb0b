//! Every method and every event against a schema, over the whole tables.
//!
//! The contract publishes a schema that leaves many results and some events
//! open. What it leaves open has a definition of our own, in
//! `docs/reference/gateway-extra.schema.json`; what it defines has none there.

use std::collections::BTreeSet;

use openclaw_domain::settings::Severity;
use serde_json::{Value, json};

use crate::auth::refused;
use crate::events::ask;
use crate::furniture::{furnished, spoil_config};
use crate::rig::{ALL, Device, Rig, Ws, params};
use crate::schema::Schema;

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

/// Parts that have a definition of our own, although the whole has a published one or is open.
const OWN_PARTS: [(&str, &str, &str); 9] = [
    ("chat.history", "/messages/*", "ChatMessage"),
    ("chat.startup", "/messages/*", "ChatMessage"),
    ("sessions.get", "/messages/*", "ChatMessage"),
    ("exec.approval.list", "/*", "ExecApprovalRequestedEvent"),
    ("node.list", "/nodes/*", "NodeSummary"),
    ("config.get", "/issues/*", "ConfigIssue"),
    ("config.get", "/warnings/*", "ConfigIssue"),
    ("status", "/sessions/recent/*", "RecentSession"),
    ("device.pair.list", "/paired/*", "PairedDevice"),
];

/// Fields every known gateway puts into `agent` events besides those of the schema.
const AGENT_EXTRAS: [&str; 3] = ["sessionKey", "agentId", "sessionId"];

/// Returns the definition of a method's result by the package's naming rule.
fn definition(schema: &Schema, method: &str) -> Option<String> {
    if let Some((_, name)) = RENAMED.iter().find(|(known, _)| *known == method) {
        return Some((*name).to_owned()).filter(|name| schema.has(name));
    }
    let name = camel(method);
    ["Result", "Response"].iter().map(|end| format!("{name}{end}")).find(|name| schema.has(name))
}

/// Returns `DevicePairList` for `device.pair.list`.
fn camel(name: &str) -> String {
    let words = name.split(['.', '-', '_']);
    words.map(|word| format!("{}{}", word[..1].to_uppercase(), &word[1..])).collect()
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
        ("agent.wait", json!({ "runId": "gone", "timeoutMs": 0 })),
        ("agent", json!({ "message": "use a tool", "idempotencyKey": "a1" })),
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
        ("sessions.reset", json!({ "key": "main" })),
        ("sessions.preview", json!({ "keys": ["notes", "gone"] })),
        ("agents.list", json!({})),
        ("agent.identity.get", json!({ "agentId": "coder" })),
        ("chat.send", say("sessionKey", "r1", "hold on")),
        ("sessions.get", json!({ "key": "notes" })),
        ("sessions.create", json!({ "label": "a", "message": "hi" })),
        ("sessions.create", json!({})),
        ("sessions.patch", json!({ "key": "notes", "label": "b", "model": "scripted/one", "pinned": true })),
        ("sessions.list", json!({})),
        ("sessions.send", say("key", "r2", "hold on")),
        ("sessions.abort", json!({ "key": "notes" })),
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
        ("taskSuggestions.list", json!({})),
        ("exec.approval.list", json!({})),
        ("exec.approval.get", json!({ "id": "q1" })),
        ("exec.approval.get", json!({ "id": "q-write" })),
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
        ("vars.get", json!({ "name": "a", "scope": "global" })),
        ("vars.list", json!({ "scope": "global" })),
        ("vars.get", json!({ "name": "gone", "scope": "global" })),
        ("vars.set", json!({ "name": "a", "value": null, "scope": "global" })),
    ]
    .into_iter()
    .chain(crate::questions::calls())
    .collect()
}

/// Checks an answer against the published schema; false when that leaves it open.
fn check_published(schema: &Schema, method: &str, answer: &Value) -> bool {
    schema.check("ResponseFrame", answer);
    let whole = definition(schema, method);
    if let Some(name) = &whole {
        schema.check(name, &answer["payload"]);
    }
    let parts: Vec<_> = PARTS.iter().filter(|(known, _, _)| *known == method).collect();
    for (_, pointer, name) in &parts {
        check_parts(schema, method, &answer["payload"], pointer, name);
    }
    whole.is_some() || !parts.is_empty()
}

fn check_parts(schema: &Schema, method: &str, payload: &Value, pointer: &str, name: &str) {
    let parts = at(payload, pointer);
    assert!(!parts.is_empty(), "{method} has nothing at {pointer}: {payload}");
    parts.into_iter().for_each(|part| schema.check(name, part));
}

#[tokio::test]
async fn the_result_of_every_method_validates() {
    let (published, own) = (Schema::load(), Schema::own());
    let rig = furnished().await;
    spoil_config(&rig, &[Severity::Error, Severity::Warning]);
    crate::questions::furnish(&rig).await;
    let mut ws = rig.client().await;
    let listed = ws.hello["features"]["methods"].clone();
    let listed: BTreeSet<&str> = listed.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let calls = calls();
    assert_eq!(calls.iter().map(|(method, _)| *method).collect::<BTreeSet<_>>(), listed, "every method is called");
    for (method, params) in calls {
        let answer = ws.call(method, params).await;
        assert_eq!(answer["ok"], true, "{method}: {answer}");
        let whole = definition(&own, method);
        if let Some(schema) = &published {
            let is_published = check_published(schema, method, &answer);
            assert_ne!(is_published, whole.is_some(), "{method} has one definition, published or our own");
        }
        if let Some(name) = whole {
            own.check(&name, &answer["payload"]);
        }
        for (_, pointer, name) in OWN_PARTS.iter().filter(|(known, _, _)| *known == method) {
            check_parts(&own, method, &answer["payload"], pointer, name);
        }
    }
    own.all_used("Result");
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

/// Checks an event frame; false when the published schema leaves its payload open.
fn check_event(schema: &Schema, event: &Value) -> bool {
    schema.check("EventFrame", event);
    let payload = &event["payload"];
    match event["event"].as_str().unwrap() {
        "chat" => schema.check("ChatEvent", payload),
        "question.requested" => schema.check("QuestionRecord", payload),
        "question.resolved" => schema.check("QuestionResolvedEvent", payload),
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

/// Checks an event against our own definitions; false when there is none.
fn check_own_event(own: &Schema, event: &Value) -> bool {
    let (name, payload) = (event["event"].as_str().unwrap(), &event["payload"]);
    if name == "agent" {
        // The contract leaves `data` open, one shape per stream.
        own.check(&format!("Agent{}Data", camel(payload["stream"].as_str().unwrap())), &payload["data"]);
    }
    let name = format!("{}Event", camel(name));
    let is_ours = own.has(&name);
    if is_ours {
        own.check(&name, payload);
    }
    is_ours
}

/// Brings about every event this gateway has.
async fn stir(rig: &mut Rig, ws: &mut Ws) {
    ws.ok("sessions.subscribe", json!({})).await;
    ws.ok("sessions.messages.subscribe", json!({ "key": "main" })).await;
    for (run, message) in [
        ("r1", "use a tool"),
        ("r2", "fail"),
        ("r3", "hold"),
        ("r4", "unanswered"),
        ("r5", "limit"),
        ("r6", "every ending"),
        ("r7", "overtime"),
        ("r8", "absorb"),
    ] {
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
    Box::pin(crate::questions::stir(rig, ws)).await;
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
    let (published, own) = (Schema::load(), Schema::own());
    let mut rig = furnished().await;
    let mut ws = rig.client().await;
    let listed = ws.hello["features"]["events"].clone();
    let listed: BTreeSet<String> =
        listed.as_array().unwrap().iter().map(|name| name.as_str().unwrap().into()).collect();
    Box::pin(stir(&mut rig, &mut ws)).await;
    let challenge = json!({ "type": "event", "event": "connect.challenge", "payload": ws.challenge });
    let mut seen = BTreeSet::new();
    for event in std::iter::once(&challenge).chain(&ws.events) {
        let name = event["event"].as_str().unwrap();
        let is_ours = check_own_event(&own, event);
        if let Some(schema) = &published {
            assert_ne!(check_event(schema, event), is_ours, "{name} has one definition, published or our own");
        }
        seen.insert(name.to_owned());
    }
    assert_eq!(seen, listed, "every event came");
    own.all_used("Event");
    own.all_used("Data");
    for state in ["status", "delta", "final", "aborted", "error"] {
        assert!(ws.events.iter().any(|event| event["payload"]["state"] == state), "a chat event says {state}");
    }
    for status in ["ok", "failed", "denied", "interrupted", "unknown"] {
        let says = |event: &Value| event["payload"]["data"]["result"]["details"]["status"] == status;
        assert!(ws.events.iter().any(says), "a tool call ended {status}");
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
    let own = Schema::own();
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
    for message in ["fail", "unanswered", "limit", "overtime"] {
        let id = ws.request("agent", json!({ "message": message, "idempotencyKey": message })).await;
        assert_eq!(ws.answer(&id).await["payload"]["status"], "accepted");
        let refusal = ws.answer(&id).await;
        check_refusal(&schema, &refusal);
        own.check("RunFailure", &refusal["error"]["details"]);
        own.check("AgentWaitResult", &ws.ok("agent.wait", json!({ "runId": message })).await);
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

/// An open object would let anything through.
#[test]
fn our_own_definitions_list_every_field() {
    fn look(place: &str, schema: &Value, open: &mut Vec<String>) {
        let Some(map) = schema.as_object() else {
            return schema.as_array().into_iter().flatten().for_each(|item| look(place, item, open));
        };
        if map.get("type") == Some(&json!("object")) && map.get("additionalProperties") != Some(&json!(false)) {
            open.push(place.to_owned());
        }
        map.iter().for_each(|(name, below)| look(&format!("{place}/{name}"), below, open));
    }
    let mut open = Vec::new();
    look("", &Schema::own().root["definitions"], &mut open);
    // A tool's own facts, and variables by name.
    assert_eq!(open, ["/ToolDetails", "/VarsListResult/properties/variables"]);
}
