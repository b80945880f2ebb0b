//! Reading all files below a folder to keep them, and writing them again.
//!
//! What is read and written goes the same confined ways as everything else: no
//! link is followed, no device opened, and a file of which another name may lie
//! outside is left out. Bounds come first: what is over one is counted.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use openclaw_domain::ports::{FileError, FileKind, Walk};
use openclaw_domain::scratch::{Bounds, Captured, KeptFile, Reason};

use super::root::{Root, reopen};
use super::{change, read, walk};

/// Permissions of a file that is written again, before the umask.
const PLAIN_MODE: u32 = 0o644;
const EXECUTABLE_MODE: u32 = 0o755;

/// The bit that lets a file's owner run it.
const OWNER_RUNS: u32 = 0o100;

/// Reads the files of a folder, as far as the bounds let it.
pub(super) fn capture(root: &Root, bounds: &Bounds) -> Result<Captured, FileError> {
    // One more than may be looked at tells whether there are more.
    let all = Walk { entries_max: bounds.entries_max.saturating_add(1), ..Walk::default() };
    let mut found = walk::walk(root, "", &all, &AtomicBool::new(false))?;
    let mut captured = Captured::default();
    if found.len() > bounds.entries_max {
        captured.left_out.add("what else is there", Reason::TooMany);
        found.truncate(bounds.entries_max);
    }
    let mut left = bounds.bytes_max;
    for entry in found {
        if entry.metadata.kind == FileKind::Folder {
            if !is_entered(root, &entry.path) {
                captured.left_out.add(&entry.path, Reason::Unreadable);
            }
            continue;
        }
        let kept = match judge(&captured, left, bounds, entry.metadata.kind, entry.metadata.bytes) {
            None => file(root, &entry.path, bounds.file_bytes_max.min(left)),
            Some(reason) => Err(reason),
        };
        match kept {
            // A name that is no text is shown like one that is: it may be there twice.
            Ok(file) if captured.files.last().is_some_and(|last| last.path() == file.path()) => {
                captured.left_out.add(&entry.path, Reason::Unreadable);
            }
            Ok(file) => {
                left = left.saturating_sub(file.body().len() as u64);
                captured.files.push(file);
            }
            Err(reason) => captured.left_out.add(&entry.path, reason),
        }
    }
    Ok(captured)
}

/// Tells whether what is in a folder was looked at.
fn is_entered(root: &Root, path: &str) -> bool {
    path.split('/').count() < walk::DEPTH_MAX && root.open_folder(Path::new(path)).and_then(reopen).is_ok()
}

fn judge(captured: &Captured, left: u64, bounds: &Bounds, kind: FileKind, bytes: u64) -> Option<Reason> {
    match kind {
        FileKind::Link | FileKind::Other | FileKind::Folder => Some(Reason::NoFile),
        FileKind::File if bytes > bounds.file_bytes_max => Some(Reason::TooLarge),
        FileKind::File if captured.files.len() >= bounds.files_max => Some(Reason::TooMany),
        FileKind::File if bytes > left => Some(Reason::TooMuch),
        FileKind::File => None,
    }
}

fn file(root: &Root, path: &str, bytes_max: u64) -> Result<KeptFile, Reason> {
    let body = read::read(root, path, bytes_max).map_err(|error| match error {
        FileError::WrongKind { .. } => Reason::NoFile,
        FileError::TooLarge { .. } => Reason::TooLarge,
        FileError::NotFound(_) | FileError::Outside { .. } | FileError::Io { .. } => Reason::Unreadable,
    })?;
    let mode = root.status(Path::new(path)).map_err(|_gone| Reason::Unreadable)?.mode;
    KeptFile::new(path, mode & OWNER_RUNS != 0, body).map_err(|_bad| Reason::Unreadable)
}

/// Writes kept files into a folder that has none of them, each synced.
pub(super) fn write_all(root: &Root, files: &[KeptFile]) -> Result<(), FileError> {
    for file in files {
        let mode = if file.is_executable() { EXECUTABLE_MODE } else { PLAIN_MODE };
        change::create(root, file.path(), file.body(), mode)?;
    }
    Ok(())
}
