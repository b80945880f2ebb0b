//! Finds a model server on this machine (D10: `--local-llm`, `OPENCLAW_LOCAL_LLM`).
//!
//! Asks Ollama, LM Studio and llama-server what they hold and picks the wanted
//! model. Starts and downloads nothing, and never settles for another model than
//! the one named: it lists what is there instead. Called by `app` at start.

use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use openclaw_domain::model::ModelRef;
use openclaw_domain::ports::Net;
use openclaw_domain::ports::net::{Egress, HeaderValue, Request};
use serde_json::{Value, json};

use crate::dialect::Dialect;
use crate::providers::{self, Row};
use crate::settings::{Model, Provider, of_row};

/// Longest time a server may take to list its models.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Most bytes of a list.
const LIST_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Most models shown in a message.
const SHOWN_MAX: usize = 20;
/// Values that mean "whatever is there".
const ANY: &[&str] = &["", "1", "true", "yes", "on", "auto", "any"];

/// The servers asked, in order of preference.
const SERVERS: &[&str] = &["ollama", "lmstudio", "llamacpp"];

/// Sizes in which models people ask for really exist.
const SIZES: &[(&str, &[&str])] = &[
    ("llama3.1", &["8b", "70b", "405b"]),
    ("llama3.2", &["1b", "3b", "11b", "90b"]),
    ("llama3.3", &["70b"]),
    ("gptoss", &["20b", "120b"]),
];

/// A server that may run here.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its provider row's id.
    pub provider: &'static str,
    /// Where it is.
    pub base_url: String,
}

/// The model that was found.
#[derive(Debug, Clone)]
pub struct LocalChoice {
    /// The server, ready for [`crate::Settings::with_local`].
    pub provider: Provider,
    /// The model's id there.
    pub model: String,
    /// What a person should know, for example that the model takes no tools.
    pub notes: Vec<String>,
}

impl LocalChoice {
    /// Returns the model as `provider/model`.
    pub fn reference(&self) -> ModelRef {
        ModelRef::new(self.provider.id.clone(), self.model.clone())
    }
}

/// Why no local model can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// Nobody answered.
    #[error("no local model server answered at {0}; start Ollama, LM Studio or llama-server")]
    NoServer(Listing),
    /// Servers answered but hold no model.
    #[error("{0} holds no model; pull or load one, for example `ollama pull qwen3:8b`")]
    NoModel(Listing),
    /// Other models are there.
    #[error("no local model {wanted:?}; there is {there}{note}")]
    NoSuchModel {
        /// The name that was asked for.
        wanted: String,
        /// What is there instead.
        there: Listing,
        /// A remark about the name, beginning with `; `, or nothing.
        note: String,
    },
}

/// Names in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing(pub Vec<String>);

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<&str> = self.0.iter().take(SHOWN_MAX).map(String::as_str).collect();
        f.write_str(&shown.join(", "))?;
        match self.0.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Looks at the usual places for `wanted`; an empty name or `auto` takes the first model.
///
/// # Errors
/// When nobody answers, or the model is not there.
pub async fn find(net: &dyn Net, wanted: &str) -> Result<LocalChoice, LocalError> {
    find_at(net, &usual(), wanted).await
}

/// Returns every server that answers at the usual places, with all its models.
pub async fn servers(net: &dyn Net) -> Vec<Provider> {
    let usual = usual();
    let lists = join_all(usual.iter().map(|server| list(net, server))).await;
    let answered = usual.into_iter().zip(lists).filter_map(|(server, models)| {
        let row = providers::find(server.provider)?;
        Some(Provider { base_url: server.base_url, models: models?, ..of_row(row) })
    });
    answered.collect()
}

fn usual() -> Vec<Server> {
    let rows = SERVERS.iter().filter_map(|id| providers::find(id));
    rows.map(|row| Server { provider: row.id, base_url: row.base_url.to_owned() }).collect()
}

/// Looks at the given places.
///
/// # Errors
/// When nobody answers, or the model is not there.
pub async fn find_at(net: &dyn Net, servers: &[Server], wanted: &str) -> Result<LocalChoice, LocalError> {
    let lists = join_all(servers.iter().map(|server| list(net, server))).await;
    let mut found: Vec<(&Server, Vec<Model>)> = Vec::new();
    for (server, models) in servers.iter().zip(lists) {
        found.extend(models.map(|models| (server, models)));
    }
    if found.is_empty() {
        return Err(LocalError::NoServer(Listing(servers.iter().map(|server| server.base_url.clone()).collect())));
    }
    let names: Vec<String> = found
        .iter()
        .flat_map(|(server, models)| models.iter().map(|model| format!("{}/{}", server.provider, model.id)))
        .collect();
    if names.is_empty() {
        return Err(LocalError::NoModel(Listing(found.iter().map(|(server, _)| server.provider.to_owned()).collect())));
    }
    let Some((server, model)) = pick(&found, wanted.trim()) else {
        let note = remark(wanted).map(|note| format!("; {note}")).unwrap_or_default();
        return Err(LocalError::NoSuchModel { wanted: wanted.trim().to_owned(), there: Listing(names), note });
    };
    let Some(row) = providers::find(server.provider) else {
        return Err(LocalError::NoServer(Listing(vec![server.base_url.clone()])));
    };
    let all = found.iter().find(|(other, _)| other.provider == server.provider).map(|(_, models)| models.clone());
    Ok(choice(net, row, server, model, all.unwrap_or_default()).await)
}

async fn choice(net: &dyn Net, row: &Row, server: &Server, model: Model, mut models: Vec<Model>) -> LocalChoice {
    let mut notes = Vec::new();
    let id = model.id.clone();
    if row.dialect == Dialect::Ollama {
        let about = show(net, server, &id).await;
        if let Some(known) = models.iter_mut().find(|known| known.id == id) {
            describe(known, &about, &mut notes);
        }
    }
    let provider = Provider { base_url: server.base_url.clone(), models, is_configured: true, ..of_row(row) };
    LocalChoice { provider, model: id, notes }
}

/// Picks the model: exactly named, the same up to tag and path, or the only one that begins so.
fn pick<'a>(found: &[(&'a Server, Vec<Model>)], wanted: &str) -> Option<(&'a Server, Model)> {
    let all = || found.iter().flat_map(|(server, models)| models.iter().map(move |model| (*server, model)));
    if ANY.contains(&wanted.to_ascii_lowercase().as_str()) {
        return all().next().map(|(server, model)| (server, model.clone()));
    }
    let (server_id, name) = match wanted.split_once('/') {
        Some((server, name)) if found.iter().any(|(known, _)| known.provider == server) => (Some(server), name),
        Some(_) | None => (None, wanted),
    };
    let here = || all().filter(|(server, _)| server_id.is_none_or(|id| server.provider == id));
    let exact = here().find(|(_, model)| model.id == name);
    let same = || here().find(|(_, model)| plain(&model.id) == plain(name));
    let begins = || {
        let mut those = here().filter(|(_, model)| plain(&model.id).starts_with(&plain(name)));
        those.next().filter(|_| those.next().is_none())
    };
    exact.or_else(same).or_else(begins).map(|(server, model)| (server, model.clone()))
}

/// Returns a name without path, file ending and default tag, lower case.
fn plain(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name).to_ascii_lowercase();
    let name = name.strip_suffix(".gguf").unwrap_or(&name);
    name.strip_suffix(":latest").unwrap_or(name).to_owned()
}

/// Says so when a model of that name and size does not exist anywhere.
fn remark(wanted: &str) -> Option<String> {
    let name = plain(wanted);
    let compact: String = name.chars().filter(|c| !matches!(c, '-' | '_' | ':' | ' ')).collect();
    let (family, sizes) = SIZES.iter().find(|(family, _)| compact.starts_with(family))?;
    let digits: String = compact[family.len()..].chars().take_while(char::is_ascii_digit).collect();
    let size = format!("{digits}b");
    let is_size = !digits.is_empty() && compact[family.len() + digits.len()..].starts_with('b');
    if !is_size || sizes.contains(&size.as_str()) {
        return None;
    }
    let listed = sizes.iter().map(|size| size.to_uppercase()).collect::<Vec<_>>().join(", ");
    Some(format!("{name} does not exist: that family comes in {listed}"))
}

fn request(url: String) -> Request {
    let request = Request::get(url);
    Request {
        egress: Egress::Configured,
        head_timeout: ANSWER_MAX,
        idle_timeout: ANSWER_MAX,
        body_bytes_max: LIST_BYTES_MAX,
        redirects_max: 0,
        ..request
    }
}

/// Asks a server for its models; `None` when it does not answer sensibly.
async fn list(net: &dyn Net, server: &Server) -> Option<Vec<Model>> {
    let path = if server.provider == "ollama" { "/api/tags" } else { "/models" };
    let body = fetch(net, request(format!("{}{path}", server.base_url))).await?;
    let entries = body.get("models").or_else(|| body.get("data")).unwrap_or(&body).as_array()?;
    let models = entries.iter().filter_map(|entry| {
        let id = ["id", "name", "model"].iter().find_map(|key| entry.get(*key).and_then(Value::as_str))?;
        // Models that only embed are no use here.
        let is_chat = !id.to_ascii_lowercase().contains("embed");
        let windows = ["max_model_len", "context_length", "max_context_length"];
        let window = windows.iter().find_map(|key| entry.get(*key).and_then(Value::as_u64));
        is_chat.then(|| Model { window: window.and_then(|n| u32::try_from(n).ok()), ..Model::guess(id) })
    });
    Some(models.collect())
}

/// Asks Ollama about one model; `null` when it does not say.
async fn show(net: &dyn Net, server: &Server, model: &str) -> Value {
    let json = HeaderValue::from("application/json");
    let request = Request {
        method: "POST",
        body: json!({ "model": model }).to_string().into(),
        ..request(format!("{}/api/show", server.base_url)).header("content-type", json)
    };
    fetch(net, request).await.unwrap_or(Value::Null)
}

fn describe(model: &mut Model, about: &Value, notes: &mut Vec<String>) {
    let facts = about.get("model_info").and_then(Value::as_object).into_iter().flatten();
    let window = facts.filter(|(key, _)| key.ends_with(".context_length")).find_map(|(_, value)| value.as_u64());
    model.window = window.and_then(|tokens| u32::try_from(tokens).ok()).or(model.window);
    let Some(abilities) = about.get("capabilities").and_then(Value::as_array) else { return };
    let can = |ability: &str| abilities.iter().any(|known| known.as_str() == Some(ability));
    model.sees = can("vision");
    model.reasons = can("thinking");
    if !can("tools") {
        notes.push(format!("{} takes no tools: it can chat but not act; choose one that does", model.id));
    }
}

async fn fetch(net: &dyn Net, request: Request) -> Option<Value> {
    let mut response = net.send(request).await.ok()?;
    if response.status != 200 {
        return None;
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.body.next().await {
        bytes.extend_from_slice(&chunk.ok()?);
    }
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_does_not_exist_is_said_and_a_real_one_is_not() {
        let note = remark("llama-3.2-120b").unwrap();
        assert_eq!(note, "llama-3.2-120b does not exist: that family comes in 1B, 3B, 11B, 90B");
        assert_eq!(remark("llama3.2:3b"), None);
        assert_eq!(remark("gpt-oss:120b"), None);
        assert_eq!(remark("something-9b"), None);
    }

    #[test]
    fn names_are_compared_without_path_ending_and_default_tag() {
        assert_eq!(plain("/models/Qwen3-8B.gguf"), "qwen3-8b");
        assert_eq!(plain("llama3.2:latest"), "llama3.2");
        assert_eq!(plain("llama3.2:1b"), "llama3.2:1b");
    }
}
