//! What the scripted model server answers.
//!
//! A [`Reply`] is written once, free of any vendor, and rendered in the wire
//! format that was asked. A [`Script`] picks the reply for a request: from a
//! queue, from a closure, or, by default, from the last words of the user
//! (`words.rs`).

mod words;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::heard::Heard;
use super::lint::Lint;
use crate::latch::Latch;

/// Which reply a request gets, and how strictly requests are judged.
#[derive(Clone)]
pub struct Script {
    choose: Arc<dyn Fn(&Heard) -> Reply + Send + Sync>,
    pub(super) lint: Lint,
    pub(super) models: Vec<String>,
    pub(super) key: Option<String>,
}

impl Default for Script {
    fn default() -> Self {
        Self::words(20, Duration::ZERO)
    }
}

impl Script {
    /// Makes a script that asks `choose` for each reply.
    pub fn answering(choose: impl Fn(&Heard) -> Reply + Send + Sync + 'static) -> Self {
        Self {
            choose: Arc::new(choose),
            lint: Lint::strict(),
            models: vec!["mock-1".to_owned(), "mock-2".to_owned()],
            key: None,
        }
    }

    /// Makes a script that follows the user's last words (`server/script/words.rs`).
    pub fn words(deltas: usize, pause: Duration) -> Self {
        let plain = Reply::tokens(deltas, pause);
        Self::answering(move |heard| words::reply(heard, &plain))
    }

    /// Makes a script of these replies, one per request; then it answers 500.
    pub fn replies(replies: impl IntoIterator<Item = Reply>) -> Self {
        let queue: Mutex<VecDeque<Reply>> = Mutex::new(replies.into_iter().collect());
        Self::answering(move |_| {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            next.unwrap_or_else(|| Reply::fail(Failure::Server).message("the script has no reply left"))
        })
    }

    /// Sets which requests are refused.
    #[must_use]
    pub fn lint(mut self, lint: Lint) -> Self {
        self.lint = lint;
        self
    }

    /// Sets the models that the catalogue lists.
    #[must_use]
    pub fn models<'a>(mut self, models: impl IntoIterator<Item = &'a str>) -> Self {
        self.models = models.into_iter().map(str::to_owned).collect();
        self
    }

    /// Accepts only this key.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    pub(super) fn reply(&self, heard: &Heard) -> Reply {
        (self.choose)(heard)
    }
}

/// One answer: what happens, in order.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub(super) steps: Vec<Step>,
    pub(super) stop: Option<Stop>,
    pub(super) usage: Usage,
    pub(super) failure: Option<(Failure, Option<String>)>,
    pub(super) retry_after: Option<String>,
    pub(super) shape: Shape,
    /// Whether the rendering is the same for every request and may be kept.
    pub(super) is_plain: bool,
}

/// How the bytes are cut and decorated.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shape {
    /// Bytes per write; 0 writes as much as there is.
    pub(super) write_bytes: usize,
    /// End lines with CRLF.
    pub(super) is_crlf: bool,
    /// Leave out ids of calls where the format allows it (Gemini, Ollama).
    pub(super) has_no_ids: bool,
}

/// One thing that happens on the stream.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Text(String),
    Thinking(String),
    Call { name: String, arguments: String },
    Pause(Duration),
    Hold(Latch),
    Comment,
    Unknown,
    Break(Failure, Option<String>),
    Cut,
    Reset,
}

/// Why the model stops; without one, it follows from the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It had finished.
    End,
    /// It wants tools to run.
    Tools,
    /// The output limit was reached.
    Length,
    /// A filter or the model refused.
    Refusal,
}

/// Tokens that the reply reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Prompt tokens not read from or written to a cache.
    pub input: u64,
    /// Prompt tokens read from a cache.
    pub cache_read: u64,
    /// Prompt tokens written to a cache.
    pub cache_write: u64,
    /// Generated tokens, reasoning included.
    pub output: u64,
    /// Reasoning tokens, a part of `output`.
    pub reasoning: u64,
}

impl Default for Usage {
    fn default() -> Self {
        Self { input: 10, cache_read: 0, cache_write: 0, output: 20, reasoning: 0 }
    }
}

/// A failure in the vendor's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The key is missing or wrong.
    Auth,
    /// The key may not do this.
    Permission,
    /// Money or quota is used up.
    Quota,
    /// Too many requests just now.
    RateLimit,
    /// The service is overloaded.
    Overloaded,
    /// The prompt does not fit.
    ContextOverflow,
    /// The request is malformed.
    BadRequest,
    /// The thinking setting is refused.
    Thinking,
    /// There is no such model.
    NoSuchModel,
    /// The body is too large.
    TooLarge,
    /// Something broke inside.
    Server,
    /// A proxy answers HTML.
    Html,
    /// A proxy answers nothing at all.
    Empty,
}

impl Failure {
    /// All failures, with the names used in the user's words.
    pub const ALL: [(&'static str, Failure); 13] = [
        ("auth", Failure::Auth),
        ("permission", Failure::Permission),
        ("quota", Failure::Quota),
        ("rate-limit", Failure::RateLimit),
        ("overloaded", Failure::Overloaded),
        ("overflow", Failure::ContextOverflow),
        ("bad-request", Failure::BadRequest),
        ("thinking", Failure::Thinking),
        ("no-model", Failure::NoSuchModel),
        ("too-large", Failure::TooLarge),
        ("server", Failure::Server),
        ("html", Failure::Html),
        ("empty", Failure::Empty),
    ];
}

impl Reply {
    /// Makes an answer to which steps are added.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an answer of `count` pieces `tok0 `, `tok1 `.., a pause after each.
    pub fn tokens(count: usize, pause: Duration) -> Self {
        let mut reply = Self::new();
        for index in 0..count {
            reply = reply.text(&format!("tok{index} "));
            if !pause.is_zero() {
                reply = reply.pause(pause);
            }
        }
        reply.usage.output = count as u64;
        reply.is_plain = pause.is_zero();
        reply
    }

    /// Makes an answer of one text, streamed word by word.
    pub fn say(text: &str) -> Self {
        text.split_inclusive(' ').fold(Self::new(), Reply::text)
    }

    /// Makes an answer that is an error status with the vendor's body.
    pub fn fail(failure: Failure) -> Self {
        Self { failure: Some((failure, None)), ..Self::default() }
    }

    /// Sets the message of a failure.
    #[must_use]
    pub fn message(mut self, message: &str) -> Self {
        if let Some((_, text)) = &mut self.failure {
            *text = Some(message.to_owned());
        }
        self
    }

    /// Asks the client to wait, in the vendor's form.
    #[must_use]
    pub fn retry_after(mut self, value: &str) -> Self {
        self.retry_after = Some(value.to_owned());
        self
    }

    /// Streams one more piece of text.
    #[must_use]
    pub fn text(self, delta: &str) -> Self {
        self.step(Step::Text(delta.to_owned()))
    }

    /// Streams one more piece of reasoning.
    #[must_use]
    pub fn thinking(self, delta: &str) -> Self {
        self.step(Step::Thinking(delta.to_owned()))
    }

    /// Calls a tool; several in a row are parallel calls.
    #[must_use]
    pub fn call(self, name: &str, arguments: &Value) -> Self {
        self.call_text(name, &arguments.to_string())
    }

    /// Calls a tool with argument text that need not be JSON.
    #[must_use]
    pub fn call_text(self, name: &str, arguments: &str) -> Self {
        self.step(Step::Call { name: name.to_owned(), arguments: arguments.to_owned() })
    }

    /// Waits before the next step.
    #[must_use]
    pub fn pause(self, pause: Duration) -> Self {
        self.step(Step::Pause(pause))
    }

    /// Holds the stream at a door.
    #[must_use]
    pub fn hold(self, latch: &Latch) -> Self {
        self.step(Step::Hold(latch.clone()))
    }

    /// Sends what the vendor sends to keep a connection alive, if anything.
    #[must_use]
    pub fn comment(self) -> Self {
        self.step(Step::Comment)
    }

    /// Sends an event of a type that no client knows yet.
    #[must_use]
    pub fn unknown(self) -> Self {
        self.step(Step::Unknown)
    }

    /// Fails in the middle of the stream, at status 200.
    #[must_use]
    pub fn break_off(self, failure: Failure) -> Self {
        self.step(Step::Break(failure, None))
    }

    /// Ends the stream cleanly without its terminal marker.
    #[must_use]
    pub fn cut(self) -> Self {
        self.step(Step::Cut)
    }

    /// Breaks the connection.
    #[must_use]
    pub fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    /// Sets the stop reason.
    #[must_use]
    pub fn stop(mut self, stop: Stop) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Sets the reported tokens.
    #[must_use]
    pub fn usage(mut self, usage: Usage) -> Self {
        self.usage = usage;
        self
    }

    /// Writes this many bytes at a time, cutting characters and line ends apart.
    #[must_use]
    pub fn writes_of(mut self, bytes: usize) -> Self {
        self.shape.write_bytes = bytes;
        self
    }

    /// Ends lines with CRLF.
    #[must_use]
    pub fn crlf(mut self) -> Self {
        self.shape.is_crlf = true;
        self
    }

    /// Leaves out ids of calls where the format allows it.
    #[must_use]
    pub fn without_ids(mut self) -> Self {
        self.shape.has_no_ids = true;
        self
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self.is_plain = false;
        self
    }

    /// Returns why this reply stops.
    pub(super) fn stops(&self) -> Stop {
        let calls = self.steps.iter().any(|step| matches!(step, Step::Call { .. }));
        self.stop.unwrap_or(if calls { Stop::Tools } else { Stop::End })
    }
}
