//! Answers tool calls from the record of another run, touching nothing.

use std::collections::BTreeMap;

use openclaw_domain::fault::Fault;
use openclaw_domain::message::{Part, ToolStatus};
use openclaw_domain::ports::{Journal, RunName, Sessions};
use openclaw_domain::run::ForkOrigin;
use openclaw_domain::{CallId, RunEvent, ToolCall, ToolResult, Turn};

use super::canonical;
use super::recording::{self, Recording};
use crate::step::RunState;

/// What the tools of a recorded run answered.
pub(crate) struct Answers {
    /// Results by tool and arguments, in the order of the calls.
    by_call: BTreeMap<(String, String), Vec<ToolResult>>,
}

impl Answers {
    /// Reads the record a fork answers from.
    ///
    /// # Errors
    /// When the recorded run is gone.
    pub(crate) async fn load(
        journal: &dyn Journal,
        sessions: &dyn Sessions,
        origin: &ForkOrigin,
    ) -> Result<Self, Fault> {
        let name = RunName { session: Some(origin.session.clone()), run: origin.run.clone() };
        Ok(Self::of(&recording::read(journal, sessions, &name).await?, &origin.results))
    }

    /// Collects the results of a recorded run, changed ones in place of theirs.
    pub(crate) fn of(recording: &Recording, changed: &BTreeMap<CallId, String>) -> Self {
        let results = results(recording, changed);
        let mut by_call: BTreeMap<(String, String), Vec<ToolResult>> = BTreeMap::new();
        for recorded in &recording.events {
            let RunEvent::ModelDone { turn, .. } = &recorded.event else { continue };
            for (call, _) in turn.calls() {
                if let Some(result) = results.get(&call.id) {
                    by_call.entry(key(call)).or_default().push(result.clone());
                }
            }
        }
        Self { by_call }
    }

    /// Answers a call: the n-th of equal calls as the n-th was answered, further
    /// ones as the last; a call the record does not have is not run.
    pub(crate) fn answer(&self, state: &RunState, call: &ToolCall) -> ToolResult {
        let wanted = key(call);
        let Some(results) = self.by_call.get(&wanted) else {
            return ToolResult::notice(ToolStatus::Interrupted, "not run: replay");
        };
        let n = equal_before(state, call, &wanted);
        let nth = results.get(n).or(results.last()).cloned();
        nth.unwrap_or_else(|| ToolResult::notice(ToolStatus::Interrupted, "not run: replay"))
    }
}

/// Returns what each call of a recorded run was answered.
pub(super) fn results(recording: &Recording, changed: &BTreeMap<CallId, String>) -> BTreeMap<CallId, ToolResult> {
    let ended = recording.events.iter().filter_map(|recorded| match &recorded.event {
        RunEvent::ToolEnded { call, result } => Some((call.clone(), (**result).clone())),
        _ => None,
    });
    let mut results: BTreeMap<CallId, ToolResult> = ended.collect();
    for (call, text) in changed {
        if let Some(result) = results.get_mut(call) {
            result.parts = vec![Part::text(text.clone())];
        }
    }
    results
}

/// Counts the equal calls of this run before a call.
fn equal_before(state: &RunState, call: &ToolCall, wanted: &(String, String)) -> usize {
    let turns = state.conversation.turns();
    let input = state.request.as_ref().map(|request| &request.input);
    let first = turns.iter().rposition(|turn| matches!(turn, Turn::User(said) if Some(said) == input)).unwrap_or(0);
    let calls = turns[first..].iter().filter_map(|turn| match turn {
        Turn::Assistant(turn) => Some(turn.calls().map(|(call, _)| call)),
        Turn::User(_) => None,
    });
    calls.flatten().take_while(|other| other.id != call.id).filter(|other| key(other) == *wanted).count()
}

fn key(call: &ToolCall) -> (String, String) {
    (call.name.clone(), canonical::arguments(&call.arguments))
}
