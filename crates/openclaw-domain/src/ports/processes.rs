//! Port: programs that run on this machine.

use std::time::Duration;

use async_trait::async_trait;

use crate::ids::SessionKey;

/// Starts and watches programs. Production: `sandbox::process`.
///
/// A program and everything it started die together when its [`Leash`] is
/// dropped, when it is killed, or when its time is up.
#[async_trait]
pub trait Processes: Send + Sync {
    /// Starts a program.
    ///
    /// # Errors
    /// See [`Error`].
    async fn spawn(&self, command: Command) -> Result<Spawned, Error>;

    /// Waits until there is output past `offset`, the program ended, or `wait` passed.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`].
    async fn watch(&self, id: &str, offset: u64, wait: Duration) -> Result<Snapshot, Error>;

    /// Writes to the program's input; `eof` closes it.
    ///
    /// # Errors
    /// See [`Error`].
    async fn input(&self, id: &str, bytes: &[u8], eof: bool) -> Result<(), Error>;

    /// Ends the program and its children; SIGTERM first, SIGKILL after two seconds.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`].
    async fn kill(&self, id: &str) -> Result<Snapshot, Error>;

    /// Lists programs of a session that run or ended lately.
    fn list(&self, owner: &SessionKey) -> Vec<ProcessInfo>;
}

/// The variable that hands a program the key of the call it works for: the same
/// for every attempt, for services that take one.
pub const IDEMPOTENCY_KEY: &str = "OPENCLAW_IDEMPOTENCY_KEY";

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The session it runs for.
    pub owner: SessionKey,
    /// Passed to `/bin/sh -c` as is.
    pub script: String,
    /// Working directory: absolute, or relative to the workspace.
    pub cwd: Option<String>,
    /// Added to the cleaned environment.
    pub env: Vec<(String, String)>,
    /// Give it a terminal (80x24) instead of pipes.
    pub pty: bool,
    /// Longest run time.
    pub timeout: Duration,
    /// Most output bytes kept (the newest are kept).
    pub output_bytes_max: usize,
}

/// A started program.
#[derive(Debug)]
pub struct Spawned {
    /// Id to watch it by; short, unique on this machine while it is listed.
    pub id: String,
    /// Kills the program when dropped, unless let go.
    pub leash: Leash,
}

/// Ends something when dropped, unless it was let go.
pub struct Leash(Option<Box<dyn FnOnce() + Send>>);

impl Leash {
    /// Makes a leash that calls `end` when dropped.
    pub fn new(end: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(end)))
    }

    /// Lets go: dropping does nothing any more.
    pub fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}

impl std::fmt::Debug for Leash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Leash")
    }
}

/// What a program did so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Output since the asked offset, as text (invalid UTF-8 replaced).
    pub output: String,
    /// Offset to ask from next time.
    pub offset: u64,
    /// Whether output before the returned stretch was dropped.
    pub is_truncated: bool,
    /// How it ended; `None` while it runs.
    pub exit: Option<Exit>,
    /// How long it has run.
    pub took: Duration,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// Its time was up.
    TimedOut,
}

/// A program in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Its id.
    pub id: String,
    /// What it runs.
    pub script: String,
    /// How it ended; `None` while it runs.
    pub exit: Option<Exit>,
    /// How long it ran or has run.
    pub took: Duration,
}

/// Why a program could not be run or reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing by this id.
    #[error("there is no process {0}")]
    NoSuchProcess(String),
    /// It has ended.
    #[error("process {0} has ended")]
    Ended(String),
    /// The working directory is not usable.
    #[error("cannot run in {path}: {message}")]
    BadFolder {
        /// The directory.
        path: String,
        /// Why not.
        message: String,
    },
    /// Too many at once.
    #[error("{0} processes are running already; end one first")]
    TooMany(usize),
    /// The system refused.
    #[error("cannot run the command: {0}")]
    Io(String),
}
