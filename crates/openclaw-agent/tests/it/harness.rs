//! An engine with scripted models and tools.

use std::sync::Arc;
use std::time::Duration;

use openclaw_agent::{Engine, Options, Ports};
use openclaw_domain::ports::{Gate, Journal, Runs, Sessions, Tool};
use openclaw_domain::run::{Limits, Outcome, QueueMode, Source, Started};
use openclaw_domain::session::EntryQuery;
use openclaw_domain::{AssistantTurn, Fault, RunId, RunRequest, SessionKey, Timestamp, Turn, UserTurn};
use openclaw_testkit::memory::Store;
use openclaw_testkit::{
    AllowAll, FakeClock, FakeNet, FakeProcesses, FakeTool, FixedCatalog, FixedContext, MemoryFiles, Recorder,
    ScriptedModel,
};

/// An engine and everything a test wants to look at.
pub struct Rig {
    pub engine: Arc<Engine>,
    pub model: Arc<ScriptedModel>,
    pub recorder: Arc<Recorder>,
    pub clock: Arc<FakeClock>,
    pub store: Arc<Store>,
}

/// What differs between tests.
pub struct Setup {
    pub model: ScriptedModel,
    pub tools: Vec<Arc<FakeTool>>,
    pub gate: Arc<dyn Gate>,
    pub limits: Limits,
    pub store: Arc<Store>,
    pub owner: &'static str,
    pub approval_timeout: Option<Duration>,
    /// Stands in for the store's journal.
    pub journal: Option<Arc<dyn Journal>>,
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
            approval_timeout: None,
            journal: None,
        }
    }

    pub fn tool(mut self, tool: &Arc<FakeTool>) -> Self {
        self.tools.push(tool.clone());
        self
    }

    pub fn build(self) -> Rig {
        let (model, recorder, clock) = (Arc::new(self.model), Arc::new(Recorder::new()), Arc::new(FakeClock::new()));
        let files = Arc::new(MemoryFiles::new([]));
        let tools: Vec<Arc<dyn Tool>> = self.tools.iter().map(|tool| tool.clone() as Arc<dyn Tool>).collect();
        let specs: Vec<_> = tools.iter().map(|tool| tool.spec().clone()).collect();
        let catalog = FixedCatalog::new().with_limits(&self.limits).with_tools(specs);
        let ports = Ports {
            journal: self.journal.unwrap_or_else(|| self.store.clone()),
            sessions: self.store.clone(),
            model: model.clone(),
            tools,
            gate: self.gate,
            context: Arc::new(FixedContext::new(["be good"])),
            catalog: Arc::new(catalog),
            observer: recorder.clone(),
            clock: clock.clone(),
            workspaces: Arc::new(move |_| Ok(files.clone())),
            processes: Arc::new(FakeProcesses::echo(&clock)),
            net: Arc::new(FakeNet::unreachable()),
            variables: self.store.clone(),
            memories: self.store.clone(),
            grants: self.store.clone(),
        };
        let options = Options {
            owner: self.owner.into(),
            approval_timeout: self.approval_timeout,
            crash: None,
            idle: Duration::from_secs(300),
        };
        Rig { engine: Engine::new(options, ports), model, recorder, clock, store: self.store }
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
        self.engine.wait(None, &run(id)).await.unwrap().unwrap()
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
        let page = Sessions::entries(self.store.as_ref(), &session(), EntryQuery::default()).await.unwrap();
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
