//! The one place of the composition that turns a configured secret into text,
//! for components that take a section of the configuration as it is.

use openclaw_config::{KeyPath, Loaded};
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

/// Returns the block `models` with the keys and headers of its providers read from
/// wherever they are kept. One that cannot be read is left out, not passed on as a reference.
pub(crate) fn provider_keys(loaded: &Loaded) -> Value {
    let mut models = loaded.value["models"].clone();
    let root = KeyPath::root().key("models").key("providers");
    let providers = models.get_mut("providers").and_then(Value::as_object_mut);
    for (id, provider) in providers.into_iter().flatten() {
        let path = root.key(id);
        resolve(loaded, provider.get_mut("apiKey"), &path.key("apiKey"));
        headers(loaded, provider.get_mut("headers"), &path.key("headers"));
        let over = provider.get_mut("request").and_then(|request| request.get_mut("headers"));
        headers(loaded, over, &path.key("request").key("headers"));
        let listed = provider.get_mut("models").and_then(Value::as_array_mut);
        for (at, model) in listed.into_iter().flatten().enumerate() {
            headers(loaded, model.get_mut("headers"), &path.key("models").item(at).key("headers"));
        }
    }
    models
}

fn headers(loaded: &Loaded, section: Option<&mut Value>, path: &KeyPath) {
    for (name, value) in section.and_then(Value::as_object_mut).into_iter().flatten() {
        resolve(loaded, Some(value), &path.key(name));
    }
}

/// Puts the secret in the place of a reference to it.
fn resolve(loaded: &Loaded, value: Option<&mut Value>, path: &KeyPath) {
    if let Some(value) = value.filter(|value| value.is_object()) {
        *value = text(loaded, &path.to_string()).map_or(Value::Null, Value::String);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use openclaw_config::{Env, Home, Loader};
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_and_headers_are_read_from_files_wherever_they_stand() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("token");
        std::fs::write(&kept, "s3cret").unwrap();
        std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o600)).unwrap();
        let reference = json!({ "source": "file", "provider": "box", "id": "value" });
        let config = json!({
            "secrets": { "providers": { "box": { "source": "file", "path": kept, "mode": "singleValue" } } },
            "models": { "providers": { "llama.cpp": {
                "baseUrl": "http://127.0.0.1:1", "apiKey": reference, "headers": { "X-Key": reference, "X-Plain": "p" },
                "request": { "headers": { "X-Over": reference } },
                "models": [{ "id": "m", "headers": { "X-Model": reference } }] } } }
        });
        let env = Env::from_pairs([("HOME", folder.path().display().to_string())]);
        std::fs::create_dir_all(folder.path().join(".openclaw")).unwrap();
        std::fs::write(folder.path().join(".openclaw/openclaw.json"), config.to_string()).unwrap();
        let loaded = Loader::new(env.clone(), Home::locate(&env, None).unwrap()).load();
        let models = provider_keys(&loaded);
        let provider = &models["providers"]["llama.cpp"];
        let places =
            ["/apiKey", "/headers/X-Key", "/headers/X-Plain", "/request/headers/X-Over", "/models/0/headers/X-Model"];
        let read: Vec<_> = places.iter().map(|place| provider.pointer(place).and_then(Value::as_str)).collect();
        assert_eq!(read, [Some("s3cret"), Some("s3cret"), Some("p"), Some("s3cret"), Some("s3cret")]);
    }
}
