//! Runs: following them from any position, what they did, what they wait for.

use super::Method;
use crate::scope::Scope;
use crate::shape::{BOOL, Field, Kind, NAME, Shape, integer, one_of, optional, required};

static CURSOR_FIELDS: &[Field] =
    &[required("seq", integer(0, i64::MAX)), optional("off", integer(0, i64::MAX)), optional("run", NAME)];
static CURSOR: Shape = Shape::closed(CURSOR_FIELDS);

static AGENT_SUBSCRIBE_PARAMS: &[Field] = &[
    required("runId", NAME),
    optional("sessionKey", NAME),
    optional("after", Kind::Of(&CURSOR)),
    optional("resumeFrom", Kind::Of(&CURSOR)),
    optional("tokenInterval", integer(0, 10_000)),
    optional("tokenBatchSize", integer(0, 10_000)),
    optional("tokenBatchDelay", integer(0, 10_000)),
];

/// Carries a run to this connection, from a cursor on.
pub static AGENT_SUBSCRIBE: Method = Method::new("agent.subscribe", Scope::Read, Shape::closed(AGENT_SUBSCRIBE_PARAMS));

static AGENT_UNSUBSCRIBE_PARAMS: &[Field] = &[optional("subscription", NAME), optional("runId", NAME)];

/// Ends subscriptions of this connection.
pub static AGENT_UNSUBSCRIBE: Method =
    Method::new("agent.unsubscribe", Scope::Read, Shape::closed(AGENT_UNSUBSCRIBE_PARAMS));

static RUNS_LIST_PARAMS: &[Field] =
    &[optional("sessionKey", NAME), optional("active", BOOL), optional("limit", integer(1, 500))];

/// Lists runs, newest first.
pub static RUNS_LIST: Method = Method::new("runs.list", Scope::Read, Shape::closed(RUNS_LIST_PARAMS));

static RUN_PARAMS: &[Field] = &[required("runId", NAME), optional("sessionKey", NAME)];

/// Tells about one run.
pub static RUNS_GET: Method = Method::new("runs.get", Scope::Read, Shape::closed(RUN_PARAMS));

static RUNS_EVENTS_PARAMS: &[Field] = &[
    required("runId", NAME),
    optional("sessionKey", NAME),
    optional("after", integer(0, i64::MAX)),
    optional("limit", integer(1, 1000)),
];

/// Reads a page of a run's journal.
pub static RUNS_EVENTS: Method = Method::new("runs.events", Scope::Read, Shape::closed(RUNS_EVENTS_PARAMS));

/// Sees to it that a run works.
pub static RUNS_RESUME: Method = Method::new("runs.resume", Scope::Write, Shape::closed(RUN_PARAMS));

/// Stops a run.
pub static RUNS_CANCEL: Method = Method::new("runs.cancel", Scope::Write, Shape::closed(RUN_PARAMS));

/// Lists calls whose outcome is not known.
pub static RUNS_UNSETTLED: Method = Method::new("runs.unsettled", Scope::Read, Shape::EMPTY);

static RUNS_SETTLE_PARAMS: &[Field] =
    &[required("runId", NAME), required("callId", NAME), required("answer", NAME), optional("sessionKey", NAME)];

/// Says what became of a call.
pub static RUNS_SETTLE: Method = Method::new("runs.settle", Scope::Write, Shape::closed(RUNS_SETTLE_PARAMS));

static DELIVERIES_LIST_PARAMS: &[Field] = &[
    optional("state", one_of(&["pending", "sending", "sent", "failed", "unknown", "discarded"])),
    optional("limit", integer(1, 500)),
];

/// Lists what was sent to people.
pub static DELIVERIES_LIST: Method = Method::new("deliveries.list", Scope::Read, Shape::closed(DELIVERIES_LIST_PARAMS));

static DELIVERY_PARAMS: &[Field] = &[required("id", integer(0, i64::MAX))];

/// Sends a delivery again.
pub static DELIVERIES_RETRY: Method = Method::new("deliveries.retry", Scope::Write, Shape::closed(DELIVERY_PARAMS));

/// Tells about one delivery.
pub static DELIVERIES_GET: Method = Method::new("deliveries.get", Scope::Read, Shape::closed(DELIVERY_PARAMS));

/// Settles a delivery that failed or may not have arrived, without sending it.
pub static DELIVERIES_DISCARD: Method = Method::new("deliveries.discard", Scope::Write, Shape::closed(DELIVERY_PARAMS));
