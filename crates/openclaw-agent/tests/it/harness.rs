//! An engine with scripted models and tools.

use std::sync::Arc;
use std::time::Duration;

use openclaw_agent::{Deliveries, Engine, Options, Ports};
use openclaw_domain::catalog::{Agent, Compacting, UnknownOutcome};
use openclaw_domain::delivery::Retention;
use openclaw_domain::ports::{Courier, Gate, Journal, Processes, Runs, Sessions, Tool};
use openclaw_domain::run::{Limits, Outcome, QueueMode, Source, Started};
use openclaw_domain::runtime::{Concurrency, Runtime, ThreadBound};
use openclaw_domain::session::EntryQuery;
use openclaw_domain::{AssistantTurn, Fault, RunId, RunRequest, SessionKey, Timestamp, Turn, UserTurn};
use openclaw_testkit::catalog::agent;
use openclaw_testkit::memory::Store;
use openclaw_testkit::{
    AllowAll, FakeClock, FakeNet, FakeProcesses, FakeTool, FixedCatalog, FixedContext, MemoryFiles, MemoryScratches,
    Recorder, ScriptedModel, observer::PATIENCE,
};

/// How often the state of a working run is kept.
pub const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(5);

/// An engine and everything a test wants to look at.
pub struct Rig {
    pub engine: Arc<Engine>,
    pub model: Arc<ScriptedModel>,
    pub recorder: Arc<Recorder>,
    pub clock: Arc<FakeClock>,
    pub store: Arc<Store>,
    pub scratches: MemoryScratches,
}

/// What differs between tests.
pub struct Setup {
    pub model: ScriptedModel,
    pub tools: Vec<Arc<FakeTool>>,
    pub gate: Arc<dyn Gate>,
    pub limits: Limits,
    pub store: Arc<Store>,
    pub owner: &'static str,
    pub build: &'static str,
    pub approval_timeout: Option<Duration>,
    pub unknown_outcome: UnknownOutcome,
    pub compacting: Compacting,
    /// The model's context window, in tokens.
    pub window: u32,
    /// Stands in for the store's journal.
    pub journal: Option<Arc<dyn Journal>>,
    pub agents: Vec<Agent>,
    /// Tools that are no fakes.
    pub own_tools: Vec<Arc<dyn Tool>>,
    pub concurrency: Concurrency,
    /// Scratch directories of an earlier process.
    pub scratches: Option<MemoryScratches>,
    pub couriers: Vec<Arc<dyn Courier>>,
    pub clock: FakeClock,
    /// How much of what is over is remembered.
    pub retention: Retention,
}

impl Setup {
    pub fn new(model: ScriptedModel) -> Self {
        Self {
            model,
            tools: Vec::new(),
            gate: Arc::new(AllowAll),
            limits: Limits::default(),
            store: Arc::new(Store::new()),
            owner: "boot-1",
            build: "1.0.0",
            approval_timeout: None,
            unknown_outcome: UnknownOutcome::Ask,
            compacting: Compacting::default(),
            window: 128_000,
            journal: None,
            agents: Vec::new(),
            own_tools: Vec::new(),
            concurrency: Concurrency::default(),
            scratches: None,
            couriers: Vec::new(),
            clock: FakeClock::new(),
            retention: Retention::default(),
        }
    }

    /// Makes the agent `own` serve every request by an instance.
    pub fn thread_bound(mut self, terms: ThreadBound) -> Self {
        self.agents.push(Agent { runtime: Runtime::ThreadBound(terms), ..agent("own") });
        self
    }

    pub fn tool(mut self, tool: &Arc<FakeTool>) -> Self {
        self.tools.push(tool.clone());
        self
    }

    pub fn build(self) -> Rig {
        let (model, recorder, clock) = (Arc::new(self.model), Arc::new(Recorder::new()), Arc::new(self.clock));
        let files = Arc::new(MemoryFiles::new([]));
        let mut tools: Vec<Arc<dyn Tool>> = self.tools.iter().map(|tool| tool.clone() as Arc<dyn Tool>).collect();
        tools.extend(self.own_tools);
        let processes: Arc<dyn Processes> = Arc::new(FakeProcesses::echo(&clock));
        let scratches = self.scratches.unwrap_or_else(|| MemoryScratches::new(processes.clone()));
        let specs: Vec<_> = tools.iter().map(|tool| tool.spec().clone()).collect();
        let catalog = FixedCatalog::new().with_limits(&self.limits).with_tools(specs);
        let mut catalog = catalog.with_unknown_outcome(self.unknown_outcome);
        catalog.agents.extend(self.agents);
        catalog.agents[0].compaction = self.compacting;
        catalog.models[0].context_window = Some(self.window);
        let ports = Ports {
            journal: self.journal.unwrap_or_else(|| self.store.clone()),
            sessions: self.store.clone(),
            compactions: self.store.clone(),
            model: model.clone(),
            tools,
            gate: self.gate,
            context: Arc::new(FixedContext::new(["be good"])),
            catalog: Arc::new(catalog),
            observer: recorder.clone(),
            clock: clock.clone(),
            workspaces: Arc::new(move |_| Ok(files.clone())),
            scratches: Arc::new(scratches.clone()),
            processes,
            net: Arc::new(FakeNet::unreachable()),
            variables: self.store.clone(),
            memories: self.store.clone(),
            grants: self.store.clone(),
            deliveries: Deliveries {
                outbox: self.store.clone(),
                couriers: self.couriers,
                kept: Duration::from_secs(900),
                retention: self.retention,
            },
        };
        let options = Options {
            owner: self.owner.into(),
            approval_timeout: self.approval_timeout,
            crash: None,
            idle: Duration::from_secs(300),
            concurrency: self.concurrency,
            snapshot_interval: Some(SNAPSHOT_INTERVAL),
            build: self.build.into(),
        };
        Rig { engine: Engine::new(options, ports), model, recorder, clock, store: self.store, scratches }
    }
}

impl Rig {
    pub async fn start(&self, id: &str, text: &str) -> Result<Started, Fault> {
        self.engine.start(request(id, text, QueueMode::Steer)).await
    }

    pub async fn send(&self, id: &str, text: &str, queue: QueueMode) -> Started {
        self.engine.start(request(id, text, queue)).await.unwrap()
    }

    pub async fn ended(&self, id: &str) -> Outcome {
        let ended = tokio::time::timeout(PATIENCE, self.engine.wait(None, &run(id))).await;
        ended.unwrap_or_else(|_| panic!("run {id} did not end")).unwrap().unwrap()
    }

    /// Waits until the engine has no run any more.
    pub async fn idle(&self) {
        soon("the engine to be idle", async || self.engine.active(None).is_empty()).await;
    }

    /// Returns the first assistant turn that request number `n` carried, from 0.
    pub fn assistant_of(&self, n: usize) -> AssistantTurn {
        match &self.model.requests()[n].prompt.turns()[1] {
            Turn::Assistant(turn) => turn.clone(),
            Turn::User(_) => panic!("no assistant turn"),
        }
    }

    /// Returns the transcript as `role: text` lines.
    pub async fn transcript(&self) -> Vec<String> {
        self.transcript_of(&session()).await
    }

    /// The same for another session.
    pub async fn transcript_of(&self, session: &SessionKey) -> Vec<String> {
        let page = Sessions::entries(self.store.as_ref(), session, EntryQuery::default()).await.unwrap();
        page.entries
            .iter()
            .map(|entry| match &entry.turn {
                Turn::User(turn) => format!("user: {}", turn.text()),
                Turn::Assistant(turn) => {
                    let results: Vec<String> = turn
                        .calls()
                        .map(|(call, result)| {
                            format!("[{} {}]", call.name, result.map_or("open".into(), |result| result.text()))
                        })
                        .collect();
                    format!("assistant: {}{}", turn.text(), results.concat())
                }
            })
            .collect()
    }
}

/// Waits for a condition; one that does not come in time fails the test.
pub async fn soon(what: &str, holds: impl AsyncFn() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    let patience = tokio::time::timeout(PATIENCE, wait).await;
    assert!(patience.is_ok(), "waited in vain for {what}");
}

pub fn session() -> SessionKey {
    "agent:main:main".parse().unwrap()
}

pub fn run(id: &str) -> RunId {
    id.parse().unwrap()
}

pub fn request(id: &str, text: &str, queue: QueueMode) -> RunRequest {
    let input = UserTurn::owner(text, Timestamp(0));
    RunRequest { queue, ..RunRequest::new(run(id), session(), input, Source::Chat) }
}
