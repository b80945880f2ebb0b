//! Finds the gateway and connects: flag, environment, Unix socket, configured
//! port, in that order. Says which credential was shown when it was refused.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::BoxFuture;
use openclaw_client::{Client, ConnectOptions, Credential, Endpoint, Error, Introduction};
use serde_json::Value;

use crate::backend::EmbedOptions;
use crate::cx::Cx;
use crate::exit::Exit;
use crate::failure::{Failure, Place};
use crate::out::{Line, Tone};
use crate::text;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Longest wait for a gateway on this machine to answer the handshake.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Entries of the state folder looked through for what a killed command left.
const ENTRIES_MAX: usize = 4096;

/// Where the right to connect over the Unix socket comes from.
const BY_USER: &str = "your user id";

/// Where a gateway may be, and what to show it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    endpoint: Endpoint,
    credential: Credential,
    /// Where the credential came from, for people.
    source: &'static str,
    /// Whether the person named it; then nothing is embedded in its stead.
    is_named: bool,
}

impl Target {
    /// Returns where it is.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns where the credential came from; empty when there is none.
    pub(crate) fn source(&self) -> &'static str {
        self.source
    }
}

/// Nothing runs where a gateway was looked for.
pub(crate) struct Down {
    /// What to tell the person.
    pub(crate) failure: Failure,
    /// Whether the person named the place.
    is_named: bool,
}

impl Down {
    /// Tells whether the person named the place; then nothing else will do.
    pub(crate) fn is_named(&self) -> bool {
        self.is_named
    }
}

/// A connection, perhaps to everything inside this process.
pub(crate) struct Reached {
    pub(crate) client: Client,
    stop: Option<BoxFuture<'static, ()>>,
}

impl Reached {
    /// Tells whether everything runs inside this process and ends with it.
    pub(crate) fn is_embedded(&self) -> bool {
        self.stop.is_some()
    }

    /// Ends the connection, and what was embedded, once its work is safe.
    pub(crate) async fn end(self) {
        self.client.close().await;
        if let Some(stop) = self.stop {
            stop.await;
        }
    }
}

/// Returns the socket of this installation's gateway.
pub(crate) fn socket_path(cx: &Cx<'_>) -> PathBuf {
    cx.home.state_dir.join("gateway.sock")
}

/// Returns the port of this installation's gateway.
pub(crate) fn port(cx: &Cx<'_>) -> Result<u16, Failure> {
    let asked = cx.home.env_port(&cx.env);
    let asked = asked.map_err(|error| Failure::usage(format!("cannot {error}")).next("openclaw gateway status"))?;
    Ok(asked.unwrap_or_else(|| cx.config().port()))
}

/// A place to look for the gateway. The configuration is read only for the ones
/// that need it: the Unix socket answers most commands.
#[derive(Debug, Clone, PartialEq)]
enum Candidate {
    /// An address the person gave.
    Address(String),
    /// The socket of this installation.
    Socket(PathBuf),
    /// What the configuration says; `is_named` when the port came from the environment.
    Configured { is_named: bool },
}

/// Lists where the gateway may be, best first.
fn candidates(cx: &Cx<'_>) -> Vec<Candidate> {
    if let Some(address) = cx.flags.gateway.as_deref().or_else(|| cx.env.get("OPENCLAW_GATEWAY_URL")) {
        return vec![Candidate::Address(address.to_owned())];
    }
    if cx.env.get("OPENCLAW_GATEWAY_PORT").is_some() {
        return vec![Candidate::Configured { is_named: true }];
    }
    let socket = socket_path(cx);
    let socket = socket.exists().then_some(Candidate::Socket(socket));
    socket.into_iter().chain([Candidate::Configured { is_named: false }]).collect()
}

fn target(cx: &Cx<'_>, candidate: Candidate) -> Result<Target, Failure> {
    match candidate {
        Candidate::Address(address) => at_address(cx, &address),
        Candidate::Socket(path) => {
            let endpoint = Endpoint::Unix(path);
            Ok(Target { endpoint, credential: Credential::None, source: BY_USER, is_named: false })
        }
        Candidate::Configured { is_named } => {
            let remote = cx.config().get("gateway.remote.url").and_then(Value::as_str);
            let is_remote = cx.config().get("gateway.mode").and_then(Value::as_str) == Some("remote");
            if let (true, Some(address), false) = (is_remote, remote, is_named) {
                return at_address(cx, address);
            }
            let (credential, source) = credential(cx, false)?;
            Ok(Target { endpoint: Endpoint::local(port(cx)?), credential, source, is_named })
        }
    }
}

fn at_address(cx: &Cx<'_>, address: &str) -> Result<Target, Failure> {
    let insists = cx.env.flag("OPENCLAW_ALLOW_INSECURE_PRIVATE_WS") == Some(true);
    let parsed = if insists { Endpoint::parse_any(address) } else { Endpoint::parse(address) };
    let endpoint = parsed.map_err(|error| {
        Failure::usage(cx.say(&text::GATEWAY_ADDRESS, &[("cause", &error.to_string())]))
            .next("openclaw status --gateway ws://127.0.0.1:18789")
    })?;
    let (credential, source) = if endpoint.is_unix() { (Credential::None, BY_USER) } else { credential(cx, true)? };
    Ok(Target { endpoint, credential, source, is_named: true })
}

/// Where a credential may come from, and what it is.
#[derive(Clone, Copy)]
enum Source {
    Variable(&'static str, fn(String) -> Credential),
    Setting(&'static str, fn(String) -> Credential),
    /// The token a gateway makes for itself when none is configured.
    Made,
}

const OWN: [Source; 2] = [
    Source::Setting("gateway.auth.token", Credential::Token),
    Source::Setting("gateway.auth.password", Credential::Password),
];
const VARIABLES: [Source; 2] = [
    Source::Variable("OPENCLAW_GATEWAY_TOKEN", Credential::Token),
    Source::Variable("OPENCLAW_GATEWAY_PASSWORD", Credential::Password),
];
const REMOTE: [Source; 2] = [
    Source::Setting("gateway.remote.token", Credential::Token),
    Source::Setting("gateway.remote.password", Credential::Password),
];

/// Finds the credential: remote clients prefer their own setting. One that is
/// configured and cannot be had is an error, never replaced by another.
fn credential(cx: &Cx<'_>, is_remote: bool) -> Result<(Credential, &'static str), Failure> {
    let mut own = OWN;
    if cx.config().get("gateway.auth.mode").and_then(Value::as_str) == Some("password") {
        own.reverse();
    }
    let order = if is_remote {
        [REMOTE, VARIABLES, own].concat()
    } else {
        [own.as_slice(), VARIABLES.as_slice(), &[Source::Made]].concat()
    };
    for source in order {
        if let Some(found) = look(cx, source)? {
            return Ok(found);
        }
    }
    Ok((Credential::None, ""))
}

fn look(cx: &Cx<'_>, source: Source) -> Result<Option<(Credential, &'static str)>, Failure> {
    match source {
        Source::Variable(name, make) => Ok(cx.env.get(name).map(|value| (make(value.to_owned()), name))),
        Source::Setting(path, make) => {
            let secret = cx.config().secret(path).map_err(|error| {
                Failure::new(Exit::NotAllowed, "SECRET", format!("cannot use {path}: {error}"))
                    .at(Place { path: Some(path.to_owned()), ..Place::default() })
                    .next(format!("openclaw config explain {path}"))
            })?;
            Ok(secret.map(|secret| (make(secret.expose().to_owned()), path)))
        }
        Source::Made => {
            let text = std::fs::read_to_string(cx.home.state_dir.join("gateway.token")).unwrap_or_default();
            let token = text.trim();
            Ok((!token.is_empty()).then(|| (Credential::Token(token.to_owned()), "gateway.token")))
        }
    }
}

/// Connects to the gateway.
///
/// # Errors
/// Exit 4 when none runs; otherwise as the gateway said.
pub(crate) async fn connect(cx: &Cx<'_>) -> Result<Client, Failure> {
    match find(cx, &options(cx)).await? {
        Ok(client) => Ok(client),
        Err(down) => Err(down.failure),
    }
}

/// Connects to the gateway; without one, runs everything inside this process,
/// unless a gateway was named.
pub(crate) async fn connect_or_embed(cx: &Cx<'_>, is_local: bool) -> Result<Reached, Failure> {
    connect_or_embed_with(cx, is_local, options(cx), None).await
}

/// As [`connect_or_embed`], with other options and a local model.
pub(crate) async fn connect_or_embed_with(
    cx: &Cx<'_>,
    is_local: bool,
    options: ConnectOptions,
    local_llm: Option<String>,
) -> Result<Reached, Failure> {
    if !is_local {
        match find(cx, &options).await? {
            Ok(client) => return Ok(Reached { client, stop: None }),
            Err(down) if down.is_named => return Err(down.failure),
            Err(_) => cx.note(&Line::new().tone(Tone::Dim, cx.say(&text::EMBEDDED, &[]))),
        }
    }
    forget_embedded(&cx.home.state_dir);
    let embed = EmbedOptions { profile: cx.flags.profile_name(), local_llm, verbosity: cx.flags.verbose };
    let embedded = cx.backend.embed(embed).await?;
    match Client::connect(&Endpoint::Unix(embedded.socket), &options).await {
        Ok(client) => Ok(Reached { client, stop: Some(embedded.stop) }),
        Err(error) => {
            embedded.stop.await;
            Err(error.into())
        }
    }
}

/// Removes the sockets of commands that were killed while everything ran inside them.
/// The name says whose it was; one whose process still lives is left alone.
fn forget_embedded(state_dir: &Path) {
    let entries = std::fs::read_dir(state_dir).into_iter().flatten().flatten();
    for entry in entries.take(ENTRIES_MAX) {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix("embedded-")?.strip_suffix(".sock")?.parse().ok());
        let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) else { continue };
        if rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH) {
            // What cannot be removed harms nobody: nothing listens there.
            let _left_over = std::fs::remove_file(entry.path());
        }
    }
}

/// Looks everywhere; the inner error tells that nothing runs at any place.
pub(crate) async fn find(cx: &Cx<'_>, options: &ConnectOptions) -> Result<Result<Client, Box<Down>>, Failure> {
    let mut down = None;
    for candidate in candidates(cx) {
        let target = target(cx, candidate)?;
        match attempt(cx, &target, options).await {
            Ok(client) => return Ok(Ok(client)),
            Err(Error::Unreachable { cause, .. }) => {
                down = Some(Down { failure: not_running(cx, &target, &cause), is_named: target.is_named });
            }
            Err(error) => return Err(explain(cx, &target, error)),
        }
    }
    let nowhere = || Down {
        failure: Failure::new(Exit::Unreachable, "GATEWAY_DOWN", "no gateway").next("openclaw gateway run"),
        is_named: false,
    };
    Ok(Err(Box::new(down.unwrap_or_else(nowhere))))
}

/// Lists the places a command would look at.
pub(crate) fn places(cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
    candidates(cx).into_iter().map(|candidate| target(cx, candidate)).collect()
}

/// Tries one place.
pub(crate) async fn try_place(cx: &Cx<'_>, place: &Target) -> Result<Client, Failure> {
    match attempt(cx, place, &options(cx)).await {
        Ok(client) => Ok(client),
        Err(Error::Unreachable { cause, .. }) => Err(not_running(cx, place, &cause)),
        Err(error) => Err(explain(cx, place, error)),
    }
}

async fn attempt(cx: &Cx<'_>, target: &Target, options: &ConnectOptions) -> Result<Client, Error> {
    let mut options = ConnectOptions { credential: target.credential.clone(), ..options.clone() };
    if target.endpoint.is_local() {
        options.timeout = options.timeout.min(LOCAL_TIMEOUT);
    }
    // A key is shown where it matters: to other machines, and by clients that are
    // not trusted for being on this one.
    if !target.endpoint.is_unix() && (!target.endpoint.is_local() || options.introduction.mode != "cli") {
        match crate::identity::load_or_create(cx) {
            Ok(identity) => options.identity = Some(identity),
            Err(failure) => cx.note(&Line::marked(Tone::Waits, "!", failure.message)),
        }
    }
    Client::connect(&target.endpoint, &options).await
}

/// Options of an ordinary command.
pub(crate) fn options(cx: &Cx<'_>) -> ConnectOptions {
    options_as(cx, Introduction::cli(VERSION))
}

/// Options with another introduction.
pub(crate) fn options_as(cx: &Cx<'_>, introduction: Introduction) -> ConnectOptions {
    let introduction = Introduction { locale: Some(cx.lang.tag().to_owned()), ..introduction };
    let mut options = ConnectOptions::new(introduction);
    options.caps = vec!["tool-events".to_owned()];
    if let Some(timeout) = cx.flags.timeout {
        options.timeout = timeout;
        options.call_timeout = timeout;
    }
    options
}

/// Says that nothing runs there, and what is known of the last gateway.
fn not_running(cx: &Cx<'_>, target: &Target, cause: &str) -> Failure {
    let address = &cx.address(&target.endpoint);
    let holder = crate::service::holder(&cx.home.state_dir);
    let cause = match &holder {
        Some(holder) if !target.is_named && !crate::service::is_held(&cx.home.state_dir) => {
            cx.say(&text::GATEWAY_LAST, &[("address", address), ("pid", &holder.pid.to_string())])
        }
        Some(_) | None if cause.contains("refused") || cause.contains("No such file") => {
            cx.say(&text::GATEWAY_NOTHING_LISTENS, &[("address", address)])
        }
        Some(_) | None => format!("{address}: {cause}"),
    };
    Failure::new(Exit::Unreachable, "GATEWAY_DOWN", cx.say(&text::GATEWAY_DOWN, &[("cause", &cause)]))
        .next(format!("{} gateway run", cx.program()))
}

/// Adds which credential was shown to a refusal.
fn explain(cx: &Cx<'_>, target: &Target, error: Error) -> Failure {
    let is_credential = error.refusal().is_some_and(|refusal| {
        refusal.exact_code().is_some_and(|code| code.starts_with("AUTH_") || code == "DEVICE_IDENTITY_REQUIRED")
    });
    let pairing = error.refusal().filter(|refusal| refusal.exact_code() == Some("PAIRING_REQUIRED")).cloned();
    let mut failure = Failure::from(error).at_file(target.endpoint.to_string());
    if is_credential {
        failure.message = match target.source {
            "" => cx.say(&text::GATEWAY_NO_CREDENTIAL, &[("address", &target.endpoint.to_string())]),
            source => cx.say(&text::GATEWAY_SAW, &[("message", &failure.message), ("source", source)]),
        };
        failure.next = vec![format!("{} config explain gateway.auth.token", cx.program())];
    }
    if let Some(refusal) = pairing {
        let request = refusal.details.as_ref().and_then(|details| details["requestId"].as_str()).unwrap_or("REQUEST");
        failure.next = vec![format!("openclaw devices approve {request}")];
    }
    failure
}
