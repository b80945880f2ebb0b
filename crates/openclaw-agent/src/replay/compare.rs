//! Puts two recorded runs side by side, step by step.

use openclaw_domain::ports::{Comparison, Side, StepPair, StepSeen, ToolSeen};
use openclaw_domain::{AssistantTurn, CallId, RunEvent};

use super::canonical;
use super::recording::Recording;

/// Compares two runs. Pure.
pub(crate) fn compare(a: &Recording, b: &Recording) -> Comparison {
    let (steps_a, steps_b) = (steps(a), steps(b));
    let count = steps_a.len().max(steps_b.len());
    let steps: Vec<StepPair> = (0..count)
        .map(|at| {
            let (a, b) = (steps_a.get(at).cloned(), steps_b.get(at).cloned());
            // The limits of a run keep its steps far below this.
            let step = u32::try_from(at + 1).unwrap_or(u32::MAX);
            StepPair { step, differs: differs(a.as_ref(), b.as_ref()), a, b }
        })
        .collect();
    let first_difference = steps.iter().find(|pair| !pair.differs.is_empty()).map(|pair| pair.step);
    Comparison { a: side(a), b: side(b), steps, first_difference }
}

fn differs(a: Option<&StepSeen>, b: Option<&StepSeen>) -> Vec<&'static str> {
    let (Some(a), Some(b)) = (a, b) else { return vec!["missing"] };
    let called = |step: &StepSeen| -> Vec<(String, String)> {
        step.tools.iter().map(|call| (call.tool.clone(), call.arguments.clone())).collect()
    };
    let answered =
        |step: &StepSeen| -> Vec<_> { step.tools.iter().map(|call| (call.status, call.result.clone())).collect() };
    let kinds =
        [("text", a.text != b.text), ("tools", called(a) != called(b)), ("results", answered(a) != answered(b))];
    kinds.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

/// Returns the model calls of a run that were answered.
fn steps(recording: &Recording) -> Vec<StepSeen> {
    let mut steps: Vec<StepSeen> = Vec::new();
    for recorded in &recording.events {
        match &recorded.event {
            RunEvent::ModelDone { turn, usage } => {
                steps.push(StepSeen { text: turn.text(), tools: calls(turn), usage: *usage });
            }
            RunEvent::ToolEnded { call, result } => {
                if let Some(seen) = find(&mut steps, call) {
                    seen.status = Some(result.status);
                    seen.result = result.text();
                }
            }
            _ => {}
        }
    }
    steps
}

fn calls(turn: &AssistantTurn) -> Vec<ToolSeen> {
    let seen = turn.calls().map(|(call, _)| ToolSeen {
        call_id: call.id.clone(),
        tool: call.name.clone(),
        arguments: canonical::arguments(&call.arguments),
        status: None,
        result: String::new(),
    });
    seen.collect()
}

fn find<'a>(steps: &'a mut [StepSeen], id: &CallId) -> Option<&'a mut ToolSeen> {
    steps.iter_mut().rev().flat_map(|step| step.tools.iter_mut()).find(|seen| seen.call_id == *id)
}

fn side(recording: &Recording) -> Side {
    let record = &recording.record;
    let outcome = record.outcome.as_ref();
    let mut usage = openclaw_domain::model::Usage { cost_usd: Some(0.0), ..Default::default() };
    let mut model = None;
    for recorded in &recording.events {
        match &recorded.event {
            RunEvent::ModelDone { usage: used, turn } => {
                usage.add(used);
                model = Some(turn.model.clone());
            }
            RunEvent::ModelSelected { selected } => model = Some(selected.model.clone()),
            _ => {}
        }
    }
    let input = recording.accepted().map(|(request, _, _)| request.input.text()).unwrap_or_default();
    let text = outcome.map(|outcome| outcome.text.clone()).unwrap_or_default();
    Side {
        run_id: record.id.clone(),
        session_key: record.session.clone(),
        status: record.status,
        input,
        model,
        text,
        usage,
    }
}
