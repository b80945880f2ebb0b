//! A WebSocket over TCP or Unix, driven by readiness.
//!
//! One task owns a connection and must be able to read while a write is stuck,
//! so this wraps the synchronous protocol machine instead of a split stream:
//! `read` and `flush` say "not now" and [`Socket::ready`] waits for both. It is
//! also the only way to raise the frame limit once a client is known. Used by `conn`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use openclaw_protocol::error::close::REASON_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message, WebSocket, error::CapacityError};

/// Bytes buffered before the machine writes by itself; events of one wake-up
/// leave in one system call.
const WRITE_BUFFER_BYTES: usize = 128 * 1024;

/// Bytes asked for by one read. The machine clears as many before each, so what
/// clients usually send fits and little more.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// A byte stream of either kind.
#[derive(Debug)]
pub(crate) enum Io {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Io {
    async fn ready(&self, interest: Interest) -> io::Result<()> {
        match self {
            Io::Tcp(stream) => stream.ready(interest).await.map(drop),
            Io::Unix(stream) => stream.ready(interest).await.map(drop),
        }
    }
}

impl io::Read for Io {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Io::Tcp(stream) => stream.try_read(buf),
            Io::Unix(stream) => stream.try_read(buf),
        }
    }
}

impl io::Write for Io {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Io::Tcp(stream) => stream.try_write(buf),
            Io::Unix(stream) => stream.try_write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Io::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Io::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Io::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Io::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// What arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Inbound {
    /// A text or binary frame; binary is read as text (`protocol.md` §1.1).
    Frame(Bytes),
    /// An answer to our ping.
    Pong,
    /// Something the machine handled by itself.
    Control,
    /// Nothing more for now.
    Nothing,
    /// The frame is over the limit.
    TooLarge,
    /// The connection is over.
    Closed,
}

/// One WebSocket.
pub(crate) struct Socket {
    ws: WebSocket<Io>,
    buffered_bytes: usize,
}

impl Socket {
    /// Takes over a stream after its upgrade; `head` was read too early.
    pub(crate) fn new(io: Io, head: Vec<u8>, frame_bytes_max: usize) -> Self {
        let config = WebSocketConfig::default()
            .max_message_size(Some(frame_bytes_max))
            .max_frame_size(Some(frame_bytes_max))
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .read_buffer_size(READ_BUFFER_BYTES);
        Self { ws: WebSocket::from_partially_read(io, head, Role::Server, Some(config)), buffered_bytes: 0 }
    }

    /// Changes the largest accepted frame.
    pub(crate) fn allow(&mut self, frame_bytes_max: usize) {
        self.ws.set_config(|config| {
            config.max_message_size = Some(frame_bytes_max);
            config.max_frame_size = Some(frame_bytes_max);
        });
    }

    /// Returns what arrived, without waiting.
    pub(crate) fn read(&mut self) -> Inbound {
        match self.ws.read() {
            Ok(Message::Text(text)) => Inbound::Frame(text.into()),
            Ok(Message::Binary(bytes)) => Inbound::Frame(bytes),
            Ok(Message::Pong(_)) => Inbound::Pong,
            Ok(Message::Ping(_) | Message::Close(_) | Message::Frame(_)) => Inbound::Control,
            Err(WsError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Inbound::Nothing,
            Err(WsError::Capacity(CapacityError::MessageTooLong { .. })) => Inbound::TooLarge,
            Err(_) => Inbound::Closed,
        }
    }

    /// Queues a text frame. False when the connection is over.
    pub(crate) fn send(&mut self, text: String) -> bool {
        self.buffered_bytes += text.len();
        self.write(Message::text(text))
    }

    /// Queues a ping. False when the connection is over.
    pub(crate) fn ping(&mut self) -> bool {
        self.write(Message::Ping(Bytes::new()))
    }

    fn write(&mut self, message: Message) -> bool {
        match self.ws.write(message) {
            Ok(()) => true,
            // The machine keeps the frame and goes on at the next flush.
            Err(WsError::Io(error)) => error.kind() == io::ErrorKind::WouldBlock,
            Err(_) => false,
        }
    }

    /// Writes what is queued as far as the peer takes it; `None` when the connection is over.
    pub(crate) fn flush(&mut self) -> Option<Flushed> {
        match self.ws.flush() {
            Ok(()) => {
                self.buffered_bytes = 0;
                Some(Flushed::All)
            }
            Err(WsError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Some(Flushed::Part),
            Err(_) => None,
        }
    }

    /// Returns an upper bound of the bytes handed over and not yet written.
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.buffered_bytes
    }

    /// Waits until something can be read or, when asked, written.
    pub(crate) async fn ready(&self, read: bool, write: bool) {
        let interest = match (read, write) {
            (true, true) => Interest::READABLE | Interest::WRITABLE,
            (false, true) => Interest::WRITABLE,
            (_, false) => Interest::READABLE,
        };
        // A failure shows up again, with its cause, at the next read or flush.
        drop(self.ws.get_ref().ready(interest).await);
    }

    /// Queues the close frame; the reason is cut at a character boundary within 123 bytes.
    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        let reason = within_frame(reason).to_owned();
        drop(self.ws.close(Some(CloseFrame { code: CloseCode::from(code), reason: reason.into() })));
    }

    /// Reads and discards a little, so that a peer still writing sees our close
    /// frame instead of a reset. True while there may be more.
    pub(crate) fn discard(&mut self, budget_bytes: &mut usize) -> bool {
        let mut buf = [0_u8; 8 * 1024];
        while *budget_bytes > 0 {
            match io::Read::read(self.ws.get_mut(), &mut buf) {
                Ok(0) => return false,
                Ok(read) => *budget_bytes = budget_bytes.saturating_sub(read),
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        false
    }

    /// Ends our direction, so that the peer sees the end.
    pub(crate) async fn finish(&mut self) {
        drop(tokio::io::AsyncWriteExt::shutdown(self.ws.get_mut()).await);
    }
}

/// How much a flush wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushed {
    All,
    Part,
}

/// Cuts a reason to what fits a close frame, at a character boundary.
fn within_frame(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::within_frame;

    #[test]
    fn a_reason_is_cut_between_characters_and_fits_a_close_frame() {
        assert_eq!(within_frame("short"), "short");
        assert_eq!(within_frame(&"x".repeat(124)).len(), 123);
        let before = "x".repeat(122);
        assert_eq!(within_frame(&format!("{before}é")), before);
        assert_eq!(within_frame(&format!("{}é", &before[1..])).len(), 123);
    }
}
