//! An engine with scripted models and tools.

use std::sync::Arc;
use std::time::Duration;

use openclaw_agent::{Deliveries, Engine, Options, Ports};
use openclaw_domain::catalog::UnknownOutcome;
use openclaw_domain::ports::{Courier, Gate, Journal, Runs, Sessions, Tool};
use openclaw_domain::run::{Limits, Outcome, QueueMode, Source, Started};
use openclaw_domain::session::EntryQuery;
use openclaw_domain::{AssistantTurn, Fault, RunId, RunRequest, SessionKey, Timestamp, Turn, UserTurn};
use openclaw_testkit::memory::Store;
use openclaw_testkit::{
    AllowAll, FakeClock, FakeNet, FakeProcesses, FakeTool, FixedCatalog, FixedContext, MemoryFiles, Recorder,
    ScriptedModel, observer::PATIENCE,
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
    pub unknown_outcome: UnknownOutcome,
    /// Stands in for the store's journal.
    pub journal: Option<Arc<dyn Journal>>,
    pub couriers: Vec<Arc<dyn Courier>>,
    pub clock: FakeClock,
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
            unknown_outcome: UnknownOutcome::Ask,
            journal: None,
            couriers: Vec::new(),
            clock: FakeClock::new(),
        }
    }

    pub fn tool(mut self, tool: &Arc<FakeTool>) -> Self {
        self.tools.push(tool.clone());
        self
    }

    pub fn build(self) -> Rig {
        let (model, recorder, clock) = (Arc::new(self.model), Arc::new(Recorder::new()), Arc::new(self.clock));
        let files = Arc::new(MemoryFiles::new([]));
        let tools: Vec<Arc<dyn Tool>> = self.tools.iter().map(|tool| tool.clone() as Arc<dyn Tool>).collect();
        let specs: Vec<_> = tools.iter().map(|tool| tool.spec().clone()).collect();
        let catalog = FixedCatalog::new().with_limits(&self.limits).with_tools(specs);
        let catalog = catalog.with_unknown_outcome(self.unknown_outcome);
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
            deliveries: Deliveries {
                outbox: self.store.clone(),
                couriers: self.couriers,
                kept: Duration::from_secs(900),
            },
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

/// Implements the journal for a wrapper with a field `inner` that holds the
/// real one; only `append` differs.
macro_rules! delegate_journal {
    ($name:ident, append = |$this:ident, $batch:ident| $append:block) => {
        #[async_trait::async_trait]
        impl openclaw_domain::ports::Journal for $name {
            async fn admit(
                &self,
                admission: openclaw_domain::ports::Admission,
            ) -> Result<openclaw_domain::ports::Admitted, openclaw_domain::ports::JournalError> {
                self.inner.admit(admission).await
            }

            async fn claim(
                &self,
                session: &openclaw_domain::SessionKey,
                run: &openclaw_domain::RunId,
                owner: &str,
            ) -> Result<(openclaw_domain::Epoch, openclaw_domain::Seq), openclaw_domain::ports::JournalError> {
                self.inner.claim(session, run, owner).await
            }

            async fn take_over(
                &self,
                session: &openclaw_domain::SessionKey,
                run: &openclaw_domain::RunId,
                owner: &str,
            ) -> Result<(openclaw_domain::Epoch, openclaw_domain::Seq), openclaw_domain::ports::JournalError> {
                self.inner.take_over(session, run, owner).await
            }

            async fn renew(
                &self,
                owner: &str,
                ttl: std::time::Duration,
            ) -> Result<usize, openclaw_domain::ports::JournalError> {
                self.inner.renew(owner, ttl).await
            }

            async fn expired(
                &self,
                limit: usize,
            ) -> Result<Vec<openclaw_domain::ports::RunRecord>, openclaw_domain::ports::JournalError> {
                self.inner.expired(limit).await
            }

            async fn mail(
                &self,
                session: &openclaw_domain::SessionKey,
                run: &openclaw_domain::RunId,
            ) -> Result<Vec<openclaw_domain::ports::Mail>, openclaw_domain::ports::JournalError> {
                self.inner.mail(session, run).await
            }

            async fn append(
                &self,
                $batch: openclaw_domain::ports::Batch,
            ) -> Result<Vec<openclaw_domain::session::Entry>, openclaw_domain::ports::JournalError> {
                let $this = self;
                $append
            }

            async fn events(
                &self,
                session: &openclaw_domain::SessionKey,
                run: &openclaw_domain::RunId,
                after: openclaw_domain::Seq,
                limit: usize,
            ) -> Result<Vec<openclaw_domain::Recorded>, openclaw_domain::ports::JournalError> {
                self.inner.events(session, run, after, limit).await
            }

            async fn open_actions(
                &self,
            ) -> Result<Vec<openclaw_domain::ports::OpenAction>, openclaw_domain::ports::JournalError> {
                self.inner.open_actions().await
            }

            async fn settle_action(
                &self,
                session: &openclaw_domain::SessionKey,
                run: &openclaw_domain::RunId,
                call: &openclaw_domain::CallId,
                answer: openclaw_domain::Answer,
            ) -> Result<bool, openclaw_domain::ports::JournalError> {
                self.inner.settle_action(session, run, call, answer).await
            }

            async fn keep_checkpoint(
                &self,
                session: &openclaw_domain::SessionKey,
                run: &openclaw_domain::RunId,
                epoch: openclaw_domain::Epoch,
                checkpoint: openclaw_domain::ports::Checkpoint,
            ) -> Result<(), openclaw_domain::ports::JournalError> {
                self.inner.keep_checkpoint(session, run, epoch, checkpoint).await
            }

            async fn checkpoint(
                &self,
                session: &openclaw_domain::SessionKey,
                run: &openclaw_domain::RunId,
            ) -> Result<Option<openclaw_domain::ports::Checkpoint>, openclaw_domain::ports::JournalError> {
                self.inner.checkpoint(session, run).await
            }

            async fn runs(
                &self,
                session: Option<&openclaw_domain::SessionKey>,
                unfinished_only: bool,
                limit: usize,
            ) -> Result<Vec<openclaw_domain::ports::RunRecord>, openclaw_domain::ports::JournalError> {
                self.inner.runs(session, unfinished_only, limit).await
            }
        }
    };
}
pub(crate) use delegate_journal;
