//! Writing, moving and removing.
//!
//! The folder of the last component is resolved first; everything after happens
//! relative to that descriptor and never follows a link, so a folder or file that
//! is swapped meanwhile cannot redirect the change. A write goes to a new file
//! beside the old one, is synced and takes its name: readers see one or the other,
//! and an old file's other hard links keep the old content.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use openclaw_domain::ports::{FileError, FileKind};
use rustix::fs::{Access, AtFlags, Mode, OFlags, RawMode, RenameFlags};
use rustix::io::Errno;

use super::name::shown;
use super::root::{Root, Status, reopen};

/// Links followed to find the file to write.
const LINKS_MAX: usize = 8;

/// Permissions of a new file, before the umask.
const NEW_FILE_MODE: u32 = 0o644;

/// Writes a file, making its folders.
pub(super) fn write(root: &Root, path: &str, content: &[u8]) -> Result<(), FileError> {
    let explain = |error: io::Error| root.explain(path, &error);
    let mut relative = root.relative(path)?;
    for _ in 0..LINKS_MAX {
        let (folder, name) = root.open_parent(&relative, true).map_err(explain)?;
        let mode = match status_at(&folder, &name).map_err(explain)? {
            None => None,
            Some(status) => match status.metadata.kind {
                FileKind::Folder => return Err(wrong(path, "is a folder")),
                FileKind::Other => return Err(wrong(path, "is not a regular file")),
                FileKind::Link => {
                    relative = link_target(root, path, &relative, &folder, &name)?;
                    continue;
                }
                FileKind::File => {
                    // The rename would succeed on a read-only file; its owner meant it.
                    let access = rustix::fs::accessat(&folder, &name, Access::WRITE_OK, AtFlags::empty());
                    access.map_err(|error| explain(error.into()))?;
                    Some(status.mode & 0o777)
                }
            },
        };
        return replace(folder.as_fd(), &name, content, mode).map_err(explain);
    }
    Err(explain(Errno::LOOP.into()))
}

/// Writes a file that must not be there yet, making its folders.
pub(super) fn create(root: &Root, path: &str, content: &[u8], mode: u32) -> Result<(), FileError> {
    let explain = |error: io::Error| root.explain(path, &error);
    let (folder, name) = root.open_parent(&root.relative(path)?, true).map_err(explain)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&folder, &name, flags, mode_of(mode)).map_err(|error| explain(error.into()))?;
    fill(file.into(), content, None).map_err(explain)?;
    sync_folder(folder.as_fd());
    Ok(())
}

/// Moves a file, making the target's folders; refuses to overwrite.
pub(super) fn rename(root: &Root, from: &str, to: &str) -> Result<(), FileError> {
    let (from_path, to_path) = (root.relative(from)?, root.relative(to)?);
    let (from_folder, from_name) = root.open_parent(&from_path, false).map_err(|error| root.explain(from, &error))?;
    if status_at(&from_folder, &from_name).map_err(|error| root.explain(from, &error))?.is_none() {
        return Err(FileError::NotFound(shown(from)));
    }
    let (to_folder, to_name) = root.open_parent(&to_path, true).map_err(|error| root.explain(to, &error))?;
    match rustix::fs::renameat_with(&from_folder, &from_name, &to_folder, &to_name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            move_by_link(&from_folder, &from_name, &to_folder, &to_name).map_err(|error| root.explain(to, &error))?;
        }
        Err(Errno::XDEV) => {
            let message = "the target is on another disk; write it there and remove this one".to_owned();
            return Err(FileError::Io { path: shown(from), message });
        }
        moved => moved.map_err(|error| root.explain(to, &error.into()))?,
    }
    sync_folder(to_folder.as_fd());
    Ok(())
}

/// Removes a file, a link itself, or an empty folder.
pub(super) fn remove(root: &Root, path: &str) -> Result<(), FileError> {
    let explain = |error: io::Error| root.explain(path, &error);
    let relative = root.relative(path)?;
    if relative.as_os_str() == "." {
        return Err(wrong(path, "is the workspace itself"));
    }
    let (folder, name) = root.open_parent(&relative, false).map_err(explain)?;
    let Some(status) = status_at(&folder, &name).map_err(explain)? else {
        return Err(FileError::NotFound(shown(path)));
    };
    let flags = match status.metadata.kind {
        FileKind::Folder => AtFlags::REMOVEDIR,
        FileKind::File | FileKind::Link | FileKind::Other => AtFlags::empty(),
    };
    rustix::fs::unlinkat(&folder, &name, flags).map_err(|error| explain(error.into()))?;
    sync_folder(folder.as_fd());
    Ok(())
}

fn wrong(path: &str, what: &'static str) -> FileError {
    FileError::WrongKind { path: shown(path), what }
}

fn status_at(folder: &OwnedFd, name: &OsStr) -> io::Result<Option<Status>> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(Status::of(&stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns where a link leads, to be resolved from the root like any other path.
fn link_target(root: &Root, path: &str, relative: &Path, folder: &OwnedFd, name: &OsStr) -> Result<PathBuf, FileError> {
    let target = rustix::fs::readlinkat(folder, name, Vec::new()).map_err(|error| root.explain(path, &error.into()))?;
    let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
    let joined = relative.parent().unwrap_or(Path::new("")).join(target);
    let Some(text) = joined.to_str() else {
        return Err(wrong(path, "is a link to a name that is not UTF-8"));
    };
    root.relative(text).map_err(|_| root.outside(path))
}

/// Puts a new file in the place of `name`.
fn replace(folder: BorrowedFd<'_>, name: &OsStr, content: &[u8], mode: Option<u32>) -> io::Result<()> {
    let (fresh, file) = create_beside(folder)?;
    let written = fill(file, content, mode)
        .and_then(|()| rustix::fs::renameat(folder, &fresh, folder, name).map_err(io::Error::from));
    if let Err(error) = written {
        // The first error is the one to tell; a left-over file is only untidy.
        let _ = rustix::fs::unlinkat(folder, &fresh, AtFlags::empty());
        return Err(error);
    }
    sync_folder(folder);
    Ok(())
}

fn create_beside(folder: BorrowedFd<'_>) -> io::Result<(String, std::fs::File)> {
    let random = getrandom::u64().map_err(|error| io::Error::other(error.to_string()))?;
    let fresh = format!(".openclaw-{random:016x}.tmp");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, &fresh, flags, mode_of(NEW_FILE_MODE))?;
    Ok((fresh, file.into()))
}

fn fill(mut file: std::fs::File, content: &[u8], mode: Option<u32>) -> io::Result<()> {
    file.write_all(content)?;
    if let Some(mode) = mode {
        rustix::fs::fchmod(&file, mode_of(mode))?;
    }
    file.sync_all()
}

fn mode_of(mode: u32) -> Mode {
    Mode::from_raw_mode(mode as RawMode)
}

/// Makes a change of names durable. Some file systems cannot sync a folder; the
/// change itself has happened, so that is not an error.
fn sync_folder(folder: BorrowedFd<'_>) {
    if let Ok(folder) = reopen(folder) {
        let _ = rustix::fs::fsync(folder);
    }
}

/// Moves a file where the file system has no rename that refuses to overwrite.
fn move_by_link(from_folder: &OwnedFd, from: &OsStr, to_folder: &OwnedFd, to: &OsStr) -> io::Result<()> {
    if let Some(status) = status_at(from_folder, from)?
        && status.metadata.kind == FileKind::Folder
    {
        return Err(io::Error::other("a folder cannot be moved into itself or on this kind of disk"));
    }
    rustix::fs::linkat(from_folder, from, to_folder, to, AtFlags::empty())?;
    Ok(rustix::fs::unlinkat(from_folder, from, AtFlags::empty())?)
}
