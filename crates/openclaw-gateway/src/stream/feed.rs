//! What is live of each run: how far its journal is, and the text after that.
//!
//! Only text that is not in the journal yet is held, a fifth of a second of it;
//! all else is read from the journal. Filled by the hub under the engine's
//! lock of the run, read by pumps. It never waits.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openclaw_domain::tool::Progress;
use openclaw_domain::{Change, Cursor, RunId, RunUpdate, Seq, SessionKey};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::events::payload::{compacting, not_compacted};

/// Runs with a feed at once; the engine's own bound is far below.
const FEEDS_MAX: usize = 16 * 1024;

/// Live text held of a run. The engine records text long before this; when it
/// cannot, subscribers get the text once it is recorded.
const LIVE_BYTES_MAX: usize = 256 * 1024;

/// Signs of life held of a run; a slow client misses the oldest.
const ASIDES_MAX: usize = 64;

/// A run's name: ids are unique within a session only.
pub(crate) type Name = (SessionKey, RunId);

/// The feeds of all runs that work or are watched.
#[derive(Default)]
pub(crate) struct Feeds {
    by_name: Mutex<HashMap<Name, Arc<Feed>>>,
}

/// What is live of one run.
pub(crate) struct Feed {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// The last event known to be in the journal.
    tip: Seq,
    /// Bytes of live text before `live`.
    from: u64,
    live: String,
    /// Bytes of text shown since the last complete turn.
    shown: u64,
    /// Deltas there ever were.
    deltas: u64,
    asides: VecDeque<Aside>,
    asides_before: u64,
    /// Whether the engine said anything of this run.
    is_known: bool,
    is_over: bool,
}

/// A sign of life: shown when it comes, never repeated.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aside {
    pub(crate) stream: &'static str,
    pub(crate) data: Value,
}

/// Live text after an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Live {
    /// The event.
    pub(crate) seq: Seq,
    /// Bytes of live text before this text.
    pub(crate) from: u64,
    pub(crate) text: String,
    /// Deltas there ever were.
    pub(crate) deltas: u64,
}

impl Feeds {
    /// Takes note of an update.
    pub(crate) fn observe(&self, update: &RunUpdate) {
        let name = (update.session.clone(), update.run.clone());
        let mut feeds = self.lock();
        let is_over = matches!(update.change, Change::Ended(_) | Change::Carried(_));
        let feed = match feeds.get(&name) {
            Some(feed) => Arc::clone(feed),
            None if is_over || feeds.len() >= FEEDS_MAX => return,
            None => Arc::clone(feeds.entry(name.clone()).or_default()),
        };
        if is_over {
            feeds.remove(&name);
        }
        drop(feeds);
        feed.observe(update);
    }

    /// Returns a run's feed, made if there is none.
    pub(crate) fn open(&self, name: &Name) -> Arc<Feed> {
        Arc::clone(self.lock().entry(name.clone()).or_default())
    }

    /// Returns a run's feed, if the run works.
    pub(crate) fn find(&self, name: &Name) -> Option<Arc<Feed>> {
        self.lock().get(name).cloned()
    }

    /// Forgets a feed that only watchers kept; the caller's is the last but the map's.
    pub(crate) fn release(&self, name: &Name, feed: &Arc<Feed>) {
        let mut feeds = self.lock();
        let is_same = feeds.get(name).is_some_and(|known| Arc::ptr_eq(known, feed));
        if is_same && !feed.lock().is_known && Arc::strong_count(feed) <= 2 {
            feeds.remove(name);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Arc<Feed>>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Feed {
    fn default() -> Self {
        Self { state: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

impl Feed {
    pub(crate) fn observe(&self, update: &RunUpdate) {
        self.lock().observe(update);
        self.changed.send_modify(|version| *version += 1);
    }

    /// Returns a receiver that hears of every change from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Returns the last event known to be in the journal.
    pub(crate) fn tip(&self) -> Seq {
        self.lock().tip
    }

    /// Tells whether the engine is done with the run.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().is_over
    }

    /// Returns the live text.
    pub(crate) fn live(&self) -> Live {
        let state = self.lock();
        Live { seq: state.tip, from: state.from, text: state.live.clone(), deltas: state.deltas }
    }

    /// Returns where live text ends, and the bytes shown since the last complete turn.
    pub(crate) fn position(&self) -> (Cursor, u64) {
        let state = self.lock();
        (Cursor { seq: state.tip, off: state.from + state.live.len() as u64 }, state.shown)
    }

    /// Returns the number after the last aside.
    pub(crate) fn asides_end(&self) -> u64 {
        let state = self.lock();
        state.asides_before + state.asides.len() as u64
    }

    /// Returns the asides from number `from` on that are still there, and the number after them.
    pub(crate) fn asides(&self, from: u64) -> (Vec<Aside>, u64) {
        let state = self.lock();
        let known = usize::try_from(from.saturating_sub(state.asides_before)).unwrap_or(usize::MAX);
        let end = state.asides_before + state.asides.len() as u64;
        (state.asides.iter().skip(known).cloned().collect(), end)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn observe(&mut self, update: &RunUpdate) {
        self.is_known = true;
        let Cursor { seq, off } = update.cursor;
        if seq > self.tip {
            self.tip = seq;
            self.live.clear();
            self.from = 0;
        }
        match &update.change {
            Change::TextDelta(text) => self.text(seq, off, text),
            Change::TextReplaced(text) => {
                self.live.clear();
                self.from = off;
                self.shown = text.len() as u64;
            }
            Change::TurnCompleted(_) => self.shown = 0,
            Change::ThinkingDelta(text) => self.aside("thinking", json!({ "delta": text })),
            Change::Phase(phase) => self.aside("run_status", json!({ "phase": phase.as_str() })),
            Change::ToolProgress { call, progress } => match progress {
                Progress::Output { text } => {
                    let data = json!({ "phase": "delta", "toolCallId": call, "output": text, "status": "running" });
                    self.aside("command_output", data);
                }
                Progress::Status { text } => {
                    let data = json!({ "phase": "update", "kind": "tool", "toolCallId": call, "status": "running", "meta": text });
                    self.aside("item", data);
                }
            },
            Change::Compacting => self.aside("compaction", compacting()),
            Change::NotCompacted { reason } => self.aside("compaction", not_compacted(reason)),
            Change::Ended(_) | Change::Carried(_) => self.is_over = true,
            Change::Accepted
            | Change::EntryAdded(_)
            | Change::Started
            | Change::ModelSelected(_)
            | Change::ToolStarted(_)
            | Change::ToolEnded { .. }
            | Change::ApprovalRequested(_)
            | Change::ApprovalResolved { .. }
            | Change::QuestionAsked(_)
            | Change::QuestionAnswered { .. }
            | Change::TextKept
            | Change::Resumed
            | Change::Compacted { .. }
            | Change::Steered { .. } => {}
        }
    }

    fn text(&mut self, seq: Seq, off: u64, text: &str) {
        let start = off.saturating_sub(text.len() as u64);
        self.shown += text.len() as u64;
        self.deltas += 1;
        if seq < self.tip {
            return;
        }
        if self.from + self.live.len() as u64 != start {
            self.live.clear();
            self.from = start;
        }
        self.live.push_str(text);
        if self.live.len() > LIVE_BYTES_MAX {
            let cut = self.live.ceil_char_boundary(self.live.len() - LIVE_BYTES_MAX);
            self.live.drain(..cut);
            self.from += cut as u64;
        }
    }

    fn aside(&mut self, stream: &'static str, data: Value) {
        if self.asides.len() >= ASIDES_MAX {
            self.asides.pop_front();
            self.asides_before += 1;
        }
        self.asides.push_back(Aside { stream, data });
    }
}
