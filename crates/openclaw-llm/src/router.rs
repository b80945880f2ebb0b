//! Answers prompts: picks the provider, retries, fails over, says who answered.
//!
//! Failover has three layers (D2): another credential, less thinking (only when
//! the provider names the thinking parameter), another model. Without stand-ins
//! the choice is strict. A refused request never counts against a credential;
//! every stand-in is tried; every tier is bounded. Called by `app`, which wires
//! it as the runtime's `Model`.

mod candidates;
mod cascade;
mod health;
mod probe;
mod reasons;
mod verdict;
mod words;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use async_trait::async_trait;
use futures_util::stream;
use openclaw_domain::catalog::ModelInfo;
use openclaw_domain::model::{Error, ModelChoice, ModelRef, ModelRequest, ModelStream};
use openclaw_domain::ports::{Clock, Model, Net};

use crate::offline::Offline;
use crate::settings::Settings;
use crate::tool_list::ToolLists;
use cascade::Cascade;
use health::Health;

pub use probe::ProbeReport;

/// The runtime's model.
pub struct Router {
    shared: Arc<Shared>,
}

/// What all calls share.
struct Shared {
    net: Arc<dyn Net>,
    clock: Arc<dyn Clock>,
    offline: Offline,
    tools: ToolLists,
    /// Replaced as a whole at reload; a running call keeps what it began with.
    settings: RwLock<Arc<Settings>>,
    /// Held only to read or note a fact, never while waiting.
    health: Mutex<Health>,
}

impl Shared {
    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Router {
    /// Makes a router.
    pub fn new(settings: Settings, net: Arc<dyn Net>, clock: Arc<dyn Clock>) -> Self {
        let offline = Offline::new(Arc::clone(&clock));
        let settings = RwLock::new(Arc::new(settings));
        let health = Mutex::new(Health::default());
        Self { shared: Arc::new(Shared { net, clock, offline, tools: ToolLists::default(), settings, health }) }
    }

    /// Returns all listed models, configured ones first, and the offline one last.
    pub fn models(&self) -> Vec<ModelInfo> {
        self.shared.settings().models()
    }

    /// Returns the model used when nobody names one.
    pub fn default_choice(&self) -> ModelChoice {
        self.shared.settings().default_choice().clone()
    }

    /// Finds the model somebody means: an alias, `provider/model`, or a bare id.
    pub fn resolve(&self, alias: &str) -> Option<ModelRef> {
        self.shared.settings().resolve(alias)
    }

    /// Tells whether a person may pick this model.
    pub fn allows(&self, model: &ModelRef) -> bool {
        self.shared.settings().allows(model)
    }

    /// Puts new settings in force for calls that begin from now on.
    ///
    /// What was learned about credentials is forgotten: they may be others now.
    pub fn replace(&self, settings: Settings) {
        *self.shared.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        *self.shared.health() = Health::default();
    }

    /// Asks a model for one short answer and reports how that went.
    pub async fn probe(&self, model: ModelRef) -> ProbeReport {
        probe::probe(self, model).await
    }
}

#[async_trait]
impl Model for Router {
    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, Error> {
        let mut cascade = Cascade::new(Arc::clone(&self.shared), request);
        // The first event tells whether anybody can be reached at all.
        let first = match cascade.next().await {
            Some(Ok(event)) => event,
            Some(Err(error)) => return Err(error),
            None => return Err(crate::error::protocol("no model was asked")),
        };
        let first = stream::iter([Ok(first)]);
        let rest = stream::unfold(cascade, |mut cascade| async move {
            let event = cascade.next().await?;
            Some((event, cascade))
        });
        Ok(Box::pin(futures_util::StreamExt::chain(first, rest)))
    }
}
