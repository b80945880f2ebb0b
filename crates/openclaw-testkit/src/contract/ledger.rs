//! Conformance of the journal port: a call that may have happened is not repeated by another.

#![expect(clippy::unwrap_used, reason = "a conformance suite fails by panicking")]

use std::sync::Arc;

use openclaw_domain::event::RunEvent;
use openclaw_domain::ids::{CallId, Epoch, Seq, SessionKey, Timestamp};
use openclaw_domain::message::{ToolResult, ToolStatus};
use openclaw_domain::ports::{Batch, Journal, JournalError as Error, Sessions};
use openclaw_domain::question::Answer;
use openclaw_domain::run::{End, Status};
use openclaw_domain::tool::Effect;

use super::journal::{admission, batch, key, outcome, run_id};

/// What both calls of a rule would do.
const ACTION: &str = "aa11";

/// Checks every rule of the ledger; `make` returns a fresh, empty store.
pub async fn ledger<S, F>(make: F)
where
    S: Journal + Sessions + 'static,
    F: Fn() -> Arc<S>,
{
    what_may_have_happened_is_not_begun_by_another_call(&*make()).await;
    a_call_is_not_in_its_own_way(&*make()).await;
    what_can_be_repeated_is_not_refused(&*make()).await;
    a_known_outcome_frees_the_action(&*make()).await;
    an_unknown_outcome_blocks_until_somebody_knows(&*make()).await;
    a_failed_run_leaves_its_open_call_blocked(&*make()).await;
    of_two_calls_that_wait_to_start_only_one_does(&*make()).await;
}

fn call(id: &str) -> CallId {
    id.parse().unwrap()
}

fn intent(id: &str, effect: Effect) -> RunEvent {
    RunEvent::ToolIntent {
        call: call(id),
        tool: "send".to_owned(),
        digest: "d1".to_owned(),
        effect,
        action: ACTION.to_owned(),
    }
}

fn started(id: &str) -> RunEvent {
    RunEvent::ToolStarted { call: call(id), idempotency_key: format!("k-{id}") }
}

fn ended(id: &str, status: ToolStatus) -> RunEvent {
    RunEvent::ToolEnded { call: call(id), result: Box::new(ToolResult::notice(status, "said")) }
}

/// Admits one run in each of two sessions; both are at position 2.
async fn two_runs(store: &impl Journal) -> (SessionKey, SessionKey) {
    let (one, two) = (key("one"), key("two"));
    store.admit(admission(&one, "r1", "hello")).await.unwrap();
    store.admit(admission(&two, "r2", "hello")).await.unwrap();
    (one, two)
}

fn with(session: &SessionKey, id: &str, first: u64, events: Vec<RunEvent>) -> Batch {
    Batch { events, ..batch(session, id, first) }
}

/// What the second run hears when it is refused because of the first.
fn blocked() -> Error {
    Error::Blocked { run: run_id("r1"), call: call("c1") }
}

/// Begins the first run's call, and has the second run try the same.
async fn begun_and_tried(store: &impl Journal) -> (SessionKey, SessionKey) {
    let (one, two) = two_runs(store).await;
    store.append(with(&one, "r1", 3, vec![intent("c1", Effect::Once), started("c1")])).await.unwrap();
    assert_eq!(try_the_same(store, &two).await, Err(blocked()));
    (one, two)
}

async fn try_the_same(store: &impl Journal, two: &SessionKey) -> Result<(), Error> {
    store.append(with(two, "r2", 3, vec![intent("c2", Effect::Once), started("c2")])).await.map(drop)
}

async fn what_may_have_happened_is_not_begun_by_another_call(store: &impl Journal) {
    let (_, two) = begun_and_tried(store).await;
    assert_eq!(store.events(&two, &run_id("r2"), Seq(2), 10).await.unwrap(), Vec::new(), "nothing was written");
    let keyed = with(&two, "r2", 3, vec![intent("c2", Effect::Keyed)]);
    assert_eq!(store.append(keyed).await.map(drop), Err(blocked()), "a key of another call does not help");
    let open = store.open_actions().await.unwrap();
    assert_eq!(open.iter().map(|open| (open.run.as_str(), open.call.as_str())).collect::<Vec<_>>(), [("r1", "c1")]);
}

async fn a_call_is_not_in_its_own_way(store: &impl Journal) {
    let (one, _) = begun_and_tried(store).await;
    let (epoch, seq) = store.claim(&one, &run_id("r1"), "boot-2").await.unwrap();
    let again = vec![intent("c1", Effect::Once), started("c1")];
    store.append(Batch { epoch, ..with(&one, "r1", seq.0 + 1, again) }).await.unwrap();
}

async fn what_can_be_repeated_is_not_refused(store: &impl Journal) {
    let (_, two) = begun_and_tried(store).await;
    let events = vec![intent("c2", Effect::Pure), intent("c3", Effect::Idempotent), started("c2"), started("c3")];
    store.append(with(&two, "r2", 3, events)).await.unwrap();
}

async fn a_known_outcome_frees_the_action(store: &impl Journal) {
    let (one, two) = begun_and_tried(store).await;
    store.append(with(&one, "r1", 5, vec![ended("c1", ToolStatus::Ok)])).await.unwrap();
    assert_eq!(try_the_same(store, &two).await, Ok(()));
}

async fn an_unknown_outcome_blocks_until_somebody_knows(store: &impl Journal) {
    let (one, two) = begun_and_tried(store).await;
    store.append(with(&one, "r1", 5, vec![ended("c1", ToolStatus::Unknown)])).await.unwrap();
    assert_eq!(try_the_same(store, &two).await, Err(blocked()));
    for (answer, left) in [(Answer::Unknown, Err(blocked())), (Answer::NotHappened, Ok(()))] {
        assert!(store.settle_action(&one, &run_id("r1"), &call("c1"), answer).await.unwrap());
        assert_eq!(try_the_same(store, &two).await, left, "{answer:?}");
    }
}

async fn a_failed_run_leaves_its_open_call_blocked(store: &impl Journal) {
    let (one, two) = begun_and_tried(store).await;
    let outcome = outcome(End::Failed { message: "gone".to_owned() });
    let over = RunEvent::Ended { outcome: Box::new(outcome.clone()) };
    let batch = Batch {
        status: Some(Status::Failed),
        outcome: Some(Box::new(outcome)),
        at: Timestamp(3000),
        ..with(&one, "r1", 5, vec![over])
    };
    store.append(batch).await.unwrap();
    assert_eq!(try_the_same(store, &two).await, Err(blocked()));
}

async fn of_two_calls_that_wait_to_start_only_one_does(store: &impl Journal) {
    let (one, two) = two_runs(store).await;
    store.append(with(&two, "r2", 3, vec![intent("c2", Effect::Once)])).await.unwrap();
    store.append(with(&one, "r1", 3, vec![intent("c1", Effect::Once)])).await.unwrap();
    store.append(with(&one, "r1", 4, vec![started("c1")])).await.unwrap();
    assert_eq!(store.append(with(&two, "r2", 4, vec![started("c2")])).await.map(drop), Err(blocked()));
    let seen = store.events(&two, &run_id("r2"), Seq(2), 10).await.unwrap();
    assert_eq!(seen.iter().map(|event| (event.seq, event.epoch)).collect::<Vec<_>>(), [(Seq(3), Epoch(1))]);
}
