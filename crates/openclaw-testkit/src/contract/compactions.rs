//! Conformance of the port that keeps compactions.

#![expect(clippy::unwrap_used, reason = "a conformance suite fails by panicking")]

use std::sync::Arc;

use openclaw_domain::Summary;
use openclaw_domain::compaction::{Compaction, Shrunk, Undone};
use openclaw_domain::event::RunEvent;
use openclaw_domain::ids::{SessionKey, Timestamp};
use openclaw_domain::model::Usage;
use openclaw_domain::ports::{Admitted, Batch, Compactions, Durability, Journal, JournalError, RecordError, Sessions};
use openclaw_domain::run::Status;
use openclaw_domain::session::{EntryQuery, SessionChange};

use super::journal::{admission, key, own_instance, run_id};

/// Checks every rule; `make` returns a fresh, empty store.
pub async fn compactions<S, F>(make: F)
where
    S: Compactions + Journal + Sessions + 'static,
    F: Fn() -> Arc<S>,
{
    the_newest_that_was_not_undone_is_current(&*make()).await;
    a_run_s_compaction_is_kept_with_its_event(&*make()).await;
    a_fenced_batch_keeps_no_compaction(&*make()).await;
    an_instance_s_compaction_is_not_the_session_s(&*make()).await;
    a_new_conversation_has_none(&*make()).await;
    turns_stay_as_they_are(&*make()).await;
    unknown_ones_are_named(&*make()).await;
    a_large_summary_comes_back_and_goes_with_its_session(&*make()).await;
}

fn compaction(turns: usize, gist: &str) -> Compaction {
    let summary = Summary {
        gist: gist.to_owned(),
        decisions: vec!["use the blue one".to_owned()],
        open_asks: vec!["find /tmp/x".to_owned()],
        identifiers: vec!["/tmp/x".to_owned()],
        commitments: vec!["I will look".to_owned()],
    };
    Compaction { turns, through: turns as u64, summary, tokens: Some(Shrunk { before: 900, after: 100 }) }
}

async fn opened(store: &impl Sessions, rest: &str) -> (SessionKey, openclaw_domain::SessionId) {
    let key = key(rest);
    let session = store.open(&key, Timestamp(1)).await.unwrap();
    (key, session.id)
}

async fn the_newest_that_was_not_undone_is_current<S: Compactions + Sessions>(store: &S) {
    let (key, id) = opened(store, "newest").await;
    assert_eq!(store.current(&key).await.unwrap(), None);
    let first = store.keep(&key, &id, compaction(2, "first"), Timestamp(5)).await.unwrap();
    let second = store.keep(&key, &id, compaction(4, "second"), Timestamp(6)).await.unwrap();
    assert_eq!(store.current(&key).await.unwrap().as_ref(), Some(&second));
    assert_eq!(store.history(&key, 10).await.unwrap(), [second.clone(), first.clone()]);
    assert_eq!(store.history(&key, 1).await.unwrap(), std::slice::from_ref(&second));
    let undone = store.undo(&key, second.id, "owner", Timestamp(7)).await.unwrap();
    assert_eq!(undone.undone, Some(Undone { by: "owner".to_owned(), at: Timestamp(7) }));
    assert_eq!(store.current(&key).await.unwrap(), Some(first.clone()));
    // Undoing again changes nothing, and it stays on the list.
    assert_eq!(store.undo(&key, second.id, "other", Timestamp(9)).await.unwrap(), undone);
    assert_eq!(store.history(&key, 10).await.unwrap(), [undone, first]);
}

fn batch(key: &SessionKey, epoch: openclaw_domain::Epoch, first: openclaw_domain::Seq, gist: &str) -> Batch {
    let compaction = Box::new(compaction(1, gist));
    Batch {
        session: key.clone(),
        run: run_id("r1"),
        epoch,
        first,
        events: vec![RunEvent::Compacted { compaction, usage: Usage::default() }],
        entries: Vec::new(),
        amended: None,
        status: Some(Status::Running),
        outcome: None,
        deliveries: Vec::new(),
        at: Timestamp(8),
        durability: Durability::Committed,
    }
}

async fn a_run_s_compaction_is_kept_with_its_event<S: Compactions + Journal + Sessions>(store: &S) {
    let key = key("run");
    let Admitted::New { epoch, seq, .. } = store.admit(admission(&key, "r1", "hi")).await.unwrap() else { panic!() };
    store.append(batch(&key, epoch, seq.next(), "by a run")).await.unwrap();
    let kept = store.current(&key).await.unwrap().unwrap();
    assert_eq!(kept.compaction, compaction(1, "by a run"));
    assert_eq!((kept.run, kept.at), (Some(run_id("r1")), Timestamp(8)));
}

async fn a_fenced_batch_keeps_no_compaction<S: Compactions + Journal + Sessions>(store: &S) {
    let key = key("fenced");
    let Admitted::New { epoch, seq, .. } = store.admit(admission(&key, "r1", "hi")).await.unwrap() else { panic!() };
    store.claim(&key, &run_id("r1"), "boot-2").await.unwrap();
    let refused = store.append(batch(&key, epoch, seq.next(), "too late")).await;
    assert_eq!(refused, Err(JournalError::Fenced(run_id("r1"))));
    assert_eq!(store.current(&key).await.unwrap(), None);
}

async fn an_instance_s_compaction_is_not_the_session_s<S: Compactions + Journal + Sessions>(store: &S) {
    let key = key("instance");
    let Admitted::New { epoch, seq, .. } = store.admit(own_instance(&key, "r1", "hi")).await.unwrap() else { panic!() };
    store.append(batch(&key, epoch, seq.next(), "by an instance")).await.unwrap();
    assert_eq!(store.current(&key).await.unwrap(), None);
    assert_eq!(store.history(&key, 10).await.unwrap(), []);
}

async fn a_new_conversation_has_none<S: Compactions + Sessions>(store: &S) {
    let (key, id) = opened(store, "reset").await;
    let old = store.keep(&key, &id, compaction(2, "old"), Timestamp(5)).await.unwrap();
    store.change(&key, SessionChange::Reset, None, Timestamp(6)).await.unwrap();
    assert_eq!(store.current(&key).await.unwrap(), None);
    assert_eq!(store.history(&key, 10).await.unwrap(), []);
    let late = store.keep(&key, &id, compaction(3, "late"), Timestamp(7)).await;
    assert_eq!(late, Err(RecordError::Stale(format!("session {key}"))));
    assert!(matches!(store.undo(&key, old.id, "owner", Timestamp(8)).await, Err(RecordError::NotFound { .. })));
}

async fn turns_stay_as_they_are<S: Compactions + Journal + Sessions>(store: &S) {
    let key = key("turns");
    store.admit(admission(&key, "r1", "hi")).await.unwrap();
    let before = store.entries(&key, EntryQuery::default()).await.unwrap();
    let id = store.get(&key).await.unwrap().unwrap().id;
    let kept = store.keep(&key, &id, compaction(1, "short"), Timestamp(5)).await.unwrap();
    assert_eq!(store.entries(&key, EntryQuery::default()).await.unwrap(), before);
    store.undo(&key, kept.id, "owner", Timestamp(6)).await.unwrap();
    assert_eq!(store.entries(&key, EntryQuery::default()).await.unwrap(), before);
}

async fn unknown_ones_are_named<S: Compactions + Sessions>(store: &S) {
    let (there, id) = opened(store, "there").await;
    let kept = store.keep(&there, &id, compaction(2, "mine"), Timestamp(5)).await.unwrap();
    let (other, _) = opened(store, "other").await;
    let error = store.undo(&other, kept.id, "owner", Timestamp(6)).await.unwrap_err().to_string();
    assert!(error.contains(&kept.id.to_string()) && error.contains(other.as_str()), "{error}");
    let gone = key("gone");
    let error = store.keep(&gone, &id, compaction(2, "x"), Timestamp(5)).await.unwrap_err();
    assert_eq!(error, RecordError::NotFound { what: "session", name: gone.to_string() });
    assert_eq!(store.history(&gone, 10).await.unwrap(), []);
}

async fn a_large_summary_comes_back_and_goes_with_its_session<S: Compactions + Sessions>(store: &S) {
    let (key, id) = opened(store, "large").await;
    let large = compaction(2, &"long ago ".repeat(4000));
    store.keep(&key, &id, large.clone(), Timestamp(5)).await.unwrap();
    assert_eq!(store.current(&key).await.unwrap().unwrap().compaction, large);
    store.change(&key, SessionChange::Delete { transcript: true }, None, Timestamp(6)).await.unwrap();
    assert_eq!(store.history(&key, 10).await.unwrap(), []);
}
