//! Who runs now, what ended lately, and who waits for it.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use openclaw_domain::run::{ActiveRun, Outcome, Source, Status};
use openclaw_domain::{RunId, SessionKey, Timestamp};
use tokio::sync::watch;

use crate::children::Name;

/// Outcomes kept in memory for late askers; older ones are in the journal.
const ENDED_MAX: usize = 1024;

/// A live run as others see it.
pub(crate) struct Live {
    id: RunId,
    session: SessionKey,
    source: Source,
    accepted_at: Timestamp,
    seen: Mutex<Seen>,
    ended: watch::Sender<Option<Arc<Outcome>>>,
}

struct Seen {
    status: Status,
    partial: String,
}

impl Live {
    /// Changes the shown status.
    pub(crate) fn set_status(&self, status: Status) {
        self.lock().status = status;
    }

    /// Adds streamed text.
    pub(crate) fn push_text(&self, text: &str) {
        self.lock().partial.push_str(text);
    }

    /// Drops the streamed text: the turn is complete or void.
    pub(crate) fn clear_text(&self) {
        self.lock().partial.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self) -> ActiveRun {
        let seen = self.lock();
        ActiveRun {
            id: self.id.clone(),
            session: self.session.clone(),
            status: seen.status,
            accepted_at: self.accepted_at,
            partial_text: seen.partial.clone(),
            source: self.source,
        }
    }
}

/// The registry of live and lately ended runs.
#[derive(Default)]
pub(crate) struct Waiters {
    inner: Mutex<Inner>,
    /// How often a run began or ended.
    changes: AtomicU64,
}

#[derive(Default)]
struct Inner {
    live: HashMap<Name, Arc<Live>>,
    ended: HashMap<Name, Arc<Outcome>>,
    order: VecDeque<Name>,
}

/// What is known about a run.
pub(crate) enum Known {
    /// It lives; the receiver tells when it ends.
    Live(watch::Receiver<Option<Arc<Outcome>>>),
    /// It ended.
    Ended(Arc<Outcome>),
}

impl Waiters {
    /// Registers a run. One that waits keeps its place, and those who wait for it.
    pub(crate) fn begin(
        &self,
        id: &RunId,
        session: &SessionKey,
        source: Source,
        status: Status,
        accepted_at: Timestamp,
    ) -> Arc<Live> {
        let mut inner = self.lock();
        let live = inner.live.entry((session.clone(), id.clone())).or_insert_with(|| {
            let seen = Mutex::new(Seen { status, partial: String::new() });
            let ended = watch::channel(None).0;
            Arc::new(Live { id: id.clone(), session: session.clone(), source, accepted_at, seen, ended })
        });
        let live = live.clone();
        metrics::gauge!(crate::metrics::RUNS_ACTIVE).set(count(inner.live.len()));
        drop(inner);
        self.changes.fetch_add(1, Ordering::Relaxed);
        live.set_status(status);
        live
    }

    /// Records the end and wakes whoever waits.
    pub(crate) fn end(&self, id: &RunId, session: &SessionKey, outcome: Arc<Outcome>) {
        let name = (session.clone(), id.clone());
        let mut inner = self.lock();
        let live = inner.live.remove(&name);
        metrics::gauge!(crate::metrics::RUNS_ACTIVE).set(count(inner.live.len()));
        if inner.ended.insert(name.clone(), outcome.clone()).is_none() {
            inner.order.push_back(name);
        }
        if inner.order.len() > ENDED_MAX
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.ended.remove(&oldest);
        }
        drop(inner);
        self.changes.fetch_add(1, Ordering::Relaxed);
        if let Some(live) = live {
            live.ended.send_replace(Some(outcome));
        }
    }

    /// Drops a run that another process works on now: whoever waits is told to ask again.
    pub(crate) fn forget(&self, id: &RunId, session: &SessionKey) {
        let mut inner = self.lock();
        inner.live.remove(&(session.clone(), id.clone()));
        metrics::gauge!(crate::metrics::RUNS_ACTIVE).set(count(inner.live.len()));
    }

    /// Returns how often a run began or ended.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Tells whether any run has begun and not ended.
    pub(crate) fn is_working(&self) -> bool {
        self.lock().live.values().any(|live| live.lock().status != Status::Queued)
    }

    /// Tells whether this run has begun and not ended.
    pub(crate) fn works(&self, session: &SessionKey, id: &RunId) -> bool {
        let inner = self.lock();
        let live = inner.live.get(&(session.clone(), id.clone()));
        live.is_some_and(|live| live.lock().status != Status::Queued)
    }

    /// Returns what is known about a run, of this session when one is named.
    pub(crate) fn find(&self, session: Option<&SessionKey>, id: &RunId) -> Option<Known> {
        let inner = self.lock();
        let fits = |name: &&Name| name.1 == *id && session.is_none_or(|wanted| *wanted == name.0);
        if let Some(name) = inner.live.keys().find(fits) {
            return inner.live.get(name).map(|live| Known::Live(live.ended.subscribe()));
        }
        let name = inner.order.iter().rev().find(fits)?;
        inner.ended.get(name).map(|outcome| Known::Ended(outcome.clone()))
    }

    /// Returns where a live run is in its life.
    pub(crate) fn status(&self, name: &Name) -> Option<Status> {
        let live = self.lock().live.get(name).cloned();
        live.map(|live| live.lock().status)
    }

    /// Lists live runs, oldest first.
    pub(crate) fn list(&self, session: Option<&SessionKey>) -> Vec<ActiveRun> {
        let live: Vec<Arc<Live>> = self.lock().live.values().cloned().collect();
        let fits = |run: &ActiveRun| session.is_none_or(|wanted| *wanted == run.session);
        let mut runs: Vec<ActiveRun> = live.iter().map(|live| live.show()).filter(fits).collect();
        runs.sort_by(|a, b| (a.accepted_at, a.id.as_str()).cmp(&(b.accepted_at, b.id.as_str())));
        runs
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::MAX, f64::from)
}
