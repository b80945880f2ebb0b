//! The programs of one instance: its own, and none of anybody else's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use openclaw_domain::ids::{AgentId, SessionKey};
use openclaw_domain::ports::{Command, ProcessError, ProcessInfo, Processes, Snapshot, Spawned};

use crate::files::Workspace;
use crate::process::Native;

/// Most programs an instance may start over its life.
const STARTED_MAX: usize = 1000;

/// Starts programs in one folder and remembers which.
pub(super) struct Programs {
    native: Arc<Native>,
    workspace: Arc<Workspace>,
    agent: AgentId,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ids: Vec<String>,
    /// Spawns under way; they count.
    spawning: usize,
    is_closed: bool,
}

impl Programs {
    pub(super) fn new(native: Arc<Native>, workspace: Arc<Workspace>, agent: AgentId) -> Self {
        Self { native, workspace, agent, state: Mutex::default() }
    }

    /// Kills all programs and refuses new ones.
    pub(super) async fn end(&self) {
        self.state().is_closed = true;
        let ids = std::mem::take(&mut self.state().ids);
        self.native.clear(&ids).await;
    }

    /// Tells whether one of them runs.
    pub(super) fn run(&self) -> bool {
        let state = self.state();
        state.spawning > 0 || self.native.run_any(&state.ids)
    }

    fn begin(&self) -> Result<Spawning<'_>, ProcessError> {
        let mut state = self.state();
        if state.is_closed {
            return Err(ProcessError::Io("the instance has ended".to_owned()));
        }
        if state.ids.len() + state.spawning >= STARTED_MAX {
            return Err(ProcessError::TooMany(STARTED_MAX));
        }
        state.spawning += 1;
        Ok(Spawning { programs: self })
    }

    fn own(&self, id: &str) -> Result<(), ProcessError> {
        let is_own = self.state().ids.iter().any(|own| own == id);
        if is_own { Ok(()) } else { Err(ProcessError::NoSuchProcess(id.to_owned())) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A spawn under way; also ends when the caller gives up.
struct Spawning<'a> {
    programs: &'a Programs,
}

impl Drop for Spawning<'_> {
    fn drop(&mut self) {
        self.programs.state().spawning -= 1;
    }
}

#[async_trait]
impl Processes for Programs {
    async fn spawn(&self, command: Command) -> Result<Spawned, ProcessError> {
        let under_way = self.begin()?;
        if *command.owner.agent() != self.agent {
            return Err(ProcessError::Io("the command is for another agent's instance".to_owned()));
        }
        let spawned = self.native.start(command, Some(Arc::clone(&self.workspace))).await?;
        let mut state = self.state();
        // Closed meanwhile: dropping the leash ends what was just started.
        if state.is_closed {
            drop(state);
            drop(under_way);
            return Err(ProcessError::Io("the instance has ended".to_owned()));
        }
        state.ids.push(spawned.id.clone());
        drop(state);
        Ok(spawned)
    }

    async fn watch(&self, id: &str, offset: u64, wait: Duration) -> Result<Snapshot, ProcessError> {
        self.own(id)?;
        self.native.watch(id, offset, wait).await
    }

    async fn input(&self, id: &str, bytes: &[u8], eof: bool) -> Result<(), ProcessError> {
        self.own(id)?;
        self.native.input(id, bytes, eof).await
    }

    async fn kill(&self, id: &str) -> Result<Snapshot, ProcessError> {
        self.own(id)?;
        self.native.kill(id).await
    }

    fn list(&self, owner: &SessionKey) -> Vec<ProcessInfo> {
        let own = self.state().ids.clone();
        self.native.list(owner).into_iter().filter(|info| own.contains(&info.id)).collect()
    }
}
