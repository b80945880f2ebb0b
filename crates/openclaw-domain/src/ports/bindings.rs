//! Port: which session a chat thread speaks to.

use async_trait::async_trait;

use crate::binding::{Binding, Thread};
use crate::fault::Fault;
use crate::ids::SessionKey;

/// Binds chat threads to sessions. Production: `agent::ThreadBindings`.
#[async_trait]
pub trait Bindings: Send + Sync {
    /// Binds a thread, in place of what it was bound to.
    ///
    /// # Errors
    /// `Denied` when bindings are switched off, `Unavailable` when there are too
    /// many or the store fails.
    async fn bind(&self, thread: Thread, session: SessionKey) -> Result<Binding, Fault>;

    /// Returns the session a thread is bound to, and notes that it was used.
    ///
    /// # Errors
    /// When the store fails.
    async fn resolve(&self, thread: &Thread) -> Result<Option<Binding>, Fault>;

    /// Ends a binding; false when there was none.
    ///
    /// # Errors
    /// When the store fails.
    async fn unbind(&self, thread: &Thread) -> Result<bool, Fault>;

    /// Lists what is bound, of one session when it is named.
    ///
    /// # Errors
    /// When the store fails.
    async fn list(&self, session: Option<&SessionKey>) -> Result<Vec<Binding>, Fault>;
}
