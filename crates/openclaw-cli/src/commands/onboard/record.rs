//! What onboarding was given so far, so that a stopped one goes on. Never a key.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::trial::Trial;
use crate::cx::Cx;
use crate::failure::Failure;
use crate::identity::write_private;

/// What was given so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Record {
    /// The chosen model, once it has answered.
    pub(super) model: Option<String>,
    /// The model that is being tried; until it answers nothing of it is proven.
    pub(super) trial: Option<Trial>,
    /// The chosen folder, once it was found writable.
    pub(super) workspace: Option<PathBuf>,
    /// Whether the gateway is kept running.
    pub(super) service: Option<bool>,
    /// Whether the whole was gone through.
    pub(super) is_finished: bool,
    /// Whether a real model has replied at the end.
    pub(super) is_proved: bool,
}

impl Record {
    /// Reads what was given; a damaged record counts as none.
    pub(super) fn read(cx: &Cx<'_>) -> Option<Record> {
        let text = std::fs::read_to_string(path(cx)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Keeps what was given.
    pub(super) fn write(&self, cx: &Cx<'_>) -> Result<(), Failure> {
        let path = path(cx);
        let text = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        write_private(&path, &text).map_err(|error| Failure::file("write", &path, &error))
    }

    /// Tells whether nothing is left to ask.
    pub(super) fn is_done(&self) -> bool {
        self.is_finished
    }

    /// Returns it for programs.
    pub(super) fn shown(&self) -> Value {
        json!({"model": self.model, "workspace": self.workspace, "service": self.service})
    }
}

fn path(cx: &Cx<'_>) -> PathBuf {
    cx.home.state_dir.join("onboarding.json")
}
