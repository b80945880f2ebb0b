//! Turns effects into events, and what happens into events.

use openclaw_domain::approval::{Approval, Decision, Grant};
use openclaw_domain::catalog::UnknownOutcome;
use openclaw_domain::gate;
use openclaw_domain::message::{Block, ToolStatus};
use openclaw_domain::model::{self, ErrorClass, ModelEvent};
use openclaw_domain::ports::OpenAction;
use openclaw_domain::run::End;
use openclaw_domain::tool::{Effect as ToolEffect, Probed};
use openclaw_domain::{Answer, Change, Fault, Question, RunEvent, ToolCall, ToolResult};

use super::{Control, DELTA_BYTES_MAX, Driver};
use crate::keys::{self, hex};
use crate::step::{CallState, Effect};
use crate::tool_call::{self, EndedCall, Judged, ProbedCall};

impl Driver {
    /// Turns effects into the events that record them. What touches the world is
    /// only noted here; it starts once the events are committed.
    pub(super) fn perform(&mut self, effects: Vec<Effect>) -> Vec<RunEvent> {
        let mut events = Vec::new();
        for effect in effects {
            match effect {
                Effect::CallModel { step } => {
                    self.model_due = true;
                    events.push(RunEvent::ModelStarted { step, idempotency_key: self.step_key(step) });
                }
                Effect::Dispatch { call } => self.dispatch(&call, &mut events),
                Effect::Probe { call } => self.probe(call),
                Effect::Supersede { reason } => events.push(RunEvent::ModelSuperseded { reason }),
                Effect::Answer { call, result } => events.push(RunEvent::ToolEnded { call, result: Box::new(result) }),
                Effect::Finish { end } => events.push(self.end(end)),
            }
        }
        events
    }

    fn dispatch(&mut self, call: &ToolCall, events: &mut Vec<RunEvent>) {
        let evidence = self.state.evidence.get(&call.id).cloned();
        let Some(prepared) = &self.prepared else { return };
        match tool_call::judge(&self.shared, &self.request.id, &self.request.session, call, prepared, evidence) {
            Judged::Admitted { permit, effect } => {
                let action = match self.begin_action(call, effect) {
                    Ok(action) => action,
                    Err(result) => {
                        events.push(RunEvent::ToolEnded { call: call.id.clone(), result });
                        return;
                    }
                };
                let digest = hex(&gate::digest(&call.name, &call.arguments));
                let key = keys::call_key(&self.session.id, &self.request.id, &call.id);
                let (id, tool) = (call.id.clone(), call.name.clone());
                events.push(RunEvent::ToolIntent { call: id, tool, digest, effect, action });
                events.push(RunEvent::ToolStarted { call: call.id.clone(), idempotency_key: key.clone() });
                self.admitted.push((*permit, key));
            }
            Judged::Asks(approval) => events.push(RunEvent::ApprovalRequested { approval }),
            Judged::Refused(result) => {
                events.push(RunEvent::ToolEnded { call: call.id.clone(), result: Box::new(result) });
            }
        }
    }

    /// Enters a call in the ledger and returns the key of its action. A call
    /// whose action may have happened already is answered instead.
    fn begin_action(&self, call: &ToolCall, effect: ToolEffect) -> Result<String, Box<ToolResult>> {
        let action = keys::action_key(self.root(), call);
        if matches!(effect, ToolEffect::Pure | ToolEffect::Idempotent) {
            return Ok(action);
        }
        let open = OpenAction {
            action: action.clone(),
            session: self.request.session.clone(),
            run: self.request.id.clone(),
            call: call.id.clone(),
            tool: call.name.clone(),
        };
        self.shared.actions.begin(open).map(|()| action).map_err(|holder| {
            let text = format!(
                "Not run: call {} of run {} did exactly this and its outcome is not known. A person can say what \
                 became of it with: openclaw runs settle {} {} happened (or not-happened).",
                holder.call, holder.run, holder.run, holder.call
            );
            Box::new(ToolResult::notice(ToolStatus::Failed, text))
        })
    }

    fn probe(&mut self, call: ToolCall) {
        self.probes.push(tool_call::probe(&self.shared, &self.publisher, &self.request, &self.session.id, call));
    }

    /// Turns what a tool found out into events: a result, another dispatch, or a question.
    pub(super) fn probed(&self, probed: ProbedCall) -> Vec<RunEvent> {
        self.shared.reach("probe_result");
        let ProbedCall { call, found } = probed;
        let settled = |answer, by: &str| RunEvent::ToolSettled {
            question: String::new(),
            call: call.id.clone(),
            answer,
            by: by.to_owned(),
        };
        let event = match found {
            Probed::Happened(output) => {
                let result = Box::new(tool_call::result(output));
                RunEvent::ToolEnded { call: call.id.clone(), result }
            }
            Probed::NotHappened => settled(Answer::NotHappened, &format!("{}'s own check", call.name)),
            Probed::Unknown => match self.unknown_outcome() {
                UnknownOutcome::Tell => settled(Answer::Unknown, "policy"),
                UnknownOutcome::Ask => RunEvent::ToolUnsure { question: Box::new(self.question(call)) },
            },
        };
        vec![event]
    }

    fn unknown_outcome(&self) -> UnknownOutcome {
        let agent = self.shared.ports.catalog.agent(self.request.session.agent());
        agent.map_or_else(UnknownOutcome::default, |agent| agent.unknown_outcome)
    }

    fn question(&self, call: ToolCall) -> Question {
        let asked_at = self.shared.ports.clock.now();
        Question {
            id: uuid::Uuid::new_v4().to_string(),
            run: self.request.id.clone(),
            session: self.request.session.clone(),
            agent: self.request.session.agent().clone(),
            started_at: self.started.get(&call.id).copied().unwrap_or(asked_at),
            asked_at,
            call,
        }
    }

    /// Drops all work and builds the final event.
    fn end(&mut self, end: End) -> RunEvent {
        self.stream = None;
        self.tools.clear();
        self.probes.clear();
        self.admitted.clear();
        self.model_due = false;
        let outcome = crate::outcome::of(&self.state, end, self.started_at, self.shared.ports.clock.now());
        RunEvent::Ended { outcome: Box::new(outcome) }
    }

    /// Turns what others say into an event; nothing when it is too late for it.
    pub(super) fn told(&mut self, control: Control) -> Option<RunEvent> {
        match control {
            Control::Steer { input, turn } => Some(RunEvent::Steered { input, turn }),
            Control::Cancel { by } => Some(RunEvent::CancelRequested { by }),
            Control::Answer { question, answer, by } => {
                let call = self.unsure.get(&question)?.call.id.clone();
                Some(RunEvent::ToolSettled { question, call, answer, by })
            }
            Control::Resolve { approval, decision, by } => {
                let asked = self.asked(|asked| asked.id == approval)?;
                if decision == Decision::AllowAlways {
                    self.shared.keep_grant(grant(asked, &by, self.shared.ports.clock.now()));
                }
                Some(RunEvent::ApprovalResolved { approval, call: asked.call.id.clone(), decision, by })
            }
        }
    }

    /// Returns how long until the next question lapses.
    pub(super) fn next_lapse(&self) -> Option<std::time::Duration> {
        let now = self.shared.ports.clock.now();
        let lapses = self.state.open.values().filter_map(|call| match call {
            CallState::Asking(asked) => asked.expires_at,
            _ => None,
        });
        lapses.min().map(|lapse| lapse.since(now))
    }

    /// Returns the event for a question whose time is up.
    pub(super) fn lapsed(&self) -> Option<RunEvent> {
        let now = self.shared.ports.clock.now();
        let asked = self.asked(|asked| asked.expires_at.is_some_and(|lapse| lapse <= now))?;
        self.shared.pending.take(&asked.id);
        Some(RunEvent::ApprovalResolved {
            approval: asked.id.clone(),
            call: asked.call.id.clone(),
            decision: Decision::Expired,
            by: "clock".to_owned(),
        })
    }

    fn asked(&self, fits: impl Fn(&Approval) -> bool) -> Option<&Approval> {
        self.state.open.values().find_map(|call| match call {
            CallState::Asking(asked) if fits(asked) => Some(asked.as_ref()),
            _ => None,
        })
    }

    /// Relays live text; returns events once something is to be recorded.
    pub(super) fn model_says(&mut self, item: Option<Result<ModelEvent, model::Error>>) -> Vec<RunEvent> {
        match item {
            Some(Ok(ModelEvent::Text(text))) => self.text(text),
            Some(Ok(ModelEvent::Thinking(text))) => {
                self.publisher.publish(Change::ThinkingDelta(text));
                Vec::new()
            }
            Some(Ok(ModelEvent::Selected(selected))) => {
                self.publisher.publish(Change::ModelSelected(selected.clone()));
                self.selected = Some(selected);
                Vec::new()
            }
            // The call is shown once its arguments are complete and admitted.
            Some(Ok(ModelEvent::CallStarted { .. })) => Vec::new(),
            Some(Ok(ModelEvent::Superseded { reason })) => {
                self.forget_text();
                vec![RunEvent::ModelSuperseded { reason }]
            }
            Some(Ok(ModelEvent::Done(completed))) => self.completed(*completed),
            Some(Err(error)) => self.model_failed(&error),
            None => self.model_failed(&silent()),
        }
    }

    fn text(&mut self, text: String) -> Vec<RunEvent> {
        self.live.push_text(&text);
        self.unflushed.push_str(&text);
        self.publisher.publish(Change::TextDelta(text));
        self.shared.reach("model_text");
        if self.unflushed_since.is_none() {
            self.unflushed_since = Some(self.shared.ports.clock.monotonic());
        }
        if self.unflushed.len() >= DELTA_BYTES_MAX { self.flush_delta() } else { Vec::new() }
    }

    /// Takes the streamed text that is not in the journal yet.
    pub(super) fn flush_delta(&mut self) -> Vec<RunEvent> {
        self.unflushed_since = None;
        let text = std::mem::take(&mut self.unflushed);
        let mut events = self.take_selected();
        if !text.is_empty() {
            events.push(RunEvent::ModelDelta { text });
        }
        events
    }

    /// Puts the streamed text before an event. A position in the stream counts
    /// text from the last event on, so none may be left out at an event.
    pub(super) fn after_text(&mut self, event: RunEvent) -> Vec<RunEvent> {
        let mut events = self.flush_delta();
        events.push(event);
        events
    }

    fn take_selected(&mut self) -> Vec<RunEvent> {
        self.selected.take().map(|selected| RunEvent::ModelSelected { selected }).into_iter().collect()
    }

    fn forget_text(&mut self) {
        self.unflushed.clear();
        self.unflushed_since = None;
        self.live.clear_text();
    }

    fn completed(&mut self, mut completed: model::Completed) -> Vec<RunEvent> {
        self.shared.reach("model_done");
        self.stream = None;
        self.forget_text();
        // Providers number their calls per turn; ours are unique in the session.
        for block in &mut completed.turn.blocks {
            if let Block::Call { call, .. } = block
                && let Ok(id) = uuid::Uuid::now_v7().to_string().parse()
            {
                call.id = id;
            }
        }
        let mut events = self.take_selected();
        events.push(RunEvent::ModelDone { turn: Box::new(completed.turn), usage: completed.usage });
        events
    }

    fn model_failed(&mut self, error: &model::Error) -> Vec<RunEvent> {
        self.stream = None;
        let events = self.after_text(RunEvent::ModelFailed { class: error.class, message: error.message.clone() });
        self.forget_text();
        events
    }

    /// Turns an ended call into its event, or into the end of the run.
    pub(super) fn tool_ended(&mut self, ended: EndedCall) -> Vec<RunEvent> {
        self.shared.reach("tool_result");
        match ended.result {
            Ok(result) => {
                self.took.insert(ended.call.id.clone(), ended.took);
                vec![RunEvent::ToolEnded { call: ended.call.id, result: Box::new(result) }]
            }
            Err(message) => {
                let message = format!("{} could not go on: {message}", ended.call.name);
                vec![self.end(End::Failed { message })]
            }
        }
    }
}

fn grant(asked: &Approval, by: &str, at: openclaw_domain::Timestamp) -> Grant {
    Grant {
        id: asked.id.clone(),
        agent: asked.agent.clone(),
        tool: asked.call.name.clone(),
        digest: hex(&gate::digest(&asked.call.name, &asked.call.arguments)),
        arguments: asked.call.arguments.clone(),
        by: by.to_owned(),
        at,
    }
}

fn silent() -> model::Error {
    error(ErrorClass::Truncated, "the model's stream ended without its end marker".to_owned())
}

/// The error for a call before the run was prepared: a defect.
pub(super) fn unprepared() -> model::Error {
    error(ErrorClass::Protocol, "the run was not prepared before its model was called".to_owned())
}

/// The error for a conversation that cannot be sent: a defect.
pub(super) fn defect(fault: &Fault) -> model::Error {
    error(ErrorClass::Protocol, fault.to_string())
}

fn error(class: ErrorClass, message: String) -> model::Error {
    model::Error { class, model: None, message, retry_after: None, status: None }
}
