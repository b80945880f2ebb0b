//! Talking in a session.

use super::Method;
use crate::scope::Scope;
use crate::shape::{
    ANY, BOOL, Field, LIST, NAME, NAMES, OBJECT, Shape, TEXT, TEXT_OR_NULL, integer, one_of, optional, required, text,
};

static CHAT_SEND_PARAMS: &[Field] = &[
    required("sessionKey", text(1, 512)),
    optional("agentId", NAME),
    optional("sessionId", NAME),
    required("message", TEXT),
    optional("intent", OBJECT),
    optional("thinking", TEXT),
    optional("fastMode", ANY),
    optional("fastAutoOnSeconds", integer(1, i64::MAX)),
    optional("queueMode", one_of(&["steer", "followup", "collect", "interrupt"])),
    optional("deliver", BOOL),
    optional("originatingChannel", TEXT),
    optional("originatingTo", TEXT),
    optional("originatingAccountId", TEXT),
    optional("originatingThreadId", TEXT),
    optional("replyToId", NAME),
    optional("attachments", LIST),
    optional("toolBindings", OBJECT),
    optional("timeoutMs", integer(0, i64::MAX)),
    optional("systemInputProvenance", OBJECT),
    optional("systemProvenanceReceipt", TEXT),
    optional("suppressCommandInterpretation", BOOL),
    optional("expectedLeafEntryId", TEXT_OR_NULL),
    optional("expectedSessionRoutingContract", NAME),
    optional("expectedPermissionMode", ANY),
    optional("expectedToolOverrides", ANY),
    required("idempotencyKey", NAME),
];

/// Says something
pub static CHAT_SEND: Method = Method::new("chat.send", Scope::Write, Shape::closed(CHAT_SEND_PARAMS));

static CHAT_HISTORY_PARAMS: &[Field] = &[
    required("sessionKey", NAME),
    optional("agentId", NAME),
    optional("cursor", TEXT),
    optional("limit", integer(1, 1000)),
    optional("offset", integer(0, i64::MAX)),
    optional("pendingBefore", integer(1, i64::MAX)),
    optional("inputRunIds", NAMES),
    optional("messageId", NAME),
    optional("sessionId", NAME),
    optional("maxChars", integer(1, 500000)),
];

/// Reads a transcript.
pub static CHAT_HISTORY: Method = Method::new("chat.history", Scope::Read, Shape::closed(CHAT_HISTORY_PARAMS));

/// Reads a transcript together with what a chat surface needs to open.
pub static CHAT_STARTUP: Method = Method::new("chat.startup", Scope::Read, Shape::closed(CHAT_HISTORY_PARAMS));

static CHAT_METADATA_PARAMS: &[Field] = &[optional("agentId", NAME), optional("sessionKey", NAME)];

/// Lists what can be chosen in a chat.
pub static CHAT_METADATA: Method = Method::new("chat.metadata", Scope::Read, Shape::closed(CHAT_METADATA_PARAMS));

static CHAT_ABORT_PARAMS: &[Field] = &[
    required("sessionKey", NAME),
    optional("agentId", NAME),
    optional("runId", NAME),
    optional("preserveSideRuns", BOOL),
];

/// Stops runs of a session.
pub static CHAT_ABORT: Method = Method::new("chat.abort", Scope::Write, Shape::closed(CHAT_ABORT_PARAMS));

static CHAT_INJECT_PARAMS: &[Field] = &[
    required("sessionKey", NAME),
    optional("agentId", NAME),
    required("message", NAME),
    optional("label", text(0, 100)),
];

/// Adds a note to the transcript without a run.
pub static CHAT_INJECT: Method = Method::new("chat.inject", Scope::Admin, Shape::closed(CHAT_INJECT_PARAMS));
