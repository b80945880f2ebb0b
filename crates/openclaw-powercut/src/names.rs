//! Which names a folder has, now and after the power went.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fastrand::Rng;

/// A file, whatever it is called.
pub(crate) type FileId = usize;

#[derive(Debug, Clone)]
pub(crate) enum Change {
    Set(PathBuf, FileId),
    Unset(PathBuf),
    /// Both names change in one step, as POSIX promises.
    Rename(PathBuf, PathBuf),
}

/// The names of one folder. Syncing the folder confirms them; syncing a file does not.
#[derive(Debug, Default)]
pub(crate) struct Names {
    now: BTreeMap<PathBuf, FileId>,
    confirmed: BTreeMap<PathBuf, FileId>,
    pending: Vec<Change>,
}

impl Names {
    /// Returns the file that has a name now.
    pub(crate) fn find(&self, path: &Path) -> Option<FileId> {
        self.now.get(path).copied()
    }

    /// Tells whether somebody has used the name since the disk was made.
    pub(crate) fn is_known(&self, path: &Path) -> bool {
        let in_pending = |change: &Change| match change {
            Change::Set(own, _) | Change::Unset(own) => own == path,
            Change::Rename(from, to) => from == path || to == path,
        };
        self.now.contains_key(path) || self.confirmed.contains_key(path) || self.pending.iter().any(in_pending)
    }

    /// Adds a file that was on the disk before anything else happened.
    pub(crate) fn adopt(&mut self, path: &Path, file: FileId) {
        self.now.insert(path.to_owned(), file);
        self.confirmed.insert(path.to_owned(), file);
    }

    /// Changes a name; the disk may forget it until the folder is synced.
    pub(crate) fn change(&mut self, change: Change) {
        apply(&mut self.now, &change);
        self.pending.push(change);
    }

    /// Confirms all changes.
    pub(crate) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            apply(&mut self.confirmed, &change);
        }
    }

    /// Returns the names that are found when the power is back. Most file
    /// systems keep changes of names in order; some only promise that each is
    /// whole, so one draw in two keeps any of them.
    pub(crate) fn found(&self, rng: &mut Rng) -> BTreeMap<PathBuf, FileId> {
        let mut names = self.confirmed.clone();
        if rng.bool() {
            self.pending.iter().filter(|_| rng.bool()).for_each(|change| apply(&mut names, change));
        } else {
            let kept = rng.usize(0..=self.pending.len());
            self.pending.iter().take(kept).for_each(|change| apply(&mut names, change));
        }
        names
    }
}

fn apply(names: &mut BTreeMap<PathBuf, FileId>, change: &Change) {
    match change {
        Change::Set(path, file) => {
            names.insert(path.clone(), *file);
        }
        Change::Unset(path) => {
            names.remove(path);
        }
        Change::Rename(from, to) => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_safe_once_the_folder_was_synced() {
        let (old, new) = (Path::new("old"), Path::new("new"));
        let mut names = Names::default();
        names.adopt(old, 0);
        names.change(Change::Set(new.into(), 1));
        names.change(Change::Rename(new.into(), old.into()));
        let drawn: Vec<_> = (0..100).map(|seed| names.found(&mut Rng::with_seed(seed))[old]).collect();
        assert!(drawn.contains(&0) && drawn.contains(&1));
        names.sync();
        assert!((0..100).all(|seed| names.found(&mut Rng::with_seed(seed))[old] == 1));
    }
}
