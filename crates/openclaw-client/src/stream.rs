//! Following one run, whatever happens to the connection.
//!
//! A [`RunStream`] subscribes with a position, and after every loss connects
//! again and subscribes from where it was: each event of the run's journal and
//! each byte of its text comes once. Text that a crash of the gateway voided is
//! taken back by [`RunItem::Superseded`]. It gives up only when the attempts it
//! was allowed are used, or when trying again cannot help.
//!
//! ```no_run
//! # async fn example(link: openclaw_client::Link) -> Result<(), openclaw_client::StreamError> {
//! use openclaw_client::{RunItem, RunStream, RunStreamOptions};
//!
//! let mut stream = RunStream::new(link, RunStreamOptions::new("my-run"));
//! let mut text = String::new();
//! while let Some(item) = stream.next().await {
//!     match item? {
//!         RunItem::Event(event) if event.name == "model_started" => text.clear(),
//!         RunItem::Text { delta, .. } => text.push_str(&delta),
//!         RunItem::Superseded { keep } => text.truncate(keep),
//!         RunItem::Event(_) | RunItem::Sign { .. } | RunItem::Lost { .. } | RunItem::Back => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::Client;
use crate::error::Error;
use crate::events::{Events, Notice};
use crate::reconnect::{Backoff, Link};

/// Waits for a while; tests put a clock of their own here.
pub type Sleep = Arc<dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A position in a run's stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The last event of the journal that was seen.
    pub seq: u64,
    /// Bytes of text seen after it.
    pub off: u64,
}

/// What to follow, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStreamOptions {
    /// The run.
    pub run: String,
    /// Its session, when the id alone may not be unique.
    pub session: Option<String>,
    /// Where to begin; the beginning by default.
    pub after: Position,
    /// Least time between two texts; the gateway joins what comes between.
    pub token_interval: Option<Duration>,
    /// Deltas that are sent together.
    pub token_batch_size: Option<u32>,
    /// How long such a batch may fill.
    pub token_batch_delay: Option<Duration>,
    /// Failed attempts in a row after which the stream gives up; `None` never does.
    pub max_reconnect_attempts: Option<u32>,
    /// Pauses between attempts; each is shortened by up to a half at random.
    pub backoff: Backoff,
}

/// What comes of a run.
#[derive(Debug, Clone)]
pub enum RunItem {
    /// An event of the journal.
    Event(RunEvent),
    /// The turn's text goes on.
    Text {
        /// More text.
        delta: String,
        /// Whether it survives a crash of the gateway.
        is_durable: bool,
    },
    /// The turn's text after this many bytes is void.
    Superseded {
        /// Bytes that stand.
        keep: usize,
    },
    /// Something live that is not recorded: progress of a tool, a thought.
    Sign {
        /// The kind.
        stream: String,
        /// Its particulars.
        data: Value,
    },
    /// The connection is lost; the next attempt comes after a pause.
    Lost {
        /// Why.
        error: Error,
        /// Number of the next attempt.
        attempt: u32,
        /// The pause before it.
        pause: Duration,
    },
    /// The stream goes on after a loss.
    Back,
}

/// An event of the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEvent {
    /// Its position in the run, from 1 without gaps.
    pub seq: u64,
    /// Its name, for example `tool_started`.
    pub name: String,
    /// The kind of `agent` event that shows it.
    pub stream: String,
    /// Its particulars.
    pub data: Value,
    /// Whether it is the first one after another process took the run over.
    pub is_resumed: bool,
}

/// Why a stream ended before its run.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StreamError {
    /// The attempts are used.
    #[error("the stream of run {run} was lost and {attempts} attempts to go on failed: {cause}")]
    Disconnected {
        /// The run.
        run: String,
        /// How many attempts.
        attempts: u32,
        /// Why the last one failed.
        cause: Box<Error>,
    },
    /// Trying again cannot help.
    #[error("cannot follow run {run}: {cause}")]
    Refused {
        /// The run.
        run: String,
        /// What was answered.
        cause: Box<Error>,
    },
}

impl StreamError {
    /// Returns the error's stable code.
    pub fn code(&self) -> &'static str {
        match self {
            StreamError::Disconnected { .. } => "STREAM_DISCONNECTED",
            StreamError::Refused { .. } => "STREAM_REFUSED",
        }
    }
}

impl RunStreamOptions {
    /// Follows a run from its beginning and never gives up.
    pub fn new(run: impl Into<String>) -> Self {
        Self {
            run: run.into(),
            session: None,
            after: Position::default(),
            token_interval: None,
            token_batch_size: None,
            token_batch_delay: None,
            max_reconnect_attempts: None,
            backoff: Backoff::default(),
        }
    }

    fn params(&self, after: Position) -> Value {
        let mut params = json!({ "runId": self.run, "after": { "seq": after.seq, "off": after.off } });
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let asked = [
            ("sessionKey", self.session.as_ref().map(|session| json!(session))),
            ("tokenInterval", self.token_interval.map(|span| json!(millis(span)))),
            ("tokenBatchSize", self.token_batch_size.map(|size| json!(size))),
            ("tokenBatchDelay", self.token_batch_delay.map(|span| json!(millis(span)))),
        ];
        for (name, value) in asked {
            if let Some(value) = value {
                params[name] = value;
            }
        }
        params
    }
}

/// The stream of one run.
pub struct RunStream {
    link: Link,
    options: RunStreamOptions,
    backoff: Backoff,
    /// Failed attempts since the stream last worked.
    failed: u32,
    /// What is handed out next, and where the reader is then.
    ready: VecDeque<(RunItem, Option<Position>)>,
    /// Up to where frames were taken.
    taken: Position,
    /// Up to where items were handed out.
    position: Position,
    state: State,
    sleep: Sleep,
}

enum State {
    /// To be subscribed, on the live connection or a new one.
    Down,
    /// To be subscribed after this pause.
    Pausing(Duration),
    Up(Box<Up>),
    Ended,
}

struct Up {
    client: Client,
    events: Events,
    subscription: String,
}

impl std::fmt::Debug for RunStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunStream")
            .field("options", &self.options)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl RunStream {
    /// Makes a stream; nothing is sent before [`RunStream::next`].
    pub fn new(link: Link, options: RunStreamOptions) -> Self {
        let (position, backoff) = (options.after, options.backoff.clone());
        Self {
            link,
            options,
            backoff,
            failed: 0,
            ready: VecDeque::new(),
            taken: position,
            position,
            state: State::Down,
            sleep: Arc::new(|span| Box::pin(tokio::time::sleep(span))),
        }
    }

    /// Waits another way between attempts.
    #[must_use]
    pub fn with_sleep(mut self, sleep: Sleep) -> Self {
        self.sleep = sleep;
        self
    }

    /// Returns where the reader is: a new stream that begins there goes on exactly here.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Waits for what comes next; `None` once the run has ended and all was handed
    /// out. May be dropped and called again without losing anything.
    pub async fn next(&mut self) -> Option<Result<RunItem, StreamError>> {
        loop {
            if let Some((item, position)) = self.ready.pop_front() {
                self.position = position.unwrap_or(self.position);
                return Some(Ok(item));
            }
            match &mut self.state {
                State::Ended => return None,
                State::Pausing(pause) => {
                    let pause = *pause;
                    (self.sleep)(pause).await;
                    self.state = State::Down;
                }
                State::Down => match self.subscribe().await {
                    Ok(up) => self.is_up(up),
                    Err(error) => {
                        if let Err(error) = self.lost(error) {
                            self.state = State::Ended;
                            return Some(Err(error));
                        }
                    }
                },
                State::Up(up) => match up.events.next().await {
                    Some(Notice::Event(event)) if event.event == "agent" => {
                        let payload = event.payload.unwrap_or_default();
                        if payload["subscription"] == *up.subscription
                            && let Err(error) = self.take(&payload)
                        {
                            self.state = State::Ended;
                            return Some(Err(error));
                        }
                    }
                    // Frames of a subscription are never skipped by the gateway.
                    Some(Notice::Event(_) | Notice::Gap { .. }) => {}
                    // This reader was too slow: what it missed is sent again.
                    Some(Notice::Missed(_)) => self.state = State::Down,
                    None => {
                        let error = up.client.ended().await;
                        if let Err(error) = self.lost(error) {
                            self.state = State::Ended;
                            return Some(Err(error));
                        }
                    }
                },
            }
        }
    }

    async fn subscribe(&mut self) -> Result<Up, Error> {
        let client = self.link.attempt().await?;
        // Reading begins before the call, so that nothing falls between the two.
        let events = client.events();
        let reply = client.call("agent.subscribe", self.options.params(self.taken)).await?;
        let Some(subscription) = reply["subscription"].as_str().map(str::to_owned) else {
            return Err(Error::Protocol("agent.subscribe answered without a subscription".to_owned()));
        };
        Ok(Up { client, events, subscription })
    }

    fn is_up(&mut self, up: Up) {
        if self.failed > 0 {
            self.ready.push_back((RunItem::Back, None));
        }
        self.failed = 0;
        self.backoff.reset();
        self.state = State::Up(Box::new(up));
    }

    /// Decides how to go on after a loss.
    fn lost(&mut self, error: Error) -> Result<(), StreamError> {
        let run = self.options.run.clone();
        let is_final = error.refusal().is_some_and(|refusal| refusal.method == "agent.subscribe" && !refusal.retryable);
        if is_final || error.is_terminal() {
            return Err(StreamError::Refused { run, cause: Box::new(error) });
        }
        if self.options.max_reconnect_attempts.is_some_and(|max| self.failed >= max) {
            return Err(StreamError::Disconnected { run, attempts: self.failed, cause: Box::new(error) });
        }
        self.failed += 1;
        let asked = error.refusal().and_then(|refusal| refusal.retry_after);
        let own = shortened(self.backoff.next_pause());
        let pause = asked.map_or(own, |asked| asked.clamp(own, self.backoff.longest));
        self.ready.push_back((RunItem::Lost { error, attempt: self.failed, pause }, None));
        self.state = State::Pausing(pause);
        Ok(())
    }

    /// Turns a payload into items.
    fn take(&mut self, payload: &Value) -> Result<(), StreamError> {
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        let (stream, data) = (payload["stream"].as_str().unwrap_or_default(), &payload["data"]);
        let cursor = &payload["cursor"];
        let position = Position { seq: number(&cursor["seq"]), off: number(&cursor["off"]) };
        let name = payload["event"].as_str();
        let mut items = Vec::new();
        match stream {
            "assistant" => {
                let delta = data["delta"].as_str().unwrap_or_default().to_owned();
                items.push(RunItem::Text { delta, is_durable: payload["durable"] == true });
            }
            "superseded" => {
                items.push(RunItem::Superseded { keep: usize::try_from(number(&data["keep"])).unwrap_or(usize::MAX) });
            }
            "subscription" => {
                // The gateway could not go on: ask again from here.
                let cause = data["error"].as_str().unwrap_or("the subscription ended").to_owned();
                let error = Error::Closed { code: openclaw_protocol::error::close::RESTART, reason: cause };
                return self.lost(error);
            }
            _ if name.is_none() => items.push(RunItem::Sign { stream: stream.to_owned(), data: data.clone() }),
            _ => {}
        }
        if let Some(name) = name {
            items.push(RunItem::Event(RunEvent {
                seq: position.seq,
                name: name.to_owned(),
                stream: stream.to_owned(),
                data: data.clone(),
                is_resumed: payload["resumed"] == true,
            }));
        }
        self.taken = position;
        let last = items.len().saturating_sub(1);
        self.ready.extend(items.into_iter().enumerate().map(|(n, item)| (item, (n == last).then_some(position))));
        let is_end = stream == "lifecycle" && matches!(data["phase"].as_str(), Some("end" | "error"));
        if is_end {
            self.state = State::Ended;
        }
        Ok(())
    }
}

/// Shortens a pause by up to a half, so that many clients do not come back at once.
fn shortened(pause: Duration) -> Duration {
    let mut random = [0_u8; 2];
    if getrandom::fill(&mut random).is_err() {
        return pause;
    }
    pause - pause / 2 * u32::from(u16::from_le_bytes(random)) / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_shortened_by_a_half_at_most() {
        for _ in 0..1000 {
            let pause = shortened(Duration::from_secs(30));
            assert!((Duration::from_secs(15)..=Duration::from_secs(30)).contains(&pause), "{pause:?}");
        }
    }
}
