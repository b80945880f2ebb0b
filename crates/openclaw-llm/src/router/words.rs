//! Failures in words for people. Bounded, and without secrets.

use openclaw_domain::model::{Error, ErrorClass, ModelRef};

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

/// Returns an error's message without the name of its model.
pub(super) fn without_name<'a>(error: &'a Error, model: &ModelRef) -> &'a str {
    error.message.strip_prefix(&format!("{model}: ")).unwrap_or(&error.message)
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
