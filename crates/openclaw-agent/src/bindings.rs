//! Which session a chat thread speaks to (C1 b).
//!
//! This is what "thread-bound" means to people in a chat: what is said in a
//! thread goes to one session until the binding is ended, lies idle or grows too
//! old. It has nothing to do with instances. Bindings are read once and written
//! through; a binding that is over counts as none and is removed when it is met.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use openclaw_domain::binding::{Binding, Terms, Thread};
use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::{Bindings, Clock, RecordError, Variables};
use openclaw_domain::session::Scope;
use openclaw_domain::{AgentId, SessionKey};
use tokio::sync::{Mutex, MutexGuard};

use crate::keys;

/// Most bindings at once.
const BINDINGS_MAX: usize = 1000;

/// Longest part of a thread's name, in bytes.
const PART_BYTES_MAX: usize = 256;

/// The use of a binding is written down at most this often.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// Where bindings are kept. Configured ids never begin with an underscore, so
/// no agent has this one.
const SCOPE: &str = "_thread-bindings";

type Table = HashMap<Thread, Binding>;

/// The production [`Bindings`].
pub struct ThreadBindings {
    variables: Arc<dyn Variables>,
    clock: Arc<dyn Clock>,
    terms: RwLock<Terms>,
    /// `None` until first used. A lock across writes: the table and the store
    /// change together, and there are few changes.
    table: Mutex<Option<Table>>,
}

impl ThreadBindings {
    /// Makes the table; nothing is read yet.
    pub fn new(variables: Arc<dyn Variables>, clock: Arc<dyn Clock>, terms: Terms) -> Self {
        Self { variables, clock, terms: RwLock::new(terms), table: Mutex::default() }
    }

    /// Takes over changed terms; they count for all bindings at once.
    pub fn replace(&self, terms: Terms) {
        *self.terms.write().unwrap_or_else(PoisonError::into_inner) = terms;
    }

    fn terms(&self) -> Terms {
        *self.terms.read().unwrap_or_else(PoisonError::into_inner)
    }

    async fn table(&self) -> Result<MutexGuard<'_, Option<Table>>, Fault> {
        let mut table = self.table.lock().await;
        if table.is_none() {
            let kept = self.variables.list(&scope()?).await.map_err(|error| store(&error))?;
            let bindings = kept.into_iter().filter_map(|(_, value)| serde_json::from_value::<Binding>(value).ok());
            *table = Some(bindings.map(|binding| (binding.thread.clone(), binding)).collect());
        }
        Ok(table)
    }

    async fn write(&self, thread: &Thread, binding: Option<&Binding>) -> Result<(), Fault> {
        let value = binding.map(serde_json::to_value).transpose();
        let value = value.map_err(|error| Fault::new(Kind::Bug, format!("a binding cannot be written: {error}")))?;
        let name = keys::digest(&[&thread.channel, &thread.account, &thread.thread]);
        let written = self.variables.set(&scope()?, &name, value, self.clock.now()).await;
        written.map_err(|error| store(&error))
    }

    /// Removes what is over, so that it does not count against the limit.
    async fn prune(&self, table: &mut Table) -> Result<(), Fault> {
        let (terms, now) = (self.terms(), self.clock.now());
        let over: Vec<Thread> =
            table.values().filter(|it| it.is_over(&terms, now)).map(|it| it.thread.clone()).collect();
        for thread in over {
            self.write(&thread, None).await?;
            table.remove(&thread);
        }
        Ok(())
    }
}

#[async_trait]
impl Bindings for ThreadBindings {
    async fn bind(&self, thread: Thread, session: SessionKey) -> Result<Binding, Fault> {
        if !self.terms().is_enabled {
            let fault = Fault::new(Kind::Denied, "chat threads are not bound to sessions here");
            return Err(fault.hint("openclaw config set session.threadBindings.enabled true"));
        }
        check(&thread)?;
        let mut guard = self.table().await?;
        let table = guard.get_or_insert_default();
        self.prune(table).await?;
        if table.len() >= BINDINGS_MAX && !table.contains_key(&thread) {
            let fault = Fault::new(Kind::Unavailable, format!("{BINDINGS_MAX} threads are bound already"));
            return Err(fault.hint("end those that are not needed with sessions.unbind"));
        }
        let now = self.clock.now();
        let binding = Binding { thread: thread.clone(), session, bound_at: now, used_at: now };
        self.write(&thread, Some(&binding)).await?;
        table.insert(thread, binding.clone());
        Ok(binding)
    }

    async fn resolve(&self, thread: &Thread) -> Result<Option<Binding>, Fault> {
        let (terms, now) = (self.terms(), self.clock.now());
        if !terms.is_enabled {
            return Ok(None);
        }
        let mut guard = self.table().await?;
        let table = guard.get_or_insert_default();
        let Some(binding) = table.get_mut(thread) else { return Ok(None) };
        if binding.is_over(&terms, now) {
            self.write(thread, None).await?;
            table.remove(thread);
            return Ok(None);
        }
        let used = Binding { used_at: now, ..binding.clone() };
        if now.since(binding.used_at) >= NOTE_EVERY {
            self.write(thread, Some(&used)).await?;
            *binding = used.clone();
        }
        Ok(Some(used))
    }

    async fn unbind(&self, thread: &Thread) -> Result<bool, Fault> {
        let mut guard = self.table().await?;
        let table = guard.get_or_insert_default();
        if !table.contains_key(thread) {
            return Ok(false);
        }
        self.write(thread, None).await?;
        table.remove(thread);
        Ok(true)
    }

    async fn list(&self, session: Option<&SessionKey>) -> Result<Vec<Binding>, Fault> {
        let (terms, now) = (self.terms(), self.clock.now());
        let mut guard = self.table().await?;
        let table = guard.get_or_insert_default();
        let fits = |it: &&Binding| !it.is_over(&terms, now) && session.is_none_or(|wanted| *wanted == it.session);
        let mut all: Vec<Binding> = table.values().filter(fits).cloned().collect();
        all.sort_by(|a, b| a.thread.cmp(&b.thread));
        Ok(all)
    }
}

fn check(thread: &Thread) -> Result<(), Fault> {
    let parts = [("channel", &thread.channel, 1), ("account", &thread.account, 0), ("thread", &thread.thread, 1)];
    for (name, part, least) in parts {
        if part.len() < least || part.len() > PART_BYTES_MAX || part.chars().any(char::is_control) {
            let text = format!("{name} must be {least} to {PART_BYTES_MAX} bytes of printable text");
            return Err(Fault::new(Kind::User, text));
        }
    }
    Ok(())
}

fn scope() -> Result<Scope, Fault> {
    let agent: Result<AgentId, _> = SCOPE.parse();
    agent.map(Scope::Agent).map_err(|error| Fault::new(Kind::Bug, error.to_string()))
}

fn store(error: &RecordError) -> Fault {
    Fault::new(Kind::Unavailable, error.to_string())
}
