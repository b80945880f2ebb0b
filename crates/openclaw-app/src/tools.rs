//! The built-in tools, with the keys some of them need.

use std::sync::Arc;

use openclaw_config::Loaded;
use openclaw_domain::ports::Tool;
use openclaw_tools::web_search;

/// Builds the tools of a configuration.
pub(crate) fn build(loaded: &Loaded) -> Vec<Arc<dyn Tool>> {
    let lookup = |credential: &web_search::Credential| match loaded.secret(&credential.path) {
        Ok(Some(secret)) => Some(secret.expose().to_owned()),
        Ok(None) => loaded.env.get(credential.variable).map(str::to_owned),
        Err(error) => {
            tracing::warn!(provider = credential.provider, %error, "the search key cannot be read");
            None
        }
    };
    openclaw_tools::build(&web_search::fill(loaded.value["tools"].clone(), lookup))
}
