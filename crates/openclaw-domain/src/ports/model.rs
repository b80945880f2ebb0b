//! Port: a model that answers.

use async_trait::async_trait;

use crate::model::{Error, ModelRequest, ModelStream};

/// Answers prompts. Production: `llm::Router`; tests: `testkit::ScriptedModel`.
///
/// One implementation serves all providers: it picks the provider by
/// `request.choice`, retries and fails over, and says which model answered.
#[async_trait]
pub trait Model: Send + Sync {
    /// Starts a call. The stream ends with `Done` or with an error, never silently.
    ///
    /// # Errors
    /// When no provider could be reached at all.
    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, Error>;
}
