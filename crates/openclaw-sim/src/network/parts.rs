//! What the engine works with: everything takes its time, so that a crash finds
//! it before, during and after.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use openclaw_domain::ids::Timestamp;
use openclaw_domain::model::{Error as ModelError, ModelRequest, ModelStream};
use openclaw_domain::ports::{Clock, Model, Tool, ToolCx};
use openclaw_domain::tool::{Effect, Error, ToolOutput, ToolSpec};
use openclaw_domain::{Origin, Permit, Turn as Said};
use openclaw_testkit::clock::START;
use openclaw_testkit::model::Turn;
use openclaw_testkit::{FlawedJournal, ScriptedModel};
use serde_json::json;

use super::world::{Dispatch, World};

/// Simulated time; goes on when the server is down.
pub(super) struct SimClock;

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let millis = i64::try_from(self.monotonic().as_millis()).unwrap_or(0);
        Timestamp(START.0 + millis)
    }

    fn monotonic(&self) -> Duration {
        turmoil::sim_elapsed().unwrap_or_default()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A model that says something else at each attempt, slowly.
pub(super) struct SlowModel {
    world: Arc<World>,
    script: ScriptedModel,
}

impl SlowModel {
    pub(super) fn new(world: &Arc<World>) -> Self {
        let own = Arc::clone(world);
        Self { world: Arc::clone(world), script: ScriptedModel::answering(move |request| answer(&own, request)) }
    }
}

/// Inputs are `say N` or `<tool> N`; the answer names its input.
fn answer(world: &World, request: &ModelRequest) -> Turn {
    let turns = request.prompt.turns();
    let asked = turns.iter().rposition(|turn| matches!(turn, Said::User(_))).unwrap_or(0);
    let text = match turns.get(asked) {
        Some(Said::User(turn)) => turn.text(),
        Some(Said::Assistant(_)) | None => String::new(),
    };
    let (tool, n) = text.split_once(' ').unwrap_or(("say", "0"));
    let words = |count| (0..count).map(|_| format!("w{} ", world.draw(0..1000))).collect::<String>();
    let is_first = asked + 1 == turns.len();
    if tool != "say" && is_first {
        return Turn::say(&words(world.draw(0..8))).call(tool, &json!({ "n": n }));
    }
    let mut turn = Turn::new();
    // One answer in six is begun by a provider that fails over to another.
    if world.draw(0..6) == 0 {
        turn = turn.text(words(2)).text(words(2)).supersede("failover");
    }
    let answer = format!("answer to {text}: {}", words(world.draw(1..25)));
    answer.split_inclusive(' ').fold(turn, Turn::text)
}

#[async_trait]
impl Model for SlowModel {
    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        self.world.lag(0..40).await;
        let stream = self.script.stream(request).await?;
        let world = Arc::clone(&self.world);
        Ok(Box::pin(stream.then(move |item| {
            let world = Arc::clone(&world);
            async move {
                world.lag(0..40).await;
                item
            }
        })))
    }
}

/// A tool whose calls are counted outside.
pub(super) struct SlowTool {
    world: Arc<World>,
    spec: ToolSpec,
}

impl SlowTool {
    pub(super) fn new(world: &Arc<World>, name: &str, effect: Effect) -> Self {
        Self { world: Arc::clone(world), spec: ToolSpec { effect, ..openclaw_testkit::tool::spec(name) } }
    }
}

#[async_trait]
impl Tool for SlowTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        self.world.lag(0..30).await;
        let (tool, arguments) = (permit.call().name.clone(), permit.call().arguments.clone());
        self.world.state().dispatches.push(Dispatch { tool: tool.clone(), arguments, key: cx.idempotency_key.clone() });
        self.world.lag(0..250).await;
        Ok(ToolOutput::text("done", Origin::Tool { tool }))
    }
}

/// Makes the journal behind a slow connection.
pub(super) fn slow_journal(world: &Arc<World>) -> FlawedJournal {
    let lag = Arc::clone(world);
    let pause = move || {
        let world = Arc::clone(&lag);
        Box::pin(async move { world.lag(0..4).await }) as BoxFuture<'static, ()>
    };
    FlawedJournal::new(world.store.clone()).pausing(Box::new(pause))
}
