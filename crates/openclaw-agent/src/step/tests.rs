//! Scripts of events in, effects out.

use openclaw_domain::message::{Block, ToolStatus};
use openclaw_domain::model::{ErrorClass, ModelRef};
use openclaw_domain::run::Source;

use openclaw_domain::{Runtime, Timestamp};

use super::*;

fn call(id: &str) -> ToolCall {
    ToolCall {
        id: id.parse().unwrap(),
        provider_id: id.into(),
        name: "exec".into(),
        arguments: format!("{{\"command\":\"{id}\"}}"),
    }
}

fn accepted(limits: Limits) -> RunEvent {
    let input = UserTurn::owner("hi", Timestamp(1));
    let request = RunRequest::new("r1".parse().unwrap(), "agent:main:main".parse().unwrap(), input, Source::Chat);
    RunEvent::Accepted { request: Box::new(request), limits, runtime: Runtime::default() }
}

fn started(step: u32) -> RunEvent {
    RunEvent::ModelStarted { step, idempotency_key: "k".into() }
}

fn done(text: &str, calls: &[&str], stop: StopReason) -> RunEvent {
    let mut blocks = vec![Block::Text { text: text.into() }];
    blocks.extend(calls.iter().map(|id| Block::Call { call: call(id), result: None }));
    let turn = AssistantTurn { blocks, model: ModelRef::new("p", "m"), stop, native: None, at: Timestamp(2) };
    let usage = Usage { input: 10, output: 5, cost_usd: Some(0.01), ..Usage::default() };
    RunEvent::ModelDone { turn: Box::new(turn), usage }
}

fn tool_started(id: &str) -> RunEvent {
    RunEvent::ToolStarted { call: id.parse().unwrap(), idempotency_key: "k".into() }
}

fn ended(id: &str, status: ToolStatus) -> RunEvent {
    RunEvent::ToolEnded { call: id.parse().unwrap(), result: Box::new(ToolResult::notice(status, id)) }
}

fn asked(id: &str) -> RunEvent {
    let approval = Approval {
        id: format!("ask-{id}"),
        call: call(id),
        run: "r1".parse().unwrap(),
        session: "agent:main:main".parse().unwrap(),
        agent: openclaw_domain::AgentId::main(),
        rule: "exec.ask".into(),
        reason: "why".into(),
        cwd: None,
        asked_at: Timestamp(3),
        expires_at: None,
    };
    RunEvent::ApprovalRequested { approval: Box::new(approval) }
}

fn resolved(id: &str, decision: Decision) -> RunEvent {
    RunEvent::ApprovalResolved {
        approval: format!("ask-{id}"),
        call: id.parse().unwrap(),
        decision,
        by: "owner".into(),
    }
}

fn began() -> RunEvent {
    RunEvent::Began { transcript_head: 0 }
}

/// Folds the events; returns the state and what the last one brought.
fn fold(limits: Limits, events: &[RunEvent]) -> (RunState, Vec<String>) {
    let mut state = RunState::new(Vec::new());
    step(&mut state, &accepted(limits));
    let mut effects = Vec::new();
    for event in events {
        effects = step(&mut state, event);
    }
    (state, effects.iter().map(show).collect())
}

fn show(effect: &Effect) -> String {
    match effect {
        Effect::CallModel { step } => format!("model {step}"),
        Effect::Dispatch { call } => format!("dispatch {}", call.id),
        Effect::Probe { call } => format!("probe {}", call.id),
        Effect::Supersede { .. } => "supersede".to_owned(),
        Effect::Compact { why } => format!("compact {why:?}"),
        Effect::Answer { call, result } => format!("answer {call} {:?}", result.status),
        Effect::Finish { end } => match end {
            End::Limited { limit, .. } => format!("finish {limit:?}"),
            other => format!("finish {other:?}"),
        },
    }
}

fn check(limits: Limits, events: &[RunEvent], expected: &[&str]) {
    assert_eq!(fold(limits, events).1, expected);
}

#[test]
fn a_plain_answer_is_one_model_call_and_an_end() {
    check(Limits::default(), &[began()], &["model 1"]);
    check(Limits::default(), &[began(), started(1), done("hello", &[], StopReason::EndTurn)], &["finish Done"]);
}

#[test]
fn calls_of_one_turn_run_side_by_side_and_the_model_waits_for_all() {
    let turn = [began(), started(1), done("", &["a", "b"], StopReason::ToolUse)];
    check(Limits::default(), &turn, &["dispatch a", "dispatch b"]);
    let one = [&turn[..], &[tool_started("a"), tool_started("b"), ended("b", ToolStatus::Ok)]].concat();
    check(Limits::default(), &one, &[]);
    check(Limits::default(), &[&one[..], &[ended("a", ToolStatus::Ok)]].concat(), &["model 2"]);
}

#[test]
fn no_more_calls_run_at_once_than_allowed() {
    let limits = Limits { parallel_tools_max: 1, ..Limits::default() };
    let turn = [began(), started(1), done("", &["a", "b"], StopReason::ToolUse)];
    check(limits.clone(), &turn, &["dispatch a"]);
    check(limits, &[&turn[..], &[tool_started("a"), ended("a", ToolStatus::Ok)]].concat(), &["dispatch b"]);
}

#[test]
fn a_stop_reason_of_end_turn_does_not_hide_calls() {
    check(Limits::default(), &[began(), started(1), done("", &["a"], StopReason::EndTurn)], &["dispatch a"]);
}

#[test]
fn calls_cut_at_the_output_limit_are_not_run() {
    check(
        Limits::default(),
        &[began(), started(1), done("", &["a", "b"], StopReason::MaxTokens)],
        &["answer a Failed", "answer b Failed"],
    );
}

#[test]
fn an_allowed_call_is_dispatched_with_evidence_for_exactly_it() {
    let events = [began(), started(1), done("", &["a"], StopReason::ToolUse), asked("a")];
    let (state, _) = fold(Limits::default(), &events);
    assert!(state.is_parked());
    let (state, effects) = fold(Limits::default(), &[&events[..], &[resolved("a", Decision::AllowOnce)]].concat());
    assert_eq!(effects, ["dispatch a"]);
    let evidence = &state.evidence[&"a".parse().unwrap()];
    assert_eq!(evidence.digest, gate::digest("exec", &call("a").arguments));
}

#[test]
fn a_denial_is_told_and_an_expiry_is_not_a_denial() {
    let events = [began(), started(1), done("", &["a"], StopReason::ToolUse), asked("a")];
    check(Limits::default(), &[&events[..], &[resolved("a", Decision::Deny)]].concat(), &["answer a Denied"]);
    check(Limits::default(), &[&events[..], &[resolved("a", Decision::Expired)]].concat(), &["answer a Interrupted"]);
}

#[test]
fn an_answer_to_another_question_changes_nothing() {
    let mut other = resolved("a", Decision::AllowOnce);
    if let RunEvent::ApprovalResolved { approval, .. } = &mut other {
        *approval = "ask-z".into();
    }
    check(Limits::default(), &[began(), started(1), done("", &["a"], StopReason::ToolUse), asked("a"), other], &[]);
}

#[test]
fn steered_input_joins_at_the_next_boundary() {
    let steer = RunEvent::Steered { input: "r2".parse().unwrap(), turn: UserTurn::owner("also", Timestamp(4)) };
    let (state, effects) = fold(
        Limits::default(),
        &[
            began(),
            started(1),
            done("", &["a"], StopReason::ToolUse),
            tool_started("a"),
            steer.clone(),
            ended("a", ToolStatus::Ok),
        ],
    );
    assert_eq!(effects, ["model 2"]);
    assert!(matches!(state.conversation.turns().last(), Some(Turn::User(turn)) if turn.text() == "also"));
    assert_eq!(state.carried, ["r2".parse().unwrap()]);
    check(Limits::default(), &[began(), started(1), steer, done("done", &[], StopReason::EndTurn)], &["model 2"]);
}

#[test]
fn each_ceiling_ends_the_run_and_one_below_does_not() {
    let round = |n: u32, id: &str| {
        [started(n), done("", &[id], StopReason::ToolUse), tool_started(id), ended(id, ToolStatus::Ok)]
    };
    let two = [&[began()][..], &round(1, "a"), &round(2, "b")].concat();
    check(Limits { iterations_max: 2, ..Limits::default() }, &two, &["finish Iterations"]);
    check(Limits { iterations_max: 3, ..Limits::default() }, &two, &["model 3"]);
    check(Limits { tokens_max: 30, ..Limits::default() }, &two, &["finish Tokens"]);
    check(Limits { tokens_max: 31, ..Limits::default() }, &two, &["model 3"]);
    check(Limits { cost_usd_max: Some(0.02), ..Limits::default() }, &two, &["finish Cost"]);
    check(Limits { cost_usd_max: Some(0.021), ..Limits::default() }, &two, &["model 3"]);
    check(Limits::default(), &[began(), started(1), RunEvent::DeadlinePassed], &["finish Duration"]);
}

#[test]
fn a_cancelled_run_leaves_no_open_call_and_says_which_outcome_is_unknown() {
    let (state, effects) = fold(
        Limits::default(),
        &[
            began(),
            started(1),
            done("", &["a", "b"], StopReason::ToolUse),
            tool_started("a"),
            RunEvent::CancelRequested { by: "rpc".into() },
        ],
    );
    assert_eq!(effects, ["finish Cancelled { by: \"rpc\" }"]);
    let Some(Turn::Assistant(turn)) = state.conversation.turns().last() else { panic!("no turn") };
    let statuses: Vec<ToolStatus> = turn.calls().map(|(_, result)| result.unwrap().status).collect();
    assert_eq!(statuses, [ToolStatus::Unknown, ToolStatus::Interrupted]);
}

#[test]
fn nothing_happens_after_the_end() {
    let failed = RunEvent::ModelFailed { class: ErrorClass::Auth, message: "no".into() };
    let (mut state, effects) = fold(Limits::default(), &[began(), started(1), failed]);
    assert_eq!(effects.len(), 1);
    let outcome = crate::outcome::of(&state, End::Done, Timestamp(0), Timestamp(1));
    step(&mut state, &RunEvent::Ended { outcome: Box::new(outcome) });
    assert_eq!(step(&mut state, &ended("a", ToolStatus::Ok)), []);
}

#[test]
fn resuming_repeats_only_what_may_be_repeated() {
    let events = [began(), started(1), done("", &["a", "b"], StopReason::ToolUse), tool_started("a")];
    let resumed = |is_repeatable: bool| {
        let (mut state, _) = fold(Limits::default(), &events);
        resume(&mut state, |_| is_repeatable).iter().map(show).collect::<Vec<_>>()
    };
    assert_eq!(resumed(true), ["dispatch a", "dispatch b"]);
    assert_eq!(resumed(false), ["probe a", "dispatch b"]);
}

#[test]
fn resuming_a_model_call_makes_the_same_step_again() {
    let (mut state, _) = fold(Limits::default(), &[began(), started(1), RunEvent::ModelDelta { text: "half".into() }]);
    assert_eq!(resume(&mut state, |_| true).iter().map(show).collect::<Vec<_>>(), ["supersede", "model 1"]);
    step(&mut state, &RunEvent::ModelSuperseded { reason: "stopped".into() });
    assert_eq!(state.partial, "");
}

#[test]
fn resuming_a_parked_run_keeps_waiting_for_the_person() {
    let (mut state, _) =
        fold(Limits::default(), &[began(), started(1), done("", &["a"], StopReason::ToolUse), asked("a")]);
    assert_eq!(resume(&mut state, |_| true), []);
    assert!(state.is_parked());
}

fn overflowed() -> RunEvent {
    RunEvent::ModelFailed { class: ErrorClass::ContextOverflow, message: "too long".into() }
}

fn compacted() -> RunEvent {
    let summary = openclaw_domain::Summary { gist: "they spoke".into(), ..Default::default() };
    let usage = Usage { input: 3, cost_usd: Some(0.5), ..Usage::default() };
    RunEvent::Compacted { compaction: Box::new(Compaction { turns: 1, through: 1, summary, tokens: None }), usage }
}

#[test]
fn a_conversation_that_does_not_fit_is_made_shorter_once_per_answer() {
    let first = [began(), started(1), overflowed()];
    check(Limits::default(), &first, &["compact Overflow"]);
    let shorter = [began(), started(1), overflowed(), compacted()];
    check(Limits::default(), &shorter, &["model 2"]);
    let again = [began(), started(1), overflowed(), compacted(), started(2), overflowed()];
    let (_, effects) = fold(Limits::default(), &again);
    assert!(effects[0].starts_with("finish ModelFailed { class: ContextOverflow"), "{effects:?}");
    let mut answered = shorter.to_vec();
    answered.extend([started(2), done("", &["a"], StopReason::ToolUse), ended("a", ToolStatus::Ok), started(3)]);
    answered.push(overflowed());
    check(Limits::default(), &answered, &["compact Overflow"]);
}

#[test]
fn a_summary_before_a_call_asks_for_nothing_else_and_is_paid_for() {
    let (state, effects) = fold(Limits::default(), &[began(), started(1), compacted()]);
    assert!(effects.is_empty() && state.is_calling);
    assert_eq!((state.usage.input, state.usage.cost_usd), (3, Some(0.5)));
    assert_eq!(state.compaction.map(|compaction| compaction.turns), Some(1));
}

#[test]
fn a_run_that_stopped_before_it_was_made_shorter_goes_on_with_that() {
    let (mut state, _) = fold(Limits::default(), &[began(), started(1), overflowed()]);
    assert_eq!(resume(&mut state, |_| true).iter().map(show).collect::<Vec<_>>(), ["compact Overflow"]);
}

#[test]
fn the_model_is_called_after_a_summary_only_when_the_window_is_nearly_full() {
    let (mut state, _) = fold(Limits::default(), &[began(), started(1)]);
    let info = openclaw_testkit::catalog::model("p", "m");
    let budget = Budget::new(Some(&info), 0);
    assert_eq!(before_call(&state, &budget), None);
    state.conversation.say(UserTurn::owner("x".repeat(3 * 128_000), Timestamp(1)));
    assert_eq!(before_call(&state, &budget), Some(Effect::Compact { why: Why::Full }));
}
