//! The engine: one actor per session behind the ports `Runs` and `Approvals`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use openclaw_domain::approval::{Approval, Decision, Grant};
use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::{
    Approvals, Catalog, Clock, ContextSource, Gate, Grants, Journal, Memories, Model, Net, Processes, RunObserver,
    Runs, Sessions, Tool, Variables, Workspaces,
};
use openclaw_domain::run::{Abort, ActiveRun, Outcome, Started};
use openclaw_domain::{RunId, RunRequest, SessionKey};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::approvals::Pending;
use crate::lane::{Command, Lane};
use crate::tool_call::Toolbox;
use crate::waiters::{Known, Waiters};

/// Commands waiting for one session's actor; more is refused as busy.
const MAILBOX_MAX: usize = 256;

/// How many ended runs of a session are searched for a late question.
const LOOKBACK: usize = 1000;

/// How the engine behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names this process in the journal; a new one per start.
    pub owner: String,
    /// How long a question to a person stays open; `None` means until answered.
    pub approval_timeout: Option<Duration>,
    /// An actor without work ends after this long and frees its memory.
    pub idle: Duration,
}

/// What the engine works with.
#[derive(Clone)]
pub struct Ports {
    /// The run journal.
    pub journal: Arc<dyn Journal>,
    /// Sessions.
    pub sessions: Arc<dyn Sessions>,
    /// Models.
    pub model: Arc<dyn Model>,
    /// All tools that exist; the gate and the catalogue decide who gets which.
    pub tools: Vec<Arc<dyn Tool>>,
    /// Judges tool calls.
    pub gate: Arc<dyn Gate>,
    /// Builds system prompts.
    pub context: Arc<dyn ContextSource>,
    /// Agents and models.
    pub catalog: Arc<dyn Catalog>,
    /// Is told what happens.
    pub observer: Arc<dyn RunObserver>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Workspaces by agent.
    pub workspaces: Workspaces,
    /// Programs, for tools.
    pub processes: Arc<dyn Processes>,
    /// Hosts outside, for tools.
    pub net: Arc<dyn Net>,
    /// Variables, for tools.
    pub variables: Arc<dyn Variables>,
    /// Memories, for tools.
    pub memories: Arc<dyn Memories>,
    /// Standing permissions.
    pub grants: Arc<dyn Grants>,
}

/// What all actors share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) ports: Ports,
    tools: RwLock<Arc<Toolbox>>,
    pub(crate) pending: Pending,
    pub(crate) waiters: Waiters,
    pub(crate) lanes: Mutex<HashMap<SessionKey, mpsc::Sender<Command>>>,
    pub(crate) tasks: TaskTracker,
    is_stopping: std::sync::atomic::AtomicBool,
    engine: OnceLock<Weak<Engine>>,
}

impl Shared {
    /// Returns the engine as tools see it; `None` while the program stops.
    pub(crate) fn runs(&self) -> Option<Arc<dyn Runs>> {
        let engine = self.engine.get()?.upgrade()?;
        Some(engine)
    }

    /// Returns a tool by name.
    pub(crate) fn tool(&self, name: &str) -> Option<Arc<dyn Tool>> {
        self.tools.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Stores a standing permission. The call at hand does not wait for it: its
    /// own evidence admits it.
    pub(crate) fn keep_grant(&self, grant: Grant) {
        let grants = self.ports.grants.clone();
        self.tasks.spawn(async move {
            if let Err(error) = grants.add(grant).await {
                tracing::error!(%error, "a standing permission could not be stored; the same call will ask again");
            }
        });
    }
}

/// Runs agents. Cheap to share; dropping it stops nothing, [`Engine::shutdown`] does.
pub struct Engine {
    shared: Arc<Shared>,
}

impl Engine {
    /// Makes an engine. Call [`Engine::recover`] before the first request.
    pub fn new(options: Options, ports: Ports) -> Arc<Self> {
        let tools = RwLock::new(Arc::new(toolbox(&ports.tools)));
        let shared = Arc::new(Shared {
            options,
            ports,
            tools,
            pending: Pending::default(),
            waiters: Waiters::default(),
            lanes: Mutex::default(),
            tasks: TaskTracker::new(),
            is_stopping: false.into(),
            engine: OnceLock::new(),
        });
        let engine = Arc::new(Self { shared });
        // The cell is new, so this is its first and only value.
        let _first = engine.shared.engine.set(Arc::downgrade(&engine));
        engine
    }

    /// Takes over newly built tools; calls that run already keep theirs.
    pub fn replace_tools(&self, tools: &[Arc<dyn Tool>]) {
        *self.shared.tools.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(toolbox(tools));
    }

    /// Takes up every run an earlier process left unfinished; returns how many.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn recover(&self) -> Result<usize, Fault> {
        crate::recover::recover(&self.shared).await
    }

    /// Stops accepting and drops all running work. Unfinished runs stay in the
    /// journal as they are and are taken up at the next start.
    pub async fn shutdown(&self) {
        self.shared.is_stopping.store(true, std::sync::atomic::Ordering::SeqCst);
        let lanes: Vec<_> = lock(&self.shared).drain().map(|(_, mailbox)| mailbox).collect();
        for mailbox in lanes {
            // A lane that is gone already has stopped.
            let _gone = mailbox.send(Command::Stop).await;
        }
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

fn toolbox(tools: &[Arc<dyn Tool>]) -> Toolbox {
    tools.iter().map(|tool| (tool.spec().name.clone(), tool.clone())).collect()
}

fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, HashMap<SessionKey, mpsc::Sender<Command>>> {
    shared.lanes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands a command to a session's actor, starting it if there is none.
pub(crate) fn tell(shared: &Arc<Shared>, session: &SessionKey, command: Command) -> Result<(), Fault> {
    if shared.is_stopping.load(std::sync::atomic::Ordering::SeqCst) {
        return Err(Fault::new(Kind::Unavailable, "the gateway is stopping").hint("try again in a few seconds"));
    }
    // Sending under the lock is what lets an idle actor end without losing a
    // command: it removes itself under the same lock, with its mailbox empty.
    let mut lanes = lock(shared);
    let mailbox = lanes.entry(session.clone()).or_insert_with(|| {
        let (mailbox, commands) = mpsc::channel(MAILBOX_MAX);
        let lane = Lane::new(shared.clone(), session.clone(), commands);
        shared.tasks.spawn(lane.work());
        mailbox
    });
    mailbox.try_send(command).map_err(|_full| {
        Fault::new(Kind::Unavailable, format!("session {session} has {MAILBOX_MAX} requests waiting"))
            .hint("wait for answers, then try again")
    })
}

fn gone() -> Fault {
    Fault::new(Kind::Unavailable, "the session's worker stopped; the request may have been recorded")
        .hint("send it again with the same key")
}

#[async_trait]
impl Runs for Engine {
    async fn start(&self, request: RunRequest) -> Result<Started, Fault> {
        let (reply, answer) = oneshot::channel();
        let session = request.session.clone();
        tell(&self.shared, &session, Command::Start { request: Box::new(request), reply })?;
        answer.await.map_err(|_dropped| gone())?
    }

    async fn abort(&self, abort: Abort) -> Result<Vec<RunId>, Fault> {
        let fits = |run: &ActiveRun| abort.run.as_ref().is_none_or(|wanted| *wanted == run.id);
        let mut sessions: Vec<SessionKey> =
            self.shared.waiters.list(abort.session.as_ref()).into_iter().filter(fits).map(|run| run.session).collect();
        sessions.sort();
        sessions.dedup();
        let mut stopped = Vec::new();
        for session in sessions {
            let (reply, answer) = oneshot::channel();
            tell(&self.shared, &session, Command::Abort { run: abort.run.clone(), by: abort.by.clone(), reply })?;
            stopped.extend(answer.await.map_err(|_dropped| gone())?);
        }
        Ok(stopped)
    }

    async fn wait(&self, session: Option<&SessionKey>, run: &RunId) -> Result<Option<Outcome>, Fault> {
        match self.shared.waiters.find(session, run) {
            Some(Known::Ended(outcome)) => return Ok(Some((*outcome).clone())),
            Some(Known::Live(mut ended)) => {
                let outcome = ended.wait_for(Option::is_some).await.map_err(|_dropped| gone())?;
                return Ok(outcome.as_ref().map(|outcome| (**outcome).clone()));
            }
            None => {}
        }
        let recorded = self.shared.ports.journal.runs(session, false, LOOKBACK).await;
        let recorded = recorded.map_err(|error| Fault::new(Kind::Unavailable, error.to_string()))?;
        Ok(recorded.into_iter().find(|record| record.id == *run).and_then(|record| record.outcome))
    }

    fn active(&self, session: Option<&SessionKey>) -> Vec<ActiveRun> {
        self.shared.waiters.list(session)
    }
}

#[async_trait]
impl Approvals for Engine {
    fn pending(&self) -> Vec<Approval> {
        self.shared.pending.list()
    }

    async fn resolve(&self, id: &str, decision: Decision, by: &str) -> Result<Approval, Fault> {
        let none =
            || Fault::new(Kind::NotFound, format!("there is no pending approval {id}")).hint("openclaw approvals list");
        let approval = self.shared.pending.take(id).ok_or_else(none)?;
        let command = Command::Resolve { id: id.to_owned(), decision, by: by.to_owned() };
        if let Err(fault) = tell(&self.shared, &approval.session, command) {
            self.shared.pending.add(approval);
            return Err(fault);
        }
        Ok(approval)
    }
}
