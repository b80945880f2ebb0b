//! The instances that live, and how to reach them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::run::Status;
use openclaw_domain::runtime::{Instance, ThreadBound};
use openclaw_domain::{InstanceId, RunRequest, SessionKey, Timestamp};
use tokio::sync::mpsc;

use super::id_of;
use crate::children::Name;
use crate::driver::Control;
use crate::shared::Shared;

/// Most requests of one agent that wait for a place.
pub(crate) const WAITING_MAX: usize = 1000;

/// An instance, by the request it serves.
pub(crate) struct Known {
    pub(crate) id: InstanceId,
    pub(crate) terms: ThreadBound,
    name: Name,
    accepted_at: Timestamp,
    control: mpsc::Sender<Control>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Whether its request is known to be recorded: it may have an instance
    /// that an earlier process left, until the journal says that it is new.
    is_recorded: bool,
    has_place: bool,
    /// When it ends, on the monotonic clock.
    until: Option<Duration>,
    scratch: Option<String>,
}

impl Known {
    /// Describes the instance of a request.
    pub(crate) fn new(
        shared: &Shared,
        request: &RunRequest,
        terms: ThreadBound,
        control: mpsc::Sender<Control>,
    ) -> Self {
        Self {
            id: id_of(request),
            terms,
            name: (request.session.clone(), request.id.clone()),
            accepted_at: shared.ports.clock.now(),
            control,
            seen: Mutex::default(),
        }
    }

    /// Returns what names the request.
    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// Notes that it works now, in this scratch, until then.
    pub(crate) fn began(&self, scratch: &str, until: Duration) {
        let mut seen = self.seen();
        seen.has_place = true;
        seen.scratch = Some(scratch.to_owned());
        seen.until = Some(until);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, status: Status, now: Duration) -> Instance {
        let seen = self.seen();
        Instance {
            id: self.id.clone(),
            agent: self.name.0.agent().clone(),
            run: self.name.1.clone(),
            session: self.name.0.clone(),
            status,
            accepted_at: self.accepted_at,
            left: seen.until.map(|until| until.saturating_sub(now)),
            scratch: seen.scratch.clone(),
            terms: self.terms,
        }
    }
}

/// All instances of an engine.
#[derive(Default)]
pub(crate) struct Instances {
    live: Mutex<HashMap<Name, Arc<Known>>>,
}

impl Instances {
    /// Enters an instance before its request is recorded; `None` when the
    /// request is here already. Refuses one more than may wait.
    pub(crate) fn reserve(&self, known: &Arc<Known>, has_place: bool) -> Result<Option<Reserved<'_>>, Fault> {
        let mut live = self.live();
        if live.contains_key(&known.name) {
            return Ok(None);
        }
        let agent = known.name.0.agent();
        let waits = |other: &&Arc<Known>| other.name.0.agent() == agent && !other.seen().has_place;
        if !has_place && live.values().filter(waits).count() >= WAITING_MAX {
            let text = format!("agent {agent} has {WAITING_MAX} requests waiting");
            return Err(Fault::new(Kind::Unavailable, text).hint("wait for answers, then try again"));
        }
        known.seen().has_place = has_place;
        live.insert(known.name.clone(), known.clone());
        metrics::gauge!(crate::metrics::INSTANCES).increment(1.0);
        Ok(Some(Reserved { instances: self, known: Some(known.clone()) }))
    }

    /// Enters an instance whose request is recorded; false when the request has
    /// one. It takes the place of an entry of the same request that is being sent
    /// again: that one goes without beginning anything.
    pub(crate) fn keep(&self, known: &Arc<Known>) -> bool {
        let mut live = self.live();
        if live.get(&known.name).is_some_and(|other| other.seen().is_recorded) {
            return false;
        }
        known.seen().is_recorded = true;
        if live.insert(known.name.clone(), known.clone()).is_none() {
            metrics::gauge!(crate::metrics::INSTANCES).increment(1.0);
        }
        true
    }

    /// Takes an instance out that is gone.
    pub(crate) fn forget(&self, name: &Name) {
        if self.live().remove(name).is_some() {
            metrics::gauge!(crate::metrics::INSTANCES).decrement(1.0);
        }
    }

    /// Tells an instance something; false when there is none or it does not listen.
    pub(crate) fn tell(&self, name: &Name, control: Control) -> bool {
        let found = self.live().get(name).cloned();
        found.is_some_and(|known| known.control.try_send(control).is_ok())
    }

    /// Tells whether a request has an instance.
    pub(crate) fn holds(&self, name: &Name) -> bool {
        self.live().contains_key(name)
    }

    /// Lists the requests of a session.
    pub(crate) fn of(&self, session: Option<&SessionKey>) -> Vec<Name> {
        let fits = |name: &&Name| session.is_none_or(|wanted| *wanted == name.0);
        self.live().keys().filter(fits).cloned().collect()
    }

    /// Lists the instances as surfaces show them, oldest first.
    pub(crate) fn list(&self, shared: &Shared) -> Vec<Instance> {
        let now = shared.ports.clock.monotonic();
        let live: Vec<Arc<Known>> = self.live().values().cloned().collect();
        let status = |known: &Known| shared.waiters.status(&known.name).unwrap_or(Status::Queued);
        let mut shown: Vec<Instance> = live.iter().map(|known| known.show(status(known), now)).collect();
        shown.sort_by(|a, b| (a.accepted_at, &a.id).cmp(&(b.accepted_at, &b.id)));
        shown
    }

    fn live(&self) -> MutexGuard<'_, HashMap<Name, Arc<Known>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An entry that goes again unless the request was recorded.
pub(crate) struct Reserved<'a> {
    instances: &'a Instances,
    known: Option<Arc<Known>>,
}

impl Reserved<'_> {
    /// Keeps the entry.
    pub(crate) fn keep(mut self) {
        if let Some(known) = self.known.take() {
            known.seen().is_recorded = true;
        }
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let Some(known) = self.known.take() else { return };
        let mut live = self.instances.live();
        if live.get(&known.name).is_some_and(|other| Arc::ptr_eq(other, &known)) {
            live.remove(&known.name);
            metrics::gauge!(crate::metrics::INSTANCES).decrement(1.0);
        }
    }
}
