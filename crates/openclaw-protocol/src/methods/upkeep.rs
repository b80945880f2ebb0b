//! Keeping long work going: summaries of sessions, checkpoints of runs.

use super::Method;
use crate::scope::Scope;
use crate::shape::{Field, NAME, Shape, integer, optional, required};

static COMPACT_PARAMS: &[Field] =
    &[required("key", NAME), optional("agentId", NAME), optional("maxLines", integer(1, i64::MAX))];

/// Shows the older turns of a session to the model as a summary.
pub static SESSIONS_COMPACT: Method = Method::new("sessions.compact", Scope::Admin, Shape::closed(COMPACT_PARAMS));

static LIST_PARAMS: &[Field] = &[required("key", NAME), optional("agentId", NAME)];

/// Lists the summaries of a session that are in force.
pub static SESSIONS_COMPACTION_LIST: Method =
    Method::new("sessions.compaction.list", Scope::Read, Shape::closed(LIST_PARAMS));

static RESTORE_PARAMS: &[Field] = &[required("key", NAME), optional("agentId", NAME), required("checkpointId", NAME)];

/// Takes a summary back: the turns it stands for are shown again.
pub static SESSIONS_COMPACTION_RESTORE: Method =
    Method::new("sessions.compaction.restore", Scope::Admin, Shape::closed(RESTORE_PARAMS));

static SNAPSHOT_PARAMS: &[Field] = &[required("runId", NAME)];

/// Keeps the state of a working run, so that a restart goes on quickly (ours; upstream has none).
pub static RUNS_SNAPSHOT: Method = Method::new("runs.snapshot", Scope::Write, Shape::closed(SNAPSHOT_PARAMS));
