//! Bodies: reading a request's, and playing a reply's piece by piece.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::wire::Piece;

/// Largest request body.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A response's body.
pub(super) enum Play {
    /// Known in advance; sent with its length.
    Whole(Option<Bytes>),
    /// Played piece by piece, chunked.
    Pieces { queue: VecDeque<Piece>, waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>> },
}

/// The connection is to be broken now.
#[derive(Debug, thiserror::Error)]
#[error("the script breaks the connection here")]
pub(super) struct Broken;

impl Play {
    pub(super) fn pieces(pieces: Vec<Piece>) -> Self {
        Play::Pieces { queue: pieces.into(), waiting: None }
    }
}

impl Body for Play {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let (queue, waiting) = match self.get_mut() {
            Play::Whole(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Play::Pieces { queue, waiting } => (queue, waiting),
        };
        loop {
            if let Some(future) = waiting {
                ready!(future.as_mut().poll(cx));
                *waiting = None;
            }
            match queue.pop_front() {
                None => return Poll::Ready(None),
                Some(Piece::Bytes(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Piece::Reset) => return Poll::Ready(Some(Err(Broken))),
                Some(Piece::Sleep(pause)) => *waiting = Some(Box::pin(tokio::time::sleep(pause))),
                Some(Piece::Hold(latch)) => *waiting = Some(Box::pin(async move { latch.pass().await })),
                Some(Piece::Flush) => {
                    // While the body is pending, the connection writes what it has.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Play::Whole(bytes) => bytes.is_none(),
            Play::Pieces { queue, waiting } => queue.is_empty() && waiting.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Play::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Play::Pieces { .. } => SizeHint::default(),
        }
    }
}

/// Why a request body could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    #[error("the body is larger than {BODY_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the body broke off")]
    Broken(#[from] hyper::Error),
}

/// Reads a request's whole body.
pub(super) async fn read(mut body: Incoming) -> Result<Bytes, Unread> {
    let mut first = Bytes::new();
    let mut rest: Option<BytesMut> = None;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame?.into_data() else { continue };
        let held = rest.as_ref().map_or(first.len(), BytesMut::len);
        if held + data.len() > BODY_BYTES_MAX {
            return Err(Unread::TooLarge);
        }
        match &mut rest {
            Some(rest) => rest.extend_from_slice(&data),
            // Most bodies arrive in one piece, and need no copy.
            None if first.is_empty() => first = data,
            None => {
                let mut joined = BytesMut::with_capacity(2 * (first.len() + data.len()));
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&data);
                rest = Some(joined);
            }
        }
    }
    Ok(rest.map_or(first, BytesMut::freeze))
}
