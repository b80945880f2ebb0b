//! A tool context made of fakes, and a way to run one call through a permit.

use std::future::pending;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use openclaw_domain::fault::Fault;
use openclaw_domain::gate::{Admission, Request, admit};
use openclaw_domain::message::plain_text;
use openclaw_domain::model::Usage;
use openclaw_domain::ports::{
    Clock, FileChange, FileError, Files, Found, Metadata, Processes, Runs, Sessions, Tool, ToolCx, Walk,
};
use openclaw_domain::run::{Abort, ActiveRun, End, Outcome, RunRequest, StartState, Started};
use openclaw_domain::session::SessionChange;
use openclaw_domain::tool::{Error, Progress, ToolOutput};
use openclaw_domain::{AgentId, RunId, SessionKey, ToolCall};
use openclaw_testkit::memory::Store;
use openclaw_testkit::{AllowAll, FakeClock, FakeNet, FakeProcesses, MemoryFiles};
use serde_json::{Value, json};

pub(crate) struct Bench {
    pub(crate) files: Arc<MemoryFiles>,
    pub(crate) clock: FakeClock,
    pub(crate) processes: Arc<FakeProcesses>,
    pub(crate) net: Arc<FakeNet>,
    pub(crate) store: Arc<Store>,
    pub(crate) runs: Arc<FakeRuns>,
    pub(crate) section: Value,
    pub(crate) session: SessionKey,
    /// A file whose change the system refuses.
    pub(crate) refused: Option<&'static str>,
    pub(crate) told: Arc<Mutex<Vec<Progress>>>,
    pub(crate) tools: Mutex<Vec<Arc<dyn Tool>>>,
}

impl Default for Bench {
    fn default() -> Self {
        let clock = FakeClock::new();
        Self {
            files: Arc::new(MemoryFiles::default()),
            processes: Arc::new(FakeProcesses::echo(&clock)),
            net: Arc::new(FakeNet::unreachable()),
            store: Arc::new(Store::new()),
            runs: Arc::default(),
            section: json!({}),
            session: "agent:main:main".parse().unwrap(),
            refused: None,
            told: Arc::default(),
            tools: Mutex::default(),
            clock,
        }
    }
}

impl Bench {
    pub(crate) fn with_files(files: &[(&str, &str)]) -> Self {
        Self { files: Arc::new(MemoryFiles::new(files.iter().copied())), ..Self::default() }
    }

    /// Runs a call and returns everything it gave back.
    pub(crate) async fn call(&self, name: &str, arguments: Value) -> Result<ToolOutput, Error> {
        let tool = self.tool(name);
        let request = Request {
            call: ToolCall {
                id: "c1".parse().unwrap(),
                provider_id: "p1".into(),
                name: name.into(),
                arguments: arguments.to_string(),
            },
            capability: tool.spec().capability,
            effect: tool.spec().effect,
            agent: AgentId::main(),
            session: self.session.clone(),
            run: "r1".parse().unwrap(),
            evidence: None,
        };
        let Admission::Allow(permit) = admit(&AllowAll, request) else { panic!("everything is allowed here") };
        tool.run(permit, &self.cx()).await
    }

    /// Runs a call that must work and returns its text.
    pub(crate) async fn text(&self, name: &str, arguments: Value) -> String {
        plain_text(&self.call(name, arguments).await.unwrap().parts)
    }

    /// Runs a call that must fail and returns what the model is told.
    pub(crate) async fn refusal(&self, name: &str, arguments: Value) -> String {
        match self.call(name, arguments).await {
            Err(Error::Tell(text)) => text,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    /// Makes a session exist.
    pub(crate) async fn open(&self, key: &str) -> SessionKey {
        let key: SessionKey = key.parse().unwrap();
        self.store.open(&key, self.clock.now()).await.unwrap();
        key
    }

    /// Adds something to a session's transcript.
    pub(crate) async fn inject(&self, key: &SessionKey, turn: openclaw_domain::Turn) {
        self.store.change(key, SessionChange::Inject(turn), None, self.clock.now()).await.unwrap();
    }

    pub(crate) fn progress(&self) -> Vec<Progress> {
        self.told.lock().unwrap().clone()
    }

    /// The same tool object for all calls of a bench, as in a running program.
    fn tool(&self, name: &str) -> Arc<dyn Tool> {
        let mut tools = self.tools.lock().unwrap();
        if tools.is_empty() {
            *tools = openclaw_tools::build(&self.section);
        }
        Arc::clone(tools.iter().find(|tool| tool.spec().name == name).unwrap())
    }

    fn cx(&self) -> ToolCx {
        let progress = Arc::clone(&self.told);
        let processes: Arc<dyn Processes> = Arc::<FakeProcesses>::clone(&self.processes);
        ToolCx {
            agent: AgentId::main(),
            session: self.session.clone(),
            run: "r1".parse().unwrap(),
            root: self.session.clone(),
            idempotency_key: "k1".into(),
            files: Arc::new(Refusing { files: Arc::clone(&self.files), refused: self.refused }),
            processes,
            net: Arc::<FakeNet>::clone(&self.net),
            sessions: Arc::<Store>::clone(&self.store),
            variables: Arc::<Store>::clone(&self.store),
            memories: Arc::<Store>::clone(&self.store),
            grants: Arc::<Store>::clone(&self.store),
            runs: Arc::<FakeRuns>::clone(&self.runs),
            clock: Arc::new(self.clock.clone()),
            progress: Arc::new(move |it| progress.lock().unwrap().push(it)),
        }
    }
}

/// Files of which one cannot be changed.
struct Refusing {
    files: Arc<MemoryFiles>,
    refused: Option<&'static str>,
}

#[async_trait]
impl Files for Refusing {
    fn root(&self) -> &str {
        self.files.root()
    }

    async fn read(&self, path: &str, bytes_max: u64) -> Result<Bytes, FileError> {
        self.files.read(path, bytes_max).await
    }

    async fn stat(&self, path: &str) -> Result<Metadata, FileError> {
        self.files.stat(path).await
    }

    async fn walk(&self, path: &str, walk: &Walk) -> Result<Vec<Found>, FileError> {
        self.files.walk(path, walk).await
    }

    async fn change(&self, change: FileChange) -> Result<(), FileError> {
        match &change {
            FileChange::Write { path, .. } | FileChange::Remove { path } if Some(path.as_str()) == self.refused => {
                Err(FileError::Io { path: path.clone(), message: "no space left on device".into() })
            }
            _ => self.files.change(change).await,
        }
    }
}

/// Runs that answer with a text, or never.
#[derive(Default)]
pub(crate) struct FakeRuns {
    pub(crate) answer: Mutex<Option<String>>,
    pub(crate) started: Mutex<Vec<RunRequest>>,
}

#[async_trait]
impl Runs for FakeRuns {
    async fn start(&self, request: RunRequest) -> Result<Started, Fault> {
        let started = Started {
            run: request.id.clone(),
            session: request.session.clone(),
            state: StartState::New,
            entry: None,
            at: request.input.at,
        };
        self.started.lock().unwrap().push(request);
        Ok(started)
    }

    async fn abort(&self, _abort: Abort) -> Result<Vec<RunId>, Fault> {
        Ok(Vec::new())
    }

    async fn wait(&self, _session: Option<&SessionKey>, _run: &RunId) -> Result<Option<Outcome>, Fault> {
        let answer = self.answer.lock().unwrap().clone();
        let Some(text) = answer else { return pending().await };
        Ok(Some(Outcome {
            end: End::Done,
            text,
            answered_by: None,
            usage: Usage::default(),
            iterations: 1,
            tool_calls: 0,
            started_at: openclaw_testkit::clock::START,
            ended_at: openclaw_testkit::clock::START,
        }))
    }

    fn active(&self, _session: Option<&SessionKey>) -> Vec<ActiveRun> {
        Vec::new()
    }
}
