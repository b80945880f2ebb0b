//! Questions to a person, on the wire.

use openclaw_domain::Timestamp;
use openclaw_domain::approval::{Approval, Decision, Grant};
use serde_json::{Value, json};

use super::tool;

/// How long a question without a deadline is said to be open: clients need a number.
const OPEN_MS: i64 = 365 * 24 * 60 * 60 * 1000;

/// Returns the payload of `exec.approval.requested`.
pub(crate) fn requested(approval: &Approval) -> Value {
    let expires =
        approval.expires_at.map_or(approval.asked_at.as_millis().saturating_add(OPEN_MS), Timestamp::as_millis);
    json!({ "approvalKind": "exec", "id": approval.id, "request": request(approval),
        "createdAtMs": approval.asked_at, "expiresAtMs": expires })
}

fn request(approval: &Approval) -> Value {
    let arguments = tool::arguments(&approval.call);
    // The literal thing that will run comes first and unshortened (ux rule 2).
    let command = match arguments.get("command").and_then(Value::as_str) {
        Some(command) => command.to_owned(),
        None => format!("{} {}", approval.call.name, approval.call.arguments),
    };
    json!({ "command": command, "cwd": approval.cwd, "host": "gateway", "agentId": approval.agent,
        "sessionKey": approval.session, "runId": approval.run, "toolName": approval.call.name,
        "toolCallId": approval.call.id, "arguments": arguments, "rule": approval.rule, "ask": approval.reason,
        "allowedDecisions": ["allow-once", "allow-always", "deny"] })
}

/// Returns the payload of `exec.approval.resolved`.
pub(crate) fn resolved(approval: &Approval, decision: Decision, by: &str, at: Timestamp) -> Value {
    json!({ "id": approval.id, "decision": decision, "resolvedBy": by, "ts": at, "request": request(approval) })
}

/// Longest command of a standing permission, in characters; the contract's limit.
const GRANT_COMMAND_CHARS_MAX: usize = 512;

fn shortened(command: &str) -> String {
    if command.chars().count() <= GRANT_COMMAND_CHARS_MAX {
        return command.to_owned();
    }
    command.chars().take(GRANT_COMMAND_CHARS_MAX - 1).chain(['…']).collect()
}

/// Returns a standing permission.
pub(crate) fn grant(grant: &Grant) -> Value {
    // The contract ties grants to scheduled jobs; ours belong to a tool.
    json!({ "grantId": grant.id, "mintedByApprovalId": grant.id, "agentId": grant.agent,
        "cronJobId": format!("tool:{}", grant.tool), "cronJobName": null,
        "command": shortened(if grant.arguments.is_empty() { &grant.tool } else { &grant.arguments }),
        "cwd": null, "createdAtMs": grant.at, "expiresAtMs": null, "revokedAtMs": null, "revokedBy": null,
        "lastUsedAtMs": null, "useCount": 0 })
}

/// Parses a decision a client sent.
pub(crate) fn decision(text: &str) -> Option<Decision> {
    match text {
        "allow-once" => Some(Decision::AllowOnce),
        "allow-always" => Some(Decision::AllowAlways),
        "deny" => Some(Decision::Deny),
        _ => None,
    }
}
