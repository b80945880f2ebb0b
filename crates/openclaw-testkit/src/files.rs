//! A workspace in memory.
//!
//! Follows the files port: paths are relative to the root, nothing leaves it,
//! writes replace whole files. It knows no links, no ignore files and no
//! permissions; those are tested on the real workspace in crate `sandbox`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use globset::{Glob, GlobSet, GlobSetBuilder};
use openclaw_domain::ports::{FileChange, FileError, FileKind, Files, Found, Metadata, Walk};

use crate::clock::START;

/// Files of a test.
pub struct MemoryFiles {
    root: String,
    files: Mutex<BTreeMap<String, Bytes>>,
    failure: Mutex<Option<FileError>>,
}

impl Default for MemoryFiles {
    fn default() -> Self {
        Self::new([])
    }
}

impl MemoryFiles {
    /// Makes a workspace at `/workspace` with these files (path, content).
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let files = files.into_iter().map(|(path, text)| (path.to_owned(), Bytes::copy_from_slice(text.as_bytes())));
        Self { root: "/workspace".to_owned(), files: Mutex::new(files.collect()), failure: Mutex::default() }
    }

    /// Returns a file's text; `None` when it is not there.
    pub fn text(&self, path: &str) -> Option<String> {
        self.lock().get(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// Puts a file there, as somebody outside the program would.
    pub fn put(&self, path: &str, content: impl Into<Bytes>) {
        self.lock().insert(path.to_owned(), content.into());
    }

    /// Returns all paths, sorted.
    pub fn paths(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Makes the next change fail, as on a full disk.
    pub fn fail_next_change(&self, error: FileError) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings a path into the form `a/b`; the root is the empty path.
    fn inside(&self, path: &str) -> Result<String, FileError> {
        let outside = || FileError::Outside { path: path.to_owned(), root: self.root.clone() };
        let relative = match path.strip_prefix(&self.root) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
            _ if path.starts_with('/') => return Err(outside()),
            _ => path,
        };
        let mut parts: Vec<&str> = Vec::new();
        for part in relative.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop().ok_or_else(outside)?;
                }
                name => parts.push(name),
            }
        }
        Ok(parts.join("/"))
    }
}

#[async_trait]
impl Files for MemoryFiles {
    fn root(&self) -> &str {
        &self.root
    }

    async fn read(&self, path: &str, bytes_max: u64) -> Result<Bytes, FileError> {
        let inside = self.inside(path)?;
        let files = self.lock();
        let Some(content) = files.get(&inside) else {
            return Err(missing_or_folder(&files, &inside, path));
        };
        let bytes = content.len() as u64;
        if bytes > bytes_max {
            return Err(FileError::TooLarge { path: path.to_owned(), bytes, bytes_max });
        }
        Ok(content.clone())
    }

    async fn stat(&self, path: &str) -> Result<Metadata, FileError> {
        let inside = self.inside(path)?;
        let files = self.lock();
        match files.get(&inside) {
            Some(content) => Ok(metadata(FileKind::File, content.len() as u64)),
            None if is_folder(&files, &inside) => Ok(metadata(FileKind::Folder, 0)),
            None => Err(FileError::NotFound(path.to_owned())),
        }
    }

    async fn walk(&self, path: &str, walk: &Walk) -> Result<Vec<Found>, FileError> {
        let inside = self.inside(path)?;
        let globs = globs(&walk.globs)?;
        let files = self.lock();
        if files.contains_key(&inside) {
            return Err(FileError::WrongKind { path: path.to_owned(), what: "is a file" });
        }
        if !is_folder(&files, &inside) {
            return Err(FileError::NotFound(path.to_owned()));
        }
        let mut found = BTreeMap::new();
        for (name, content) in files.iter() {
            let Some(rest) = below(name, &inside) else { continue };
            let parts: Vec<&str> = rest.split('/').collect();
            if walk.respect_ignore && parts.iter().any(|part| part.starts_with('.')) {
                continue;
            }
            for depth in 1..=parts.len() {
                if walk.depth_max != 0 && depth > walk.depth_max {
                    break;
                }
                let entry = join(&inside, &parts[..depth].join("/"));
                let what = if depth == parts.len() {
                    metadata(FileKind::File, content.len() as u64)
                } else {
                    metadata(FileKind::Folder, 0)
                };
                if globs.is_empty() || globs.is_match(&entry) {
                    found.insert(entry, what);
                }
            }
        }
        let found = found.into_iter().map(|(path, metadata)| Found { path, metadata });
        let limit = if walk.entries_max == 0 { usize::MAX } else { walk.entries_max };
        Ok(found.take(limit).collect())
    }

    async fn change(&self, change: FileChange) -> Result<(), FileError> {
        if let Some(error) = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        match change {
            FileChange::Write { path, content } => {
                let inside = self.inside(&path)?;
                let mut files = self.lock();
                if is_folder(&files, &inside) {
                    return Err(FileError::WrongKind { path, what: "is a folder" });
                }
                files.insert(inside, content);
            }
            FileChange::Rename { from, to } => {
                let (source, target) = (self.inside(&from)?, self.inside(&to)?);
                let mut files = self.lock();
                if files.contains_key(&target) || is_folder(&files, &target) {
                    return Err(FileError::WrongKind { path: to, what: "exists already" });
                }
                let Some(content) = files.remove(&source) else {
                    return Err(missing_or_folder(&files, &source, &from));
                };
                files.insert(target, content);
            }
            FileChange::Remove { path } => {
                let inside = self.inside(&path)?;
                let mut files = self.lock();
                if files.remove(&inside).is_none() {
                    return Err(missing_or_folder(&files, &inside, &path));
                }
            }
        }
        Ok(())
    }
}

fn metadata(kind: FileKind, bytes: u64) -> Metadata {
    Metadata { kind, bytes, modified_at: START }
}

fn is_folder(files: &BTreeMap<String, Bytes>, path: &str) -> bool {
    path.is_empty() || files.keys().any(|name| below(name, path).is_some())
}

fn missing_or_folder(files: &BTreeMap<String, Bytes>, inside: &str, path: &str) -> FileError {
    if is_folder(files, inside) {
        FileError::WrongKind { path: path.to_owned(), what: "is a folder" }
    } else {
        FileError::NotFound(path.to_owned())
    }
}

/// Returns what follows `folder/` in `name`.
fn below<'a>(name: &'a str, folder: &str) -> Option<&'a str> {
    if folder.is_empty() {
        return Some(name);
    }
    name.strip_prefix(folder)?.strip_prefix('/')
}

fn join(folder: &str, rest: &str) -> String {
    if folder.is_empty() { rest.to_owned() } else { format!("{folder}/{rest}") }
}

fn globs(patterns: &[String]) -> Result<GlobSet, FileError> {
    let bad =
        |pattern: &str, error: &globset::Error| FileError::Io { path: pattern.to_owned(), message: error.to_string() };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(|error| bad(pattern, &error))?);
    }
    set.build().map_err(|error| bad("", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> MemoryFiles {
        MemoryFiles::new([("a.txt", "one"), ("src/b.rs", "two"), ("src/deep/c.rs", "three"), (".git/x", "")])
    }

    #[tokio::test]
    async fn paths_stay_below_the_root() {
        let files = sample();
        assert_eq!(files.read("/workspace/src/../a.txt", 10).await.unwrap(), "one");
        for path in ["../a.txt", "/etc/passwd", "src/../../a.txt", "/workspaces/a.txt"] {
            assert!(matches!(files.read(path, 10).await, Err(FileError::Outside { .. })), "{path}");
        }
        assert!(matches!(files.read("a.txt", 2).await, Err(FileError::TooLarge { bytes: 3, bytes_max: 2, .. })));
    }

    #[tokio::test]
    async fn a_walk_honours_depth_globs_and_hidden_names() {
        let files = sample();
        let paths = async |walk: Walk| -> Vec<String> {
            files.walk("", &walk).await.unwrap().into_iter().map(|found| found.path).collect()
        };
        let shallow = Walk { depth_max: 1, respect_ignore: true, ..Walk::default() };
        assert_eq!(paths(shallow).await, ["a.txt", "src"]);
        let sources = Walk { globs: vec!["**/*.rs".to_owned()], ..Walk::default() };
        assert_eq!(paths(sources).await, ["src/b.rs", "src/deep/c.rs"]);
        let two = Walk { entries_max: 2, ..Walk::default() };
        assert_eq!(paths(two).await.len(), 2);
    }

    #[tokio::test]
    async fn a_rename_refuses_to_overwrite() {
        let files = sample();
        let rename = |to: &str| FileChange::Rename { from: "a.txt".to_owned(), to: to.to_owned() };
        assert!(matches!(files.change(rename("src/b.rs")).await, Err(FileError::WrongKind { .. })));
        files.change(rename("new/a.txt")).await.unwrap();
        assert_eq!(files.text("new/a.txt").as_deref(), Some("one"));
        assert_eq!(files.text("a.txt"), None);
    }
}
