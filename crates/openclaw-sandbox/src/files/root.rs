//! The folder all paths start from, and the only place that resolves a path.
//!
//! Confined roots resolve through `cap-std`: one `openat2(RESOLVE_BENEATH,
//! RESOLVE_NO_MAGICLINKS)` on Linux, a component-wise walk of descriptors
//! elsewhere, so the check and the use are the same system call. What is done to
//! the last component (create, rename, remove) happens relative to the descriptor
//! of its folder, in `change.rs`.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use openclaw_domain::Timestamp;
use openclaw_domain::ports::{FileError, FileKind, Metadata};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawMode};
use rustix::io::Errno;

use super::name::shown;

/// How far paths may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Only below the root.
    Beneath,
    /// Anywhere; relative paths start at the root.
    Anywhere,
}

/// A folder and its descriptor.
#[derive(Debug)]
pub(super) struct Root {
    shown: String,
    given: PathBuf,
    canonical: PathBuf,
    reach: Reach,
    // A lock because the descriptor is replaced when the folder was removed and
    // made anew; it is held for a clone, never during IO on files.
    dir: Mutex<Arc<Dir>>,
}

/// Links written out in one path.
const LINKS_MAX: usize = 40;

/// How a folder is opened to be listed or synced.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens an open folder once more, to list or sync it.
pub(super) fn reopen(folder: impl AsFd) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(folder, ".", FOLDER, Mode::empty())?)
}

/// What the system says about a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Status {
    pub(super) metadata: Metadata,
    pub(super) mode: u32,
    pub(super) links: u64,
}

impl Root {
    /// Makes the folder if needed and opens it.
    pub(super) fn open(path: &Path, reach: Reach) -> Result<Self, FileError> {
        let fault = |error: io::Error| FileError::Io { path: shown(path), message: error.to_string() };
        if !path.is_absolute() {
            return Err(FileError::WrongKind { path: shown(path), what: "is not an absolute path" });
        }
        std::fs::create_dir_all(path).map_err(fault)?;
        let canonical = path.canonicalize().map_err(fault)?;
        let dir = Dir::open_ambient_dir(&canonical, ambient_authority()).map_err(fault)?;
        let given = path.to_owned();
        Ok(Self { shown: shown(path), given, canonical, reach, dir: Mutex::new(Arc::new(dir)) })
    }

    /// Returns the root as people know it.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Returns how far paths may reach.
    pub(super) fn reach(&self) -> Reach {
        self.reach
    }

    /// Turns a path as given into one to resolve from the root.
    pub(super) fn relative(&self, path: &str) -> Result<PathBuf, FileError> {
        if path.contains('\0') {
            return Err(FileError::WrongKind { path: shown(path), what: "holds a NUL character" });
        }
        if path == "~" || path.starts_with("~/") {
            // Taken as a name it would make a folder that a later `rm -r ~` is meant for.
            return Err(FileError::WrongKind { path: shown(path), what: "starts with ~, which only shells expand" });
        }
        let given = Path::new(path);
        let below = match self.reach {
            Reach::Anywhere => given,
            Reach::Beneath if given.is_absolute() => given
                .strip_prefix(&self.given)
                .or_else(|_| given.strip_prefix(&self.canonical))
                .map_err(|_| self.outside(path))?,
            Reach::Beneath => given,
        };
        if self.reach == Reach::Beneath && climbs_out(below) {
            return Err(self.outside(path));
        }
        Ok(if below.as_os_str().is_empty() { PathBuf::from(".") } else { below.to_owned() })
    }

    /// Opens a regular file for reading. Never waits for a pipe's other end.
    pub(super) fn open_file(&self, relative: &Path) -> io::Result<std::fs::File> {
        let dir = self.dir()?;
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        match self.reach {
            Reach::Beneath => {
                let mut options = OpenOptions::new();
                options.read(true).custom_flags(flags.bits().cast_signed());
                self.beneath(&dir, relative, |path| Ok(dir.open_with(path, &options)?.into_std()))
            }
            Reach::Anywhere => {
                let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC;
                Ok(rustix::fs::openat(dir.as_fd(), relative, flags, Mode::empty())?.into())
            }
        }
    }

    /// Opens a folder, to resolve names in it. The descriptor may be good for nothing
    /// else (`O_PATH`), so that folders one may enter but not list work too.
    pub(super) fn open_folder(&self, relative: &Path) -> io::Result<OwnedFd> {
        let dir = self.dir()?;
        match self.reach {
            Reach::Beneath => self.beneath(&dir, relative, |path| Ok(dir.open_dir(path)?.into_std_file().into())),
            Reach::Anywhere => Ok(rustix::fs::openat(dir.as_fd(), relative, FOLDER, Mode::empty())?),
        }
    }

    /// Opens the folder a path's last component is in, made if `make` says so.
    pub(super) fn open_parent(&self, relative: &Path, make: bool) -> io::Result<(OwnedFd, OsString)> {
        let Some(name) = last_name(relative) else {
            return Err(Errno::ISDIR.into());
        };
        let folder = match relative.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        match self.open_folder(folder) {
            Err(error) if make && error.kind() == io::ErrorKind::NotFound => {
                self.make_folders(folder)?;
                Ok((self.open_folder(folder)?, name.to_owned()))
            }
            opened => Ok((opened?, name.to_owned())),
        }
    }

    /// Describes what a path leads to; links are followed as far as they may be.
    pub(super) fn status(&self, relative: &Path) -> io::Result<Status> {
        let dir = self.dir()?;
        match self.reach {
            Reach::Beneath => {
                let found = self.beneath(&dir, relative, |path| dir.metadata(path))?;
                let millis = found.mtime().saturating_mul(1000).saturating_add(found.mtime_nsec() / 1_000_000);
                Ok(Status::new(found.mode(), found.size(), millis, found.nlink()))
            }
            Reach::Anywhere => Ok(Status::of(&rustix::fs::statat(dir.as_fd(), relative, AtFlags::empty())?)),
        }
    }

    /// Turns a system error into one that names the path.
    pub(super) fn explain(&self, path: &str, error: &io::Error) -> FileError {
        let path_shown = if path.is_empty() { ".".to_owned() } else { shown(path) };
        let wrong = |what| FileError::WrongKind { path: path_shown.clone(), what };
        let says = |message: &str| FileError::Io { path: path_shown.clone(), message: message.to_owned() };
        if self.reach == Reach::Beneath && is_escape(error) {
            return self.outside(path);
        }
        match Errno::from_io_error(error) {
            Some(Errno::NOENT) => FileError::NotFound(path_shown),
            Some(Errno::ISDIR) => wrong("is a folder"),
            Some(Errno::NOTDIR) => wrong("has a file where a folder is needed"),
            Some(Errno::NXIO) => wrong("is not a regular file"),
            Some(Errno::EXIST) => wrong("exists already"),
            Some(Errno::NOTEMPTY) => wrong("is a folder that is not empty"),
            Some(Errno::LOOP) => says("links that form a loop or lead into /proc are not followed"),
            Some(Errno::NOSPC | Errno::DQUOT) => says("no space is left on the disk; free some and try again"),
            Some(Errno::NAMETOOLONG) => says("the name is too long"),
            Some(Errno::ACCESS | Errno::PERM) => says("permission denied"),
            Some(Errno::ROFS) => says("the disk is read-only"),
            Some(_) | None => FileError::Io { path: path_shown.clone(), message: error.to_string() },
        }
    }

    /// Says that a path leads outside.
    pub(super) fn outside(&self, path: &str) -> FileError {
        FileError::Outside { path: shown(path), root: self.shown.clone() }
    }

    /// Does something with a confined path. Links with absolute targets count as
    /// leading out, even when the target is inside; such a path is tried once more
    /// with its links written out. What is tried is confined like the first time,
    /// so a link that changes meanwhile gains nothing.
    fn beneath<T>(&self, dir: &Dir, path: &Path, act: impl Fn(&Path) -> io::Result<T>) -> io::Result<T> {
        match act(path) {
            Err(error) if is_escape(&error) => match self.written_out(dir, path) {
                Some(plain) => act(&plain),
                None => Err(error),
            },
            done => done,
        }
    }

    /// Replaces the links in a path by their targets; `None` when one leads out.
    fn written_out(&self, dir: &Dir, path: &Path) -> Option<PathBuf> {
        let mut plain = PathBuf::new();
        let mut rest: VecDeque<OsString> = path.components().map(|part| part.as_os_str().to_owned()).collect();
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                if !plain.pop() {
                    return None;
                }
                continue;
            }
            let Ok(target) = dir.read_link_contents(plain.join(&part)) else {
                plain.push(part);
                continue;
            };
            links += 1;
            if links > LINKS_MAX {
                return None;
            }
            let mut inner = target.as_path();
            if target.is_absolute() {
                inner = target.strip_prefix(&self.given).or_else(|_| target.strip_prefix(&self.canonical)).ok()?;
                plain = PathBuf::new();
            }
            for part in inner.components().rev() {
                rest.push_front(part.as_os_str().to_owned());
            }
        }
        Some(if plain.as_os_str().is_empty() { PathBuf::from(".") } else { plain })
    }

    fn make_folders(&self, relative: &Path) -> io::Result<()> {
        match self.reach {
            Reach::Beneath => self.dir()?.create_dir_all(relative),
            Reach::Anywhere => std::fs::create_dir_all(self.canonical.join(relative)),
        }
    }

    /// Returns the descriptor; opens the folder again when it was removed and is
    /// back, which people do to clean up a workspace.
    fn dir(&self) -> io::Result<Arc<Dir>> {
        let mut dir = self.dir.lock().unwrap_or_else(PoisonError::into_inner);
        if rustix::fs::fstat(dir.as_fd())?.st_nlink == 0 {
            *dir = Arc::new(Dir::open_ambient_dir(&self.canonical, ambient_authority())?);
        }
        Ok(Arc::clone(&dir))
    }
}

impl Status {
    /// Reads what `fstat` and its relatives return.
    #[expect(clippy::allow_attributes, reason = "whether a cast is needed differs between systems")]
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "field types differ between systems")]
    pub(super) fn of(stat: &rustix::fs::Stat) -> Self {
        let millis = (stat.st_mtime as i64).saturating_mul(1000).saturating_add(stat.st_mtime_nsec as i64 / 1_000_000);
        let bytes = u64::try_from(stat.st_size).unwrap_or(0);
        Self::new(u32::from(stat.st_mode), bytes, millis, stat.st_nlink as u64)
    }

    fn new(mode: u32, bytes: u64, millis: i64, links: u64) -> Self {
        let kind = match FileType::from_raw_mode(mode as RawMode) {
            FileType::RegularFile => FileKind::File,
            FileType::Directory => FileKind::Folder,
            FileType::Symlink => FileKind::Link,
            _ => FileKind::Other,
        };
        Self { metadata: Metadata { kind, bytes, modified_at: Timestamp(millis) }, mode: mode & 0o7777, links }
    }
}

/// Tells whether a path was refused because it leads out. `cap-std` says so with an
/// error of its own, which has no system error in it.
fn is_escape(error: &io::Error) -> bool {
    let is_told = error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none();
    is_told || Errno::from_io_error(error) == Some(Errno::XDEV)
}

/// Returns the last component when it is a name.
fn last_name(path: &Path) -> Option<&OsStr> {
    match path.components().next_back() {
        Some(Component::Normal(name)) => Some(name),
        Some(Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir) | None => None,
    }
}

/// Tells whether `..` leads above the start. Links may still lead out; the kernel
/// judges those. This gives the right error even when nothing is there.
fn climbs_out(path: &Path) -> bool {
    let mut depth = 0_i64;
    for component in path.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::ParentDir => depth -= 1,
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir => return true,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn climbing_above_the_start_is_noticed_on_the_way() {
        for (path, expected) in
            [("a/b", false), ("a/../b", false), ("..", true), ("a/../../b", true), ("a/../../a/b", true), (".", false)]
        {
            assert_eq!(climbs_out(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn an_absolute_path_below_the_root_is_made_relative() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path(), Reach::Beneath).unwrap();
        let inside = folder.path().join("a/b");
        assert_eq!(root.relative(inside.to_str().unwrap()).unwrap(), Path::new("a/b"));
        assert_eq!(root.relative(folder.path().to_str().unwrap()).unwrap(), Path::new("."));
        let sibling = format!("{}2/a", folder.path().display());
        assert!(matches!(root.relative(&sibling), Err(FileError::Outside { .. })));
    }
}
