//! Finds crates and their production sources.

use std::path::{Path, PathBuf};

/// Returns the crates by bare name, sorted.
pub(crate) fn crates(root: &Path) -> Vec<(String, PathBuf)> {
    let mut all: Vec<(String, PathBuf)> = children(&root.join("crates"))
        .into_iter()
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_prefix("openclaw-")?.to_owned();
            Some((name, path))
        })
        .collect();
    all.sort();
    all
}

/// One source file, cut before its tests.
pub(crate) struct Source {
    /// Path relative to the root, for people.
    pub(crate) shown: String,
    /// The text before `#[cfg(test)]`.
    pub(crate) text: String,
}

/// Returns the production sources of a crate: what ships, without tests.
pub(crate) fn production(root: &Path, folder: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    collect(&folder.join("src"), &mut sources);
    sources.sort();
    sources
        .into_iter()
        .filter(|path| !is_test(path))
        .filter_map(|path| {
            let text = std::fs::read_to_string(&path).ok()?;
            let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            Some(Source { shown, text: before_tests(&text) })
        })
        .collect()
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.file_stem().is_some_and(|stem| stem == "tests")
}

/// Unit tests stand at the bottom of a file, so everything after the first test module is test code.
fn before_tests(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let cut = (0..lines.len()).find(|&i| {
        lines[i].trim() == "#[cfg(test)]"
            && lines.get(i + 1).is_some_and(|next| next.trim_start().starts_with("mod ") && next.contains('{'))
    });
    lines[..cut.unwrap_or(lines.len())].join("\n")
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in children(folder) {
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}
