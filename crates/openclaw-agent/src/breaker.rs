//! Notices that a run goes in circles (D8, pain 12).
//!
//! Pure bookkeeping over ended tool calls; `step` asks it after each one.

use openclaw_domain::message::ToolStatus;
use openclaw_domain::run::Limit;
use openclaw_domain::{Limits, ToolCall, ToolResult};
use serde::{Deserialize, Serialize};

/// Counts repetitions and failures in a row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Breaker {
    last: Option<(String, String, String)>,
    repeats: u32,
    errors_in_row: u32,
}

impl Breaker {
    /// Takes note of an ended call.
    pub(crate) fn note(&mut self, call: &ToolCall, result: &ToolResult) {
        // Same call and same answer: polling a process that makes progress is
        // not a loop, asking the same thing and learning nothing new is.
        let seen = (call.name.clone(), call.arguments.clone(), result.text());
        self.repeats = if self.last.as_ref() == Some(&seen) { self.repeats + 1 } else { 1 };
        self.last = Some(seen);
        let failed = matches!(result.status, ToolStatus::Failed | ToolStatus::Denied);
        self.errors_in_row = if failed { self.errors_in_row + 1 } else { 0 };
    }

    /// Returns the ceiling that was reached and a sentence that says how.
    pub(crate) fn tripped(&self, limits: &Limits) -> Option<(Limit, String)> {
        if self.repeats >= limits.identical_calls_max {
            let tool = self.last.as_ref().map_or("", |(tool, _, _)| tool.as_str());
            let text = format!(
                "stopped: the agent called {tool} {} times with the same arguments and got the same answer each time",
                self.repeats
            );
            return Some((Limit::IdenticalCalls, text));
        }
        if self.errors_in_row >= limits.errors_in_row_max {
            let text = format!("stopped: {} tool calls failed in a row", self.errors_in_row);
            return Some((Limit::ErrorsInRow, text));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, arguments: &str) -> ToolCall {
        ToolCall { id: "c".parse().unwrap(), provider_id: "c".into(), name: name.into(), arguments: arguments.into() }
    }

    fn trip(calls: &[(&str, &str, ToolStatus, &str)]) -> Option<Limit> {
        let mut breaker = Breaker::default();
        for (name, arguments, status, text) in calls {
            breaker.note(&call(name, arguments), &ToolResult::notice(*status, *text));
        }
        breaker.tripped(&Limits::default()).map(|(limit, _)| limit)
    }

    #[test]
    fn the_third_identical_call_trips_and_the_second_does_not() {
        let same = ("read", "{}", ToolStatus::Ok, "x");
        assert_eq!(trip(&[same, same]), None);
        assert_eq!(trip(&[same, same, same]), Some(Limit::IdenticalCalls));
    }

    #[test]
    fn the_same_call_with_new_answers_is_progress() {
        let calls = [
            ("process", "{}", ToolStatus::Ok, "1"),
            ("process", "{}", ToolStatus::Ok, "2"),
            ("process", "{}", ToolStatus::Ok, "3"),
        ];
        assert_eq!(trip(&calls), None);
    }

    #[test]
    fn failures_in_a_row_trip_and_one_success_resets() {
        let fail = |n: usize| (["a", "b", "c", "d", "e", "f", "g", "h"][n], "{}", ToolStatus::Failed, "no");
        let mut calls: Vec<_> = (0..7).map(fail).collect();
        assert_eq!(trip(&calls), None);
        calls.push(fail(7));
        assert_eq!(trip(&calls), Some(Limit::ErrorsInRow));
        calls.insert(4, ("x", "{}", ToolStatus::Ok, "yes"));
        assert_eq!(trip(&calls), None);
    }
}
