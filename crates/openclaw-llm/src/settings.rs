//! Which providers, models and credentials there are.
//!
//! Joins the built-in rows with `models`, `auth` and `agents.defaults` of the
//! configuration and with the credentials `app` found. Reads neither files nor
//! environment itself, keeps secrets sealed, and never fails: what cannot be
//! used is left out and named in a warning. Called by `app` at start and reload.

mod credentials;
mod params;
mod read;

use std::time::Duration;

use openclaw_domain::catalog::{ModelInfo, Price};
use openclaw_domain::model::{ModelChoice, ModelRef, Thinking};
use openclaw_domain::ports::net::HeaderValue;
use openclaw_domain::{Secret, Timestamp};
use serde_json::Value;

use crate::dialect::Dialect;
use crate::offline;
use crate::providers::{self, Auth, Quirks};
use crate::repair::family;

pub use credentials::{Credential, Profile, ProfileKind};
pub use params::Params;
pub(crate) use params::widened;

/// Everything the router must know.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) providers: Vec<Provider>,
    pub(crate) default: ModelChoice,
    /// Short names of models, lower case.
    pub(crate) aliases: Vec<(String, ModelRef)>,
    /// Models people may pick: `provider/model`, or a beginning with `*`; empty allows all.
    pub(crate) allowed: Vec<String>,
    /// Request parameters of all models.
    pub(crate) params: Params,
    /// Those of one model, `provider/model`, or of all of a provider, `provider/*`.
    pub(crate) model_params: Vec<(String, Params)>,
}

/// A finding about the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The dotted path, for example `models.providers.acme.api`.
    pub path: String,
    /// What is wrong and what is expected.
    pub message: String,
}

/// A provider that can be asked.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its id, lower case.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// The dialect it is spoken to in, unless a model says otherwise.
    pub dialect: Dialect,
    /// The base URL, without a slash at the end.
    pub base_url: String,
    /// Headers sent with every request.
    pub headers: Vec<(String, HeaderValue)>,
    /// Its peculiarities.
    pub quirks: Quirks,
    /// Credentials in the order they are tried.
    pub credentials: Vec<Credential>,
    /// May be asked without a credential.
    pub is_keyless: bool,
    /// Stands in the configuration, not only in the built-in table.
    pub is_configured: bool,
    /// Where a key is looked for, to tell people.
    pub key_names: Vec<String>,
    /// Its models, the preferred one first.
    pub models: Vec<Model>,
    /// Longest silence, when the configuration sets one.
    pub timeout: Option<Duration>,
    /// Most tokens of an answer of any of its models, by configuration.
    pub output_cap: Option<u32>,
    /// Request parameters of all its models.
    pub params: Params,
}

impl Provider {
    /// Tells whether it can be asked at all.
    pub fn is_available(&self) -> bool {
        self.is_keyless || !self.credentials.is_empty()
    }

    /// Returns the longest silence before a stream counts as dead.
    pub(crate) fn idle_timeout(&self) -> Duration {
        self.timeout.unwrap_or(self.quirks.idle_timeout)
    }

    /// Returns a model: a listed one, a dated snapshot of one, or one derived from its name.
    pub(crate) fn model(&self, id: &str) -> Model {
        let listed = || self.models.iter().find(|model| model.id == id);
        let same_family = || self.models.iter().find(|model| family(&model.id) == family(id));
        let model = match listed().or_else(same_family) {
            Some(model) => Model { id: id.to_owned(), ..model.clone() },
            None => Model::guess(id),
        };
        Model { output_cap: model.output_cap.or(self.output_cap), ..model }
    }
}

/// A model of a provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Its id at the provider.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Tokens of prompt and output together; `None` when not known.
    pub window: Option<u32>,
    /// Most tokens it generates; `None` when not known.
    pub output_tokens_max: Option<u32>,
    /// Most tokens it may generate, by configuration.
    pub output_cap: Option<u32>,
    /// Whether it can reason.
    pub reasons: bool,
    /// Whether it takes pictures.
    pub sees: bool,
    /// Dollars per million tokens; `None` when not known.
    pub price: Option<Price>,
    /// A dialect of its own.
    pub dialect: Option<Dialect>,
    /// A base URL of its own.
    pub base_url: Option<String>,
    /// Headers sent for this model, over those of the provider.
    pub headers: Vec<(String, Secret)>,
    /// Request parameters of its own.
    pub params: Params,
}

/// Name parts by which models that reason are recognised.
const REASONING: &[&str] = &[
    "claude",
    "gpt-5",
    "gpt-6",
    "gpt-oss",
    "gemini",
    "deepseek-r",
    "deepseek-v3.",
    "deepseek-v4",
    "qwen3",
    "qwq",
    "grok-4",
    "grok-3-mini",
    "kimi-k2",
    "kimi-k3",
    "glm-4.5",
    "glm-4.6",
    "glm-5",
    "magistral",
    "minimax-m",
    "thinking",
    "reasoner",
    "reasoning",
];
/// The same for models that take pictures.
const SEEING: &[&str] = &[
    "claude",
    "gpt-4o",
    "gpt-4.1",
    "gpt-5",
    "gpt-6",
    "gemini",
    "gemma-3",
    "gemma3",
    "llava",
    "-vl",
    "vision",
    "pixtral",
    "llama-4",
    "llama4",
    "grok-4",
    "mistral-medium",
    "mistral-large",
];

impl Model {
    /// Derives what must be known from the name; limits and price stay unknown.
    pub(crate) fn guess(id: &str) -> Self {
        let name = id.to_ascii_lowercase();
        let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
        let is_old_claude =
            name.contains("claude-3-5") || name.contains("claude-3-haiku") || name.contains("claude-3-opus");
        let is_o_series = ["o1", "o3", "o4"].iter().any(|lead| name.rsplit('/').next().unwrap_or("").starts_with(lead));
        Self {
            id: id.to_owned(),
            name: id.to_owned(),
            window: None,
            output_tokens_max: None,
            output_cap: None,
            reasons: (has(REASONING) || is_o_series) && !is_old_claude,
            sees: has(SEEING) || is_o_series,
            price: None,
            dialect: None,
            base_url: None,
            headers: Vec::new(),
            params: Params::default(),
        }
    }

    fn of_row(row: &crate::catalogue::ModelRow) -> Self {
        Self {
            id: row.id.to_owned(),
            name: row.name.to_owned(),
            window: Some(row.window),
            output_tokens_max: Some(row.output),
            output_cap: None,
            reasons: row.reasons,
            sees: row.sees,
            price: row.price,
            dialect: None,
            base_url: None,
            headers: Vec::new(),
            params: Params::default(),
        }
    }

    fn info(&self, provider: &Provider) -> ModelInfo {
        ModelInfo {
            model: ModelRef::new(provider.id.clone(), self.id.clone()),
            name: self.name.clone(),
            context_window: self.window,
            output_tokens_max: self.output_tokens_max,
            reasons: self.reasons,
            sees: self.sees,
            thinking: if self.reasons { Thinking::ALL.to_vec() } else { Vec::new() },
            price: self.price,
            is_available: provider.is_available(),
        }
    }
}

/// Other names people use for providers.
const PROVIDER_ALIASES: &[(&str, &str)] = &[
    ("gemini", "google"),
    ("claude", "anthropic"),
    ("lm-studio", "lmstudio"),
    ("llama.cpp", "llamacpp"),
    ("llama-server", "llamacpp"),
    ("grok", "xai"),
    ("kimi", "moonshot"),
    ("z.ai", "zai"),
    ("dashscope", "qwen"),
];

impl Settings {
    /// Reads the sections of the configuration. `key` looks an environment variable up.
    pub fn from_config(
        models: &Value,
        auth: &Value,
        agents_defaults: &Value,
        profiles: Vec<Profile>,
        key: &dyn Fn(&str) -> Option<String>,
    ) -> (Settings, Vec<Warning>) {
        read::settings(models, auth, agents_defaults, profiles, key)
    }

    /// Returns settings without any provider but the offline one.
    pub fn offline() -> Settings {
        Settings {
            providers: Vec::new(),
            default: strict(offline::Offline::model()),
            aliases: Vec::new(),
            allowed: Vec::new(),
            params: Params::default(),
            model_params: Vec::new(),
        }
    }

    /// Adds a local server and makes its model the default.
    #[must_use]
    pub fn with_local(mut self, provider: Provider, model: &str) -> Settings {
        self.default = ModelChoice {
            primary: ModelRef::new(provider.id.clone(), model),
            fallbacks: Vec::new(),
            thinking: self.default.thinking,
        };
        self.providers.retain(|other| other.id != provider.id);
        self.providers.insert(0, provider);
        self
    }

    /// Returns the model used when nobody names one.
    pub fn default_choice(&self) -> &ModelChoice {
        &self.default
    }

    /// Returns the providers, configured ones first.
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// Returns all listed models, configured ones first, and the offline one last.
    pub fn models(&self) -> Vec<ModelInfo> {
        let listed = self.providers.iter().flat_map(|provider| provider.models.iter().map(|m| m.info(provider)));
        listed.chain([offline_info()]).collect()
    }

    /// Finds the model somebody means: an alias, `provider/model`, or a bare id.
    pub fn resolve(&self, text: &str) -> Option<ModelRef> {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        if let Some((_, model)) = self.aliases.iter().find(|(alias, _)| *alias == lower) {
            return Some(model.clone());
        }
        if let Ok(model) = text.parse::<ModelRef>() {
            let model = canonical(&model);
            let is_known = model.provider == offline::PROVIDER || self.provider(&model.provider).is_some();
            if is_known {
                return Some(model);
            }
        }
        let mut owners = self.providers.iter().filter(|provider| provider.models.iter().any(|m| m.id == text));
        match (owners.next(), owners.find(|provider| provider.is_available())) {
            (Some(first), other) => {
                let owner = other.filter(|_| !first.is_available()).unwrap_or(first);
                Some(ModelRef::new(owner.id.clone(), text))
            }
            (None, _) => None,
        }
    }

    /// Tells whether a person may pick this model (`agents.defaults.modelPolicy.allow`).
    pub fn allows(&self, model: &ModelRef) -> bool {
        let name = canonical(model).to_string();
        self.allowed.is_empty()
            || self.allowed.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(beginning) => name.starts_with(beginning),
                None => self.resolve(pattern).is_some_and(|allowed| allowed.to_string() == name),
            })
    }

    /// Returns a provider's model with the request parameters of all layers.
    pub(crate) fn model(&self, provider: &Provider, id: &str) -> Model {
        let row = provider.model(id);
        let of = |name: String| self.model_params.iter().find(|(known, _)| *known == name).map(|(_, params)| params);
        let own = of(format!("{}/{id}", provider.id)).cloned().unwrap_or_default();
        let wide = of(format!("{}/*", provider.id)).cloned().unwrap_or_default();
        let params = own.over(&wide).over(&row.params).over(&provider.params).over(&self.params);
        Model { params, ..row }
    }

    /// Finds a provider by id.
    pub(crate) fn provider(&self, id: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.id == id)
    }
}

/// Lower-cases the provider and replaces other names for it.
pub(crate) fn canonical(model: &ModelRef) -> ModelRef {
    let provider = model.provider.to_ascii_lowercase();
    let known = PROVIDER_ALIASES.iter().find(|(alias, _)| *alias == provider);
    ModelRef::new(known.map_or(provider.as_str(), |(_, id)| *id), model.model.clone())
}

/// Returns a choice without stand-ins.
fn strict(primary: ModelRef) -> ModelChoice {
    ModelChoice { primary, fallbacks: Vec::new(), thinking: None }
}

fn offline_info() -> ModelInfo {
    ModelInfo {
        model: offline::Offline::model(),
        name: "Offline rules (not a language model)".to_owned(),
        context_window: None,
        output_tokens_max: None,
        reasons: false,
        sees: false,
        thinking: Vec::new(),
        price: Some(Price::default()),
        is_available: true,
    }
}

/// Makes a provider of a built-in row, without credentials.
pub(crate) fn of_row(row: &providers::Row) -> Provider {
    Provider {
        id: row.id.to_owned(),
        name: row.name.to_owned(),
        dialect: row.dialect,
        base_url: row.base_url.to_owned(),
        headers: Vec::new(),
        quirks: row.quirks,
        credentials: Vec::new(),
        is_keyless: row.is_local,
        is_configured: false,
        key_names: row.key_names.iter().map(|name| (*name).to_owned()).collect(),
        models: row.models.iter().map(Model::of_row).collect(),
        timeout: None,
        output_cap: None,
        params: Params::default(),
    }
}

/// Returns how a provider of this dialect takes a key by default.
pub(crate) fn default_auth(dialect: Dialect) -> Auth {
    match dialect {
        Dialect::AnthropicMessages => Auth::Header("x-api-key"),
        Dialect::GoogleGenerativeAi => Auth::Header("x-goog-api-key"),
        Dialect::OpenaiChat | Dialect::OpenaiResponses | Dialect::Ollama => Auth::Bearer,
    }
}

#[cfg(test)]
mod tests;
