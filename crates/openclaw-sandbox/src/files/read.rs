//! Reading and describing one file.
//!
//! Refuses folders, pipes, sockets and devices without opening them for long, and,
//! in a confined workspace, files with a second hard link: such a link may be
//! another name of a file outside, which no path check can see.

use std::io::{self, Read as _};

use bytes::Bytes;
use openclaw_domain::ports::{FileError, FileKind, Metadata};

use super::name::shown;
use super::root::{Reach, Root, Status};

/// Reads a whole file of at most `bytes_max` bytes.
pub(super) fn read(root: &Root, path: &str, bytes_max: u64) -> Result<Bytes, FileError> {
    let relative = root.relative(path)?;
    let explain = |error: io::Error| root.explain(path, &error);
    // Looked at before it is opened: opening a device can do things by itself.
    check_kind(root, path, &root.status(&relative).map_err(explain)?)?;
    let file = root.open_file(&relative).map_err(explain)?;
    let status = Status::of(&rustix::fs::fstat(&file).map_err(|error| explain(error.into()))?);
    check_kind(root, path, &status)?;
    let bytes = status.metadata.bytes;
    if bytes > bytes_max {
        return Err(FileError::TooLarge { path: shown(path), bytes, bytes_max });
    }
    let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut content).map_err(explain)?;
    let read = content.len() as u64;
    if read > bytes_max {
        // It grew while it was read, or its size is not known beforehand (/proc).
        return Err(FileError::TooLarge { path: shown(path), bytes: read, bytes_max });
    }
    Ok(content.into())
}

/// Says what a path is.
pub(super) fn stat(root: &Root, path: &str) -> Result<Metadata, FileError> {
    let relative = root.relative(path)?;
    let status = root.status(&relative).map_err(|error| root.explain(path, &error))?;
    Ok(status.metadata)
}

fn check_kind(root: &Root, path: &str, status: &Status) -> Result<(), FileError> {
    let wrong = |what| Err(FileError::WrongKind { path: shown(path), what });
    match status.metadata.kind {
        FileKind::Folder => wrong("is a folder"),
        FileKind::Link | FileKind::Other => wrong("is not a regular file"),
        FileKind::File if status.links > 1 && root.reach() == Reach::Beneath => {
            wrong("has another hard link, which may lie outside the workspace")
        }
        FileKind::File => Ok(()),
    }
}
