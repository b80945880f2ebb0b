//! The model router of a configuration.

mod profiles;

use std::sync::Arc;

use openclaw_cli::LocalServer;
use openclaw_config::Loaded;
use openclaw_domain::ports::{Clock, Net};
use openclaw_llm::{Provider, Router, Settings};

/// Reads the model settings; what was not understood is logged.
pub(crate) fn settings(loaded: &Loaded) -> Settings {
    let (models, auth) = (&crate::secrets::provider_keys(loaded), &loaded.value["auth"]);
    let defaults = &loaded.value["agents"]["defaults"];
    let key = |name: &str| loaded.env.get(name).map(str::to_owned);
    let found = profiles::find(loaded, &key);
    let (settings, warnings) = Settings::from_config(models, auth, defaults, found.profiles, &key);
    for warning in found.warnings.into_iter().chain(warnings) {
        tracing::warn!(path = warning.path, "{}", warning.message);
    }
    settings
}

/// Makes the router. `local` asks for a model server of this machine.
///
/// # Errors
/// When a local model was asked for and is not there; the error lists what is.
pub(crate) async fn router(
    loaded: &Loaded,
    net: Arc<dyn Net>,
    clock: Arc<dyn Clock>,
    local: Option<&str>,
) -> anyhow::Result<Arc<Router>> {
    let mut settings = settings(loaded);
    let wanted = local.or_else(|| loaded.env.get("OPENCLAW_LOCAL_LLM"));
    if let Some(wanted) = wanted {
        let found = openclaw_llm::local::find(net.as_ref(), wanted).await?;
        for note in &found.notes {
            tracing::warn!(model = %found.reference(), "{note}");
        }
        settings = settings.with_local(found.provider, &found.model);
    }
    Ok(Arc::new(Router::new(settings, net, clock)))
}

/// Looks for model servers on this machine.
pub(crate) async fn local_servers() -> Vec<LocalServer> {
    let net = openclaw_sandbox::net::Client::new(openclaw_sandbox::net::Options::default());
    let found = openclaw_llm::local::servers(&net).await;
    let server = |provider: Provider| LocalServer {
        models: provider.models.iter().map(|model| model.id.clone()).collect(),
        provider: provider.id,
        name: provider.name,
        base_url: provider.base_url,
    };
    found.into_iter().map(server).collect()
}
