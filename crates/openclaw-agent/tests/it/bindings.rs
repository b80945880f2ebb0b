//! Chat threads that speak to sessions.

use std::sync::Arc;
use std::time::Duration;

use openclaw_agent::ThreadBindings;
use openclaw_domain::binding::{Terms, Thread};
use openclaw_domain::fault::Kind;
use openclaw_domain::ports::Bindings;
use openclaw_testkit::FakeClock;
use openclaw_testkit::memory::Store;

const HOUR: Duration = Duration::from_secs(3600);

fn thread(name: &str) -> Thread {
    Thread { channel: "slack".into(), account: "work".into(), thread: name.into() }
}

fn session(name: &str) -> openclaw_domain::SessionKey {
    format!("agent:main:{name}").parse().unwrap()
}

fn table(store: &Arc<Store>, clock: &Arc<FakeClock>, terms: Terms) -> ThreadBindings {
    ThreadBindings::new(store.clone(), clock.clone(), terms)
}

#[tokio::test]
async fn a_bound_thread_finds_its_session_across_a_restart_and_not_after_it_is_unbound() {
    let (store, clock) = (Arc::new(Store::new()), Arc::new(FakeClock::new()));
    let first = table(&store, &clock, Terms::default());
    first.bind(thread("t1"), session("a")).await.unwrap();
    first.bind(thread("t2"), session("a")).await.unwrap();
    first.bind(thread("t2"), session("b")).await.unwrap();
    let second = table(&store, &clock, Terms::default());
    let found = second.resolve(&thread("t2")).await.unwrap().unwrap();
    assert_eq!(found.session, session("b"), "the last binding stands");
    assert_eq!(second.list(Some(&session("a"))).await.unwrap().len(), 1);
    assert!(second.unbind(&thread("t2")).await.unwrap());
    assert!(!second.unbind(&thread("t2")).await.unwrap());
    let third = table(&store, &clock, Terms::default());
    assert_eq!(third.resolve(&thread("t2")).await.unwrap(), None);
    assert_eq!(third.list(None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_idle_binding_ends_and_one_in_use_goes_on() {
    let (store, clock) = (Arc::new(Store::new()), Arc::new(FakeClock::new()));
    let table = table(&store, &clock, Terms { idle_max: 24 * HOUR, ..Terms::default() });
    for name in ["idle", "used"] {
        table.bind(thread(name), session(name)).await.unwrap();
    }
    clock.advance(23 * HOUR).await;
    assert!(table.resolve(&thread("used")).await.unwrap().is_some());
    clock.advance(HOUR).await;
    assert!(table.resolve(&thread("used")).await.unwrap().is_some());
    assert_eq!(table.resolve(&thread("idle")).await.unwrap(), None);
}

#[tokio::test]
async fn a_binding_ends_at_its_age_however_much_it_is_used() {
    let (store, clock) = (Arc::new(Store::new()), Arc::new(FakeClock::new()));
    let terms = Terms { idle_max: Duration::ZERO, age_max: 2 * HOUR, ..Terms::default() };
    let table = table(&store, &clock, terms);
    table.bind(thread("t"), session("a")).await.unwrap();
    clock.advance(2 * HOUR - Duration::from_secs(1)).await;
    assert!(table.resolve(&thread("t")).await.unwrap().is_some());
    clock.advance(Duration::from_secs(1)).await;
    assert_eq!(table.resolve(&thread("t")).await.unwrap(), None);
}

#[tokio::test]
async fn switched_off_nothing_is_bound_and_the_way_to_switch_it_on_is_told() {
    let (store, clock) = (Arc::new(Store::new()), Arc::new(FakeClock::new()));
    let table = table(&store, &clock, Terms { is_enabled: false, ..Terms::default() });
    let refused = table.bind(thread("t"), session("a")).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Denied);
    assert!(refused.hint.unwrap().contains("session.threadBindings.enabled"));
}
