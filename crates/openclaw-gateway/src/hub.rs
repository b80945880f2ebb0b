//! Tells connected clients what happens.
//!
//! The hub is made before everything else, so that the engine can be given it
//! as its observer; clients come and go later. It never waits: updates become
//! frames and go into bounded per-client queues.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use openclaw_domain::approval::{Approval, Decision};
use openclaw_domain::ports::RunObserver;
use openclaw_domain::{Answer, Change, Question, RunId, RunUpdate, SessionKey};
use openclaw_protocol::Scope;
use openclaw_protocol::frame::StateVersion;
use serde::Serialize;
use tokio::sync::{Notify, mpsc};

use crate::client::Client;
use crate::events::frame::{Frame, WhenSlow};
use crate::events::names;
use crate::events::run::{Output, View};
use crate::stream::feed::Feeds;

/// Runs followed at once; the engine's own bound is far below.
const RUNS_MAX: usize = 16 * 1024;

/// Session changes that wait to be looked up; when full, a change is not
/// announced and clients see it with the next one.
const NOTES_MAX: usize = 1024;

/// Answers remembered for those who ask late.
const DECIDED_MAX: usize = 256;

/// The list of clients; replaced as a whole when one comes or goes.
type Clients = Arc<Vec<Arc<Client>>>;

/// Fans events out to connected clients.
pub struct Hub {
    clients: RwLock<Clients>,
    /// Grows when clients or their interests change, so that runs can keep
    /// their audience between updates.
    audience: AtomicU64,
    runs: Mutex<HashMap<(SessionKey, RunId), Followed>>,
    tags: AtomicU64,
    versions: Mutex<StateVersion>,
    notes: mpsc::Sender<Note>,
    notes_taken: Mutex<Option<mpsc::Receiver<Note>>>,
    /// The last answers to questions, for those who wait for one.
    decided: Mutex<VecDeque<Decided>>,
    decided_more: Notify,
    answered: Mutex<VecDeque<Answered>>,
    feeds: Feeds,
}

/// A question about an outcome that was answered.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) question: Question,
    pub(crate) answer: Answer,
    pub(crate) by: String,
}

/// An answered question.
#[derive(Debug, Clone)]
pub(crate) struct Decided {
    pub(crate) approval: Approval,
    pub(crate) decision: Decision,
    pub(crate) by: String,
}

/// A session that changed and should be announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) session: SessionKey,
    pub(crate) reason: &'static str,
    pub(crate) run: Option<RunId>,
}

struct Followed {
    view: View,
    tag: u64,
    listeners: Arc<[Arc<Client>]>,
    audience: u64,
}

impl Hub {
    /// Makes a hub without clients.
    pub fn new() -> Arc<Self> {
        let (notes, notes_taken) = mpsc::channel(NOTES_MAX);
        Arc::new(Self {
            clients: RwLock::default(),
            audience: AtomicU64::new(1),
            runs: Mutex::default(),
            tags: AtomicU64::new(1),
            versions: Mutex::new(StateVersion { presence: 1, health: 1 }),
            notes,
            notes_taken: Mutex::new(Some(notes_taken)),
            decided: Mutex::default(),
            decided_more: Notify::new(),
            answered: Mutex::default(),
            feeds: Feeds::default(),
        })
    }

    pub(crate) fn join(&self, client: Arc<Client>) {
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut clients).push(client);
        drop(clients);
        self.interests_changed();
    }

    pub(crate) fn leave(&self, id: &str) {
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut clients).retain(|client| client.id != id);
        drop(clients);
        self.interests_changed();
    }

    /// Must be called after a client's interests changed.
    pub(crate) fn interests_changed(&self) {
        self.audience.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn clients(&self) -> Clients {
        Arc::clone(&self.clients.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends an event to every client that holds a scope; `None` is every client.
    pub(crate) fn broadcast(&self, scope: Option<Scope>, event: &str, payload: &impl Serialize, slow: WhenSlow) {
        self.broadcast_frame(scope, &Frame::new(event, payload, slow));
    }

    pub(crate) fn broadcast_frame(&self, scope: Option<Scope>, frame: &Frame) {
        for client in self.clients().iter() {
            let hears = client.role == crate::client::Role::Operator && scope.is_none_or(|scope| client.may(scope));
            if hears {
                client.queue.push(0, frame);
            }
        }
    }

    /// Announces that a session changed, to clients that follow the list.
    pub(crate) fn note(&self, session: &SessionKey, reason: &'static str, run: Option<&RunId>) {
        if self.clients().iter().any(|client| client.hears_sessions()) {
            // A full queue loses the announcement, not the change; see NOTES_MAX.
            drop(self.notes.try_send(Note { session: session.clone(), reason, run: run.cloned() }));
        }
    }

    pub(crate) fn take_notes(&self) -> Option<mpsc::Receiver<Note>> {
        self.notes_taken.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn versions(&self) -> StateVersion {
        *self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bump(&self, change: impl FnOnce(&mut StateVersion)) -> StateVersion {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut versions);
        *versions
    }

    /// Returns the answer to a question, once given.
    pub(crate) fn decided(&self, id: &str) -> Option<Decided> {
        let decided = self.decided.lock().unwrap_or_else(PoisonError::into_inner);
        decided.iter().rev().find(|decided| decided.approval.id == id).cloned()
    }

    /// Waits for the next answer to any question.
    pub(crate) fn next_decision(&self) -> tokio::sync::futures::Notified<'_> {
        self.decided_more.notified()
    }

    fn keep_decision(&self, approval: &Approval, decision: Decision, by: &str) {
        let mut decided = self.decided.lock().unwrap_or_else(PoisonError::into_inner);
        if decided.len() >= DECIDED_MAX {
            decided.pop_front();
        }
        decided.push_back(Decided { approval: approval.clone(), decision, by: by.to_owned() });
        drop(decided);
        self.decided_more.notify_waiters();
    }

    /// Returns what is live of each run.
    pub(crate) fn feeds(&self) -> &Feeds {
        &self.feeds
    }

    /// Returns the answer to a question about an outcome, once given.
    pub(crate) fn answered(&self, id: &str) -> Option<Answered> {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.iter().rev().find(|answered| answered.question.id == id).cloned()
    }

    fn keep_answer(&self, answer: Answered) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        if answered.len() >= DECIDED_MAX {
            answered.pop_front();
        }
        answered.push_back(answer);
        drop(answered);
        self.decided_more.notify_waiters();
    }

    /// Returns who hears a run now: those it is carried to get it another way.
    fn listeners(&self, session: &SessionKey, run: &RunId) -> Arc<[Arc<Client>]> {
        let hears = |client: &&Arc<Client>| client.hears_run(session) && !client.subscribes(session, run);
        self.clients().iter().filter(hears).cloned().collect()
    }

    fn follow(&self, update: &RunUpdate, clients: &Clients) {
        let key = (update.session.clone(), update.run.clone());
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if runs.len() >= RUNS_MAX && !runs.contains_key(&key) {
            return;
        }
        let audience = self.audience.load(Ordering::Acquire);
        let followed = runs.entry(key).or_insert_with(|| Followed {
            view: View::new(update),
            tag: self.tags.fetch_add(1, Ordering::Relaxed),
            listeners: Arc::new([]),
            audience: 0,
        });
        if followed.audience != audience {
            followed.listeners = self.listeners(&update.session, &update.run);
            followed.audience = audience;
        }
        if is_unheard(update, clients) {
            return;
        }
        let outputs = followed.view.apply(update);
        // Pushing happens under the lock: updates of one run must reach a queue in order.
        for output in &outputs {
            send(output, followed, update, clients);
        }
        if matches!(update.change, Change::Ended(_) | Change::Carried(_)) {
            runs.remove(&(update.session.clone(), update.run.clone()));
        }
    }
}

/// Tells whether a change is for the transcript's readers only and there are
/// none; writing it down for nobody would cost as much as for everybody.
fn is_unheard(update: &RunUpdate, clients: &Clients) -> bool {
    let is_heard = || clients.iter().any(|client| client.hears_transcript(&update.session));
    matches!(update.change, Change::EntryAdded(_)) && !is_heard()
}

fn send(output: &Output, followed: &Followed, update: &RunUpdate, clients: &Clients) {
    match output {
        Output::Run(frame) => followed.listeners.iter().for_each(|client| client.queue.push(followed.tag, frame)),
        Output::Delta(delta) => {
            followed.listeners.iter().for_each(|client| client.queue.push_delta(followed.tag, delta));
        }
        Output::Tool(frame) => {
            let hearing = followed.listeners.iter().filter(|client| client.hears_tools);
            hearing.for_each(|client| client.queue.push(followed.tag, frame));
        }
        Output::Transcript(frame) => {
            let hearing = clients.iter().filter(|client| client.hears_transcript(&update.session));
            hearing.for_each(|client| client.queue.push(followed.tag, frame));
        }
        Output::Approvals(frame) => {
            let hearing = clients.iter().filter(|client| client.may(Scope::Approvals));
            hearing.for_each(|client| client.queue.push(followed.tag, frame));
        }
        Output::Questions(frame) => {
            let hearing = clients.iter().filter(|client| client.may(Scope::Questions));
            hearing.for_each(|client| client.queue.push(followed.tag, frame));
        }
        Output::Position(frame) => {
            let hearing = followed.listeners.iter().filter(|client| client.hears_cursor);
            hearing.for_each(|client| client.queue.push(followed.tag, frame));
        }
    }
}

impl RunObserver for Hub {
    fn observe(&self, update: &RunUpdate) {
        let clients = self.clients();
        self.follow(update, &clients);
        self.feeds.observe(update);
        let reason = match &update.change {
            Change::Accepted => "send",
            Change::Started => "start",
            Change::Ended(_) => "end",
            Change::ApprovalResolved { approval, decision, by } => {
                return self.keep_decision(approval, *decision, by);
            }
            Change::QuestionAnswered { question, answer, by } => {
                let question = (**question).clone();
                return self.keep_answer(Answered { question, answer: *answer, by: by.clone() });
            }
            // The row of the session says whether somebody is asked.
            Change::QuestionAsked(_) => "attention",
            _ => return,
        };
        self.note(&update.session, reason, Some(&update.run));
    }
}

/// Announces a heartbeat of the connection itself.
pub(crate) fn tick(hub: &Hub, now: openclaw_domain::Timestamp) {
    let payload = serde_json::json!({ "ts": now.as_millis() });
    hub.broadcast(None, names::TICK, &payload, WhenSlow::Drop);
}
