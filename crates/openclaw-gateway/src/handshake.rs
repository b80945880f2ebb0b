//! From the first byte of a WebSocket to a known client (`protocol.md` §1.2).
//!
//! Sends the challenge, takes exactly one frame, and either answers `hello-ok`
//! or refuses with the frame and close code of §1.5. Nothing a client sends
//! before that reaches a method; a few frames sent early wait for it.

pub(crate) mod admit;
pub(crate) mod hello;

use std::sync::Arc;

use bytes::Bytes;
use openclaw_domain::Timestamp;
use openclaw_protocol::error::close;
use openclaw_protocol::{ConnectParams, ErrorBody, ErrorCode, connect, frame};
use serde_json::{Value, json};

use crate::client::{Client, Peer};
use crate::convert::fault::invalid;
use crate::events::frame::{Frame, WhenSlow, answer, refusal};
use crate::events::names;
use crate::events::queue::Close;
use crate::gateway::Gateway;
use crate::jsonrpc;
use crate::socket::{Inbound, Socket};

/// Frames a client may send between its `connect` and our hello.
const EARLY_FRAMES_MAX: usize = 15;

/// Where a connection came from, as far as the upgrade could tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Came {
    pub(crate) peer: Peer,
    pub(crate) is_browser: bool,
}

/// The question a device signs.
pub(crate) struct Challenge {
    pub(crate) nonce: String,
    pub(crate) ts: Timestamp,
}

/// Which dialect a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    V4,
    JsonRpc,
}

/// A client that came in.
pub(crate) struct Established {
    pub(crate) client: Arc<Client>,
    pub(crate) dialect: Dialect,
    /// A first frame that was itself a call (JSON-RPC with a token in `meta`).
    pub(crate) first: Option<Value>,
    /// Frames sent before our hello, in order.
    pub(crate) early: Vec<Bytes>,
}

/// Why a client did not come in.
pub(crate) struct Refused {
    pub(crate) error: Box<ErrorBody>,
    pub(crate) close: u16,
}

impl Refused {
    pub(crate) fn new(error: ErrorBody) -> Self {
        Self { error: Box::new(error), close: close::POLICY }
    }
}

/// Lets a client in, or says how the connection ends.
pub(crate) async fn establish(
    gateway: &Gateway,
    socket: &mut Socket,
    came: Came,
) -> Result<Established, Option<Close>> {
    let challenge = Challenge { nonce: uuid::Uuid::new_v4().to_string(), ts: gateway.now() };
    let payload = json!({ "nonce": challenge.nonce, "ts": challenge.ts });
    if !socket.send(Frame::new(names::CHALLENGE, &payload, WhenSlow::Close).directed()) {
        return Err(None);
    }
    let bytes = first_frame(gateway, socket).await?;
    // Not JSON at all: whoever this is does not speak the protocol.
    let Ok(value) = serde_json::from_slice::<Value>(&bytes) else { return Err(closed(close::NORMAL, "")) };
    let outcome = if jsonrpc::is_ours(&value) {
        jsonrpc::establish(gateway, socket, came, &challenge, value).await
    } else {
        connect_v4(gateway, socket, came, &challenge, value).await
    };
    if let Err(Some(close)) = &outcome {
        metrics::counter!(crate::metrics::HANDSHAKES_REFUSED).increment(1);
        tracing::info!(code = close.code, reason = ?close.reason, peer = ?came.peer, "refused a client");
    }
    outcome
}

fn closed(code: u16, reason: &str) -> Option<Close> {
    Some(Close { code, reason: reason.to_owned() })
}

async fn first_frame(gateway: &Gateway, socket: &mut Socket) -> Result<Bytes, Option<Close>> {
    let timeout = gateway.ports.clock.sleep(gateway.options.limits.handshake_timeout);
    tokio::pin!(timeout);
    loop {
        let flushed = socket.flush().ok_or(None)?;
        match socket.read() {
            Inbound::Frame(bytes) => return Ok(bytes),
            // Pings without end must not keep the time from being looked at.
            Inbound::Pong | Inbound::Control => tokio::select! {
                biased;
                () = &mut timeout => return Err(closed(close::NORMAL, "")),
                () = tokio::task::yield_now() => {}
            },
            Inbound::TooLarge => return Err(closed(close::TOO_LARGE, "")),
            Inbound::Closed => return Err(None),
            Inbound::Nothing => tokio::select! {
                () = socket.ready(true, flushed == crate::socket::Flushed::Part) => {}
                () = &mut timeout => return Err(closed(close::NORMAL, "")),
                () = gateway.stopping.cancelled() => return Err(closed(close::RESTART, "service restart")),
            },
        }
    }
}

async fn connect_v4(
    gateway: &Gateway,
    socket: &mut Socket,
    came: Came,
    challenge: &Challenge,
    value: Value,
) -> Result<Established, Option<Close>> {
    let Ok(mut request) = frame::REQUEST.check(Some(value)) else {
        return Err(closed(close::POLICY, "invalid request frame"));
    };
    let id = request.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let admitted = if request.get("method").and_then(Value::as_str) == Some("connect") {
        admit::admit(gateway, came, challenge, request.remove("params")).await
    } else {
        Err(Refused::new(invalid("invalid handshake: first request must be connect")))
    };
    match admitted {
        Ok(admitted) => {
            // Before hello is sent: what is there now cannot be an answer to it.
            let early = early_frames(socket)?;
            let hello = hello::hello(gateway, &admitted);
            socket.send(answer(&id, &hello));
            Ok(Established { client: admitted.client, dialect: Dialect::V4, first: None, early })
        }
        Err(refused) => {
            socket.send(refusal(&id, &refused.error));
            Err(closed(refused.close, &refused.error.message))
        }
    }
}

/// Takes the frames that came while the client was being admitted; control frames count too.
fn early_frames(socket: &mut Socket) -> Result<Vec<Bytes>, Option<Close>> {
    let mut frames = Vec::new();
    for _ in 0..=EARLY_FRAMES_MAX {
        match socket.read() {
            Inbound::Frame(bytes) => frames.push(bytes),
            Inbound::Pong | Inbound::Control => {}
            Inbound::Nothing => return Ok(frames),
            Inbound::TooLarge => return Err(closed(close::TOO_LARGE, "")),
            Inbound::Closed => return Err(None),
        }
    }
    Err(closed(close::POLICY, "too many frames before hello"))
}

/// Checks the parameters of `connect` and reads them.
pub(crate) fn parse(params: Option<Value>) -> Result<ConnectParams, Refused> {
    let bad = |why: String| Refused::new(invalid(format!("invalid connect params: {why}")));
    let map = connect::PARAMS.check(params).map_err(bad)?;
    let params: ConnectParams = serde_json::from_value(Value::Object(map)).map_err(|error| bad(error.to_string()))?;
    let range = params.min_protocol..=params.max_protocol;
    let is_lenient = params.client.mode == "probe" || params.role.as_deref() == Some("node");
    let speaks = range.contains(&openclaw_protocol::PROTOCOL_VERSION)
        || (is_lenient && range.contains(&openclaw_protocol::PROBE_PROTOCOL_VERSION));
    if speaks {
        return Ok(params);
    }
    let details = json!({ "code": "PROTOCOL_MISMATCH", "clientMinProtocol": params.min_protocol,
        "clientMaxProtocol": params.max_protocol, "expectedProtocol": openclaw_protocol::PROTOCOL_VERSION,
        "minimumProbeProtocol": openclaw_protocol::PROBE_PROTOCOL_VERSION });
    let error = ErrorBody::new(ErrorCode::InvalidRequest, "protocol mismatch").with_details(details);
    Err(Refused { error: Box::new(error), close: close::PROTOCOL })
}
