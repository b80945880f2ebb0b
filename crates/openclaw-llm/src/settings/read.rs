//! Reads the configuration into settings. Ill-formed parts are named and left out.

use std::time::Duration;

use openclaw_domain::catalog::Price;
use openclaw_domain::model::{ModelChoice, ModelRef, Thinking};
use openclaw_domain::ports::net::HeaderValue;
use serde_json::{Map, Value};

use super::credentials::{Credential, Profile, ordered, secret_of};
use super::{Model, Params, Provider, Secret, Settings, Warning, canonical, default_auth, of_row, strict};
use crate::dialect::Dialect;
use crate::names::IdRule;
use crate::offline;
use crate::providers::{self, Auth, Quirks, SystemRole, TokensField};
use crate::thinking::ThinkingStyle;

/// What the sections are read with.
struct Reader<'a> {
    profiles: Vec<Profile>,
    order: &'a Value,
    key: &'a dyn Fn(&str) -> Option<String>,
    warnings: Vec<Warning>,
}

pub(super) fn settings(
    models: &Value,
    auth: &Value,
    agents_defaults: &Value,
    profiles: Vec<Profile>,
    key: &dyn Fn(&str) -> Option<String>,
) -> (Settings, Vec<Warning>) {
    let order = auth.get("order").unwrap_or(&Value::Null);
    let mut reader = Reader { profiles, order, key, warnings: Vec::new() };
    let mut providers = Vec::new();
    for (id, section) in objects(models.get("providers")) {
        providers.extend(reader.provider(id, section));
    }
    let is_closed = models.get("mode").and_then(Value::as_str) == Some("replace");
    if !is_closed {
        for row in providers::ALL {
            if providers.iter().all(|provider: &Provider| provider.id != row.id) {
                providers.push(reader.built_in(row));
            }
        }
    }
    let mut settings = Settings { providers, ..Settings::offline() };
    settings.aliases = aliases(agents_defaults);
    settings.params = reader.params(agents_defaults, "agents.defaults");
    for (name, section) in objects(agents_defaults.get("models")) {
        if let Ok(model) = name.parse::<ModelRef>() {
            let params = reader.params(section, &format!("agents.defaults.models.{name}"));
            settings.model_params.push((canonical(&model).to_string(), params));
        }
    }
    let allowed = agents_defaults.pointer("/modelPolicy/allow").and_then(Value::as_array).into_iter().flatten();
    settings.allowed = allowed.filter_map(Value::as_str).map(str::to_owned).collect();
    settings.default = reader.default(&settings, agents_defaults);
    (settings, reader.warnings)
}

fn objects(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

fn text<'a>(section: &'a Value, key: &str) -> Option<&'a str> {
    section.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

fn count(section: &Value, key: &str) -> Option<u32> {
    section.get(key).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0)
}

impl Reader<'_> {
    fn warn(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.warnings.push(Warning { path: path.into(), message: message.into() });
    }

    fn built_in(&mut self, row: &providers::Row) -> Provider {
        let mut provider = of_row(row);
        if row.id == "ollama"
            && let Some(host) = (self.key)("OLLAMA_HOST")
        {
            provider.base_url = ollama_url(&host);
        }
        provider.credentials = self.credentials(row.id, row.auth, Some(row));
        provider
    }

    /// Collects profiles and environment keys; an inline key comes after them.
    fn credentials(&mut self, id: &str, auth: Auth, row: Option<&providers::Row>) -> Vec<Credential> {
        let order = self.order.get(id).unwrap_or(&Value::Null);
        let own = ordered(&self.profiles, id, order);
        let mut found: Vec<Credential> = own.into_iter().map(|profile| Credential::of_profile(profile, auth)).collect();
        let names = row.map(|row| (row.key_names, row.token_names)).unwrap_or_default();
        let keys = names.0.iter().map(|name| (name, auth));
        let tokens = names.1.iter().map(|name| (name, Auth::Bearer));
        let from_env = keys.chain(tokens).find_map(|(name, auth)| {
            let value = (self.key)(name).filter(|text| !text.trim().is_empty())?;
            let secret = Secret::new(value.trim());
            Some(Credential { profile: format!("{id}:env"), auth, secret, expires_at: None })
        });
        found.extend(from_env);
        found
    }

    fn provider(&mut self, id: &str, section: &Value) -> Option<Provider> {
        let path = format!("models.providers.{id}");
        let id = canonical(&ModelRef::new(id, "")).provider;
        if !section.is_object() {
            self.warn(path, "is not an object and is ignored");
            return None;
        }
        let row = providers::find(&id);
        let base_url = match (text(section, "baseUrl"), row) {
            (Some(url), _) if url.starts_with("http://") || url.starts_with("https://") => url.trim_end_matches('/'),
            (Some(url), _) => {
                self.warn(
                    format!("{path}.baseUrl"),
                    format!("{url:?} is no http or https URL; the provider is ignored"),
                );
                return None;
            }
            (None, Some(row)) => row.base_url,
            (None, None) => {
                self.warn(path, "needs a baseUrl; the provider is ignored");
                return None;
            }
        };
        let like = row.or_else(|| providers::by_host(base_url));
        let dialect = self.dialect(section, &path, row)?;
        let mut provider = match row {
            Some(row) => of_row(row),
            None => Provider { name: id.clone(), id: id.clone(), ..bare(dialect) },
        };
        // A local server loads its model before the first byte.
        let unknown = if dialect == Dialect::Ollama { providers::LOCAL } else { Quirks::PLAIN };
        provider.quirks = quirks(like.map_or(unknown, |like| like.quirks), row, base_url, section.get("compat"));
        provider.dialect = dialect;
        provider.base_url = own_base(base_url, dialect).to_owned();
        provider.is_configured = true;
        provider.timeout = section.get("timeoutSeconds").and_then(Value::as_f64).and_then(bounded_seconds);
        self.log_in(&mut provider, section, &path, row);
        provider.output_cap = count(section, "maxTokens");
        provider.params = self.params(section, &path);
        // The transport override comes last and wins.
        let headers = self.headers(section, &path).into_iter();
        let own = self.headers(section.get("request").unwrap_or(&Value::Null), &format!("{path}.request"));
        let headers = headers.filter(|(name, _)| own.iter().all(|(other, _)| other != name)).collect::<Vec<_>>();
        let headers = headers.into_iter().chain(own);
        provider.headers = headers.map(|(name, secret)| (name, HeaderValue::Secret(secret))).collect();
        self.models(&mut provider, section, &path);
        Some(provider)
    }

    fn dialect(&mut self, section: &Value, path: &str, row: Option<&providers::Row>) -> Option<Dialect> {
        let Some(api) = text(section, "api") else {
            let is_moved = section.get("baseUrl").is_some();
            return Some(match row {
                // Whoever moves OpenAI to another host most likely means a compatible server.
                Some(row) if !(is_moved && row.dialect == Dialect::OpenaiResponses) => row.dialect,
                Some(_) | None => Dialect::OpenaiChat,
            });
        };
        let found = Dialect::from_api(api);
        if found.is_none() {
            let known = Dialect::ALL.map(|(_, name)| name).join(", ");
            self.warn(format!("{path}.api"), format!("{api:?} is not served here; expected one of {known}"));
        }
        found
    }

    fn log_in(&mut self, provider: &mut Provider, section: &Value, path: &str, row: Option<&providers::Row>) {
        let wants_bearer = section.get("authHeader").and_then(Value::as_bool) == Some(true)
            || matches!(text(section, "auth"), Some("token" | "oauth"));
        let auth = match row {
            _ if wants_bearer => Auth::Bearer,
            Some(row) if row.dialect == provider.dialect => row.auth,
            Some(_) | None => default_auth(provider.dialect),
        };
        provider.credentials = self.credentials(&provider.id, auth, row);
        let inline = section.get("apiKey").unwrap_or(&Value::Null);
        let secret = secret_of(inline, &format!("{path}.apiKey"), self.key, &mut self.warnings);
        let profile = format!("{}:config", provider.id);
        provider.credentials.extend(secret.map(|secret| Credential { profile, auth, secret, expires_at: None }));
        // A server somebody put here by URL may need no key; a well-known one does.
        let is_well_known = providers::by_host(&provider.base_url).is_some();
        provider.is_keyless = inline.is_null() && !is_well_known;
    }

    fn params(&mut self, section: &Value, path: &str) -> Params {
        Params::read(section.get("params"), &format!("{path}.params"), &mut self.warnings)
    }

    fn headers(&mut self, section: &Value, path: &str) -> Vec<(String, Secret)> {
        let mut headers = Vec::new();
        for (name, value) in objects(section.get("headers")) {
            let path = format!("{path}.headers.{name}");
            let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            if !is_name {
                self.warn(path, "is no header name and is ignored");
                continue;
            }
            let secret = secret_of(value, &path, self.key, &mut self.warnings);
            headers.extend(secret.map(|secret| (name.to_ascii_lowercase(), secret)));
        }
        headers
    }

    fn models(&mut self, provider: &mut Provider, section: &Value, path: &str) {
        let Some(listed) = section.get("models").and_then(Value::as_array) else { return };
        let mut models = Vec::with_capacity(listed.len());
        for (at, entry) in listed.iter().enumerate() {
            match text(entry, "id") {
                Some(id) => {
                    let path = format!("{path}.models.{at}");
                    let (headers, params) = (self.headers(entry, &path), self.params(entry, &path));
                    models.push(Model { headers, params, ..model(provider.model(id), entry) });
                }
                None => self.warn(format!("{path}.models.{at}"), "has no id and is ignored"),
            }
        }
        if let Some(compat) = listed.iter().find_map(|entry| entry.get("compat")) {
            apply_compat(&mut provider.quirks, compat);
        }
        let is_listed = |model: &Model| models.iter().any(|listed: &Model| listed.id == model.id);
        let rest: Vec<Model> = provider.models.drain(..).filter(|model| !is_listed(model)).collect();
        provider.models = models;
        provider.models.extend(rest);
    }

    fn default(&mut self, settings: &Settings, agents_defaults: &Value) -> ModelChoice {
        let thinking = self.thinking(agents_defaults);
        let section = agents_defaults.get("model").unwrap_or(&Value::Null);
        let primary = section.as_str().or_else(|| text(section, "primary"));
        let Some(primary) = primary else {
            return ModelChoice { thinking, ..automatic(settings) };
        };
        let Some(primary) = self.reference(settings, primary, "agents.defaults.model") else {
            return ModelChoice { thinking, ..automatic(settings) };
        };
        let listed = section.get("fallbacks").and_then(Value::as_array).into_iter().flatten();
        let fallbacks = listed.filter_map(Value::as_str);
        let fallbacks: Vec<ModelRef> =
            fallbacks.filter_map(|name| self.reference(settings, name, "agents.defaults.model.fallbacks")).collect();
        ModelChoice { primary, fallbacks, thinking }
    }

    fn thinking(&mut self, agents_defaults: &Value) -> Option<Thinking> {
        let name = text(agents_defaults, "thinkingDefault")?;
        match name.parse() {
            Ok(level) => Some(level),
            Err(error) => {
                self.warn("agents.defaults.thinkingDefault", format!("{error}"));
                None
            }
        }
    }

    fn reference(&mut self, settings: &Settings, name: &str, path: &str) -> Option<ModelRef> {
        let found = settings.resolve(name);
        if found.is_none() {
            let ids: Vec<&str> = settings.providers.iter().map(|provider| provider.id.as_str()).collect();
            let known = ids.join(", ");
            self.warn(path, format!("{name:?} names no model; expected provider/model with a provider of {known}"));
        }
        found
    }
}

/// Picks the default when nothing is configured: what the owner listed, then
/// whoever there is a key for, then the offline rules.
fn automatic(settings: &Settings) -> ModelChoice {
    let usable = settings.providers.iter().filter(|provider| provider.is_available());
    let firsts = usable.filter_map(|provider| {
        let model = provider.models.first()?;
        Some(ModelRef::new(provider.id.clone(), model.id.clone()))
    });
    let mut firsts = firsts.take(FALLBACKS_MAX + 1);
    match firsts.next() {
        Some(primary) => ModelChoice { primary, fallbacks: firsts.collect(), thinking: None },
        None => strict(offline::Offline::model()),
    }
}

/// Stand-ins that are chosen without being configured.
const FALLBACKS_MAX: usize = 2;

fn aliases(agents_defaults: &Value) -> Vec<(String, ModelRef)> {
    let listed = objects(agents_defaults.get("models")).filter_map(|(name, section)| {
        let model = name.parse::<ModelRef>().ok()?;
        let alias = text(section, "alias")?;
        Some((alias.to_ascii_lowercase(), canonical(&model)))
    });
    listed.collect()
}

fn bare(dialect: Dialect) -> Provider {
    Provider {
        id: String::new(),
        name: String::new(),
        dialect,
        base_url: String::new(),
        headers: Vec::new(),
        quirks: Quirks::PLAIN,
        credentials: Vec::new(),
        is_keyless: false,
        is_configured: true,
        key_names: Vec::new(),
        models: Vec::new(),
        timeout: None,
        output_cap: None,
        params: Params::default(),
    }
}

/// Returns the peculiarities: those of the known host, or of a known provider at another host.
fn quirks(like: Quirks, row: Option<&providers::Row>, base_url: &str, compat: Option<&Value>) -> Quirks {
    let mut quirks = like;
    let is_moved =
        row.is_some_and(|row| !row.is_local && row.base_url != base_url && providers::by_host(base_url).is_none());
    if is_moved {
        // A stand-in host knows only the common ground, whatever it is called.
        quirks = Quirks { is_first_party: false, system_role: SystemRole::System, cache_key: false, ..quirks };
    }
    if let Some(compat) = compat {
        apply_compat(&mut quirks, compat);
    }
    quirks
}

/// Applies the flags of `compat` that concern this program.
fn apply_compat(quirks: &mut Quirks, compat: &Value) {
    let flag = |key: &str| compat.get(key).and_then(Value::as_bool);
    match text(compat, "maxTokensField") {
        Some("max_tokens") => quirks.tokens_field = TokensField::MaxTokens,
        Some("max_completion_tokens") => quirks.tokens_field = TokensField::MaxCompletionTokens,
        Some(_) | None => {}
    }
    match flag("supportsDeveloperRole") {
        Some(true) => quirks.system_role = SystemRole::Developer,
        Some(false) => quirks.system_role = SystemRole::System,
        None => {}
    }
    if let Some(takes) = flag("supportsUsageInStreaming") {
        quirks.stream_usage = takes;
    }
    if flag("supportsReasoningEffort") == Some(false) && quirks.thinking == ThinkingStyle::Effort {
        quirks.thinking = ThinkingStyle::None;
    }
    if flag("requiresMistralToolIds") == Some(true) {
        quirks.ids = IdRule::Nine;
    }
    quirks.thinking = match text(compat, "thinkingFormat") {
        Some("openai") => ThinkingStyle::Effort,
        Some("openrouter") => ThinkingStyle::Reasoning,
        Some("deepseek") => ThinkingStyle::SwitchAndEffort,
        Some("zai") => ThinkingStyle::Switch,
        Some("qwen") => ThinkingStyle::EnableThinking,
        Some("qwen-chat-template") => ThinkingStyle::Template,
        Some(_) | None => quirks.thinking,
    };
}

/// Reads a catalogue row over what is known of the model already.
fn model(known: Model, entry: &Value) -> Model {
    let inputs = entry.get("input").and_then(Value::as_array);
    Model {
        name: text(entry, "name").map_or(known.name, str::to_owned),
        window: count(entry, "contextTokens").or_else(|| count(entry, "contextWindow")).or(known.window),
        output_tokens_max: count(entry, "maxTokens").or(known.output_tokens_max),
        output_cap: count(entry, "maxTokens").or(known.output_cap),
        reasons: entry.get("reasoning").and_then(Value::as_bool).unwrap_or(known.reasons),
        sees: inputs.map_or(known.sees, |kinds| kinds.iter().any(|kind| kind.as_str() == Some("image"))),
        price: entry.get("cost").and_then(price).or(known.price),
        dialect: text(entry, "api").and_then(Dialect::from_api),
        base_url: text(entry, "baseUrl").map(|url| url.trim_end_matches('/').to_owned()),
        headers: known.headers,
        params: known.params,
        id: known.id,
    }
}

fn price(cost: &Value) -> Option<Price> {
    let cost: &Map<String, Value> = cost.as_object()?;
    let number = |key: &str| cost.get(key).and_then(Value::as_f64).filter(|n| n.is_finite() && *n >= 0.0);
    let (input, output) = (number("input")?, number("output")?);
    let cache_read = number("cacheRead").unwrap_or(input);
    Some(Price { input, output, cache_read, cache_write: number("cacheWrite").unwrap_or(input) })
}

/// Cuts what belongs to another dialect of the same server.
fn own_base(base_url: &str, dialect: Dialect) -> &str {
    match dialect {
        Dialect::Ollama => ["/v1", "/api"].iter().find_map(|end| base_url.strip_suffix(end)).unwrap_or(base_url),
        Dialect::OpenaiChat | Dialect::OpenaiResponses => base_url,
        Dialect::AnthropicMessages | Dialect::GoogleGenerativeAi => base_url,
    }
}

fn bounded_seconds(seconds: f64) -> Option<Duration> {
    (seconds.is_finite() && seconds > 0.0).then(|| Duration::from_secs_f64(seconds.min(86_400.0)))
}

/// Completes `OLLAMA_HOST`, which may lack scheme and port.
fn ollama_url(host: &str) -> String {
    let host = host.trim().trim_end_matches('/');
    let (scheme, rest) = host.split_once("://").unwrap_or(("http", host));
    // The server listens on 0.0.0.0; a client cannot go there.
    let rest = rest.replacen("0.0.0.0", "127.0.0.1", 1);
    let port = if rest.contains(':') { "" } else { ":11434" };
    format!("{scheme}://{rest}{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ollama_host_is_completed() {
        for (host, url) in [
            ("10.0.0.5", "http://10.0.0.5:11434"),
            ("0.0.0.0:8000", "http://127.0.0.1:8000"),
            ("https://box:1/", "https://box:1"),
        ] {
            assert_eq!(ollama_url(host), url);
        }
    }
}
