//! What there is to choose from, and what is connected.
//!
//! Subsystems that are not there answer with what is true: an empty list.

use openclaw_domain::model::ModelRef;
use openclaw_domain::run::Status;
use openclaw_domain::session::Session;
use openclaw_protocol::ErrorBody;
use serde_json::{Value, json};

use super::target;
use crate::convert;
use crate::dispatch::{Answer, Cx, Params, now};

/// Returns the model a session uses, and its context window.
pub(crate) fn default_model(cx: &Cx, session: Option<&Session>) -> (ModelRef, Option<u32>) {
    let catalog = &cx.gateway.ports.catalog;
    let chosen = session.and_then(|session| session.model.clone());
    let of_agent = || {
        let agent = session.map_or_else(|| cx.gateway.default_agent(), |session| session.key.agent().clone());
        catalog.agent(&agent).map(|agent| agent.choice.primary)
    };
    let model = chosen.or_else(of_agent).unwrap_or_else(|| ModelRef::new("none", "none"));
    let window = catalog.models().into_iter().find(|info| info.model == model).and_then(|info| info.context_window);
    (model, window)
}

/// Lists agents.
pub(crate) async fn agents(cx: Cx, _params: Params) -> Answer {
    let agents = cx.gateway.ports.catalog.agents();
    now(json!({ "defaultId": cx.gateway.default_agent(), "ownership": "sole", "selectionRequired": false,
        "mainKey": "main", "scope": "per-sender",
        "agents": agents.iter().map(convert::catalog::agent).collect::<Vec<_>>() }))
}

/// Tells an agent's name and picture.
pub(crate) async fn agent_identity(cx: Cx, params: Params) -> Answer {
    let id = match params.text("sessionKey") {
        Some(text) => target::complete(&target::agent(&cx, &params)?, text)?.agent().clone(),
        None => target::agent(&cx, &params)?,
    };
    let agent = cx.gateway.ports.catalog.agent(&id);
    let name = agent.as_ref().and_then(|agent| agent.name.clone()).filter(|name| !name.is_empty());
    let mut identity = json!({ "agentId": id, "nameSource": if name.is_some() { "config" } else { "default" },
        "name": name.unwrap_or_else(|| "Assistant".to_owned()) });
    if let Some(emoji) = agent.and_then(|agent| agent.emoji).filter(|emoji| !emoji.is_empty()) {
        identity["emoji"] = json!(emoji);
    }
    now(identity)
}

/// Returns the models, the default agent's choice marked.
pub(crate) fn model_rows(cx: &Cx) -> Vec<Value> {
    let (default, _) = default_model(cx, None);
    let models = cx.gateway.ports.catalog.models();
    models.iter().map(|info| convert::catalog::model(info, info.model == default)).collect()
}

/// Lists models.
pub(crate) async fn models(cx: Cx, params: Params) -> Answer {
    let mut rows = model_rows(&cx);
    if params.text("view") == Some("configured") {
        rows.retain(|row| row["available"] == json!(true));
    }
    now(json!({ "models": rows }))
}

/// Lists slash commands: none is interpreted by the gateway.
pub(crate) async fn commands(_cx: Cx, _params: Params) -> Answer {
    now(json!({ "commands": [] }))
}

/// Lists the tools of an agent by group.
pub(crate) async fn tools(cx: Cx, params: Params) -> Answer {
    let agent = target::agent(&cx, &params)?;
    let tools = cx.gateway.ports.catalog.tools(&agent);
    now(json!({ "agentId": agent, "profiles": [{ "id": "full", "label": "Full" }],
        "groups": convert::catalog::groups(&tools, convert::catalog::tool) }))
}

/// Lists the tools a session has.
pub(crate) async fn tools_effective(cx: Cx, params: Params) -> Answer {
    let key = target::key(&cx, &params, "sessionKey")?;
    let tools = cx.gateway.ports.catalog.tools(key.agent());
    let rows: Vec<Value> = tools.iter().map(convert::catalog::effective_tool).collect();
    let group = json!({ "id": "core", "label": "Built-in tools", "source": "core", "tools": rows });
    let groups = if rows.is_empty() { Vec::new() } else { vec![group] };
    now(json!({ "agentId": key.agent(), "profile": "full", "groups": groups }))
}

/// Lists skills.
pub(crate) async fn skills(cx: Cx, params: Params) -> Answer {
    let id = target::agent(&cx, &params)?;
    let workspace = cx.gateway.ports.catalog.agent(&id).map(|agent| agent.workspace).unwrap_or_default();
    let managed = format!("{}/skills", cx.gateway.options.state_dir_label);
    now(json!({ "workspaceDir": workspace, "managedSkillsDir": managed, "agentId": id, "skills": [] }))
}

/// Lists chat channels.
pub(crate) async fn channels(cx: Cx, _params: Params) -> Answer {
    now(json!({ "ts": cx.gateway.now(), "channelOrder": [], "channelLabels": {}, "channelDetailLabels": {},
        "channelSystemImages": {}, "channelMeta": [], "channels": {}, "channelAccounts": {},
        "channelDefaultAccountId": {} }))
}

/// Lists scheduled jobs.
pub(crate) async fn cron_list(cx: Cx, params: Params) -> Answer {
    // The revision names one state of the list; ours cannot change while the gateway runs.
    now(json!({ "jobs": [], "snapshotRevision": cx.gateway.boot_id, "total": 0,
        "offset": params.number("offset").unwrap_or(0), "limit": params.number("limit").unwrap_or(50),
        "hasMore": false, "nextOffset": null, "deliveryPreviews": {} }))
}

/// Tells about the scheduler.
pub(crate) async fn cron_status(cx: Cx, _params: Params) -> Answer {
    now(json!({ "enabled": false, "triggersEnabled": false, "storePath": cx.gateway.options.state_dir_label,
        "storage": "none", "jobs": 0, "nextWakeAtMs": null }))
}

/// Lists suggested tasks.
pub(crate) async fn task_suggestions(_cx: Cx, _params: Params) -> Answer {
    now(json!({ "suggestions": [] }))
}

/// Lists runs that have not ended, as tasks.
pub(crate) async fn tasks(cx: Cx, params: Params) -> Answer {
    let session = match params.text("sessionKey") {
        Some(_) => Some(target::key(&cx, &params, "sessionKey")?),
        None => None,
    };
    let active = cx.gateway.ports.runs.active(session.as_ref());
    let rows = active.iter().map(|run| {
        let status = if run.status == Status::Queued { "queued" } else { "running" };
        let mut row = json!({ "id": run.id, "taskId": run.id, "runId": run.id, "status": status,
            "agentId": run.session.agent(), "sessionKey": run.session, "createdAt": run.accepted_at });
        // The contract's states know nobody who waits for a person.
        match run.status {
            Status::Attention => row["lastActivity"] = json!("attention: somebody must say what became of a call"),
            Status::Waiting => row["lastActivity"] = json!("waiting for a person"),
            Status::Queued | Status::Running | Status::Done | Status::Failed | Status::Cancelled => {}
        }
        row
    });
    let rows: Vec<Value> = rows.collect();
    Ok::<_, ErrorBody>(json!({ "tasks": rows })).and_then(now)
}
