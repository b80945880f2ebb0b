//! Puts a changed configuration in force without a restart, where that is possible.
//!
//! A file that cannot be used leaves the running configuration as it is. What
//! needs a restart is named in the log and in the answer to whoever wrote it.

use std::sync::Arc;

use openclaw_config::reload::{Class, Plan};
use openclaw_config::{Basis, Loaded, diff, reload};

use crate::parts::Parts;

/// What a change of the file led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reloaded {
    /// Dotted paths that changed.
    pub(crate) changed: Vec<String>,
    /// Those of them that need a restart.
    pub(crate) restart: Vec<String>,
}

/// Reads the file and puts it in force; `None` when it cannot be used.
pub(crate) fn from_file(parts: &Arc<Parts>) -> Option<Reloaded> {
    let loaded = parts.configuration.read();
    match loaded.basis {
        Basis::File | Basis::Missing => Some(take(parts, loaded)),
        Basis::LastGood | Basis::Closed => {
            for issue in &loaded.issues {
                tracing::error!(%issue, "the configuration cannot be used; the running one stays in force");
            }
            None
        }
    }
}

/// Puts a loaded configuration in force.
pub(crate) fn take(parts: &Arc<Parts>, loaded: Loaded) -> Reloaded {
    let before = parts.configuration.current();
    let changed = diff(&before.value, &loaded.value);
    let plan: Plan = reload::plan(&changed);
    let reloaded = Reloaded { changed: changed.iter().map(ToString::to_string).collect(), restart: plan.restart };
    if reloaded.changed.is_empty() {
        parts.configuration.put(loaded);
        return reloaded;
    }
    parts.reload(&loaded);
    if let Err(error) = openclaw_config::promote(&loaded) {
        tracing::warn!(%error, "the last good configuration could not be kept");
    }
    parts.configuration.put(loaded);
    if plan.class == Class::Restart {
        tracing::warn!(paths = ?reloaded.restart, "these settings take effect after a restart: openclaw gateway restart");
    }
    tracing::info!(paths = ?reloaded.changed, "configuration reloaded");
    reloaded
}
