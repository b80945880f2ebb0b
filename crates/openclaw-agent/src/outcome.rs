//! What is reported about a run that ended.

use openclaw_domain::Timestamp;
use openclaw_domain::run::{End, Outcome};

use crate::step::RunState;

/// Builds the outcome of a run from its final state.
pub(crate) fn of(state: &RunState, end: End, started_at: Timestamp, ended_at: Timestamp) -> Outcome {
    Outcome {
        end,
        text: state.last_text(),
        answered_by: state.answered_by.clone(),
        usage: state.usage,
        iterations: state.iterations,
        tool_calls: state.tool_calls,
        started_at,
        ended_at,
    }
}
