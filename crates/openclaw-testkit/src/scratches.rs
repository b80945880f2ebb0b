//! Scratch directories in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use openclaw_domain::ports::{Keeping, Processes, Scratch, ScratchFolder, Scratches};
use openclaw_domain::{AgentId, Fault, InstanceId};

use crate::files::MemoryFiles;

/// Scratch directories that exist in memory only; clones are the same.
#[derive(Clone)]
pub struct MemoryScratches {
    processes: Arc<dyn Processes>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    folders: BTreeMap<InstanceId, Folder>,
    opened: Vec<InstanceId>,
    closed: Vec<(InstanceId, Keeping)>,
}

struct Folder {
    files: Arc<MemoryFiles>,
    keeping: Keeping,
}

impl MemoryScratches {
    /// Makes it; programs of all instances run in `processes`.
    pub fn new(processes: Arc<dyn Processes>) -> Self {
        Self { processes, state: Arc::default() }
    }

    /// Returns which instances were opened, in order.
    pub fn opened(&self) -> Vec<InstanceId> {
        self.state().opened.clone()
    }

    /// Returns which instances were closed, in order, and how.
    pub fn closed(&self) -> Vec<(InstanceId, Keeping)> {
        self.state().closed.clone()
    }

    /// Returns the files of an instance whose folder is there.
    pub fn files(&self, instance: &InstanceId) -> Option<Arc<MemoryFiles>> {
        self.state().folders.get(instance).map(|folder| folder.files.clone())
    }

    /// Returns how many folders there are.
    pub fn count(&self) -> usize {
        self.state().folders.len()
    }

    /// Leaves a folder behind, as a process that stopped would.
    pub fn leave(&self, instance: &InstanceId) {
        let folder = Folder { files: Arc::new(MemoryFiles::new([])), keeping: Keeping::Destroy };
        self.state().folders.insert(instance.clone(), folder);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Scratches for MemoryScratches {
    async fn open(&self, instance: &InstanceId, _agent: &AgentId, keeping: Keeping) -> Result<Scratch, Fault> {
        let mut state = self.state();
        state.opened.push(instance.clone());
        let folder = state
            .folders
            .entry(instance.clone())
            .or_insert_with(|| Folder { files: Arc::new(MemoryFiles::new([])), keeping });
        Ok(Scratch {
            path: format!("/scratch/{instance}"),
            files: folder.files.clone(),
            processes: self.processes.clone(),
        })
    }

    async fn close(&self, instance: &InstanceId, keeping: Keeping) -> Result<(), Fault> {
        let mut state = self.state();
        state.closed.push((instance.clone(), keeping));
        if keeping == Keeping::Destroy {
            state.folders.remove(instance);
        }
        Ok(())
    }

    async fn list(&self) -> Result<Vec<ScratchFolder>, Fault> {
        let state = self.state();
        let folders = state.folders.iter().map(|(instance, folder)| ScratchFolder {
            instance: instance.clone(),
            path: format!("/scratch/{instance}"),
            keeping: folder.keeping,
        });
        Ok(folders.collect())
    }
}
