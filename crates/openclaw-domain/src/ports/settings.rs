//! Port: the configuration, for surfaces.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::settings::{Error, Snapshot, Write, Written};

/// Shows and changes the configuration. Production: `app::settings`.
#[async_trait]
pub trait Settings: Send + Sync {
    /// Returns the configuration in force.
    fn current(&self) -> Arc<Snapshot>;

    /// Returns the JSON schema of the configuration.
    fn schema(&self) -> Value;

    /// Writes a change, validated as a whole before it reaches the disk.
    ///
    /// # Errors
    /// See [`Error`]; the file is unchanged then.
    async fn write(&self, write: Write) -> Result<Written, Error>;
}
