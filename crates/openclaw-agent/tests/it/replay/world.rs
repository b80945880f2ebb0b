//! Conversations made from a seed, with the real engine: parallel tools,
//! refusals, questions, steering, limits, and processes that stop anywhere.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use openclaw_agent::{Deliveries, Engine, Options, Ports};
use openclaw_domain::approval::Decision;
use openclaw_domain::delivery::Retention;
use openclaw_domain::model::{self, ErrorClass, ModelRequest, ModelStream, StopReason};
use openclaw_domain::ports::{
    Approvals, Compactions, Gate, Grants, Journal, Memories, Model, Outbox, Questions, Runs, Sessions, Tool, ToolCx,
    Variables,
};
use openclaw_domain::run::{Abort, QueueMode};
use openclaw_domain::runtime::Concurrency;
use openclaw_domain::session::Scope;
use openclaw_domain::tool::{Effect, Error, Probed, ToolOutput, ToolSpec};
use openclaw_domain::{Answer, Limits, Origin, Permit, Timestamp, ToolCall, Turn as Said};
use openclaw_testkit::model::{Turn, error};
use openclaw_testkit::tool::spec;
use openclaw_testkit::{
    AllowAll, AskAll, DenyAll, FakeClock, FakeNet, FakeProcesses, FixedCatalog, FixedContext, MemoryFiles,
    MemoryScratches, Recorder, ScriptedModel, memory,
};
use serde_json::json;

use super::random::Random;
use crate::harness::{request, session};

/// Where everything is kept.
#[derive(Clone)]
pub struct Stores {
    pub journal: Arc<dyn Journal>,
    pub sessions: Arc<dyn Sessions>,
    pub variables: Arc<dyn Variables>,
    pub memories: Arc<dyn Memories>,
    pub grants: Arc<dyn Grants>,
    pub outbox: Arc<dyn Outbox>,
    pub compactions: Arc<dyn Compactions>,
}

impl Stores {
    pub fn memory(store: Arc<memory::Store>) -> Self {
        Self {
            journal: store.clone(),
            sessions: store.clone(),
            variables: store.clone(),
            memories: store.clone(),
            grants: store.clone(),
            outbox: store.clone(),
            compactions: store,
        }
    }

    pub fn sqlite(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let store = openclaw_store::sqlite::Store::open(openclaw_store::sqlite::Options::new(folder)).unwrap();
        let store = Arc::new(store);
        Self {
            journal: store.clone(),
            sessions: store.clone(),
            variables: store.clone(),
            memories: store.clone(),
            grants: store.clone(),
            outbox: store.clone(),
            compactions: store,
        }
    }
}

/// What an engine of a test is made of.
pub struct Parts {
    pub stores: Stores,
    pub model: Arc<dyn Model>,
    pub tools: Vec<Arc<dyn Tool>>,
    pub gate: Arc<dyn Gate>,
    pub limits: Limits,
    pub clock: Arc<FakeClock>,
}

/// Makes an engine; `owner` names the process.
pub fn engine(parts: &Parts, owner: &str) -> Arc<Engine> {
    let files = Arc::new(MemoryFiles::new([]));
    let specs: Vec<_> = parts.tools.iter().map(|tool| tool.spec().clone()).collect();
    let ports = Ports {
        journal: parts.stores.journal.clone(),
        sessions: parts.stores.sessions.clone(),
        compactions: parts.stores.compactions.clone(),
        model: parts.model.clone(),
        tools: parts.tools.clone(),
        gate: parts.gate.clone(),
        context: Arc::new(FixedContext::new(["be good"])),
        catalog: Arc::new(FixedCatalog::new().with_limits(&parts.limits).with_tools(specs)),
        observer: Arc::new(Recorder::new()),
        clock: parts.clock.clone(),
        workspaces: Arc::new(move |_| Ok(files.clone())),
        scratches: Arc::new(MemoryScratches::new(Arc::new(FakeProcesses::echo(&parts.clock)))),
        processes: Arc::new(FakeProcesses::echo(&parts.clock)),
        net: Arc::new(FakeNet::unreachable()),
        variables: parts.stores.variables.clone(),
        memories: parts.stores.memories.clone(),
        grants: parts.stores.grants.clone(),
        deliveries: Deliveries {
            outbox: parts.stores.outbox.clone(),
            couriers: Vec::new(),
            kept: Duration::from_secs(900),
            retention: Retention::default(),
        },
    };
    let options = Options {
        owner: owner.into(),
        approval_timeout: Some(Duration::from_secs(30)),
        idle: Duration::from_secs(300),
        crash: None,
        concurrency: Concurrency::default(),
        // Replay must not depend on where a checkpoint was made.
        snapshot_interval: Some(Duration::from_millis(1)),
        build: "1".to_owned(),
    };
    Engine::new(options, ports)
}

/// A tool that takes its time and sometimes fails.
struct Slow {
    spec: ToolSpec,
    random: Arc<Random>,
}

#[async_trait]
impl Tool for Slow {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, _cx: &ToolCx) -> Result<ToolOutput, Error> {
        for _ in 0..self.random.below(60) {
            tokio::task::yield_now().await;
        }
        let name = permit.call().name.clone();
        match self.random.below(12) {
            0 | 1 => Err(Error::tell(format!("{name} found nothing at {}", permit.call().arguments))),
            2 if self.random.one_in(4) => Err(Error::EndRun("its store is gone".into())),
            n => Ok(ToolOutput::text(format!("{name} says {n}"), Origin::Tool { tool: name })
                .with_details(json!({ "n": n }))),
        }
    }

    async fn probe(&self, call: &ToolCall, _cx: &ToolCx) -> Probed {
        tokio::task::yield_now().await;
        match self.random.below(3) {
            0 => Probed::Happened(ToolOutput::text("it did", Origin::Tool { tool: call.name.clone() })),
            1 => Probed::NotHappened,
            _ => Probed::Unknown,
        }
    }
}

/// A model whose stream takes its time.
struct SlowModel {
    says: ScriptedModel,
    random: Arc<Random>,
}

#[async_trait]
impl Model for SlowModel {
    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, model::Error> {
        let stream = self.says.stream(request).await?;
        let random = self.random.clone();
        let slow = stream.then(move |item| {
            let turns = random.below(4);
            async move {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                item
            }
        });
        Ok(Box::pin(slow))
    }
}

const TOOLS: [(&str, Effect); 4] =
    [("look", Effect::Pure), ("set", Effect::Idempotent), ("pay", Effect::Keyed), ("post", Effect::Once)];

fn answer(request: &ModelRequest, random: &Random) -> Turn {
    let spoken = request.prompt.turns().iter().filter(|turn| matches!(turn, Said::Assistant(_))).count();
    if random.one_in(40) {
        return Turn::new().text("half ").fail(error(ErrorClass::Overloaded, "too busy"));
    }
    let mut turn = Turn::new();
    if random.one_in(6) {
        turn = turn.text("wrong start ").supersede("another attempt");
    }
    for n in 0..random.below(4) {
        turn = turn.text(format!("word {n} of {spoken} é ")).thinking("hm");
    }
    if random.one_in(25) {
        return turn.text("to be continued").stop(StopReason::Pause);
    }
    if spoken > 8 || random.one_in(4) {
        return turn.text(format!("done after {spoken}"));
    }
    for _ in 0..=random.below(3) {
        turn = match random.below(14) {
            0 => turn.call("nothing", &json!({})),
            1 => turn.call_text("look", "not json"),
            n => {
                let (tool, _) = TOOLS[usize::try_from(n).unwrap() % TOOLS.len()];
                turn.call(tool, &json!({ "to": random.below(3), "cwd": "/tmp", "a": "x" }))
            }
        };
    }
    if random.one_in(20) { turn.stop(StopReason::MaxTokens) } else { turn }
}

fn parts(stores: &Stores, random: &Arc<Random>) -> Parts {
    let tool = |(name, effect): (&str, Effect)| {
        let spec = ToolSpec { effect, ..spec(name) };
        Arc::new(Slow { spec, random: random.clone() }) as Arc<dyn Tool>
    };
    let script = random.clone();
    let says = ScriptedModel::answering(move |request| answer(request, &script));
    let gate: Arc<dyn Gate> = match random.below(8) {
        0..=3 => Arc::new(AllowAll),
        4..=6 => Arc::new(AskAll),
        _ => Arc::new(DenyAll),
    };
    let limits = Limits {
        parallel_tools_max: usize::try_from(1 + random.below(3)).unwrap(),
        iterations_max: if random.one_in(5) { 2 } else { 20 },
        duration_max: Duration::from_secs(if random.one_in(4) { 2 } else { 600 }),
        ..Limits::default()
    };
    Parts {
        stores: stores.clone(),
        model: Arc::new(SlowModel { says, random: random.clone() }),
        tools: TOOLS.map(tool).into(),
        gate,
        limits,
        clock: Arc::new(FakeClock::new()),
    }
}

/// Lives a conversation of several runs to its end; returns the last engine.
pub async fn live(stores: &Stores, seed: u64) -> Arc<Engine> {
    let random = Arc::new(Random::new(seed));
    let parts = parts(stores, &random);
    let mut now = engine(&parts, "boot-0");
    now.recover().await.unwrap();
    let mut sent = 0;
    for boot in 1..=random.below(4) {
        for _ in 0..random.below(40) {
            act(&now, &parts, &random, &mut sent).await;
        }
        // Everything in flight is dropped where it is.
        now.shutdown().await;
        // A process that is gone writes nothing more: what it had queued is there.
        let note = Some(json!(boot));
        stores.variables.set(&Scope::Global, "boot", note, Timestamp(0)).await.unwrap();
        now = engine(&parts, &format!("boot-{boot}"));
        now.recover().await.unwrap();
    }
    while sent < 2 {
        send(&now, &random, &mut sent).await;
    }
    while !now.active(None).is_empty() {
        act(&now, &parts, &random, &mut sent).await;
    }
    now
}

/// Something happens: input, an answer, time, or nothing.
async fn act(engine: &Arc<Engine>, parts: &Parts, random: &Random, sent: &mut u64) {
    match random.below(40) {
        0..=2 if *sent < 6 => send(engine, random, sent).await,
        3 if random.one_in(6) => {
            let abort = Abort { session: Some(session()), run: None, by: "rpc".into() };
            engine.abort(abort).await.unwrap();
        }
        4 => parts.clock.advance(Duration::from_millis(100 + random.below(400))).await,
        5 if random.one_in(3) => parts.clock.advance(Duration::from_secs(31)).await,
        6..=12 => {
            for asked in engine.pending() {
                let decision = [Decision::AllowOnce, Decision::AllowAlways, Decision::Deny]
                    [usize::try_from(random.below(3)).unwrap()];
                // The run may have ended meanwhile.
                let _late = engine.resolve(&asked.id, decision, "owner").await;
            }
        }
        13..=16 => {
            for asked in engine.open() {
                let answer = Answer::ALL[usize::try_from(random.below(3)).unwrap()];
                let _late = engine.answer(&asked.id, answer, "owner").await;
            }
        }
        _ => {
            for _ in 0..random.below(8) {
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn send(engine: &Arc<Engine>, random: &Random, sent: &mut u64) {
    *sent += 1;
    let mode = [QueueMode::Steer, QueueMode::Followup, QueueMode::Collect, QueueMode::Interrupt]
        [usize::try_from(random.below(4)).unwrap()];
    engine.start(request(&format!("r{sent}"), &format!("input {sent}"), mode)).await.unwrap();
}
