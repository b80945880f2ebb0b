//! Making a scratch directory from files that were kept.
//!
//! The files are written into a folder of another name, which takes the right
//! one once all of them are synced. So a folder that has its name is whole,
//! whenever the program was killed; what was begun is thrown away and begun anew.
//! What is to be told of the files stands in a file beside the folder.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::{Keeping, Restored};
use openclaw_domain::scratch::{Bounds, Captured};
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use super::{failed, gone, mark_kept, opened_up};
use crate::files::Workspace;

/// Ends the name of a folder that is being made from kept files.
pub(super) const PART: &str = ".part";

/// Ends the name of the file that says what is to be told of a folder's files.
const REMARK: &str = ".remark";

/// Longest remark.
const REMARK_BYTES_MAX: u64 = 16 * 1024;

/// Tells whether a folder has its name.
pub(super) fn holds(root: &Path, name: &str) -> Result<bool, Fault> {
    let path = root.join(name);
    match std::fs::symlink_metadata(&path) {
        Ok(found) => Ok(found.is_dir()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("look for", &path, &error)),
    }
}

/// Reads the files of a folder.
pub(super) fn capture(root: &Path, name: &str, bounds: &Bounds) -> Result<Captured, Fault> {
    if !holds(root, name)? {
        return Err(Fault::new(Kind::NotFound, format!("{} does not exist", root.join(name).display())));
    }
    Workspace::open(root.join(name)).and_then(|workspace| workspace.capture(bounds)).map_err(|error| unusable(&error))
}

/// Makes a folder with these files; false when one is there.
pub(super) fn restore(root: &Path, name: &str, keeping: Keeping, restored: &Restored) -> Result<bool, Fault> {
    if holds(root, name)? {
        return Ok(false);
    }
    let part = root.join(format!("{name}{PART}"));
    remove_part(root, name)?;
    let made = Workspace::open(&part).and_then(|workspace| workspace.write_all(&restored.files));
    made.map_err(|error| unusable(&error))?;
    remark_on(root, name, restored.remark.as_deref())?;
    if keeping == Keeping::Keep {
        mark_kept(root, name)?;
    }
    sync(&part)?;
    let path = root.join(name);
    match rustix::fs::renameat_with(CWD, &part, CWD, &path, RenameFlags::NOREPLACE) {
        // Not every file system can refuse; nobody else makes this folder.
        Err(Errno::INVAL | Errno::NOSYS) => std::fs::rename(&part, &path),
        renamed => renamed.map_err(std::io::Error::from),
    }
    .map_err(|error| failed("make", &path, &error))?;
    sync(root)?;
    Ok(true)
}

/// Removes what a restoring that did not end has left.
pub(super) fn remove_part(root: &Path, name: &str) -> Result<(), Fault> {
    let part = root.join(format!("{name}{PART}"));
    gone(&part, std::fs::remove_dir_all(&part).or_else(|_| opened_up(&part)))
}

/// Returns what is to be told of a folder's files.
pub(super) fn remark(root: &Path, name: &str) -> Result<Option<String>, Fault> {
    let path = remark_path(root, name);
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(REMARK_BYTES_MAX).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", &path, &error)),
    }
}

/// Removes what is to be told, with the folder it is about.
pub(super) fn remove_remark(root: &Path, name: &str) -> Result<(), Fault> {
    let path = remark_path(root, name);
    gone(&path, std::fs::remove_file(&path))
}

fn remark_on(root: &Path, name: &str, text: Option<&str>) -> Result<(), Fault> {
    let path = remark_path(root, name);
    let Some(text) = text else { return remove_remark(root, name) };
    let text = &text.as_bytes()[..text.floor_char_boundary(REMARK_BYTES_MAX as usize)];
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(text)?;
        file.sync_all()
    });
    written.map_err(|error| failed("write", &path, &error))
}

fn remark_path(root: &Path, name: &str) -> PathBuf {
    root.join(format!("{name}{REMARK}"))
}

fn sync(folder: &Path) -> Result<(), Fault> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed("sync", folder, &error))
}

fn unusable(error: &openclaw_domain::ports::FileError) -> Fault {
    Fault::new(Kind::Unavailable, format!("cannot use a scratch: {error}"))
}
