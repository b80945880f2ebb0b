//! The answer as it arrives, with a limit on size and on silence.
//!
//! Bytes are counted after decompression, so a small bomb does not become a large
//! answer. Dropping the body closes the connection (HTTP/1) or the stream (HTTP/2).

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use openclaw_domain::ports::net::{Body, Error, Request, Response};

use super::fault;
use super::target::Target;

/// Wraps an answer.
pub(super) fn respond(answer: reqwest::Response, target: &Target, request: &Request) -> Response {
    let headers = answer.headers().iter();
    let headers = headers.map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))).collect();
    let status = answer.status().as_u16();
    let arriving = Arriving {
        answer,
        host: target.host().to_owned(),
        idle_timeout: request.idle_timeout,
        bytes_max: request.body_bytes_max,
        bytes_left: request.body_bytes_max,
        state: State::Open,
    };
    Response { status, headers, url: target.url().to_string(), body: arriving.into_body() }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

struct Arriving {
    answer: reqwest::Response,
    host: String,
    idle_timeout: Duration,
    bytes_max: u64,
    bytes_left: u64,
    state: State,
}

enum State {
    Open,
    /// The limit was passed in the last chunk; the error comes next.
    Overfull,
    Ended,
}

impl Arriving {
    fn into_body(self) -> Body {
        Box::pin(stream::unfold(self, |mut arriving| async move {
            let item = arriving.next().await?;
            if item.is_err() {
                arriving.state = State::Ended;
            }
            Some((item, arriving))
        }))
    }

    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        match self.state {
            State::Open => {}
            State::Overfull => return Some(Err(self.too_large())),
            State::Ended => return None,
        }
        let Ok(chunk) = tokio::time::timeout(self.idle_timeout, self.answer.chunk()).await else {
            return Some(Err(Error::Timeout { host: self.host.clone(), after: self.idle_timeout }));
        };
        match chunk {
            Ok(Some(chunk)) => Some(self.count(chunk)),
            Ok(None) => None,
            Err(error) => Some(Err(fault::explain(&self.host, self.idle_timeout, error))),
        }
    }

    /// Passes on what still fits.
    fn count(&mut self, mut chunk: Bytes) -> Result<Bytes, Error> {
        let size = chunk.len() as u64;
        if size <= self.bytes_left {
            self.bytes_left -= size;
            return Ok(chunk);
        }
        if self.bytes_left == 0 {
            return Err(self.too_large());
        }
        // It is smaller than the chunk's length, which is a usize.
        chunk.truncate(usize::try_from(self.bytes_left).unwrap_or(usize::MAX));
        self.bytes_left = 0;
        self.state = State::Overfull;
        Ok(chunk)
    }

    fn too_large(&self) -> Error {
        Error::TooLarge { host: self.host.clone(), bytes_max: self.bytes_max }
    }
}
