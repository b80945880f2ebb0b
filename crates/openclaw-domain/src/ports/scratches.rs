//! Port: the folders and programs of instances that serve one request.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Files, Processes};
use crate::fault::Fault;
use crate::ids::{AgentId, InstanceId};
use crate::scratch::{Bounds, Captured, KeptFile};

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

    /// Tells whether there is a folder of an instance, open or not. One that was
    /// being restored when the program ended is not there.
    ///
    /// # Errors
    /// When that cannot be found out.
    async fn holds(&self, instance: &InstanceId) -> Result<bool, Fault>;

    /// Reads the files of an instance, as far as the bounds let it. Links are
    /// not followed. Programs go on meanwhile: a file that one writes is kept
    /// as a crash at that moment could leave it.
    ///
    /// # Errors
    /// `NotFound` when there is no folder.
    async fn capture(&self, instance: &InstanceId, bounds: &Bounds) -> Result<Captured, Fault>;

    /// Makes the folder of an instance with these files in it, all of them or,
    /// when it fails or the program ends meanwhile, nothing. A folder that is
    /// there is newer than anything kept: it stays as it is, and the answer is
    /// false. `remark` is told by [`Scratches::open`] as long as the folder lives.
    ///
    /// # Errors
    /// When the folder cannot be made.
    async fn restore(&self, instance: &InstanceId, keeping: Keeping, restored: Restored) -> Result<bool, Fault>;

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
    /// What whoever works in it must know of its files: that they were put
    /// back, and what is missing.
    pub remark: Option<String>,
}

/// A folder to be made anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// Its files.
    pub files: Vec<KeptFile>,
    /// See [`Scratch::remark`].
    pub remark: Option<String>,
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
