//! The disk: what is written, what is confirmed, and what is left after a cut.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use fastrand::Rng;

use crate::names::{self, FileId, Names};
use crate::survival::{self, Change};
use crate::vfs;

/// How a disk behaves.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Decides what survives; the same seed and the same writes leave the same disk.
    pub seed: u64,
    /// Operations (writes, syncs, changes of names) until the power goes.
    pub operations: Option<u64>,
    /// A defect to plant, so that a test proves it would notice.
    pub flaw: Option<Flaw>,
}

/// A defect of the disk or of whoever should have synced it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// No sync of any file does anything: `synchronous = off`.
    NoSyncs,
    /// A commit does not sync the log: `synchronous = normal`.
    NoLogSyncs,
}

/// A disk that can lose power. A handle: clones are the same disk.
///
/// SQLite reaches it as the virtual file system [`Disk::vfs`]; what is done to
/// whole files by other means is told to [`Disk::synced`] and its neighbours
/// just before it is done. The real files always hold what a process sees.
#[derive(Debug, Clone)]
pub struct Disk {
    vfs: Arc<str>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rng: Rng,
    left: Option<u64>,
    done: u64,
    is_off: bool,
    flaw: Option<Flaw>,
    files: Vec<File>,
    names: Names,
}

#[derive(Debug, Default)]
struct File {
    confirmed: Vec<u8>,
    pending: Vec<Change>,
    /// A new log or journal: SQLite syncs the folder with its first sync.
    is_new_log: bool,
    is_log: bool,
}

/// The power is off; nothing is read or written.
#[derive(Debug)]
pub(crate) struct Off;

impl Disk {
    /// Makes the disk a folder is on and registers it with SQLite; what is in
    /// the folder is safe.
    ///
    /// # Errors
    /// When the folder cannot be read.
    ///
    /// # Panics
    /// When SQLite refuses to register it, which it does only without memory.
    pub fn new(folder: &Path, options: Options) -> io::Result<Self> {
        let Options { seed, operations, flaw } = options;
        let rng = Rng::with_seed(seed);
        let state =
            State { rng, left: operations, done: 0, is_off: false, flaw, files: Vec::new(), names: Names::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            // The index of the log lives in memory; nobody finds it after a cut.
            if path.is_file() && !path.to_string_lossy().ends_with("-shm") {
                shared.adopt(&path);
            }
        }
        Ok(Self { vfs: vfs::register(Arc::clone(&shared)).into(), shared })
    }

    /// Returns the name SQLite knows the disk by.
    pub fn vfs(&self) -> &str {
        &self.vfs
    }

    /// Tells whether the power is off.
    pub fn is_off(&self) -> bool {
        self.shared.lock().is_off
    }

    /// Returns how many operations were done.
    pub fn operations(&self) -> u64 {
        self.shared.lock().done
    }

    /// Lets the power go after so many more operations.
    pub fn cut_after(&self, operations: u64) {
        self.shared.lock().left = Some(operations);
    }

    /// Cuts the power now.
    pub fn cut(&self) {
        self.shared.lock().is_off = true;
    }

    /// A file is being synced.
    pub fn synced(&self, path: &Path) {
        self.shared.with_file(path, |state, file| state.sync(file));
    }

    /// A folder is being synced.
    pub fn folder_synced(&self) {
        let mut state = self.shared.lock();
        if state.spend() && state.flaw != Some(Flaw::NoSyncs) {
            state.names.sync();
        }
    }

    /// A file is getting another name, taking it from whoever has it.
    pub fn renamed(&self, from: &Path, to: &Path) {
        self.shared.adopt(to);
        self.shared.with_file(from, |state, _| state.rename(from, to));
    }

    /// A file is getting a second name.
    pub fn linked(&self, from: &Path, to: &Path) {
        self.shared.with_file(from, |state, file| state.change_name(names::Change::Set(to.to_owned(), file)));
    }

    /// A file is being removed.
    pub fn removed(&self, path: &Path) {
        self.shared.with_file(path, |state, _| state.change_name(names::Change::Unset(path.to_owned())));
    }

    /// Writes what is found in `folder` when the power is back into the new
    /// folder `into`, and forgets everything: the disk is of no further use.
    ///
    /// # Errors
    /// When the real files cannot be read or written.
    pub fn survivors(&self, folder: &Path, into: &Path) -> io::Result<()> {
        fs::create_dir_all(into)?;
        for (path, content) in self.shared.found() {
            if let Ok(name) = path.strip_prefix(folder) {
                fs::write(into.join(name), content)?;
            }
        }
        self.shared.lock().files.clear();
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the file of that name; one nobody has used yet is on the disk already.
    fn adopt(&self, path: &Path) -> Option<FileId> {
        let mut state = self.lock();
        if state.names.is_known(path) || state.is_off {
            return state.names.find(path);
        }
        let confirmed = fs::read(path).ok()?;
        let file = state.add(File { confirmed, ..File::default() });
        state.names.adopt(path, file);
        Some(file)
    }

    fn with_file(&self, path: &Path, act: impl FnOnce(&mut State, FileId)) {
        if let Some(file) = self.adopt(path) {
            let mut state = self.lock();
            if state.spend() {
                act(&mut state, file);
            }
        }
    }

    /// SQLite opens a file, making it when it is not there.
    pub(crate) fn open(&self, path: &Path, is_log: bool) -> Result<FileId, Off> {
        let found = self.adopt(path);
        let mut state = self.lock();
        let file = match found {
            Some(file) if !state.is_off => file,
            None if state.spend() => {
                let file = state.add(File { is_new_log: is_log, ..File::default() });
                state.change_name(names::Change::Set(path.to_owned(), file));
                file
            }
            Some(_) | None => return Err(Off),
        };
        if let Some(file) = state.files.get_mut(file) {
            file.is_log = is_log;
        }
        Ok(file)
    }

    /// SQLite removes a file.
    pub(crate) fn delete(&self, path: &Path, sync_folder: bool) -> Result<(), Off> {
        if self.adopt(path).is_some() {
            let mut state = self.lock();
            if !state.spend() {
                return Err(Off);
            }
            state.change_name(names::Change::Unset(path.to_owned()));
            if sync_folder && state.flaw != Some(Flaw::NoSyncs) {
                state.names.sync();
            }
        }
        self.check()
    }

    /// SQLite changes a file's content. A write that the cut interrupts may survive in part.
    pub(crate) fn change(&self, file: FileId, change: Change) -> Result<(), Off> {
        let mut state = self.lock();
        if state.is_off {
            return Err(Off);
        }
        if let Some(file) = state.files.get_mut(file) {
            file.pending.push(change);
        }
        if state.spend() { Ok(()) } else { Err(Off) }
    }

    /// SQLite syncs a file.
    pub(crate) fn sync(&self, file: FileId) -> Result<(), Off> {
        let mut state = self.lock();
        if !state.spend() {
            return Err(Off);
        }
        state.sync(file);
        Ok(())
    }

    /// Refuses when the power is off.
    pub(crate) fn check(&self) -> Result<(), Off> {
        if self.lock().is_off { Err(Off) } else { Ok(()) }
    }

    fn found(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut state = self.lock();
        state.is_off = true;
        let State { rng, files, names, .. } = &mut *state;
        // Each file's luck is drawn once, in order: two names of one file show the same.
        let contents: Vec<Vec<u8>> =
            files.iter().map(|file| survival::found(rng, file.confirmed.clone(), &file.pending)).collect();
        let names = names.found(rng);
        names.into_iter().filter_map(|(path, file)| Some((path, contents.get(file)?.clone()))).collect()
    }
}

impl State {
    fn add(&mut self, file: File) -> FileId {
        self.files.push(file);
        self.files.len() - 1
    }

    /// Counts an operation; false when the power goes before it is done.
    fn spend(&mut self) -> bool {
        if self.is_off {
            return false;
        }
        if self.left == Some(0) {
            self.is_off = true;
            return false;
        }
        self.left = self.left.map(|left| left - 1);
        self.done += 1;
        true
    }

    fn sync(&mut self, file: FileId) {
        let flaw = self.flaw;
        let Some(file) = self.files.get_mut(file) else { return };
        if flaw == Some(Flaw::NoSyncs) || flaw == Some(Flaw::NoLogSyncs) && file.is_log {
            return;
        }
        for change in file.pending.drain(..) {
            survival::apply(&mut file.confirmed, &change);
        }
        if std::mem::take(&mut file.is_new_log) {
            self.names.sync();
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        self.change_name(names::Change::Rename(from.to_owned(), to.to_owned()));
    }

    fn change_name(&mut self, change: names::Change) {
        self.names.change(change);
    }
}

#[cfg(test)]
mod tests;
