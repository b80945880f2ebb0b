//! Writes the configuration: checked as a whole first, then all or nothing.
//!
//! The order is the safety: lock, read, compare the hash, edit the text, check
//! the result as if it were on disk, guard against accidents, keep a backup,
//! compare once more, replace. It refuses to write in read-only mode, over a
//! link, a stale base, or a text nobody can read. Blocking: call it off the
//! async threads.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::issue::{Issue, Severity};
use crate::load::{Basis, FILE_BYTES_MAX, Loaded, Loader, last_good_path};
use crate::path::KeyPath;
use crate::{diff, disk, edit, keys, redact, reload};

mod guard;
mod target;

/// Backups kept: `.bak`, `.bak.1` to `.bak.4`.
pub const BACKUPS: usize = 5;
/// How often the lock is tried before another writer is reported.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// One change of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Sets values, in order.
    Set(Vec<(KeyPath, Value)>),
    /// Removes one value.
    Unset(KeyPath),
    /// Merges an object; see [`edit::merge`].
    Patch {
        /// The patch.
        patch: Value,
        /// Lists that may lose entries.
        replace_paths: BTreeSet<String>,
    },
    /// Replaces the whole text.
    Replace(String),
}

/// How a change is made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// The hash the writer last saw; a different one refuses the write.
    pub base_hash: Option<String>,
    /// Values the writer expects in the file, `None` for nothing there; a
    /// different one refuses the write.
    pub expected: Vec<(KeyPath, Option<Value>)>,
    /// Whether losing much of the configuration is meant.
    pub may_shrink: bool,
    /// Check everything, write nothing.
    pub is_dry_run: bool,
}

/// What a write did.
#[derive(Debug, Clone)]
pub struct Written {
    /// The configuration afterwards.
    pub loaded: Loaded,
    /// The settings that changed.
    pub changed: Vec<KeyPath>,
    /// What that needs.
    pub plan: reload::Plan,
    /// The file written, `None` if nothing had to be.
    pub file: Option<PathBuf>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Writing is switched off.
    #[error("write the configuration: it is read-only (OPENCLAW_CONFIG_READONLY or OPENCLAW_NIX_MODE)")]
    ReadOnly,
    /// The file changed since the writer read it.
    #[error("write the configuration: it changed since it was read; read it again and retry")]
    Stale,
    /// A value is not the one the writer expects.
    #[error("write the configuration: {path} is not what was expected")]
    Unexpected {
        /// The setting.
        path: String,
    },
    /// Another writer holds the lock.
    #[error("write the configuration: another writer is busy; retry")]
    Busy,
    /// There is no such setting.
    #[error("there is no setting {path:?}{}", nearest.as_ref().map(|nearest| format!("; closest: {nearest}")).unwrap_or_default())]
    Unknown {
        /// What was named.
        path: String,
        /// The setting that may have been meant.
        nearest: Option<String>,
    },
    /// The result would not be acceptable.
    #[error("{}", .0.first().map_or("the configuration would be invalid", |issue| issue.message.as_str()))]
    Invalid(Vec<Issue>),
    /// The current file cannot be read, so it cannot be edited.
    #[error("edit the configuration: {}", .0.message)]
    Unreadable(Box<Issue>),
    /// The change looks like an accident.
    #[error("write the configuration: {0}")]
    Guarded(String),
    /// The setting lives in included files in a way that cannot be edited.
    #[error("set {path}: {reason}")]
    Included {
        /// The setting.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// The text cannot be changed that way.
    #[error(transparent)]
    Edit(#[from] edit::Error),
    /// The patch cannot be applied.
    #[error(transparent)]
    Patch(#[from] edit::PatchError),
    /// The file cannot be written.
    #[error("write the configuration: cannot {0}")]
    Disk(#[from] disk::Error),
}

/// Makes one change.
///
/// # Errors
/// See [`Error`]; the file is unchanged then.
pub fn write(loader: &Loader, change: &Change, options: &Options) -> Result<Written, Error> {
    if loader.env().is_read_only() {
        return Err(Error::ReadOnly);
    }
    let path = &loader.home().config_path;
    if let Some(dir) = path.parent() {
        disk::make_private_dir(dir)?;
    }
    disk::refuse_link(path)?;
    let _lock = lock(path)?;
    let before = loader.load();
    if options.base_hash.as_ref().is_some_and(|base| *base != before.hash) {
        return Err(Error::Stale);
    }
    for (path, expected) in &options.expected {
        if crate::load::get(&before.source, path) != expected.as_ref() {
            return Err(Error::Unexpected { path: path.to_string() });
        }
    }
    if let Some(issue) = before.issues.iter().find(|issue| issue.code == "CONFIG_UNREADABLE") {
        // What cannot be read cannot be kept as a backup either.
        return Err(Error::Unreadable(Box::new(issue.clone())));
    }
    let draft = draft(&before, change)?;
    let after = match &draft.included {
        None => loader.load_text(&draft.text),
        Some(file) => loader.load_draft(&before.raw, Some((file, &draft.text))),
    };
    accept(&before, &after)?;
    if !options.may_shrink {
        guard::check(&before, &after, change, &draft)?;
    }
    let changed = diff::diff(&before.value, &after.value);
    let plan = reload::plan(&changed);
    if options.is_dry_run || draft.text == draft.old {
        return Ok(Written { loaded: after, changed, plan, file: None });
    }
    let file = draft.included.clone().unwrap_or_else(|| path.clone());
    commit(&file, &draft)?;
    Ok(Written { loaded: loader.load(), changed, plan, file: Some(file) })
}

/// The new text of one file.
struct Draft {
    /// The text as it stands.
    old: String,
    /// The text to write.
    text: String,
    /// The included file it belongs to; `None` is the main one.
    included: Option<PathBuf>,
    /// Whether the file is there.
    exists: bool,
}

fn draft(before: &Loaded, change: &Change) -> Result<Draft, Error> {
    if let Change::Replace(text) = change {
        return Ok(Draft {
            old: before.raw.clone(),
            text: restored(text, before)?,
            included: None,
            exists: before.exists,
        });
    }
    if matches!(before.basis, Basis::LastGood | Basis::Closed)
        && let Some(issue) = before.issues.first()
    {
        return Err(Error::Unreadable(Box::new(issue.clone())));
    }
    let found = target::find(before, change)?;
    let mut text = found.text.clone();
    match change {
        Change::Set(pairs) => {
            for (path, value) in pairs {
                refuse_unknown(path, before)?;
                refuse_redacted(path, value)?;
                text = edit::set(&text, &found.below(path), value)?;
            }
        }
        Change::Unset(path) => text = edit::unset(&text, &found.below(path))?.0,
        Change::Patch { patch, replace_paths } => {
            let root = KeyPath::root();
            refuse_redacted(&root, patch)?;
            let below = found.patch_below(patch);
            let base = crate::tree::parse(&text).unwrap_or_else(|_| Value::Object(serde_json::Map::new()));
            text = edit::reconcile(&text, &edit::merge(&base, &below, replace_paths)?)?;
        }
        Change::Replace(_) => {}
    }
    if found.included.is_none() && (!before.exists || brings_models(before, &text)) {
        text = marked(&text)?;
    }
    Ok(Draft { old: found.text, text, included: found.included, exists: before.exists })
}

/// Tells whether this change writes the first `agents.defaults.models`.
fn brings_models(before: &Loaded, text: &str) -> bool {
    let has_models = |value: &Value| {
        let models = value.pointer("/agents/defaults/models").and_then(Value::as_object);
        models.is_some_and(|models| !models.is_empty())
    };
    !has_models(&before.source) && crate::tree::parse(text).is_ok_and(|after| has_models(&after))
}

/// Marks a text as following today's forms: without the mark its `models`
/// would be read as the allowlist they once were. A text that had models
/// before keeps the meaning its author gave them.
fn marked(text: &str) -> Result<String, Error> {
    let mark = KeyPath::root().key("meta").key("migrations").key("modelPolicyAllowlist");
    Ok(edit::set(text, &mark, &Value::Bool(true))?)
}

/// Refuses a setting nobody knows, in the words it was asked for.
fn refuse_unknown(path: &KeyPath, before: &Loaded) -> Result<(), Error> {
    if keys::pattern(path).1 || crate::load::get(&before.source, path).is_some() {
        return Ok(());
    }
    Err(Error::Unknown { path: path.to_string(), nearest: keys::nearest(path) })
}

fn refuse_redacted(path: &KeyPath, value: &Value) -> Result<(), Error> {
    if redact::is_redacted(value) {
        return Err(Error::Guarded(format!(
            "{path} holds {}, which stands for a secret that was not shown; write the secret itself or leave the setting out",
            redact::SENTINEL
        )));
    }
    Ok(())
}

/// Puts the secrets back that were replaced when the text was shown.
fn restored(text: &str, before: &Loaded) -> Result<String, Error> {
    if !text.contains(redact::SENTINEL) {
        return Ok(text.to_owned());
    }
    let mut lost = None;
    let restored = edit::rewrite_strings(text, &mut |path, found| {
        if !found.contains(redact::SENTINEL) {
            return None;
        }
        match crate::load::get(&before.source, path).and_then(Value::as_str) {
            Some(authored) => Some(authored.to_owned()),
            None => {
                lost.get_or_insert_with(|| path.clone());
                None
            }
        }
    })?;
    match lost {
        Some(path) => refuse_redacted(&path, &Value::from(redact::SENTINEL)).map(|()| restored),
        None => Ok(restored),
    }
}

/// Refuses faults and unknown settings that were not there before.
fn accept(before: &Loaded, after: &Loaded) -> Result<(), Error> {
    let is_new = |issue: &&Issue| {
        !before
            .issues
            .iter()
            .any(|old| old.code == issue.code && old.path == issue.path && old.message == issue.message)
    };
    let faults: Vec<Issue> =
        after.issues.iter().filter(|issue| issue.severity == Severity::Error).filter(is_new).cloned().collect();
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    match after.issues.iter().filter(|issue| issue.code == "CONFIG_UNKNOWN").find(is_new) {
        Some(issue) => Err(Error::Unknown { path: issue.path.clone(), nearest: issue.suggestion.clone() }),
        None => Ok(()),
    }
}

/// Puts a text in place, the old one into the ring of backups.
fn commit(file: &Path, draft: &Draft) -> Result<(), Error> {
    disk::refuse_link(file)?;
    if draft.exists {
        back_up(file, draft.old.as_bytes())?;
    }
    // Looked at last of all: an editor does not take the lock.
    let now = match disk::read_text(file, FILE_BYTES_MAX) {
        Ok(text) => Some(text),
        Err(error) if error.is_missing() => None,
        Err(error) => return Err(error.into()),
    };
    if now.as_deref().unwrap_or_default() != draft.old {
        return Err(Error::Stale);
    }
    disk::replace(file, draft.text.as_bytes())?;
    Ok(())
}

fn back_up(file: &Path, old: &[u8]) -> Result<(), Error> {
    let slot = |index: usize| {
        let mut name = file.file_name().unwrap_or_default().to_os_string();
        name.push(".bak");
        if index > 0 {
            name.push(format!(".{index}"));
        }
        file.with_file_name(name)
    };
    for index in (0..BACKUPS - 1).rev() {
        disk::rename_if_there(&slot(index), &slot(index + 1))?;
    }
    disk::replace(&slot(0), old)?;
    Ok(())
}

fn lock(path: &Path) -> Result<std::fs::File, Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let file = disk::open_lock(&path.with_file_name(format!(".{name}.lock")))?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            // A file system without locks: the second comparison still guards.
            Err(std::fs::TryLockError::Error(_)) => return Ok(file),
        }
    }
    Err(Error::Busy)
}

/// Keeps a configuration the program started with as the last good one.
/// Returns whether a copy was made.
///
/// # Errors
/// When the copy cannot be written.
pub fn promote(loaded: &Loaded) -> Result<bool, Error> {
    let is_fit = loaded.is_sound()
        && loaded.basis == Basis::File
        && !redact::is_redacted(&loaded.source)
        && !guard::has_placeholder(&loaded.source);
    if !is_fit || loaded.env.is_read_only() {
        return Ok(false);
    }
    let path = last_good_path(&loaded.path);
    if disk::read_text(&path, FILE_BYTES_MAX).is_ok_and(|text| text == loaded.raw) {
        return Ok(false);
    }
    disk::replace(&path, loaded.raw.as_bytes())?;
    Ok(true)
}

#[cfg(test)]
mod tests;
