//! The socket: a WebSocket over a Unix stream, TCP or TLS, speaking frames.
//! Refuses frames over the gateway's own limit; knows nothing of calls.

use futures_util::{SinkExt as _, StreamExt as _};
use openclaw_protocol::error::close;
use openclaw_protocol::frame::{Frame, StateVersion};
use openclaw_protocol::{ErrorBody, Event, Response};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use url::Url;

use crate::endpoint::Endpoint;
use crate::error::Error;

/// Largest frame taken: the gateway's own outbound buffer (`protocol.md` §1.3).
pub(crate) const FRAME_BYTES_MAX: usize = 50 * 1024 * 1024;

/// Close code of a peer that vanished without one (RFC 6455 §7.1.5).
pub(crate) const VANISHED: u16 = 1006;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An open socket.
pub(crate) struct Socket {
    inner: WebSocketStream<MaybeTlsStream<Box<dyn Stream>>>,
}

/// A frame from the gateway.
#[derive(Debug, PartialEq)]
pub(crate) enum Incoming {
    /// An answer.
    Response(Response),
    /// Something happened.
    Event(Event),
    /// Something happened that nobody listens for; only its number matters.
    Unheard {
        /// Its number on this connection.
        seq: Option<u64>,
    },
    /// Well-formed, but none of ours: skipped, so that new frame kinds do no harm.
    Other,
}

/// One shape for all frames: cheaper than a tagged enum, which would buffer. The
/// payload stays text until somebody wants it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    ok: bool,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    error: Option<ErrorBody>,
    #[serde(default)]
    event: String,
    seq: Option<u64>,
    state_version: Option<StateVersion>,
    recipient_profile_id: Option<String>,
}

impl Incoming {
    /// Reads a frame; events are read whole only when they are wanted.
    pub(crate) fn parse(bytes: &[u8], wants_events: bool) -> Result<Incoming, Error> {
        let not_a_frame = |error: serde_json::Error| Error::Protocol(error.to_string());
        let wire: Wire<'_> = serde_json::from_slice(bytes).map_err(not_a_frame)?;
        let payload = || wire.payload.map(|raw| serde_json::from_str(raw.get())).transpose().map_err(not_a_frame);
        Ok(match wire.kind.as_str() {
            "res" => {
                let payload = payload()?;
                Incoming::Response(Response { id: wire.id, ok: wire.ok, payload, error: wire.error })
            }
            "event" if !wants_events => Incoming::Unheard { seq: wire.seq },
            "event" => Incoming::Event(Event {
                payload: payload()?,
                event: wire.event,
                seq: wire.seq,
                state_version: wire.state_version,
                recipient_profile_id: wire.recipient_profile_id,
            }),
            _ => Incoming::Other,
        })
    }
}

impl Socket {
    /// Opens a socket. The caller bounds the time.
    pub(crate) async fn open(endpoint: &Endpoint) -> Result<Socket, Error> {
        let unreachable = |cause: &dyn std::fmt::Display| Error::Unreachable {
            endpoint: endpoint.to_string(),
            cause: cause.to_string(),
        };
        let config = WebSocketConfig::default()
            .max_frame_size(Some(FRAME_BYTES_MAX))
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_write_buffer_size(FRAME_BYTES_MAX);
        let (stream, url) = match endpoint {
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(|error| unreachable(&error))?;
                (Box::new(stream) as Box<dyn Stream>, "ws://localhost/")
            }
            Endpoint::Plain(url) | Endpoint::Tls(url) => {
                let stream = dial(url).await.map_err(|error| unreachable(&error))?;
                (Box::new(stream) as Box<dyn Stream>, url.as_str())
            }
        };
        let connector = match endpoint {
            Endpoint::Unix(_) | Endpoint::Plain(_) => Some(Connector::Plain),
            Endpoint::Tls(_) => {
                provide_crypto();
                None
            }
        };
        match client_async_tls_with_config(url, stream, Some(config), connector).await {
            Ok((inner, _)) => Ok(Socket { inner }),
            Err(error) => Err(refused_upgrade(endpoint, error)),
        }
    }

    /// Sends a frame now.
    pub(crate) async fn send(&mut self, frame: &Frame) -> Result<(), Error> {
        let text = encode(frame)?;
        self.inner.send(Message::text(text)).await.map_err(closed)
    }

    /// Queues a text frame; [`Socket::flush`] sends it.
    pub(crate) async fn feed(&mut self, text: String) -> Result<(), Error> {
        self.inner.feed(Message::text(text)).await.map_err(closed)
    }

    /// Sends what is queued.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        self.inner.flush().await.map_err(closed)
    }

    /// Waits for the next frame. May be dropped without losing one.
    pub(crate) async fn receive(&mut self) -> Result<Incoming, Error> {
        self.receive_for(|| true).await
    }

    /// As [`Socket::receive`]; `wants_events` is asked once a frame has come.
    pub(crate) async fn receive_for(&mut self, wants_events: impl Fn() -> bool) -> Result<Incoming, Error> {
        loop {
            match self.inner.next().await {
                Some(Ok(Message::Text(text))) => return Incoming::parse(text.as_bytes(), wants_events()),
                Some(Ok(Message::Binary(bytes))) => return Incoming::parse(&bytes, wants_events()),
                Some(Ok(Message::Close(frame))) => return Err(closed_by(frame)),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(Incoming::Other),
                Some(Ok(Message::Frame(_))) => {}
                Some(Err(error)) => return Err(closed(error)),
                None => return Err(Error::Closed { code: VANISHED, reason: String::new() }),
            }
        }
    }

    /// Closes politely; errors no longer matter.
    pub(crate) async fn close(&mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code: code.into(), reason: reason.into() };
        if let Err(error) = self.inner.close(Some(frame)).await {
            tracing::debug!(%error, "closing an already broken socket");
        }
    }
}

/// Encodes a frame.
pub(crate) fn encode(frame: &Frame) -> Result<String, Error> {
    serde_json::to_string(frame).map_err(|error| Error::Protocol(error.to_string()))
}

async fn dial(url: &Url) -> std::io::Result<TcpStream> {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = url.port_or_known_default().unwrap_or(80);
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The process-wide TLS provider; another part of the program may have chosen already.
fn provide_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none()
        && rustls::crypto::aws_lc_rs::default_provider().install_default().is_err()
    {
        tracing::debug!("another thread chose the TLS provider first");
    }
}

fn refused_upgrade(endpoint: &Endpoint, error: WsError) -> Error {
    match error {
        WsError::Http(response) => Error::Protocol(format!("{endpoint} answered HTTP {}", response.status().as_u16())),
        error => Error::Unreachable { endpoint: endpoint.to_string(), cause: error.to_string() },
    }
}

fn closed_by(frame: Option<CloseFrame>) -> Error {
    match frame {
        Some(frame) => Error::Closed { code: frame.code.into(), reason: frame.reason.to_string() },
        None => Error::Closed { code: close::NORMAL, reason: String::new() },
    }
}

fn closed(error: WsError) -> Error {
    match error {
        WsError::ConnectionClosed | WsError::AlreadyClosed => {
            Error::Closed { code: close::NORMAL, reason: String::new() }
        }
        WsError::Capacity(error) => Error::Closed { code: close::TOO_LARGE, reason: error.to_string() },
        error => Error::Closed { code: VANISHED, reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::Incoming;

    #[test]
    fn frames_are_told_apart_and_unknown_kinds_are_skipped() {
        let parse = |text: &str| Incoming::parse(text.as_bytes(), true);
        assert!(matches!(parse(r#"{"type":"res","id":"1","ok":true}"#), Ok(Incoming::Response(_))));
        assert!(matches!(parse(r#"{"type":"event","event":"tick","seq":3}"#), Ok(Incoming::Event(_))));
        assert!(matches!(parse(r#"{"type":"later","x":1}"#), Ok(Incoming::Other)));
        let unheard = Incoming::parse(br#"{"type":"event","event":"tick","seq":3,"payload":{}}"#, false);
        assert_eq!(unheard.unwrap(), Incoming::Unheard { seq: Some(3) });
        assert!(parse("{").is_err());
        assert!(parse(r#"{"id":"1"}"#).is_err());
    }
}
