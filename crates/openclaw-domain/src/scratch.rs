//! Files of an instance as they were at one moment.
//!
//! What is kept is bounded, and what is not kept is counted and named: nobody is
//! told that all is there when it is not. A [`KeptFile`] cannot have a path that
//! leads out of a folder, so a damaged record cannot write elsewhere.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::{Seq, Timestamp};

/// Longest path that is kept, and its longest name.
const PATH_BYTES_MAX: usize = 1024;
const NAME_BYTES_MAX: usize = 255;

/// Most things named that were left out; all are counted.
const EXAMPLES_MAX: usize = 10;

/// How much of a path is shown where it is only named.
const SHOWN_CHARS_MAX: usize = 120;

/// How much of a scratch directory is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Files.
    pub files_max: usize,
    /// Bytes of one file.
    pub file_bytes_max: u64,
    /// Bytes of all files.
    pub bytes_max: u64,
    /// Names looked at, folders included.
    pub entries_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { files_max: 1000, file_bytes_max: 4 << 20, bytes_max: 16 << 20, entries_max: 10_000 }
    }
}

/// One regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFile {
    path: String,
    is_executable: bool,
    body: Bytes,
    sha: [u8; 32],
}

impl KeptFile {
    /// Makes a file; computes the hash of its content.
    ///
    /// # Errors
    /// When the path is not one of a file below a folder.
    pub fn new(path: &str, is_executable: bool, body: Bytes) -> Result<Self, BadPath> {
        check(path)?;
        let sha = Sha256::digest(&body).into();
        Ok(Self { path: path.to_owned(), is_executable, body, sha })
    }

    /// Returns where it lies below the folder, with `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Tells whether its owner may run it.
    pub fn is_executable(&self) -> bool {
        self.is_executable
    }

    /// Returns its content.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the SHA-256 of its content.
    pub fn sha(&self) -> &[u8; 32] {
        &self.sha
    }
}

/// A path that is not kept and not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path {path:?} {what}")]
pub struct BadPath {
    path: String,
    what: &'static str,
}

fn check(path: &str) -> Result<(), BadPath> {
    let bad = |what| Err(BadPath { path: path.chars().take(80).collect(), what });
    if path.len() > PATH_BYTES_MAX {
        return bad("is too long");
    }
    if path.contains('\0') {
        return bad("holds a NUL character");
    }
    for name in path.split('/') {
        match name {
            "" => return bad("is absolute or has an empty name"),
            "." | ".." => return bad("has a name that leads elsewhere"),
            name if name.len() > NAME_BYTES_MAX => return bad("has a name that is too long"),
            _ => {}
        }
    }
    Ok(())
}

/// What a scratch directory held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// The files, by path.
    pub files: Vec<KeptFile>,
    /// What was not kept.
    pub left_out: LeftOut,
    /// Whether programs of the instance ran meanwhile, so that files may have
    /// changed while they were read and may change again.
    pub is_moving: bool,
}

impl Captured {
    /// Returns how many bytes all files have.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.body.len() as u64).sum()
    }

    /// Returns what two captures have in common only when they hold the same.
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for file in &self.files {
            // A path holds no NUL, so no two listings run into the same bytes.
            digest.update(file.path.as_bytes());
            digest.update([0, u8::from(file.is_executable)]);
            digest.update(file.sha);
        }
        digest.update(serde_json::to_vec(&self.left_out).unwrap_or_default());
        digest.finalize().into()
    }
}

/// What of a scratch directory is not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// How much that is.
    pub count: usize,
    /// The first of them, and why.
    pub examples: Vec<(String, Reason)>,
}

impl LeftOut {
    /// Adds one.
    pub fn add(&mut self, path: &str, reason: Reason) {
        self.count += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push((path.chars().take(SHOWN_CHARS_MAX).collect(), reason));
        }
    }

    /// Tells whether everything was kept.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Names what was left out, for people and models: `a.iso (is too large), 3 more`.
    pub fn words(&self) -> String {
        let mut words: Vec<String> =
            self.examples.iter().map(|(path, reason)| format!("{path} ({})", reason.words())).collect();
        let more = self.count.saturating_sub(self.examples.len());
        if more > 0 {
            words.push(format!("{more} more"));
        }
        words.join(", ")
    }
}

/// Why something is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The file is larger than one may be.
    TooLarge,
    /// There are more files than are kept.
    TooMany,
    /// The files before it are as much as is kept.
    TooMuch,
    /// It is a link, has other names, or is a device, a socket or a pipe.
    NoFile,
    /// It could not be read, or its name cannot be written down.
    Unreadable,
}

impl Reason {
    fn words(self) -> &'static str {
        match self {
            Reason::TooLarge => "is too large",
            Reason::TooMany => "there are too many files",
            Reason::TooMuch => "the files are too much together",
            Reason::NoFile => "is no regular file of its own",
            Reason::Unreadable => "could not be read",
        }
    }
}

/// Files of a run as they were at one position of its journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptScratch {
    /// The last event that had been recorded.
    pub seq: Seq,
    /// When that was.
    pub at: Timestamp,
    /// The files.
    pub captured: Captured,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_path_stays_below_its_folder() {
        let long = format!("a/{}", "n".repeat(NAME_BYTES_MAX + 1));
        let deep = "d/".repeat(PATH_BYTES_MAX / 2) + "f";
        for path in ["", "/etc/passwd", "../x", "a/../../x", "a/./x", "a//x", "a/", "a\0b", &long, &deep] {
            assert!(KeptFile::new(path, false, Bytes::new()).is_err(), "{path:?}");
        }
        for path in ["a", "a/b.txt", "..a/...", "~", "ä/ö", &long[..NAME_BYTES_MAX]] {
            assert_eq!(KeptFile::new(path, false, Bytes::new()).unwrap().path(), path);
        }
    }

    #[test]
    fn captures_have_the_same_digest_only_when_they_hold_the_same() {
        let file = |path, is_executable, body| KeptFile::new(path, is_executable, Bytes::from_static(body)).unwrap();
        let of = |files: Vec<KeptFile>| Captured { files, ..Captured::default() };
        let base = of(vec![file("a", false, b"x")]);
        assert_eq!(base.digest(), Captured { is_moving: true, ..base.clone() }.digest());
        let mut short = base.clone();
        short.left_out.add("b", Reason::TooLarge);
        let others = [
            of(vec![]),
            of(vec![file("b", false, b"x")]),
            of(vec![file("a", true, b"x")]),
            of(vec![file("a", false, b"y")]),
            of(vec![file("a", false, b"x"), file("b", false, b"x")]),
            short,
        ];
        assert!(others.iter().all(|other| other.digest() != base.digest()));
    }

    #[test]
    fn what_was_left_out_is_counted_and_the_first_of_it_named() {
        let mut left_out = LeftOut::default();
        left_out.add("a.iso", Reason::TooLarge);
        assert_eq!(left_out.words(), "a.iso (is too large)");
        for n in 0..EXAMPLES_MAX + 1 {
            left_out.add(&format!("link-{n}"), Reason::NoFile);
        }
        assert_eq!((left_out.count, left_out.examples.len()), (12, EXAMPLES_MAX));
        assert!(left_out.words().ends_with(", 2 more"), "{}", left_out.words());
    }
}
