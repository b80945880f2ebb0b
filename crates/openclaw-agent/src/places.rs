//! How many runs there may be at once, and who has a place.
//!
//! A run holds its place while it works. While it waits for other runs it gives
//! the place back, so that runs which wait for runs cannot fill all places and
//! wait for each other for ever. Places are given in the order they were asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use openclaw_domain::runtime::{Concurrency, Runtime};
use openclaw_domain::{AgentId, SessionKey};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Begins the name of a session that works on a pool task: `pool:<task>:<n>`.
pub(crate) const POOL_SESSION: &str = "pool:";

/// All places of an engine.
pub(crate) struct Places {
    limits: Concurrency,
    runs: Arc<Semaphore>,
    pool: Arc<Semaphore>,
    /// Places of one task, while somebody holds or wants them.
    tasks: Mutex<HashMap<String, Weak<Semaphore>>>,
    /// Places of an agent's instances, with their number.
    agents: Mutex<HashMap<AgentId, (usize, Arc<Semaphore>)>>,
}

impl Places {
    /// Makes the places; every limit is at least one.
    pub(crate) fn new(limits: Concurrency) -> Self {
        let limits = Concurrency {
            runs_max: limits.runs_max.clamp(1, Semaphore::MAX_PERMITS),
            pool_max: limits.pool_max.clamp(1, Semaphore::MAX_PERMITS),
            task_max: limits.task_max.clamp(1, Semaphore::MAX_PERMITS),
            ..limits
        };
        let semaphore = |places| Arc::new(Semaphore::new(places));
        Self {
            limits,
            runs: semaphore(limits.runs_max),
            pool: semaphore(limits.pool_max),
            tasks: Mutex::default(),
            agents: Mutex::default(),
        }
    }

    /// Returns the limits in force.
    pub(crate) fn limits(&self) -> &Concurrency {
        &self.limits
    }

    /// Returns what a run of a session needs, in the order in which it is taken.
    /// The order is the same for all, so that nobody holds what another needs
    /// while waiting for what that other holds.
    pub(crate) fn of(&self, session: &SessionKey, runtime: &Runtime) -> Seat {
        let mut gates = Vec::new();
        let task = session.rest().strip_prefix(POOL_SESSION);
        if let Some(task) = task {
            gates.push(self.task(task.rsplit_once(':').map_or(task, |(task, _)| task)));
            gates.push(self.pool.clone());
        }
        match runtime {
            Runtime::ThreadBound(terms) => gates.push(self.agent(session.agent(), terms.concurrent_max)),
            Runtime::SessionBound if task.is_none() => gates.push(self.runs.clone()),
            Runtime::SessionBound => {}
        }
        Seat { gates, is_pooled: task.is_some() }
    }

    fn task(&self, name: &str) -> Arc<Semaphore> {
        let mut tasks = lock(&self.tasks);
        if let Some(known) = tasks.get(name).and_then(Weak::upgrade) {
            return known;
        }
        tasks.retain(|_, semaphore| semaphore.strong_count() > 0);
        let made = Arc::new(Semaphore::new(self.limits.task_max));
        tasks.insert(name.to_owned(), Arc::downgrade(&made));
        made
    }

    /// A changed limit counts for those who ask from now on.
    fn agent(&self, agent: &AgentId, places: usize) -> Arc<Semaphore> {
        let places = places.clamp(1, Semaphore::MAX_PERMITS);
        let mut agents = lock(&self.agents);
        match agents.get(agent) {
            Some((number, semaphore)) if *number == places => semaphore.clone(),
            Some(_) | None => {
                let made = Arc::new(Semaphore::new(places));
                agents.insert(agent.clone(), (places, made.clone()));
                made
            }
        }
    }
}

/// What a run needs before it may work.
#[derive(Clone)]
pub(crate) struct Seat {
    gates: Vec<Arc<Semaphore>>,
    is_pooled: bool,
}

impl Seat {
    /// Takes the place if it is free and nobody waits for it.
    pub(crate) fn try_take(&self) -> Option<Arc<Place>> {
        let mut held = Vec::with_capacity(self.gates.len());
        for gate in &self.gates {
            held.push(gate.clone().try_acquire_owned().ok()?);
        }
        Some(Place::new(self.clone(), Taken::new(held, self.is_pooled)))
    }

    /// Waits for the place.
    pub(crate) async fn take(self) -> Arc<Place> {
        let held = self.acquire().await;
        Place::new(self, held)
    }

    async fn acquire(&self) -> Taken {
        let mut held = Vec::with_capacity(self.gates.len());
        for gate in &self.gates {
            // The semaphores are never closed, so this only ever waits.
            held.extend(gate.clone().acquire_owned().await);
        }
        Taken::new(held, self.is_pooled)
    }
}

/// Permits that are held, and counted where people look.
struct Taken {
    _permits: Vec<OwnedSemaphorePermit>,
    is_pooled: bool,
}

impl Taken {
    fn new(permits: Vec<OwnedSemaphorePermit>, is_pooled: bool) -> Self {
        if is_pooled {
            metrics::gauge!(crate::metrics::POOL_ACTIVE).increment(1.0);
        }
        Self { _permits: permits, is_pooled }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.is_pooled {
            metrics::gauge!(crate::metrics::POOL_ACTIVE).decrement(1.0);
        }
    }
}

/// A place that a run has. Dropping it gives it back.
pub(crate) struct Place {
    seat: Seat,
    state: Mutex<Held>,
}

struct Held {
    /// `None` while the place is given back.
    permits: Option<Taken>,
    /// Calls of the run that wait for other runs.
    waiting: usize,
}

impl Place {
    fn new(seat: Seat, permits: Taken) -> Arc<Self> {
        Arc::new(Self { seat, state: Mutex::new(Held { permits: Some(permits), waiting: 0 }) })
    }

    /// Gives the place back until the returned value is dropped and
    /// [`Place::regain`] was called.
    pub(crate) fn lend(self: &Arc<Self>) -> Lent {
        let mut state = lock(&self.state);
        state.waiting += 1;
        state.permits = None;
        drop(state);
        Lent(self.clone())
    }

    /// Takes the place again, unless a call of the run still waits for others.
    pub(crate) async fn regain(&self) {
        if self.needs_nothing() {
            return;
        }
        let permits = self.seat.acquire().await;
        let mut state = lock(&self.state);
        if state.waiting == 0 && state.permits.is_none() {
            state.permits = Some(permits);
        }
    }

    fn needs_nothing(&self) -> bool {
        let state = lock(&self.state);
        state.waiting > 0 || state.permits.is_some()
    }
}

/// Says that a call waits for other runs.
pub(crate) struct Lent(Arc<Place>);

impl Drop for Lent {
    fn drop(&mut self) {
        lock(&self.0.state).waiting -= 1;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use openclaw_domain::runtime::ThreadBound;

    use super::*;

    fn places() -> Places {
        Places::new(Concurrency { runs_max: 1, pool_max: 2, task_max: 1, ..Concurrency::default() })
    }

    fn seat(places: &Places, session: &str) -> Seat {
        places.of(&session.parse().unwrap(), &Runtime::SessionBound)
    }

    #[test]
    fn sessions_share_the_places_and_pool_tasks_have_their_own() {
        let places = places();
        let first = seat(&places, "agent:main:a").try_take().unwrap();
        assert!(seat(&places, "agent:main:b").try_take().is_none());
        let task = seat(&places, "agent:main:pool:t1:0").try_take().unwrap();
        assert!(seat(&places, "agent:main:pool:t1:1").try_take().is_none(), "one run per task here");
        let _other = seat(&places, "agent:main:pool:t2:0").try_take().unwrap();
        assert!(seat(&places, "agent:main:pool:t3:0").try_take().is_none(), "the pool is full");
        drop((first, task));
        assert!(seat(&places, "agent:main:b").try_take().is_some());
        assert!(seat(&places, "agent:main:pool:t1:1").try_take().is_some());
    }

    #[test]
    fn an_agents_instances_are_counted_by_agent() {
        let places = places();
        let own = Runtime::ThreadBound(ThreadBound { concurrent_max: 1, ..ThreadBound::default() });
        let of = |session: &str| places.of(&session.parse().unwrap(), &own).try_take();
        let _first = of("agent:a:x").unwrap();
        assert!(of("agent:a:y").is_none());
        assert!(of("agent:b:x").is_some());
    }

    #[tokio::test]
    async fn a_lent_place_is_free_for_others_until_it_is_regained() {
        let places = places();
        let seat = seat(&places, "agent:main:a");
        let place = seat.try_take().unwrap();
        let (one, two) = (place.lend(), place.lend());
        let other = seat.try_take().unwrap();
        drop(one);
        // A second call of the run still waits, so the place is not wanted yet.
        place.regain().await;
        drop(two);
        let regained = place.clone();
        let task = tokio::spawn(async move { regained.regain().await });
        tokio::task::yield_now().await;
        assert!(!task.is_finished(), "the other has the place");
        drop(other);
        task.await.unwrap();
        assert!(seat.try_take().is_none());
    }
}
