//! Starting agents and waiting for them.

use super::Method;
use crate::scope::Scope;
use crate::shape::{BOOL, Field, LIST, NAME, OBJECT, Shape, TEXT, integer, one_of, optional, required, text};

static AGENT_PARAMS: &[Field] = &[
    required("message", NAME),
    optional("agentId", NAME),
    optional("provider", TEXT),
    optional("model", TEXT),
    optional("to", TEXT),
    optional("replyTo", TEXT),
    optional("sessionId", TEXT),
    optional("sessionKey", TEXT),
    optional("expectedExistingSessionId", NAME),
    optional("thinking", TEXT),
    optional("deliver", BOOL),
    optional("attachments", LIST),
    optional("channel", TEXT),
    optional("replyChannel", TEXT),
    optional("accountId", TEXT),
    optional("replyAccountId", TEXT),
    optional("threadId", TEXT),
    optional("groupId", TEXT),
    optional("groupChannel", TEXT),
    optional("groupSpace", TEXT),
    optional("timeout", integer(0, i64::MAX)),
    optional("bestEffortDeliver", BOOL),
    optional("lane", TEXT),
    optional("cwd", NAME),
    optional("cleanupBundleMcpOnRunEnd", BOOL),
    optional("modelRun", BOOL),
    optional("promptMode", one_of(&["full", "minimal", "none"])),
    optional("extraSystemPrompt", TEXT),
    optional("bootstrapContextMode", one_of(&["full", "lightweight"])),
    optional("bootstrapContextRunKind", one_of(&["default", "heartbeat", "cron"])),
    optional("acpTurnSource", one_of(&["manual_spawn"])),
    optional("internalRuntimeHandoffId", NAME),
    optional("internalExecutionIdentityRetry", BOOL),
    optional("internalExecutionIdentityRecoveryAttempt", integer(1, i64::MAX)),
    optional("execApprovalFollowupExpectedSessionId", NAME),
    optional("internalEvents", LIST),
    optional("inputProvenance", OBJECT),
    optional("suppressPromptPersistence", BOOL),
    optional("sessionEffects", one_of(&["visible", "internal"])),
    optional("sourceReplyDeliveryMode", one_of(&["automatic", "message_tool_only"])),
    optional("disableMessageTool", BOOL),
    optional("swarmCollector", BOOL),
    optional("swarmOutputSchema", OBJECT),
    optional("forceRestartSafeTools", BOOL),
    optional("forceCodeModeTools", BOOL),
    optional("voiceWakeTrigger", TEXT),
    required("idempotencyKey", NAME),
    optional("label", text(1, 512)),
];

/// Runs an agent
pub static AGENT: Method = Method::new("agent", Scope::Write, Shape::closed(AGENT_PARAMS));

static AGENT_WAIT_PARAMS: &[Field] = &[required("runId", NAME), optional("timeoutMs", integer(0, i64::MAX))];

/// Waits for a run to end.
pub static AGENT_WAIT: Method = Method::new("agent.wait", Scope::Write, Shape::closed(AGENT_WAIT_PARAMS));

static AGENT_IDENTITY_GET_PARAMS: &[Field] = &[optional("agentId", NAME), optional("sessionKey", TEXT)];

/// Tells an agent's name and picture.
pub static AGENT_IDENTITY_GET: Method =
    Method::new("agent.identity.get", Scope::Read, Shape::closed(AGENT_IDENTITY_GET_PARAMS));
