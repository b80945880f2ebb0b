//! Looking back at runs: replayed, tried another way, compared (ours; upstream has none).

use super::Method;
use crate::scope::Scope;
use crate::shape::{BOOL, Field, Kind, NAME, Shape, integer, optional, required, text};

/// Longest text that stands in place of a recorded one, in characters.
const EDIT_CHARS_MAX: usize = 512 * 1024;

static REPLAY_PARAMS: &[Field] = &[required("runId", NAME), optional("sessionKey", NAME)];

/// Compares a recorded run with what the engine asks for.
pub static RUNS_REPLAY: Method = Method::new("runs.replay", Scope::Read, Shape::closed(REPLAY_PARAMS));

static EDIT: Shape = Shape::closed(&[
    optional("input", text(1, EDIT_CHARS_MAX)),
    optional("system", text(0, EDIT_CHARS_MAX)),
    optional("results", Kind::Object),
]);

static FORK_PARAMS: &[Field] = &[
    required("runId", NAME),
    optional("sessionKey", NAME),
    optional("fromStep", integer(1, 1_000_000)),
    optional("model", NAME),
    optional("edit", Kind::Of(&EDIT)),
    optional("live", BOOL),
];

/// Begins a new run from the state before a model call of a recorded one.
pub static RUNS_FORK: Method = Method::new("runs.fork", Scope::Write, Shape::closed(FORK_PARAMS));

static DIFF_PARAMS: &[Field] =
    &[required("a", NAME), required("b", NAME), optional("sessionKeyA", NAME), optional("sessionKeyB", NAME)];

/// Compares two runs step by step.
pub static RUNS_DIFF: Method = Method::new("runs.diff", Scope::Read, Shape::closed(DIFF_PARAMS));
