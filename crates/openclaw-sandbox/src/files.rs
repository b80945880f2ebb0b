//! Files below one folder: the production [`Files`].
//!
//! Every path is resolved from a descriptor of the folder, by the kernel where it
//! can (`openat2` with `RESOLVE_BENEATH`), so `..`, absolute paths, symbolic links
//! and folders swapped during the call cannot lead out. Special files and files
//! with further hard links are refused. Tools reach it through the port; programs
//! get their working directory from it.

mod change;
mod keep;
mod name;
mod read;
mod root;
mod walk;

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use openclaw_domain::ports::{FileChange, FileError, Files, Found, Metadata, Walk};
use openclaw_domain::scratch::{Bounds, Captured, KeptFile};

use self::root::{Reach, Root};

/// A folder that an agent works in.
///
/// Operations run on blocking threads. A dropped walk stops; a dropped write or
/// read is finished and its result thrown away.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: Arc<Root>,
}

impl Workspace {
    /// Opens a folder, made if it is not there, and confines all paths to it. Blocks.
    ///
    /// # Errors
    /// When the folder cannot be made or opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FileError> {
        Ok(Self { root: Arc::new(Root::open(path.as_ref(), Reach::Beneath)?) })
    }

    /// Opens a folder for an owner who switched confinement off: relative paths
    /// start in it, absolute paths reach the machine's files. Blocks.
    ///
    /// # Errors
    /// When the folder cannot be made or opened.
    pub fn unconfined(cwd: impl AsRef<Path>) -> Result<Self, FileError> {
        Ok(Self { root: Arc::new(Root::open(cwd.as_ref(), Reach::Anywhere)?) })
    }

    /// Tells whether paths are confined to the folder.
    pub fn is_confined(&self) -> bool {
        self.root.reach() == Reach::Beneath
    }

    /// Opens a folder to run a program in; the descriptor stays on that folder
    /// whatever is renamed later. Blocks.
    pub(crate) fn folder(&self, path: &str) -> Result<OwnedFd, FileError> {
        let relative = self.root.relative(path)?;
        self.root.open_folder(&relative).map_err(|error| self.root.explain(path, &error))
    }

    /// Reads all files, as far as the bounds let it. Blocks.
    pub(crate) fn capture(&self, bounds: &Bounds) -> Result<Captured, FileError> {
        keep::capture(&self.root, bounds)
    }

    /// Writes files that are not there yet, each synced. Blocks.
    pub(crate) fn write_all(&self, files: &[KeptFile]) -> Result<(), FileError> {
        keep::write_all(&self.root, files)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        path: &str,
        work: impl FnOnce(&Root, &str) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, FileError> {
        let (root, owned) = (Arc::clone(&self.root), path.to_owned());
        let task = tokio::task::spawn_blocking(move || work(&root, &owned));
        task.await.unwrap_or_else(|error| Err(FileError::Io { path: name::shown(path), message: error.to_string() }))
    }
}

/// Tells a walk on a blocking thread that nobody waits for it any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Files for Workspace {
    fn root(&self) -> &str {
        self.root.shown()
    }

    async fn read(&self, path: &str, bytes_max: u64) -> Result<Bytes, FileError> {
        self.blocking(path, move |root, path| read::read(root, path, bytes_max)).await
    }

    async fn stat(&self, path: &str) -> Result<Metadata, FileError> {
        self.blocking(path, read::stat).await
    }

    async fn walk(&self, path: &str, walk: &Walk) -> Result<Vec<Found>, FileError> {
        let stop = StopOnDrop(Arc::default());
        let (flag, walk) = (Arc::clone(&stop.0), walk.clone());
        self.blocking(path, move |root, path| walk::walk(root, path, &walk, &flag)).await
    }

    async fn change(&self, change: FileChange) -> Result<(), FileError> {
        match change {
            FileChange::Write { path, content } => {
                self.blocking(&path, move |root, path| change::write(root, path, &content)).await
            }
            FileChange::Rename { from, to } => {
                self.blocking(&from, move |root, from| change::rename(root, from, &to)).await
            }
            FileChange::Remove { path } => self.blocking(&path, change::remove).await,
        }
    }
}
