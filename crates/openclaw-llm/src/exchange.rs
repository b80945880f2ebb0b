//! One request and its stream: bytes in, model events out.
//!
//! Sends an encoded call, judges the response head, splits the body into frames
//! and feeds them to the dialect's decoder. Refuses error statuses, pages that
//! are no model answer, and streams that end early. Neither retries nor chooses;
//! dropping it cancels the request. Called by `router`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use openclaw_domain::model::{Error, ErrorClass, ModelEvent};
use openclaw_domain::ports::net::{Body, Egress, Error as NetError, HeaderValue, Request, Response};
use openclaw_domain::ports::{Clock, Net};

use crate::dialect::{Call, Decoder, Dialect, Encoded, Progress, Reading};
use crate::draft::Out;
use crate::error::{Said, error, in_stream, of_net, of_response, protocol, truncated};
use crate::settings::Credential;
use crate::{ndjson, sse, wait};

/// Most bytes of an answer.
const BODY_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Most bytes read of an error's body.
const ERROR_BYTES_MAX: usize = 64 * 1024;
/// Longest answer, however lively.
const ANSWER_MAX: Duration = Duration::from_secs(3600);
/// How long usage is waited for once the answer is complete.
const USAGE_WAIT: Duration = Duration::from_secs(2);
/// How long the end of the body is waited for, so that the connection can be used again.
const DRAIN_WAIT: Duration = Duration::from_millis(20);
/// Most chunks read for that.
const DRAIN_CHUNKS_MAX: usize = 16;

/// Builds the request of a call.
pub(crate) fn request(call: &Call<'_>, credential: Option<&Credential>, encoded: Encoded) -> Request {
    let base = call.model.base_url.as_deref().unwrap_or(&call.provider.base_url);
    let accept = match call.dialect() {
        Dialect::Ollama => "application/x-ndjson",
        Dialect::OpenaiChat | Dialect::OpenaiResponses => "text/event-stream",
        Dialect::AnthropicMessages | Dialect::GoogleGenerativeAi => "text/event-stream",
    };
    let plain = |name: &str, value: &str| (name.to_owned(), HeaderValue::from(value));
    let mut headers = vec![plain("content-type", "application/json"), plain("accept", accept)];
    headers.extend(encoded.headers.iter().map(|(name, value)| plain(name, value)));
    headers.extend(credential.map(Credential::header));
    // What the owner configured counts more than what the dialect adds.
    let own = call.model.headers.iter().map(|(name, secret)| (name.clone(), HeaderValue::Secret(secret.clone())));
    for (name, value) in call.provider.headers.iter().cloned().chain(own) {
        headers.retain(|(other, _)| *other != name);
        headers.push((name, value));
    }
    Request {
        method: "POST",
        url: format!("{base}{}", encoded.path),
        headers,
        body: Bytes::from(encoded.body),
        egress: Egress::Configured,
        // A server may send its head only with the first token.
        head_timeout: call.provider.idle_timeout(),
        idle_timeout: call.provider.idle_timeout(),
        body_bytes_max: BODY_BYTES_MAX,
        redirects_max: 0,
    }
}

/// How the body is cut into frames.
enum Framing {
    Events(sse::Decoder),
    Lines(ndjson::Decoder),
    /// One JSON document, from servers that do not stream.
    Whole(Vec<u8>),
}

/// A first byte later than this, with everything right behind it, tells of a buffering proxy.
const BUFFERED_AFTER: Duration = Duration::from_secs(5);
/// How close together the rest must come.
const BUFFERED_WITHIN: Duration = Duration::from_millis(50);
/// Least frames that make the pattern telling.
const BUFFERED_FRAMES: u32 = 20;

/// When things came, to tell a slow model from a proxy that holds the stream back.
#[derive(Debug)]
struct Pace {
    sent: Duration,
    first: Option<Duration>,
    frames: u32,
}

impl Pace {
    fn looks_buffered(&self, now: Duration) -> bool {
        self.first.is_some_and(|first| {
            first.saturating_sub(self.sent) > BUFFERED_AFTER
                && now.saturating_sub(first) < BUFFERED_WITHIN
                && self.frames >= BUFFERED_FRAMES
        })
    }
}

/// A running exchange.
pub(crate) struct Exchange {
    clock: Arc<dyn Clock>,
    host: String,
    pace: Pace,
    body: Body,
    framing: Framing,
    /// `None` once the turn was completed.
    decoder: Option<Decoder>,
    out: Out,
    ends_at: Duration,
    /// Until when usage is waited for.
    usage_until: Option<Duration>,
}

impl Exchange {
    /// Sends the request and judges the response head.
    pub(crate) async fn open(
        net: &dyn Net,
        clock: Arc<dyn Clock>,
        request: Request,
        dialect: Dialect,
        reading: Reading,
    ) -> Result<Exchange, Error> {
        let host = request.url.split('/').nth(2).unwrap_or_default().to_owned();
        let pace = Pace { sent: clock.monotonic(), first: None, frames: 0 };
        let response = net.send(request).await.map_err(|failure| of_net(&failure))?;
        if !(200..300).contains(&response.status) {
            return Err(refused(response, clock.as_ref()).await);
        }
        let Some(framing) = framing_of(&response, dialect) else { return Err(unfit(response).await) };
        let decoder = Some(Decoder::new(dialect, reading));
        let ends_at = clock.monotonic() + ANSWER_MAX;
        Ok(Exchange {
            clock,
            host,
            pace,
            body: response.body,
            framing,
            decoder,
            out: Out::new(),
            ends_at,
            usage_until: None,
        })
    }

    /// Returns the next event; `Done` is the last one.
    pub(crate) async fn next(&mut self) -> Result<ModelEvent, Error> {
        loop {
            if let Some(event) = self.out.pop_front() {
                return Ok(event);
            }
            let Some(decoder) = &self.decoder else { return Err(protocol("the answer was complete already")) };
            let chunk = match decoder.progress() {
                Progress::Open => self.body.next().await,
                Progress::Ended => self.late_chunk().await,
                Progress::Closed => {
                    self.drain().await;
                    None
                }
            };
            match chunk {
                Some(Ok(bytes)) => self.take(&bytes)?,
                None => return self.end(),
                // What breaks after the terminal marker does no harm.
                Some(Err(_)) if decoder_ended(self.decoder.as_ref()) => return self.end(),
                Some(Err(failure)) => return Err(broken(&failure)),
            }
        }
    }

    /// Returns what follows the terminal marker; signs of life do not prolong the wait.
    async fn late_chunk(&mut self) -> Option<Result<Bytes, NetError>> {
        let now = self.clock.monotonic();
        let until = *self.usage_until.get_or_insert(now + USAGE_WAIT);
        match until.checked_sub(now) {
            Some(left) if !left.is_zero() => self.brief(left).await,
            Some(_) | None => None,
        }
    }

    /// Reads to the end of the body when that is near.
    async fn drain(&mut self) {
        for _ in 0..DRAIN_CHUNKS_MAX {
            if self.brief(DRAIN_WAIT).await.is_none_or(|chunk| chunk.is_err()) {
                return;
            }
        }
    }

    /// Waits for the next chunk, but not long; `None` at the end or when nothing comes.
    async fn brief(&mut self, wait: Duration) -> Option<Result<Bytes, NetError>> {
        match select(self.body.next(), self.clock.sleep(wait)).await {
            Either::Left((chunk, _)) => chunk,
            Either::Right(_) => None,
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let now = self.clock.monotonic();
        self.pace.first.get_or_insert(now);
        if now > self.ends_at {
            return Err(error(ErrorClass::Timeout, format!("the answer took longer than {ANSWER_MAX:?}")));
        }
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        let out = &mut self.out;
        match &mut self.framing {
            Framing::Events(events) => {
                events.feed(bytes);
                while let Some(event) = events.next_event().map_err(|cause| protocol(cause.to_string()))? {
                    self.pace.frames = self.pace.frames.saturating_add(1);
                    frame(decoder, event.name, event.data, out)?;
                }
            }
            Framing::Lines(lines) => {
                lines.feed(bytes);
                while let Some(line) = lines.next_line().map_err(|cause| protocol(cause.to_string()))? {
                    self.pace.frames = self.pace.frames.saturating_add(1);
                    frame(decoder, "", &line, out)?;
                }
            }
            Framing::Whole(document) => document.extend_from_slice(bytes),
        }
        Ok(())
    }

    /// Reads what is left at the end of the body, then completes the turn.
    fn end(&mut self) -> Result<ModelEvent, Error> {
        let Some(mut decoder) = self.decoder.take() else {
            return Err(protocol("the answer was complete already"));
        };
        let out = &mut self.out;
        match &mut self.framing {
            Framing::Events(events) => {
                if let Some(event) = events.last_event().map_err(|cause| protocol(cause.to_string()))? {
                    frame(&mut decoder, event.name, event.data, out)?;
                }
                let is_open = decoder.progress() == Progress::Open;
                if is_open && events.stray().trim_start().starts_with(['{', '[']) {
                    return Err(in_stream(Said::of(events.stray())));
                }
            }
            Framing::Lines(lines) => {
                if let Some(line) = lines.last_line() {
                    frame(&mut decoder, "", &line, out)?;
                }
            }
            Framing::Whole(document) => {
                let text = String::from_utf8_lossy(document);
                if text.trim().is_empty() {
                    return Err(truncated("the first byte"));
                }
                decoder.whole(text.trim(), out)?;
            }
        }
        let done = decoder.finish(self.clock.now())?;
        if self.pace.looks_buffered(self.clock.monotonic()) {
            tracing::warn!(host = %self.host, "the whole answer came at once after a long silence; a proxy may hold it back");
        }
        out.push_back(ModelEvent::Done(Box::new(done)));
        out.pop_front().ok_or_else(|| protocol("the answer is empty"))
    }
}

fn decoder_ended(decoder: Option<&Decoder>) -> bool {
    decoder.is_some_and(|decoder| decoder.progress() != Progress::Open)
}

/// Gives one frame to the decoder, unless it is blank or comes after the end.
fn frame(decoder: &mut Decoder, name: &str, data: &str, out: &mut Out) -> Result<(), Error> {
    if data.trim().is_empty() || decoder.progress() == Progress::Closed {
        return Ok(());
    }
    decoder.frame(name, data, out)
}

/// A body that breaks off is a truncated answer; silence is a timeout.
fn broken(failure: &NetError) -> Error {
    match failure {
        NetError::Connect { .. } | NetError::Unreachable { .. } => error(ErrorClass::Truncated, failure.to_string()),
        NetError::Timeout { .. }
        | NetError::TooLarge { .. }
        | NetError::BadUrl { .. }
        | NetError::Blocked { .. }
        | NetError::NoSuchHost { .. }
        | NetError::TooManyRedirects { .. } => of_net(failure),
    }
}

/// Chooses the framing by content type; `None` for a page that is no answer.
fn framing_of(response: &Response, dialect: Dialect) -> Option<Framing> {
    let kind = response.header("content-type").unwrap_or("").to_ascii_lowercase();
    if kind.contains("html") || kind.contains("xml") {
        return None;
    }
    if dialect == Dialect::Ollama {
        return Some(Framing::Lines(ndjson::Decoder::default()));
    }
    let is_document = kind.contains("json") && !kind.contains("stream");
    Some(if is_document { Framing::Whole(Vec::new()) } else { Framing::Events(sse::Decoder::default()) })
}

/// Makes the error of an error response.
async fn refused(mut response: Response, clock: &dyn Clock) -> Error {
    let asked = wait::asked(&response, clock.now());
    let body = head_of(&mut response.body).await;
    of_response(response.status, &body, asked)
}

/// Makes the error of a page that is no model answer.
async fn unfit(mut response: Response) -> Error {
    let kind = response.header("content-type").unwrap_or("").to_owned();
    let said = Said::of(&head_of(&mut response.body).await);
    protocol(format!("answered with {kind} instead of a model stream; check the base URL: {}", said.message))
}

/// Reads the beginning of a body; a failure just ends it.
async fn head_of(body: &mut Body) -> String {
    let mut bytes = Vec::new();
    while let Some(Ok(chunk)) = body.next().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= ERROR_BYTES_MAX {
            bytes.truncate(ERROR_BYTES_MAX);
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_held_back_by_a_proxy_is_told_from_a_slow_one() {
        let seconds = Duration::from_secs_f64;
        let check = |first: f64, end: f64, frames: u32| {
            Pace { sent: seconds(1.0), first: Some(seconds(first)), frames }.looks_buffered(seconds(end))
        };
        assert!(check(9.0, 9.01, 20));
        assert!(!check(9.0, 9.01, 19), "a short answer proves nothing");
        assert!(!check(9.0, 9.06, 20), "the rest took its time");
        assert!(!check(6.0, 6.01, 20), "the first byte was not late");
    }
}
