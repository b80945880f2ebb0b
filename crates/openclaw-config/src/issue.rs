//! One finding about a configuration, with everything a person needs to mend it.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::tree::Origin;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The value is ignored or understood only in part.
    Warning,
    /// The value is set aside and a safe one stands in for it.
    Error,
}

/// One finding about a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// How bad.
    pub severity: Severity,
    /// Stable name of the finding, for example `CONFIG_TYPE`.
    pub code: &'static str,
    /// The dotted path; empty for the file as a whole.
    pub path: String,
    /// What is wrong, naming the path.
    pub message: String,
    /// The form a value must have there.
    pub expected: Option<String>,
    /// The file it was read from.
    pub file: Option<PathBuf>,
    /// Line in that file, from 1.
    pub line: Option<usize>,
    /// Column in that line, from 1, in characters.
    pub column: Option<usize>,
    /// A path, value or command that would help.
    pub suggestion: Option<String>,
}

impl Issue {
    /// Begins an error.
    pub(crate) fn error(code: &'static str, path: impl fmt::Display, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, path, message)
    }

    /// Begins a warning.
    pub(crate) fn warning(code: &'static str, path: impl fmt::Display, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, path, message)
    }

    fn new(severity: Severity, code: &'static str, path: impl fmt::Display, message: impl Into<String>) -> Self {
        Self {
            severity,
            code,
            path: path.to_string(),
            message: message.into(),
            expected: None,
            file: None,
            line: None,
            column: None,
            suggestion: None,
        }
    }

    pub(crate) fn expecting(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    pub(crate) fn suggesting(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion;
        self
    }

    pub(crate) fn in_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    pub(crate) fn at(mut self, line: usize, column: usize) -> Self {
        self.line = Some(line);
        self.column = Some(column);
        self
    }

    /// Takes file, line and column from where the value came from.
    pub(crate) fn located(self, origin: &Origin) -> Self {
        match origin {
            Origin::File { file, line, column } => self.in_file(file.as_ref()).at(*line, *column),
            Origin::Default | Origin::Env(_) | Origin::Flag | Origin::StandIn => self,
        }
    }

    /// Tells whether this is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(file) = &self.file {
            write!(f, " ({}", file.display())?;
            if let (Some(line), Some(column)) = (self.line, self.column) {
                write!(f, ":{line}:{column}")?;
            }
            f.write_str(")")?;
        }
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; {suggestion}")?;
        }
        Ok(())
    }
}
