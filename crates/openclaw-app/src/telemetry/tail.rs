//! Reads the end of the log for people who follow it.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::{LogPage, LogQuery, Logs};

/// The log files of this installation.
pub(crate) struct LogFiles {
    fixed: Option<PathBuf>,
    folder: PathBuf,
}

impl LogFiles {
    /// Reads the fixed file, or the newest dated one of the folder.
    pub(crate) fn new(fixed: Option<PathBuf>, folder: PathBuf) -> Self {
        Self { fixed, folder }
    }

    fn newest(&self) -> Option<PathBuf> {
        if let Some(path) = &self.fixed {
            return Some(path.clone());
        }
        let entries = std::fs::read_dir(&self.folder).ok()?;
        let dated = entries.filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?;
            (name.starts_with("openclaw-") && name.ends_with(".log")).then_some(path)
        });
        dated.max()
    }
}

#[async_trait]
impl Logs for LogFiles {
    async fn tail(&self, query: LogQuery) -> Result<LogPage, Fault> {
        let Some(path) = self.newest() else { return Ok(LogPage::default()) };
        let shown = path.display().to_string();
        let read = tokio::task::spawn_blocking(move || read(&path, query)).await;
        let page = read.map_err(|error| Fault::new(Kind::Bug, error.to_string()))?;
        page.map_err(|error| Fault::new(Kind::Unavailable, format!("{shown}: {error}")))
    }
}

fn read(path: &Path, query: LogQuery) -> std::io::Result<LogPage> {
    let file_name = path.display().to_string();
    let mut file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(LogPage { file: file_name, ..LogPage::default() });
        }
        opened => opened?,
    };
    let size = file.metadata()?.len();
    let cursor = query.cursor.filter(|cursor| *cursor <= size);
    let is_reset = query.cursor.is_some() && cursor.is_none();
    let start = cursor.unwrap_or(0).max(size.saturating_sub(query.bytes_max));
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(size - start).read_to_end(&mut bytes)?;
    // Only whole lines are given out; the rest comes with the next question.
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let text = String::from_utf8_lossy(&bytes[..end]);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let starts_inside = start > 0 && cursor != Some(start);
    if starts_inside && !lines.is_empty() {
        lines.remove(0);
    }
    let surplus = lines.len().saturating_sub(query.lines_max);
    lines.drain(..surplus);
    Ok(LogPage {
        file: file_name,
        cursor: start + end as u64,
        size,
        lines,
        is_truncated: starts_inside || surplus > 0,
        is_reset,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str, cursor: Option<u64>, lines_max: usize, bytes_max: u64) -> LogPage {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        std::fs::write(&path, text).unwrap();
        read(&path, LogQuery { cursor, lines_max, bytes_max }).unwrap()
    }

    #[test]
    fn the_last_lines_come_first_time_and_the_new_ones_after() {
        let first = page("a\nb\nc\nhal", None, 2, 1000);
        assert_eq!((first.lines, first.cursor, first.is_truncated), (vec!["b".to_owned(), "c".into()], 6, true));
        let next = page("a\nb\nc\nhalf\n", Some(6), 10, 1000);
        assert_eq!((next.lines, next.cursor), (vec!["half".to_owned()], 11));
    }

    #[test]
    fn a_cursor_beyond_the_file_means_a_new_file() {
        let page = page("a\n", Some(99), 10, 1000);
        assert!(page.is_reset);
        assert_eq!(page.lines, ["a"]);
    }

    #[test]
    fn a_byte_limit_never_cuts_a_line_in_two() {
        assert_eq!(page("aaaa\nbbbb\n", None, 10, 7).lines, ["bbbb"]);
    }
}
