//! SQLite keeps the same promises as every other store.

use std::sync::Arc;

use openclaw_store::{Options, Store};
use openclaw_testkit::contract;

/// Makes stores in folders that live as long as the test.
fn fresh(folders: &std::cell::RefCell<Vec<tempfile::TempDir>>) -> Arc<Store> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path())).unwrap();
    folders.borrow_mut().push(folder);
    Arc::new(store)
}

#[tokio::test]
async fn sqlite_keeps_the_journal_contract() {
    let folders = std::cell::RefCell::default();
    contract::journal::journal(|| fresh(&folders)).await;
}

#[tokio::test]
async fn sqlite_keeps_the_compactions_contract() {
    let folders = std::cell::RefCell::default();
    contract::compactions::compactions(|| fresh(&folders)).await;
}

#[tokio::test]
async fn sqlite_keeps_the_outbox_contract() {
    let folders = std::cell::RefCell::default();
    contract::outbox::outbox(|| fresh(&folders)).await;
}

#[tokio::test]
async fn sqlite_keeps_the_mailbox_contract() {
    let folders = std::cell::RefCell::default();
    contract::mailbox::mailbox(|| fresh(&folders)).await;
}

#[tokio::test]
async fn sqlite_keeps_the_ledger_contract() {
    let folders = std::cell::RefCell::default();
    contract::ledger::ledger(|| fresh(&folders)).await;
}

#[tokio::test]
async fn sqlite_keeps_the_lease_contract() {
    let folders = std::cell::RefCell::default();
    contract::leases::leases(|| fresh(&folders), Store::shift_lease_clock).await;
}

#[tokio::test]
async fn sqlite_keeps_the_records_contract() {
    let folders = std::cell::RefCell::default();
    contract::records::records(|| fresh(&folders)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_journal_contract_over_several_threads() {
    let folders = Arc::new(std::sync::Mutex::new(Vec::new()));
    contract::journal::journal(|| {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { readers: 4, queue_max: 1, group_max: 3, ..Options::new(folder.path()) };
        folders.lock().unwrap().push(folder);
        Arc::new(Store::open(options).unwrap())
    })
    .await;
}
