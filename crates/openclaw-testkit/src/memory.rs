//! A store in memory: what tests and benches use in place of the database.
//!
//! It keeps the same promises as the production store, checked by the same
//! suites ([`crate::contract`]), except that nothing outlives it and that
//! [`recall`](openclaw_domain::ports::Memories::recall) ranks by simple counting.

mod compactions;
mod journal;
mod outbox;
mod records;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openclaw_domain::approval::Grant;
use openclaw_domain::compaction::Kept;
use openclaw_domain::conversation::Turn;
use openclaw_domain::delivery::Inbound;
use openclaw_domain::device::{Device, PairingRequest};
use openclaw_domain::event::Recorded;
use openclaw_domain::ids::{RunId, SessionId, SessionKey, Timestamp};
use openclaw_domain::model::Usage;
use openclaw_domain::ports::{Mail, Memory, RunRecord};
use openclaw_domain::run::RunRequest;
use openclaw_domain::session::{Delivery, Entry, Scope, Session, SessionState};
use serde_json::Value;

/// Keeps everything in memory. Implements all storage ports.
#[derive(Debug, Default)]
pub struct Store {
    state: Mutex<State>,
}

impl Store {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Removes every checkpoint and all kept files, as a store may.
    pub fn lose_checkpoints(&self) {
        let mut state = self.state();
        let runs = state.lanes.values_mut().flat_map(|lane| lane.runs.values_mut());
        runs.for_each(|run| {
            run.checkpoint = None;
            run.scratches.clear();
        });
    }

    /// Moves the clock that leases are judged by.
    pub fn shift_lease_clock(&self, by: Duration) {
        self.state().lease_clock += by;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct State {
    lanes: BTreeMap<SessionKey, Lane>,
    variables: HashMap<Scope, BTreeMap<String, Value>>,
    memories: Vec<Memory>,
    devices: BTreeMap<String, Device>,
    waiting: Vec<PairingRequest>,
    grants: Vec<Grant>,
    /// What is to be sent or was, oldest first.
    outbox: Vec<outbox::Row>,
    /// How children ended, with the parent that has not recorded it.
    mail: Vec<(SessionKey, RunId, Mail)>,
    /// The run of each channel message.
    inbox: HashMap<Inbound, (SessionKey, RunId)>,
    /// The clock that leases are judged by; only tests move it.
    lease_clock: Duration,
    /// Conversations begun, for their ids.
    conversations: u64,
    /// Runs admitted, for their order.
    admitted: u64,
}

/// A session with all that was ever said and done in it.
#[derive(Debug)]
struct Lane {
    session: Session,
    /// A removed session keeps its place, so that numbers are never reused.
    is_removed: bool,
    /// Entries of all conversations; the current one's are the last.
    entries: Vec<Entry>,
    runs: BTreeMap<RunId, Run>,
    /// Compactions with the conversation each is of, oldest first.
    compactions: Vec<(SessionId, Kept)>,
}

#[derive(Debug)]
struct Run {
    /// Place among all runs.
    order: u64,
    record: RunRecord,
    /// The request without what may differ between repetitions.
    request: RunRequest,
    /// It has an instance of its own: it is no turn of the session.
    is_own: bool,
    events: Vec<Recorded>,
    /// Calls somebody answered for after the run ended.
    settled: std::collections::BTreeSet<openclaw_domain::CallId>,
    checkpoint: Option<openclaw_domain::ports::Checkpoint>,
    scratches: BTreeMap<openclaw_domain::Seq, openclaw_domain::scratch::KeptScratch>,
    /// When the owner's lease expires; `None` without an owner.
    lease_until: Option<Duration>,
}

impl State {
    fn lane(&mut self, key: &SessionKey) -> Option<&mut Lane> {
        self.lanes.get_mut(key).filter(|lane| !lane.is_removed)
    }

    /// Returns a session, made when it is not there.
    fn open(&mut self, key: &SessionKey, at: Timestamp) -> &mut Lane {
        if self.lanes.get(key).is_none_or(|lane| lane.is_removed) {
            self.conversations += 1;
            let (head, revision) =
                self.lanes.get(key).map_or((0, 1), |lane| (lane.session.head, lane.session.revision + 1));
            let session = new_session(key, self.conversations, head, revision, at);
            match self.lanes.get_mut(key) {
                Some(lane) => {
                    lane.session = session;
                    lane.is_removed = false;
                }
                None => {
                    let (entries, compactions) = (Vec::new(), Vec::new());
                    let lane = Lane { session, is_removed: false, entries, runs: BTreeMap::new(), compactions };
                    self.lanes.insert(key.clone(), lane);
                }
            }
        }
        self.lanes.get_mut(key).unwrap_or_else(|| unreachable!("the session was just made"))
    }
}

impl Lane {
    /// Adds an entry to the current conversation.
    fn push(&mut self, run: Option<&RunId>, turn: Turn, at: Timestamp) -> Entry {
        let session = &mut self.session;
        session.head += 1;
        session.entries += 1;
        if session.state == SessionState::Created {
            session.state = SessionState::Active;
        }
        let entry = Entry { n: session.head, run: run.cloned(), turn, at };
        self.entries.push(entry.clone());
        entry
    }

    /// Notes that the record changed.
    fn touch(&mut self, at: Timestamp) {
        self.session.revision += 1;
        self.session.updated_at = self.session.updated_at.max(at);
    }
}

fn new_session(key: &SessionKey, conversation: u64, head: u64, revision: u64, at: Timestamp) -> Session {
    let id = format!("00000000-0000-7000-8000-{conversation:012x}");
    Session {
        key: key.clone(),
        id: id.parse().unwrap_or_else(|_| unreachable!("a uuid is an id")),
        state: SessionState::Created,
        label: None,
        model: None,
        thinking: None,
        is_pinned: false,
        is_unread: false,
        delivery: Delivery::default(),
        usage: Usage::default(),
        entries: 0,
        head,
        revision,
        created_at: at,
        updated_at: at,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Store;
    use crate::contract;

    #[tokio::test]
    async fn the_memory_store_keeps_the_journal_contract() {
        contract::journal::journal(|| Arc::new(Store::new())).await;
    }

    #[tokio::test]
    async fn the_memory_store_keeps_the_compactions_contract() {
        contract::compactions::compactions(|| Arc::new(Store::new())).await;
    }

    #[tokio::test]
    async fn the_memory_store_keeps_the_outbox_contract() {
        contract::outbox::outbox(|| Arc::new(Store::new())).await;
    }

    #[tokio::test]
    async fn the_memory_store_keeps_the_mailbox_contract() {
        contract::mailbox::mailbox(|| Arc::new(Store::new())).await;
    }

    #[tokio::test]
    async fn the_memory_store_keeps_the_ledger_contract() {
        contract::ledger::ledger(|| Arc::new(Store::new())).await;
    }

    #[tokio::test]
    async fn the_memory_store_keeps_the_lease_contract() {
        contract::leases::leases(|| Arc::new(Store::new()), Store::shift_lease_clock).await;
    }

    #[tokio::test]
    async fn the_memory_store_keeps_the_records_contract() {
        contract::records::records(|| Arc::new(Store::new())).await;
    }
}
