//! Bindings of chat threads that never end by themselves.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use openclaw_domain::binding::{Binding, Thread};
use openclaw_domain::ports::Bindings;
use openclaw_domain::{Fault, SessionKey};

use crate::clock::START;

/// Bindings in memory.
#[derive(Default)]
pub struct MemoryBindings {
    table: Mutex<BTreeMap<Thread, Binding>>,
}

impl MemoryBindings {
    fn table(&self) -> MutexGuard<'_, BTreeMap<Thread, Binding>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Bindings for MemoryBindings {
    async fn bind(&self, thread: Thread, session: SessionKey) -> Result<Binding, Fault> {
        let binding = Binding { thread: thread.clone(), session, bound_at: START, used_at: START };
        self.table().insert(thread, binding.clone());
        Ok(binding)
    }

    async fn resolve(&self, thread: &Thread) -> Result<Option<Binding>, Fault> {
        Ok(self.table().get(thread).cloned())
    }

    async fn unbind(&self, thread: &Thread) -> Result<bool, Fault> {
        Ok(self.table().remove(thread).is_some())
    }

    async fn list(&self, session: Option<&SessionKey>) -> Result<Vec<Binding>, Fault> {
        let fits = |it: &&Binding| session.is_none_or(|wanted| *wanted == it.session);
        Ok(self.table().values().filter(fits).cloned().collect())
    }
}
