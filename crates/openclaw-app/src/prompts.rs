//! System prompts: the assembler, rebuilt on reload, over workspaces that get
//! their first files the first time an agent works in them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_trait::async_trait;
use openclaw_context::{Assembler, Options, ensure_workspace};
use openclaw_domain::ports::{ContextRequest, ContextSource, Memories, Workspaces};
use openclaw_domain::{AgentId, Fault};
use serde_json::Value;

/// The context source of the running program.
pub(crate) struct Prompts {
    workspaces: Workspaces,
    memories: Arc<dyn Memories>,
    current: RwLock<Arc<(Options, Assembler)>>,
    /// Agents whose workspace was looked at since the program started.
    seen: Mutex<HashSet<AgentId>>,
}

impl Prompts {
    /// Makes the source from the configuration's `agents`.
    pub(crate) fn new(agents: &Value, workspaces: Workspaces, memories: Arc<dyn Memories>) -> Self {
        let current = RwLock::new(Arc::new(assembler(agents, &workspaces, &memories)));
        Self { workspaces, memories, current, seen: Mutex::default() }
    }

    /// Takes over a changed configuration.
    pub(crate) fn replace(&self, agents: &Value) {
        let next = Arc::new(assembler(agents, &self.workspaces, &self.memories));
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
    }

    async fn prepare(&self, agent: &AgentId, options: &Options) {
        let is_new = self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(agent.clone());
        if !is_new {
            return;
        }
        let made = match (self.workspaces)(agent) {
            Ok(files) => ensure_workspace(files.as_ref(), options.of(agent)).await,
            Err(fault) => Err(fault),
        };
        // A workspace that cannot take its first files still answers questions.
        match made {
            Ok(files) if files.is_empty() => {}
            Ok(files) => tracing::info!(%agent, ?files, "the workspace got its first files"),
            Err(fault) => tracing::warn!(%agent, %fault, "the workspace did not get its first files"),
        }
    }
}

fn assembler(agents: &Value, workspaces: &Workspaces, memories: &Arc<dyn Memories>) -> (Options, Assembler) {
    let options = Options::from_config(agents);
    (options.clone(), Assembler::new(options, workspaces.clone(), memories.clone()))
}

#[async_trait]
impl ContextSource for Prompts {
    async fn assemble(&self, request: &ContextRequest) -> Result<Vec<String>, Fault> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.prepare(&request.agent, &current.0).await;
        current.1.assemble(request).await
    }
}
