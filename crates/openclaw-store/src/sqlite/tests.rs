use std::sync::mpsc;

use openclaw_domain::conversation::Turn;
use openclaw_domain::event::RunEvent;
use openclaw_domain::ids::{CallId, Epoch, Seq, SessionKey};
use openclaw_domain::message::{ToolResult, ToolStatus, UserTurn};
use openclaw_domain::ports::{Admission, Batch, Durability, Journal, JournalError, Outbox, Sessions};
use openclaw_domain::run::Outcome;
use openclaw_domain::session::{EntryQuery, SessionChange};
use openclaw_domain::tool::Effect;
use openclaw_testkit::contract::journal::{admission, batch, ending, key, run_id};
use rusqlite::Connection;

use super::error::WorkError;
use super::{Options, Store};

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path())).unwrap();
    (folder, store)
}

/// Step, call, state, position of the result, attempts.
type StepRow = (u64, String, String, Option<u64>, u32);

type Never = WorkError<String>;

async fn sql(store: &Store, sql: &'static str) -> Result<(), Never> {
    store.write("test", Durability::Barrier, move |db| Ok(db.execute_batch(sql)?)).await
}

async fn number(store: &Store, sql: &'static str) -> i64 {
    let read = |db: &Connection| Ok::<_, Never>(db.query_row(sql, (), |row| row.get(0))?);
    store.read("test", move |db| read(db)).await.unwrap()
}

/// Holds the writing thread until the returned sender is used, so that what is
/// queued meanwhile forms one group.
async fn hold(store: &Store) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<(), Never>>) {
    let (release, gate) = mpsc::channel::<()>();
    let (entered, is_in) = tokio::sync::oneshot::channel();
    let (gate, entered) = (std::sync::Mutex::new(gate), std::sync::Mutex::new(Some(entered)));
    let holder = store.clone();
    let task = tokio::spawn(async move {
        let work = move |_: &Connection| {
            if let Some(entered) = entered.lock().unwrap().take() {
                entered.send(()).unwrap();
            }
            gate.lock().unwrap().recv().unwrap();
            Ok(())
        };
        holder.write("test", Durability::Committed, work).await
    });
    is_in.await.unwrap();
    (release, task)
}

#[tokio::test]
async fn a_job_that_fails_is_undone_without_hurting_its_group() {
    let (_folder, store) = store();
    sql(&store, "create table t(x integer unique)").await.unwrap();
    let (release, held) = hold(&store).await;
    let insert = |x: i64, fails: bool| {
        store.write("test", Durability::Barrier, move |db: &Connection| {
            db.execute("insert into t values (?1)", [x])?;
            if fails { Err(WorkError::Refused("no".to_owned())) } else { Ok(x) }
        })
    };
    let jobs = async { tokio::join!(biased; insert(1, false), insert(2, true), insert(1, false), insert(3, false)) };
    let (first, refused, twice, last) = {
        let open = async { release.send(()).unwrap() };
        tokio::join!(biased; jobs, open).0
    };
    held.await.unwrap().unwrap();
    assert!(first.is_ok() && last.is_ok());
    assert!(matches!(refused, Err(WorkError::Refused(why)) if why == "no"));
    assert!(matches!(twice, Err(WorkError::Failed(_))));
    assert_eq!(number(&store, "select sum(x) from t").await, 4);
}

#[tokio::test]
async fn a_group_is_synced_when_any_of_its_jobs_is_a_barrier() {
    let (_folder, store) = store();
    let level = |durability| {
        store.write("test", durability, |db: &Connection| {
            Ok::<i64, Never>(db.query_row("pragma synchronous", (), |row| row.get(0))?)
        })
    };
    let (full, normal) = (2, 1);
    assert_eq!(level(Durability::Barrier).await.unwrap(), full);
    assert_eq!(level(Durability::Committed).await.unwrap(), normal);
    let (release, held) = hold(&store).await;
    let jobs = async { tokio::join!(biased; level(Durability::Committed), level(Durability::Barrier)) };
    let open = async { release.send(()).unwrap() };
    let ((first, second), ()) = tokio::join!(biased; jobs, open);
    held.await.unwrap().unwrap();
    assert_eq!((first.unwrap(), second.unwrap()), (full, full));
}

#[tokio::test]
async fn a_queued_write_happens_though_its_caller_is_gone() {
    let (_folder, store) = store();
    sql(&store, "create table t(x)").await.unwrap();
    let (release, held) = hold(&store).await;
    {
        let insert = sql(&store, "insert into t values (1)");
        let mut insert = std::pin::pin!(insert);
        // Polled once: it is queued and waits for its answer.
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(insert.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
    }
    release.send(()).unwrap();
    held.await.unwrap().unwrap();
    sql(&store, "insert into t values (2)").await.unwrap();
    assert_eq!(number(&store, "select count(*) from t").await, 2);
}

#[tokio::test]
async fn appending_does_not_prepare_its_statements_anew() {
    let (_folder, store) = store();
    let key = key("plans");
    for n in 0..5 {
        let id = format!("r{n}");
        store.admit(admission(&key, &id, "hi")).await.unwrap();
        store.append(ending(&key, &id, 3)).await.unwrap();
    }
    let prepared_anew = |db: &Connection| {
        let find = db.prepare_cached(&super::journal::find_sql())?;
        Ok::<i32, Never>(find.get_status(rusqlite::StatementStatus::RePrepare))
    };
    assert_eq!(store.write("test", Durability::Committed, prepared_anew).await.unwrap(), 0);
}

#[tokio::test]
async fn readers_cannot_write() {
    let (_folder, store) = store();
    let write = |db: &Connection| Ok::<_, Never>(db.execute_batch("create table t(x)")?);
    assert!(store.read("test", write).await.is_err());
}

#[tokio::test]
async fn the_journal_is_append_only() {
    let (_folder, store) = store();
    store.admit(admission(&key("a"), "r1", "hi")).await.unwrap();
    for change in ["update ev set at = 0", "delete from ev", "insert or replace into ev select * from ev"] {
        assert!(sql(&store, change).await.is_err(), "{change}");
    }
    assert_eq!(store.events(&key("a"), &run_id("r1"), Seq(0), 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn whoever_looks_from_outside_sees_a_row_per_event() {
    let (_folder, store) = store();
    let key = key("view");
    store.admit(admission(&key, "r1", "hi")).await.unwrap();
    let text = "x".repeat(super::body::INLINE_BYTES_MAX);
    let events = vec![RunEvent::DeadlinePassed, RunEvent::ModelDelta { text }];
    store.append(Batch { events, ..batch(&key, "r1", 3) }).await.unwrap();
    store.append(ending(&key, "r1", 5)).await.unwrap();

    let read = |db: &Connection| -> Result<Vec<(u64, String, Option<String>)>, Never> {
        let mut select =
            db.prepare("select seq, kind, iif(typeof(body) = 'text', body, null) from event order by gsn, seq")?;
        let rows = select.query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    };
    let seen = store.read("test", read).await.unwrap();
    let recorded = store.events(&key, &run_id("r1"), Seq(0), 100).await.unwrap();
    assert_eq!(seen.len(), recorded.len());
    for ((seq, kind, body), recorded) in seen.into_iter().zip(recorded) {
        assert_eq!((seq, kind.as_str()), (recorded.seq.0, recorded.event.name()));
        let event = body.map(|body| serde_json::from_str::<RunEvent>(&body).unwrap());
        assert!(event.is_none_or(|event| event == recorded.event), "{seq}");
    }
    assert!(number(&store, "select count(*) from ev").await < 8, "some share a row");
}

#[tokio::test]
async fn a_position_can_be_taken_once_even_without_the_epoch_fence() {
    let (_folder, store) = store();
    store.admit(admission(&key("a"), "r1", "hi")).await.unwrap();
    let again =
        "insert into ev(run, seq, epoch, kind, at, v, body) select run, seq, 9, 'x', 0, 1, '{}' from ev limit 1";
    assert!(sql(&store, again).await.is_err());
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_the_store_works_again_when_there_is_space() {
    let (_folder, store) = store();
    let key = key("full");
    let text = "x".repeat(20_000);
    store.admit(admission(&key, "r0", &text)).await.unwrap();
    let pages = number(&store, "pragma page_count").await;
    let limit = |pages: i64| {
        store.write("test", Durability::Barrier, move |db: &Connection| {
            Ok::<(), Never>(db.pragma_update(None, "max_page_count", pages)?)
        })
    };
    limit(pages + 40).await.unwrap();

    // Many at once, so that a group as a whole meets the end of the disk.
    let mut written = 0;
    let mut refused = 0;
    for round in 0..8 {
        let admit = |n: usize| {
            let key = openclaw_testkit::contract::journal::key(&format!("full-{n}-{round}"));
            let admission = admission(&key, "r1", &format!("{n}{text}"));
            let store = &store;
            async move { (key, store.admit(admission).await) }
        };
        let answers = tokio::join!(admit(1), admit(2), admit(3), admit(4));
        for (key, answer) in [answers.0, answers.1, answers.2, answers.3] {
            let session = Sessions::get(&store, &key).await.unwrap();
            match answer {
                Ok(_) => {
                    written += 1;
                    assert_eq!(session.unwrap().entries, 1);
                }
                Err(error) => {
                    refused += 1;
                    assert_eq!(error, JournalError::Full(run_id("r1")));
                    assert_eq!(session, None);
                }
            }
        }
    }
    assert!(written > 0 && refused > 0, "{written} written, {refused} refused");
    let note = SessionChange::Inject(Turn::User(UserTurn::owner(&text, openclaw_domain::Timestamp(0))));
    let error = store.change(&key, note, None, openclaw_domain::Timestamp(0)).await.unwrap_err().to_string();
    assert!(error.contains("openclaw.db") && error.contains("no space left"), "{error}");

    limit(1_000_000).await.unwrap();
    store.append(ending(&key, "r0", 3)).await.unwrap();
    assert_eq!(store.entries(&key, EntryQuery::default()).await.unwrap().total, 2);
    assert_eq!(number(&store, "select count(*) from run").await, written + 1);
}

#[tokio::test]
async fn tool_steps_follow_their_events() {
    let (_folder, store) = store();
    let key = key("steps");
    store.admit(admission(&key, "r1", "hi")).await.unwrap();
    let call = |id: &str| -> CallId { id.parse().unwrap() };
    let intent = |id: &str, effect| RunEvent::ToolIntent {
        call: call(id),
        tool: "exec".to_owned(),
        digest: hex::encode(id),
        effect,
        action: String::new(),
    };
    let started = |id: &str| RunEvent::ToolStarted { call: call(id), idempotency_key: format!("key-{id}") };
    let ended =
        |id: &str, status| RunEvent::ToolEnded { call: call(id), result: Box::new(ToolResult::notice(status, "text")) };
    let events = vec![
        intent("ok", Effect::Once),
        intent("bad", Effect::Pure),
        intent("never-started", Effect::Once),
        intent("cut-off", Effect::Once),
        intent("open", Effect::Keyed),
        started("ok"),
        started("bad"),
        started("cut-off"),
        started("open"),
        started("open"),
        ended("ok", ToolStatus::Ok),
        ended("bad", ToolStatus::Failed),
        ended("never-started", ToolStatus::Interrupted),
        ended("cut-off", ToolStatus::Interrupted),
        ended("not-planned", ToolStatus::Denied),
    ];
    store.append(Batch { events, ..batch(&key, "r1", 3) }).await.unwrap();
    let read = |db: &Connection| -> Result<Vec<StepRow>, Never> {
        let mut select = db.prepare("select step, call, state, result_seq, attempt from step order by step")?;
        let rows = select.query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    };
    let steps = store.read("test", read).await.unwrap();
    let row =
        |step, call: &str, state: &str, result, attempts| (step, call.to_owned(), state.to_owned(), result, attempts);
    assert_eq!(
        steps,
        vec![
            row(3, "ok", "done", Some(13), 1),
            row(4, "bad", "failed", Some(14), 1),
            row(5, "never-started", "failed", Some(15), 0),
            row(6, "cut-off", "unknown", Some(16), 1),
            row(7, "open", "started", None, 2),
        ]
    );
    let unresolved = "select count(*) from step where effect in ('keyed','once') and state in ('started','unknown')";
    assert_eq!(number(&store, unresolved).await, 2);
}

#[tokio::test]
async fn the_same_idempotency_key_for_two_calls_is_refused() {
    let (_folder, store) = store();
    let key = key("keys");
    store.admit(admission(&key, "r1", "hi")).await.unwrap();
    let mut events = Vec::new();
    for (id, digest) in [("a", "00ff"), ("b", "01ff")] {
        let call: CallId = id.parse().unwrap();
        // Two different actions, so that the key alone is what they share.
        let digest = digest.to_owned();
        events.push(RunEvent::ToolIntent {
            call: call.clone(),
            tool: "pay".into(),
            digest,
            effect: Effect::Keyed,
            action: String::new(),
        });
        events.push(RunEvent::ToolStarted { call, idempotency_key: "same".to_owned() });
    }
    let refused = store.append(Batch { events, ..batch(&key, "r1", 3) }).await;
    assert!(matches!(refused, Err(JournalError::Store(_))), "{refused:?}");
    assert_eq!(store.events(&key, &run_id("r1"), Seq(2), 10).await.unwrap(), Vec::new());
}

#[tokio::test]
async fn large_bodies_are_stored_once_and_removed_with_their_last_use() {
    let (_folder, store) = store();
    let text = "long ".repeat(4000);
    for rest in ["one", "two"] {
        store.admit(admission(&key(rest), "r1", &text)).await.unwrap();
    }
    // Two accepted events that name their session, and one input that both share.
    assert_eq!(number(&store, "select count(*) from blob").await, 3);
    let delete = || SessionChange::Delete { transcript: true };
    let at = openclaw_domain::Timestamp(9);
    store.change(&key("one"), delete(), None, at).await.unwrap();
    assert_eq!(number(&store, "select count(*) from blob").await, 2);
    assert_eq!(store.entries(&key("two"), EntryQuery::default()).await.unwrap().entries.len(), 1);
    store.change(&key("two"), delete(), None, at).await.unwrap();
    assert_eq!(number(&store, "select count(*) from blob").await, 0);
    let left = "select (select count(*) from ev) + (select count(*) from entry) + (select count(*) from run)";
    assert_eq!(number(&store, left).await, 0);
    assert_eq!(number(&store, "select is_open from retention").await, 0);
    assert_eq!(number(&store, "pragma freelist_count").await, 0);
}

#[tokio::test]
async fn a_transcript_kept_after_removal_stands_under_its_old_conversation() {
    let (_folder, store) = store();
    let key = key("kept");
    store.admit(admission(&key, "r1", "hi")).await.unwrap();
    let at = openclaw_domain::Timestamp(9);
    store.change(&key, SessionChange::Reset, None, at).await.unwrap();
    store.change(&key, SessionChange::Delete { transcript: false }, None, at).await.unwrap();
    let ended = "select count(*) from entry e join conversation c on c.id = e.conversation where c.ended_at = 9";
    assert_eq!(number(&store, ended).await, 1);
}

#[tokio::test]
async fn a_body_of_a_newer_form_is_refused_and_not_guessed_at() {
    let (_folder, store) = store();
    let key = key("newer");
    store.admit(admission(&key, "r1", "hi")).await.unwrap();
    let newer = "insert into ev(run, seq, epoch, kind, at, v, body) values (1, 3, 1, 'x', 0, 99, '{}')";
    sql(&store, newer).await.unwrap();
    let error = store.events(&key, &run_id("r1"), Seq(0), 10).await.unwrap_err().to_string();
    assert!(error.contains("form 99"), "{error}");
    assert_eq!(store.events(&key, &run_id("r1"), Seq(0), 2).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_event_that_is_too_large_is_refused_before_it_is_queued() {
    let (_folder, store) = store();
    let key = key("huge");
    store.admit(admission(&key, "r1", "hi")).await.unwrap();
    let text = "x".repeat(super::body::BODY_BYTES_MAX);
    let huge = Batch { events: vec![RunEvent::ModelDelta { text }], epoch: Epoch(1), ..batch(&key, "r1", 3) };
    let error = store.append(huge).await.unwrap_err().to_string();
    assert!(error.contains("model_delta is") && error.contains("more than the limit"), "{error}");
}

#[tokio::test]
async fn a_home_of_the_first_schema_keeps_its_runs_and_can_send() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("db")).unwrap();
    let path = folder.path().join(super::DATABASE_FILE);
    std::fs::write(&path, "").unwrap();
    super::migrate::migrate(&super::Disk::default(), &path, 0, &super::schema::STEPS[..1]).unwrap();
    let old = Connection::open(&path).unwrap();
    old.execute_batch(
        "insert into session(skey, agent, conversation, state, created_at, updated_at)
           values ('agent:main:old', 'main', 1, 'ACTIVE', 1, 1);
         insert into run(session, idem, request_hash, status, epoch, seq, owner, attempts, accepted_at)
           values (1, 'r1', x'00', 'running', 1, 2, 'boot-0', 1, 1);
         insert into ev(run, seq, epoch, kind, at, v, body)
           values (1, 1, 0, 'accepted', 1, 1, '{}'), (1, 2, 1, 'claimed', 1, 1, '{}');",
    )
    .unwrap();
    drop(old);

    let store = Store::open(Options::new(folder.path())).unwrap();
    let old = key("old");
    assert_eq!(store.runs(Some(&old), true, 10).await.unwrap().len(), 1);
    // It was claimed before there were leases: the next start takes it up, nobody else does.
    assert_eq!(store.expired(10).await.unwrap(), []);
    store.claim(&old, &run_id("r1"), "boot-1").await.unwrap();
    assert_eq!(store.renew("boot-1", std::time::Duration::from_secs(10)).await.unwrap(), 1);
    openclaw_testkit::contract::outbox::plan(&store, "new", vec![openclaw_testkit::contract::outbox::delivery("k1")])
        .await;
    assert_eq!(store.take("boot-1", openclaw_domain::Timestamp(5000), 10).await.unwrap().len(), 1);
    assert!(path.with_extension("db.bak-v1").exists());
}

#[tokio::test]
async fn deliveries_of_an_earlier_schema_are_carried_over_and_can_be_settled() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("db")).unwrap();
    let path = folder.path().join(super::DATABASE_FILE);
    std::fs::write(&path, "").unwrap();
    super::migrate::migrate(&super::Disk::default(), &path, 0, &super::schema::STEPS[..5]).unwrap();
    let delivery = serde_json::to_string(&openclaw_testkit::contract::outbox::delivery("k1")).unwrap();
    let old = Connection::open(&path).unwrap();
    old.execute_batch(&format!(
        "insert into session(skey, agent, conversation, state, created_at, updated_at)
           values ('agent:main:old', 'main', 1, 'ACTIVE', 1, 1);
         insert into run(session, idem, request_hash, status, epoch, seq, owner, attempts, accepted_at)
           values (1, 'r1', x'00', 'running', 1, 2, 'boot-0', 1, 1);
         insert into outbox(run, ikey, state, attempt, not_before, at, v, body)
           values (1, 'k1', 'unknown', 1, 1, 1, 1, '{delivery}');"
    ))
    .unwrap();
    drop(old);

    let store = Store::open(Options::new(folder.path())).unwrap();
    assert!(store.discard(1, "ann", openclaw_domain::Timestamp(5)).await.unwrap());
    let record = store.delivery(1).await.unwrap().unwrap();
    assert_eq!(record.discarded.unwrap().by, "ann");
    let nameless = "update outbox set state = 'discarded', discarded_by = null where id = 1";
    assert!(sql(&store, nameless).await.is_err(), "nobody settles a delivery without a name");
    assert!(path.with_extension("db.bak-v5").exists());
}

/// Counts large bodies.
const BODIES: &str = "select count(*) from blob";

#[tokio::test]
async fn the_text_of_a_forgotten_delivery_goes_with_it_unless_it_was_said_elsewhere() {
    let (_folder, store) = store();
    let text = "long ".repeat(5000);
    let large = |key: &str| openclaw_domain::delivery::Delivery {
        text: text.clone(),
        ..openclaw_testkit::contract::outbox::delivery(key)
    };
    openclaw_testkit::contract::outbox::plan(&store, "many", vec![large("k1"), large("k2")]).await;
    let now = openclaw_domain::Timestamp(10_000);
    for due in store.take("boot-1", now, 10).await.unwrap() {
        store.settle(&due, openclaw_domain::ports::Settled::Sent("p".to_owned()), now).await.unwrap();
    }
    let retention = |count_max| openclaw_domain::delivery::Retention { count_max, ..Default::default() };
    let before = number(&store, BODIES).await;
    assert_eq!(store.prune(retention(1), now).await.unwrap(), 1);
    assert_eq!(number(&store, BODIES).await, before - 1, "each delivery's body holds its own key");
    assert_eq!(store.prune(retention(0), now).await.unwrap(), 1);
    assert_eq!((number(&store, BODIES).await, before), (0, 2));
}

#[tokio::test]
async fn a_refused_write_leaves_the_others_of_its_group() {
    let (_folder, store) = store();
    let keys: Vec<_> = (0..20).map(|n| key(&format!("g{n}"))).collect();
    // All are queued before the first is committed, so they share transactions.
    let writes = keys.iter().enumerate().map(|(n, key)| {
        let store = store.clone();
        async move {
            let empty = Admission { events: Vec::new(), ..admission(key, "r1", "hi") };
            let admission = if n % 5 == 3 { empty } else { admission(key, "r1", "hi") };
            let admitted = store.admit(admission).await.is_ok();
            // The same position twice: the second is refused by the database's own thread.
            let first = store.append(batch_of(key, 3)).await.is_ok();
            let second = store.append(batch_of(key, 3)).await.is_ok();
            (admitted, first, second)
        }
    });
    for (n, written) in futures_util::future::join_all(writes).await.into_iter().enumerate() {
        let is_there = n % 5 != 3;
        assert_eq!(written, (is_there, is_there, false), "{n}");
    }
    for (n, key) in keys.iter().enumerate().filter(|(n, _)| n % 5 != 3) {
        assert_eq!(store.events(key, &run_id("r1"), Seq(0), 10).await.unwrap().len(), 3, "{n}");
    }
}

fn batch_of(key: &SessionKey, first: u64) -> Batch {
    Batch { events: vec![RunEvent::DeadlinePassed], ..batch(key, "r1", first) }
}

/// Returns the outcome of a session's only run.
async fn outcome(store: &Store, name: &str) -> Result<Option<Outcome>, JournalError> {
    Ok(store.runs(Some(&key(name)), false, 2).await?.remove(0).outcome)
}

/// Ends a run and returns what its record says.
async fn end(store: &Store, name: &str, text: &str, has_event: bool) -> Outcome {
    let key = key(name);
    store.admit(admission(&key, "r", "go")).await.unwrap();
    let mut last = ending(&key, "r", 3);
    last.outcome.as_mut().unwrap().text = text.to_owned();
    let told = RunEvent::Ended { outcome: last.outcome.clone().unwrap() };
    last.events = if has_event { vec![RunEvent::DeadlinePassed, told] } else { vec![RunEvent::DeadlinePassed] };
    let expected = last.outcome.clone();
    store.append(last).await.unwrap();
    let found = outcome(store, name).await.unwrap();
    assert_eq!(found, expected.map(|outcome| *outcome), "{name}");
    found.unwrap()
}

#[tokio::test]
async fn an_outcome_stands_in_the_event_that_tells_of_it_and_nowhere_else() {
    let (_folder, store) = store();
    let large = "long ".repeat(4000);
    end(&store, "short", "ok", true).await;
    end(&store, "large", &large, true).await;
    end(&store, "untold", "ok", false).await;
    end(&store, "large-untold", &large, false).await;
    assert_eq!(number(&store, "select count(*) from run where typeof(outcome) = 'integer'").await, 2);
    let texts = "select count(*) from blob where instr(bytes, 'long ') > 0";
    assert_eq!(number(&store, texts).await, 2, "the text of the event, and of the outcome that has none");
}

#[tokio::test]
async fn an_outcome_that_earlier_versions_kept_in_its_run_is_read() {
    let (_folder, store) = store();
    let told = end(&store, "old", "ok", true).await;
    let json = serde_json::to_string(&told).unwrap();
    let as_before = move |db: &Connection| Ok::<_, Never>(db.execute("update run set outcome = ?1", [&json])?);
    store.write("test", Durability::Barrier, as_before).await.unwrap();
    assert_eq!(outcome(&store, "old").await.unwrap(), Some(told));
}

#[tokio::test]
async fn an_outcome_that_its_event_contradicts_is_refused() {
    let (_folder, store) = store();
    let key = key("two-faced");
    store.admit(admission(&key, "r", "go")).await.unwrap();
    let mut last = ending(&key, "r", 3);
    let mut other = last.outcome.clone().unwrap();
    other.iterations += 1;
    last.events = vec![RunEvent::Ended { outcome: other }];
    let error = store.append(last).await.unwrap_err().to_string();
    assert!(error.contains("different things"), "{error}");
}

#[tokio::test]
async fn an_outcome_that_points_to_another_event_is_damage() {
    let (_folder, store) = store();
    end(&store, "lost", "ok", true).await;
    sql(&store, "update run set outcome = (select min(gsn) from ev)").await.unwrap();
    let error = outcome(&store, "lost").await.unwrap_err().to_string();
    assert!(error.contains("does not hold the run's end"), "{error}");
}
