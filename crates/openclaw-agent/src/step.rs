//! The pure core: given a run's state and what happened, what is to be done.
//!
//! No IO, no clock, no randomness. The same events give the same state and the
//! same effects, which is what recovery and replay rest on. Called by the
//! driver for live events and by `recover` for recorded ones.

use std::collections::{BTreeMap, VecDeque};

use openclaw_domain::approval::{Approval, Decision};
use openclaw_domain::compaction::Compaction;
use openclaw_domain::gate::{self, Evidence};
use openclaw_domain::message::ToolStatus;
use openclaw_domain::model::{ErrorClass, Selected, StopReason, Usage};
use openclaw_domain::question::{Answer, Question};
use openclaw_domain::run::{End, Limit};
use openclaw_domain::{
    AssistantTurn, CallId, Conversation, Limits, RunEvent, RunId, RunRequest, Runtime, Seq, ToolCall, ToolResult, Turn,
    UserTurn,
};
use serde::{Deserialize, Serialize};

use crate::breaker::Breaker;
use crate::compaction::budget::Budget;
use crate::compaction::estimate::{self, Measured};

/// What the driver is to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Call the model; this is step number `step` of the run.
    CallModel {
        /// From 1.
        step: u32,
    },
    /// Bring a tool call before the gate and, if it is admitted, run it.
    Dispatch {
        /// The call.
        call: ToolCall,
    },
    /// Ask the tool whether a call that was dispatched by a process that is
    /// gone happened.
    Probe {
        /// The call.
        call: ToolCall,
    },
    /// Void what was streamed of the current turn.
    Supersede {
        /// Why.
        reason: String,
    },
    /// Record this answer without running anything.
    Answer {
        /// The call.
        call: CallId,
        /// The answer.
        result: ToolResult,
    },
    /// Show older turns as a summary from here on.
    Compact {
        /// What for.
        why: Why,
    },
    /// Drop all work and record the end.
    Finish {
        /// How the run ends.
        end: End,
    },
}

/// Why a conversation is made shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It comes near the end of the model's window.
    Full,
    /// The provider said that it does not fit.
    Overflow,
    /// Somebody asked for it.
    ByHand,
}

/// Whether a provider refused the conversation as too long.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overflow {
    /// Not since the last answer.
    #[default]
    None,
    /// It is to be made shorter; holds what the provider said.
    Due(String),
    /// It was made shorter once; a second refusal ends the run.
    Done,
}

/// Where an open tool call is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CallState {
    /// Waiting for a free place.
    Planned,
    /// At the gate, or told to run; nothing was dispatched yet.
    Dispatching,
    /// A person was asked.
    Asking(Box<Approval>),
    /// Dispatched; a result is owed.
    Started,
    /// Dispatched by an owner that is gone; the tool is asked whether it happened.
    Probing,
    /// Nobody knows whether it happened; a person was asked.
    Unsure(Box<Question>),
}

impl CallState {
    fn may_have_happened(&self) -> bool {
        matches!(self, CallState::Started | CallState::Probing | CallState::Unsure(_))
    }

    fn waits_for_a_person(&self) -> bool {
        matches!(self, CallState::Asking(_) | CallState::Unsure(_))
    }
}

/// A run, as the fold of its events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunState {
    /// Position of the last event that was folded in.
    pub seq: Seq,
    /// Turns of the conversation that are older than the run.
    pub earlier: usize,
    /// Last transcript entry among them, once the run began.
    pub began_after: Option<u64>,
    /// What was asked; `None` before `accepted`.
    pub request: Option<RunRequest>,
    /// What serves it.
    pub runtime: Runtime,
    /// The ceilings in force.
    pub limits: Limits,
    /// The conversation, this run's turns included.
    pub conversation: Conversation,
    /// Tokens and money so far.
    pub usage: Usage,
    /// Model calls begun.
    pub iterations: u32,
    /// Tool calls ended.
    pub tool_calls: u32,
    /// Which model answered last, and why that one.
    pub answered_by: Option<Selected>,
    /// Text streamed in the current, incomplete turn.
    pub partial: String,
    /// Open calls of the last turn.
    pub open: BTreeMap<CallId, CallState>,
    /// Input that joins at the next boundary.
    pub steered: VecDeque<(RunId, UserTurn)>,
    /// Inputs of other runs this run has taken in.
    pub carried: Vec<RunId>,
    /// Answers people gave, by call.
    pub evidence: BTreeMap<CallId, Evidence>,
    /// What of the conversation the model is shown as a summary.
    pub compaction: Option<Compaction>,
    /// Whether the conversation was too long.
    pub overflow: Overflow,
    /// How large the last prompt really was.
    pub measured: Option<Measured>,
    /// Whether a model call is under way.
    pub is_calling: bool,
    /// Whether nothing more will happen.
    pub is_ended: bool,
    breaker: Breaker,
    waiting_calls: VecDeque<CallId>,
}

impl RunState {
    /// Makes the state before the first event; `earlier` is the conversation so far.
    pub fn new(earlier: Vec<Turn>) -> Self {
        Self {
            seq: Seq(0),
            earlier: earlier.len(),
            began_after: None,
            request: None,
            runtime: Runtime::default(),
            limits: Limits::default(),
            conversation: Conversation::resume(earlier),
            usage: Usage { cost_usd: Some(0.0), ..Usage::default() },
            iterations: 0,
            tool_calls: 0,
            answered_by: None,
            partial: String::new(),
            open: BTreeMap::new(),
            steered: VecDeque::new(),
            carried: Vec::new(),
            evidence: BTreeMap::new(),
            compaction: None,
            overflow: Overflow::None,
            measured: None,
            is_calling: false,
            is_ended: false,
            breaker: Breaker::default(),
            waiting_calls: VecDeque::new(),
        }
    }

    /// Shows a part of the earlier conversation as a summary.
    #[must_use]
    pub fn showing(self, compaction: Option<Compaction>) -> Self {
        Self { compaction, ..self }
    }

    /// Tells whether the run only waits for people.
    pub fn is_parked(&self) -> bool {
        !self.is_calling
            && !self.open.is_empty()
            && self.open.values().all(|call| call.waits_for_a_person() || *call == CallState::Planned)
            && self.open.values().any(CallState::waits_for_a_person)
    }

    /// Tells whether somebody must say what became of a call.
    pub fn needs_attention(&self) -> bool {
        self.is_parked() && self.open.values().any(|call| matches!(call, CallState::Unsure(_)))
    }

    /// Returns the visible text of the last assistant turn of this conversation.
    pub fn last_text(&self) -> String {
        match self.conversation.turns().last() {
            Some(Turn::Assistant(turn)) => turn.text(),
            Some(Turn::User(_)) | None => String::new(),
        }
    }

    /// Returns a call of the last assistant turn.
    pub fn call(&self, id: &CallId) -> Option<&ToolCall> {
        let last = self.conversation.turns().iter().rev().find_map(|turn| match turn {
            Turn::Assistant(turn) => Some(turn),
            Turn::User(_) => None,
        });
        last.and_then(|turn| turn.calls().find(|(call, _)| call.id == *id)).map(|(call, _)| call)
    }
}

/// Folds one event into the state and returns what is to be done about it.
pub fn step(state: &mut RunState, event: &RunEvent) -> Vec<Effect> {
    state.seq = state.seq.next();
    if state.is_ended {
        return Vec::new();
    }
    match event {
        RunEvent::Accepted { request, limits, runtime } => {
            state.conversation.say(request.input.clone());
            state.runtime = *runtime;
            state.request = Some((**request).clone());
            state.limits = limits.clone();
            Vec::new()
        }
        RunEvent::Claimed { .. } => Vec::new(),
        RunEvent::Began { transcript_head } => {
            state.began_after = Some(*transcript_head);
            join_steered(state);
            vec![Effect::CallModel { step: 1 }]
        }
        RunEvent::ModelStarted { step, .. } => {
            state.iterations = *step;
            state.is_calling = true;
            state.partial.clear();
            Vec::new()
        }
        RunEvent::ModelSelected { selected } => {
            state.answered_by = Some(selected.clone());
            Vec::new()
        }
        RunEvent::ModelDelta { text } => {
            state.partial.push_str(text);
            Vec::new()
        }
        RunEvent::ModelSuperseded { .. } => {
            state.partial.clear();
            Vec::new()
        }
        RunEvent::ModelDone { turn, usage } => model_done(state, turn, usage),
        RunEvent::ModelFailed { class, message } => model_failed(state, *class, message),
        RunEvent::ToolIntent { .. } => Vec::new(),
        RunEvent::ApprovalRequested { approval } => {
            state.open.insert(approval.call.id.clone(), CallState::Asking(approval.clone()));
            start_waiting(state)
        }
        RunEvent::ApprovalResolved { approval, call, decision, by } => resolved(state, approval, call, *decision, by),
        RunEvent::ToolStarted { call, .. } => {
            state.open.insert(call.clone(), CallState::Started);
            Vec::new()
        }
        RunEvent::ToolEnded { call, result } => tool_ended(state, call, result),
        RunEvent::ToolUnsure { question } => {
            state.open.insert(question.call.id.clone(), CallState::Unsure(question.clone()));
            start_waiting(state)
        }
        RunEvent::ToolSettled { question, call, answer, by } => settled(state, question, call, *answer, by),
        RunEvent::Compacted { compaction, usage } => compacted(state, compaction, usage),
        RunEvent::Steered { input, turn } => {
            state.steered.push_back((input.clone(), turn.clone()));
            Vec::new()
        }
        RunEvent::CancelRequested { by } => finish(state, End::Cancelled { by: by.clone() }),
        RunEvent::DeadlinePassed => {
            let end = too_long(state);
            finish(state, end)
        }
        RunEvent::Ended { .. } => {
            state.is_ended = true;
            Vec::new()
        }
    }
}

/// Decides how to go on with a run whose owner is gone (`durability.md` §3.4).
///
/// Nothing that was dispatched and may not be repeated is dispatched again: its
/// outcome is reported to the model as unknown.
pub fn resume(state: &mut RunState, is_repeatable: impl Fn(&ToolCall) -> bool) -> Vec<Effect> {
    if state.is_ended || state.request.is_none() {
        return Vec::new();
    }
    if state.is_calling {
        state.is_calling = false;
        // More may have been shown than was recorded: whoever saw it takes it back.
        let reason = "the program stopped while the model was answering; it is asked again".to_owned();
        return vec![Effect::Supersede { reason }, Effect::CallModel { step: state.iterations }];
    }
    let open: Vec<(CallId, CallState)> = state.open.iter().map(|(id, call)| (id.clone(), call.clone())).collect();
    if open.is_empty() {
        return match state.overflow {
            Overflow::Due(_) => vec![Effect::Compact { why: Why::Overflow }],
            Overflow::None | Overflow::Done => boundary(state),
        };
    }
    let mut effects = Vec::new();
    for (id, was) in open {
        let Some(call) = state.call(&id).cloned() else { continue };
        match was {
            CallState::Asking(_) | CallState::Unsure(_) | CallState::Planned => {}
            CallState::Started | CallState::Probing if !is_repeatable(&call) => {
                state.open.insert(id, CallState::Probing);
                effects.push(Effect::Probe { call });
            }
            CallState::Dispatching | CallState::Started | CallState::Probing => {
                state.open.insert(id, CallState::Dispatching);
                effects.push(Effect::Dispatch { call });
            }
        }
    }
    effects.extend(start_waiting(state));
    effects
}

/// Goes on with a call once somebody said what became of it.
fn settled(state: &mut RunState, question: &str, id: &CallId, answer: Answer, by: &str) -> Vec<Effect> {
    let Some(call) = state.call(id).cloned() else { return Vec::new() };
    let is_asked = match state.open.get(id) {
        Some(CallState::Unsure(asked)) => asked.id == question,
        Some(CallState::Probing | CallState::Started) => true,
        _ => false,
    };
    if !is_asked {
        return Vec::new();
    }
    let (status, text) = match answer {
        Answer::NotHappened => {
            state.open.insert(id.clone(), CallState::Dispatching);
            return vec![Effect::Dispatch { call }];
        }
        Answer::Happened => (
            ToolStatus::Ok,
            format!(
                "{by} says that this call of {} happened before the program stopped. What it returned was not recorded. \
                 Do not do it again.",
                call.name
            ),
        ),
        Answer::Unknown => (
            ToolStatus::Unknown,
            format!(
                "The program stopped while {} was running. Whether it happened is not known. The same call is blocked \
                 until a person says what became of it; check another way.",
                call.name
            ),
        ),
    };
    vec![Effect::Answer { call: id.clone(), result: ToolResult::notice(status, text) }]
}

/// Decides whether the conversation is made shorter before the model is called.
pub fn before_call(state: &RunState, budget: &Budget) -> Option<Effect> {
    let shown = estimate::turns(state.conversation.view(state.compaction.as_ref()).iter());
    budget.corrected(state.measured).is_full(shown).then_some(Effect::Compact { why: Why::Full })
}

/// Goes on with the call that was refused; one that was not made yet goes on by itself.
fn compacted(state: &mut RunState, compaction: &Compaction, usage: &Usage) -> Vec<Effect> {
    state.usage.add(usage);
    state.compaction = Some(compaction.clone());
    if !matches!(state.overflow, Overflow::Due(_)) {
        return Vec::new();
    }
    state.overflow = Overflow::Done;
    boundary(state)
}

/// A conversation that does not fit is made shorter, once per answer.
fn model_failed(state: &mut RunState, class: ErrorClass, message: &str) -> Vec<Effect> {
    state.is_calling = false;
    if class == ErrorClass::ContextOverflow && state.overflow == Overflow::None {
        state.overflow = Overflow::Due(message.to_owned());
        return vec![Effect::Compact { why: Why::Overflow }];
    }
    vec![Effect::Finish { end: End::ModelFailed { class, message: message.to_owned() } }]
}

fn model_done(state: &mut RunState, turn: &AssistantTurn, usage: &Usage) -> Vec<Effect> {
    state.is_calling = false;
    state.overflow = Overflow::None;
    let shown = estimate::turns(state.conversation.view(state.compaction.as_ref()).iter());
    let tokens = usage.input + usage.cache_read + usage.cache_write;
    state.measured = Some(Measured { tokens, estimated: shown });
    state.partial.clear();
    state.usage.add(usage);
    state.conversation.reply(turn.clone());
    let calls: Vec<ToolCall> =
        turn.calls().filter(|(_, result)| result.is_none()).map(|(call, _)| call.clone()).collect();
    if calls.is_empty() {
        return match turn.stop {
            StopReason::Pause => boundary(state),
            _ if !state.steered.is_empty() => boundary(state),
            _ => vec![Effect::Finish { end: ended_by(turn) }],
        };
    }
    for call in &calls {
        state.open.insert(call.id.clone(), CallState::Planned);
        state.waiting_calls.push_back(call.id.clone());
    }
    if turn.stop == StopReason::MaxTokens {
        // The output was cut: the last call may be half of what was meant.
        state.waiting_calls.clear();
        let text =
            "The answer was cut at the output limit, so this call was not run. Ask again with shorter arguments.";
        return calls
            .into_iter()
            .map(|call| Effect::Answer { call: call.id, result: ToolResult::notice(ToolStatus::Failed, text) })
            .collect();
    }
    start_waiting(state)
}

fn ended_by(turn: &AssistantTurn) -> End {
    match turn.stop {
        StopReason::EndTurn | StopReason::ToolUse | StopReason::StopSequence | StopReason::Pause => End::Done,
        StopReason::MaxTokens if !turn.text().is_empty() => End::Done,
        StopReason::MaxTokens => {
            failed(turn, "used its whole output limit without an answer; raise maxTokens or lower thinking")
        }
        StopReason::Refusal => failed(turn, "refused to answer; rephrase, or choose another model with /model"),
        StopReason::ContextFull => failed(turn, "has no room left for this conversation; start a new one with /new"),
    }
}

fn failed(turn: &AssistantTurn, what: &str) -> End {
    let class = match turn.stop {
        StopReason::Refusal => openclaw_domain::model::ErrorClass::ContentRefused,
        _ => openclaw_domain::model::ErrorClass::ContextOverflow,
    };
    End::ModelFailed { class, message: format!("{} {what}", turn.model) }
}

fn resolved(state: &mut RunState, approval: &str, call: &CallId, decision: Decision, by: &str) -> Vec<Effect> {
    let Some(tool_call) = state.call(call).cloned() else { return Vec::new() };
    if !matches!(state.open.get(call), Some(CallState::Asking(asked)) if asked.id == approval) {
        return Vec::new();
    }
    match decision {
        Decision::AllowOnce | Decision::AllowAlways => {
            let digest = gate::digest(&tool_call.name, &tool_call.arguments);
            let evidence = Evidence { approval: approval.to_owned(), decision, by: by.to_owned(), digest };
            state.evidence.insert(call.clone(), evidence);
            state.open.insert(call.clone(), CallState::Dispatching);
            vec![Effect::Dispatch { call: tool_call }]
        }
        Decision::Deny => {
            let text =
                format!("{by} denied this call. It was not run. Do not try it another way; ask what to do instead.");
            vec![Effect::Answer { call: call.clone(), result: ToolResult::notice(ToolStatus::Denied, text) }]
        }
        Decision::Expired => {
            let text = "Nobody answered the approval in time, so the call was not run. It was not refused: it can be asked again.";
            vec![Effect::Answer { call: call.clone(), result: ToolResult::notice(ToolStatus::Interrupted, text) }]
        }
    }
}

fn tool_ended(state: &mut RunState, id: &CallId, result: &ToolResult) -> Vec<Effect> {
    let Some(call) = state.call(id).cloned() else { return Vec::new() };
    if state.conversation.answer(id, result.clone()).is_err() {
        return Vec::new();
    }
    state.open.remove(id);
    state.waiting_calls.retain(|waiting| waiting != id);
    state.tool_calls += 1;
    state.breaker.note(&call, result);
    if !state.open.is_empty() {
        return start_waiting(state);
    }
    boundary(state)
}

/// Dispatches waiting calls while there are free places.
fn start_waiting(state: &mut RunState) -> Vec<Effect> {
    let busy = |state: &RunState| {
        let is_busy =
            |call: &&CallState| matches!(call, CallState::Dispatching | CallState::Started | CallState::Probing);
        state.open.values().filter(is_busy).count()
    };
    let mut effects = Vec::new();
    while busy(state) < state.limits.parallel_tools_max.max(1) {
        let Some(id) = state.waiting_calls.pop_front() else { break };
        let Some(call) = state.call(&id).cloned() else { continue };
        state.open.insert(id, CallState::Dispatching);
        effects.push(Effect::Dispatch { call });
    }
    effects
}

/// Between two model calls: input joins, ceilings are checked, the next call begins.
fn boundary(state: &mut RunState) -> Vec<Effect> {
    if let Some(end) = ceiling(state) {
        return vec![Effect::Finish { end }];
    }
    join_steered(state);
    vec![Effect::CallModel { step: state.iterations + 1 }]
}

fn join_steered(state: &mut RunState) {
    while let Some((input, turn)) = state.steered.pop_front() {
        state.carried.push(input);
        state.conversation.say(turn);
    }
}

fn ceiling(state: &RunState) -> Option<End> {
    let limits = &state.limits;
    let reached = |limit, message: String| Some(End::Limited { limit, message });
    if let Some((limit, message)) = state.breaker.tripped(limits) {
        return reached(limit, message);
    }
    if state.iterations >= limits.iterations_max {
        return reached(
            Limit::Iterations,
            format!("stopped: the run made {} model calls, its limit", state.iterations),
        );
    }
    if state.usage.total() >= limits.tokens_max {
        return reached(
            Limit::Tokens,
            format!("stopped: the run used {} tokens, its limit is {}", state.usage.total(), limits.tokens_max),
        );
    }
    let spent = state.usage.cost_usd.unwrap_or(0.0);
    match limits.cost_usd_max {
        Some(max) if spent >= max => {
            reached(Limit::Cost, format!("stopped: the run cost ${spent:.4}, its limit is ${max:.4}"))
        }
        _ => None,
    }
}

/// The end of a run whose time is over: its request's, when that is shorter.
fn too_long(state: &RunState) -> End {
    let own = state.limits.duration_max;
    let (limit, message) = match state.request.as_ref().and_then(|request| request.timeout).filter(|asked| *asked < own)
    {
        Some(asked) => {
            let text = format!("stopped: the run worked for {} s, the time its request gave it", asked.as_secs());
            (Limit::Timeout, text)
        }
        None => {
            let text = format!(
                "stopped: the run worked for {} s, its wall-clock limit (agents.defaults.timeoutSeconds, or \
                 maxDuration of a thread-bound agent)",
                own.as_secs()
            );
            (Limit::Duration, text)
        }
    };
    End::Limited { limit, message }
}

fn finish(state: &mut RunState, end: End) -> Vec<Effect> {
    let started: Vec<CallId> =
        state.open.iter().filter(|(_, call)| call.may_have_happened()).map(|(id, _)| id.clone()).collect();
    for id in started {
        let text = "The run was stopped while this call was running. Whether it happened is not known.";
        // The call is open, so the answer is always taken.
        let _taken = state.conversation.answer(&id, ToolResult::notice(ToolStatus::Unknown, text));
    }
    state.conversation.settle("The run was stopped before this call was run.");
    state.open.clear();
    state.waiting_calls.clear();
    vec![Effect::Finish { end }]
}

#[cfg(test)]
mod tests;
