//! Programs on this machine: the production [`Processes`].
//!
//! Each script runs under `/bin/sh` in a session of its own, with a cleaned
//! environment, in a folder held by descriptor, and with no descriptor open but
//! 0, 1 and 2. It and what it started end together: when killed, when its time is
//! up, when its leash or this object is dropped, and when the script itself ends.
//! It refuses folders outside a confined workspace, variables that load code into
//! programs, and more programs at once than allowed. It does not isolate a program
//! from the user's files and network.

mod entry;
mod environment;
mod ring;
mod supervise;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use openclaw_domain::Fault;
use openclaw_domain::ids::{AgentId, SessionKey};
use openclaw_domain::ports::{
    Clock, Command, FileError, Leash, ProcessError, ProcessInfo, Processes, Snapshot, Spawned,
};
use tokio::io::unix::AsyncFd;
use tokio::sync::Semaphore;

use self::entry::Entry;
pub use crate::os::code::release_code;
pub use crate::os::end::kill_self;

use crate::files::Workspace;
use crate::os::spawn::{Plan, Spawner};

/// Longest script: what Linux takes as one argument, with its final NUL.
const SCRIPT_BYTES_MAX: usize = 128 * 1024 - 1;

/// Most output kept per program, whatever was asked.
const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Opens the folder an agent works in; the same agent gets the same workspace.
pub type Folders = Arc<dyn Fn(&AgentId) -> Result<Arc<Workspace>, Fault> + Send + Sync>;

/// How to run programs.
pub struct Options {
    /// Finds the workspace of the agent a command runs for.
    pub folders: Folders,
    /// This process's environment; only well-known harmless variables of it are passed on.
    pub environment: Vec<(String, String)>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Most programs at once.
    pub running_max: usize,
    /// Most ended programs that are remembered.
    pub ended_max: usize,
    /// How long an ended program is remembered.
    pub ended_age_max: Duration,
}

impl Options {
    /// Makes options with ordinary limits.
    pub fn new(folders: Folders, clock: Arc<dyn Clock>) -> Self {
        Self {
            folders,
            environment: Vec::new(),
            clock,
            running_max: 32,
            ended_max: 64,
            ended_age_max: Duration::from_secs(30 * 60),
        }
    }
}

/// Runs programs as the user this process runs as. Dropping it ends them all.
pub struct Native {
    options: Options,
    spawner: Spawner,
    slots: Arc<Semaphore>,
    entries: Mutex<BTreeMap<u64, Arc<Entry>>>,
}

impl Native {
    /// Makes it; nothing is started yet.
    pub fn new(options: Options) -> Self {
        let slots = Arc::new(Semaphore::new(options.running_max));
        let spawner = Spawner::new(options.running_max);
        Self { options, spawner, slots, entries: Mutex::new(BTreeMap::new()) }
    }

    /// Ends all programs and waits for them.
    pub async fn shutdown(&self) {
        let entries: Vec<Arc<Entry>> = self.entries().values().cloned().collect();
        for entry in &entries {
            entry.end();
        }
        for entry in entries {
            entry.ended().await;
        }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: &str) -> Result<Arc<Entry>, ProcessError> {
        self.forget_old();
        let entries = self.entries();
        let found = entries.values().find(|entry| entry.id == id);
        found.cloned().ok_or_else(|| ProcessError::NoSuchProcess(id.to_owned()))
    }

    /// Removes what ended long ago, and the oldest ended ones beyond the limit.
    fn forget_old(&self) {
        let now = self.options.clock.monotonic();
        let mut entries = self.entries();
        let ended: Vec<(u64, Duration)> =
            entries.iter().filter_map(|(number, entry)| Some((*number, entry.ended_at()?))).collect();
        let surplus = ended.len().saturating_sub(self.options.ended_max);
        for (index, (number, ended_at)) in ended.into_iter().enumerate() {
            if index < surplus || now.saturating_sub(ended_at) > self.options.ended_age_max {
                entries.remove(&number);
            }
        }
    }

    /// Lists a new entry under an id that is not taken.
    fn enlist(&self, command: &Command, terminal: Option<AsyncFd<OwnedFd>>) -> Result<Arc<Entry>, ProcessError> {
        let mut entries = self.entries();
        let id = loop {
            let random = getrandom::u32().map_err(|error| ProcessError::Io(error.to_string()))?;
            let id = format!("p{random:08x}");
            if !entries.values().any(|entry| entry.id == id) {
                break id;
            }
        };
        let number = entries.last_key_value().map_or(0, |(last, _)| last + 1);
        let bytes_max = command.output_bytes_max.clamp(1, OUTPUT_BYTES_MAX);
        let entry = Arc::new(Entry::new(id, command, bytes_max, terminal, Arc::clone(&self.options.clock)));
        entries.insert(number, Arc::clone(&entry));
        Ok(entry)
    }

    /// Starts a program in the workspace of its agent, or in this one instead.
    pub(crate) async fn start(&self, command: Command, own: Option<Arc<Workspace>>) -> Result<Spawned, ProcessError> {
        check(&command)?;
        self.forget_old();
        let too_many = |_| ProcessError::TooMany(self.options.running_max);
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(too_many)?;
        let plan = self.plan(&command, own).await?;
        // If the caller gives up here, what was started is ended by its own drop.
        let mut started = self.spawner.spawn(plan).await.map_err(failed)?;
        let output = started.take_output().map_err(failed)?;
        let terminal = started.take_terminal().map_err(failed)?;
        let entry = self.enlist(&command, terminal)?;
        let running = supervise::Running::new(Arc::clone(&entry), started, output, command.timeout);
        // Task "process": owned by its entry, stopped by `Entry::end`, which the
        // leash, `kill` and the drop of `Native` call.
        tokio::spawn(async move {
            running.supervise().await;
            drop(slot);
        });
        let leashed = Arc::clone(&entry);
        Ok(Spawned { id: entry.id.clone(), leash: Leash::new(move || leashed.end()) })
    }

    /// Ends these programs without asking them first, waits until they are gone
    /// and forgets them.
    pub(crate) async fn clear(&self, ids: &[String]) {
        let mine = |entry: &Arc<Entry>| ids.contains(&entry.id);
        let entries: Vec<Arc<Entry>> = self.entries().values().filter(|entry| mine(entry)).cloned().collect();
        for entry in &entries {
            entry.end_now();
        }
        for entry in entries {
            entry.ended().await;
        }
        self.entries().retain(|_, entry| !mine(entry));
    }

    /// Tells whether one of these programs runs.
    pub(crate) fn run_any(&self, ids: &[String]) -> bool {
        self.entries().values().any(|entry| ids.contains(&entry.id) && entry.info().exit.is_none())
    }

    /// Opens the working directory; the program starts in this very folder.
    async fn plan(&self, command: &Command, own: Option<Arc<Workspace>>) -> Result<Plan, ProcessError> {
        let environment = environment::clean(&self.options.environment, &command.env)?;
        let path = command.cwd.clone().unwrap_or_else(|| ".".to_owned());
        let (folders, agent) = (Arc::clone(&self.options.folders), command.owner.agent().clone());
        let opened = tokio::task::spawn_blocking(move || {
            let bad = |message: String| ProcessError::BadFolder { path: path.clone(), message };
            let workspace = own.map_or_else(|| folders(&agent), Ok).map_err(|fault| bad(fault.to_string()))?;
            workspace.folder(&path).map_err(|error| bad(why_not(error)))
        });
        let cwd = opened.await.map_err(|error| ProcessError::Io(error.to_string()))??;
        Ok(Plan { script: command.script.clone(), environment, cwd, is_terminal: command.pty })
    }
}

/// Says what is wrong with a folder, without naming it again.
fn why_not(error: FileError) -> String {
    match error {
        FileError::NotFound(_) => "it does not exist".to_owned(),
        FileError::Outside { root, .. } => format!("it is outside the workspace {root}"),
        FileError::WrongKind { .. } => "it is not a folder".to_owned(),
        FileError::TooLarge { .. } => error.to_string(),
        FileError::Io { message, .. } => message,
    }
}

fn failed(error: io::Error) -> ProcessError {
    ProcessError::Io(error.to_string())
}

fn check(command: &Command) -> Result<(), ProcessError> {
    if command.script.contains('\0') {
        return Err(ProcessError::Io("the script holds a NUL character".to_owned()));
    }
    if command.script.len() > SCRIPT_BYTES_MAX {
        let message = format!("the script is longer than {SCRIPT_BYTES_MAX} bytes; write it to a file and run that");
        return Err(ProcessError::Io(message));
    }
    Ok(())
}

#[async_trait]
impl Processes for Native {
    async fn spawn(&self, command: Command) -> Result<Spawned, ProcessError> {
        self.start(command, None).await
    }

    async fn watch(&self, id: &str, offset: u64, wait: Duration) -> Result<Snapshot, ProcessError> {
        let entry = self.find(id)?;
        Ok(entry.watch(offset, wait).await)
    }

    async fn input(&self, id: &str, bytes: &[u8], eof: bool) -> Result<(), ProcessError> {
        let entry = self.find(id)?;
        entry.input(bytes, eof).await
    }

    async fn kill(&self, id: &str) -> Result<Snapshot, ProcessError> {
        let entry = self.find(id)?;
        entry.end();
        entry.ended().await;
        Ok(entry.snapshot(0))
    }

    fn list(&self, owner: &SessionKey) -> Vec<ProcessInfo> {
        self.forget_old();
        self.entries().values().filter(|entry| entry.owner == *owner).map(|entry| entry.info()).collect()
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        for entry in self.entries().values() {
            entry.end();
        }
    }
}

impl std::fmt::Debug for Native {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("process::Native")
    }
}
