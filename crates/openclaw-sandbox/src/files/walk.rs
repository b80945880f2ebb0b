//! Listing what lies below a folder.
//!
//! Descends from descriptor to descriptor and never through a link, so a folder
//! swapped for a link during the walk is skipped. Ignore files are read the same
//! way, as bounded regular files: a pipe named `.gitignore` cannot hang the walk.
//! Folders that may not be read are left out.

use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::overrides::{Override, OverrideBuilder};
use openclaw_domain::ports::{FileError, FileKind, Found, Walk};
use rustix::fs::{AtFlags, Mode, OFlags};

use super::name::shown;
use super::root::{Root, Status, reopen};

/// Most entries returned, whatever was asked; also what 0 means.
const ENTRIES_MAX: usize = 100_000;

/// Most entries looked at.
const VISITED_MAX: usize = 2_000_000;

/// Deepest folder entered; one descriptor is open per level.
pub(super) const DEPTH_MAX: usize = 128;

/// Most bytes of an ignore file that count.
const IGNORE_BYTES_MAX: u64 = 1024 * 1024;

/// Lists what lies below a path, sorted.
pub(super) fn walk(root: &Root, path: &str, walk: &Walk, stop: &AtomicBool) -> Result<Vec<Found>, FileError> {
    let relative = root.relative(path)?;
    let folder = root.open_folder(&relative).and_then(reopen).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotADirectory => FileError::WrongKind { path: shown(path), what: "is not a folder" },
        _ => root.explain(path, &error),
    })?;
    let base: PathBuf = relative.components().filter(|part| !matches!(part, Component::CurDir)).collect();
    let mut walker = Walker {
        walk,
        stop,
        path,
        globs: compile(&walk.globs)?,
        entries_max: if walk.entries_max == 0 { ENTRIES_MAX } else { walk.entries_max.min(ENTRIES_MAX) },
        ignores: Vec::new(),
        found: Vec::new(),
        visited: 0,
    };
    if walk.respect_ignore {
        walker.enter_parents(root, &base);
    }
    walker.descend(&folder, &base, Path::new("/"), 1)?;
    walker.found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walker.found)
}

fn compile(globs: &[String]) -> Result<Override, FileError> {
    let mut builder = OverrideBuilder::new("/");
    for glob in globs {
        builder.add(glob).map_err(|error| FileError::Io { path: shown(glob), message: error.to_string() })?;
    }
    builder.build().map_err(|error| FileError::Io { path: shown(globs.join(" ")), message: error.to_string() })
}

struct Walker<'a> {
    walk: &'a Walk,
    stop: &'a AtomicBool,
    path: &'a str,
    globs: Override,
    entries_max: usize,
    /// Ignore rules from the workspace down to the current folder.
    ignores: Vec<Gitignore>,
    found: Vec<Found>,
    visited: usize,
}

impl Walker<'_> {
    /// Lists one folder and those below. `named` is the folder's path from the root,
    /// `below` its path from where the walk began, with a leading `/`.
    fn descend(&mut self, folder: &OwnedFd, named: &Path, below: &Path, depth: usize) -> Result<(), FileError> {
        let levels = self.ignores.len();
        if self.walk.respect_ignore {
            self.enter(folder, named);
        }
        for name in self.names(folder)? {
            if self.is_done() {
                break;
            }
            let Ok(stat) = rustix::fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            let metadata = Status::of(&stat).metadata;
            let is_folder = metadata.kind == FileKind::Folder;
            let (named, below) = (named.join(&name), below.join(&name));
            let Some(is_listed) = self.judge(&name, &named, &below, is_folder) else {
                continue;
            };
            if is_listed {
                self.found.push(Found { path: shown(&named), metadata });
            }
            let is_deep_enough = self.walk.depth_max != 0 && depth >= self.walk.depth_max;
            if is_folder
                && !is_deep_enough
                && depth < DEPTH_MAX
                && let Some(inner) = open_below(folder, &name, OFlags::DIRECTORY)
            {
                self.descend(&inner, &named, &below, depth + 1)?;
            }
        }
        self.ignores.truncate(levels);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.found.len() >= self.entries_max || self.stop.load(Ordering::Relaxed)
    }

    /// Returns the names in a folder, sorted.
    fn names(&mut self, folder: &OwnedFd) -> Result<Vec<OsString>, FileError> {
        let mut names = Vec::new();
        let Ok(entries) = rustix::fs::Dir::read_from(folder) else {
            return Ok(names);
        };
        for entry in entries {
            let Ok(entry) = entry else { break };
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            self.visited += 1;
            if self.visited > VISITED_MAX {
                let message = format!("more than {VISITED_MAX} entries lie below; name a folder further down");
                return Err(FileError::Io { path: shown(self.path), message });
            }
            names.push(OsString::from_vec(name.to_vec()));
        }
        names.sort();
        Ok(names)
    }

    /// Returns `None` for what is skipped with all below it, else whether it is listed.
    fn judge(&self, name: &OsStr, named: &Path, below: &Path, is_folder: bool) -> Option<bool> {
        let glob = self.globs.matched(below, is_folder);
        // For a file this also means that no glob matches; a folder is still entered.
        if glob.is_ignore() {
            return None;
        }
        if self.walk.respect_ignore && (name.as_bytes().starts_with(b".") || self.is_ignored(named, is_folder)) {
            return None;
        }
        Some(glob.is_whitelist() || self.globs.num_whitelists() == 0)
    }

    fn is_ignored(&self, named: &Path, is_folder: bool) -> bool {
        let path = Path::new("/").join(named);
        let verdicts = self.ignores.iter().rev().map(|rules| rules.matched(&path, is_folder));
        verdicts.into_iter().find(|verdict| !verdict.is_none()).is_some_and(|verdict| verdict.is_ignore())
    }

    /// Reads the ignore files of the folders above the one where the walk begins.
    fn enter_parents(&mut self, root: &Root, base: &Path) {
        let is_plain = base.components().all(|part| matches!(part, Component::Normal(_)));
        if !is_plain {
            return;
        }
        let mut above: Vec<&Path> = base.ancestors().skip(1).collect();
        above.reverse();
        for folder in above {
            let from = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            if let Ok(opened) = root.open_folder(from) {
                self.enter(&opened, folder);
            }
        }
    }

    /// Adds the rules of a folder's ignore files.
    fn enter(&mut self, folder: &OwnedFd, named: &Path) {
        let mut builder = GitignoreBuilder::new(Path::new("/").join(named));
        for file in [".gitignore", ".ignore"] {
            for line in read_small(folder, file).lines() {
                // A malformed rule is passed over, as git does.
                drop(builder.add_line(None, line));
            }
        }
        if let Ok(rules) = builder.build()
            && !rules.is_empty()
        {
            self.ignores.push(rules);
        }
    }
}

fn read_small(folder: &OwnedFd, name: &str) -> String {
    let mut content = Vec::new();
    if let Some(file) = open_below(folder, OsStr::new(name), OFlags::NONBLOCK)
        && let Ok(stat) = rustix::fs::fstat(&file)
        && Status::of(&stat).metadata.kind == FileKind::File
    {
        // A part read before an error still counts as rules.
        drop(std::fs::File::from(file).take(IGNORE_BYTES_MAX).read_to_end(&mut content));
    }
    String::from_utf8_lossy(&content).into_owned()
}

fn open_below(folder: &OwnedFd, name: &OsStr, flags: OFlags) -> Option<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty()).ok()
}
