//! Compactions in memory.

use async_trait::async_trait;
use openclaw_domain::compaction::{Compaction, Kept, Undone};
use openclaw_domain::ids::{RunId, SessionId, SessionKey, Timestamp};
use openclaw_domain::ports::{Compactions, RecordError as Error};

use super::{Lane, Store};

#[async_trait]
impl Compactions for Store {
    async fn current(&self, key: &SessionKey) -> Result<Option<Kept>, Error> {
        Ok(self.history(key, usize::MAX).await?.into_iter().find(|kept| kept.undone.is_none()))
    }

    async fn history(&self, key: &SessionKey, limit: usize) -> Result<Vec<Kept>, Error> {
        let mut state = self.state();
        let Some(lane) = state.lane(key) else { return Ok(Vec::new()) };
        let current = lane.compactions.iter().rev().filter(|(conversation, _)| *conversation == lane.session.id);
        Ok(current.map(|(_, kept)| kept.clone()).take(limit).collect())
    }

    async fn keep(
        &self,
        key: &SessionKey,
        conversation: &SessionId,
        compaction: Compaction,
        at: Timestamp,
    ) -> Result<Kept, Error> {
        let mut state = self.state();
        let none = || Error::NotFound { what: "session", name: key.to_string() };
        let lane = state.lane(key).ok_or_else(none)?;
        if lane.session.id != *conversation {
            return Err(Error::Stale(format!("session {key}")));
        }
        Ok(lane.compact(None, compaction, at))
    }

    async fn undo(&self, key: &SessionKey, id: u64, by: &str, at: Timestamp) -> Result<Kept, Error> {
        let mut state = self.state();
        let none = || Error::NotFound { what: "compaction", name: format!("{id} of session {key}") };
        let lane = state.lane(key).ok_or_else(none)?;
        let current = lane.session.id.clone();
        let mut kept = lane.compactions.iter_mut().filter(|(conversation, _)| *conversation == current);
        let (_, kept) = kept.find(|(_, kept)| kept.id == id).ok_or_else(none)?;
        kept.undone.get_or_insert_with(|| Undone { by: by.to_owned(), at });
        Ok(kept.clone())
    }
}

impl Lane {
    /// Keeps a compaction of the current conversation.
    pub(super) fn compact(&mut self, run: Option<&RunId>, compaction: Compaction, at: Timestamp) -> Kept {
        let id = self.compactions.len() as u64 + 1;
        let kept = Kept { id, run: run.cloned(), compaction, at, undone: None };
        self.compactions.push((self.session.id.clone(), kept.clone()));
        kept
    }
}
