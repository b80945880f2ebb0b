//! Reading and writing the few files this crate owns, under limits.
//!
//! Every write ends as a private file (0600) in a private folder (0700), synced
//! and renamed into place, so a crash leaves the old text or the new one. It
//! refuses to replace a symbolic link and to read anything but a regular file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// What went wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A folder, socket, device or link where a file should be.
    #[error("use {}: it is {found}, not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// Larger than is read or written.
    #[error("use {}: it has more than {bytes_max} bytes", path.display())]
    TooLarge {
        /// The path.
        path: PathBuf,
        /// The limit.
        bytes_max: u64,
    },
    /// Not UTF-8.
    #[error("read {}: it is not UTF-8 text (first bad byte at {at})", path.display())]
    NotText {
        /// The path.
        path: PathBuf,
        /// Offset of the first bad byte.
        at: usize,
    },
}

impl Error {
    /// Tells whether nothing is there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
    }
}

fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Io { action, path: path.to_owned(), source }
}

/// Reads a regular file of at most `bytes_max` bytes as text, following links.
pub(crate) fn read_text(path: &Path, bytes_max: u64) -> Result<String, Error> {
    let bytes = read_bytes(path, bytes_max)?;
    String::from_utf8(bytes)
        .map_err(|error| Error::NotText { path: path.to_owned(), at: error.utf8_error().valid_up_to() })
}

/// Reads a regular file of at most `bytes_max` bytes, following links.
pub(crate) fn read_bytes(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Error> {
    // Looked at before opening: opening a FIFO would wait for a writer.
    let metadata = fs::metadata(path).map_err(io("read", path))?;
    if !metadata.is_file() {
        return Err(Error::NotAFile {
            path: path.to_owned(),
            found: if metadata.is_dir() { "a folder" } else { "a device or socket" },
        });
    }
    let file = File::open(path).map_err(io("open", path))?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(io("read", path))?;
    if bytes.len() as u64 > bytes_max {
        return Err(Error::TooLarge { path: path.to_owned(), bytes_max });
    }
    Ok(bytes)
}

/// Refuses a path that is there but is not a plain file of its own.
pub(crate) fn refuse_link(path: &Path) -> Result<(), Error> {
    let found = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => return Ok(()),
        Ok(metadata) if metadata.is_symlink() => "a symbolic link",
        Ok(metadata) if metadata.is_dir() => "a folder",
        Ok(_) => "a device or socket",
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io("look at", path)(error)),
    };
    Err(Error::NotAFile { path: path.to_owned(), found })
}

/// Makes a folder for private files; an existing one keeps its mode.
pub(crate) fn make_private_dir(path: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(io("create", path))
}

/// Replaces a file: private temporary file beside it, synced, then renamed.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    refuse_link(path)?;
    let temp = temp_path(path)?;
    let written = write_new(&temp, bytes).and_then(|()| fs::rename(&temp, path).map_err(io("replace", path)));
    if written.is_err() {
        // The write failed and says why; the leftover is removed if it can be.
        fs::remove_file(&temp).ok();
        return written;
    }
    sync_dir(path)
}

/// Creates a private file that must not exist yet.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(io("create", path))?;
    file.write_all(bytes).map_err(io("write", path))?;
    file.sync_all().map_err(io("sync", path))
}

/// Opens a private file for locking, creating it.
pub(crate) fn open_lock(path: &Path) -> Result<File, Error> {
    refuse_link(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(io("open", path))
}

/// Moves a file over another; a missing source is fine.
pub(crate) fn rename_if_there(from: &Path, to: &Path) -> Result<(), Error> {
    match fs::rename(from, to) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io("rename", from)(error)),
    }
}

fn temp_path(path: &Path) -> Result<PathBuf, Error> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random)
        .map_err(|error| io("name a temporary file for", path)(io::Error::other(error.to_string())))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(path.with_file_name(format!(".{name}.{}.tmp", hex::encode(random))))
}

/// Makes a rename durable.
fn sync_dir(path: &Path) -> Result<(), Error> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        Some(_) | None => Path::new("."),
    };
    #[cfg(unix)]
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io("sync", dir))?;
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_replaced_file_is_private_even_if_it_was_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_made_folder_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        make_private_dir(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn links_are_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("t"), dir.path().join("l"));
        fs::write(&target, "keep").unwrap();
        symlink(&target, &link).unwrap();
        assert!(matches!(replace(&link, b"x"), Err(Error::NotAFile { .. })));
        assert_eq!(fs::read_to_string(&target).unwrap(), "keep");
    }

    #[test]
    fn reading_is_bounded_and_wants_a_file_of_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        assert!(matches!(read_text(&path, 4), Err(Error::TooLarge { bytes_max: 4, .. })));
        fs::write(&path, b"ab\xff").unwrap();
        assert!(matches!(read_text(&path, 9), Err(Error::NotText { at: 2, .. })));
        assert!(matches!(read_text(dir.path(), 9), Err(Error::NotAFile { .. })));
        assert!(read_text(&dir.path().join("none"), 9).unwrap_err().is_missing());
    }
}
