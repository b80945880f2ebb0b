//! Port: files below one root.

use async_trait::async_trait;
use bytes::Bytes;

use crate::ids::Timestamp;

/// Reads and writes files below one root. Production: `sandbox::files`.
///
/// Paths are relative to the root, with `/`. An absolute path below the root is
/// accepted and made relative. No path leaves the root: `..` above it and
/// symbolic links that point outside are refused (F3, T-36, T-43).
#[async_trait]
pub trait Files: Send + Sync {
    /// Returns the root as people know it.
    fn root(&self) -> &str;

    /// Reads a whole file of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// See [`Error`]; a longer file is [`Error::TooLarge`].
    async fn read(&self, path: &str, bytes_max: u64) -> Result<Bytes, Error>;

    /// Says what a path is.
    ///
    /// # Errors
    /// See [`Error`].
    async fn stat(&self, path: &str) -> Result<Metadata, Error>;

    /// Lists what lies below a path, sorted.
    ///
    /// # Errors
    /// See [`Error`].
    async fn walk(&self, path: &str, walk: &Walk) -> Result<Vec<Found>, Error>;

    /// Makes a change. A write is atomic: readers see the old file or the new one.
    ///
    /// # Errors
    /// See [`Error`].
    async fn change(&self, change: Change) -> Result<(), Error>;
}

/// A change below the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Writes a file, making its folders.
    Write {
        /// The file.
        path: String,
        /// Its whole content.
        content: Bytes,
    },
    /// Moves a file, making the target's folders; refuses to overwrite.
    Rename {
        /// From.
        from: String,
        /// To.
        to: String,
    },
    /// Removes a file, or an empty folder.
    Remove {
        /// The file.
        path: String,
    },
}

/// How to walk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    /// Levels below the path; 0 means no limit.
    pub depth_max: usize,
    /// Only paths that match one of these globs; empty means all.
    pub globs: Vec<String>,
    /// Honour `.gitignore` and skip hidden files.
    pub respect_ignore: bool,
    /// Stop after this many.
    pub entries_max: usize,
}

/// Something found on a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Path relative to the root.
    pub path: String,
    /// What it is.
    pub metadata: Metadata,
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// File, folder or link.
    pub kind: FileKind,
    /// Size in bytes.
    pub bytes: u64,
    /// Last change.
    pub modified_at: Timestamp,
}

/// File, folder or something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A device, socket or pipe.
    Other,
}

/// Why a file operation failed. Messages name the path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such file.
    #[error("{0} does not exist")]
    NotFound(String),
    /// The path leads outside the workspace.
    #[error("{path} is outside the workspace {root}")]
    Outside {
        /// The path as given.
        path: String,
        /// The root.
        root: String,
    },
    /// The file is larger than asked for.
    #[error("{path} is {bytes} bytes, more than the limit of {bytes_max}")]
    TooLarge {
        /// The path.
        path: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// It is something else than needed: a folder where a file should be, a file that exists already.
    #[error("{path} {what}")]
    WrongKind {
        /// The path.
        path: String,
        /// For example `is a folder`.
        what: &'static str,
    },
    /// The system refused.
    #[error("{path}: {message}")]
    Io {
        /// The path.
        path: String,
        /// What the system said.
        message: String,
    },
}

/// Opens the workspace of an agent; the same agent gets the same files.
pub type Workspaces = std::sync::Arc<
    dyn Fn(&crate::ids::AgentId) -> Result<std::sync::Arc<dyn Files>, crate::fault::Fault> + Send + Sync,
>;
