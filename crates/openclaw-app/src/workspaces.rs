//! The workspaces of the agents, opened once each.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use openclaw_domain::AgentId;
use openclaw_domain::fault::{Fault, Kind};
use openclaw_sandbox::files::Workspace;

use crate::catalog::Configured;

/// Opens workspaces on demand and keeps them open.
pub(crate) struct WorkspaceBook {
    catalog: Arc<Configured>,
    open: Mutex<HashMap<PathBuf, Arc<Workspace>>>,
}

impl WorkspaceBook {
    /// Makes a book over the configured agents.
    pub(crate) fn new(catalog: Arc<Configured>) -> Self {
        Self { catalog, open: Mutex::default() }
    }

    /// Returns the workspace of an agent; its folder is made if it is not there.
    ///
    /// # Errors
    /// When the agent is not configured, or the folder cannot be made or opened.
    pub(crate) fn of(&self, agent: &AgentId) -> Result<Arc<Workspace>, Fault> {
        let (path, is_confined) = self.catalog.workspace(agent).ok_or_else(|| {
            Fault::new(Kind::NotFound, format!("there is no agent {agent}")).hint("openclaw agents list")
        })?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(workspace) = open.get(&path).filter(|workspace| workspace.is_confined() == is_confined) {
            return Ok(workspace.clone());
        }
        let workspace = Arc::new(make(&path, is_confined)?);
        open.insert(path, workspace.clone());
        Ok(workspace)
    }
}

fn make(path: &Path, is_confined: bool) -> Result<Workspace, Fault> {
    let fault = |what: &str| {
        Fault::new(Kind::Config, format!("the workspace {} cannot be used: {what}", path.display()))
            .hint("openclaw config set agents.defaults.workspace DIR")
    };
    std::fs::create_dir_all(path).map_err(|error| fault(&error.to_string()))?;
    let opened = if is_confined { Workspace::open(path) } else { Workspace::unconfined(path) };
    opened.map_err(|error| fault(&error.to_string()))
}
