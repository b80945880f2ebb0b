//! Conformance of the outbox port: what is sent is sent once, or somebody is told.

#![expect(clippy::unwrap_used, reason = "a conformance suite fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::delivery::{Delivery, DeliveryRecord, DeliveryState, Destination, Discarded, Retention};
use openclaw_domain::event::RunEvent;
use openclaw_domain::ids::Timestamp;
use openclaw_domain::ports::{Batch, Due, Journal, JournalError as Error, Outbox, Sessions, Settled};
use openclaw_domain::session::SessionChange;

use super::journal::{admission, batch, ending, key, run_id};

const NOW: Timestamp = Timestamp(10_000);

/// Checks every rule of the outbox; `make` returns a fresh, empty store.
pub async fn outbox<S, F>(make: F)
where
    S: Outbox + Journal + Sessions + 'static,
    F: Fn() -> Arc<S>,
{
    a_delivery_is_recorded_with_what_decided_it_or_not_at_all(&*make()).await;
    a_delivery_is_taken_once_and_the_oldest_first(&*make()).await;
    several_takers_share_what_is_due(make()).await;
    the_same_key_is_one_delivery(&*make()).await;
    one_whose_time_has_passed_fails_and_is_never_returned(&*make()).await;
    one_that_is_tried_again_waits_for_its_time(&*make()).await;
    an_old_attempt_settles_nothing(&*make()).await;
    what_another_owner_left_is_unknown_and_not_sent_again(&*make()).await;
    only_a_person_repeats_what_failed_or_is_unknown(&*make()).await;
    what_was_sent_has_the_channels_id(&*make()).await;
    a_large_text_comes_back_as_it_was(&*make()).await;
    a_person_settles_what_is_open_and_it_is_kept_with_their_name(&*make()).await;
    what_is_over_is_forgotten_by_age_and_number_and_what_is_open_never(&*make()).await;
}

/// Returns a delivery to a chat that can be sent until two minutes past the epoch.
pub fn delivery(idempotency_key: &str) -> Delivery {
    Delivery {
        to: Destination {
            channel: "chat".to_owned(),
            to: "ann".to_owned(),
            account: Some("work".to_owned()),
            thread: None,
        },
        text: format!("text of {idempotency_key}"),
        idempotency_key: idempotency_key.to_owned(),
        not_after: Some(Timestamp(120_000)),
    }
}

/// Records deliveries with the end of a run of a session of their own.
pub async fn plan(store: &impl Journal, session: &str, deliveries: Vec<Delivery>) {
    let key = key(session);
    store.admit(admission(&key, "r1", "hi")).await.unwrap();
    store.append(Batch { deliveries, ..ending(&key, "r1", 3) }).await.unwrap();
}

async fn all(store: &impl Outbox) -> Vec<DeliveryRecord> {
    store.deliveries(None, 100).await.unwrap()
}

async fn take_one(store: &impl Outbox, owner: &str) -> Due {
    let due = store.take(owner, NOW, 10).await.unwrap();
    assert_eq!(due.len(), 1, "one delivery is due");
    due.into_iter().next().unwrap()
}

fn keys(due: &[Due]) -> Vec<&str> {
    due.iter().map(|due| due.delivery.idempotency_key.as_str()).collect()
}

async fn a_delivery_is_recorded_with_what_decided_it_or_not_at_all(store: &(impl Outbox + Journal)) {
    let key = key("refused");
    store.admit(admission(&key, "r1", "hi")).await.unwrap();
    let refused = Batch { deliveries: vec![delivery("k0")], ..ending(&key, "r1", 2) };
    assert_eq!(store.append(refused).await, Err(Error::Fenced(run_id("r1"))));
    assert_eq!(all(store).await, Vec::new());

    plan(store, "kept", vec![delivery("k1")]).await;
    let record = all(store).await.remove(0);
    let expected = DeliveryRecord {
        id: record.id,
        session: super::journal::key("kept"),
        run: run_id("r1"),
        delivery: delivery("k1"),
        state: DeliveryState::Pending,
        provider_id: None,
        message: None,
        attempts: 0,
        at: Timestamp(3000),
        discarded: None,
    };
    assert_eq!(record, expected);
}

async fn a_delivery_is_taken_once_and_the_oldest_first(store: &(impl Outbox + Journal)) {
    plan(store, "one", vec![delivery("k1"), delivery("k2")]).await;
    plan(store, "two", vec![delivery("k3")]).await;
    let first = store.take("boot-1", NOW, 2).await.unwrap();
    assert_eq!(keys(&first), ["k1", "k2"]);
    assert_eq!((first[0].attempt, &first[0].session, &first[0].run), (1, &key("one"), &run_id("r1")));
    assert_eq!(first[0].delivery, delivery("k1"));
    let second = store.take("boot-1", NOW, 2).await.unwrap();
    assert_eq!(keys(&second), ["k3"]);
    assert_eq!(store.take("boot-2", NOW, 2).await.unwrap(), Vec::new());
    let newest: Vec<_> = all(store).await.into_iter().map(|record| record.delivery.idempotency_key).collect();
    assert_eq!(newest, ["k3", "k2", "k1"]);
    assert_eq!(store.deliveries(Some(DeliveryState::Sending), 2).await.unwrap().len(), 2);
    assert_eq!(store.deliveries(Some(DeliveryState::Sent), 2).await.unwrap(), Vec::new());
}

async fn several_takers_share_what_is_due<S: Outbox + Journal + 'static>(store: Arc<S>) {
    plan(&*store, "many", (0..40).map(|n| delivery(&format!("k{n}"))).collect()).await;
    let take = |n: usize| {
        let store = Arc::clone(&store);
        async move { store.take(&format!("boot-{n}"), NOW, 5).await.unwrap() }
    };
    let taken = futures_util::future::join_all((0..16).map(take)).await;
    let mut ids: Vec<u64> = taken.iter().flatten().map(|due| due.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((taken.iter().flatten().count(), ids.len()), (40, 40));
}

async fn the_same_key_is_one_delivery(store: &(impl Outbox + Journal)) {
    plan(store, "one", vec![delivery("k1")]).await;
    plan(store, "two", vec![delivery("k1")]).await;
    assert_eq!(all(store).await.len(), 1);
}

async fn one_whose_time_has_passed_fails_and_is_never_returned(store: &(impl Outbox + Journal)) {
    let until = |key: &str, at| Delivery { not_after: Some(at), ..delivery(key) };
    plan(store, "late", vec![until("k1", Timestamp(NOW.0 - 1)), until("k2", NOW)]).await;
    assert_eq!(keys(&store.take("boot-1", NOW, 10).await.unwrap()), ["k2"]);
    let failed = store.deliveries(Some(DeliveryState::Failed), 10).await.unwrap();
    assert_eq!((failed.len(), failed[0].attempts), (1, 0));
    assert!(failed[0].message.as_ref().unwrap().contains("time passed"), "{failed:?}");
    assert_eq!(store.take("boot-1", Timestamp(0), 10).await.unwrap(), Vec::new());

    plan(store, "retried", vec![until("k3", Timestamp(20_000))]).await;
    let due = take_one(store, "boot-1").await;
    let again = Settled::Again { message: "busy".to_owned(), at: Timestamp(20_001) };
    store.settle(&due, again, NOW).await.unwrap();
    assert_eq!(store.take("boot-1", Timestamp(20_001), 10).await.unwrap(), Vec::new());
    assert_eq!(store.deliveries(Some(DeliveryState::Failed), 10).await.unwrap().len(), 2);
}

async fn one_that_is_tried_again_waits_for_its_time(store: &(impl Outbox + Journal)) {
    plan(store, "again", vec![delivery("k1")]).await;
    let due = take_one(store, "boot-1").await;
    let again = Settled::Again { message: "busy".to_owned(), at: Timestamp(NOW.0 + 5) };
    store.settle(&due, again, NOW).await.unwrap();
    let record = all(store).await.remove(0);
    assert_eq!((record.state, record.message.as_deref()), (DeliveryState::Pending, Some("busy")));
    assert_eq!(store.take("boot-1", Timestamp(NOW.0 + 4), 10).await.unwrap(), Vec::new());
    let due = store.take("boot-1", Timestamp(NOW.0 + 5), 10).await.unwrap();
    assert_eq!((due[0].attempt, keys(&due)), (2, vec!["k1"]));
}

async fn an_old_attempt_settles_nothing(store: &(impl Outbox + Journal)) {
    plan(store, "old", vec![delivery("k1")]).await;
    let old = take_one(store, "boot-1").await;
    store.orphaned("boot-2", NOW).await.unwrap();
    let fenced = Err(Error::Fenced(run_id("r1")));
    assert_eq!(store.settle(&old, Settled::Sent("p0".to_owned()), NOW).await, fenced);
    assert!(store.retry(old.id, NOW).await.unwrap());
    let new = take_one(store, "boot-2").await;
    assert_eq!(store.settle(&old, Settled::Sent("p1".to_owned()), NOW).await, fenced);
    store.settle(&new, Settled::Sent("p2".to_owned()), NOW).await.unwrap();
    assert_eq!(store.settle(&new, Settled::Failed("no".to_owned()), NOW).await, fenced);
    assert_eq!(all(store).await[0].provider_id.as_deref(), Some("p2"));
}

async fn what_another_owner_left_is_unknown_and_not_sent_again(store: &(impl Outbox + Journal)) {
    plan(store, "left", vec![delivery("k1"), delivery("k2")]).await;
    store.take("boot-1", NOW, 1).await.unwrap();
    assert_eq!(store.orphaned("boot-1", NOW).await.unwrap(), Vec::new());
    let orphans = store.orphaned("boot-2", NOW).await.unwrap();
    assert_eq!((orphans.len(), orphans[0].state), (1, DeliveryState::Unknown));
    assert!(orphans[0].message.as_ref().unwrap().contains("being sent"));
    assert_eq!(store.orphaned("boot-2", NOW).await.unwrap(), Vec::new());
    assert_eq!(keys(&store.take("boot-2", NOW, 10).await.unwrap()), ["k2"]);
}

async fn only_a_person_repeats_what_failed_or_is_unknown(store: &(impl Outbox + Journal)) {
    for settled in [Settled::Failed("no such chat".to_owned()), Settled::Unknown("it broke".to_owned())] {
        let name = format!("{settled:?}").to_lowercase().chars().filter(char::is_ascii_alphabetic).collect::<String>();
        plan(store, &name, vec![Delivery { not_after: Some(NOW), ..delivery(&name) }]).await;
        let due = take_one(store, "boot-1").await;
        assert!(!store.retry(due.id, NOW).await.unwrap(), "it is being sent");
        store.settle(&due, settled, NOW).await.unwrap();
        let later = Timestamp(NOW.0 + 1_000_000);
        assert_eq!(store.take("boot-1", later, 10).await.unwrap(), Vec::new());
        // Whoever asks for it when its time has passed wants it sent late.
        assert!(store.retry(due.id, later).await.unwrap());
        assert!(!store.retry(due.id, later).await.unwrap(), "it is pending");
        let again = store.take("boot-1", later, 10).await.unwrap();
        assert_eq!((again.len(), again[0].id, again[0].attempt), (1, due.id, 2));
        store.settle(&again[0], Settled::Sent("p1".to_owned()), later).await.unwrap();
        assert!(!store.retry(due.id, later).await.unwrap(), "it was sent");
    }
    assert!(!store.retry(999, NOW).await.unwrap(), "there is no such delivery");
}

async fn what_was_sent_has_the_channels_id(store: &(impl Outbox + Journal)) {
    plan(store, "sent", vec![delivery("k1")]).await;
    let due = take_one(store, "boot-1").await;
    store.settle(&due, Settled::Sent("p1".to_owned()), NOW).await.unwrap();
    let record = all(store).await.remove(0);
    assert_eq!((record.state, record.provider_id.as_deref(), record.attempts), (DeliveryState::Sent, Some("p1"), 1));
    assert_eq!(store.take("boot-2", NOW, 10).await.unwrap(), Vec::new());
    assert_eq!(store.orphaned("boot-2", NOW).await.unwrap(), Vec::new());
}

async fn a_large_text_comes_back_as_it_was(store: &(impl Outbox + Journal + Sessions)) {
    let text = "大".repeat(50_000);
    let large = |key: &str| Delivery { text: text.clone(), ..delivery(key) };
    plan(store, "gone", vec![large("k1")]).await;
    // A run that is not at its end may send as well.
    let kept = key("kept");
    store.admit(admission(&kept, "r1", "hi")).await.unwrap();
    let events = vec![RunEvent::DeadlinePassed];
    store.append(Batch { events, deliveries: vec![large("k2")], ..batch(&kept, "r1", 3) }).await.unwrap();
    // What one session needs is not removed with another.
    let delete = SessionChange::Delete { transcript: true };
    store.change(&key("gone"), delete, None, Timestamp(5000)).await.unwrap();
    let due = store.take("boot-1", NOW, 10).await.unwrap();
    let kept = due.iter().find(|due| due.delivery.idempotency_key == "k2").unwrap();
    assert_eq!(kept.delivery.text, text);
}

async fn a_person_settles_what_is_open_and_it_is_kept_with_their_name(store: &(impl Outbox + Journal)) {
    plan(store, "settled", vec![delivery("k1")]).await;
    let due = take_one(store, "boot-1").await;
    assert!(!store.discard(due.id, "ann", NOW).await.unwrap(), "it is being sent");
    store.settle(&due, Settled::Unknown("it broke".to_owned()), NOW).await.unwrap();
    assert_eq!(store.delivery(due.id).await.unwrap().unwrap().state, DeliveryState::Unknown);
    assert!(store.discard(due.id, "ann", Timestamp(NOW.0 + 7)).await.unwrap());
    let record = store.delivery(due.id).await.unwrap().unwrap();
    let discarded = Discarded { by: "ann".to_owned(), at: Timestamp(NOW.0 + 7) };
    assert_eq!((record.state, record.discarded.as_ref()), (DeliveryState::Discarded, Some(&discarded)));
    assert_eq!(record.message.as_deref(), Some("it broke"), "it still says why");
    assert_eq!(store.deliveries(Some(DeliveryState::Unknown), 10).await.unwrap(), []);
    assert_eq!(store.deliveries(Some(DeliveryState::Discarded), 10).await.unwrap(), [record]);
    assert!(!store.discard(due.id, "bob", NOW).await.unwrap(), "it is settled");
    assert!(!store.retry(due.id, NOW).await.unwrap(), "it is settled");
    assert!(!store.discard(999, "ann", NOW).await.unwrap(), "there is no such delivery");
    assert_eq!(store.delivery(999).await.unwrap(), None);
}

async fn what_is_over_is_forgotten_by_age_and_number_and_what_is_open_never(
    store: &(impl Outbox + Journal + Sessions),
) {
    let large = |key: &str| Delivery { text: "long ".repeat(5000), ..delivery(key) };
    let all_of_them = ["sent", "discarded", "failed", "unknown", "sending", "large", "pending"];
    let planned = all_of_them.map(|key| if key == "large" { large(key) } else { delivery(key) });
    plan(store, "many", planned.to_vec()).await;
    let due = store.take("boot-1", NOW, all_of_them.len() - 1).await.unwrap();
    for due in &due {
        let settled = match due.delivery.idempotency_key.as_str() {
            "sent" | "large" => Settled::Sent("p".to_owned()),
            "failed" => Settled::Failed("no".to_owned()),
            "unknown" | "discarded" => Settled::Unknown("broke".to_owned()),
            _ => continue,
        };
        store.settle(due, settled, NOW).await.unwrap();
    }
    assert!(store.discard(due[1].id, "ann", Timestamp(NOW.0 + 1)).await.unwrap());
    let left = async || {
        let all = all(store).await;
        all.into_iter().map(|record| record.delivery.idempotency_key).rev().collect::<Vec<_>>()
    };
    let age_max = Duration::from_secs(60);
    let by_age = Retention { age_max, count_max: 100 };
    let old = |ms: i64| Timestamp(NOW.0 + 60_000 + ms);
    assert_eq!(store.prune(by_age, old(0)).await.unwrap(), 0, "it is as old as it may be");
    assert_eq!(store.prune(Retention { count_max: 3, ..by_age }, NOW).await.unwrap(), 0);
    assert_eq!(left().await, all_of_them);
    // The oldest of three that are over; what is open does not count.
    assert_eq!(store.prune(Retention { count_max: 2, ..by_age }, NOW).await.unwrap(), 1);
    assert_eq!(left().await, ["discarded", "failed", "unknown", "sending", "large", "pending"]);
    assert_eq!(store.prune(by_age, old(1)).await.unwrap(), 1, "the one that was settled a moment later stays");
    assert_eq!(left().await, ["discarded", "failed", "unknown", "sending", "pending"]);
    assert_eq!(store.prune(Retention { count_max: 0, ..by_age }, NOW).await.unwrap(), 1);
    let open = ["failed", "unknown", "sending", "pending"];
    assert_eq!(store.prune(by_age, Timestamp(i64::MAX)).await.unwrap(), 0);
    assert_eq!(left().await, open);
}
