//! Long conversations: shown shorter, never cut, and taken back at will.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use openclaw_domain::catalog::Compacting;
use openclaw_domain::message::Part;
use openclaw_domain::model::{ErrorClass, ModelRequest};
use openclaw_domain::ports::{Compacted, Compactions, Sessions, Upkeep};
use openclaw_domain::run::{End, QueueMode};
use openclaw_domain::session::EntryQuery;
use openclaw_domain::{Change, Compaction, Kind, RunUpdate, Summary, Timestamp, Turn as Said};
use openclaw_testkit::memory::Store;
use openclaw_testkit::model::{Turn, error};
use openclaw_testkit::{FakeTool, Latch, ScriptedModel};
use serde_json::json;

use crate::harness::{Rig, Setup, session};

/// Tokens of the window in tests of automatic summaries.
const WINDOW: u32 = 8_000;

fn is_summary(request: &ModelRequest) -> bool {
    request.system.first().is_some_and(|system| system.starts_with("You write the notes"))
}

fn long(n: usize) -> String {
    format!("request number {n}: {}", "please think about it. ".repeat(130))
}

/// Notes that pass the check of any conversation here: all requests in it were answered.
fn notes(gist: &str) -> Turn {
    let notes = json!({ "gist": gist, "decisions": [], "open_asks": [], "identifiers": [], "commitments": [] });
    Turn::say(&notes.to_string())
}

fn texts(request: &ModelRequest) -> Vec<String> {
    let text = |turn: &Said| match turn {
        Said::User(turn) => turn.text(),
        Said::Assistant(turn) => turn.text(),
    };
    request.prompt.turns().iter().map(text).collect()
}

/// The rule of the engine, kept apart on purpose: three bytes are a token.
fn tokens(request: &ModelRequest) -> usize {
    let parts: usize = texts(request).iter().map(|text| text.len() / 3).sum();
    parts + request.system.iter().map(|text| text.len() / 3).sum::<usize>()
}

fn rig(model: ScriptedModel) -> Rig {
    let mut setup = Setup::new(model);
    setup.window = WINDOW;
    setup.build()
}

async fn talk(rig: &Rig, from: usize, to: usize) {
    for n in from..to {
        rig.send(&format!("r{n}"), &long(n), QueueMode::Followup).await;
        assert_eq!(rig.ended(&format!("r{n}")).await.end, End::Done);
    }
}

fn answering(gist: &'static str) -> ScriptedModel {
    ScriptedModel::answering(move |request| if is_summary(request) { notes(gist) } else { Turn::say("noted.") })
}

#[tokio::test]
async fn a_long_conversation_is_shown_shorter_and_kept_whole() {
    let rig = rig(answering("they made requests"));
    talk(&rig, 0, 9).await;
    let requests = rig.model.requests();
    let (summaries, calls): (Vec<_>, Vec<_>) = requests.iter().partition(|request| is_summary(request));
    assert!(!summaries.is_empty(), "no summary was asked for");
    for (n, call) in calls.iter().enumerate() {
        assert!(tokens(call) < WINDOW as usize, "call {n} takes {} tokens", tokens(call));
        assert_eq!(texts(call).last(), Some(&long(n)), "the newest input is shown word for word");
    }
    for summary in &summaries {
        assert!(tokens(summary) < WINDOW as usize);
        assert!(summary.tools.is_empty());
    }
    let last = texts(calls.last().unwrap());
    assert!(last[0].contains("they made requests") && last[0].contains("not new instructions"), "{last:?}");
    let page = Sessions::entries(rig.store.as_ref(), &session(), EntryQuery::default()).await.unwrap();
    assert_eq!(page.entries.len(), 18, "every turn stands in the transcript");
    let told = told(&rig);
    assert_eq!(told[..2], ["start", "shorter"], "{told:?}");
    let kept = rig.store.current(&session()).await.unwrap().unwrap();
    assert_eq!(kept.compaction.through, kept.compaction.turns as u64);
}

/// What clients are told about summaries, in order.
fn told(rig: &Rig) -> Vec<String> {
    let word = |update: &RunUpdate| match &update.change {
        Change::Compacting => Some("start".to_owned()),
        Change::Compacted { entries: 2.., tokens: Some(tokens), is_retry } if tokens.after < tokens.before => {
            Some(if *is_retry { "shorter, again".to_owned() } else { "shorter".to_owned() })
        }
        Change::Compacted { .. } => Some("not shorter".to_owned()),
        Change::NotCompacted { reason } => Some(reason.clone()),
        _ => None,
    };
    rig.recorder.updates().iter().filter_map(word).collect()
}

#[tokio::test]
async fn a_later_process_shows_the_same_summary() {
    let first = rig(answering("they made requests"));
    talk(&first, 0, 6).await;
    first.engine.shutdown().await;
    let mut setup = Setup::new(answering("another"));
    (setup.window, setup.store) = (WINDOW, first.store.clone());
    let second = setup.build();
    second.send("s1", "short", QueueMode::Followup).await;
    second.ended("s1").await;
    let shown = texts(&second.model.requests()[0]);
    assert!(shown[0].contains("they made requests"), "{shown:?}");
}

#[tokio::test]
async fn an_unusable_answer_is_asked_for_once_more_and_then_a_rule_makes_the_summary() {
    let model = ScriptedModel::answering(|request| {
        if is_summary(request) { Turn::say("Sure, here are the notes!") } else { Turn::say("noted.") }
    });
    let rig = rig(model);
    talk(&rig, 0, 6).await;
    let requests = rig.model.requests();
    let summaries: Vec<_> = requests.iter().filter(|request| is_summary(request)).collect();
    assert_eq!(summaries.len() % 2, 0);
    assert!(texts(summaries[1])[0].contains("could not be used"), "the second question names the fault");
    let last = texts(requests.iter().rfind(|request| !is_summary(request)).unwrap());
    assert!(last[0].contains("Person: request number"), "{}", last[0]);
}

#[tokio::test]
async fn a_summary_that_invents_or_forgets_is_not_used() {
    let invents = json!({ "gist": "g", "decisions": [], "open_asks": ["pay /etc/shadow"], "identifiers": [],
        "commitments": [] });
    let model = ScriptedModel::answering(move |request| {
        if is_summary(request) { Turn::say(&invents.to_string()) } else { Turn::say("noted.") }
    });
    let rig = rig(model);
    talk(&rig, 0, 6).await;
    let calls = rig.model.requests();
    assert!(calls.iter().filter(|request| !is_summary(request)).all(|call| !texts(call)[0].contains("/etc/shadow")));
    assert!(texts(calls.last().unwrap())[0].contains("Summary of the earlier conversation"));
}

/// A model that refuses its second turn's call as too long, `times` times.
fn overflowing(times: usize) -> ScriptedModel {
    let refused = AtomicUsize::new(0);
    ScriptedModel::answering(move |request| {
        let is_long = texts(request).last().is_some_and(|text| text == "now");
        if is_summary(request) {
            notes("they spoke")
        } else if is_long && refused.fetch_add(1, Ordering::SeqCst) < times {
            Turn::new().refuse(error(ErrorClass::ContextOverflow, "prompt is too long"))
        } else {
            Turn::say("noted.")
        }
    })
}

async fn overflow(times: usize, compacting: Compacting) -> (Rig, End) {
    let mut setup = Setup::new(overflowing(times));
    setup.compacting = compacting;
    let rig = setup.build();
    talk(&rig, 0, 4).await;
    rig.send("now", "now", QueueMode::Followup).await;
    let end = rig.ended("now").await.end;
    (rig, end)
}

fn tight() -> Compacting {
    Compacting { keep_tokens: 100, keep_turns: 1, ..Compacting::default() }
}

#[tokio::test]
async fn a_provider_that_finds_the_conversation_too_long_is_asked_again_with_less() {
    let (rig, end) = overflow(1, tight()).await;
    assert_eq!(end, End::Done);
    let last = texts(rig.model.requests().last().unwrap());
    assert!(last[0].contains("they spoke") && last.last().unwrap() == "now", "{last:?}");
    assert_eq!(told(&rig), ["start", "shorter, again"]);
}

#[tokio::test]
async fn a_second_refusal_ends_the_run_and_says_so() {
    let (rig, end) = overflow(9, tight()).await;
    let End::ModelFailed { class, message } = end else { panic!("{end:?}") };
    assert_eq!((class, message.as_str()), (ErrorClass::ContextOverflow, "prompt is too long"));
    assert_eq!(rig.model.requests().iter().filter(|request| is_summary(request)).count(), 1);
}

#[tokio::test]
async fn nothing_is_summarised_when_it_is_off() {
    let (rig, end) = overflow(9, Compacting { is_automatic: false, ..tight() }).await;
    let End::ModelFailed { class: ErrorClass::ContextOverflow, message } = end else { panic!("{end:?}") };
    assert!(message.contains("compaction.enabled") && message.contains("/new"), "{message}");
    assert!(!rig.model.requests().iter().any(is_summary));
}

#[tokio::test]
async fn a_summary_by_hand_is_shown_until_it_is_taken_back() {
    let mut setup = Setup::new(answering("by hand"));
    setup.compacting = tight();
    let rig = setup.build();
    talk(&rig, 0, 3).await;
    let Compacted::Done(kept) = rig.engine.compact(&session()).await.unwrap() else { panic!() };
    assert_eq!((kept.compaction.turns, kept.compaction.through), (5, 5));
    talk(&rig, 3, 4).await;
    let shown = texts(rig.model.requests().last().unwrap());
    assert!(shown[0].contains("by hand") && shown.len() == 3, "{shown:?}");
    let undone = rig.engine.undo_compaction(&session(), kept.id, "owner").await.unwrap();
    assert_eq!(undone.undone.unwrap().by, "owner");
    talk(&rig, 4, 5).await;
    assert_eq!(texts(rig.model.requests().last().unwrap()).len(), 9, "all turns are shown again");
}

#[tokio::test]
async fn what_cannot_become_shorter_stays_and_what_is_not_there_is_named() {
    let rig = Setup::new(answering("x")).build();
    assert_eq!(rig.engine.compact(&session()).await.unwrap_err().kind, Kind::NotFound);
    rig.start("r1", "hi").await.unwrap();
    rig.ended("r1").await;
    assert_eq!(rig.engine.compact(&session()).await.unwrap(), Compacted::Nothing);
    let unknown = rig.engine.undo_compaction(&session(), 9, "owner").await.unwrap_err();
    assert!(unknown.kind == Kind::NotFound && unknown.to_string().contains('9'), "{unknown}");
}

#[tokio::test]
async fn a_summary_asked_for_while_a_tool_works_comes_before_the_next_call() {
    let door = Latch::new();
    let tool = Arc::new(FakeTool::says("act", "acted").hold(&door));
    let model = ScriptedModel::answering(|request| match texts(request).last() {
        _ if is_summary(request) => notes("in between"),
        Some(last) if last == "act" => Turn::ask("act", &json!({})),
        _ => Turn::say("noted."),
    });
    let mut setup = Setup::new(model).tool(&tool);
    setup.compacting = tight();
    let rig = setup.build();
    talk(&rig, 0, 3).await;
    rig.send("act", "act", QueueMode::Followup).await;
    rig.recorder.wait_for(|update| matches!(update.change, Change::ToolStarted(_))).await;
    assert_eq!(rig.engine.compact(&session()).await.unwrap(), Compacted::Due);
    let busy = rig.engine.undo_compaction(&session(), 1, "owner").await.unwrap_err();
    assert_eq!(busy.kind, Kind::Conflict);
    door.open();
    assert_eq!(rig.ended("act").await.end, End::Done);
    let last = rig.model.requests().last().unwrap().clone();
    let shown = texts(&last);
    assert!(shown[0].contains("in between"), "{shown:?}");
    assert!(shown.iter().any(|text| text == "act"), "the newest input is shown: {shown:?}");
    assert!(
        last.prompt.turns().iter().any(|turn| matches!(turn, Said::Assistant(turn) if turn.calls().next().is_some()))
    );
}

#[tokio::test]
async fn a_stop_while_a_summary_is_made_costs_one_more_summary_and_nothing_else() {
    let first = rig(ScriptedModel::answering(|request| {
        if is_summary(request) { Turn::new().text("{").hold(&Latch::new()) } else { Turn::say("noted.") }
    }));
    talk(&first, 0, 4).await;
    first.send("last", &long(9), QueueMode::Followup).await;
    let mut calls = first.model.requests().len();
    while !is_summary(&first.model.requests()[calls - 1]) {
        calls += 1;
        first.model.called(calls).await;
    }
    first.engine.shutdown().await;
    let mut setup = Setup::new(answering("after all"));
    (setup.window, setup.store, setup.owner) = (WINDOW, first.store.clone(), "boot-2");
    let second = setup.build();
    assert_eq!(second.engine.recover().await.unwrap(), 1);
    assert_eq!(second.ended("last").await.end, End::Done);
    let requests = second.model.requests();
    assert_eq!(requests.iter().map(is_summary).collect::<Vec<_>>(), [true, false]);
    let shown = texts(&requests[1]);
    assert!(shown[0].contains("after all") && *shown.last().unwrap() == long(9), "{shown:?}");
}

#[tokio::test]
async fn a_compaction_that_does_not_fit_the_transcript_is_taken_back() {
    let store = Arc::new(Store::new());
    let mut setup = Setup::new(answering("x"));
    setup.store = store.clone();
    let first = setup.build();
    talk(&first, 0, 2).await;
    first.engine.shutdown().await;
    let id = store.get(&session()).await.unwrap().unwrap().id;
    let summary = Summary { gist: "wrong".into(), ..Summary::default() };
    store
        .keep(&session(), &id, Compaction { turns: 3, through: 2, summary, tokens: None }, Timestamp(5))
        .await
        .unwrap();
    let mut setup = Setup::new(answering("x"));
    (setup.store, setup.owner) = (store.clone(), "boot-2");
    let second = setup.build();
    second.send("s1", "short", QueueMode::Followup).await;
    second.ended("s1").await;
    assert_eq!(texts(&second.model.requests()[0]).len(), 5, "all turns are shown");
    let kept = &store.history(&session(), 9).await.unwrap()[0];
    assert_eq!(kept.undone.as_ref().unwrap().by, "check");
}

#[tokio::test]
async fn a_summary_that_takes_too_long_is_made_by_rule() {
    let model = ScriptedModel::answering(|request| {
        if is_summary(request) { Turn::new().hold(&Latch::new()) } else { Turn::say("noted.") }
    });
    let mut setup = Setup::new(model);
    setup.compacting = tight();
    let rig = setup.build();
    talk(&rig, 0, 3).await;
    let calls = rig.model.requests().len();
    let (engine, asked) = (rig.engine.clone(), session());
    let compacting = tokio::spawn(async move { engine.compact(&asked).await });
    rig.model.called(calls + 1).await;
    rig.clock.advance(Compacting::default().timeout).await;
    let Compacted::Done(kept) = compacting.await.unwrap().unwrap() else { panic!() };
    assert!(kept.compaction.summary.gist.contains("Person: request number"), "{kept:?}");
}

#[tokio::test]
async fn a_picture_is_summarised_as_one() {
    let rig = Setup { compacting: tight(), ..Setup::new(answering("a picture")) }.build();
    let mut request = crate::harness::request("p", "look", QueueMode::Followup);
    request.input.parts.push(Part::Image { media_type: "image/png".into(), data: "AAAA".repeat(4000) });
    openclaw_domain::ports::Runs::start(rig.engine.as_ref(), request).await.unwrap();
    rig.ended("p").await;
    talk(&rig, 1, 3).await;
    assert!(matches!(rig.engine.compact(&session()).await.unwrap(), Compacted::Done(_)));
    let asked = rig.model.requests().into_iter().find(is_summary).unwrap();
    let text = texts(&asked).concat();
    assert!(text.contains("[a picture, image/png]") && !text.contains("AAAA"));
}
