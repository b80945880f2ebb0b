//! The offline model: a small set of rules that stands in when no provider is
//! configured.
//!
//! It is not a language model and says so. It understands a documented handful
//! of requests in English and Chinese (`rules.rs`), turns them into tool calls,
//! drives them through the ordinary run loop, and writes its answer from the
//! results. The same prompt always gets the same turn. It needs no key and no
//! network, refuses to guess at anything else, and never takes instructions
//! from a tool's result. Called by the router as `offline/rules`.

mod answer;
mod language;
mod plan;
mod request;
mod rules;
mod target;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream;
use openclaw_domain::message::{AssistantTurn, Block, ToolCall, plain_text};
use openclaw_domain::model::{
    Completed, Error, ErrorClass, ModelEvent, ModelRef, ModelRequest, ModelStream, Selected, StopReason, Usage,
};
use openclaw_domain::ports::{Clock, Model};
use openclaw_domain::{CallId, Timestamp, Turn};

pub use plan::{Ask, Step, plan};

/// Provider id of the offline model.
pub const PROVIDER: &str = "offline";
/// Model id of the offline model.
pub const MODEL: &str = "rules";

/// Answers by rules, in this process.
pub struct Offline {
    clock: Arc<dyn Clock>,
}

impl Offline {
    /// Makes the model; the clock only dates its turns.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }

    /// Returns `offline/rules`.
    pub fn model() -> ModelRef {
        ModelRef::new(PROVIDER, MODEL)
    }
}

#[async_trait]
impl Model for Offline {
    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, Error> {
        let step = plan(&request.prompt, &request.tools);
        let events = events(&request, step, self.clock.now())?;
        Ok(Box::pin(stream::iter(events.into_iter().map(Ok))))
    }
}

/// Renders one step as the events of a stream, `Done` last.
fn events(request: &ModelRequest, step: Step, at: Timestamp) -> Result<Vec<ModelEvent>, Error> {
    let (text, asks) = match step {
        Step::Say(text) => (text, Vec::new()),
        Step::Call { say, asks } => (say, asks),
    };
    let selected = Selected { model: Offline::model(), profile: None, thinking: None, why: None };
    let mut events = vec![ModelEvent::Selected(selected)];
    events.extend(language::deltas(&text).map(|delta| ModelEvent::Text(delta.to_owned())));
    let stop = if asks.is_empty() { StopReason::EndTurn } else { StopReason::ToolUse };
    let usage = usage(request, &text, &asks);
    let mut blocks = Vec::new();
    if !text.is_empty() {
        blocks.push(Block::Text { text });
    }
    for (index, ask) in asks.into_iter().enumerate() {
        events.push(ModelEvent::CallStarted { name: ask.tool.clone() });
        blocks.push(Block::Call { call: call(request, index, ask)?, result: None });
    }
    let turn = AssistantTurn { blocks, model: Offline::model(), stop, native: None, at };
    events.push(ModelEvent::Done(Box::new(Completed { turn, usage })));
    Ok(events)
}

/// Gives a call an id that is the same for a retried step and new for every other.
fn call(request: &ModelRequest, index: usize, ask: Ask) -> Result<ToolCall, Error> {
    let step = fnv1a(request.idempotency_key.as_bytes());
    let position = request.prompt.turns().len();
    let text = format!("offline-{step:016x}-{position}-{index}");
    let id: CallId = text.parse().map_err(|error: openclaw_domain::ids::Error| Error {
        class: ErrorClass::Protocol,
        model: Some(Offline::model()),
        message: format!("the offline model made a call id that cannot be used: {error}"),
        retry_after: None,
        status: None,
    })?;
    Ok(ToolCall { id, provider_id: text, name: ask.tool, arguments: ask.arguments.to_string() })
}

/// FNV-1a, 64 bit: stable over builds, unlike the standard library's hasher.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Estimates tokens, so that ceilings and meters work; they cost nothing.
fn usage(request: &ModelRequest, text: &str, asks: &[Ask]) -> Usage {
    let system: u64 = request.system.iter().map(|section| language::tokens(section)).sum();
    let said: u64 = request.prompt.turns().iter().map(turn_tokens).sum();
    let asked: u64 = asks.iter().map(|ask| language::tokens(&ask.arguments.to_string())).sum();
    Usage { input: system + said, output: language::tokens(text) + asked, cost_usd: Some(0.0), ..Usage::default() }
}

fn turn_tokens(turn: &Turn) -> u64 {
    match turn {
        Turn::User(user) => language::tokens(&plain_text(&user.parts)),
        Turn::Assistant(assistant) => {
            let calls = assistant.calls().map(|(call, result)| {
                language::tokens(&call.arguments) + result.map_or(0, |result| language::tokens(&result.text()))
            });
            language::tokens(&assistant.text()) + calls.sum::<u64>()
        }
    }
}

#[cfg(test)]
mod tests;
