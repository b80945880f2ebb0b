//! Sessions: list, change, follow.

use super::Method;
use crate::scope::Scope;
use crate::shape::{
    ANY, BOOL, Field, LIST, NAME, NAMES, NUMBER, OBJECT, Shape, TEXT, TEXT_OR_NULL, integer, one_of, optional,
    required, text,
};

static SESSIONS_LIST_PARAMS: &[Field] = &[
    optional("limit", integer(1, i64::MAX)),
    optional("offset", integer(0, i64::MAX)),
    optional("activeMinutes", integer(1, i64::MAX)),
    optional("requireLastInteraction", BOOL),
    optional("sortBy", one_of(&["updatedAt", "lastInteractionAt"])),
    optional("includeGlobal", BOOL),
    optional("includeUnknown", BOOL),
    optional("configuredAgentsOnly", BOOL),
    optional("includeDerivedTitles", BOOL),
    optional("includeLastMessage", BOOL),
    optional("label", text(1, 512)),
    optional("boardFace", one_of(&["chat", "dashboard"])),
    optional("creatorId", NAME),
    optional("ownerId", NAME),
    optional("ownerFirst", BOOL),
    optional("involvingMe", BOOL),
    optional("involvingProfileId", NAME),
    optional("includePeople", BOOL),
    optional("spawnedBy", NAME),
    optional("agentId", NAME),
    optional("search", TEXT),
    optional("archived", ANY),
];

/// Lists sessions.
pub static SESSIONS_LIST: Method = Method::new("sessions.list", Scope::Read, Shape::closed(SESSIONS_LIST_PARAMS));

/// Follows changes of all sessions.
pub static SESSIONS_SUBSCRIBE: Method =
    Method::new("sessions.subscribe", Scope::Read, Shape::closed(SESSIONS_LIST_PARAMS));

/// Stops following them.
pub static SESSIONS_UNSUBSCRIBE: Method = Method::new("sessions.unsubscribe", Scope::Read, Shape::open(&[]));

static SESSIONS_MESSAGES_SUBSCRIBE_PARAMS: &[Field] =
    &[required("key", NAME), optional("agentId", NAME), optional("includeApprovals", BOOL)];

/// Follows one transcript.
pub static SESSIONS_MESSAGES_SUBSCRIBE: Method =
    Method::new("sessions.messages.subscribe", Scope::Read, Shape::closed(SESSIONS_MESSAGES_SUBSCRIBE_PARAMS));

static SESSIONS_MESSAGES_UNSUBSCRIBE_PARAMS: &[Field] = &[required("key", NAME), optional("agentId", NAME)];

/// Stops following it.
pub static SESSIONS_MESSAGES_UNSUBSCRIBE: Method =
    Method::new("sessions.messages.unsubscribe", Scope::Read, Shape::closed(SESSIONS_MESSAGES_UNSUBSCRIBE_PARAMS));

static SESSIONS_DESCRIBE_PARAMS: &[Field] =
    &[required("key", NAME), optional("includeDerivedTitles", BOOL), optional("includeLastMessage", BOOL)];

/// Tells about one session.
pub static SESSIONS_DESCRIBE: Method =
    Method::new("sessions.describe", Scope::Read, Shape::closed(SESSIONS_DESCRIBE_PARAMS));

static SESSIONS_RESOLVE_PARAMS: &[Field] = &[
    optional("key", NAME),
    optional("sessionId", NAME),
    optional("label", text(1, 512)),
    optional("shortId", NAME),
    optional("slugHint", NAME),
    optional("agentId", NAME),
    optional("spawnedBy", NAME),
    optional("includeGlobal", BOOL),
    optional("includeUnknown", BOOL),
    optional("allowMissing", BOOL),
];

/// Finds a session by key, id or label.
pub static SESSIONS_RESOLVE: Method =
    Method::new("sessions.resolve", Scope::Read, Shape::closed(SESSIONS_RESOLVE_PARAMS));

static SESSIONS_PREVIEW_PARAMS: &[Field] =
    &[required("keys", NAMES), optional("limit", integer(1, i64::MAX)), optional("maxChars", integer(20, i64::MAX))];

/// Reads the last lines of several sessions.
pub static SESSIONS_PREVIEW: Method =
    Method::new("sessions.preview", Scope::Read, Shape::closed(SESSIONS_PREVIEW_PARAMS));

static SESSIONS_CREATE_PARAMS: &[Field] = &[
    optional("key", NAME),
    optional("idempotencyKey", NAME),
    optional("agentId", NAME),
    optional("label", text(1, 512)),
    optional("displayName", text(1, 500)),
    optional("category", text(1, 512)),
    optional("model", NAME),
    optional("contextWindow", NAME),
    optional("thinkingLevel", NAME),
    optional("fastMode", ANY),
    optional("permissionMode", one_of(&["read-only", "guarded", "workspace", "full"])),
    optional("toolOverrides", OBJECT),
    optional("incognito", BOOL),
    optional("visibility", one_of(&["shared", "read-only", "suggest", "draft"])),
    optional("catalogId", NAME),
    optional("parentSessionKey", NAME),
    optional("spawnDepth", integer(1, i64::MAX)),
    optional("fork", BOOL),
    optional("forkFrom", one_of(&["last-completed"])),
    optional("emitCommandHooks", BOOL),
    optional("succeedsParent", BOOL),
    optional("task", TEXT),
    optional("message", TEXT),
    optional("attachments", LIST),
    optional("projectId", NAME),
    optional("projectGitUrl", text(1, 2048)),
    optional("worktree", BOOL),
    optional("worktreeBaseRef", NAME),
    optional("worktreeName", TEXT),
    optional("execNode", NAME),
    optional("cwd", NAME),
];

/// Makes a session.
pub static SESSIONS_CREATE: Method =
    Method::new("sessions.create", Scope::Write, Shape::closed(SESSIONS_CREATE_PARAMS));

static SESSIONS_PATCH_PARAMS: &[Field] = &[
    required("key", NAME),
    optional("agentId", NAME),
    optional("expectedSessionId", NAME),
    optional("expectedLifecycleRevision", NAME),
    optional("expectedPermissionMode", ANY),
    optional("expectedToolOverrides", ANY),
    optional("expectedMarkedUnreadAt", ANY),
    optional("label", TEXT_OR_NULL),
    optional("icon", TEXT_OR_NULL),
    optional("color", TEXT_OR_NULL),
    optional("category", TEXT_OR_NULL),
    optional("boardFace", one_of(&["chat", "dashboard"])),
    optional("statusNote", TEXT_OR_NULL),
    optional("attention", TEXT_OR_NULL),
    optional("ttlMinutes", integer(1, 120)),
    optional("archived", BOOL),
    optional("pinned", BOOL),
    optional("unread", BOOL),
    optional("contextWindow", TEXT_OR_NULL),
    optional("thinkingLevel", TEXT_OR_NULL),
    optional("fastMode", ANY),
    optional("toolOverrides", ANY),
    optional("verboseLevel", TEXT_OR_NULL),
    optional("traceLevel", TEXT_OR_NULL),
    optional("reasoningLevel", TEXT_OR_NULL),
    optional("responseUsage", ANY),
    optional("elevatedLevel", TEXT_OR_NULL),
    optional("execHost", TEXT_OR_NULL),
    optional("execSecurity", TEXT_OR_NULL),
    optional("execAsk", TEXT_OR_NULL),
    optional("execNode", TEXT_OR_NULL),
    optional("permissionMode", ANY),
    optional("model", TEXT_OR_NULL),
    optional("completionOwnerSessionKey", TEXT_OR_NULL),
    optional("inheritedToolPolicyVersion", ANY),
    optional("inheritedToolAllow", ANY),
    optional("inheritedToolDeny", ANY),
    optional("sendPolicy", ANY),
    optional("groupActivation", ANY),
];

/// Changes fields of a session.
pub static SESSIONS_PATCH: Method = Method::new("sessions.patch", Scope::Write, Shape::closed(SESSIONS_PATCH_PARAMS));

static SESSIONS_RESET_PARAMS: &[Field] =
    &[required("key", NAME), optional("agentId", NAME), optional("reason", one_of(&["new", "reset"]))];

/// Starts a new conversation under the same key.
pub static SESSIONS_RESET: Method = Method::new("sessions.reset", Scope::Admin, Shape::closed(SESSIONS_RESET_PARAMS));

static SESSIONS_DELETE_PARAMS: &[Field] = &[
    required("key", NAME),
    optional("agentId", NAME),
    optional("deleteTranscript", BOOL),
    optional("expectedSessionId", NAME),
    optional("expectedLifecycleRevision", NAME),
    optional("expectedSessionUpdatedAt", NUMBER),
    optional("emitLifecycleHooks", BOOL),
    optional("archivedOnly", BOOL),
];

/// Removes a session.
pub static SESSIONS_DELETE: Method =
    Method::new("sessions.delete", Scope::Admin, Shape::closed(SESSIONS_DELETE_PARAMS));

static SESSIONS_ABORT_PARAMS: &[Field] =
    &[optional("key", NAME), optional("runId", NAME), optional("agentId", NAME), optional("clearQueued", BOOL)];

/// Stops what a session does.
pub static SESSIONS_ABORT: Method = Method::new("sessions.abort", Scope::Write, Shape::closed(SESSIONS_ABORT_PARAMS));

static SESSIONS_SEND_PARAMS: &[Field] = &[
    required("key", NAME),
    optional("agentId", NAME),
    required("message", TEXT),
    optional("thinking", TEXT),
    optional("attachments", LIST),
    optional("timeoutMs", integer(0, i64::MAX)),
    optional("idempotencyKey", NAME),
];

/// Says something in a session.
pub static SESSIONS_SEND: Method = Method::new("sessions.send", Scope::Write, Shape::closed(SESSIONS_SEND_PARAMS));

static GET_PARAMS: &[Field] = &[required("key", NAME), optional("limit", integer(1, i64::MAX))];
/// Reads a transcript without the chat surface's extras.
pub static SESSIONS_GET: Method = Method::new("sessions.get", Scope::Read, Shape::open(GET_PARAMS));
