//! A record that was changed: every change is found, and where.

use std::sync::Arc;

use openclaw_domain::message::Part;
use openclaw_domain::ports::{Difference, History};
use openclaw_domain::tool::Effect;
use openclaw_domain::{Epoch, Recorded, RunEvent, Seq};
use openclaw_testkit::model::Turn;
use openclaw_testkit::{AskAll, FakeClock, FakeTool, FlawedJournal, ScriptedModel, memory};
use serde_json::json;

use super::world::{Parts, Stores, engine};
use super::{events, is, result_of};
use crate::harness::{request, run};

type Change = fn(&mut Vec<Recorded>);

/// Records one run with a question, a keyed tool and an answer.
async fn recorded() -> (Arc<memory::Store>, Parts) {
    use openclaw_domain::ports::{Approvals, Runs};
    let store = Arc::new(memory::Store::new());
    let model =
        ScriptedModel::new([Turn::new().text("I pay ").call("pay", &json!({ "sum": 7 })), Turn::say("paid it all")]);
    let tool = FakeTool::says("pay", "receipt 41").effect(Effect::Keyed);
    let parts = Parts {
        stores: Stores::memory(store.clone()),
        model: Arc::new(model),
        tools: vec![Arc::new(tool)],
        gate: Arc::new(AskAll),
        limits: openclaw_domain::Limits::default(),
        clock: Arc::new(FakeClock::new()),
    };
    let engine = engine(&parts, "boot-1");
    engine.start(request("r1", "pay", openclaw_domain::run::QueueMode::Steer)).await.unwrap();
    let asked = async {
        while engine.pending().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::PATIENCE, asked).await.unwrap();
    let id = engine.pending()[0].id.clone();
    engine.resolve(&id, openclaw_domain::approval::Decision::AllowOnce, "owner").await.unwrap();
    tokio::time::timeout(super::PATIENCE, engine.wait(None, &run("r1"))).await.unwrap().unwrap();
    engine.shutdown().await;
    (store, parts)
}

async fn found(change: Change) -> Vec<Difference> {
    let (store, parts) = recorded().await;
    let journal = Arc::new(FlawedJournal::new(store).changing(change));
    let stores = Stores { journal, ..parts.stores.clone() };
    let engine = engine(&Parts { stores, ..parts }, "reader");
    engine.replay(None, &run("r1")).await.unwrap().differences
}

#[tokio::test]
async fn an_unchanged_record_has_no_difference() {
    assert_eq!(found(|_| {}).await, []);
}

#[tokio::test]
async fn a_changed_result_is_found_in_the_transcript() {
    let differences = found(|events| {
        let result = events.iter_mut().find_map(result_of).unwrap();
        result.parts = vec![Part::text("receipt 42")];
    })
    .await;
    assert_eq!(differences.len(), 1);
    assert!(
        differences[0].expected.contains("receipt 42") && differences[0].found.contains("receipt 41"),
        "{differences:?}"
    );
}

#[tokio::test]
async fn a_missing_event_is_found_at_its_place() {
    for kind in [
        "began",
        "model_started",
        "model_done",
        "tool_intent",
        "approval_requested",
        "approval_resolved",
        "tool_started",
        "tool_ended",
    ] {
        thread_local!(static KIND: std::cell::Cell<&'static str> = const { std::cell::Cell::new("") });
        KIND.set(kind);
        let differences = found(|events| {
            if let Some(at) = events.iter().position(|event| is(event, KIND.get())) {
                events.remove(at);
            }
        })
        .await;
        assert_eq!(differences[0].what, "an event is missing", "{kind}");
        // Even when the positions are made good again.
        let differences = found(|events| {
            if let Some(at) = events.iter().position(|event| is(event, KIND.get())) {
                events.remove(at);
                events.iter_mut().enumerate().for_each(|(n, event)| event.seq = Seq(n as u64 + 1));
            }
        })
        .await;
        assert!(!differences.is_empty(), "{kind}");
    }
}

/// Checks that a change of one field is found at the event it was made to.
async fn check(kind: &str, change: Change) {
    let (store, parts) = recorded().await;
    let record = parts.stores.journal.runs(None, false, 1).await.unwrap().remove(0);
    let seq = events(store.as_ref(), &record).await.iter().find(|event| is(event, kind)).unwrap().seq;
    let journal = Arc::new(FlawedJournal::new(store).changing(change));
    let stores = Stores { journal, ..parts.stores.clone() };
    let engine = engine(&Parts { stores, ..parts }, "reader");
    let replay = engine.replay(None, &run("r1")).await.unwrap();
    assert!(!replay.is_identical);
    assert_eq!(replay.differences[0].seq, seq, "{kind}: {:#?}", replay.differences);
    assert_ne!(replay.differences[0].expected, replay.differences[0].found);
}

#[tokio::test]
async fn another_key_digest_action_or_outcome_is_found() {
    check("model_started", |events| {
        for recorded in events {
            if let RunEvent::ModelStarted { idempotency_key, .. } = &mut recorded.event {
                idempotency_key.replace_range(0..1, "x");
            }
        }
    })
    .await;
    check("tool_started", |events| {
        for recorded in events {
            if let RunEvent::ToolStarted { idempotency_key, .. } = &mut recorded.event {
                idempotency_key.replace_range(0..1, "x");
            }
        }
    })
    .await;
    check("tool_intent", |events| {
        for recorded in events {
            if let RunEvent::ToolIntent { action, .. } = &mut recorded.event {
                action.replace_range(0..1, "x");
            }
        }
    })
    .await;
    check("tool_intent", |events| {
        for recorded in events {
            if let RunEvent::ToolIntent { digest, .. } = &mut recorded.event {
                digest.replace_range(0..1, "x");
            }
        }
    })
    .await;
    check("approval_requested", |events| {
        for recorded in events {
            if let RunEvent::ApprovalRequested { approval } = &mut recorded.event {
                approval.call.arguments = r#"{"sum":8}"#.to_owned();
            }
        }
    })
    .await;
    check("ended", |events| {
        for recorded in events {
            if let RunEvent::Ended { outcome } = &mut recorded.event {
                outcome.usage.output += 1;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_event_of_another_owner_or_after_the_end_is_found() {
    let differences = found(|events| {
        events.last_mut().unwrap().epoch = Epoch(2);
    })
    .await;
    assert_eq!(differences[0].what, "the event belongs to another owner");
    let differences = found(|events| {
        let mut again = events.last().unwrap().clone();
        again.seq = again.seq.next();
        events.push(again);
    })
    .await;
    assert_eq!(differences[0].what, "something follows the end");
}

#[tokio::test]
async fn a_call_that_must_not_be_repeated_is_not_believed_to_be() {
    let differences = found(|events| {
        // A second process dispatches the call again, without word that it did not happen.
        let at = events.iter().position(|event| is(event, "tool_started")).unwrap();
        let again: Vec<Recorded> = events[at - 1..=at].to_vec();
        let claim = Recorded { event: RunEvent::Claimed { owner: "boot-2".into() }, ..events[at].clone() };
        let tail = events.split_off(at + 1);
        events.push(claim);
        events.extend(again);
        events.extend(tail);
        for (n, recorded) in events.iter_mut().enumerate() {
            recorded.seq = Seq(n as u64 + 1);
            recorded.epoch = if n > at { Epoch(2) } else { recorded.epoch };
            if let RunEvent::ToolIntent { effect, .. } = &mut recorded.event {
                *effect = Effect::Once;
            }
        }
    })
    .await;
    assert!(differences[0].what.contains("tool_intent"), "{differences:?}");
}
