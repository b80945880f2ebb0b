//! Keys and logins a home keeps in `agents/<id>/agent/auth-profiles.json`.
//!
//! Reads that one file of the agent that owns shared logins, and never writes it.
//! Refuses a file that others can read, a link, one that is too large, and one
//! that is no JSON; each refusal is one warning that names the file. Profiles the
//! configuration names but the file does not hold are named too. Called by `models`.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use openclaw_config::Loaded;
use openclaw_domain::{AgentId, Secret, Timestamp};
use openclaw_llm::Profile;
use openclaw_llm::settings::{ProfileKind, Warning};
use rustix::fs::OFlags;
use rustix::io::Errno;
use serde_json::{Map, Value};

/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Most profiles that are taken.
const PROFILES_MAX: usize = 256;

/// What a home has to offer.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) profiles: Vec<Profile>,
    pub(super) warnings: Vec<Warning>,
}

/// Returns the profiles of a home; `key` looks an environment variable up.
pub(super) fn find(loaded: &Loaded, key: &dyn Fn(&str) -> Option<String>) -> Found {
    let path = path(loaded);
    let mut found = match read(&path) {
        Ok(Some(listed)) => profiles(&path, listed, key),
        Ok(None) => Found::default(),
        Err(unfit) => Found { profiles: Vec::new(), warnings: vec![warning(&path, format!("{unfit}; it is ignored"))] },
    };
    found.warnings.extend(missing(&loaded.value["auth"]["profiles"], &found.profiles, &path));
    found
}

/// Returns where the owner of shared logins keeps them.
fn path(loaded: &Loaded) -> PathBuf {
    let defaults = &loaded.value["agents"]["defaults"];
    let named = ["/authInheritance/agentId", "/systemAgent/agentId"].iter().find_map(|place| {
        let id = defaults.pointer(place)?.as_str()?;
        id.parse::<AgentId>().ok()
    });
    let agent = named.unwrap_or_else(AgentId::main).to_string();
    loaded.home.state_dir.join("agents").join(agent).join("agent").join("auth-profiles.json")
}

/// Reads the table of profiles; `None` when there is no file.
fn read(path: &Path) -> anyhow::Result<Option<Map<String, Value>>> {
    // Neither follows a link nor waits for the other end of a pipe.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => bail!("is not a regular file"),
        Err(error) => bail!("cannot be opened ({error})"),
    };
    let metadata = file.metadata()?;
    ensure!(metadata.is_file(), "is not a regular file");
    ensure!(metadata.mode() & 0o077 == 0, "can be read by others; run `chmod 600` on it");
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() as u64 <= FILE_BYTES_MAX, "has more than {FILE_BYTES_MAX} bytes");
    // The parser's own words may quote a secret; only the place is told.
    let parsed: Result<Value, serde_json::Error> = serde_json::from_slice(&bytes);
    let mut parsed = parsed.map_err(|error| {
        anyhow!("is not valid JSON (line {}, column {}); repair it or move it away", error.line(), error.column())
    })?;
    match parsed.get_mut("profiles").map(Value::take) {
        Some(Value::Object(listed)) => Ok(Some(listed)),
        Some(_) | None => bail!("has no object `profiles`; repair it or move it away"),
    }
}

fn profiles(path: &Path, listed: Map<String, Value>, key: &dyn Fn(&str) -> Option<String>) -> Found {
    let mut found = Found::default();
    if listed.len() > PROFILES_MAX {
        let excess = format!("has more than {PROFILES_MAX} profiles; the others are ignored");
        found.warnings.push(warning(path, excess));
    }
    for (id, entry) in listed.into_iter().take(PROFILES_MAX) {
        match profile(&id, &entry, key) {
            Ok(profile) => found.profiles.push(profile),
            Err(why) => found.warnings.push(warning(path, format!("profile {id:?} {why}; it is ignored"))),
        }
    }
    found
}

fn profile(id: &str, entry: &Value, key: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Profile> {
    let (kind, field) = match entry["type"].as_str() {
        Some("api_key") => (ProfileKind::ApiKey, "key"),
        Some("token") => (ProfileKind::Token, "token"),
        Some("oauth") => (ProfileKind::OAuth, "access"),
        Some(_) | None => bail!("has no type that is known; expected api_key, token or oauth"),
    };
    let named = entry["provider"].as_str().or_else(|| id.split_once(':').map(|(provider, _)| provider));
    let provider = named.map(str::trim).filter(|name| !name.is_empty()).context("names no provider")?;
    let reference = &entry[format!("{field}Ref")];
    let value = if reference.is_null() { &entry[field] } else { reference };
    let expires_at = entry["expires"].as_i64().filter(|at| *at > 0).map(Timestamp);
    Ok(Profile { id: id.to_owned(), provider: provider.to_owned(), kind, secret: secret(value, key)?, expires_at })
}

/// Reads a secret: text, or a reference to an environment variable.
fn secret(value: &Value, key: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Secret> {
    use openclaw_config::secret::{Kept, Ref};
    let text = match Ref::from_value(value) {
        Some(Ok(Ref { source: Kept::Env, id, .. })) => {
            key(&id).with_context(|| format!("names the environment variable {id}, which is not set"))?
        }
        Some(Ok(_) | Err(_)) => bail!("keeps its secret outside of this file; set it with an environment variable"),
        None => value.as_str().unwrap_or_default().to_owned(),
    };
    let text = text.trim();
    ensure!(!text.is_empty(), "holds no secret");
    Ok(Secret::new(text))
}

/// Names the profiles of the configuration whose secrets are not in the file.
fn missing(named: &Value, found: &[Profile], path: &Path) -> Option<Warning> {
    let listed = named.as_object().into_iter().flatten();
    let absent = listed.filter(|(id, _)| found.iter().all(|profile| profile.id != **id));
    let absent: BTreeMap<&str, &str> = absent
        .map(|(id, entry)| {
            (id.as_str(), entry["provider"].as_str().or_else(|| Some(id.split_once(':')?.0)).unwrap_or(id))
        })
        .collect();
    let (_, provider) = absent.first_key_value()?;
    let ids = absent.keys().copied().collect::<Vec<_>>().join(", ");
    let message = format!(
        "{ids}: the secret is not in {} and other stores are not read; set models.providers.{provider}.apiKey or run \
         `openclaw onboard`",
        path.display()
    );
    Some(Warning { path: "auth.profiles".to_owned(), message })
}

fn warning(path: &Path, message: String) -> Warning {
    Warning { path: path.display().to_string(), message }
}

#[cfg(test)]
mod tests;
