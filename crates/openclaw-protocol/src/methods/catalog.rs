//! What there is to choose from and what is connected.

use super::Method;
use crate::scope::Scope;
use crate::shape::{ANY, BOOL, Field, NAME, Shape, TEXT, integer, one_of, optional, required, text};

/// Lists agents.
pub static AGENTS_LIST: Method = Method::new("agents.list", Scope::Read, Shape::EMPTY);

static COMMANDS_LIST_PARAMS: &[Field] = &[
    optional("sessionKey", NAME),
    optional("agentId", NAME),
    optional("provider", NAME),
    optional("scope", one_of(&["text", "native", "both"])),
    optional("includeArgs", BOOL),
];

/// Lists slash commands.
pub static COMMANDS_LIST: Method = Method::new("commands.list", Scope::Read, Shape::closed(COMMANDS_LIST_PARAMS));

static MODELS_LIST_PARAMS: &[Field] = &[
    optional("agentId", NAME),
    optional("includeProviderCapabilities", BOOL),
    optional("preparedOnly", BOOL),
    optional("refresh", BOOL),
    optional("view", one_of(&["default", "configured", "provider-config", "all"])),
];

/// Lists models.
pub static MODELS_LIST: Method = Method::new("models.list", Scope::Read, Shape::closed(MODELS_LIST_PARAMS));

static TOOLS_CATALOG_PARAMS: &[Field] = &[optional("agentId", NAME), optional("includePlugins", BOOL)];

/// Lists tools by group.
pub static TOOLS_CATALOG: Method = Method::new("tools.catalog", Scope::Read, Shape::closed(TOOLS_CATALOG_PARAMS));

static TOOLS_EFFECTIVE_PARAMS: &[Field] = &[optional("agentId", NAME), required("sessionKey", NAME)];

/// Lists the tools a session has.
pub static TOOLS_EFFECTIVE: Method = Method::new("tools.effective", Scope::Read, Shape::closed(TOOLS_EFFECTIVE_PARAMS));

static SKILLS_STATUS_PARAMS: &[Field] = &[optional("agentId", NAME), optional("sessionKey", NAME)];

/// Lists skills.
pub static SKILLS_STATUS: Method = Method::new("skills.status", Scope::Read, Shape::closed(SKILLS_STATUS_PARAMS));

static CHANNELS_STATUS_PARAMS: &[Field] =
    &[optional("probe", BOOL), optional("timeoutMs", integer(0, i64::MAX)), optional("channel", NAME)];

/// Lists chat channels.
pub static CHANNELS_STATUS: Method = Method::new("channels.status", Scope::Read, Shape::closed(CHANNELS_STATUS_PARAMS));

/// Lists nodes.
pub static NODE_LIST: Method = Method::new("node.list", Scope::Read, Shape::EMPTY);

static CRON_LIST_PARAMS: &[Field] = &[
    optional("includeDisabled", BOOL),
    optional("limit", integer(1, 200)),
    optional("offset", integer(0, i64::MAX)),
    optional("query", TEXT),
    optional("enabled", one_of(&["all", "enabled", "disabled"])),
    optional("scheduleKind", one_of(&["all", "at", "every", "cron", "on-exit", "stream"])),
    optional("lastRunStatus", one_of(&["all", "ok", "error", "skipped", "unknown"])),
    optional("trigger", one_of(&["all", "conditional", "unconditional"])),
    optional("sortBy", one_of(&["nextRunAtMs", "updatedAtMs", "name"])),
    optional("sortDir", one_of(&["asc", "desc"])),
    optional("agentId", NAME),
    optional("compact", BOOL),
    optional("includeDeliveryPreviews", BOOL),
];

/// Lists scheduled jobs.
pub static CRON_LIST: Method = Method::new("cron.list", Scope::Read, Shape::closed(CRON_LIST_PARAMS));

/// Tells about the scheduler.
pub static CRON_STATUS: Method = Method::new("cron.status", Scope::Read, Shape::EMPTY);

static TASK_SUGGESTIONS_LIST_PARAMS: &[Field] =
    &[optional("sessionKey", text(1, 512)), optional("agentId", text(1, 128))];

/// Lists suggested tasks.
pub static TASK_SUGGESTIONS_LIST: Method =
    Method::new("taskSuggestions.list", Scope::Read, Shape::closed(TASK_SUGGESTIONS_LIST_PARAMS));

static TASKS_LIST_PARAMS: &[Field] = &[
    optional("status", ANY),
    optional("agentId", NAME),
    optional("sessionKey", NAME),
    optional("limit", integer(1, 500)),
    optional("cursor", TEXT),
];

/// Lists runs as tasks.
pub static TASKS_LIST: Method = Method::new("tasks.list", Scope::Read, Shape::closed(TASKS_LIST_PARAMS));
