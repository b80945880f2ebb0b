//! A kept state and the events after it are the same as all events.

use openclaw_domain::message::{AssistantTurn, Block, ToolStatus};
use openclaw_domain::model::{ErrorClass, ModelRef, StopReason, Usage};
use openclaw_domain::run::Source;
use openclaw_domain::{Limits, RunEvent, RunRequest, Runtime, ToolCall, ToolResult, Turn, UserTurn};
use proptest::prelude::*;

use super::*;
use crate::step::step;

const BUILD: &str = "1.2.3";

fn accepted() -> RunEvent {
    let input = UserTurn::owner("do it", Timestamp(1));
    let request = RunRequest::new("r1".parse().unwrap(), "agent:main:main".parse().unwrap(), input, Source::Chat);
    let limits = Limits { duration_max: std::time::Duration::new(7, 3), ..Limits::default() };
    RunEvent::Accepted { request: Box::new(request), limits, runtime: Runtime::default() }
}

fn call(n: u8) -> ToolCall {
    let id = format!("c{n}");
    ToolCall { id: id.parse().unwrap(), provider_id: id, name: "exec".into(), arguments: format!("{{\"n\":{n}}}") }
}

fn model_done(text: String, calls: Vec<u8>, cost: f64) -> RunEvent {
    let mut blocks = vec![Block::Text { text }];
    let stop = if calls.is_empty() { StopReason::Pause } else { StopReason::ToolUse };
    blocks.extend(calls.into_iter().map(|n| Block::Call { call: call(n), result: None }));
    let turn = AssistantTurn { blocks, model: ModelRef::new("p", "m"), stop, native: None, at: Timestamp(2) };
    let usage = Usage { input: 7, output: 3, cost_usd: Some(cost), ..Usage::default() };
    RunEvent::ModelDone { turn: Box::new(turn), usage }
}

/// Events in any order: the fold ignores what makes no sense, and so does a run
/// whose journal holds it.
fn event() -> impl Strategy<Value = RunEvent> {
    let id = |n: u8| -> openclaw_domain::CallId { format!("c{n}").parse().unwrap() };
    prop_oneof![
        (1..60u32).prop_map(|step| RunEvent::ModelStarted { step, idempotency_key: format!("k{step}") }),
        ".{0,12}".prop_map(|text| RunEvent::ModelDelta { text }),
        Just(RunEvent::ModelSuperseded { reason: "again".into() }),
        (".{0,12}", prop::collection::btree_set(0..6u8, 0..4), 0.0..0.3f64).prop_map(|(text, calls, cost)| model_done(
            text,
            calls.into_iter().collect(),
            cost
        )),
        Just(RunEvent::ModelFailed { class: ErrorClass::Network, message: "gone".into() }),
        (0..6u8).prop_map(move |n| RunEvent::ToolStarted { call: id(n), idempotency_key: "k".into() }),
        (0..6u8, any::<bool>()).prop_map(move |(n, ok)| {
            let status = if ok { ToolStatus::Ok } else { ToolStatus::Failed };
            RunEvent::ToolEnded { call: id(n), result: Box::new(ToolResult::notice(status, format!("result {n}"))) }
        }),
        (0..3u8).prop_map(|n| RunEvent::Steered {
            input: format!("r-{n}").parse().unwrap(),
            turn: UserTurn::owner(format!("also {n}"), Timestamp(3)),
        }),
        Just(RunEvent::Claimed { owner: "boot".into() }),
    ]
}

fn fold(earlier: &[Turn], events: &[RunEvent]) -> RunState {
    let mut state = RunState::new(earlier.to_vec());
    for event in events {
        step(&mut state, event);
    }
    state
}

fn earlier(turns: usize) -> Vec<Turn> {
    (0..turns).map(|n| Turn::User(UserTurn::owner(format!("said {n}"), Timestamp(0)))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_checkpoint_and_its_tail_are_the_whole_fold_at_every_cut(
        said in 0..3usize,
        more in prop::collection::vec(event(), 0..24),
    ) {
        let before = earlier(said);
        let mut events = vec![accepted(), RunEvent::Began { transcript_head: 9 }];
        events.extend(more);
        let last = Seq(events.len() as u64);
        let whole = fold(&before, &events);
        for cut in 2..=events.len() {
            let mut state = fold(&before, &events[..cut]);
            let untouched = state.clone();
            let kept = encode(&mut state, BUILD, Timestamp(5)).unwrap();
            prop_assert_eq!(&state, &untouched);
            let mut restored = decode(&kept, last, BUILD).unwrap();
            restored.conversation = std::mem::take(&mut restored.conversation).preceded_by(before.clone());
            prop_assert_eq!(&restored, &untouched);
            for event in &events[cut..] {
                step(&mut restored, event);
            }
            prop_assert_eq!(&restored, &whole);
        }
    }
}

fn kept() -> (Checkpoint, Seq) {
    let mut state = fold(&[], &[accepted(), RunEvent::Began { transcript_head: 0 }]);
    (encode(&mut state, BUILD, Timestamp(5)).unwrap(), Seq(2))
}

#[test]
fn a_checkpoint_one_event_ahead_of_the_journal_is_caught() {
    let (kept, _) = kept();
    let misplaced = Unusable::Misplaced { claimed: 2, held: 2, last: 1 };
    assert_eq!(decode(&kept, Seq(1), BUILD), Err(misplaced));
}

#[test]
fn a_checkpoint_that_holds_another_position_than_it_claims_is_caught() {
    let (mut kept, _) = kept();
    kept.seq = Seq(1);
    let misplaced = Unusable::Misplaced { claimed: 1, held: 2, last: 2 };
    assert_eq!(decode(&kept, Seq(2), BUILD), Err(misplaced));
}

#[test]
fn a_checkpoint_of_another_build_is_not_used() {
    let (kept, last) = kept();
    let other = Unusable::OtherBuild { build: BUILD.into(), format: FORMAT };
    assert_eq!(decode(&kept, last, "1.2.4"), Err(other));
    assert!(decode(&kept, last, BUILD).is_ok());
}

#[test]
fn a_damaged_checkpoint_is_not_used() {
    let (mut kept, last) = kept();
    kept.body = kept.body.slice(..kept.body.len() - 1);
    assert!(matches!(decode(&kept, last, BUILD), Err(Unusable::Damaged(_))));
}

#[test]
fn the_earlier_conversation_is_not_written() {
    let before = vec![Turn::User(UserTurn::owner("long ago", Timestamp(0)))];
    let mut state = fold(&before, &[accepted(), RunEvent::Began { transcript_head: 1 }]);
    let kept = encode(&mut state, BUILD, Timestamp(5)).unwrap();
    let text = String::from_utf8(kept.body.to_vec()).unwrap();
    assert!(text.contains("do it") && !text.contains("long ago"), "{text}");
}
