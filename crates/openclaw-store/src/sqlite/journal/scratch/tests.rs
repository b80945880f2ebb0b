use openclaw_domain::ports::{Durability, Journal, Sessions};
use openclaw_domain::session::SessionChange;
use openclaw_testkit::contract::journal::{ending, key, own_instance, run_id};
use openclaw_testkit::contract::kept_scratch::kept;

use super::*;
use crate::sqlite::{Options, Store};

type Never = WorkError<String>;

/// A store in which these runs have begun, in a session each.
async fn store(runs: &[&str]) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path())).unwrap();
    for run in runs {
        store.admit(own_instance(&key(run), run, "hi")).await.unwrap();
    }
    (folder, store)
}

async fn number(store: &Store, sql: &'static str) -> i64 {
    let read = |db: &Connection| Ok::<_, Never>(db.query_row(sql, (), |row| row.get(0))?);
    store.read("test", move |db| read(db)).await.unwrap()
}

async fn sql(store: &Store, sql: &'static str) {
    let work = move |db: &Connection| Ok::<_, Never>(db.execute_batch(sql)?);
    store.write("test", Durability::Barrier, work).await.unwrap();
}

/// Keeps files of a run of its own session, with so much room.
async fn shelve(store: &Store, run: &'static str, kept: KeptScratch, shelf: Shelf) {
    let work = move |db: &Connection| keep(db, &key(run), &run_id(run), Epoch(1), &kept, shelf);
    store.write("test", Durability::Committed, work).await.unwrap();
}

async fn positions(store: &Store, run: &str) -> Vec<u64> {
    let mut found = Vec::new();
    for seq in 1..=2 {
        let kept = store.scratch(&key(run), &run_id(run), Seq(seq)).await.unwrap();
        found.extend(kept.map(|kept| kept.seq.0).filter(|at| *at == seq));
    }
    found
}

#[tokio::test]
async fn the_same_content_is_stored_once_and_goes_with_its_last_use() {
    let (_folder, store) = store(&["one", "two"]).await;
    for run in ["one", "two"] {
        for seq in [1, 2] {
            shelve(&store, run, kept(seq, &[("a", "same"), ("b", run)]), SHELF).await;
        }
    }
    assert_eq!(number(&store, "select count(*) from scratch_file").await, 8);
    assert_eq!(number(&store, "select count(*) from blob").await, 3);
    // What takes the place of other files takes away what only those held.
    shelve(&store, "one", kept(1, &[("a", "same")]), SHELF).await;
    assert_eq!(number(&store, "select count(*) from blob").await, 3, "another position has it");
    shelve(&store, "one", kept(2, &[("c", "new")]), SHELF).await;
    assert_eq!(number(&store, "select count(*) from blob").await, 3, "one went and one came");
    let delete = || SessionChange::Delete { transcript: true };
    store.change(&key("one"), delete(), None, Timestamp(9)).await.unwrap();
    assert_eq!(number(&store, "select count(*) from blob").await, 2);
    store.change(&key("two"), delete(), None, Timestamp(9)).await.unwrap();
    let left =
        "select (select count(*) from blob) + (select count(*) from scratch_file) + (select count(*) from scratch)";
    assert_eq!(number(&store, left).await, 0);
}

#[tokio::test]
async fn a_full_shelf_drops_the_oldest_but_not_what_an_open_run_goes_on_with() {
    let roomy = Shelf { own_max: 9, all_max: 9, bytes_max: 100 };
    // At most one position each, two in all, eight bytes in all.
    for shelf in [Shelf { own_max: 1, ..roomy }, Shelf { all_max: 2, ..roomy }, Shelf { bytes_max: 8, ..roomy }] {
        let (_folder, store) = store(&["old", "open", "new"]).await;
        shelve(&store, "old", kept(1, &[("a", "1234")]), roomy).await;
        store.append(ending(&key("old"), "old", 3)).await.unwrap();
        shelve(&store, "open", kept(1, &[("a", "5678")]), roomy).await;
        shelve(&store, "new", kept(1, &[("a", "90ab")]), roomy).await;
        assert_eq!(number(&store, "select count(*) from scratch").await, 3);
        shelve(&store, "new", kept(2, &[("a", "cdef")]), shelf).await;
        let old = if shelf.own_max == 1 { vec![1] } else { Vec::new() };
        assert_eq!(positions(&store, "old").await, old, "{shelf:?}");
        assert_eq!(positions(&store, "open").await, [1], "it has not ended: {shelf:?}");
        let new = if shelf.own_max == 1 { vec![2] } else { vec![1, 2] };
        assert_eq!(positions(&store, "new").await, new, "{shelf:?}");
        let rest = 2 + new.len() as i64 - 1 + old.len() as i64;
        assert_eq!(number(&store, "select count(*) from blob").await, rest, "{shelf:?}");
    }
}

#[tokio::test]
async fn files_that_are_not_what_was_written_are_none() {
    for damage in [
        "update blob set bytes = x'00'",
        "delete from blob",
        "update scratch_file set path = '../../x' where path = 'a'",
        "update scratch_file set path = '/etc/x' where path = 'a'",
    ] {
        let (_folder, store) = store(&["one"]).await;
        shelve(&store, "one", kept(1, &[("a", "x"), ("b", "y")]), SHELF).await;
        assert_eq!(positions(&store, "one").await, [1]);
        sql(&store, damage).await;
        assert_eq!(positions(&store, "one").await, Vec::<u64>::new(), "{damage}");
    }
}
