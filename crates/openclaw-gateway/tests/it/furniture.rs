//! Things behind the methods, as varied as the contract allows.

use openclaw_domain::approval::Grant;
use openclaw_domain::catalog::{Agent, ModelInfo, Price};
use openclaw_domain::device::{self, PairingRequest};
use openclaw_domain::message::{Block, Native, Part, ToolStatus};
use openclaw_domain::model::{ModelRef, StopReason, Thinking};
use openclaw_domain::ports::{Devices as _, Grants as _, Sessions as _};
use openclaw_domain::session::{Delivery, SessionChange, SessionPatch};
use openclaw_domain::settings::{Issue, Severity, Snapshot};
use openclaw_domain::tool::{Capability, Effect, ToolSpec};
use openclaw_domain::{AgentId, AssistantTurn, Origin, ToolCall, ToolResult, Turn, UserTurn};
use openclaw_testkit::FixedCatalog;
use openclaw_testkit::catalog::{agent, model};
use serde_json::{Value, json};

use crate::events::ask;
use crate::fakes::AT;
use crate::rig::{Device, Rig};

/// One tool per capability, plain and reasoning models, a bare and a decorated agent.
pub(crate) fn catalog() -> FixedCatalog {
    let tool = |name: &str, description: &str, effect, capability| ToolSpec {
        name: name.into(),
        description: description.into(),
        parameters: json!({ "type": "object" }),
        effect,
        capability,
    };
    let tools = [
        tool("read", "Reads a file.\nAll of it.", Effect::Pure, Capability::FsRead),
        tool("write", "Writes a file.", Effect::Idempotent, Capability::FsWrite),
        tool("exec", "Runs a command.", Effect::Once, Capability::Exec),
        tool("web_fetch", "Fetches a page.", Effect::Pure, Capability::NetRead),
        tool("remember", "Keeps a note.", Effect::Keyed, Capability::Runtime),
        tool("send", "", Effect::Once, Capability::Message),
    ];
    let coder = Agent {
        name: Some("Coder".into()),
        emoji: Some("🦀".into()),
        choice: openclaw_domain::model::ModelChoice {
            primary: ModelRef::new("scripted", "vendor/two"),
            fallbacks: vec![ModelRef::new("scripted", "one")],
            thinking: Some(Thinking::High),
        },
        ..agent("coder")
    };
    let mut catalog = FixedCatalog::new().with_agent(coder).with_tools(tools);
    let price = Price { input: 3.0, output: 15.0, cache_read: 0.3, cache_write: 3.75 };
    catalog.models.push(ModelInfo {
        reasons: true,
        sees: true,
        thinking: Thinking::ALL.to_vec(),
        price: Some(price),
        ..model("scripted", "vendor/two")
    });
    let unknown =
        ModelInfo { context_window: None, output_tokens_max: None, is_available: false, ..model("none", "x") };
    catalog.models.push(unknown);
    catalog
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: id.parse().unwrap(), provider_id: id.into(), name: name.into(), arguments: arguments.into() }
}

fn answered(call: ToolCall, status: ToolStatus, details: Value) -> Block {
    let mut result = ToolResult::notice(status, format!("{} {status:?}", call.name));
    result.details = details;
    Block::Call { call, result: Some(result) }
}

/// A turn whose calls end in every way; one is a picture, one has not ended.
pub(crate) fn busy_turn() -> AssistantTurn {
    let exec = |id: &str| call(id, "exec", r#"{"command":"echo hi"}"#);
    let done = json!({ "status": "completed", "exitCode": 0, "durationMs": 12 });
    let picture = Part::Image { media_type: "image/png".into(), data: "AAAA".into() };
    let seen = ToolResult {
        parts: vec![Part::text("a picture"), picture],
        origin: Origin::File,
        ..ToolResult::notice(ToolStatus::Ok, "")
    };
    let blocks = vec![
        Block::Thinking { text: "hm".into() },
        Block::Thinking { text: String::new() },
        answered(exec("c-ok"), ToolStatus::Ok, done),
        answered(exec("c-failed"), ToolStatus::Failed, json!({ "exitCode": 1 })),
        answered(exec("c-denied"), ToolStatus::Denied, Value::Null),
        answered(call("c-cut", "write", "not json"), ToolStatus::Interrupted, Value::Null),
        answered(call("c-unknown", "send", "{}"), ToolStatus::Unknown, json!(["odd"])),
        Block::Call { call: call("c-seen", "read", r#"{"path":"a.png"}"#), result: Some(seen) },
        Block::Call { call: call("c-open", "read", r#"{"path":"b"}"#), result: None },
        Block::Text { text: "Done, see above.".into() },
    ];
    let native = Some(Native { dialect: "anthropic-messages".into(), json: "{}".into() });
    AssistantTurn { blocks, model: ModelRef::new("scripted", "one"), stop: StopReason::ToolUse, native, at: AT }
}

pub(crate) fn paired(seed: u8, roles: &[&str]) -> device::Device {
    device::Device {
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
pub(crate) async fn furnished() -> Rig {
    let rig = Rig::start().await;
    talk(&rig).await;
    let bare = device::Device { display_name: None, token_hash: None, platform: String::new(), ..paired(6, &["node"]) };
    for device in [paired(1, &["operator"]), paired(2, &["node", "operator"]), bare] {
        rig.store.put(device).await.unwrap();
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
    for id in ["q1", "q2", "q-write"] {
        ask(&rig, id);
    }
    rig
}

/// Fills the session `notes`: a picture, a channel's words, thoughts, and calls of every kind.
async fn talk(rig: &Rig) {
    let key = "agent:main:notes".parse().unwrap();
    rig.store.open(&key, AT).await.unwrap();
    let picture = Part::Image { media_type: "image/png".into(), data: "AAAA".into() };
    let shown = UserTurn { parts: vec![Part::text("look"), picture], origin: Origin::Owner, at: AT };
    let heard = UserTurn {
        parts: vec![Part::text("hello")],
        origin: Origin::Channel { channel: "telegram".into(), sender: "+1".into() },
        at: AT,
    };
    let plain = AssistantTurn {
        blocks: vec![Block::Text { text: "Cut off".into() }],
        model: ModelRef::new("scripted", "vendor/two"),
        stop: StopReason::MaxTokens,
        native: None,
        at: AT,
    };
    for turn in [Turn::User(shown), Turn::User(heard), Turn::Assistant(busy_turn()), Turn::Assistant(plain)] {
        rig.store.change(&key, SessionChange::Inject(turn), None, AT).await.unwrap();
    }
    let delivery =
        Delivery { last_channel: Some("telegram".into()), last_to: Some("+1".into()), ..Delivery::default() };
    let patch = SessionPatch {
        label: Some(Some("Notes".into())),
        model: Some(Some(ModelRef::new("scripted", "vendor/two"))),
        thinking: Some(Some(Thinking::High)),
        is_pinned: Some(true),
        is_unread: Some(true),
    };
    for change in [SessionChange::Deliver(delivery), SessionChange::Patch(patch)] {
        rig.store.change(&key, change, None, AT).await.unwrap();
    }
}

/// Puts findings into the configuration.
pub(crate) fn spoil_config(rig: &Rig, severities: &[Severity]) {
    let mut current = rig.settings.0.lock().unwrap();
    let issue = |severity: &Severity| Issue {
        severity: *severity,
        path: "gateway.prot".into(),
        message: "unknown key; did you mean gateway.port?".into(),
        line: (*severity == Severity::Error).then_some(3),
    };
    let issues = severities.iter().map(issue).collect();
    *current = std::sync::Arc::new(Snapshot { issues, ..Snapshot::clone(&current) });
}
