//! One process per state directory (A1).
//!
//! The lock is the operating system's, on `openclaw.lock`: it ends with the
//! process, however that ends, so nothing has to be cleaned up after a crash.
//! What the file says (pid, port, socket) is for people and for `status`; it is
//! believed only while the lock is held. Crate `app` takes the lock before it
//! opens the store.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use openclaw_domain::ids::Timestamp;
use serde::{Deserialize, Serialize};

/// Name of the lock file below the state directory.
pub const LOCK_FILE: &str = "openclaw.lock";

/// Longest lock file that is read.
const LOCK_BYTES_MAX: u64 = 64 * 1024;

/// A reader of the lock holds it for an instant; a second try tells it from a process.
const TRIES_MAX: u32 = 10;
const TRY_PAUSE: Duration = Duration::from_millis(10);

/// Holds a state directory until it is dropped or the process ends.
#[derive(Debug)]
pub struct StateLock {
    file: File,
    path: PathBuf,
    holder: Holder,
}

/// Who holds a state directory, and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// When it took the lock.
    pub started_at: Timestamp,
    /// The port it serves, once it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The Unix socket it serves, once it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
}

/// Why the state directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("already running as pid {pid}; stop it first, or choose another state directory (lock: {path})")]
    Held {
        /// The process.
        pid: u32,
        /// The lock file.
        path: PathBuf,
    },
    /// Another process has it and has not said which it is.
    #[error("already running: another process holds {path}; stop it first, or choose another state directory")]
    HeldByUnknown {
        /// The lock file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{path}: {source}; check that the state directory is yours and writable")]
    Io {
        /// The lock file or the state directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl StateLock {
    /// Locks a state directory, making it when it is not there. Blocks for at
    /// most a tenth of a second.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process has it.
    pub fn acquire(state_dir: &Path) -> Result<Self, LockError> {
        let path = state_dir.join(LOCK_FILE);
        let io = |source| LockError::Io { path: path.clone(), source };
        let mut file = open(state_dir, &path).map_err(io)?;
        let mut tries = 0;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tries < TRIES_MAX => {
                    tries += 1;
                    std::thread::sleep(TRY_PAUSE);
                }
                Err(TryLockError::WouldBlock) => return Err(held(&mut file, path)),
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
        }
        // The file system's clock stamps the start; this crate has no clock of its own.
        file.set_len(0).and_then(|()| file.write_all(b"\n")).map_err(io)?;
        let started_at = file.metadata().and_then(|metadata| metadata.modified()).map_err(io)?;
        let started_at = started_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_at = Timestamp(i64::try_from(started_at.as_millis()).unwrap_or(i64::MAX));
        let holder = Holder { pid: std::process::id(), started_at, port: None, socket: None };
        let mut lock = Self { file, path, holder };
        lock.write()?;
        Ok(lock)
    }

    /// Writes down how this process can be reached.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn publish(&mut self, port: Option<u16>, socket: Option<&Path>) -> Result<(), LockError> {
        self.holder.port = port;
        self.holder.socket = socket.map(Path::to_owned);
        self.write()
    }

    /// Returns what the lock file says.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    fn write(&mut self) -> Result<(), LockError> {
        let mut write = || -> io::Result<()> {
            let mut text = serde_json::to_vec(&self.holder)?;
            text.push(b'\n');
            self.file.rewind()?;
            self.file.write_all(&text)?;
            self.file.set_len(text.len() as u64)
        };
        write().map_err(|source| LockError::Io { path: self.path.clone(), source })
    }
}

impl Drop for StateLock {
    fn drop(&mut self) {
        // The lock ends with the file; an old text in it is not believed anyway.
        drop(self.file.set_len(0));
    }
}

/// Returns who holds a state directory now; `None` when nobody does.
pub fn read(state_dir: &Path) -> Option<Holder> {
    let mut file = File::open(state_dir.join(LOCK_FILE)).ok()?;
    match file.try_lock_shared() {
        // Nobody holds it: what the file says is about a process that is gone.
        Ok(()) | Err(TryLockError::Error(_)) => None,
        Err(TryLockError::WouldBlock) => parse(&mut file),
    }
}

fn open(state_dir: &Path, path: &Path) -> io::Result<File> {
    let mut folder = fs::DirBuilder::new();
    folder.recursive(true);
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        folder.mode(0o700);
        options.mode(0o600);
    }
    folder.create(state_dir)?;
    options.open(path)
}

fn held(file: &mut File, path: PathBuf) -> LockError {
    match parse(file) {
        Some(holder) => LockError::Held { pid: holder.pid, path },
        None => LockError::HeldByUnknown { path },
    }
}

fn parse(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(LOCK_BYTES_MAX).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_the_pid_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let _first = StateLock::acquire(folder.path()).unwrap();
        let error = StateLock::acquire(folder.path()).unwrap_err();
        let expected = format!("already running as pid {}", std::process::id());
        assert!(error.to_string().starts_with(&expected), "{error}");
    }

    #[test]
    fn what_is_published_is_read_while_the_lock_is_held_and_not_after() {
        let folder = tempfile::tempdir().unwrap();
        let mut lock = StateLock::acquire(folder.path()).unwrap();
        lock.publish(Some(18789), Some(Path::new("/run/a-rather-long-name-of-a-socket.sock"))).unwrap();
        assert_eq!(read(folder.path()).as_ref(), Some(lock.holder()));
        lock.publish(Some(1), None).unwrap();
        assert_eq!(read(folder.path()).unwrap().socket, None);
        drop(lock);
        assert_eq!(read(folder.path()), None);
        StateLock::acquire(folder.path()).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LOCK_FILE), r#"{"pid":1,"startedAt":1,"port":2}"#).unwrap();
        assert_eq!(read(folder.path()), None);
        let lock = StateLock::acquire(folder.path()).unwrap();
        assert_eq!(lock.holder().pid, std::process::id());
    }

    #[test]
    fn a_holder_that_has_not_written_yet_is_still_a_holder() {
        let folder = tempfile::tempdir().unwrap();
        let file = open(folder.path(), &folder.path().join(LOCK_FILE)).unwrap();
        file.lock().unwrap();
        assert!(matches!(StateLock::acquire(folder.path()), Err(LockError::HeldByUnknown { .. })));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let error = StateLock::acquire(&folder.path().join("file/state")).unwrap_err();
        assert!(error.to_string().contains("file/state"), "{error}");
    }
}
