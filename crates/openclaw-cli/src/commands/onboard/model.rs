//! The first question: which model, with which key. The model must answer before
//! the next question comes; a rejected key is told here and only here.

use serde_json::json;

use super::{Arguments, choose, record::Record, say, trial};
use crate::backend::LocalServer;
use crate::cx::Cx;
use crate::exchange::exchange;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Line, Tone, progress, time};
use crate::{link, peek, text};

/// The model that needs nothing.
pub(super) const OFFLINE: &str = "offline/rules";

/// The provider said no to the key.
const KEY_REJECTED: &str = "KEY_REJECTED";

/// Where the chosen model stands in the configuration.
pub(super) const PRIMARY: &str = "agents.defaults.model.primary";

/// Longest key; longer input is a pasted file, not a key.
const KEY_BYTES_MAX: usize = 4096;

/// A provider a key can be given for: id, name, and the variable its key is kept in.
struct Provider {
    id: &'static str,
    name: &'static str,
    variable: &'static str,
}

const PROVIDERS: &[Provider] = &[
    Provider { id: "anthropic", name: "Anthropic", variable: "ANTHROPIC_API_KEY" },
    Provider { id: "openai", name: "OpenAI", variable: "OPENAI_API_KEY" },
    Provider { id: "openrouter", name: "OpenRouter", variable: "OPENROUTER_API_KEY" },
    Provider { id: "google", name: "Google", variable: "GEMINI_API_KEY" },
    Provider { id: "deepseek", name: "DeepSeek", variable: "DEEPSEEK_API_KEY" },
    Provider { id: "groq", name: "Groq", variable: "GROQ_API_KEY" },
    Provider { id: "xai", name: "xAI", variable: "XAI_API_KEY" },
    Provider { id: "mistral", name: "Mistral", variable: "MISTRAL_API_KEY" },
    Provider { id: "together", name: "Together", variable: "TOGETHER_API_KEY" },
    Provider { id: "minimax", name: "MiniMax", variable: "MINIMAX_API_KEY" },
    Provider { id: "venice", name: "Venice", variable: "VENICE_API_KEY" },
];

/// The provider id and key variable of a server given by its address.
const CUSTOM: Provider = Provider { id: "custom", name: "that server", variable: "OPENCLAW_CUSTOM_API_KEY" };

/// What was chosen.
struct Choice {
    /// `PROVIDER/MODEL`.
    model: String,
    /// Address of the server, for those that are not built in.
    base_url: Option<String>,
    /// Wire format of that server.
    api: &'static str,
    /// Where the key goes, and the key.
    key: Option<(&'static str, String)>,
}

/// Asks until a model has answered.
pub(super) async fn ask(cx: &Cx<'_>, arguments: &Arguments, record: &mut Record) -> Result<(), Failure> {
    if arguments.model.is_none()
        && let Some(kept) = &record.model
    {
        say(cx, &Line::plain(cx.say(&text::ONBOARD_KEPT, &[("what", kept)])));
        return Ok(());
    }
    let servers = cx.backend.local_models().await;
    let mut again = unproven(cx, arguments, record).await?;
    loop {
        let choice = match (again.take(), &arguments.model) {
            (Some(choice), _) => choice,
            (None, Some(model)) => given(cx, arguments, model, &servers).await?,
            (None, None) => interactive(cx, &servers).await?,
        };
        trial::begin(cx, record, &choice.model)?;
        keep(cx, &choice).await?;
        let failure = match prove(cx, &choice).await {
            Ok(()) => return trial::succeed(cx, record, choice.model),
            Err(failure) => failure,
        };
        let is_rejected = failure.code == KEY_REJECTED;
        if is_rejected {
            trial::undo(cx, record).await?;
        }
        if arguments.model.is_some() || !cx.can_ask() {
            return Err(failure);
        }
        say(cx, &Line::marked(Tone::Failed, "x", &failure.message));
        match cx.ask(&cx.say(&text::ONBOARD_RETRY, &[]), "--model").await?.to_ascii_lowercase().as_str() {
            "s" => return Err(failure),
            // The server may have been started meanwhile.
            "r" if !is_rejected => again = Some(choice),
            _ => trial::undo(cx, record).await?,
        }
    }
}

/// Takes up a model that an earlier run was stopped at before it answered: it is tried
/// again, unless another one was asked for or it was not all written down.
async fn unproven(cx: &Cx<'_>, arguments: &Arguments, record: &mut Record) -> Result<Option<Choice>, Failure> {
    let Some(trial) = record.trial.clone() else { return Ok(None) };
    let is_other = arguments.model.as_ref().is_some_and(|model| *model != trial.model)
        || arguments.key_fd.is_some()
        || arguments.key_env.is_some()
        || arguments.base_url.is_some();
    if is_other || !trial::is_complete(cx, &trial) {
        trial::undo(cx, record).await?;
        return Ok(None);
    }
    say(cx, &Line::plain(cx.say(&text::ONBOARD_TRIED_AGAIN, &[("model", &trial.model)])));
    let provider = trial.model.split('/').next().unwrap_or_default();
    let known = PROVIDERS.iter().chain([&CUSTOM]).find(|known| known.id == provider);
    let key = known.and_then(|known| Some((known.variable, cx.load_config().env.get(known.variable)?.to_owned())));
    // The address stands in the configuration already.
    Ok(Some(Choice { model: trial.model, base_url: None, api: "", key }))
}

/// Reads the choice from flags.
async fn given(cx: &Cx<'_>, arguments: &Arguments, model: &str, servers: &[LocalServer]) -> Result<Choice, Failure> {
    if model == OFFLINE {
        return Ok(Choice { model: model.to_owned(), base_url: None, api: "", key: None });
    }
    let (provider, id) =
        model.split_once('/').filter(|(provider, id)| !provider.is_empty() && !id.is_empty()).ok_or_else(|| {
            Failure::usage(cx.say(&text::MODEL_FORM, &[("model", model)]))
                .next("openclaw onboard --model anthropic/claude-sonnet-4-5 --key-env ANTHROPIC_API_KEY")
        })?;
    if let Some(base_url) = &arguments.base_url {
        let key = key_from_flags(cx, arguments, CUSTOM.variable)?;
        return custom(cx, id, base_url, key);
    }
    if servers.iter().any(|server| server.provider == provider) {
        return Ok(local(servers, provider, id));
    }
    let known = PROVIDERS.iter().find(|known| known.id == provider).ok_or_else(|| {
        Failure::usage(cx.say(&text::ONBOARD_UNKNOWN_PROVIDER, &[("name", provider)]))
            .next(format!("openclaw onboard --model {model} --base-url http://127.0.0.1:8000/v1"))
    })?;
    let key = match key_from_flags(cx, arguments, known.variable)? {
        Some(key) => Some(key),
        None if has_key(cx, known) => None,
        None => {
            let question = cx.say(&text::ONBOARD_KEY, &[("name", known.name)]);
            Some((known.variable, cx.ask_hidden(&question, "--key-env NAME or --key-fd FD").await?))
        }
    };
    Ok(Choice { model: model.to_owned(), base_url: None, api: "", key })
}

fn key_from_flags(
    cx: &Cx<'_>,
    arguments: &Arguments,
    variable: &'static str,
) -> Result<Option<(&'static str, String)>, Failure> {
    let key = match (arguments.key_fd, &arguments.key_env) {
        (Some(fd), _) => read_descriptor(fd)?,
        (None, Some(name)) => cx.env.get(name).map(str::to_owned).ok_or_else(|| {
            Failure::usage(format!("the environment variable {name} is not set")).next("openclaw onboard --help")
        })?,
        (None, None) => return Ok(None),
    };
    check_key(&key)?;
    Ok(Some((variable, key)))
}

/// Reads a key from an open descriptor, named by its number.
fn read_descriptor(fd: i32) -> Result<String, Failure> {
    let path = std::path::PathBuf::from(format!("/dev/fd/{fd}"));
    let text = std::fs::read_to_string(&path).map_err(|error| Failure::file("read", &path, &error))?;
    Ok(text.trim().to_owned())
}

fn check_key(key: &str) -> Result<(), Failure> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX || key.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let message = format!("a key is one word of at most {KEY_BYTES_MAX} characters");
        return Err(Failure::usage(message).next("openclaw onboard --help"));
    }
    Ok(())
}

/// Asks for the model, then for its key.
async fn interactive(cx: &Cx<'_>, servers: &[LocalServer]) -> Result<Choice, Failure> {
    if !cx.can_ask() {
        return Err(cx.cannot_ask("--model PROVIDER/MODEL"));
    }
    let found = cx.say(&text::ONBOARD_FOUND, &[]);
    let mut options = Vec::new();
    let mut locals = Vec::new();
    for server in servers {
        for model in server.models.iter().take(3) {
            let address = server.base_url.trim_start_matches("http://");
            options.push(format!("{} {address} ({model}, {found})", server.name));
            locals.push((server.provider.clone(), model.clone()));
        }
    }
    options.extend(PROVIDERS.iter().take(4).map(|provider| provider.name.to_owned()));
    options.push(cx.say(&text::ONBOARD_OTHER, &[]));
    options.push(cx.say(&text::ONBOARD_OFFLINE, &[]));
    let chosen = choose(cx, &options, "--model PROVIDER/MODEL").await?;
    if let Some((provider, model)) = locals.get(chosen) {
        return Ok(local(servers, provider, model));
    }
    match PROVIDERS.iter().take(4).nth(chosen - locals.len()) {
        Some(provider) => with_key(cx, provider).await,
        None if chosen + 1 == options.len() => {
            Ok(Choice { model: OFFLINE.to_owned(), base_url: None, api: "", key: None })
        }
        None => {
            let base_url = cx.ask(&cx.say(&text::ONBOARD_URL, &[]), "--base-url").await?;
            let id = cx.ask(&cx.say(&text::ONBOARD_MODEL_ID, &[]), "--model").await?;
            let key = cx.ask_hidden(&cx.say(&text::ONBOARD_KEY, &[("name", CUSTOM.name)]), "--key-env").await?;
            custom(cx, &id, &base_url, (!key.is_empty()).then_some((CUSTOM.variable, key)))
        }
    }
}

async fn with_key(cx: &Cx<'_>, provider: &Provider) -> Result<Choice, Failure> {
    let in_env = has_key(cx, provider);
    let values = [("name", provider.name), ("env", provider.variable)];
    let question =
        if in_env { cx.say(&text::ONBOARD_KEY_ENV, &values) } else { cx.say(&text::ONBOARD_KEY, &values[..1]) };
    let key = loop {
        let answer = cx.ask_hidden(&question, "--key-env").await?;
        match check_key(&answer) {
            _ if answer.is_empty() && in_env => break None,
            Ok(()) => break Some((provider.variable, answer)),
            Err(failure) => say(cx, &Line::marked(Tone::Failed, "x", failure.message)),
        }
    };
    let model = first_model(cx, provider.id).await?;
    Ok(Choice { model, base_url: None, api: "", key })
}

/// Takes the first model the catalogue lists for a provider.
async fn first_model(cx: &Cx<'_>, provider: &str) -> Result<String, Failure> {
    let reached = link::connect_or_embed(cx, true).await?;
    let answer = reached.client.call("models.list", json!({"view": "all"})).await;
    reached.end().await;
    let answer = answer?;
    let id = peek::list(&answer, "/models").iter().find(|model| model["provider"] == provider);
    match id.map(|model| peek::text(model, "/id")) {
        Some(id) => Ok(format!("{provider}/{id}")),
        None => {
            let id = cx.ask(&cx.say(&text::ONBOARD_MODEL_ID, &[]), "--model").await?;
            Ok(format!("{provider}/{id}"))
        }
    }
}

fn local(servers: &[LocalServer], provider: &str, model: &str) -> Choice {
    let server = servers.iter().find(|server| server.provider == provider);
    let api = if provider == "ollama" { "ollama" } else { "openai-completions" };
    let base_url = server.map(|server| match api {
        "ollama" => server.base_url.clone(),
        _ => format!("{}/v1", server.base_url.trim_end_matches('/').trim_end_matches("/v1")),
    });
    Choice { model: format!("{provider}/{model}"), base_url, api, key: None }
}

fn custom(cx: &Cx<'_>, id: &str, base_url: &str, key: Option<(&'static str, String)>) -> Result<Choice, Failure> {
    if !base_url.starts_with("http://") && !base_url.starts_with("https://") {
        let message =
            format!("{base_url:?} is not an address; {}", cx.say(&text::ONBOARD_URL, &[]).trim_end_matches([':', ' ']));
        return Err(Failure::usage(message).next("openclaw onboard --help"));
    }
    let model = format!("{}/{id}", CUSTOM.id);
    Ok(Choice { model, base_url: Some(base_url.to_owned()), api: "openai-completions", key })
}

/// Writes the choice: the key to the private `.env`, the rest to the configuration.
/// The model comes last: once it stands there, everything does.
async fn keep(cx: &Cx<'_>, choice: &Choice) -> Result<(), Failure> {
    if let Some((variable, key)) = &choice.key {
        trial::keep_key(cx, variable, key)?;
    }
    if let Some(base_url) = &choice.base_url {
        let (provider, id) = choice.model.split_once('/').unwrap_or_default();
        let mut entry = json!({"baseUrl": base_url, "api": choice.api, "models": [{"id": id, "name": id}]});
        if let Some((variable, _)) = &choice.key {
            entry["apiKey"] = json!({"source": "env", "provider": "default", "id": variable});
        }
        crate::commands::config::write_own(cx, &format!("models.providers.{provider}"), Some(entry)).await?;
    }
    let model = (choice.model != OFFLINE).then(|| json!(choice.model));
    trial::set_primary(cx, model).await
}

/// Tells whether a key is already there, in the environment or in a `.env` file.
fn has_key(cx: &Cx<'_>, provider: &Provider) -> bool {
    cx.load_config().env.get(provider.variable).is_some()
}

/// Copies a key that only this shell's environment has to where a service finds it.
pub(super) fn keep_for_service(cx: &Cx<'_>, record: &Record) -> Result<(), Failure> {
    let provider = record.model.as_deref().and_then(|model| model.split('/').next()).unwrap_or_default();
    let known = PROVIDERS.iter().find(|known| known.id == provider);
    match known.and_then(|known| Some((known.variable, cx.env.get(known.variable)?))) {
        Some((variable, key)) => trial::keep_key(cx, variable, key),
        None => Ok(()),
    }
}

/// Has the model answer, inside this process.
async fn prove(cx: &Cx<'_>, choice: &Choice) -> Result<(), Failure> {
    let reached = link::connect_or_embed(cx, true).await?;
    let asking = exchange(&reached.client, None, "Reply with the single word: ready");
    let had = progress::during(cx, &choice.model, &cx.say(&text::AWAITING_MODEL, &[]), asking).await;
    reached.end().await;
    let span = time::span(u64::try_from(had.took.as_millis()).unwrap_or(u64::MAX));
    match had.failure {
        None => {
            let values = [("model", choice.model.as_str()), ("span", span.as_str())];
            say(cx, &Line::marked(Tone::Done, "ok", cx.say(&text::MODEL_ANSWERED, &values)));
            Ok(())
        }
        Some(cause) => Err(refused(cx, choice, &cause)),
    }
}

fn refused(cx: &Cx<'_>, choice: &Choice, cause: &str) -> Failure {
    let lower = cause.to_ascii_lowercase();
    let is_key = ["401", "403", "unauthorized", "api key", "authentication"].iter().any(|sign| lower.contains(sign));
    let message = match (&choice.key, is_key) {
        (Some((_, key)), true) => {
            let tail: String = key.chars().skip(key.chars().count().saturating_sub(2)).collect();
            let tail = cx.say(&text::ONBOARD_KEY_TAIL, &[("tail", &tail)]);
            let provider = choice.model.split('/').next().unwrap_or_default();
            let mut known = PROVIDERS.iter().chain([&CUSTOM]);
            let name = known.find(|known| known.id == provider).map_or(provider, |known| known.name);
            let cause = cause.replace(key.as_str(), "****");
            cx.say(&text::ONBOARD_KEY_REJECTED, &[("name", name), ("cause", &cause), ("tail", &tail)])
        }
        (Some((_, key)), false) => {
            let cause = cause.replace(key.as_str(), "****");
            cx.say(&text::ONBOARD_MODEL_FAILED, &[("model", &choice.model), ("cause", &cause)])
        }
        (None, _) => cx.say(&text::ONBOARD_MODEL_FAILED, &[("model", &choice.model), ("cause", cause)]),
    };
    let code = if is_key { KEY_REJECTED } else { "MODEL_FAILED" };
    Failure::new(Exit::Model, code, message).next(format!("openclaw onboard --model {}", choice.model))
}

#[cfg(test)]
mod tests {
    use super::check_key;

    #[test]
    fn keys_are_one_word() {
        assert!(check_key("sk-1").is_ok());
        assert!(check_key(&"x".repeat(4096)).is_ok());
        for wrong in ["", "two words", "line\n", "\u{1b}[31m"] {
            assert!(check_key(wrong).is_err(), "{wrong:?}");
        }
        assert!(check_key(&"x".repeat(4097)).is_err());
    }
}
