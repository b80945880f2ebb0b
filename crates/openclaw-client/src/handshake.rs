//! The first exchange: challenge, `connect`, `hello-ok`. Called once by
//! [`crate::Client::connect`]; refuses a peer that speaks anything else first.

use std::time::Duration;

use openclaw_protocol::connect::{Auth, ClientInfo};
use openclaw_protocol::frame::Frame;
use openclaw_protocol::{ConnectParams, HelloOk, PROTOCOL_VERSION, Request, Response, Scope};
use serde::Deserialize as _;

use crate::driver::CONNECT_ID;
use crate::error::{Error, Refusal};
use crate::identity::Identity;
use crate::wire::{Incoming, Socket};

/// Most frames looked at while waiting for the challenge or the answer.
const FRAMES_MAX: usize = 64;

/// What to show the gateway.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Who connects.
    pub introduction: Introduction,
    /// The credential; not sent over a Unix socket.
    pub credential: Credential,
    /// The device key; not used over a Unix socket.
    pub identity: Option<Identity>,
    /// Operator scopes asked for.
    pub scopes: Vec<Scope>,
    /// Optional features understood, for example `tool-events`.
    pub caps: Vec<String>,
    /// How long connecting and the handshake may take together.
    pub timeout: Duration,
    /// How long a call may take unless it says otherwise.
    pub call_timeout: Duration,
}

/// Who connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    /// One of `openclaw_protocol::connect::CLIENT_IDS`.
    pub id: String,
    /// One of `openclaw_protocol::connect::CLIENT_MODES`.
    pub mode: String,
    /// The client's version.
    pub version: String,
    /// For example `en-US`.
    pub locale: Option<String>,
}

/// The credential shown to the gateway.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credential {
    /// None.
    #[default]
    None,
    /// The gateway's token, or a device token.
    Token(String),
    /// The gateway's password.
    Password(String),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Credential::None => "Credential::None",
            Credential::Token(_) => "Credential::Token(****)",
            Credential::Password(_) => "Credential::Password(****)",
        })
    }
}

impl Introduction {
    /// Introduces a command-line program.
    pub fn cli(version: &str) -> Self {
        Self { id: "cli".to_owned(), mode: "cli".to_owned(), version: version.to_owned(), locale: None }
    }

    /// Introduces a terminal UI.
    pub fn tui(version: &str) -> Self {
        Self { id: "openclaw-tui".to_owned(), mode: "ui".to_owned(), version: version.to_owned(), locale: None }
    }

    /// Introduces a program without a person in front of it.
    pub fn backend(version: &str) -> Self {
        Self { id: "gateway-client".to_owned(), mode: "backend".to_owned(), version: version.to_owned(), locale: None }
    }
}

impl ConnectOptions {
    /// Asks for full operator scopes, with ten seconds to connect and a minute per call.
    pub fn new(introduction: Introduction) -> Self {
        Self {
            introduction,
            credential: Credential::None,
            identity: None,
            scopes: vec![Scope::Admin, Scope::Read, Scope::Write, Scope::Approvals, Scope::Questions, Scope::Pairing],
            caps: Vec::new(),
            timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(60),
        }
    }

    /// Returns the request for a challenge.
    pub(crate) fn params(&self, nonce: &str, challenge_ts: i64) -> ConnectParams {
        let auth = match &self.credential {
            Credential::None => None,
            Credential::Token(token) => Some(Auth { token: Some(token.clone()), ..Auth::default() }),
            Credential::Password(password) => Some(Auth { password: Some(password.clone()), ..Auth::default() }),
        };
        let mut params = ConnectParams {
            min_protocol: PROTOCOL_VERSION,
            max_protocol: PROTOCOL_VERSION,
            client: ClientInfo {
                id: self.introduction.id.clone(),
                version: self.introduction.version.clone(),
                platform: std::env::consts::OS.to_owned(),
                mode: self.introduction.mode.clone(),
                display_name: None,
                build_id: None,
                device_family: None,
                model_identifier: None,
                time_zone: None,
                instance_id: None,
            },
            role: Some("operator".to_owned()),
            scopes: Some(self.scopes.iter().map(|scope| scope.as_str().to_owned()).collect()),
            caps: Some(self.caps.clone()),
            commands: None,
            permissions: None,
            path_env: None,
            locale: self.introduction.locale.clone(),
            user_agent: None,
            model_catalog: None,
            auth,
            device: None,
        };
        if let Some(identity) = &self.identity {
            identity.prove(&mut params, nonce, challenge_ts);
        }
        params
    }
}

/// Shakes hands on an open socket.
pub(crate) async fn shake(socket: &mut Socket, options: &ConnectOptions) -> Result<HelloOk, Error> {
    let (nonce, ts) = challenge(socket).await?;
    let params = serde_json::to_value(options.params(&nonce, ts))
        .map_err(|error| Error::Call { method: "connect".to_owned(), cause: error.to_string() })?;
    let request = Request {
        id: CONNECT_ID.to_owned(),
        method: "connect".to_owned(),
        params: Some(params),
        traceparent: None,
        expected_profile_id: None,
    };
    socket.send(&Frame::Req(request)).await?;
    let response = answer(socket).await?;
    if let Some(error) = response.error {
        return Err(Error::Refused(Box::new(Refusal::new("connect", error))));
    }
    let payload = response.payload.unwrap_or_default();
    HelloOk::deserialize(payload).map_err(|error| Error::Protocol(format!("hello-ok: {error}")))
}

async fn challenge(socket: &mut Socket) -> Result<(String, i64), Error> {
    for _ in 0..FRAMES_MAX {
        let Incoming::Event(event) = socket.receive().await? else {
            return Err(Error::Protocol("an answer came before the challenge".to_owned()));
        };
        if event.event != "connect.challenge" {
            continue;
        }
        let payload = event.payload.unwrap_or_default();
        let nonce = payload.get("nonce").and_then(|nonce| nonce.as_str());
        let ts = payload.get("ts").and_then(serde_json::Value::as_i64);
        return match (nonce, ts) {
            (Some(nonce), Some(ts)) => Ok((nonce.to_owned(), ts)),
            _ => Err(Error::Protocol("connect.challenge without nonce and ts".to_owned())),
        };
    }
    Err(Error::Protocol("no connect.challenge".to_owned()))
}

async fn answer(socket: &mut Socket) -> Result<Response, Error> {
    for _ in 0..FRAMES_MAX {
        match socket.receive().await? {
            Incoming::Response(response) if response.id == CONNECT_ID => return Ok(response),
            Incoming::Response(_) | Incoming::Event(_) | Incoming::Unheard { .. } | Incoming::Other => {}
        }
    }
    Err(Error::Protocol("no answer to connect".to_owned()))
}
