//! Port: which parts of conversations are shown as summaries.

use async_trait::async_trait;

use super::RecordError as Error;
use crate::compaction::{Compaction, Kept};
use crate::ids::{SessionId, SessionKey, Timestamp};

/// Keeps compactions. Production: `store::sqlite`. Those that a run made are
/// kept by [`Journal::append`](super::Journal::append), in the transaction of
/// their event. No call here changes a turn.
#[async_trait]
pub trait Compactions: Send + Sync {
    /// Returns the newest compaction of the current conversation that was not undone.
    ///
    /// # Errors
    /// When the store fails.
    async fn current(&self, key: &SessionKey) -> Result<Option<Kept>, Error>;

    /// Lists the compactions of the current conversation, newest first, undone ones included.
    ///
    /// # Errors
    /// When the store fails.
    async fn history(&self, key: &SessionKey, limit: usize) -> Result<Vec<Kept>, Error>;

    /// Keeps a compaction that was asked for by hand.
    ///
    /// # Errors
    /// [`Error::Stale`] when the session has another conversation by now.
    async fn keep(
        &self,
        key: &SessionKey,
        conversation: &SessionId,
        compaction: Compaction,
        at: Timestamp,
    ) -> Result<Kept, Error>;

    /// Takes a compaction back: the turns are shown again. Undoing twice changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the current conversation has no such compaction.
    async fn undo(&self, key: &SessionKey, id: u64, by: &str, at: Timestamp) -> Result<Kept, Error>;
}
