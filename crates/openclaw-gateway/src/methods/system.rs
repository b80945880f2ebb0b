//! The gateway itself: health, status, presence, logs, waking.

use futures_util::future::FutureExt as _;
use openclaw_domain::message::Part;
use openclaw_domain::ports::LogQuery;
use openclaw_domain::run::{QueueMode, RunRequest, Source, Status};
use openclaw_domain::session::{Session, SessionQuery};
use openclaw_domain::{Origin, SessionKey, Turn, UserTurn};
use serde_json::{Value, json};

use super::{catalog, chat, target};
use crate::convert;
use crate::convert::fault::{error, invalid, record};
use crate::dispatch::{Answer, Cx, Params, Payload, Reply, now};
use crate::{health, methods};

const RECENT_MAX: usize = 10;
const LOG_LINES_DEFAULT: usize = 500;
const LOG_BYTES_DEFAULT: u64 = 250_000;

/// Tells whether the gateway works.
pub(crate) async fn health(cx: Cx, params: Params) -> Answer {
    let gateway = cx.gateway;
    if params.flag("probe") != Some(true)
        && let Some(text) = gateway.health.fresh(gateway.ports.clock.monotonic())
    {
        return Ok(Reply::Now(Payload::Text(text)));
    }
    let text = health::measure(&gateway).boxed().await;
    Ok(Reply::Now(Payload::Text(text)))
}

/// Tells what the gateway is doing.
pub(crate) async fn status(cx: Cx, _params: Params) -> Answer {
    let gateway = &cx.gateway;
    let agents = gateway.ports.catalog.agents();
    let heartbeats: Vec<Value> = agents
        .iter()
        .map(|agent| json!({ "agentId": agent.id, "enabled": false, "every": "disabled", "everyMs": null }))
        .collect();
    let mut by_agent = Vec::new();
    for agent in &agents {
        let (count, recent) = recent(&cx, Some(agent.id.clone())).await?;
        let path = &gateway.options.state_dir_label;
        by_agent.push(json!({ "agentId": agent.id, "path": path, "count": count, "recent": recent }));
    }
    let (count, recent) = recent(&cx, None).await?;
    let (model, context) = catalog::default_model(&cx, None);
    now(json!({
        "runtimeVersion": gateway.options.version, "pid": pid(), "uptimeMs": gateway.uptime_ms(),
        "heartbeat": { "defaultAgentId": gateway.default_agent(), "agents": heartbeats },
        "channelSummary": [], "queuedSystemEvents": [], "degradedSecretOwners": [], "degradedPlugins": [],
        "tasks": tasks(&cx), "taskAudit": { "total": 0, "warnings": 0, "errors": 0, "byCode": {} },
        "connections": gateway.hub.clients().len(),
        "sessions": { "paths": [gateway.options.state_dir_label], "count": count,
            "defaults": { "model": model.model, "contextTokens": context }, "recent": recent, "byAgent": by_agent },
    }))
}

/// Counts runs that have not ended; ended ones are in their sessions.
fn tasks(cx: &Cx) -> Value {
    let active = cx.gateway.ports.runs.active(None);
    let queued = active.iter().filter(|run| run.status == Status::Queued).count();
    let running = active.len() - queued;
    json!({ "total": active.len(), "active": running, "terminal": 0, "failures": 0,
        "byStatus": { "queued": queued, "running": running, "succeeded": 0, "failed": 0, "timed_out": 0,
            "cancelled": 0, "lost": 0 },
        "byRuntime": { "subagent": 0, "acp": 0, "cli": active.len(), "cron": 0 } })
}

async fn recent(
    cx: &Cx,
    agent: Option<openclaw_domain::AgentId>,
) -> Result<(usize, Vec<Value>), openclaw_protocol::ErrorBody> {
    let query = SessionQuery { agent, limit: RECENT_MAX, ..SessionQuery::default() };
    let page = cx.gateway.ports.sessions.list(&query).await.map_err(|error| record(&error))?;
    let rows = page.sessions.iter().map(|session| recent_row(cx, session)).collect();
    Ok((page.total, rows))
}

fn recent_row(cx: &Cx, session: &Session) -> Value {
    let age = cx.gateway.now().since(session.updated_at);
    let (model, context) = catalog::default_model(cx, Some(session));
    json!({ "agentId": session.key.agent(), "key": session.key, "kind": "direct", "sessionId": session.id,
        "updatedAt": session.updated_at, "age": u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
        "inputTokens": session.usage.input, "outputTokens": session.usage.output,
        "cacheRead": session.usage.cache_read, "cacheWrite": session.usage.cache_write,
        "totalTokens": session.usage.total(), "totalTokensFresh": true, "model": model.model,
        "configuredModel": model.to_string(), "selectedModel": model.to_string(), "contextTokens": context,
        "flags": [] })
}

/// Lists connected clients.
pub(crate) async fn presence(cx: Cx, _params: Params) -> Answer {
    now(json!(cx.gateway.presence()))
}

/// Tells about the machine.
pub(crate) async fn info(cx: Cx, _params: Params) -> Answer {
    let machine = &cx.gateway.options.machine;
    let (release, hostname) = (&machine.release, machine.host());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let os = std::env::consts::OS;
    let mut info = json!({ "machineName": hostname, "hostname": hostname, "platform": os, "release": release,
        "arch": std::env::consts::ARCH, "osLabel": format!("{os} {release}"), "nodeVersion": "none",
        "pid": pid(), "processInstanceId": cx.gateway.boot_id, "uptimeMs": cx.gateway.uptime_ms(),
        "cpuCount": processors, "memoryTotalBytes": machine.memory_total_bytes,
        "memoryFreeBytes": machine.memory_free_bytes });
    if let Some(port) = cx.gateway.port() {
        info["port"] = json!(port);
    }
    now(info)
}

fn pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// There are no heartbeats, so there is no last one.
pub(crate) async fn last_heartbeat(_cx: Cx, _params: Params) -> Answer {
    now(Value::Null)
}

/// Wakes the agent with a text: at once as a run, or as a note it reads next time.
pub(crate) async fn wake(cx: Cx, params: Params) -> Answer {
    let agent = target::agent(&cx, &params)?;
    let session = match params.text("sessionKey") {
        Some(text) => target::complete(&agent, text)?,
        None => SessionKey::main_of(&agent),
    };
    let turn = system_turn(&cx, params.required("text"));
    if params.text("mode") == Some("next-heartbeat") {
        chat::note(&cx, &session, Turn::User(turn)).await?;
        return now(json!({ "ok": true }));
    }
    let id = format!("wake-{}", uuid::Uuid::new_v4());
    let id = id.parse().map_err(|error| invalid(format!("{error}")))?;
    let request = RunRequest {
        queue: QueueMode::Followup,
        timeout: cx.meta.deadline,
        trace: cx.meta.trace.clone(),
        ..RunRequest::new(id, session, turn, Source::Trigger)
    };
    cx.gateway.ports.runs.start(request).await.map_err(|fault| error(&fault))?;
    now(json!({ "ok": true }))
}

/// Hands the main session a line of text; the agent reads it with its next turn.
pub(crate) async fn event(cx: Cx, params: Params) -> Answer {
    let session = SessionKey::main_of(&cx.gateway.default_agent());
    let turn = system_turn(&cx, params.required("text"));
    chat::note(&cx, &session, Turn::User(turn)).await?;
    now(json!({ "ok": true }))
}

fn system_turn(cx: &Cx, text: &str) -> UserTurn {
    UserTurn { parts: vec![Part::text(format!("System event: {text}"))], origin: Origin::System, at: cx.gateway.now() }
}

/// Reads the end of the log.
pub(crate) async fn logs_tail(cx: Cx, params: Params) -> Answer {
    let query = LogQuery {
        cursor: params.number("cursor"),
        lines_max: params.count("limit").unwrap_or(LOG_LINES_DEFAULT),
        bytes_max: params.number("maxBytes").unwrap_or(LOG_BYTES_DEFAULT),
    };
    let page = cx.gateway.ports.logs.tail(query).await.map_err(|fault| convert::fault::error(&fault))?;
    let file = if page.file.is_empty() { "(no log file)" } else { page.file.as_str() };
    now(json!({ "file": file, "cursor": page.cursor, "size": page.size, "lines": page.lines,
        "truncated": page.is_truncated, "reset": page.is_reset }))
}

/// Lists callable methods (B5).
pub(crate) async fn methods_list(_cx: Cx, _params: Params) -> Answer {
    let rows = methods::TABLE
        .iter()
        .map(|row| json!({ "name": row.method.name, "scope": row.method.scope.map(openclaw_protocol::Scope::as_str) }));
    now(json!({ "methods": rows.collect::<Vec<_>>() }))
}
