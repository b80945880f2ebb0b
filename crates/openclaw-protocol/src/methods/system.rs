//! The gateway itself.

use super::Method;
use crate::scope::Scope;
use crate::shape::{BOOL, Field, NAME, Shape, integer, one_of, optional, required};

static LOGS_TAIL_PARAMS: &[Field] = &[
    optional("cursor", integer(0, i64::MAX)),
    optional("limit", integer(1, 5000)),
    optional("maxBytes", integer(1, 1000000)),
];

/// Reads the end of the log.
pub static LOGS_TAIL: Method = Method::new("logs.tail", Scope::Read, Shape::closed(LOGS_TAIL_PARAMS));

static WAKE_PARAMS: &[Field] = &[
    required("mode", one_of(&["now", "next-heartbeat"])),
    required("text", NAME),
    optional("sessionKey", NAME),
    optional("agentId", NAME),
];

/// Wakes the agent with a text.
pub static WAKE: Method = Method::new("wake", Scope::Write, Shape::open(WAKE_PARAMS));

/// Tells about the machine.
pub static SYSTEM_INFO: Method = Method::new("system.info", Scope::Read, Shape::EMPTY);

static HEALTH_PARAMS: &[Field] = &[optional("probe", BOOL)];
/// Tells whether the gateway works; answered to every authenticated client.
pub static HEALTH: Method = Method::for_anyone("health", Shape::open(HEALTH_PARAMS));

static STATUS_PARAMS: &[Field] = &[optional("includeChannelSummary", BOOL), optional("includeCliProjection", BOOL)];
/// Tells what the gateway is doing.
pub static STATUS: Method = Method::new("status", Scope::Read, Shape::open(STATUS_PARAMS));

/// Lists connected clients.
pub static SYSTEM_PRESENCE: Method = Method::new("system-presence", Scope::Read, Shape::open(&[]));

static SYSTEM_EVENT_PARAMS: &[Field] = &[required("text", NAME), optional("mode", one_of(&["now", "next-heartbeat"]))];
/// Hands the main session a line of text.
pub static SYSTEM_EVENT: Method = Method::new("system-event", Scope::Admin, Shape::open(SYSTEM_EVENT_PARAMS));

/// Tells about the last heartbeat run.
pub static LAST_HEARTBEAT: Method = Method::new("last-heartbeat", Scope::Read, Shape::open(&[]));

/// Lists callable methods.
pub static METHODS_LIST: Method = Method::new("methods.list", Scope::Read, Shape::EMPTY);
