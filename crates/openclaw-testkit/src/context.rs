//! A system prompt that a test wrote down.

use async_trait::async_trait;
use openclaw_domain::Fault;
use openclaw_domain::ports::{ContextRequest, ContextSource};

/// Context source with fixed sections, or a fixed failure.
#[derive(Debug, Clone)]
pub struct FixedContext(Result<Vec<String>, Fault>);

impl Default for FixedContext {
    fn default() -> Self {
        Self::new(["You are a test."])
    }
}

impl FixedContext {
    /// Makes a source of these sections.
    pub fn new<'a>(sections: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Ok(sections.into_iter().map(str::to_owned).collect()))
    }

    /// Makes a source that fails.
    pub fn failing(fault: Fault) -> Self {
        Self(Err(fault))
    }
}

#[async_trait]
impl ContextSource for FixedContext {
    async fn assemble(&self, _request: &ContextRequest) -> Result<Vec<String>, Fault> {
        self.0.clone()
    }
}
