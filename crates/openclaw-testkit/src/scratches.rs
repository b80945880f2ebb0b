//! Scratch directories in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use openclaw_domain::ports::{Files, Keeping, Processes, Restored, Scratch, ScratchFolder, Scratches, Walk};
use openclaw_domain::scratch::{Bounds, Captured, KeptFile, Reason};
use openclaw_domain::{AgentId, Fault, InstanceId, Kind};

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
    captures: usize,
    restored: Vec<(InstanceId, Vec<String>)>,
    is_moving: bool,
}

struct Folder {
    files: Arc<MemoryFiles>,
    executable: BTreeSet<String>,
    keeping: Keeping,
    remark: Option<String>,
}

impl Folder {
    fn new(keeping: Keeping) -> Self {
        let files = Arc::new(MemoryFiles::new([]));
        Self { files, executable: BTreeSet::new(), keeping, remark: None }
    }
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
        self.state().folders.insert(instance.clone(), Folder::new(Keeping::Destroy));
    }

    /// Takes a folder away, as a lost disk would; false when there is none.
    pub fn lose(&self, instance: &InstanceId) -> bool {
        self.state().folders.remove(instance).is_some()
    }

    /// Returns how often files were captured.
    pub fn captures(&self) -> usize {
        self.state().captures
    }

    /// Returns which folders were made from kept files, and the files' paths.
    pub fn restored(&self) -> Vec<(InstanceId, Vec<String>)> {
        self.state().restored.clone()
    }

    /// Makes captures say that programs run.
    pub fn move_on(&self, is_moving: bool) {
        self.state().is_moving = is_moving;
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
        let folder = state.folders.entry(instance.clone()).or_insert_with(|| Folder::new(keeping));
        Ok(Scratch {
            path: format!("/scratch/{instance}"),
            files: folder.files.clone(),
            processes: self.processes.clone(),
            remark: folder.remark.clone(),
        })
    }

    async fn holds(&self, instance: &InstanceId) -> Result<bool, Fault> {
        Ok(self.state().folders.contains_key(instance))
    }

    async fn capture(&self, instance: &InstanceId, bounds: &Bounds) -> Result<Captured, Fault> {
        let (files, executable, is_moving) = {
            let mut state = self.state();
            state.captures += 1;
            let Some(folder) = state.folders.get(instance) else {
                return Err(Fault::new(Kind::NotFound, format!("instance {instance} has no folder")));
            };
            (folder.files.clone(), folder.executable.clone(), state.is_moving)
        };
        let mut captured = Captured { is_moving, ..Captured::default() };
        let mut left = bounds.bytes_max;
        let listed = files.walk("", &Walk { entries_max: bounds.entries_max, ..Walk::default() }).await;
        if listed.as_ref().is_ok_and(|listed| listed.len() >= bounds.entries_max) {
            captured.left_out.add("", Reason::TooMany);
        }
        for path in files.paths() {
            let body = files.read(&path, u64::MAX).await.unwrap_or_default();
            let bytes = body.len() as u64;
            match KeptFile::new(&path, executable.contains(&path), body) {
                _ if bytes > bounds.file_bytes_max => captured.left_out.add(&path, Reason::TooLarge),
                _ if captured.files.len() >= bounds.files_max => captured.left_out.add(&path, Reason::TooMany),
                _ if bytes > left => captured.left_out.add(&path, Reason::TooMuch),
                Ok(file) => {
                    left -= bytes;
                    captured.files.push(file);
                }
                Err(_bad) => captured.left_out.add(&path, Reason::Unreadable),
            }
        }
        Ok(captured)
    }

    async fn restore(&self, instance: &InstanceId, keeping: Keeping, restored: Restored) -> Result<bool, Fault> {
        let mut state = self.state();
        if state.folders.contains_key(instance) {
            return Ok(false);
        }
        let paths = restored.files.iter().map(|file| file.path().to_owned()).collect();
        state.restored.push((instance.clone(), paths));
        let mut folder = Folder { remark: restored.remark, ..Folder::new(keeping) };
        for file in restored.files {
            folder.files.put(file.path(), file.body().clone());
            if file.is_executable() {
                folder.executable.insert(file.path().to_owned());
            }
        }
        state.folders.insert(instance.clone(), folder);
        Ok(true)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeClock, FakeProcesses, contract};

    #[tokio::test]
    async fn scratches_in_memory_keep_the_contract() {
        let scratches = MemoryScratches::new(Arc::new(FakeProcesses::echo(&FakeClock::new())));
        contract::scratches::all(&scratches).await;
    }
}
