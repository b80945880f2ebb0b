//! How a database failure reaches the ports.
//!
//! Work on a connection ends in one of two ways besides success: the port's own
//! refusal, or a [`Failure`] of the database. Both travel in [`WorkError`]; the
//! port implementations turn the second into their error, naming the file.

use std::path::Path;

use openclaw_domain::ids::RunId;
use openclaw_domain::ports::{JournalError, RecordError};
use rusqlite::ErrorCode;
use rusqlite::ffi;

/// Why the database could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// The disk or the quota is full; nothing of the change was kept.
    #[error("no space left; free some disk space and try again")]
    Full,
    /// The threads behind the store have ended.
    #[error("the store is closed")]
    Closed,
    /// A stored row or a value to be stored cannot be understood.
    #[error("{0}")]
    Damaged(String),
    /// The database says no.
    #[error("{0}")]
    Sql(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let rusqlite::Error::SqliteFailure(code, _) = &error else {
            return Failure::Sql(error.to_string());
        };
        match code.code {
            ErrorCode::DiskFull => Failure::Full,
            // A write that the disk refuses is met the same way as a full disk.
            ErrorCode::SystemIoFailure if is_write_failure(code.extended_code) => Failure::Full,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                Failure::Damaged(format!("{error}; run `openclaw doctor`, or restore a backup of the file"))
            }
            _ => Failure::Sql(error.to_string()),
        }
    }
}

fn is_write_failure(extended_code: i32) -> bool {
    matches!(
        extended_code,
        ffi::SQLITE_IOERR_WRITE
            | ffi::SQLITE_IOERR_FSYNC
            | ffi::SQLITE_IOERR_DIR_FSYNC
            | ffi::SQLITE_IOERR_TRUNCATE
            | ffi::SQLITE_IOERR_SHMSIZE
    )
}

/// Why a piece of work did not happen.
#[derive(Debug)]
pub(super) enum WorkError<E> {
    /// The port's own refusal.
    Refused(E),
    /// The database failed.
    Failed(Failure),
}

impl<E> From<rusqlite::Error> for WorkError<E> {
    fn from(error: rusqlite::Error) -> Self {
        WorkError::Failed(error.into())
    }
}

impl<E> From<Failure> for WorkError<E> {
    fn from(failure: Failure) -> Self {
        WorkError::Failed(failure)
    }
}

impl WorkError<JournalError> {
    /// Returns the journal's error; a failure names the database.
    pub(super) fn in_journal(self, path: &Path, run: &RunId) -> JournalError {
        match self {
            WorkError::Refused(error) => error,
            WorkError::Failed(Failure::Full) => {
                tracing::error!(path = %path.display(), run = %run, "no space left for the journal");
                JournalError::Full(run.clone())
            }
            WorkError::Failed(failure) => JournalError::Store(format!("{}: {failure}", path.display())),
        }
    }
}

impl WorkError<RecordError> {
    /// Returns the records' error; a failure names the database.
    pub(super) fn in_records(self, path: &Path) -> RecordError {
        match self {
            WorkError::Refused(error) => error,
            WorkError::Failed(failure) => RecordError::Store(format!("{}: {failure}", path.display())),
        }
    }
}

/// Makes the error of a row whose column cannot be understood.
pub(super) fn damaged(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}
