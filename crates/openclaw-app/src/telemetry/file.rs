//! Writes log lines to a dated file of bounded size, secrets replaced.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Set-aside files kept per name.
const ARCHIVES_MAX: usize = 5;

/// A log file that changes with the day and is set aside when it is full.
pub(super) struct DatedFile {
    folder: PathBuf,
    fixed: Option<PathBuf>,
    bytes_max: u64,
    open: Option<Open>,
}

struct Open {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl DatedFile {
    /// Makes a writer; nothing is opened before the first line.
    pub(super) fn new(folder: PathBuf, fixed: Option<PathBuf>, bytes_max: u64) -> Self {
        Self { folder, fixed, bytes_max, open: None }
    }

    fn current(&mut self) -> io::Result<&mut Open> {
        let path = match &self.fixed {
            Some(path) => path.clone(),
            None => self.folder.join(format!("openclaw-{}.log", jiff::Zoned::now().date())),
        };
        let is_full = self.open.as_ref().is_some_and(|open| open.bytes >= self.bytes_max);
        if is_full {
            self.open = None;
            set_aside(&path)?;
        }
        match &mut self.open {
            Some(open) if open.path == path => {}
            slot => *slot = Some(open(&path)?),
        }
        self.open.as_mut().ok_or_else(|| io::Error::other("the log file is not open"))
    }
}

impl Write for DatedFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let clean = openclaw_security::redact(&text);
        let open = self.current()?;
        open.file.write_all(clean.as_bytes())?;
        open.bytes += clean.len() as u64;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), |open| open.file.flush())
    }
}

fn open(path: &Path) -> io::Result<Open> {
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let bytes = file.metadata()?.len();
    Ok(Open { path: path.to_path_buf(), file, bytes })
}

/// Renames `x.log` to `x.log.1`, the older ones one further, the oldest away.
fn set_aside(path: &Path) -> io::Result<()> {
    let numbered = |n: usize| PathBuf::from(format!("{}.{n}", path.display()));
    for n in (1..ARCHIVES_MAX).rev() {
        if numbered(n).exists() {
            std::fs::rename(numbered(n), numbered(n + 1))?;
        }
    }
    std::fs::rename(path, numbered(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_set_aside_and_secrets_are_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let mut file = DatedFile::new(folder.path().into(), Some(path.clone()), 30);
        file.write_all(b"key sk-ant-REDACTED\n").unwrap();
        file.write_all(b"0123456789012345678901234567890\n").unwrap();
        file.write_all(b"second\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "second\n");
        let aside = std::fs::read_to_string(folder.path().join("x.log.1")).unwrap();
        assert!(!aside.contains("abcdefghijkl"), "{aside}");
    }
}
