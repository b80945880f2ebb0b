//! Opening what is there: new, old, foreign, broken, newer.

use std::fs;
use std::path::Path;

use openclaw_domain::ids::{Seq, Timestamp};
use openclaw_domain::ports::{Journal, Sessions};
use openclaw_domain::session::EntryQuery;
use openclaw_store::{OpenError, Options, Store};
use openclaw_testkit::contract::journal::{admission, ending, key, run_id};

fn open(folder: &Path) -> Result<Store, OpenError> {
    Store::open(Options::new(folder))
}

/// A state directory with room for a database that is not ours.
fn state_dir() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("db")).unwrap();
    folder
}

fn refusal(folder: &Path) -> String {
    open(folder).unwrap_err().to_string()
}

#[tokio::test]
async fn what_was_written_is_there_when_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let state_dir = folder.path().join("deep/state");
    let key = key("again");
    let store = open(&state_dir).unwrap();
    store.admit(admission(&key, "r1", "hi")).await.unwrap();
    store.append(ending(&key, "r1", 3)).await.unwrap();
    let before = Sessions::get(&store, &key).await.unwrap();
    store.close().await;

    let store = open(&state_dir).unwrap();
    assert_eq!(Sessions::get(&store, &key).await.unwrap(), before);
    assert_eq!(store.entries(&key, EntryQuery::default()).await.unwrap().total, 2);
    assert_eq!(store.events(&key, &run_id("r1"), Seq(0), 10).await.unwrap().len(), 6);
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    store.close().await;
    store.close().await;
    let error = Sessions::open(&store, &key("late"), Timestamp(0)).await.unwrap_err().to_string();
    assert!(error.contains("openclaw.db") && error.contains("closed"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn others_cannot_read_the_database() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let state_dir = folder.path().join("state");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let store = open(&state_dir).unwrap();
    store.admit(admission(&key("private"), "r1", "hi")).await.unwrap();
    assert_eq!(mode(&state_dir), 0o700);
    for file in ["db/openclaw.db", "db/openclaw.db-wal", "db/openclaw.db-shm"] {
        assert_eq!(mode(&state_dir.join(file)), 0o600, "{file}");
    }
    store.close().await;
    fs::set_permissions(store.path(), fs::Permissions::from_mode(0o644)).unwrap();
    open(&state_dir).unwrap();
    assert_eq!(mode(store.path()), 0o600);
}

#[test]
fn a_file_that_is_no_database_is_named_and_left_alone() {
    let folder = state_dir();
    let path = folder.path().join("db/openclaw.db");
    let text = "this is not a database, but somebody's notes\n".repeat(100);
    fs::write(&path, &text).unwrap();
    let message = refusal(folder.path());
    assert!(message.contains("openclaw.db is damaged") && message.contains("restore a backup"), "{message}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_log_left_by_a_database_that_was_moved_away_is_not_replayed() {
    let folder = state_dir();
    let store = open(folder.path()).unwrap();
    store.admit(admission(&key("old"), "r1", "hi")).await.unwrap();
    let log = folder.path().join("db/openclaw.db-wal");
    let old_log = fs::read(&log).unwrap();
    store.close().await;
    drop(store);
    fs::remove_file(folder.path().join("db/openclaw.db")).unwrap();
    fs::write(&log, old_log).unwrap();

    let store = open(folder.path()).unwrap();
    assert_eq!(Sessions::get(&store, &key("old")).await.unwrap(), None);
    store.admit(admission(&key("new"), "r1", "hi")).await.unwrap();
}

#[test]
fn what_a_killed_first_start_left_is_begun_anew() {
    let folder = state_dir();
    fs::write(folder.path().join("db/openclaw.db"), "").unwrap();
    fs::write(folder.path().join("db/openclaw.db.new"), "half a database").unwrap();
    drop(open(folder.path()).unwrap());
    assert!(!folder.path().join("db/openclaw.db.new").exists());
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let folder = state_dir();
    let db = rusqlite::Connection::open(folder.path().join("db/openclaw.db")).unwrap();
    db.execute_batch("create table recipes(name text)").unwrap();
    drop(db);
    assert!(matches!(open(folder.path()), Err(OpenError::Foreign { .. })));
}

#[test]
fn a_newer_schema_is_refused_with_the_next_step() {
    let folder = state_dir();
    drop(open(folder.path()).unwrap());
    let db = rusqlite::Connection::open(folder.path().join("db/openclaw.db")).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let message = refusal(folder.path());
    assert!(message.contains("schema 99") && message.contains("install that build again"), "{message}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let message = refusal(&folder.path().join("file/state"));
    assert!(message.contains("file/state") && message.contains("writable"), "{message}");
}

#[tokio::test]
async fn a_damaged_page_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let key = key("damaged");
    let store = open(folder.path()).unwrap();
    for n in 0..200 {
        let id = format!("r{n}");
        store.admit(admission(&key, &id, &"text ".repeat(400))).await.unwrap();
        store.append(ending(&key, &id, 3)).await.unwrap();
    }
    store.close().await;
    // The schema stands at the beginning, and statistics at the end; the rows between are lost.
    let mut bytes = fs::read(store.path()).unwrap();
    let quarter = bytes.len() / 4 / 4096 * 4096;
    bytes[quarter..3 * quarter].fill(0xAA);
    fs::write(store.path(), &bytes).unwrap();

    let store = open(folder.path()).unwrap();
    let error = store.runs(Some(&key), false, 1000).await.unwrap_err().to_string();
    assert!(error.contains("openclaw.db") && error.contains("openclaw doctor"), "{error}");
}
