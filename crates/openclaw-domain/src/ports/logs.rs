//! Port: the log file, for people who follow it.

use async_trait::async_trait;

use crate::fault::Fault;

/// Reads the end of the log. Production: `app::telemetry`.
#[async_trait]
pub trait Logs: Send + Sync {
    /// Returns lines after the cursor, or the last ones.
    ///
    /// # Errors
    /// When the file cannot be read.
    async fn tail(&self, query: LogQuery) -> Result<LogPage, Fault>;
}

/// What to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogQuery {
    /// Byte position to go on from.
    pub cursor: Option<u64>,
    /// Most lines.
    pub lines_max: usize,
    /// Most bytes.
    pub bytes_max: u64,
}

/// A stretch of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPage {
    /// The file.
    pub file: String,
    /// Position to go on from.
    pub cursor: u64,
    /// The file's size.
    pub size: u64,
    /// The lines, oldest first.
    pub lines: Vec<String>,
    /// Whether earlier lines were left out.
    pub is_truncated: bool,
    /// Whether the file is a new one since the cursor.
    pub is_reset: bool,
}
