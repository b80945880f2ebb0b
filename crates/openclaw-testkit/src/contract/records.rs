//! Conformance of the records ports: sessions, variables, memories, devices, grants.
//!
//! [`records`] runs every rule against a fresh store and panics at the first
//! that is broken.

#![expect(clippy::unwrap_used, reason = "a conformance suite fails by panicking")]

use std::sync::Arc;

use openclaw_domain::approval::Grant;
use openclaw_domain::conversation::Turn;
use openclaw_domain::device::{Device, PairingRequest};
use openclaw_domain::ids::{AgentId, SessionKey, Timestamp};
use openclaw_domain::message::UserTurn;
use openclaw_domain::model::{ModelRef, Thinking, Usage};
use openclaw_domain::ports::{Devices, Grants, Journal, Memories, Memory, RecordError as Error, Sessions, Variables};
use openclaw_domain::session::{
    Delivery, EntryQuery, IllegalTransition, Scope, Session, SessionChange, SessionPatch, SessionQuery, SessionState,
    VARIABLE_BYTES_MAX, VARIABLES_MAX,
};
use serde_json::{Value, json};

use super::journal::{admission, ending, key};

/// Checks every rule of the records; `make` returns a fresh, empty store.
pub async fn records<S, F>(make: F)
where
    S: Sessions + Variables + Memories + Devices + Grants + Journal,
    F: Fn() -> Arc<S>,
{
    a_session_is_made_once(&*make()).await;
    only_legal_transitions_are_made(&*make()).await;
    a_patch_sets_clears_and_leaves_alone(&*make()).await;
    a_conditional_change_needs_the_current_revision(&*make()).await;
    delivery_is_kept_for_replies(&*make()).await;
    a_reset_begins_anew_and_never_reuses_numbers(&*make()).await;
    a_note_joins_the_transcript_without_a_run(&*make()).await;
    a_removed_session_is_gone_and_its_numbers_stay_used(&*make()).await;
    a_missing_session_is_named(&*make()).await;
    entries_are_read_in_windows(&*make()).await;
    sessions_are_listed_pinned_and_newest_first(&*make()).await;
    sessions_are_found_by_agent_text_and_archive(&*make()).await;
    variables_belong_to_their_scope(&*make()).await;
    variables_have_limits(&*make()).await;
    memories_are_found_by_words_of_any_script(&*make()).await;
    a_memory_is_kept_once_and_forgotten(&*make()).await;
    devices_wait_and_are_paired(&*make()).await;
    grants_stand_until_revoked(&*make()).await;
}

fn at(millis: i64) -> Timestamp {
    Timestamp(millis)
}

async fn get(store: &impl Sessions, key: &SessionKey) -> Session {
    store.get(key).await.unwrap().unwrap()
}

async fn change(store: &impl Sessions, key: &SessionKey, change: SessionChange) -> Session {
    store.change(key, change, None, at(5000)).await.unwrap()
}

fn note(text: &str) -> SessionChange {
    SessionChange::Inject(Turn::User(UserTurn::owner(text, at(0))))
}

async fn numbers(store: &impl Sessions, key: &SessionKey, query: EntryQuery) -> Vec<u64> {
    store.entries(key, query).await.unwrap().entries.iter().map(|entry| entry.n).collect()
}

async fn a_session_is_made_once(store: &impl Sessions) {
    let key = key("made");
    assert_eq!(store.get(&key).await, Ok(None));
    let made = store.open(&key, at(1000)).await.unwrap();
    assert_eq!((made.state, made.entries, made.head), (SessionState::Created, 0, 0));
    assert_eq!((made.created_at, made.updated_at), (at(1000), at(1000)));
    assert_eq!((made.usage, made.delivery.clone()), (Usage::default(), Delivery::default()));
    assert_eq!(made.id.as_str().len(), 36);
    assert_eq!(store.open(&key, at(2000)).await, Ok(made.clone()));
    assert_eq!(store.get(&key).await, Ok(Some(made.clone())));
    let other = store.open(&super::journal::key("other"), at(1000)).await.unwrap();
    assert_ne!(other.id, made.id);
}

async fn only_legal_transitions_are_made(store: &impl Sessions) {
    use SessionState::{Active, Closed, Closing, Created, Paused, Resuming};
    let routes: [(SessionState, &[SessionState]); 6] = [
        (Created, &[]),
        (Active, &[Active]),
        (Paused, &[Active, Paused]),
        (Resuming, &[Active, Paused, Resuming]),
        (Closing, &[Closing]),
        (Closed, &[Closing, Closed]),
    ];
    for (from, route) in routes {
        for to in SessionState::ALL {
            let key = key(&format!("{from}-{to}"));
            store.open(&key, at(1000)).await.unwrap();
            for step in route {
                change(store, &key, SessionChange::Transition(*step)).await;
            }
            let before = get(store, &key).await;
            assert_eq!(before.state, from);
            let changed = store.change(&key, SessionChange::Transition(to), None, at(6000)).await;
            if from.to(to).is_ok() {
                assert_eq!(changed.unwrap().state, to);
            } else {
                assert_eq!(changed, Err(Error::Illegal(IllegalTransition { from, to })));
                assert_eq!(get(store, &key).await, before);
            }
        }
    }
}

async fn a_patch_sets_clears_and_leaves_alone(store: &impl Sessions) {
    let key = key("patch");
    let made = store.open(&key, at(1000)).await.unwrap();
    let set = SessionPatch {
        label: Some(Some("Notes".to_owned())),
        model: Some(Some(ModelRef::new("openai", "gpt/5"))),
        thinking: Some(Some(Thinking::High)),
        is_pinned: Some(true),
        is_unread: Some(true),
    };
    let session = change(store, &key, SessionChange::Patch(set)).await;
    assert_eq!(session.label.as_deref(), Some("Notes"));
    assert_eq!(session.model, Some(ModelRef::new("openai", "gpt/5")));
    assert_eq!(session.thinking, Some(Thinking::High));
    assert!(session.is_pinned && session.is_unread);
    assert!(session.revision > made.revision);
    assert_eq!(session.updated_at, at(5000));

    let clear = SessionPatch { model: Some(None), is_unread: Some(false), ..SessionPatch::default() };
    let cleared = change(store, &key, SessionChange::Patch(clear)).await;
    let expected = Session { model: None, is_unread: false, revision: cleared.revision, ..session };
    assert_eq!(cleared, expected);
    assert_eq!(get(store, &key).await, expected);
}

async fn a_conditional_change_needs_the_current_revision(store: &impl Sessions) {
    let key = key("cas");
    let first = store.open(&key, at(1000)).await.unwrap();
    let pin = || SessionChange::Patch(SessionPatch { is_pinned: Some(true), ..SessionPatch::default() });
    let second = store.change(&key, pin(), Some(first.revision), at(2000)).await.unwrap();
    let stale = store.change(&key, pin(), Some(first.revision), at(3000)).await;
    assert!(matches!(stale, Err(Error::Stale(_))), "{stale:?}");
    assert_eq!(get(store, &key).await, second);
}

async fn delivery_is_kept_for_replies(store: &impl Sessions) {
    let key = key("delivery");
    store.open(&key, at(1000)).await.unwrap();
    let delivery = Delivery {
        last_channel: Some("telegram".to_owned()),
        last_to: Some("42".to_owned()),
        last_account_id: Some("bot".to_owned()),
        last_thread_id: Some("7".to_owned()),
    };
    change(store, &key, SessionChange::Deliver(delivery.clone())).await;
    assert_eq!(get(store, &key).await.delivery, delivery);
}

async fn a_reset_begins_anew_and_never_reuses_numbers(store: &(impl Sessions + Journal)) {
    let key = key("reset");
    store.admit(admission(&key, "r1", "hi")).await.unwrap();
    store.append(ending(&key, "r1", 3)).await.unwrap();
    let before = get(store, &key).await;
    let after = change(store, &key, SessionChange::Reset).await;
    assert_ne!(after.id, before.id);
    assert_eq!((after.entries, after.head, after.usage), (0, 2, Usage::default()));
    assert_eq!(after.state, SessionState::Active);
    assert_eq!(numbers(store, &key, EntryQuery::default()).await, Vec::<u64>::new());

    change(store, &key, note("new")).await;
    assert_eq!(numbers(store, &key, EntryQuery::default()).await, [3]);
    // The journal of the old conversation is still there.
    assert_eq!(store.runs(Some(&key), false, 10).await.unwrap().len(), 1);
}

async fn a_note_joins_the_transcript_without_a_run(store: &impl Sessions) {
    let key = key("note");
    store.open(&key, at(1000)).await.unwrap();
    let session = change(store, &key, note("remember the milk")).await;
    assert_eq!((session.state, session.entries, session.head), (SessionState::Active, 1, 1));
    let page = store.entries(&key, EntryQuery::default()).await.unwrap();
    assert_eq!((page.total, page.entries[0].run.clone(), page.entries[0].at), (1, None, at(5000)));
}

async fn a_removed_session_is_gone_and_its_numbers_stay_used(store: &(impl Sessions + Variables)) {
    for transcript in [false, true] {
        let key = key(&format!("removed-{transcript}"));
        let scope = Scope::Session(key.clone());
        store.open(&key, at(1000)).await.unwrap();
        change(store, &key, note("one")).await;
        let patch = SessionPatch { label: Some(Some("old".to_owned())), ..SessionPatch::default() };
        let before = change(store, &key, SessionChange::Patch(patch)).await;
        store.set(&scope, "x", Some(json!(1)), at(1000)).await.unwrap();

        let removed = change(store, &key, SessionChange::Delete { transcript }).await;
        assert_eq!(removed, before);
        assert_eq!(Sessions::get(store, &key).await, Ok(None));
        assert_eq!(numbers(store, &key, EntryQuery::default()).await, Vec::<u64>::new());
        assert_eq!(Sessions::list(store, &SessionQuery::default()).await.unwrap().total, 0);
        assert_eq!(Variables::list(store, &scope).await, Ok(Vec::new()));

        let again = store.open(&key, at(9000)).await.unwrap();
        assert_ne!(again.id, before.id);
        assert_eq!((again.state, again.label, again.entries), (SessionState::Created, None, 0));
        change(store, &key, note("two")).await;
        assert_eq!(numbers(store, &key, EntryQuery::default()).await, [2]);
        change(store, &key, SessionChange::Delete { transcript: true }).await;
    }
}

async fn a_missing_session_is_named(store: &impl Sessions) {
    let key = key("missing");
    let missing = Error::NotFound { what: "session", name: key.to_string() };
    for change in [SessionChange::Reset, note("x"), SessionChange::Delete { transcript: true }] {
        assert_eq!(store.change(&key, change, None, at(0)).await, Err(missing.clone()));
    }
    assert_eq!(store.entries(&key, EntryQuery::default()).await.unwrap().total, 0);
}

async fn entries_are_read_in_windows(store: &impl Sessions) {
    let key = key("windows");
    store.open(&key, at(1000)).await.unwrap();
    for n in 0..6 {
        change(store, &key, note(&n.to_string())).await;
    }
    let query = |after, before, limit| EntryQuery { after, before, limit };
    for (asked, expected) in [
        (query(0, 0, 0), vec![1, 2, 3, 4, 5, 6]),
        (query(0, 0, 2), vec![5, 6]),
        (query(4, 0, 0), vec![5, 6]),
        (query(6, 0, 0), vec![]),
        (query(0, 3, 0), vec![1, 2]),
        (query(0, 3, 1), vec![2]),
        (query(2, 6, 2), vec![4, 5]),
        (query(99, 0, 1), vec![]),
        (query(0, 99, 1), vec![6]),
    ] {
        assert_eq!(numbers(store, &key, asked).await, expected, "{asked:?}");
    }
    assert_eq!(store.entries(&key, query(0, 0, 1)).await.unwrap().total, 6);
}

async fn keys(store: &impl Sessions, query: SessionQuery) -> (Vec<String>, usize) {
    let page = store.list(&query).await.unwrap();
    (page.sessions.iter().map(|session| session.key.rest().to_owned()).collect(), page.total)
}

async fn sessions_are_listed_pinned_and_newest_first(store: &impl Sessions) {
    for (rest, millis) in [("a", 1000), ("b", 3000), ("c", 2000)] {
        store.open(&key(rest), at(millis)).await.unwrap();
    }
    let pin = SessionPatch { is_pinned: Some(true), ..SessionPatch::default() };
    store.change(&key("a"), SessionChange::Patch(pin), None, at(1500)).await.unwrap();
    let page = |offset, limit| SessionQuery { offset, limit, ..SessionQuery::default() };
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(keys(store, page(0, 10)).await, (names(&["a", "b", "c"]), 3));
    assert_eq!(keys(store, page(0, 0)).await, (names(&["a", "b", "c"]), 3));
    assert_eq!(keys(store, page(1, 1)).await, (names(&["b"]), 3));
    assert_eq!(keys(store, page(9, 1)).await, (names(&[]), 3));
}

async fn sessions_are_found_by_agent_text_and_archive(store: &impl Sessions) {
    let other: SessionKey = "agent:work:mail".parse().unwrap();
    for key in [key("notes"), key("mail"), other.clone()] {
        store.open(&key, at(1000)).await.unwrap();
    }
    let label = SessionPatch { label: Some(Some("ÄRGER 100%".to_owned())), ..SessionPatch::default() };
    change(store, &key("notes"), SessionChange::Patch(label)).await;
    for state in [SessionState::Closing, SessionState::Closed] {
        change(store, &key("mail"), SessionChange::Transition(state)).await;
    }
    let agent = Some(other.agent().clone());
    let of_agent = SessionQuery { agent, limit: 10, ..SessionQuery::default() };
    assert_eq!(keys(store, of_agent).await, (vec!["mail".to_owned()], 1));
    let search = |text: &str| SessionQuery { search: Some(text.to_owned()), limit: 10, ..SessionQuery::default() };
    assert_eq!(keys(store, search("ärger")).await.0, ["notes"]);
    assert_eq!(keys(store, search("0%")).await.0, ["notes"]);
    assert_eq!(keys(store, search("NOTES")).await.0, ["notes"]);
    assert_eq!(keys(store, search("nothing")).await.1, 0);
    let archived = SessionQuery { archived: true, limit: 10, ..SessionQuery::default() };
    assert_eq!(keys(store, archived).await, (vec!["mail".to_owned()], 1));
}

async fn variables_belong_to_their_scope(store: &impl Variables) {
    let scopes = [Scope::Global, Scope::Agent(AgentId::main()), Scope::Session(key("v"))];
    for (n, scope) in scopes.iter().enumerate() {
        store.set(scope, "x", Some(json!({ "n": n })), at(0)).await.unwrap();
        store.set(scope, "a", Some(Value::Null), at(0)).await.unwrap();
    }
    for (n, scope) in scopes.iter().enumerate() {
        assert_eq!(store.get(scope, "x").await, Ok(Some(json!({ "n": n }))));
        let expected = vec![("a".to_owned(), Value::Null), ("x".to_owned(), json!({ "n": n }))];
        assert_eq!(store.list(scope).await, Ok(expected));
    }
    store.set(&Scope::Global, "x", Some(json!("new")), at(0)).await.unwrap();
    assert_eq!(store.get(&Scope::Global, "x").await, Ok(Some(json!("new"))));
    store.set(&Scope::Global, "x", None, at(0)).await.unwrap();
    store.set(&Scope::Global, "x", None, at(0)).await.unwrap();
    assert_eq!(store.get(&Scope::Global, "x").await, Ok(None));
    assert_eq!(store.get(&scopes[1], "x").await, Ok(Some(json!({ "n": 1 }))));
}

async fn variables_have_limits(store: &impl Variables) {
    let scope = Scope::Global;
    let text = |bytes: usize| Some(Value::String("x".repeat(bytes - 2)));
    store.set(&scope, "largest", text(VARIABLE_BYTES_MAX), at(0)).await.unwrap();
    let larger = store.set(&scope, "larger", text(VARIABLE_BYTES_MAX + 1), at(0)).await;
    assert!(matches!(larger, Err(Error::TooLarge { .. })), "{larger:?}");
    let unnamed = store.set(&scope, "", Some(json!(1)), at(0)).await;
    assert!(matches!(unnamed, Err(Error::TooLarge { .. })), "{unnamed:?}");
    for n in 1..VARIABLES_MAX {
        store.set(&scope, &format!("v{n}"), Some(json!(n)), at(0)).await.unwrap();
    }
    let one_more = store.set(&scope, "one-more", Some(json!(0)), at(0)).await;
    assert!(matches!(one_more, Err(Error::TooLarge { .. })), "{one_more:?}");
    store.set(&scope, "v1", Some(json!("changed")), at(0)).await.unwrap();
    assert_eq!(store.list(&scope).await.unwrap().len(), VARIABLES_MAX);
}

fn memory(id: &str, text: &str, millis: i64) -> Memory {
    Memory { id: id.to_owned(), agent: AgentId::main(), text: text.to_owned(), session: Some(key("m")), at: at(millis) }
}

async fn recalled(store: &impl Memories, words: &str, limit: usize) -> Vec<String> {
    let found = store.recall(&AgentId::main(), words, limit).await.unwrap();
    found.into_iter().map(|memory| memory.id).collect()
}

async fn memories_are_found_by_words_of_any_script(store: &impl Memories) {
    for (n, (id, text)) in [
        ("tea", "Ann drinks green tea, never coffee"),
        ("rust", "The project is written in Rust and deployed on Friday"),
        ("zh", "用户喜欢喝绿茶，不喜欢咖啡"),
        ("ja", "会議は東京で行われます"),
    ]
    .into_iter()
    .enumerate()
    {
        store.remember(memory(id, text, i64::try_from(n).unwrap())).await.unwrap();
    }
    assert_eq!(recalled(store, "green TEA", 10).await, ["tea"]);
    assert_eq!(recalled(store, "friday", 10).await, ["rust"]);
    assert_eq!(recalled(store, "绿茶", 10).await, ["zh"]);
    assert_eq!(recalled(store, "茶", 10).await, ["zh"]);
    assert_eq!(recalled(store, "東京", 10).await, ["ja"]);
    assert_eq!(recalled(store, "elephant", 10).await, Vec::<String>::new());
    assert_eq!(recalled(store, "\" OR * NEAR(", 10).await, Vec::<String>::new());
    assert_eq!(recalled(store, " ", 2).await, ["ja", "zh"]);
    // More of the words is better.
    store.remember(memory("tea2", "Bob likes black tea", 9)).await.unwrap();
    assert_eq!(recalled(store, "green tea", 10).await, ["tea", "tea2"]);
    assert_eq!(recalled(store, "green tea", 1).await, ["tea"]);
    let work: AgentId = "work".parse().unwrap();
    assert_eq!(store.recall(&work, "tea", 10).await, Ok(Vec::new()));
}

async fn a_memory_is_kept_once_and_forgotten(store: &impl Memories) {
    store.remember(memory("m1", "likes tea", 1)).await.unwrap();
    store.remember(memory("m2", "likes cake", 2)).await.unwrap();
    store.remember(memory("m3", "likes tea", 3)).await.unwrap();
    assert_eq!(recalled(store, "", 10).await, ["m1", "m2"]);
    let found = store.recall(&AgentId::main(), "tea", 10).await.unwrap();
    assert_eq!(found, vec![memory("m1", "likes tea", 3)]);

    let work: AgentId = "work".parse().unwrap();
    assert_eq!(store.forget(&work, "m1").await, Ok(false));
    assert_eq!(store.forget(&AgentId::main(), "m1").await, Ok(true));
    assert_eq!(store.forget(&AgentId::main(), "m1").await, Ok(false));
    assert_eq!(recalled(store, "tea", 10).await, Vec::<String>::new());
    store.remember(memory("m4", "likes tea", 4)).await.unwrap();
    assert_eq!(recalled(store, "tea", 10).await, ["m4"]);
}

fn device(id: &str, seen_at: i64) -> Device {
    Device {
        id: id.to_owned(),
        public_key: "key".to_owned(),
        client_id: "cli".to_owned(),
        client_mode: "cli".to_owned(),
        platform: "linux".to_owned(),
        display_name: None,
        roles: vec!["operator".to_owned()],
        scopes: vec!["operator.read".to_owned()],
        token_hash: Some("hash".to_owned()),
        approved_via: "owner".to_owned(),
        paired_at: at(1),
        seen_at: at(seen_at),
    }
}

async fn devices_wait_and_are_paired(store: &impl Devices) {
    let ask = |id: &str, device: Device| PairingRequest { id: id.to_owned(), device, asked_at: at(1) };
    store.request(ask("q1", device("d1", 1))).await.unwrap();
    let second = ask("q2", device("d1", 1));
    store.request(second.clone()).await.unwrap();
    assert_eq!(store.list().await, Ok((Vec::new(), vec![second])));
    assert_eq!(store.get("d1").await, Ok(None));

    store.put(device("d1", 1)).await.unwrap();
    store.put(device("d2", 5)).await.unwrap();
    assert_eq!(store.list().await, Ok((vec![device("d2", 5), device("d1", 1)], Vec::new())));
    store.put(device("d1", 9)).await.unwrap();
    assert_eq!(store.get("d1").await, Ok(Some(device("d1", 9))));
    assert_eq!(store.remove("d1").await, Ok(true));
    assert_eq!(store.remove("d1").await, Ok(false));
    assert_eq!(store.get("d1").await, Ok(None));

    store.request(ask("q3", device("d3", 1))).await.unwrap();
    assert_eq!(store.remove("d3").await, Ok(true));
    for n in 0..100 {
        store.request(ask(&format!("q-{n}"), device(&format!("w-{n}"), 1))).await.unwrap();
    }
    let one_more = store.request(ask("q-100", device("w-100", 1))).await;
    assert!(matches!(one_more, Err(Error::TooLarge { .. })), "{one_more:?}");
}

async fn grants_stand_until_revoked(store: &impl Grants) {
    let grant = |id: &str, millis: i64| Grant {
        id: id.to_owned(),
        agent: AgentId::main(),
        tool: "exec".to_owned(),
        digest: "00ff".to_owned(),
        arguments: r#"{"command":"ls"}"#.to_owned(),
        by: "owner".to_owned(),
        at: at(millis),
    };
    store.add(grant("g1", 1)).await.unwrap();
    store.add(grant("g2", 2)).await.unwrap();
    store.add(grant("g2", 2)).await.unwrap();
    assert_eq!(store.list().await, Ok(vec![grant("g1", 1), grant("g2", 2)]));
    assert_eq!(store.revoke("g1").await, Ok(true));
    assert_eq!(store.revoke("g1").await, Ok(false));
    assert_eq!(store.list().await, Ok(vec![grant("g2", 2)]));
}
