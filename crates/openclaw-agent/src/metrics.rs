//! Names of all metrics of this crate, and the functions that record them.

use openclaw_domain::run::{Outcome, Status};

/// Runs by how they ended.
pub(crate) const RUNS_TOTAL: &str = "openclaw_runs_total";
/// Runs that have not ended.
pub(crate) const RUNS_ACTIVE: &str = "openclaw_runs_active";
/// Runs of pool tasks that work.
pub(crate) const POOL_ACTIVE: &str = "openclaw_thread_pool_active";
/// Instances that serve one request each.
pub(crate) const INSTANCES: &str = "openclaw_thread_bound_instances";
/// Seconds from accepted to ended.
pub(crate) const RUN_SECONDS: &str = "openclaw_run_duration_seconds";
/// Tokens by kind.
pub(crate) const TOKENS_TOTAL: &str = "openclaw_tokens_total";
/// Tool calls by tool and status.
pub(crate) const TOOL_CALLS_TOTAL: &str = "openclaw_tool_calls_total";
/// Seconds of tool calls.
pub(crate) const TOOL_SECONDS: &str = "openclaw_tool_duration_seconds";

/// Records a run's end.
pub(crate) fn ended(outcome: &Outcome) {
    let status = Status::from(&outcome.end).as_str();
    metrics::counter!(RUNS_TOTAL, "status" => status).increment(1);
    metrics::histogram!(RUN_SECONDS).record(outcome.ended_at.since(outcome.started_at).as_secs_f64());
    let usage = &outcome.usage;
    for (kind, tokens) in [
        ("input", usage.input),
        ("output", usage.output),
        ("cache_read", usage.cache_read),
        ("cache_write", usage.cache_write),
    ] {
        if tokens > 0 {
            metrics::counter!(TOKENS_TOTAL, "kind" => kind).increment(tokens);
        }
    }
}
