//! The one place of the composition that turns a configured secret into text,
//! for components that take a section of the configuration as it is.

use openclaw_config::Loaded;
use serde_json::Value;

/// Returns the secret at a path as text; `None` when there is none or it cannot be read.
pub(crate) fn text(loaded: &Loaded, path: &str) -> Option<String> {
    match loaded.secret(path) {
        Ok(secret) => secret.map(|secret| secret.expose().to_owned()),
        Err(error) => {
            tracing::warn!(%error, "a secret cannot be read; what needs it is unavailable");
            None
        }
    }
}

/// Returns the block `models` with the keys of its providers read from wherever
/// they are kept. A key that cannot be read is left out, not passed on as a reference.
pub(crate) fn provider_keys(loaded: &Loaded) -> Value {
    let mut models = loaded.value["models"].clone();
    let providers = models.get_mut("providers").and_then(Value::as_object_mut);
    for (id, provider) in providers.into_iter().flatten() {
        let Some(key) = provider.get_mut("apiKey").filter(|key| key.is_object()) else { continue };
        *key = text(loaded, &format!("models.providers.{id}.apiKey")).map_or(Value::Null, Value::String);
    }
    models
}
