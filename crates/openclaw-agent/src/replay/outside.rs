//! Tells which facts from outside were possible at a point of a run.

use openclaw_domain::question::Answer;
use openclaw_domain::run::{End, Outcome};
use openclaw_domain::{CallId, Question, Recorded, RunEvent};

use super::check::{Check, Owed, Wrong, json};
use crate::step::{CallState, Effect};

impl Check<'_> {
    /// Accepts a fact from outside, or says why it was not possible.
    pub(super) fn outside(&self, recorded: &Recorded) -> Result<(), Wrong> {
        let event = &recorded.event;
        let may_if = |may: bool, expected: &str| {
            if may { Ok(()) } else { Err(Wrong::new(format!("{} was not possible here", event.name()), expected)) }
        };
        match event {
            RunEvent::Accepted { .. } => may_if(self.at == 0, "one input, first"),
            RunEvent::Claimed { .. } => Ok(()),
            RunEvent::Began { .. } => may_if(!self.has_begun && self.is_opening, "one beginning, after a claim"),
            RunEvent::ModelSelected { .. }
            | RunEvent::ModelDelta { .. }
            | RunEvent::ModelSuperseded { .. }
            | RunEvent::ModelDone { .. }
            | RunEvent::ModelFailed { .. } => may_if(self.state.is_calling, "a model call under way"),
            RunEvent::ModelStarted { .. }
            | RunEvent::ToolIntent { .. }
            | RunEvent::ToolStarted { .. }
            | RunEvent::ApprovalRequested { .. } => may_if(false, "a fact from outside: the engine asked for nothing"),
            RunEvent::ToolEnded { call, .. } => may_if(
                matches!(self.state.open.get(call), Some(CallState::Started | CallState::Probing)),
                "a result of a call that was started",
            ),
            RunEvent::ApprovalResolved { approval, call, .. } => may_if(
                matches!(self.state.open.get(call), Some(CallState::Asking(asked)) if asked.id == *approval),
                "an answer to a question that was asked",
            ),
            RunEvent::ToolUnsure { question } => self.unsure(question),
            RunEvent::ToolSettled { question, call, answer, by } => {
                may_if(self.may_settle(question, call, *answer, by), "word about a call whose outcome is unknown")
            }
            RunEvent::Compacted { .. } => may_if(self.has_begun, "a run that has begun"),
            RunEvent::Steered { .. } => may_if(self.has_begun || self.is_opening, "a run that is owned"),
            RunEvent::CancelRequested { .. } | RunEvent::DeadlinePassed => {
                may_if(self.has_begun, "a run that has begun")
            }
            RunEvent::Ended { outcome } => self.ended_outside(outcome),
        }
    }

    /// The question about a call is made from the record, but for its id and time.
    fn unsure(&self, found: &Question) -> Result<(), Wrong> {
        let id = &found.call.id;
        let call = self.state.call(id).filter(|_| matches!(self.state.open.get(id), Some(CallState::Probing)));
        let Some(call) = call else {
            return Err(Wrong::new(
                "nobody asked what became of this call",
                "a call of an earlier owner without a result",
            ));
        };
        let record = &self.recording.record;
        let expected = Question {
            id: found.id.clone(),
            call: call.clone(),
            run: record.id.clone(),
            session: record.session.clone(),
            agent: record.session.agent().clone(),
            started_at: self.dispatched.get(id).copied().unwrap_or(found.asked_at),
            asked_at: found.asked_at,
        };
        if expected == *found { Ok(()) } else { Err(Wrong::new("the question differs", json(&expected))) }
    }

    fn may_settle(&self, question: &str, call: &CallId, answer: Answer, by: &str) -> bool {
        match self.state.open.get(call) {
            Some(CallState::Unsure(asked)) => asked.id == question,
            Some(CallState::Probing) => {
                let tool = self.state.call(call).map_or("", |call| call.name.as_str());
                let by_tool = answer == Answer::NotHappened && by == format!("{tool}'s own check");
                question.is_empty() && (by_tool || (answer == Answer::Unknown && by == "policy"))
            }
            _ => false,
        }
    }

    /// Tells whether the run ended before its owner could work: its prompt could
    /// not be built, or its session closed it. What was owed is dropped then.
    pub(super) fn opening_failed(&self, event: &RunEvent) -> bool {
        let RunEvent::Ended { outcome } = event else { return false };
        let is_asked = matches!(self.batch.front(), Some(Owed::Effect(Effect::Finish { end })) if *end == outcome.end);
        self.is_opening && !is_asked
    }

    /// Ends that the run's own state does not bring about.
    fn ended_outside(&self, outcome: &Outcome) -> Result<(), Wrong> {
        let follows_claim = self.at > 0 && matches!(self.recording.events[self.at - 1].event, RunEvent::Claimed { .. });
        if !self.has_begun {
            // Input that never ran ends as its session says, or with the run that took it in.
            return Ok(());
        }
        let expected = self.ended(outcome.end.clone(), outcome);
        let is_of_state = json(&expected) == json(&RunEvent::Ended { outcome: Box::new(outcome.clone()) });
        let is_failure = matches!(outcome.end, End::Failed { .. });
        let closed = crate::lane::stopped(outcome.end.clone(), outcome.ended_at);
        if self.is_opening && is_failure && (is_of_state || (follows_claim && closed == *outcome)) {
            return Ok(());
        }
        let is_broken_tool = match &outcome.end {
            End::Failed { message } => self.state.open.iter().any(|(id, call)| {
                let tool = self.state.call(id).map_or("", |call| call.name.as_str());
                *call == CallState::Started && message.starts_with(&format!("{tool} could not go on: "))
            }),
            _ => false,
        };
        if is_broken_tool && is_of_state {
            return Ok(());
        }
        Err(Wrong::new("the run ended and nothing ended it", "a fact from outside, or the end of another kind"))
    }
}
