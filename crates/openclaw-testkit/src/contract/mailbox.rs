//! Conformance of the journal port: the message that comes in twice, and the
//! child that answers while its parent is gone.

#![expect(clippy::unwrap_used, reason = "a conformance suite fails by panicking")]

use std::sync::Arc;

use openclaw_domain::delivery::Inbound;
use openclaw_domain::event::RunEvent;
use openclaw_domain::ids::{Seq, SessionKey, Timestamp};
use openclaw_domain::message::{ToolResult, ToolStatus};
use openclaw_domain::ports::{Admission, Admitted, Batch, Journal, Mail, Sessions};
use openclaw_domain::run::{End, Parent};
use openclaw_domain::session::{EntryQuery, SessionChange};
use openclaw_domain::tool::Effect;

use super::journal::{admission, batch, ending, key, outcome, queued, run_id};

/// Checks every rule of inbox and mailbox; `make` returns a fresh, empty store.
pub async fn mailbox<S, F>(make: F)
where
    S: Journal + Sessions + 'static,
    F: Fn() -> Arc<S>,
{
    a_message_that_comes_again_is_the_first_run(&*make()).await;
    the_same_message_id_elsewhere_is_another_message(&*make()).await;
    many_arrivals_of_one_message_make_one_run(make()).await;
    a_childs_outcome_waits_for_its_parent(&*make()).await;
    an_answer_goes_with_the_result_of_its_call(&*make()).await;
    nobody_answers_a_call_that_has_its_result(&*make()).await;
    nobody_answers_a_parent_that_ended(&*make()).await;
    a_child_that_is_removed_is_an_answer_too(&*make()).await;
    an_answer_outlives_the_childs_transcript(&*make()).await;
}

fn arrival(mut admission: Admission, message: &str) -> Admission {
    let inbound = Inbound { channel: "chat".into(), account: "work".into(), message: message.into() };
    admission.request.inbound = Some(inbound);
    admission
}

async fn a_message_that_comes_again_is_the_first_run(store: &(impl Journal + Sessions)) {
    let (key, other) = (key("inbox"), key("elsewhere"));
    let first = store.admit(arrival(admission(&key, "r1", "hi"), "m1")).await.unwrap();
    assert!(matches!(first, Admitted::New { .. }));
    let again = [
        arrival(admission(&key, "r1", "hi"), "m1"),
        arrival(admission(&key, "r2", "hi"), "m1"),
        arrival(queued(&key, "r3", "other words"), "m1"),
        arrival(admission(&other, "r1", "hi"), "m1"),
    ];
    for admission in again {
        let Admitted::Known(known) = store.admit(admission).await.unwrap() else { panic!("it is known") };
        assert_eq!((&known.session, known.id.as_str()), (&key, "r1"));
    }
    store.append(ending(&key, "r1", 3)).await.unwrap();
    let late = store.admit(arrival(admission(&key, "r4", "hi"), "m1")).await.unwrap();
    let Admitted::Known(known) = late else { panic!("it is known") };
    assert_eq!(known.outcome.unwrap().end, End::Done);
    assert_eq!(store.runs(None, false, 10).await.unwrap().len(), 1);
    assert_eq!(store.entries(&key, EntryQuery::default()).await.unwrap().entries.len(), 2);
}

async fn the_same_message_id_elsewhere_is_another_message(store: &impl Journal) {
    let named = |run: &str, channel: &str, account: &str| {
        let mut admission = queued(&key("many"), run, "hi");
        let inbound = Inbound { channel: channel.into(), account: account.into(), message: "m1".into() };
        admission.request.inbound = Some(inbound);
        admission
    };
    for (run, channel, account) in [("r1", "chat", "work"), ("r2", "chat", "home"), ("r3", "mail", "work")] {
        assert!(matches!(store.admit(named(run, channel, account)).await.unwrap(), Admitted::New { .. }));
    }
}

async fn many_arrivals_of_one_message_make_one_run<S: Journal + 'static>(store: Arc<S>) {
    let admit = |n: usize| {
        let store = Arc::clone(&store);
        let admission = arrival(queued(&key("race"), &format!("r{n}"), "hi"), "m1");
        async move { store.admit(admission).await.unwrap() }
    };
    let answers = futures_util::future::join_all((0..16).map(admit)).await;
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Admitted::New { .. })).count(), 1);
    assert_eq!(store.runs(None, false, 100).await.unwrap().len(), 1);
}

/// Admits a parent with one dispatched call, and a child it waits for.
async fn family(store: &impl Journal) -> (SessionKey, SessionKey) {
    let (parent, child) = (key("parent"), key("child"));
    store.admit(admission(&parent, "p1", "ask the other one")).await.unwrap();
    let intent = RunEvent::ToolIntent {
        call: "c1".parse().unwrap(),
        tool: "ask".into(),
        digest: "00ff".into(),
        effect: Effect::Keyed,
        action: "0a".into(),
    };
    let started = RunEvent::ToolStarted { call: "c1".parse().unwrap(), idempotency_key: "k1".into() };
    store.append(Batch { events: vec![intent, started], ..batch(&parent, "p1", 3) }).await.unwrap();
    store.admit(child_of(&parent, admission(&child, "r1", "hi"))).await.unwrap();
    (parent, child)
}

fn child_of(parent: &SessionKey, mut admission: Admission) -> Admission {
    let (session, root) = (parent.clone(), parent.clone());
    admission.request.parent =
        Some(Parent { session, run: run_id("p1"), call: "c1".parse().unwrap(), root, is_owner: false });
    admission
}

async fn answer(store: &impl Journal, parent: &SessionKey) {
    let result = Box::new(ToolResult::notice(ToolStatus::Ok, "fine"));
    let events = vec![RunEvent::ToolEnded { call: "c1".parse().unwrap(), result }];
    store.append(Batch { events, ..batch(parent, "p1", 5) }).await.unwrap();
}

async fn letters(store: &impl Journal, parent: &SessionKey) -> Vec<Mail> {
    store.mail(parent, &run_id("p1")).await.unwrap()
}

async fn a_childs_outcome_waits_for_its_parent(store: &impl Journal) {
    let (parent, child) = family(store).await;
    assert_eq!(letters(store, &parent).await, []);
    store.append(ending(&child, "r1", 3)).await.unwrap();
    let expected = Mail {
        call: "c1".parse().unwrap(),
        session: child.clone(),
        run: run_id("r1"),
        outcome: outcome(End::Done),
        at: Timestamp(3000),
    };
    assert_eq!(letters(store, &parent).await, [expected]);
    assert_eq!(store.mail(&child, &run_id("r1")).await.unwrap(), []);
    // Taking the parent over loses nothing.
    store.claim(&parent, &run_id("p1"), "boot-2").await.unwrap();
    assert_eq!(letters(store, &parent).await.len(), 1);
}

async fn an_answer_goes_with_the_result_of_its_call(store: &impl Journal) {
    let (parent, child) = family(store).await;
    store.append(ending(&child, "r1", 3)).await.unwrap();
    let other = RunEvent::ToolEnded {
        call: "c2".parse().unwrap(),
        result: Box::new(ToolResult::notice(ToolStatus::Ok, "other")),
    };
    let zombie = Batch { events: vec![other.clone()], ..batch(&parent, "p1", 4) };
    store.append(zombie).await.unwrap_err();
    assert_eq!(letters(store, &parent).await.len(), 1);
    answer(store, &parent).await;
    assert_eq!(letters(store, &parent).await, []);
    assert_eq!(store.events(&parent, &run_id("p1"), Seq(4), 10).await.unwrap().len(), 1);
}

async fn nobody_answers_a_call_that_has_its_result(store: &impl Journal) {
    let (parent, child) = family(store).await;
    answer(store, &parent).await;
    store.append(ending(&child, "r1", 3)).await.unwrap();
    assert_eq!(letters(store, &parent).await, []);
}

async fn nobody_answers_a_parent_that_ended(store: &impl Journal) {
    let (parent, child) = family(store).await;
    store.append(ending(&parent, "p1", 5)).await.unwrap();
    store.append(ending(&child, "r1", 3)).await.unwrap();
    assert_eq!(letters(store, &parent).await, []);

    // And what came before its end goes with it.
    let (late, other) = (key("late"), key("other"));
    store.admit(admission(&late, "p1", "hi")).await.unwrap();
    store.admit(child_of(&late, admission(&other, "r1", "hi"))).await.unwrap();
    store.append(ending(&other, "r1", 3)).await.unwrap();
    assert_eq!(letters(store, &late).await.len(), 1);
    store.append(ending(&late, "p1", 3)).await.unwrap();
    assert_eq!(letters(store, &late).await, []);
}

async fn a_child_that_is_removed_is_an_answer_too(store: &(impl Journal + Sessions)) {
    let (parent, child) = family(store).await;
    let delete = SessionChange::Delete { transcript: false };
    store.change(&child, delete, None, Timestamp(5000)).await.unwrap();
    let mail = letters(store, &parent).await;
    assert_eq!(mail.len(), 1);
    assert!(matches!(mail[0].outcome.end, End::Cancelled { .. }), "{mail:?}");
}

async fn an_answer_outlives_the_childs_transcript(store: &(impl Journal + Sessions)) {
    let (parent, child) = family(store).await;
    let mut large = ending(&child, "r1", 3);
    let text = "大".repeat(50_000);
    if let (Some(RunEvent::Ended { outcome: told }), Some(outcome)) = (large.events.last_mut(), &mut large.outcome) {
        outcome.text.clone_from(&text);
        told.clone_from(outcome);
    }
    store.append(large).await.unwrap();
    let delete = SessionChange::Delete { transcript: true };
    store.change(&child, delete, None, Timestamp(5000)).await.unwrap();
    assert_eq!(letters(store, &parent).await[0].outcome.text, text);
}
