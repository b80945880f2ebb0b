//! Instances that serve one request, pool tasks and chat-thread bindings (ours;
//! upstream has none of these methods).

use super::Method;
use crate::scope::Scope;
use crate::shape::{Field, LIST, NAME, Shape, integer, optional, required, text};

static INSTANCES_PARAMS: &[Field] = &[optional("agentId", NAME)];

/// Lists the instances of thread-bound agents.
pub static AGENTS_INSTANCES: Method = Method::new("agents.instances", Scope::Read, Shape::closed(INSTANCES_PARAMS));

static EXECUTE_PARAMS: &[Field] = &[
    required("agents", LIST),
    required("task", NAME),
    required("idempotencyKey", NAME),
    optional("timeout", integer(1, 86_400)),
];

/// Runs a task by several agents.
pub static POOL_EXECUTE: Method = Method::new("pool.execute", Scope::Write, Shape::closed(EXECUTE_PARAMS));

static BIND_PARAMS: &[Field] = &[
    required("channel", NAME),
    optional("accountId", text(0, 256)),
    required("threadId", NAME),
    required("key", NAME),
];

/// Binds a chat thread to a session.
pub static SESSIONS_BIND: Method = Method::new("sessions.bind", Scope::Write, Shape::closed(BIND_PARAMS));

static UNBIND_PARAMS: &[Field] =
    &[required("channel", NAME), optional("accountId", text(0, 256)), required("threadId", NAME)];

/// Ends the binding of a chat thread.
pub static SESSIONS_UNBIND: Method = Method::new("sessions.unbind", Scope::Write, Shape::closed(UNBIND_PARAMS));

static BINDINGS_PARAMS: &[Field] = &[optional("key", NAME)];

/// Lists the chat threads that are bound.
pub static SESSIONS_BINDINGS: Method = Method::new("sessions.bindings", Scope::Read, Shape::closed(BINDINGS_PARAMS));
