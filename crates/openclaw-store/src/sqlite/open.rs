//! Opens the database: makes it, checks it, migrates it, starts the threads.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use openclaw_domain::ports::{CrashHook, Durability};
use rusqlite::{Connection, ErrorCode};
use tracing::Instrument as _;

use super::disk::Disk;
use super::error::WorkError;
use super::journal::{LeaseClock, Lines};
use super::migrate;
use super::readers::Readers;
use super::schema::{self, APPLICATION_ID, STEPS};
use super::writer::{Sites, Writer};

/// Name of the database below the state directory.
pub const DATABASE_FILE: &str = "db/openclaw.db";

/// How to open a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// The state directory; made when it is not there.
    pub state_dir: PathBuf,
    /// Threads that read, 1 to 16.
    pub readers: usize,
    /// Jobs that may wait before callers do.
    pub queue_max: usize,
    /// Jobs that may share one transaction.
    pub group_max: usize,
    /// What the database is kept on.
    pub disk: Disk,
    /// Is called around every write, by a test build.
    pub crash: Option<CrashHook>,
}

impl Options {
    /// Returns the options for a state directory.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            readers: 2,
            queue_max: 1024,
            group_max: 256,
            disk: Disk::default(),
            crash: None,
        }
    }
}

/// Everything that is kept. A handle: cheap to clone, shared by all ports.
///
/// Implements `Journal`, `Outbox`, `Sessions`, `Compactions`, `Variables`, `Memories`, `Devices` and
/// `Grants` of [`openclaw_domain::ports`].
#[derive(Debug, Clone)]
pub struct Store {
    path: Arc<Path>,
    writer: Writer,
    readers: Readers,
    clock: LeaseClock,
    /// Whether somebody wants to know which events are written.
    is_watched: bool,
}

impl Store {
    /// Opens the database below the state directory, making or migrating it.
    ///
    /// Blocks; call it before the runtime serves anything, with the state
    /// directory locked ([`crate::StateLock`]).
    ///
    /// # Errors
    /// See [`OpenError`]; each names the file and the next step.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let path = options.state_dir.join(DATABASE_FILE);
        make_private(&options.state_dir, &path)?;
        let found = inspect(&options.disk, &path)?;
        let known = schema::latest(STEPS);
        if found > known {
            return Err(OpenError::Newer { path, found, known });
        }
        if found < known {
            migrate::migrate(&options.disk, &path, found, STEPS)?;
        }
        Self::start(&path, &options).map_err(|error| OpenError::of(&path, error))
    }

    fn start(path: &Path, options: &Options) -> Result<Self, StartError> {
        let db = options.disk.open(path)?;
        schema::prepare_writer(&db)?;
        let clock = LeaseClock::default();
        clock.register(&db)?;
        let readers = (0..options.readers.clamp(1, 16))
            .map(|_| {
                let db = options.disk.open(path)?;
                schema::prepare_reader(&db)?;
                clock.register(&db)?;
                Ok(db)
            })
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let writer = Writer::start(db, path, options.queue_max, options.group_max, options.crash.clone())?;
        let readers = Readers::start(readers, options.queue_max)?;
        Ok(Self { path: path.into(), writer, readers, clock, is_watched: options.crash.is_some() })
    }

    /// Returns where the database is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the clock that leases are judged by; for tests of what expires.
    pub fn shift_lease_clock(&self, by: Duration) {
        self.clock.shift(by);
    }

    /// Writes what is queued and ends the writing thread; later writes fail.
    pub async fn close(&self) {
        self.writer.close().await;
    }

    /// Writes under a span named after the operation.
    pub(super) async fn write<T, E, F>(
        &self,
        operation: &'static str,
        durability: Durability,
        work: F,
    ) -> Result<T, WorkError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&Connection) -> Result<T, WorkError<E>> + Send + 'static,
    {
        self.write_events(operation, Vec::new(), durability, work).await
    }

    /// Returns the names of events for a crash hook; nothing when there is none.
    pub(super) fn names<'lines>(&self, lines: impl IntoIterator<Item = &'lines Lines>) -> Vec<&'static str> {
        if self.is_watched { lines.into_iter().flat_map(Lines::kinds).copied().collect() } else { Vec::new() }
    }

    /// Writes events of a run under a span named after the operation.
    pub(super) async fn write_events<T, E, F>(
        &self,
        operation: &'static str,
        events: Vec<&'static str>,
        durability: Durability,
        work: F,
    ) -> Result<T, WorkError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&Connection) -> Result<T, WorkError<E>> + Send + 'static,
    {
        let span = tracing::debug_span!("store.write", operation);
        self.writer.write(durability, Sites { operation, events }, work).instrument(span).await
    }

    /// Reads under a span named after the operation.
    pub(super) async fn read<T, E, F>(&self, operation: &'static str, work: F) -> Result<T, WorkError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, WorkError<E>> + Send + 'static,
    {
        let span = tracing::debug_span!("store.read", operation);
        self.readers.read(work).instrument(span).await
    }
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system refused.
    #[error("{path}: {source}; check that the state directory is yours and writable")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not a database, or it is broken.
    #[error("{path} is damaged ({message}); restore a backup, or move it and its -wal file away to begin anew")]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The file is a database of some other program.
    #[error("{path} belongs to another program; move it away, or choose another state directory")]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// A newer build wrote it.
    #[error(
        "{path} was written by a newer openclaw (schema {found}, this build knows {known}); \
         install that build again, or restore the .bak-v{known} file beside it"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema this build knows.
        known: u32,
    },
    /// The copy could not be migrated; the original is untouched.
    #[error("{path} could not be migrated from schema {from} to {to}: {message}; the file was left as it is")]
    Migration {
        /// The database.
        path: PathBuf,
        /// Its schema.
        from: u32,
        /// The schema wanted.
        to: u32,
        /// What went wrong.
        message: String,
    },
    /// The database refused.
    #[error("{path}: {message}; if another openclaw uses this state directory, stop it and try again")]
    Sql {
        /// The database.
        path: PathBuf,
        /// What it said.
        message: String,
    },
}

/// Why the connections or threads could not be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl OpenError {
    /// Sorts an error into the table above.
    pub(super) fn of(path: &Path, error: impl Into<StartError>) -> Self {
        let path = path.to_owned();
        let error = match error.into() {
            StartError::Io(source) => return OpenError::Io { path, source },
            StartError::Sql(error) => error,
        };
        let message = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => OpenError::Corrupt { path, message },
            _ => OpenError::Sql { path, message },
        }
    }
}

/// Makes the folder (0700) and the file (0600) before SQLite does, so that
/// neither is ever readable by others; SQLite gives its side files the same mode.
fn make_private(state_dir: &Path, path: &Path) -> Result<(), OpenError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { path, source }
    };
    let mut folder = fs::DirBuilder::new();
    folder.recursive(true);
    let mut file = fs::OpenOptions::new();
    file.create(true).read(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        folder.mode(0o700);
        file.mode(0o600);
    }
    folder.create(state_dir).map_err(io(state_dir))?;
    if let Some(own) = path.parent() {
        folder.create(own).map_err(io(own))?;
    }
    let file = file.open(path).map_err(io(path))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata().map_err(io(path))?.permissions().mode();
        if mode & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "others could read the database; its mode is 0600 again");
            file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(io(path))?;
        }
    }
    drop(file);
    Ok(())
}

/// Returns the schema version of the file, 0 for an empty one.
fn inspect(disk: &Disk, path: &Path) -> Result<u32, OpenError> {
    let read = || -> rusqlite::Result<(i32, u32, u32)> {
        let db = disk.open(path)?;
        db.busy_timeout(std::time::Duration::from_secs(5))?;
        let application = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let tables = db.query_row("select count(*) from sqlite_schema", (), |row| row.get(0))?;
        Ok((application, version, tables))
    };
    let (application, version, tables) = read().map_err(|error| OpenError::of(path, error))?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    Ok(if tables == 0 { 0 } else { version })
}
