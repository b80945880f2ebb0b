//! A model that says what a test wrote down.
//!
//! [`ScriptedModel`] implements the model port without a network: each call
//! takes the next [`Turn`] of the script, or asks a closure. It records every
//! request. A call the script does not foresee fails with `NotConfigured`
//! rather than inventing an answer.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::stream;
use openclaw_domain::message::{AssistantTurn, Block, Native, ToolCall};
use openclaw_domain::model::{
    Completed, Error, ErrorClass, ModelEvent, ModelRef, ModelRequest, ModelStream, Selected, StopReason, Usage,
};
use openclaw_domain::ports::Model;
use openclaw_domain::{CallId, Timestamp, Turn as Said};
use serde_json::Value;
use tokio::sync::watch;

use crate::latch::Latch;

/// Model whose answers are written down beforehand.
pub struct ScriptedModel {
    script: Script,
    requests: Mutex<Vec<ModelRequest>>,
    calls: watch::Sender<usize>,
}

enum Script {
    Queue(Mutex<VecDeque<Turn>>),
    Closure(Box<dyn Fn(&ModelRequest) -> Turn + Send + Sync>),
}

/// One scripted answer: what happens on the stream, in order.
#[derive(Debug, Clone, Default)]
pub struct Turn {
    steps: Vec<Step>,
    stop: Option<StopReason>,
    usage: Option<Usage>,
    native: Option<Native>,
}

#[derive(Debug, Clone)]
enum Step {
    Text(String),
    Thinking(String),
    Call { name: String, arguments: String },
    Superseded(String),
    Hold(Latch),
    Fail(Error),
    Refuse(Error),
    Cut,
}

impl Turn {
    /// Makes an answer to which steps are added.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an answer of one text, streamed word by word.
    pub fn say(text: &str) -> Self {
        text.split_inclusive(' ').fold(Self::new(), Turn::text)
    }

    /// Makes an answer that only calls a tool.
    pub fn ask(tool: &str, arguments: &Value) -> Self {
        Self::new().call(tool, arguments)
    }

    /// Streams one more piece of visible text.
    #[must_use]
    pub fn text(self, delta: impl Into<String>) -> Self {
        self.step(Step::Text(delta.into()))
    }

    /// Streams one more piece of reasoning.
    #[must_use]
    pub fn thinking(self, delta: impl Into<String>) -> Self {
        self.step(Step::Thinking(delta.into()))
    }

    /// Calls a tool; several in a row are parallel calls.
    #[must_use]
    pub fn call(self, tool: &str, arguments: &Value) -> Self {
        self.call_text(tool, &arguments.to_string())
    }

    /// Calls a tool with arguments that need not be JSON.
    #[must_use]
    pub fn call_text(self, tool: &str, arguments: &str) -> Self {
        self.step(Step::Call { name: tool.to_owned(), arguments: arguments.to_owned() })
    }

    /// Declares everything streamed so far void.
    #[must_use]
    pub fn supersede(self, reason: impl Into<String>) -> Self {
        self.step(Step::Superseded(reason.into()))
    }

    /// Waits at a door before going on.
    #[must_use]
    pub fn hold(self, latch: &Latch) -> Self {
        self.step(Step::Hold(latch.clone()))
    }

    /// Fails in the middle of the stream.
    #[must_use]
    pub fn fail(self, error: Error) -> Self {
        self.step(Step::Fail(error))
    }

    /// Fails before the stream begins.
    #[must_use]
    pub fn refuse(self, error: Error) -> Self {
        self.step(Step::Refuse(error))
    }

    /// Ends the stream without `Done`: what a broken implementation would do.
    #[must_use]
    pub fn cut(self) -> Self {
        self.step(Step::Cut)
    }

    /// Sets the stop reason; without it, it follows from the calls.
    #[must_use]
    pub fn stop(mut self, stop: StopReason) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Sets the usage; without it, one token per step.
    #[must_use]
    pub fn usage(mut self, usage: Usage) -> Self {
        self.usage = Some(usage);
        self
    }

    /// Sets the provider's own form of the turn.
    #[must_use]
    pub fn native(mut self, dialect: &str, json: &str) -> Self {
        self.native = Some(Native { dialect: dialect.to_owned(), json: json.to_owned() });
        self
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

/// Makes a model error of a class.
pub fn error(class: ErrorClass, message: &str) -> Error {
    Error { class, model: None, message: message.to_owned(), retry_after: None, status: None }
}

impl ScriptedModel {
    /// Makes a model that gives these answers, one per call.
    pub fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
        Self::of(Script::Queue(Mutex::new(turns.into_iter().collect())))
    }

    /// Makes a model that asks `answer` at each call.
    pub fn answering(answer: impl Fn(&ModelRequest) -> Turn + Send + Sync + 'static) -> Self {
        Self::of(Script::Closure(Box::new(answer)))
    }

    fn of(script: Script) -> Self {
        Self { script, requests: Mutex::default(), calls: watch::Sender::new(0) }
    }

    /// Appends an answer to the script. Has no effect on a closure's model.
    pub fn push(&self, turn: Turn) {
        if let Script::Queue(queue) = &self.script {
            lock(queue).push_back(turn);
        }
    }

    /// Returns the requests so far, oldest first.
    pub fn requests(&self) -> Vec<ModelRequest> {
        lock(&self.requests).clone()
    }

    /// Waits until the model was called `count` times.
    pub async fn called(&self, count: usize) {
        // The sender lives in `self`, so waiting cannot fail.
        drop(self.calls.subscribe().wait_for(|calls| *calls >= count).await);
    }

    fn next(&self, request: &ModelRequest) -> Turn {
        match &self.script {
            Script::Closure(answer) => answer(request),
            Script::Queue(queue) => lock(queue).pop_front().unwrap_or_else(|| {
                Turn::new().refuse(error(ErrorClass::NotConfigured, "the script has no answer for this call"))
            }),
        }
    }
}

#[async_trait]
impl Model for ScriptedModel {
    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, Error> {
        let turn = self.next(&request);
        let play = Play::new(&request, turn);
        lock(&self.requests).push(request);
        self.calls.send_modify(|calls| *calls += 1);
        if let Some(Step::Refuse(error)) = play.steps.front() {
            return Err(error.clone());
        }
        Ok(Box::pin(stream::unfold(play, |mut play| async move { play.next().await.map(|item| (item, play)) })))
    }
}

/// One answer as it is being streamed.
struct Play {
    model: ModelRef,
    at: Timestamp,
    /// Prefix of call ids: the position in the conversation keeps them unique in a session.
    position: usize,
    is_selected: bool,
    steps: VecDeque<Step>,
    blocks: Vec<Block>,
    ending: Option<(Option<StopReason>, Option<Usage>, Option<Native>)>,
    streamed: u64,
}

impl Play {
    fn new(request: &ModelRequest, turn: Turn) -> Self {
        let at = request.prompt.turns().last().map_or(Timestamp(0), |said| match said {
            Said::User(user) => user.at,
            Said::Assistant(assistant) => assistant.at,
        });
        Self {
            model: request.choice.primary.clone(),
            at,
            position: request.prompt.turns().len(),
            is_selected: false,
            steps: turn.steps.into(),
            blocks: Vec::new(),
            ending: Some((turn.stop, turn.usage, turn.native)),
            streamed: 0,
        }
    }

    async fn next(&mut self) -> Option<Result<ModelEvent, Error>> {
        if !self.is_selected {
            self.is_selected = true;
            let selected = Selected { model: self.model.clone(), profile: None, thinking: None, why: None };
            return Some(Ok(ModelEvent::Selected(selected)));
        }
        self.ending.as_ref()?;
        loop {
            let Some(step) = self.steps.pop_front() else { return self.done() };
            self.streamed += 1;
            let event = match step {
                Step::Hold(latch) => {
                    latch.pass().await;
                    continue;
                }
                Step::Text(text) => self.text(text),
                Step::Thinking(text) => self.thinking(text),
                Step::Call { name, arguments } => self.call(name, arguments),
                Step::Superseded(reason) => {
                    self.blocks.clear();
                    ModelEvent::Superseded { reason }
                }
                Step::Fail(error) | Step::Refuse(error) => {
                    self.ending = None;
                    return Some(Err(error));
                }
                Step::Cut => {
                    self.ending = None;
                    return None;
                }
            };
            return Some(Ok(event));
        }
    }

    fn text(&mut self, delta: String) -> ModelEvent {
        match self.blocks.last_mut() {
            Some(Block::Text { text }) => text.push_str(&delta),
            _ => self.blocks.push(Block::Text { text: delta.clone() }),
        }
        ModelEvent::Text(delta)
    }

    fn thinking(&mut self, delta: String) -> ModelEvent {
        match self.blocks.last_mut() {
            Some(Block::Thinking { text }) => text.push_str(&delta),
            _ => self.blocks.push(Block::Thinking { text: delta.clone() }),
        }
        ModelEvent::Thinking(delta)
    }

    fn call(&mut self, name: String, arguments: String) -> ModelEvent {
        let text = format!("call_{}_{}", self.position, self.blocks.len());
        let id: CallId = text.parse().unwrap_or_else(|error| panic!("{text} is not a call id: {error}"));
        let call = ToolCall { id, provider_id: text, name: name.clone(), arguments };
        self.blocks.push(Block::Call { call, result: None });
        ModelEvent::CallStarted { name }
    }

    fn done(&mut self) -> Option<Result<ModelEvent, Error>> {
        let (stop, usage, native) = self.ending.take()?;
        let calls = self.blocks.iter().any(|block| matches!(block, Block::Call { .. }));
        let natural = if calls { StopReason::ToolUse } else { StopReason::EndTurn };
        let one_per_step = Usage { input: 1, output: self.streamed, cost_usd: Some(0.0), ..Usage::default() };
        let turn = AssistantTurn {
            blocks: std::mem::take(&mut self.blocks),
            model: self.model.clone(),
            stop: stop.unwrap_or(natural),
            native,
            at: self.at,
        };
        Some(Ok(ModelEvent::Done(Box::new(Completed { turn, usage: usage.unwrap_or(one_per_step) }))))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a request that holds one message of the owner.
pub fn request(text: &str) -> ModelRequest {
    let mut conversation = openclaw_domain::Conversation::default();
    conversation.say(openclaw_domain::UserTurn::owner(text, crate::clock::START));
    let prompt = conversation.prompt().unwrap_or_else(|error| panic!("a single message is answered: {error}"));
    ModelRequest {
        choice: openclaw_domain::model::ModelChoice {
            primary: ModelRef::new("scripted", "one"),
            fallbacks: Vec::new(),
            thinking: None,
        },
        system: Vec::new(),
        prompt,
        tools: [].into(),
        output_tokens_max: None,
        temperature: None,
        seed: None,
        idempotency_key: "step-1".to_owned(),
        cache_key: "conversation-1".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use serde_json::json;

    use super::*;

    async fn play(model: &ScriptedModel) -> Vec<Result<ModelEvent, Error>> {
        model.stream(request("hi")).await.unwrap().collect().await
    }

    #[tokio::test]
    async fn a_turn_streams_its_steps_and_ends_with_the_whole() {
        let model =
            ScriptedModel::new([Turn::new().thinking("hm").text("a ").text("b").call("read", &json!({"p": 1}))]);
        let events = play(&model).await;
        let Some(Ok(ModelEvent::Done(done))) = events.last() else { panic!("{events:?}") };
        assert_eq!(done.turn.text(), "a b");
        assert_eq!(done.turn.stop, StopReason::ToolUse);
        assert_eq!(done.turn.calls().next().unwrap().0.arguments, r#"{"p":1}"#);
        assert_eq!(events.len(), 6);
        assert_eq!(model.requests().len(), 1);
    }

    #[tokio::test]
    async fn the_suite_of_the_port_passes() {
        let turn = || Turn::new().thinking("hm").text("a ").supersede("again").text("b").call("read", &json!({}));
        let model = ScriptedModel::answering(move |_| turn());
        let completed = crate::contract::model::answers(&model, request("hi")).await;
        assert_eq!(completed.turn.text(), "b");
        assert_eq!(crate::contract::model::may_be_dropped(&model, &request("hi")).await, 9);
    }

    #[tokio::test]
    async fn a_failure_ends_the_stream_and_a_refusal_prevents_it() {
        let broken = error(ErrorClass::Network, "gone");
        let model =
            ScriptedModel::new([Turn::new().text("a").fail(broken.clone()), Turn::new().refuse(broken.clone())]);
        assert_eq!(play(&model).await.last(), Some(&Err(broken.clone())));
        assert_eq!(model.stream(request("hi")).await.err(), Some(broken));
        assert_eq!(model.stream(request("hi")).await.err().unwrap().class, ErrorClass::NotConfigured);
    }

    #[tokio::test]
    async fn a_held_stream_goes_on_when_the_door_opens() {
        let latch = Latch::new();
        let model = ScriptedModel::new([Turn::new().text("a").hold(&latch).text("b")]);
        let mut stream = model.stream(request("hi")).await.unwrap();
        stream.next().await;
        assert_eq!(stream.next().await, Some(Ok(ModelEvent::Text("a".to_owned()))));
        assert!(futures_util::poll!(stream.next()).is_pending());
        latch.open();
        assert_eq!(stream.next().await, Some(Ok(ModelEvent::Text("b".to_owned()))));
    }
}
