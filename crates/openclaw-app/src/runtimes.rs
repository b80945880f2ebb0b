//! What serves requests, and how many at once, as configured.

use std::num::NonZero;
use std::time::Duration;

use openclaw_domain::Runtime;
use openclaw_domain::binding::Terms;
use openclaw_domain::runtime::{Concurrency, ThreadBound};
use serde_json::Value;

/// Runs at once for each processor, and the least there are. A run mostly waits
/// for a model and costs little meanwhile, so there is room for more of them
/// than OpenClaw has (four for each processor, at least eight).
const RUNS_PER_PROCESSOR: usize = 32;
const RUNS_LEAST: usize = 64;

/// Reads what serves the requests of an agent from its entry.
pub(crate) fn of(entry: &Value) -> Runtime {
    if !matches!(entry["runtime"].as_str(), Some("thread-bound" | "thread")) {
        return Runtime::SessionBound;
    }
    let usual = ThreadBound::default();
    Runtime::ThreadBound(ThreadBound {
        deterministic: entry["deterministic"].as_bool().unwrap_or(usual.deterministic),
        auto_destroy: entry["autoDestroy"].as_bool().unwrap_or(usual.auto_destroy),
        duration_max: entry["maxDuration"].as_u64().map_or(usual.duration_max, Duration::from_secs),
        concurrent_max: count(&entry["maxConcurrent"]).unwrap_or(usual.concurrent_max),
    })
}

/// Reads how many runs there may be at once from the block `agents`.
pub(crate) fn concurrency(agents: &Value) -> Concurrency {
    let (defaults, usual) = (&agents["defaults"], Concurrency::default());
    let pool = &defaults["pool"];
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    Concurrency {
        runs_max: count(&defaults["maxConcurrent"]).unwrap_or((RUNS_PER_PROCESSOR * processors).max(RUNS_LEAST)),
        pool_max: count(&pool["maxThreads"]).unwrap_or(usual.pool_max),
        task_max: count(&pool["maxPerTask"]).unwrap_or(usual.task_max),
        task_timeout: pool["timeout"].as_u64().map_or(usual.task_timeout, Duration::from_secs),
    }
}

/// Reads how long chat threads stay bound from the block `session`.
pub(crate) fn bindings(session: &Value) -> Terms {
    let (section, usual) = (&session["threadBindings"], Terms::default());
    let hours = |key: &str| {
        let seconds = section[key].as_f64()? * 3600.0;
        Duration::try_from_secs_f64(seconds).ok()
    };
    Terms {
        is_enabled: section["enabled"].as_bool().unwrap_or(usual.is_enabled),
        idle_max: hours("idleHours").unwrap_or(usual.idle_max),
        age_max: hours("maxAgeHours").unwrap_or(usual.age_max),
    }
}

fn count(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_agent_is_thread_bound_under_both_names_and_in_no_other_case() {
        let usual = Runtime::ThreadBound(ThreadBound::default());
        for name in ["thread-bound", "thread"] {
            assert_eq!(of(&json!({ "runtime": name })), usual);
        }
        for entry in [json!({}), json!({ "runtime": "session" }), json!({ "runtime": { "type": "acp" } })] {
            assert_eq!(of(&entry), Runtime::SessionBound, "{entry}");
        }
        let own = json!({ "runtime": "thread", "deterministic": true, "autoDestroy": false, "maxDuration": 120,
            "maxConcurrent": 2 });
        let expected = ThreadBound {
            deterministic: true,
            auto_destroy: false,
            duration_max: Duration::from_secs(120),
            concurrent_max: 2,
        };
        assert_eq!(of(&own), Runtime::ThreadBound(expected));
    }

    #[test]
    fn limits_are_read_and_the_usual_ones_stand_for_the_rest() {
        let read =
            concurrency(&json!({ "defaults": { "maxConcurrent": 4, "pool": { "maxThreads": 2, "timeout": 5 } } }));
        let expected = Concurrency { runs_max: 4, pool_max: 2, task_max: 3, task_timeout: Duration::from_secs(5) };
        assert_eq!(read, expected);
        assert!(concurrency(&json!({})).runs_max >= RUNS_LEAST);
    }

    #[test]
    fn half_an_hour_of_idleness_can_be_said() {
        let terms = bindings(&json!({ "threadBindings": { "enabled": false, "idleHours": 0.5 } }));
        assert_eq!(terms, Terms { is_enabled: false, idle_max: Duration::from_secs(1800), age_max: Duration::ZERO });
    }
}
