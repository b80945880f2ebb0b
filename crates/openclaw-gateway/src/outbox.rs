//! The outbox of a gateway that sends nothing: it lists nothing and refuses the rest.

use async_trait::async_trait;
use openclaw_domain::Timestamp;
use openclaw_domain::delivery::{DeliveryRecord, DeliveryState};
use openclaw_domain::ports::{Due, JournalError, Outbox, Settled};

/// An outbox with nothing in it.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoOutbox;

#[async_trait]
impl Outbox for NoOutbox {
    async fn take(&self, _owner: &str, _now: Timestamp, _limit: usize) -> Result<Vec<Due>, JournalError> {
        Ok(Vec::new())
    }

    async fn settle(&self, due: &Due, _settled: Settled, _now: Timestamp) -> Result<(), JournalError> {
        Err(JournalError::Store(format!("delivery {} is not known: this gateway keeps no deliveries", due.id)))
    }

    async fn orphaned(&self, _owner: &str, _now: Timestamp) -> Result<Vec<DeliveryRecord>, JournalError> {
        Ok(Vec::new())
    }

    async fn deliveries(
        &self,
        _state: Option<DeliveryState>,
        _limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        Ok(Vec::new())
    }

    async fn retry(&self, _id: u64, _now: Timestamp) -> Result<bool, JournalError> {
        Ok(false)
    }
}
