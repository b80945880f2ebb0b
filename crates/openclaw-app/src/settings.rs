//! The configuration as surfaces see and change it, behind the port `Settings`.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use openclaw_config::{Loaded, redact, write};
use openclaw_domain::ports::Settings;
use openclaw_domain::settings::{Error, Issue, Severity, Snapshot, Write, WriteBody, Written};
use serde_json::Value;

use crate::parts::Parts;
use crate::reload;

/// The configuration file of the running program.
pub(crate) struct FileSettings {
    parts: Arc<Parts>,
    /// The snapshot of one loaded state, by its hash: health checks ask often.
    shown: Mutex<Option<(Arc<Loaded>, Arc<Snapshot>)>>,
}

impl FileSettings {
    /// Makes the port over the running parts.
    pub(crate) fn new(parts: Arc<Parts>) -> Self {
        Self { parts, shown: Mutex::default() }
    }
}

#[async_trait]
impl Settings for FileSettings {
    fn current(&self) -> Arc<Snapshot> {
        let loaded = self.parts.configuration.current();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, snapshot)) = shown.as_ref()
            && Arc::ptr_eq(of, &loaded)
        {
            return snapshot.clone();
        }
        let snapshot = Arc::new(snapshot(&loaded));
        *shown = Some((loaded, snapshot.clone()));
        snapshot
    }

    fn schema(&self) -> Value {
        openclaw_config::schema()
    }

    async fn write(&self, write: Write) -> Result<Written, Error> {
        let parts = self.parts.clone();
        let done = tokio::task::spawn_blocking(move || change(&parts, write)).await;
        done.map_err(|error| Error::Io(error.to_string()))?
    }
}

fn change(parts: &Arc<Parts>, asked: Write) -> Result<Written, Error> {
    let change = match asked.body {
        WriteBody::Replace(text) => write::Change::Replace(text),
        WriteBody::Patch { patch, replace_paths } => {
            write::Change::Patch { patch, replace_paths: replace_paths.into_iter().collect() }
        }
    };
    let options = write::Options { base_hash: asked.base_hash, ..write::Options::default() };
    let written = write::write(parts.configuration.loader(), &change, &options).map_err(refusal)?;
    let requires_restart = !written.plan.restart.is_empty();
    let changed = written.changed.iter().map(ToString::to_string).collect();
    let snapshot = snapshot(&written.loaded);
    reload::take(parts, written.loaded);
    Ok(Written { snapshot, changed, requires_restart })
}

fn refusal(error: write::Error) -> Error {
    match error {
        write::Error::ReadOnly => Error::ReadOnly,
        write::Error::Stale => Error::Stale,
        write::Error::Invalid(issues) => Error::Invalid(issues.iter().map(issue).collect()),
        other => Error::Io(other.to_string()),
    }
}

fn snapshot(loaded: &Loaded) -> Snapshot {
    Snapshot {
        path: loaded.path.display().to_string(),
        exists: loaded.exists,
        raw: redact::text(&loaded.raw),
        source: redact::value(&loaded.source),
        resolved: redact::value(&loaded.value),
        hash: loaded.hash.clone(),
        issues: loaded.issues.iter().map(issue).collect(),
    }
}

fn issue(issue: &openclaw_config::Issue) -> Issue {
    let severity = if issue.is_error() { Severity::Error } else { Severity::Warning };
    let expected = issue.expected.as_ref().map(|expected| format!(" (expected {expected})")).unwrap_or_default();
    Issue { severity, path: issue.path.clone(), message: format!("{}{expected}", issue.message), line: issue.line }
}
