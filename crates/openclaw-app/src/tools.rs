//! The built-in tools, with the keys some of them need.

use std::sync::Arc;

use openclaw_config::Loaded;
use openclaw_domain::ports::Tool;
use openclaw_tools::web_search;

/// Builds the tools of a configuration.
pub(crate) fn build(loaded: &Loaded) -> Vec<Arc<dyn Tool>> {
    let lookup = |credential: &web_search::Credential| {
        let configured = crate::secrets::text(loaded, &credential.path);
        configured.or_else(|| loaded.env.get(credential.variable).map(str::to_owned))
    };
    openclaw_tools::build(&web_search::fill(loaded.value["tools"].clone(), lookup))
}
