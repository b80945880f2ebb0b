//! Port: the folders and programs of instances that serve one request.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Files, Processes};
use crate::fault::Fault;
use crate::ids::{AgentId, InstanceId};

/// Makes a place of its own for each instance, and takes it away. Production:
/// `sandbox::scratch`.
#[async_trait]
pub trait Scratches: Send + Sync {
    /// Opens the scratch of an instance, made if it is not there. An instance
    /// that was opened before gets the same files.
    ///
    /// # Errors
    /// When the folder cannot be made or opened.
    async fn open(&self, instance: &InstanceId, agent: &AgentId, keeping: Keeping) -> Result<Scratch, Fault>;

    /// Ends the instance's programs at once and waits for them; the files go
    /// unless they are kept. Closing what is closed already is no error.
    ///
    /// # Errors
    /// When files cannot be removed; the programs have ended then.
    async fn close(&self, instance: &InstanceId, keeping: Keeping) -> Result<(), Fault>;

    /// Lists the scratch directories on disk, open or not.
    ///
    /// # Errors
    /// When the folder of all scratch directories cannot be read.
    async fn list(&self) -> Result<Vec<ScratchFolder>, Fault>;
}

/// What becomes of an instance's files when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// They go.
    Destroy,
    /// They stay until somebody removes them.
    Keep,
}

/// Where an instance works.
#[derive(Clone)]
pub struct Scratch {
    /// Absolute path.
    pub path: String,
    /// Files below it.
    pub files: Arc<dyn Files>,
    /// Programs that start in it; lists and reaches only the instance's own.
    pub processes: Arc<dyn Processes>,
}

/// A scratch directory on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScratchFolder {
    /// Whose it is or was.
    pub instance: InstanceId,
    /// Absolute path.
    pub path: String,
    /// Whether it stays when its instance has ended.
    pub keeping: Keeping,
}
