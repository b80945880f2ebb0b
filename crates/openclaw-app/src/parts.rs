//! The parts a reload changes, and how it changes them.

use std::sync::{Arc, OnceLock, Weak};

use openclaw_agent::{Engine, ThreadBindings};
use openclaw_config::Loaded;
use openclaw_llm::Router;
use openclaw_security::{Policy, Profiles};

use crate::catalog::{Configured, Sections};
use crate::configuration::Configuration;
use crate::prompts::Prompts;
use crate::{models, runtimes, tools};

/// What a reload changes.
pub(crate) struct Parts {
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) router: Arc<Router>,
    pub(crate) gate: Arc<Profiles>,
    pub(crate) catalog: Arc<Configured>,
    pub(crate) prompts: Arc<Prompts>,
    pub(crate) bindings: Arc<ThreadBindings>,
    /// Set once the engine runs.
    pub(crate) engine: OnceLock<Weak<Engine>>,
}

impl Parts {
    /// Puts a changed configuration in force where that needs no restart.
    pub(crate) fn reload(&self, loaded: &Loaded) {
        self.router.replace(models::settings(loaded));
        self.gate.replace(policy(loaded));
        self.prompts.replace(&loaded.value["agents"]);
        self.bindings.replace(runtimes::bindings(&loaded.value["session"]));
        if let Some(engine) = self.engine.get().and_then(Weak::upgrade) {
            engine.replace_tools(&tools::build(loaded));
        }
        self.catalog.replace(&sections(loaded));
    }
}

/// Reads the tool rules; what was not understood is logged.
pub(crate) fn policy(loaded: &Loaded) -> Policy {
    let (policy, issues) = Policy::from_config(&loaded.value["tools"], &loaded.value["agents"]);
    for issue in issues {
        tracing::warn!(?issue, "a tool rule was not understood");
    }
    policy
}

/// Returns what the catalogue reads.
pub(crate) fn sections(loaded: &Loaded) -> Sections<'_> {
    Sections { agents: &loaded.value["agents"], tools: &loaded.value["tools"], home: &loaded.home }
}
