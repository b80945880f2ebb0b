//! Conformance of the journal port: leases, judged by the store's own clock.

#![expect(clippy::unwrap_used, reason = "a conformance suite fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::event::RunEvent;
use openclaw_domain::ids::{Epoch, Seq, SessionKey};
use openclaw_domain::lease::TTL;
use openclaw_domain::ports::{Batch, Journal, JournalError as Error, Sessions};
use openclaw_domain::run::Status;

use super::journal::{admission, batch, ending, key, queued, run_id};

/// Time that surely has not passed while a suite runs.
const SLACK: Duration = Duration::from_secs(4);

/// Checks every rule of leases; `make` returns a fresh, empty store, and `shift`
/// moves the clock it judges leases by.
pub async fn leases<S, F, M>(make: F, shift: M)
where
    S: Journal + Sessions + 'static,
    F: Fn() -> Arc<S>,
    M: Fn(&S, Duration),
{
    a_lease_expires_unless_it_is_renewed(&*make(), &shift).await;
    a_lease_is_renewed_for_all_runs_of_its_owner_and_no_others(&*make(), &shift).await;
    a_run_without_an_owner_has_no_lease(&*make(), &shift).await;
    a_run_that_waits_for_a_person_keeps_its_lease(&*make(), &shift).await;
    only_an_expired_run_is_taken_over(&*make(), &shift).await;
    a_claim_needs_no_expired_lease(&*make(), &shift).await;
}

async fn expired(store: &impl Journal) -> Vec<(SessionKey, String)> {
    let runs = store.expired(100).await.unwrap();
    runs.into_iter().map(|run| (run.session, run.id.to_string())).collect()
}

async fn a_lease_expires_unless_it_is_renewed<S: Journal>(store: &S, shift: &impl Fn(&S, Duration)) {
    let key = key("one");
    store.admit(admission(&key, "r1", "hi")).await.unwrap();
    shift(store, TTL - SLACK);
    assert_eq!(expired(store).await, []);
    assert_eq!(store.renew("boot-1", TTL).await.unwrap(), 1);
    shift(store, TTL - SLACK);
    assert_eq!(expired(store).await, []);
    shift(store, SLACK + Duration::from_millis(1));
    assert_eq!(expired(store).await, [(key.clone(), "r1".to_owned())]);
    // Nobody took it over, so it is still its owner's.
    assert_eq!(store.renew("boot-1", TTL).await.unwrap(), 1);
    assert_eq!(expired(store).await, []);
}

async fn a_lease_is_renewed_for_all_runs_of_its_owner_and_no_others<S: Journal>(
    store: &S,
    shift: &impl Fn(&S, Duration),
) {
    let keys = [key("a"), key("b"), key("c")];
    for key in &keys {
        store.admit(admission(key, "r1", "hi")).await.unwrap();
    }
    store.claim(&keys[1], &run_id("r1"), "boot-2").await.unwrap();
    shift(store, TTL - SLACK);
    assert_eq!(store.renew("boot-1", TTL).await.unwrap(), 2);
    assert_eq!(store.renew("nobody", TTL).await.unwrap(), 0);
    shift(store, SLACK + Duration::from_millis(1));
    assert_eq!(expired(store).await, [(keys[1].clone(), "r1".to_owned())]);
    assert_eq!(store.expired(0).await.unwrap(), []);
}

async fn a_run_without_an_owner_has_no_lease<S: Journal>(store: &S, shift: &impl Fn(&S, Duration)) {
    let (waits, ends, gives_up) = (key("waits"), key("ends"), key("gives-up"));
    store.admit(queued(&waits, "r1", "hi")).await.unwrap();
    store.admit(admission(&ends, "r1", "hi")).await.unwrap();
    store.append(ending(&ends, "r1", 3)).await.unwrap();
    store.admit(admission(&gives_up, "r1", "hi")).await.unwrap();
    let back = Batch { status: Some(Status::Queued), ..batch(&gives_up, "r1", 3) };
    store.append(back).await.unwrap();
    shift(store, TTL * 2);
    assert_eq!(expired(store).await, []);
    assert_eq!(store.renew("boot-1", TTL).await.unwrap(), 0);
}

async fn a_run_that_waits_for_a_person_keeps_its_lease<S: Journal>(store: &S, shift: &impl Fn(&S, Duration)) {
    for status in [Status::Waiting, Status::Attention] {
        let key = key(status.as_str());
        store.admit(admission(&key, "r1", "hi")).await.unwrap();
        store.append(Batch { status: Some(status), ..batch(&key, "r1", 3) }).await.unwrap();
    }
    assert_eq!(store.renew("boot-1", TTL).await.unwrap(), 2);
    shift(store, TTL + Duration::from_millis(1));
    assert_eq!(expired(store).await.len(), 2);
}

async fn only_an_expired_run_is_taken_over<S: Journal>(store: &S, shift: &impl Fn(&S, Duration)) {
    let (key, id) = (key("take"), run_id("r1"));
    store.admit(admission(&key, "r1", "hi")).await.unwrap();
    let early = store.take_over(&key, &id, "boot-2").await;
    assert_eq!(early, Err(Error::Fenced(id.clone())));
    shift(store, TTL + Duration::from_millis(1));
    assert_eq!(store.take_over(&key, &id, "boot-2").await, Ok((Epoch(2), Seq(3))));
    assert_eq!(store.take_over(&key, &id, "boot-3").await, Err(Error::Fenced(id.clone())));
    // The new owner has a lease of its own, and the old one neither writes nor renews.
    assert_eq!(expired(store).await, []);
    assert_eq!(store.renew("boot-1", TTL).await.unwrap(), 0);
    let zombie = Batch { events: vec![RunEvent::DeadlinePassed], ..batch(&key, "r1", 4) };
    assert_eq!(store.append(zombie).await, Err(Error::Fenced(id.clone())));
    assert_eq!(store.take_over(&key, &run_id("r9"), "boot-3").await, Err(Error::NoSuchRun(run_id("r9"))));
}

async fn a_claim_needs_no_expired_lease<S: Journal>(store: &S, shift: &impl Fn(&S, Duration)) {
    let (key, id) = (key("claim"), run_id("r1"));
    store.admit(admission(&key, "r1", "hi")).await.unwrap();
    assert_eq!(store.claim(&key, &id, "boot-2").await, Ok((Epoch(2), Seq(3))));
    shift(store, TTL + Duration::from_millis(1));
    assert_eq!(expired(store).await.len(), 1);
    store.claim(&key, &id, "boot-3").await.unwrap();
    assert_eq!(expired(store).await, []);
}
