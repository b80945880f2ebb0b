//! Port: who watches runs.

use crate::update::RunUpdate;

/// Is told of every change, in order per run. Production: the gateway's hub.
///
/// Called on the engine's tasks: an implementation hands the update on and
/// returns; it never blocks, and it bounds whatever it queues.
pub trait RunObserver: Send + Sync {
    /// Takes note of a change.
    fn observe(&self, update: &RunUpdate);
}
