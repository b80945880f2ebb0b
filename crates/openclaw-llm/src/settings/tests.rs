use openclaw_domain::model::BadModelRef;
use serde_json::json;

use super::*;
use crate::providers::{SystemRole, TokensField};

fn read(models: Value, auth: Value, defaults: Value, profiles: Vec<Profile>) -> (Settings, Vec<Warning>) {
    let key = |name: &str| (name == "ACME_KEY" || name == "OPENAI_API_KEY").then(|| format!("value of {name}"));
    Settings::from_config(&models, &auth, &defaults, profiles, &key)
}

fn quiet(models: Value, defaults: Value) -> Settings {
    let (settings, warnings) = read(models, Value::Null, defaults, Vec::new());
    assert_eq!(warnings, []);
    settings
}

fn reference(text: &str) -> ModelRef {
    let model: Result<ModelRef, BadModelRef> = text.parse();
    model.unwrap()
}

fn acme() -> Value {
    json!({ "mode": "replace", "providers": { "acme": {
        "baseUrl": "http://127.0.0.1:9/v1/", "apiKey": "${ACME_KEY}", "api": "openai-completions",
        "headers": { "X-Team": "blue" },
        "models": [ { "id": "one", "name": "One", "reasoning": true, "input": ["text", "image"], "contextWindow": 9000,
            "maxTokens": 500, "cost": { "input": 1, "output": 2, "cacheRead": 0.5, "cacheWrite": 1.5 } } ] } } })
}

#[test]
fn a_configured_provider_is_read_with_its_models_keys_and_headers() {
    let settings = quiet(acme(), json!({ "model": { "primary": "acme/one" } }));
    let [provider] = settings.providers() else { panic!("one provider") };
    assert_eq!(provider.base_url, "http://127.0.0.1:9/v1");
    assert_eq!(provider.credentials[0].secret, Secret::new("value of ACME_KEY"));
    assert_eq!(provider.headers[0].0, "x-team");
    let info = &settings.models()[0];
    assert_eq!(
        (info.context_window, info.output_tokens_max, info.reasons, info.sees),
        (Some(9000), Some(500), true, true)
    );
    assert_eq!(info.price, Some(Price { input: 1.0, output: 2.0, cache_read: 0.5, cache_write: 1.5 }));
    assert!(info.is_available);
    assert_eq!(settings.default_choice().primary, reference("acme/one"));
}

#[test]
fn nothing_configured_means_the_offline_rules() {
    let (settings, warnings) = Settings::from_config(&Value::Null, &Value::Null, &Value::Null, Vec::new(), &|_| None);
    assert_eq!(warnings, []);
    assert_eq!(settings.default_choice(), &strict(reference("offline/rules")));
    assert!(settings.models().last().unwrap().is_available);
    assert!(settings.models().iter().filter(|model| model.is_available).count() == 1);
}

#[test]
fn a_key_in_the_environment_is_enough() {
    let settings = quiet(Value::Null, Value::Null);
    assert_eq!(settings.default_choice().primary.provider, "openai");
    assert!(settings.default_choice().fallbacks.is_empty());
}

#[test]
fn replace_leaves_only_what_is_configured_and_merge_keeps_the_rest() {
    assert_eq!(quiet(acme(), Value::Null).providers().len(), 1);
    let mut merged = acme();
    merged["mode"] = json!("merge");
    assert_eq!(quiet(merged, Value::Null).providers().len(), providers::ALL.len() + 1);
}

#[test]
fn a_string_is_a_strict_choice_and_an_object_has_stand_ins() {
    let strict = quiet(acme(), json!({ "model": "acme/one" }));
    assert!(strict.default_choice().fallbacks.is_empty());
    let defaults = json!({ "model": { "primary": "acme/one", "fallbacks": ["acme/two", "acme/three"] }, "thinkingDefault": "high" });
    let choice = quiet(acme(), defaults).default_choice().clone();
    assert_eq!(choice.fallbacks, [reference("acme/two"), reference("acme/three")]);
    assert_eq!(choice.thinking, Some(Thinking::High));
}

#[test]
fn aliases_bare_ids_and_other_provider_names_are_resolved() {
    let mut models = acme();
    models["mode"] = json!("merge");
    let settings = quiet(models, json!({ "models": { "acme/one": { "alias": "Fast" } } }));
    assert_eq!(settings.resolve("fast"), Some(reference("acme/one")));
    assert_eq!(settings.resolve("one"), Some(reference("acme/one")));
    assert_eq!(settings.resolve("Gemini/any-model"), Some(reference("google/any-model")));
    assert_eq!(settings.resolve("offline/rules"), Some(reference("offline/rules")));
    assert_eq!(settings.resolve("nobody/x"), None);
    assert_eq!(settings.resolve("nothing"), None);
}

#[test]
fn what_cannot_be_used_is_left_out_and_named() {
    let models = json!({ "mode": "replace", "providers": {
        "a": { "baseUrl": "ftp://x" }, "b": {}, "c": 5, "d": { "baseUrl": "http://d", "api": "morse" },
        "e": { "baseUrl": "http://e", "apiKey": "${GONE}", "models": [{ "name": "no id" }] },
        "f": { "baseUrl": "http://f", "apiKey": "__OPENCLAW_REDACTED__" },
        "g": { "baseUrl": "http://g", "apiKey": { "source": "file", "id": "/x" }, "headers": { "bad name": "x" } } } });
    let (settings, warnings) =
        read(models, Value::Null, json!({ "model": "zzz/y", "thinkingDefault": "hard" }), Vec::new());
    let paths: Vec<&str> = warnings.iter().map(|warning| warning.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "models.providers.a.baseUrl",
            "models.providers.b",
            "models.providers.c",
            "models.providers.d.api",
            "models.providers.e.apiKey",
            "models.providers.e.models.0",
            "models.providers.f.apiKey",
            "models.providers.g.apiKey",
            "models.providers.g.headers.bad name",
            "agents.defaults.thinkingDefault",
            "agents.defaults.model",
        ]
    );
    let ids: Vec<&str> = settings.providers().iter().map(|provider| provider.id.as_str()).collect();
    assert_eq!(ids, ["e", "f", "g"]);
    assert!(settings.providers().iter().all(|provider| !provider.is_available()), "an unset key is never sent as text");
}

#[test]
fn credentials_are_profiles_then_environment_then_inline_in_the_named_order() {
    let profile = |id: &str, kind| Profile {
        id: id.into(),
        provider: "openai".into(),
        kind,
        secret: Secret::new("s"),
        expires_at: None,
    };
    let profiles = vec![
        profile("openai:a", ProfileKind::ApiKey),
        profile("openai:b", ProfileKind::ApiKey),
        profile("openai:c", ProfileKind::OAuth),
    ];
    let models = json!({ "providers": { "openai": { "apiKey": "inline" } } });
    let (settings, _) =
        read(models.clone(), json!({ "order": { "openai": ["openai:b"] } }), Value::Null, profiles.clone());
    let order = |settings: &Settings| {
        let provider = settings.provider("openai").unwrap();
        provider.credentials.iter().map(|credential| credential.profile.clone()).collect::<Vec<_>>()
    };
    assert_eq!(order(&settings), ["openai:b", "openai:c", "openai:a", "openai:env", "openai:config"]);
    let (settings, _) = read(models, Value::Null, Value::Null, profiles);
    assert_eq!(order(&settings), ["openai:c", "openai:a", "openai:b", "openai:env", "openai:config"]);
}

#[test]
fn a_known_provider_at_another_host_loses_first_party_manners() {
    let models = json!({ "providers": {
        "openai": { "baseUrl": "http://127.0.0.1:1/v1" },
        "anthropic": { "baseUrl": "http://127.0.0.1:1" },
        "router": { "baseUrl": "https://openrouter.ai/api/v1", "apiKey": "k" } } });
    let settings = quiet(models, Value::Null);
    let openai = settings.provider("openai").unwrap();
    assert_eq!((openai.dialect, openai.quirks.system_role), (Dialect::OpenaiChat, SystemRole::System));
    assert!(!settings.provider("anthropic").unwrap().quirks.is_first_party);
    let router = settings.provider("router").unwrap();
    assert_eq!(router.quirks.thinking, crate::ThinkingStyle::Reasoning);
}

#[test]
fn compat_flags_change_the_peculiarities() {
    let models = json!({ "providers": { "x": { "baseUrl": "http://x", "compat": {
        "maxTokensField": "max_completion_tokens", "supportsUsageInStreaming": false, "thinkingFormat": "qwen",
        "requiresMistralToolIds": true } } } });
    let quirks = quiet(models, Value::Null).provider("x").unwrap().quirks;
    assert_eq!(quirks.tokens_field, TokensField::MaxCompletionTokens);
    assert!(!quirks.stream_usage);
    assert_eq!((quirks.thinking, quirks.ids), (crate::ThinkingStyle::EnableThinking, crate::IdRule::Nine));
}

#[test]
fn a_server_by_url_needs_no_key_and_a_well_known_host_does() {
    let models = json!({ "providers": { "lan": { "baseUrl": "http://10.0.0.2/v1" }, "ds": { "baseUrl": "https://api.deepseek.com" } } });
    let settings = quiet(models, Value::Null);
    assert!(settings.provider("lan").unwrap().is_available());
    assert!(!settings.provider("ds").unwrap().is_available());
}

#[test]
fn an_ollama_url_is_cut_to_its_own_dialect() {
    let models = json!({ "providers": { "ollama": { "baseUrl": "http://box:11434/v1", "api": "ollama" } } });
    assert_eq!(quiet(models, Value::Null).provider("ollama").unwrap().base_url, "http://box:11434");
}

#[test]
fn a_policy_allows_exact_names_aliases_and_beginnings_and_its_absence_allows_all() {
    let mut models = acme();
    models["mode"] = json!("merge");
    let defaults =
        json!({ "models": { "acme/one": { "alias": "fast" } }, "modelPolicy": { "allow": ["fast", "openai/*"] } });
    let settings = quiet(models.clone(), defaults);
    assert!(settings.allows(&reference("acme/one")) && settings.allows(&reference("OpenAI/gpt-5")));
    assert!(!settings.allows(&reference("acme/two")) && !settings.allows(&reference("anthropic/claude-opus-5")));
    assert!(quiet(models, Value::Null).allows(&reference("anthropic/claude-opus-5")));
}

#[test]
fn servers_that_load_a_model_first_are_given_time() {
    let models = json!({ "providers": { "box": { "baseUrl": "http://box:11434", "api": "ollama" }, "slow": {
        "baseUrl": "http://slow/v1", "timeoutSeconds": 1200 }, "plain": { "baseUrl": "http://plain/v1" } } });
    let settings = quiet(models, Value::Null);
    let idle = |id: &str| settings.provider(id).unwrap().idle_timeout().as_secs();
    assert_eq!((idle("box"), idle("slow"), idle("plain"), idle("xai")), (900, 1200, 300, 900));
}

#[test]
fn a_dated_snapshot_has_the_limits_and_price_of_its_model_and_an_unknown_one_has_none() {
    let settings = quiet(Value::Null, Value::Null);
    let anthropic = settings.provider("anthropic").unwrap();
    let snapshot = anthropic.model("claude-sonnet-4-5-20250929");
    assert_eq!((snapshot.id.as_str(), snapshot.window), ("claude-sonnet-4-5-20250929", Some(200_000)));
    assert_eq!(snapshot.price, anthropic.model("claude-sonnet-4-5").price);
    let unknown = anthropic.model("claude-opus-9");
    assert_eq!((unknown.window, unknown.price, unknown.reasons, unknown.sees), (None, None, true, true));
}
