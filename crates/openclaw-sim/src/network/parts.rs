//! What the engine works with: everything takes its time, so that a crash finds
//! it before, during and after.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use openclaw_domain::ids::{CallId, Epoch, RunId, Seq, SessionKey, Timestamp};
use openclaw_domain::model::{Error as ModelError, ModelRequest, ModelStream};
use openclaw_domain::ports::{
    Admission, Admitted, Batch, Checkpoint, Clock, Journal, JournalError, Mail, Model, OpenAction, RunRecord, Tool,
    ToolCx,
};
use openclaw_domain::session::Entry;
use openclaw_domain::tool::{Effect, Error, ToolOutput, ToolSpec};
use openclaw_domain::{Answer, Origin, Permit, Recorded, Turn as Said};
use openclaw_testkit::ScriptedModel;
use openclaw_testkit::clock::START;
use openclaw_testkit::model::Turn;
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

/// The journal behind a slow connection: a crash may come before a write is
/// committed, or after it and before anybody knows.
pub(super) struct SlowJournal(pub(super) Arc<World>);

impl SlowJournal {
    async fn slowly<T>(&self, act: impl Future<Output = T>) -> T {
        self.0.lag(0..4).await;
        let result = act.await;
        self.0.lag(0..4).await;
        result
    }
}

#[async_trait]
impl Journal for SlowJournal {
    async fn admit(&self, admission: Admission) -> Result<Admitted, JournalError> {
        self.slowly(self.0.store.admit(admission)).await
    }

    async fn claim(&self, session: &SessionKey, run: &RunId, owner: &str) -> Result<(Epoch, Seq), JournalError> {
        self.slowly(self.0.store.claim(session, run, owner)).await
    }

    async fn take_over(&self, session: &SessionKey, run: &RunId, owner: &str) -> Result<(Epoch, Seq), JournalError> {
        self.slowly(self.0.store.take_over(session, run, owner)).await
    }

    async fn renew(&self, owner: &str, ttl: Duration) -> Result<usize, JournalError> {
        self.slowly(self.0.store.renew(owner, ttl)).await
    }

    async fn expired(&self, limit: usize) -> Result<Vec<RunRecord>, JournalError> {
        self.slowly(self.0.store.expired(limit)).await
    }

    async fn mail(&self, session: &SessionKey, run: &RunId) -> Result<Vec<Mail>, JournalError> {
        self.slowly(self.0.store.mail(session, run)).await
    }

    async fn append(&self, batch: Batch) -> Result<Vec<Entry>, JournalError> {
        self.slowly(self.0.store.append(batch)).await
    }

    async fn events(
        &self,
        session: &SessionKey,
        run: &RunId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Recorded>, JournalError> {
        self.slowly(self.0.store.events(session, run, after, limit)).await
    }

    async fn open_actions(&self) -> Result<Vec<OpenAction>, JournalError> {
        self.slowly(self.0.store.open_actions()).await
    }

    async fn settle_action(
        &self,
        session: &SessionKey,
        run: &RunId,
        call: &CallId,
        answer: Answer,
    ) -> Result<bool, JournalError> {
        self.slowly(self.0.store.settle_action(session, run, call, answer)).await
    }

    async fn keep_checkpoint(
        &self,
        session: &SessionKey,
        run: &RunId,
        epoch: Epoch,
        checkpoint: Checkpoint,
    ) -> Result<(), JournalError> {
        self.slowly(self.0.store.keep_checkpoint(session, run, epoch, checkpoint)).await
    }

    async fn checkpoint(&self, session: &SessionKey, run: &RunId) -> Result<Option<Checkpoint>, JournalError> {
        self.slowly(self.0.store.checkpoint(session, run)).await
    }

    async fn runs(
        &self,
        session: Option<&SessionKey>,
        unfinished_only: bool,
        limit: usize,
    ) -> Result<Vec<RunRecord>, JournalError> {
        self.slowly(self.0.store.runs(session, unfinished_only, limit)).await
    }
}
