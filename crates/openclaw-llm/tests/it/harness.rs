//! What the tests share: a router over a fake net, and words for what came out.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use openclaw_domain::conversation::{Conversation, Turn};
use openclaw_domain::message::{Block, UserTurn};
use openclaw_domain::model::{Completed, Error, ModelChoice, ModelEvent, ModelRef, ModelRequest};
use openclaw_domain::ports::Model as _;
use openclaw_domain::ports::net::Request;
use openclaw_domain::tool::{Capability, Effect, ToolSpec};
use openclaw_domain::{Timestamp, ToolResult};
use openclaw_llm::{Dialect, Router, Settings};
use openclaw_testkit::net::Reply;
use openclaw_testkit::{FakeClock, FakeNet};
use serde_json::{Value, json};

/// What a call gave.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) events: Vec<ModelEvent>,
    pub(crate) error: Option<Error>,
}

impl Outcome {
    pub(crate) fn done(&self) -> &Completed {
        match self.events.last() {
            Some(ModelEvent::Done(done)) => done,
            _ => panic!("no answer: {:?}", self.error),
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.events.last(), Some(ModelEvent::Done(_)))
    }

    pub(crate) fn error(&self) -> &Error {
        self.error.as_ref().unwrap_or_else(|| panic!("no error: {:?}", self.events))
    }

    /// Returns the visible text streamed since the last void.
    pub(crate) fn streamed(&self) -> String {
        let mut text = String::new();
        for event in &self.events {
            match event {
                ModelEvent::Text(delta) => text.push_str(delta),
                ModelEvent::Superseded { .. } => text.clear(),
                _ => {}
            }
        }
        text
    }

    /// Returns it with neighbouring pieces of text as one, and of reasoning.
    pub(crate) fn joined(mut self) -> Self {
        self.events.dedup_by(|later, earlier| match (earlier, later) {
            (ModelEvent::Text(text), ModelEvent::Text(more))
            | (ModelEvent::Thinking(text), ModelEvent::Thinking(more)) => {
                text.push_str(more);
                true
            }
            _ => false,
        });
        self
    }

    /// Returns the events in words, ids left out.
    pub(crate) fn words(&self) -> String {
        let mut out = String::new();
        for event in &self.events {
            match event {
                ModelEvent::Selected(selected) => {
                    let _ = writeln!(out, "selected {} because {:?}", selected.model, selected.why);
                }
                ModelEvent::Text(text) => {
                    let _ = writeln!(out, "text {text:?}");
                }
                ModelEvent::Thinking(text) => {
                    let _ = writeln!(out, "thinking {text:?}");
                }
                ModelEvent::CallStarted { name } => {
                    let _ = writeln!(out, "call started {name}");
                }
                ModelEvent::Superseded { reason } => {
                    let _ = writeln!(out, "superseded: {reason}");
                }
                ModelEvent::Done(done) => {
                    let _ = write!(out, "{}", done_words(done));
                }
            }
        }
        if let Some(error) = &self.error {
            let _ = writeln!(out, "error {:?}: {}", error.class, error.message);
        }
        out
    }
}

pub(crate) fn done_words(done: &Completed) -> String {
    let mut out = format!("done {:?}\n", done.turn.stop);
    for block in &done.turn.blocks {
        let _ = match block {
            Block::Text { text } => writeln!(out, "  text {text:?}"),
            Block::Thinking { text } => writeln!(out, "  thinking {text:?}"),
            Block::Call { call, .. } => writeln!(out, "  call {:?} {} {}", call.provider_id, call.name, call.arguments),
        };
    }
    let usage = done.usage;
    let _ = writeln!(
        out,
        "  usage in {} out {} read {} write {} reasoning {}",
        usage.input, usage.output, usage.cache_read, usage.cache_write, usage.reasoning
    );
    if let Some(native) = &done.turn.native {
        let _ = writeln!(out, "  native {}", native.json);
    }
    out
}

/// Returns the configuration of one provider `p` with model `m` in a dialect.
pub(crate) fn config(dialect: Dialect) -> Value {
    let base = match dialect {
        Dialect::GoogleGenerativeAi => "http://p.test/v1beta",
        Dialect::AnthropicMessages | Dialect::Ollama => "http://p.test",
        Dialect::OpenaiChat | Dialect::OpenaiResponses => "http://p.test/v1",
    };
    json!({ "mode": "replace", "providers": { "p": {
        "baseUrl": base, "api": dialect.as_str(), "apiKey": "key-p",
        "models": [{ "id": "m", "reasoning": true, "input": ["text", "image"] }] } } })
}

pub(crate) fn settings(models: &Value) -> Settings {
    let (settings, warnings) = Settings::from_config(models, &Value::Null, &Value::Null, Vec::new(), &|_| None);
    assert_eq!(warnings, []);
    settings
}

/// A router whose net and clock the test holds.
pub(crate) struct Bench {
    pub(crate) router: Router,
    pub(crate) net: Arc<FakeNet>,
    pub(crate) clock: FakeClock,
}

pub(crate) fn bench(models: &Value, net: FakeNet) -> Bench {
    let (net, clock) = (Arc::new(net), FakeClock::new());
    let router = Router::new(settings(models), net.clone(), Arc::new(clock.clone()));
    Bench { router, net, clock }
}

impl Bench {
    /// Runs a call to its end; time passes whenever the router waits for it.
    pub(crate) async fn run(&self, request: ModelRequest) -> Outcome {
        let work = async {
            let mut outcome = Outcome { events: Vec::new(), error: None };
            let mut stream = match self.router.stream(request).await {
                Ok(stream) => stream,
                Err(error) => return Outcome { error: Some(error), ..outcome },
            };
            while let Some(event) = stream.next().await {
                match event {
                    Ok(event) => outcome.events.push(event),
                    Err(error) => outcome.error = Some(error),
                }
            }
            outcome
        };
        let time = async {
            loop {
                self.clock.wait_for_sleepers(1).await;
                self.clock.advance(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            outcome = work => outcome,
            () = time => unreachable!("time never ends"),
        }
    }

    /// Returns the JSON bodies sent so far.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.net.requests().iter().map(body).collect()
    }
}

pub(crate) fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

pub(crate) fn tool(name: &str) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        description: format!("Does {name}."),
        parameters: json!({ "type": "object", "properties": { "path": { "type": "string" } }, "required": [] }),
        effect: Effect::Pure,
        capability: Capability::FsRead,
    }
}

/// Returns a request to `p/m` that says hello.
pub(crate) fn hello() -> ModelRequest {
    request_of(vec![Turn::User(UserTurn::owner("Hello", Timestamp(0)))])
}

pub(crate) fn request_of(turns: Vec<Turn>) -> ModelRequest {
    ModelRequest {
        choice: choice(&["p/m"]),
        system: vec!["You are OpenClaw.".to_owned(), "Today is Friday.".to_owned()],
        prompt: Conversation::resume(turns).prompt().unwrap(),
        tools: [tool("list"), tool("read")].into(),
        output_tokens_max: None,
        temperature: None,
        seed: None,
        idempotency_key: "k".to_owned(),
        cache_key: "session-1".to_owned(),
    }
}

/// Returns a choice of the first model with the others as stand-ins.
pub(crate) fn choice(models: &[&str]) -> ModelChoice {
    let mut models = models.iter().map(|model| model.parse::<ModelRef>().unwrap());
    ModelChoice { primary: models.next().unwrap(), fallbacks: models.collect(), thinking: None }
}

/// Answers every open call of a turn with `text`.
pub(crate) fn answered(done: &Completed, text: &str) -> Turn {
    let mut turn = done.turn.clone();
    let ids: Vec<_> = turn.calls().map(|(call, _)| call.id.clone()).collect();
    for id in ids {
        turn.answer(&id, ToolResult::notice(openclaw_domain::message::ToolStatus::Ok, text));
    }
    Turn::Assistant(turn)
}

/// Returns a stream reply with the content type of the dialect, cut into chunks.
pub(crate) fn stream(dialect: Dialect, bytes: &[u8], size: usize) -> Reply {
    let kind = if dialect == Dialect::Ollama { "application/x-ndjson" } else { "text/event-stream; charset=utf-8" };
    Reply::status(200).header("content-type", kind).chunks(bytes, size)
}

/// Runs one recorded stream against a fresh router that gets it at every attempt.
pub(crate) async fn play(dialect: Dialect, bytes: &'static [u8], size: usize) -> Outcome {
    let net = FakeNet::answering(move |_| stream(dialect, bytes, size));
    bench(&config(dialect), net).run(hello()).await
}
