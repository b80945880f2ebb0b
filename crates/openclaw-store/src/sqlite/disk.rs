//! The disk below the database: the operating system's, or one that a test cuts the power of.
//!
//! SQLite reaches it through a virtual file system; what is done to whole files
//! beside SQLite goes through here as well, and is told to a watcher before it
//! is done, because a test disk must know every change to decide what survives.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs, io};

use rusqlite::{Connection, OpenFlags};

/// Which disk the database is on. The default is the operating system's.
#[derive(Clone, Default)]
pub struct Disk {
    /// Name of a virtual file system that SQLite knows; `None`: its own.
    vfs: Option<String>,
    watcher: Option<Watcher>,
}

/// Is told what is about to be done to a whole file.
pub type Watcher = Arc<dyn Fn(&FileChange) + Send + Sync>;

/// What is about to be done to a whole file, beside SQLite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileChange {
    /// Its content is synced.
    Sync(PathBuf),
    /// The names in its folder are synced.
    SyncFolder(PathBuf),
    /// It gets the second name, taking it from whoever has it.
    Rename(PathBuf, PathBuf),
    /// It gets the second name besides its own.
    Link(PathBuf, PathBuf),
    /// It is removed.
    Remove(PathBuf),
}

impl Disk {
    /// Makes the disk behind a virtual file system that was registered with SQLite.
    pub fn of(vfs: impl Into<String>, watcher: Watcher) -> Self {
        Self { vfs: Some(vfs.into()), watcher: Some(watcher) }
    }

    /// Opens a database that is there. For writing too, because even a reader of
    /// a write-ahead log must be able to make its index.
    pub(super) fn open(&self, path: &Path) -> rusqlite::Result<Connection> {
        // A connection belongs to one thread, so SQLite need not lock it at every call.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);
        match &self.vfs {
            Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str()),
            None => Connection::open_with_flags(path, flags),
        }
    }

    /// Makes a file's content survive a power cut.
    pub(super) fn sync(&self, path: &Path) -> io::Result<()> {
        if self.tell(|| FileChange::Sync(path.to_owned())) { Ok(()) } else { fs::File::open(path)?.sync_all() }
    }

    /// Makes the names beside a file survive a power cut.
    pub(super) fn sync_folder_of(&self, path: &Path) -> io::Result<()> {
        let Some(folder) = path.parent() else { return Ok(()) };
        if self.tell(|| FileChange::SyncFolder(folder.to_owned())) {
            return Ok(());
        }
        fs::File::open(folder)?.sync_all()
    }

    /// Gives a file the name of another, in one step.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.tell(|| FileChange::Rename(from.to_owned(), to.to_owned()));
        fs::rename(from, to)
    }

    /// Gives a file a second name.
    pub(super) fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.tell(|| FileChange::Link(from.to_owned(), to.to_owned()));
        fs::hard_link(from, to)
    }

    /// Removes a file.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        self.tell(|| FileChange::Remove(path.to_owned()));
        fs::remove_file(path)
    }

    /// Tells the watcher; false when there is none. A disk that is watched
    /// decides itself what survives, so its real files are never synced.
    fn tell(&self, change: impl FnOnce() -> FileChange) -> bool {
        self.watcher.as_ref().inspect(|watcher| watcher(&change())).is_some()
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("vfs", &self.vfs).finish_non_exhaustive()
    }
}
