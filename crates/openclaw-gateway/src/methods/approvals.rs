//! Questions about tool calls, and standing permissions.

use std::ops::ControlFlow;

use openclaw_domain::Kind;
use openclaw_domain::approval::Approval;
use openclaw_protocol::ErrorBody;
use serde_json::{Value, json};

use crate::convert;
use crate::convert::approval::{decision, requested};
use crate::convert::fault::{error, invalid, record};
use crate::dispatch::{Answer, Cx, Params, now};
use crate::gateway::Gateway;
use crate::methods::waiting;

const GRANTS_MAX: usize = 500;

/// Lists pending questions, oldest first.
pub(crate) async fn list(cx: Cx, _params: Params) -> Answer {
    let pending = cx.gateway.ports.approvals.pending();
    now(json!(pending.iter().map(requested).collect::<Vec<_>>()))
}

/// Tells about one question.
pub(crate) async fn get(cx: Cx, params: Params) -> Answer {
    let id = params.required("id");
    now(requested(&pending(&cx.gateway, id).ok_or_else(unknown)?))
}

/// Answers a question; the first answer stands.
pub(crate) async fn resolve(cx: Cx, params: Params) -> Answer {
    let text = params.required("decision");
    let Some(decision) = decision(text) else {
        return Err(invalid(format!("decision {text:?} is not one of allow-once, allow-always, deny")));
    };
    let resolved = cx.gateway.ports.approvals.resolve(params.required("id"), decision, &cx.client.label()).await;
    match resolved {
        Ok(_) => now(json!({ "ok": true })),
        Err(fault) if fault.kind == Kind::NotFound => Err(unknown()),
        Err(fault) => Err(error(&fault)),
    }
}

fn unknown() -> ErrorBody {
    invalid("unknown or expired approval id").with_details(json!({ "reason": "APPROVAL_NOT_FOUND",
        "remediation": "Re-request the action; pending approvals are cleared after expiry or restart." }))
}

fn pending(gateway: &Gateway, id: &str) -> Option<Approval> {
    gateway.ports.approvals.pending().into_iter().find(|approval| approval.id == id)
}

/// Waits for the answer to a question.
pub(crate) async fn wait_decision(cx: Cx, params: Params) -> Answer {
    let id = params.required("id").to_owned();
    waiting::until(cx, &params, move |gateway| {
        if let Some(decided) = gateway.hub.decided(&id) {
            return Ok(ControlFlow::Break(answered(&decided.approval, json!(decided.decision), Some(&decided.by))));
        }
        let approval = pending(gateway, &id).ok_or_else(unknown)?;
        Ok(ControlFlow::Continue(answered(&approval, Value::Null, None)))
    })
}

fn answered(approval: &Approval, decision: Value, by: Option<&str>) -> Value {
    let request = requested(approval);
    let mut payload = json!({ "id": approval.id, "decision": decision, "createdAtMs": request["createdAtMs"],
        "expiresAtMs": request["expiresAtMs"] });
    if let Some(by) = by {
        payload["resolvedBy"] = json!(by);
    }
    payload
}

/// Lists standing permissions.
pub(crate) async fn grants_list(cx: Cx, params: Params) -> Answer {
    let grants = cx.gateway.ports.grants.list().await.map_err(|error| record(&error))?;
    let limit = params.count("limit").unwrap_or(GRANTS_MAX);
    now(json!({ "grants": grants.iter().take(limit).map(convert::approval::grant).collect::<Vec<_>>() }))
}

/// Takes a standing permission back.
pub(crate) async fn grants_revoke(cx: Cx, params: Params) -> Answer {
    let was_there = cx.gateway.ports.grants.revoke(params.required("grantId")).await.map_err(|error| record(&error))?;
    now(json!({ "outcome": if was_there { "revoked" } else { "not-found" } }))
}

/// Lists questions of plugins.
pub(crate) async fn plugin_list(_cx: Cx, _params: Params) -> Answer {
    now(json!([]))
}
