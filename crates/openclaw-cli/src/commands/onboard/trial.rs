//! A model that was written down and has not answered yet. What stood there before
//! is kept beside it until the answer: a rejected key must not cost the person a key
//! that worked, and a run that is killed meanwhile must not leave a key that counts
//! as proven.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::model::{OFFLINE, PRIMARY};
use super::record::Record;
use crate::cx::Cx;
use crate::failure::Failure;
use crate::identity::write_private;

/// What is being tried. The keys that stood there before are in a file of their own,
/// as private as theirs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Trial {
    /// The model that is tried.
    pub(super) model: String,
    /// The model that was configured before.
    primary_before: Option<Value>,
    /// Whether there was a file of keys before.
    had_keys: bool,
    /// The record of a home that was set up before: it stays so when this comes to nothing.
    finished_before: Option<Box<Record>>,
}

/// Notes that a model is about to be tried, before anything of it is written.
pub(super) fn begin(cx: &Cx<'_>, record: &mut Record, model: &str) -> Result<(), Failure> {
    if let Some(trial) = &mut record.trial {
        // What stood there before the first of several tries is what counts.
        model.clone_into(&mut trial.model);
        return record.write(cx);
    }
    let keys = read_keys(cx)?;
    if let Some(text) = &keys {
        write(before_path(cx), text)?;
    }
    let primary_before = cx.load_config().get(PRIMARY).cloned();
    let finished_before = Record::read(cx).filter(Record::is_done).map(Box::new);
    let trial = Trial { model: model.to_owned(), primary_before, had_keys: keys.is_some(), finished_before };
    record.trial = Some(trial);
    record.write(cx)
}

/// The model has answered: from now on it counts.
pub(super) fn succeed(cx: &Cx<'_>, record: &mut Record, model: String) -> Result<(), Failure> {
    record.model = Some(model);
    record.trial = None;
    record.write(cx)?;
    forget(cx)
}

/// Puts back what stood there before.
pub(super) async fn undo(cx: &Cx<'_>, record: &mut Record) -> Result<(), Failure> {
    let Some(trial) = record.trial.clone() else { return Ok(()) };
    let (keys, before) = (keys_path(cx), before_path(cx));
    if !trial.had_keys {
        remove(&keys)?;
    } else if let Some(text) = read(&before)? {
        write(keys, &text)?;
    }
    set_primary(cx, trial.primary_before).await?;
    record.trial = None;
    trial.finished_before.as_deref().unwrap_or(record).write(cx)?;
    forget(cx)
}

/// Tells whether everything of the tried model is written down, so that it can be tried again.
pub(super) fn is_complete(cx: &Cx<'_>, trial: &Trial) -> bool {
    let primary = cx.load_config().get(PRIMARY).cloned();
    let written = (trial.model != OFFLINE).then(|| json!(trial.model));
    primary == written
}

/// Sets the configured model.
pub(super) async fn set_primary(cx: &Cx<'_>, model: Option<Value>) -> Result<(), Failure> {
    if model.is_none() && cx.load_config().get(PRIMARY).is_none() {
        return Ok(());
    }
    crate::commands::config::write_own(cx, PRIMARY, model).await.map(drop)
}

/// Puts a key into `<state>/.env`, which only its owner can read.
pub(super) fn keep_key(cx: &Cx<'_>, variable: &str, key: &str) -> Result<(), Failure> {
    let before = read_keys(cx)?.unwrap_or_default();
    write(keys_path(cx), &with_variable(&before, variable, key))
}

fn keys_path(cx: &Cx<'_>) -> PathBuf {
    cx.home.state_dir.join(".env")
}

fn before_path(cx: &Cx<'_>) -> PathBuf {
    cx.home.state_dir.join(".env.before")
}

fn read_keys(cx: &Cx<'_>) -> Result<Option<String>, Failure> {
    read(&keys_path(cx))
}

fn forget(cx: &Cx<'_>) -> Result<(), Failure> {
    remove(&before_path(cx))
}

fn read(path: &std::path::Path) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::file("read", path, &error)),
    }
}

fn write(path: PathBuf, text: &str) -> Result<(), Failure> {
    write_private(&path, text).map_err(|error| Failure::file("write", &path, &error))
}

fn remove(path: &std::path::Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::file("remove", path, &error)),
    }
}

fn with_variable(before: &str, variable: &str, value: &str) -> String {
    let is_other = |line: &&str| {
        let name = line.trim_start().trim_start_matches("export ").split('=').next().unwrap_or_default();
        name.trim() != variable
    };
    let mut text: String = before.lines().filter(is_other).map(|line| format!("{line}\n")).collect();
    text.push_str(&format!("{variable}='{}'\n", value.replace('\'', "")));
    text
}

#[cfg(test)]
mod tests {
    use super::with_variable;

    #[test]
    fn a_key_replaces_its_own_line_and_no_other() {
        let before = "# mine\nOTHER=1\nexport MY_KEY=old\n";
        assert_eq!(with_variable(before, "MY_KEY", "new"), "# mine\nOTHER=1\nMY_KEY='new'\n");
    }
}
