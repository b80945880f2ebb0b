//! Works out what a patch leaves behind, in memory.
//!
//! The tree holds each named file as it was and as it will be, so that later
//! operations of one patch see earlier ones. Nothing here touches a file.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::parse::{Chunk, Mark, Operation};
use crate::edit::nearest;

/// The files a patch names.
#[derive(Debug, Default)]
pub(super) struct Tree {
    files: BTreeMap<String, File>,
}

#[derive(Debug)]
struct File {
    before: Option<Bytes>,
    after: Option<Bytes>,
}

/// A file that a patch changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) path: String,
    pub(super) before: Option<Bytes>,
    pub(super) after: Option<Bytes>,
}

impl Outcome {
    /// Returns `A`, `M` or `D`.
    pub(super) fn letter(&self) -> char {
        match (&self.before, &self.after) {
            (None, _) => 'A',
            (Some(_), Some(_)) => 'M',
            (Some(_), None) => 'D',
        }
    }
}

/// Why a patch does not fit the files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    #[error("{0} exists already; delete it earlier in the patch, or update it")]
    Exists(String),
    #[error("{0} does not exist")]
    Missing(String),
    #[error("{0} is not UTF-8 text")]
    NotText(String),
    #[error("{path}: stretch {chunk}: {what}")]
    NoFit { path: String, chunk: usize, what: String },
}

/// Returns a path relative to the root, without `.` and `..`, so that one file has one name.
/// What leads outside stays as it is; the files port refuses it.
pub(super) fn relative(root: &str, path: &str) -> String {
    let inside = path.strip_prefix(root).filter(|rest| rest.starts_with('/')).unwrap_or(path);
    if inside == path && path.starts_with('/') {
        return path.to_owned();
    }
    let mut parts = Vec::new();
    for part in inside.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return path.to_owned();
                }
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

impl Tree {
    pub(super) fn holds(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    pub(super) fn load(&mut self, path: String, before: Option<Bytes>) {
        self.files.insert(path, File { after: before.clone(), before });
    }

    /// Applies one operation of a patch to the tree.
    pub(super) fn apply(&mut self, root: &str, operation: &Operation) -> Result<(), Error> {
        match operation {
            Operation::Add { path, content } => self.put_new(relative(root, path), Bytes::from(content.clone())),
            Operation::Delete { path } => {
                let path = relative(root, path);
                self.take(&path).map(drop)
            }
            Operation::Update { path, move_to, chunks } => {
                let path = relative(root, path);
                let content = self.take(&path)?;
                let text = std::str::from_utf8(&content).map_err(|_| Error::NotText(path.clone()))?;
                let changed = Bytes::from(patched(&path, text, chunks)?);
                let target = move_to.as_ref().map_or_else(|| path.clone(), |target| relative(root, target));
                self.put_new(target, changed)
            }
        }
    }

    /// Returns the files that end up different. Removals come last, so that a
    /// failure on the way leaves something too much rather than too little.
    pub(super) fn outcomes(self) -> Vec<Outcome> {
        let changed = self.files.into_iter().filter(|(_, file)| file.before != file.after);
        let mut outcomes: Vec<_> =
            changed.map(|(path, file)| Outcome { path, before: file.before, after: file.after }).collect();
        outcomes.sort_by_key(|outcome| outcome.after.is_none());
        outcomes
    }

    fn take(&mut self, path: &str) -> Result<Bytes, Error> {
        self.files.get_mut(path).and_then(|file| file.after.take()).ok_or_else(|| Error::Missing(path.to_owned()))
    }

    fn put_new(&mut self, path: String, content: Bytes) -> Result<(), Error> {
        let file = self.files.entry(path.clone()).or_insert(File { before: None, after: None });
        if file.after.is_some() {
            return Err(Error::Exists(path));
        }
        file.after = Some(content);
        Ok(())
    }
}

/// Applies the chunks to a text, each after the one before it.
fn patched(path: &str, text: &str, chunks: &[Chunk]) -> Result<String, Error> {
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let ends_with_line = text.is_empty() || text.ends_with('\n');
    let lines: Vec<&str> = text.lines().collect();
    let mut result: Vec<String> = Vec::with_capacity(lines.len());
    let mut done = 0;
    for (index, chunk) in chunks.iter().enumerate() {
        let no_fit = |what| Error::NoFit { path: path.to_owned(), chunk: index + 1, what };
        let at = place(&lines, done, chunk).map_err(no_fit)?;
        result.extend(lines[done..at].iter().map(|&line| line.to_owned()));
        done = at;
        for (mark, line) in &chunk.lines {
            match mark {
                // The file's own line stays: the patch may have lost its spaces.
                Mark::Keep => {
                    result.push(lines[done].to_owned());
                    done += 1;
                }
                Mark::Remove => done += 1,
                Mark::Add => result.push(line.clone()),
            }
        }
    }
    result.extend(lines[done..].iter().map(|&line| line.to_owned()));
    let mut text = result.join(line_end);
    if ends_with_line && !text.is_empty() {
        text.push_str(line_end);
    }
    Ok(text)
}

/// Finds the line where a chunk begins, not before `from`.
fn place(lines: &[&str], from: usize, chunk: &Chunk) -> Result<usize, String> {
    let mut from = from;
    if let Some(after) = &chunk.after {
        let found = find(lines, from, &[after]).ok_or_else(|| {
            format!("its line after @@ is not there: {after:?}. {}", nearest(&lines[from..].join("\n"), after))
        })?;
        from = found + 1;
    }
    let wanted: Vec<&str> =
        chunk.lines.iter().filter(|(mark, _)| *mark != Mark::Add).map(|(_, line)| line.as_str()).collect();
    if wanted.is_empty() {
        // Nothing to find: it goes after its line, or to the end of the file.
        return Ok(if chunk.after.is_some() && !chunk.at_end { from } else { lines.len() });
    }
    let end = lines.len().checked_sub(wanted.len()).filter(|&it| it >= from);
    let found = match (chunk.at_end, end) {
        (true, Some(end)) => find(lines, end, &wanted),
        (true, None) => None,
        (false, _) => find(lines, from, &wanted),
    };
    found.ok_or_else(|| {
        let rest = lines[from.min(lines.len())..].join("\n");
        format!("its old lines are not there, from {:?}. {}", wanted[0], nearest(&rest, &wanted.join("\n")))
    })
}

/// Finds consecutive lines: exactly, then without spaces at the end, then without
/// spaces at both ends.
fn find(lines: &[&str], from: usize, wanted: &[&str]) -> Option<usize> {
    let same: [fn(&str, &str) -> bool; 3] =
        [|a, b| a == b, |a, b| a.trim_end() == b.trim_end(), |a, b| a.trim() == b.trim()];
    let last = lines.len().checked_sub(wanted.len())?;
    same.iter().find_map(|same| {
        (from..=last).find(|&at| wanted.iter().zip(&lines[at..]).all(|(wanted, line)| same(line, wanted)))
    })
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;

    fn check(files: &[(&str, &str)], body: &str) -> Result<Vec<(char, String, String)>, String> {
        let operations = parse(&format!("*** Begin Patch\n{body}\n*** End Patch")).unwrap();
        let mut tree = Tree::default();
        for path in operations.iter().flat_map(Operation::paths) {
            let path = relative("/w", path);
            let before =
                files.iter().find(|(it, _)| *it == path).map(|(_, text)| Bytes::copy_from_slice(text.as_bytes()));
            if !tree.holds(&path) {
                tree.load(path, before);
            }
        }
        for operation in &operations {
            tree.apply("/w", operation).map_err(|error| error.to_string())?;
        }
        let text = |bytes: Option<Bytes>| bytes.map_or(String::new(), |it| String::from_utf8(it.into()).unwrap());
        Ok(tree.outcomes().into_iter().map(|it| (it.letter(), it.path.clone(), text(it.after))).collect())
    }

    fn updated(before: &str, body: &str) -> Result<String, String> {
        check(&[("f", before)], &format!("*** Update File: f\n{body}")).map(|mut it| it.remove(0).2)
    }

    #[test]
    fn chunks_are_found_by_context_and_in_order() {
        assert_eq!(updated("a\nb\nc\n", "@@\n a\n-b\n+x").unwrap(), "a\nx\nc\n");
        assert_eq!(updated("x\na\nx\na\n", "@@ x\n-a\n+1\n@@ x\n-a\n+2").unwrap(), "x\n1\nx\n2\n");
        assert_eq!(updated("a\nb", "@@\n+end\n*** End of File").unwrap(), "a\nb\nend");
        assert_eq!(updated("a\nb\n", "@@ a\n+mid").unwrap(), "a\nmid\nb\n");
        assert_eq!(updated("k\nz\nk\n", "@@\n-k\n+end\n*** End of File").unwrap(), "k\nz\nend\n");
    }

    #[test]
    fn line_ends_and_lost_spaces_are_the_files_own() {
        assert_eq!(updated("a\r\nb\r\n", "@@\n a\n-b\n+x").unwrap(), "a\r\nx\r\n");
        assert_eq!(updated("  a \nb\n", "@@\n a\n-b\n+x").unwrap(), "  a \nx\n");
    }

    #[test]
    fn a_chunk_that_does_not_fit_names_the_nearest_line() {
        let error = updated("let a = 1;\n", "@@\n-let a = 2;\n+x").unwrap_err();
        assert_eq!(
            error,
            "f: stretch 1: its old lines are not there, from \"let a = 2;\". The nearest line is 1: let a = 1;"
        );
        assert!(updated("a\n", "@@ nowhere\n-a\n+b").unwrap_err().contains("its line after @@ is not there"));
    }

    #[test]
    fn operations_see_what_earlier_ones_left() {
        let made = check(&[("a", "1\n")], "*** Delete File: a\n*** Add File: ./a\n+2\n*** Add File: /w/b\n+3").unwrap();
        assert_eq!(made, [('M', "a".into(), "2\n".into()), ('A', "b".into(), "3\n".into())]);
        let moved = check(&[("a", "1\n")], "*** Update File: a\n*** Move to: d/b\n@@\n-1\n+2").unwrap();
        assert_eq!(moved, [('A', "d/b".into(), "2\n".into()), ('D', "a".into(), String::new())]);
    }

    #[test]
    fn nothing_is_overwritten_or_invented() {
        assert_eq!(
            check(&[("a", "1")], "*** Add File: a\n+2").unwrap_err(),
            "a exists already; delete it earlier in the patch, or update it"
        );
        assert_eq!(check(&[], "*** Delete File: a").unwrap_err(), "a does not exist");
        assert_eq!(check(&[], "*** Update File: a\n+x").unwrap_err(), "a does not exist");
        assert!(check(&[("a", "1\n"), ("b", "2")], "*** Update File: a\n*** Move to: b").is_err());
    }

    #[test]
    fn one_file_has_one_name() {
        for (path, expected) in [
            ("a/./b", "a/b"),
            ("/w/a", "a"),
            ("x/../a", "a"),
            ("../a", "../a"),
            ("/etc/a", "/etc/a"),
            ("/web/a", "/web/a"),
        ] {
            assert_eq!(relative("/w", path), expected);
        }
    }
}
