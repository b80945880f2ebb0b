//! Failures in words for people. Bounded, and without secrets.

use openclaw_domain::model::{ErrorClass, ModelRef};

use crate::settings::Provider;

/// Most characters of an explanation.
const WHY_CHARS_MAX: usize = 600;

/// Says where a credential is expected.
pub(super) fn no_credential(provider: &Provider) -> String {
    match provider.key_names.first() {
        Some(name) => format!("no credential for {}; set {name} or run `openclaw onboard`", provider.name),
        None => format!("no credential for {0}; set models.providers.{0}.apiKey", provider.id),
    }
}

/// Says what to do about a failure; `None` when the failure says so itself.
pub(super) fn next_step(class: ErrorClass, model: &ModelRef, provider: Option<&Provider>) -> Option<String> {
    let id = &model.provider;
    let step = match class {
        ErrorClass::Auth => {
            let place = match provider.and_then(|provider| provider.key_names.first()) {
                Some(name) => format!("{name} or models.providers.{id}.apiKey"),
                None => format!("models.providers.{id}.apiKey"),
            };
            format!("Check the key in {place}, then run `openclaw models probe {model}`")
        }
        ErrorClass::Quota => "Add credit at the provider, or choose another model".to_owned(),
        ErrorClass::RateLimited | ErrorClass::Overloaded => {
            "Try again in a while, or list stand-ins in agents.defaults.model.fallbacks".to_owned()
        }
        ErrorClass::ContextOverflow => "Start a new session, or choose a model with a larger window".to_owned(),
        ErrorClass::BadRequest | ErrorClass::ThinkingRefused | ErrorClass::Protocol => {
            format!("Check models.providers.{id}.api and baseUrl, then run `openclaw models probe {model}`")
        }
        ErrorClass::NoSuchModel => "See what there is with `openclaw models list`".to_owned(),
        ErrorClass::ContentRefused => "Say it in other words, or choose another model".to_owned(),
        ErrorClass::Truncated => "Try again; if it stays so, look for a proxy that cuts long answers".to_owned(),
        ErrorClass::Timeout => format!("Try again, or raise models.providers.{id}.timeoutSeconds"),
        ErrorClass::Network if provider.is_some_and(|provider| provider.is_configured || provider.is_keyless) => {
            format!("Check that the server runs and that models.providers.{id}.baseUrl is right")
        }
        ErrorClass::Network => "Check the network connection of this machine".to_owned(),
        ErrorClass::NotConfigured => return None,
    };
    Some(step)
}

/// Cuts a text that is too long.
pub(super) fn bounded(text: String) -> String {
    match text.char_indices().nth(WHY_CHARS_MAX) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

/// Returns a class in words.
pub(super) fn class_in_words(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Auth => "login refused",
        ErrorClass::Quota => "quota used up",
        ErrorClass::RateLimited => "rate limited",
        ErrorClass::Overloaded => "overloaded",
        ErrorClass::ContextOverflow => "context overflow",
        ErrorClass::BadRequest => "request refused",
        ErrorClass::ThinkingRefused => "thinking level refused",
        ErrorClass::NoSuchModel => "no such model",
        ErrorClass::ContentRefused => "content refused",
        ErrorClass::Truncated => "truncated answer",
        ErrorClass::Timeout => "timeout",
        ErrorClass::Network => "network error",
        ErrorClass::Protocol => "unintelligible answer",
        ErrorClass::NotConfigured => "not configured",
    }
}
