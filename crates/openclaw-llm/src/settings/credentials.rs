//! Keys and tokens, sealed, in the order they are tried.

use openclaw_domain::ports::net::HeaderValue;
use serde_json::Value;

use super::{Secret, Timestamp, Warning};
use crate::providers::Auth;

/// A stored credential profile (`config.md` §7).
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its id, `provider:name`.
    pub id: String,
    /// The provider it is for.
    pub provider: String,
    /// What it is.
    pub kind: ProfileKind,
    /// The key or token.
    pub secret: Secret,
    /// When it lapses, if it does.
    pub expires_at: Option<Timestamp>,
}

/// What a profile holds; also the order in which they are preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProfileKind {
    /// An OAuth access token.
    OAuth,
    /// A long-lived token.
    Token,
    /// An API key.
    ApiKey,
}

/// A credential ready for use.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The profile's id; `provider:env` and `provider:config` for the two others.
    pub profile: String,
    /// How it is sent.
    pub auth: Auth,
    /// The key or token.
    pub secret: Secret,
    /// When it lapses, if it does.
    pub expires_at: Option<Timestamp>,
}

impl Credential {
    /// Returns the header that logs in.
    pub(crate) fn header(&self) -> (String, HeaderValue) {
        match self.auth {
            Auth::Bearer => ("authorization".to_owned(), self.secret.prefixed("Bearer ").into()),
            Auth::Header(name) => (name.to_owned(), self.secret.clone().into()),
        }
    }

    /// Makes a credential of a profile. Tokens always go as Bearer.
    pub(super) fn of_profile(profile: &Profile, auth: Auth) -> Self {
        let auth = match profile.kind {
            ProfileKind::OAuth | ProfileKind::Token => Auth::Bearer,
            ProfileKind::ApiKey => auth,
        };
        let Profile { id, secret, expires_at, .. } = profile;
        Self { profile: id.clone(), auth, secret: secret.clone(), expires_at: *expires_at }
    }
}

/// Sorts a provider's profiles: the named order first, then by kind.
pub(super) fn ordered<'a>(profiles: &'a [Profile], provider: &str, order: &Value) -> Vec<&'a Profile> {
    let wanted: Vec<&str> = order.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let place = |profile: &Profile| wanted.iter().position(|id| *id == profile.id).unwrap_or(usize::MAX);
    let mut own: Vec<&Profile> = profiles
        .iter()
        .filter(|profile| profile.provider.eq_ignore_ascii_case(provider) && !profile.secret.is_empty())
        .collect();
    own.sort_by_key(|profile| (place(profile), profile.kind));
    own
}

/// Reads a secret-capable field: literal text, `$NAME`, `${NAME}`, or `{source: "env", id}`.
///
/// A variable that is not set gives nothing: sent as text it would leak its name.
pub(super) fn secret_of(
    value: &Value,
    path: &str,
    key: &dyn Fn(&str) -> Option<String>,
    warnings: &mut Vec<Warning>,
) -> Option<Secret> {
    let mut warn = |message: String| warnings.push(Warning { path: path.to_owned(), message });
    let variable = match value {
        Value::Null => return None,
        Value::String(text) if text.trim().is_empty() => return None,
        Value::String(text) if text.contains("__OPENCLAW_REDACTED__") || text.trim_matches('*').is_empty() => {
            warn("holds a placeholder, not a key; set the key again".to_owned());
            return None;
        }
        Value::String(text) => match variable_of(text) {
            Some(name) => name.to_owned(),
            None => return Some(Secret::new(text.trim())),
        },
        Value::Object(reference) if reference.get("source").and_then(Value::as_str) == Some("env") => {
            reference.get("id").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        _ => {
            warn("holds a secret reference that was not resolved; use text, ${NAME} or an env reference".to_owned());
            return None;
        }
    };
    match key(&variable).filter(|text| !text.trim().is_empty()) {
        Some(text) => Some(Secret::new(text.trim())),
        None => {
            warn(format!("names the environment variable {variable}, which is not set"));
            None
        }
    }
}

/// Returns the name in `$NAME` or `${NAME}`.
fn variable_of(text: &str) -> Option<&str> {
    let name = text.trim().strip_prefix('$')?;
    let name = name.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(name);
    let is_name = name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    (is_name && !name.is_empty()).then_some(name)
}
