//! A value that must not be printed, logged or stored.

use std::fmt;
use std::sync::Arc;

/// Holds a secret: no `Display`, no `Serialize`, and `Debug` prints stars.
///
/// Leaves pass it on; `sandbox` exposes it while a request is being sent, and
/// `security` while it compares one (`cargo xtask tidy` checks who calls
/// [`Secret::expose`]).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// Returns a secret made from this one, for example `Bearer <key>`.
    #[must_use]
    pub fn prefixed(&self, prefix: &str) -> Self {
        Self(format!("{prefix}{}", self.0).into())
    }

    /// Returns the value itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Tells whether the value is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}
