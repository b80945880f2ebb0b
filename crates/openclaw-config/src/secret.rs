//! References to secrets kept elsewhere, and the plain ones written inline.
//!
//! A reference names a source (`env`, `file`, `exec`, `store`), a provider and
//! an id. Sources `env` and `file` are read here; `exec` and `store` are
//! refused with their reason, because running programs and opening the store
//! belong to other parts. A reference never falls through to another source.

use std::path::{Path, PathBuf};

use openclaw_domain::Secret;
use serde_json::Value;

use crate::disk;
use crate::env::Env;

const FILE_BYTES_DEFAULT: u64 = 1024 * 1024;

/// Kind of place a secret is kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// An environment variable.
    Env,
    /// A private file.
    File,
    /// The answer of a program.
    Exec,
    /// The secret store.
    Store,
}

/// A reference to a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ref {
    /// Kind of place.
    pub source: Kept,
    /// Which one; `None` means the default one of that kind.
    pub provider: Option<String>,
    /// Which secret there.
    pub id: String,
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a reference.
    #[error("read the secret reference at {path}: {reason}")]
    Malformed {
        /// Where it stands.
        path: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A variable is not set.
    #[error("read the secret at {path}: environment variable {name} is not set")]
    MissingVariable {
        /// Where the reference stands.
        path: String,
        /// The variable.
        name: String,
    },
    /// A provider is not configured.
    #[error("read the secret at {path}: secrets.providers has no {source_name} provider named {provider:?}")]
    NoProvider {
        /// Where the reference stands.
        path: String,
        /// Kind of place.
        source_name: &'static str,
        /// The name looked for.
        provider: String,
    },
    /// The provider may not give this secret out.
    #[error("read the secret at {path}: provider {provider:?} does not allow {id}")]
    NotAllowed {
        /// Where the reference stands.
        path: String,
        /// The provider.
        provider: String,
        /// The secret.
        id: String,
    },
    /// The file is unfit or lacks the secret.
    #[error("read the secret at {path}: {reason}")]
    File {
        /// Where the reference stands.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// This source is resolved elsewhere.
    #[error("read the secret at {path}: source {source_name} is not available here; use source env or file")]
    Unavailable {
        /// Where the reference stands.
        path: String,
        /// Kind of place.
        source_name: &'static str,
    },
}

impl Kept {
    fn name(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::File => "file",
            Self::Exec => "exec",
            Self::Store => "store",
        }
    }
}

impl Ref {
    /// Reads a reference; `None` if the value is not one at all.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Result<Self, &'static str>> {
        match value {
            Value::String(text) => Self::from_text(text).map(Ok),
            Value::Object(map) if map.contains_key("source") => Some(Self::from_map(map)),
            _ => None,
        }
    }

    /// Reads the shorthand `$NAME` or `${NAME}`.
    fn from_text(text: &str) -> Option<Self> {
        let name = text.strip_prefix('$')?;
        let name = match name.strip_prefix('{') {
            Some(inner) => inner.strip_suffix('}')?,
            None => name,
        };
        is_variable(name).then(|| Self { source: Kept::Env, provider: None, id: name.to_owned() })
    }

    fn from_map(map: &serde_json::Map<String, Value>) -> Result<Self, &'static str> {
        let source = match map.get("source").and_then(Value::as_str) {
            Some("env") => Kept::Env,
            Some("file") => Kept::File,
            Some("exec") => Kept::Exec,
            Some("store") => Kept::Store,
            Some(_) | None => return Err("source must be env, file, exec or store"),
        };
        if map.keys().any(|key| !matches!(key.as_str(), "source" | "provider" | "id")) {
            return Err("only source, provider and id may stand in it");
        }
        let provider = match map.get("provider") {
            None => None,
            Some(Value::String(name)) if is_provider(name) => Some(name.clone()),
            Some(_) => return Err("provider must be 1 to 64 of a-z 0-9 _ - and begin with a letter"),
        };
        let id = map.get("id").and_then(Value::as_str).ok_or("id is missing")?;
        let fits = match source {
            Kept::Env | Kept::Store => is_variable(id),
            Kept::File => id == "value" || (id.starts_with('/') && id.len() <= 1024),
            Kept::Exec => is_exec_id(id),
        };
        if !fits {
            return Err(match source {
                Kept::Env | Kept::Store => "id must be 1 to 128 of A-Z 0-9 _ and begin with a letter",
                Kept::File => "id must be a JSON pointer such as /key, or value",
                Kept::Exec => "id must be 1 to 256 of A-Z a-z 0-9 . _ : / # - without . or .. as a segment",
            });
        }
        Ok(Self { source, provider, id: id.to_owned() })
    }
}

fn is_variable(name: &str) -> bool {
    name.len() <= 128
        && name.bytes().next().is_some_and(|first| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

fn is_provider(name: &str) -> bool {
    name.len() <= 64
        && name.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'))
}

fn is_exec_id(id: &str) -> bool {
    id.len() <= 256
        && id.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:/#-".contains(&byte))
        && !id.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// Reads secrets of one configuration.
pub(crate) struct Reader<'a> {
    pub(crate) env: &'a Env,
    pub(crate) config: &'a Value,
    pub(crate) expand: &'a dyn Fn(&str) -> PathBuf,
}

impl Reader<'_> {
    /// Returns the secret standing at a path, `None` if nothing stands there.
    pub(crate) fn read(&self, path: &str, value: Option<&Value>) -> Result<Option<Secret>, Error> {
        let Some(value) = value else { return Ok(None) };
        match (Ref::from_value(value), value) {
            (Some(Ok(reference)), _) => self.resolve(path, &reference).map(Some),
            (Some(Err(reason)), _) => Err(Error::Malformed { path: path.to_owned(), reason }),
            (None, Value::String(text)) => {
                if let Some(name) = crate::interpolate::unresolved(text) {
                    return Err(Error::MissingVariable { path: path.to_owned(), name: name.to_owned() });
                }
                let text = text.trim();
                Ok((!text.is_empty()).then(|| Secret::new(text)))
            }
            (None, Value::Null) => Ok(None),
            (None, _) => Err(Error::Malformed {
                path: path.to_owned(),
                reason: "expected text or an object with source, provider and id",
            }),
        }
    }

    fn resolve(&self, path: &str, reference: &Ref) -> Result<Secret, Error> {
        match reference.source {
            Kept::Env => self.env_secret(path, reference),
            Kept::File => self.file_secret(path, reference),
            Kept::Exec | Kept::Store => {
                Err(Error::Unavailable { path: path.to_owned(), source_name: reference.source.name() })
            }
        }
    }

    fn env_secret(&self, path: &str, reference: &Ref) -> Result<Secret, Error> {
        let provider = self.provider_name(reference);
        let entry = self.provider(&provider);
        let is_implicit = provider == "default" || Some(provider.as_str()) == self.default_name(Kept::Env);
        match entry {
            Some(entry) if entry.get("source").and_then(Value::as_str) != Some("env") => {
                return Err(self.no_provider(path, reference, provider));
            }
            None if !is_implicit => return Err(self.no_provider(path, reference, provider)),
            Some(_) | None => {}
        }
        if let Some(allowed) = entry.and_then(|entry| entry.get("allowlist"))
            && !allowed.as_array().is_some_and(|names| names.iter().any(|name| name.as_str() == Some(&reference.id)))
        {
            return Err(Error::NotAllowed { path: path.to_owned(), provider, id: reference.id.clone() });
        }
        self.env
            .raw(&reference.id)
            .map(Secret::new)
            .ok_or_else(|| Error::MissingVariable { path: path.to_owned(), name: reference.id.clone() })
    }

    fn file_secret(&self, path: &str, reference: &Ref) -> Result<Secret, Error> {
        let provider = self.provider_name(reference);
        let entry = self
            .provider(&provider)
            .filter(|entry| entry.get("source").and_then(Value::as_str) == Some("file"))
            .ok_or_else(|| self.no_provider(path, reference, provider.clone()))?;
        let fail = |reason: String| Error::File { path: path.to_owned(), reason };
        let file = entry
            .get("path")
            .and_then(Value::as_str)
            .map(self.expand)
            .ok_or_else(|| fail(format!("secrets.providers.{provider}.path is missing")))?;
        let bytes_max = entry.get("maxBytes").and_then(Value::as_u64).unwrap_or(FILE_BYTES_DEFAULT);
        check_private(&file).map_err(&fail)?;
        let text = disk::read_text(&file, bytes_max).map_err(|error| fail(error.to_string()))?;
        let is_single = entry.get("mode").and_then(Value::as_str) == Some("singleValue");
        let found = match (is_single, reference.id.as_str()) {
            (true, "value") => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
            (true, _) => None,
            (false, pointer) => {
                let json: Value = serde_json::from_str(&text)
                    .map_err(|error| fail(format!("{} is not JSON: {error}", file.display())))?;
                json.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
            }
        };
        match found {
            Some(value) if !value.is_empty() => Ok(Secret::new(value)),
            Some(_) | None => Err(fail(format!("{} holds no text at {:?}", file.display(), reference.id))),
        }
    }

    fn provider_name(&self, reference: &Ref) -> String {
        match &reference.provider {
            Some(name) => name.clone(),
            None => self.default_name(reference.source).unwrap_or("default").to_owned(),
        }
    }

    fn default_name(&self, source: Kept) -> Option<&str> {
        self.config.pointer(&format!("/secrets/defaults/{}", source.name()))?.as_str()
    }

    fn provider(&self, name: &str) -> Option<&Value> {
        self.config.pointer("/secrets/providers")?.get(name)
    }

    fn no_provider(&self, path: &str, reference: &Ref, provider: String) -> Error {
        Error::NoProvider { path: path.to_owned(), source_name: reference.source.name(), provider }
    }
}

/// Refuses a file that others could read or put in place.
fn check_private(path: &Path) -> Result<(), String> {
    disk::refuse_link(path).map_err(|error| error.to_string())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let metadata =
            std::fs::symlink_metadata(path).map_err(|error| format!("look at {}: {error}", path.display()))?;
        if metadata.mode() & 0o077 != 0 {
            return Err(format!("{} can be read by others; run chmod 600 on it", path.display()));
        }
        if metadata.nlink() != 1 {
            return Err(format!("{} has more than one hard link", path.display()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
