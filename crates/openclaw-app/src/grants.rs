//! Standing permissions: stored, and known to the gate at once.

use std::sync::Arc;

use async_trait::async_trait;
use openclaw_domain::approval::Grant;
use openclaw_domain::ports::{Grants, RecordError};
use openclaw_security::Profiles;

/// Keeps the gate's copy of the grants equal to the store.
pub(crate) struct GrantBook {
    store: Arc<dyn Grants>,
    gate: Arc<Profiles>,
}

impl GrantBook {
    /// Makes a book and tells the gate what is stored already.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn open(store: Arc<dyn Grants>, gate: Arc<Profiles>) -> Result<Self, RecordError> {
        let book = Self { store, gate };
        book.refresh().await?;
        Ok(book)
    }

    async fn refresh(&self) -> Result<(), RecordError> {
        self.gate.set_grants(self.store.list().await?);
        Ok(())
    }
}

#[async_trait]
impl Grants for GrantBook {
    async fn list(&self) -> Result<Vec<Grant>, RecordError> {
        self.store.list().await
    }

    async fn add(&self, grant: Grant) -> Result<(), RecordError> {
        self.store.add(grant).await?;
        self.refresh().await
    }

    async fn revoke(&self, id: &str) -> Result<bool, RecordError> {
        let was_there = self.store.revoke(id).await?;
        self.refresh().await?;
        Ok(was_there)
    }
}
