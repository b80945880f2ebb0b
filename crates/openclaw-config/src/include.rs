//! `$include`: parts of the configuration in files of their own.
//!
//! Included files must lie below the folder of the main file or below a root
//! the environment names; depth, size, number and length are bounded and a
//! circle is an error. Objects merge deep, lists are joined, anything beside
//! `$include` wins. (Patches replace lists; that is another function.)

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk;
use crate::env::Env;
use crate::issue::Issue;
use crate::path::KeyPath;
use crate::tree::{self, Node, Shape};

/// Deepest chain of includes; the main file is depth 0.
pub const DEPTH_MAX: usize = 10;
/// Largest included file.
pub const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// Longest written path, in bytes, exclusive.
pub const PATH_BYTES_MAX: usize = 4096;
/// Deepest place at which an include may stand, so that files full of nested
/// objects cannot be stacked into one too deep to walk.
pub const PLACE_DEPTH_MAX: usize = 32;
/// Most files read for one configuration.
pub const FILES_MAX: usize = 256;

/// The key.
pub(crate) const KEY: &str = "$include";

/// What following the includes brought.
#[derive(Debug, Default)]
pub(crate) struct Included {
    /// Every file read, for watching.
    pub(crate) files: BTreeSet<PathBuf>,
    /// Where an include failed, and why.
    pub(crate) failed: Vec<(KeyPath, Issue)>,
}

/// A text that stands for a file's, to check a write before it is made.
pub(crate) type Draft<'a> = Option<(&'a Path, &'a str)>;

/// Replaces every `$include` in the tree.
pub(crate) fn expand(root: &mut Node, main: &Path, env: &Env, draft: Draft<'_>) -> Included {
    let mut roots: Vec<PathBuf> = main.parent().and_then(|dir| dir.canonicalize().ok()).into_iter().collect();
    if let Some(list) = env.get("OPENCLAW_INCLUDE_ROOTS") {
        roots.extend(std::env::split_paths(list).filter_map(|dir| dir.canonicalize().ok()));
    }
    let mut reader = Reader { roots, included: Included::default(), reads: 0, draft };
    let mut chain = vec![main.canonicalize().unwrap_or_else(|_| main.to_path_buf())];
    reader.node(root, &KeyPath::root(), &mut chain);
    reader.included
}

struct Reader<'a> {
    roots: Vec<PathBuf>,
    included: Included,
    reads: usize,
    draft: Draft<'a>,
}

impl Reader<'_> {
    /// Expands below `node`; `chain` holds the files being read, main first.
    fn node(&mut self, node: &mut Node, path: &KeyPath, chain: &mut Vec<PathBuf>) {
        match &mut node.shape {
            Shape::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.node(item, &path.item(index), chain);
                }
            }
            Shape::Map(entries) => {
                let include = entries.shift_remove(KEY);
                for (key, child) in entries.iter_mut() {
                    self.node(child, &path.key(key), chain);
                }
                if let Some(include) = include {
                    self.merge(node, &include, path, chain);
                }
            }
            Shape::Null | Shape::Bool(_) | Shape::Number(_) | Shape::Text(_) => {}
        }
    }

    fn merge(&mut self, node: &mut Node, include: &Node, path: &KeyPath, chain: &mut Vec<PathBuf>) {
        match self.read_all(include, path, chain) {
            Ok(None) => {}
            Ok(Some(base)) => {
                let siblings = std::mem::replace(node, base);
                let has_siblings = siblings.map().is_some_and(|map| !map.is_empty());
                if has_siblings && node.map().is_none() {
                    let message =
                        format!("{KEY} at \"{path}\" has keys beside it, so the included file must hold an object");
                    self.fail(path, include, message);
                    *node = siblings;
                } else if has_siblings {
                    combine(node, siblings);
                }
            }
            Err(message) => self.fail(path, include, message),
        }
    }

    fn fail(&mut self, path: &KeyPath, include: &Node, message: String) {
        let issue = Issue::error("CONFIG_INCLUDE", path, message)
            .expecting("the path of a JSON5 file below the folder of the configuration, or a list of such paths")
            .located(&include.origin);
        self.included.failed.push((path.clone(), issue));
    }

    fn read_all(&mut self, include: &Node, path: &KeyPath, chain: &mut Vec<PathBuf>) -> Result<Option<Node>, String> {
        let names: Vec<&str> = match &include.shape {
            Shape::Text(name) => vec![name],
            Shape::List(items) => items
                .iter()
                .map(|item| {
                    item.text()
                        .ok_or_else(|| format!("{KEY} must be a path or a list of paths, found {} in it", item.noun()))
                })
                .collect::<Result<_, _>>()?,
            _ => return Err(format!("{KEY} must be a path or a list of paths, got {}", include.noun())),
        };
        let mut merged: Option<Node> = None;
        for name in names {
            let node = self.read_one(name, path, chain)?;
            match &mut merged {
                Some(merged) => combine(merged, node),
                None => merged = Some(node),
            }
        }
        Ok(merged)
    }

    fn read_one(&mut self, name: &str, path: &KeyPath, chain: &mut Vec<PathBuf>) -> Result<Node, String> {
        let file = self.resolve(name, chain)?;
        if chain.contains(&file) {
            return Err(format!("{KEY} {name:?} includes itself"));
        }
        if chain.len() > DEPTH_MAX {
            return Err(format!("{KEY} {name:?} is nested deeper than {DEPTH_MAX} files"));
        }
        if path.segments().len() > PLACE_DEPTH_MAX {
            return Err(format!("{KEY} {name:?} stands more than {PLACE_DEPTH_MAX} objects deep"));
        }
        if self.reads == FILES_MAX {
            return Err(format!("{KEY} {name:?} is one of more than {FILES_MAX} files"));
        }
        self.reads += 1;
        self.included.files.insert(file.clone());
        let text = match self.draft {
            Some((path, text)) if path == file => text.to_owned(),
            Some(_) | None => {
                disk::read_text(&file, FILE_BYTES_MAX).map_err(|error| format!("{KEY} cannot {error}"))?
            }
        };
        let shared: Arc<Path> = Arc::from(file.as_path());
        let mut node = tree::read(&text, &shared).map_err(|error| format!("{KEY} {name:?} is not JSON5: {error}"))?;
        chain.push(file);
        self.node(&mut node, path, chain);
        chain.pop();
        Ok(node)
    }

    /// Finds the real file and checks that it lies below an allowed root.
    fn resolve(&self, name: &str, chain: &[PathBuf]) -> Result<PathBuf, String> {
        if name.is_empty() || name.contains('\0') {
            return Err(format!("{KEY} needs a path without NUL"));
        }
        if name.len() >= PATH_BYTES_MAX {
            return Err(format!("{KEY} has a path of {PATH_BYTES_MAX} bytes or more"));
        }
        let here = chain.last().and_then(|file| file.parent()).unwrap_or(Path::new("."));
        let real =
            here.join(name).canonicalize().map_err(|error| format!("{KEY} {name:?} cannot be opened: {error}"))?;
        if self.roots.iter().any(|root| real.starts_with(root)) {
            Ok(real)
        } else {
            Err(format!(
                "{KEY} {name:?} lies outside the folder of the configuration; name its folder in OPENCLAW_INCLUDE_ROOTS to allow it"
            ))
        }
    }
}

/// Merges `over` into `base`: objects deep, lists joined, the rest replaced.
fn combine(base: &mut Node, over: Node) {
    match (&mut base.shape, over.shape) {
        (Shape::Map(base), Shape::Map(over)) => {
            for (key, node) in over {
                match base.get_mut(&key) {
                    Some(known) => combine(known, node),
                    None => {
                        base.insert(key, node);
                    }
                }
            }
        }
        (Shape::List(base), Shape::List(over)) => base.extend(over),
        (_, shape) => {
            base.shape = shape;
            base.origin = over.origin;
        }
    }
}

#[cfg(test)]
mod tests;
