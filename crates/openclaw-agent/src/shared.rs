//! What all actors of an engine share: its options, its ports, and the
//! registries that span sessions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;

use openclaw_domain::approval::{Approval, Grant};
use openclaw_domain::delivery::Retention;
use openclaw_domain::ports::{
    Catalog, Clock, Compactions, ContextSource, Courier, CrashHook, Gate, Grants, Journal, Memories, Model, Moment,
    Net, Outbox, Processes, RunObserver, Runs, Scratches, Sessions, Site, Tool, Variables, Workspaces,
};
use openclaw_domain::run::Abort;
use openclaw_domain::runtime::Concurrency;
use openclaw_domain::{Question, SessionKey};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::actions::Actions;
use crate::approvals::Pending;
use crate::children::{Children, Name};
use crate::command::Command;
use crate::instances::Instances;
use crate::leases::Leases;
use crate::pauses::Pauses;
use crate::places::Places;
use crate::recover::AT_ONCE;
use crate::waiters::Waiters;

/// How the engine behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names this process in the journal; a new one per start.
    pub owner: String,
    /// How long a question to a person stays open; `None` means until answered.
    pub approval_timeout: Option<Duration>,
    /// An actor without work ends after this long and frees its memory.
    pub idle: Duration,
    /// How many runs there may be at once.
    pub concurrency: Concurrency,
    /// Is called after the world answered and before that is recorded, by a test build.
    pub crash: Option<CrashHook>,
    /// How often the state of a working run is kept, so that recovery is quick; `None` means never.
    pub snapshot_interval: Option<Duration>,
    /// Names this build: checkpoints of another one are not used.
    pub build: String,
}

/// What the engine works with.
#[derive(Clone)]
pub struct Ports {
    /// The run journal.
    pub journal: Arc<dyn Journal>,
    /// Sessions.
    pub sessions: Arc<dyn Sessions>,
    /// Which parts of them are shown as summaries.
    pub compactions: Arc<dyn Compactions>,
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
    /// Places of instances that serve one request.
    pub scratches: Arc<dyn Scratches>,
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
    /// Messages to people.
    pub deliveries: Deliveries,
}

/// How answers reach people besides the transcript.
#[derive(Clone)]
pub struct Deliveries {
    /// What is to be sent.
    pub outbox: Arc<dyn Outbox>,
    /// One per channel.
    pub couriers: Vec<Arc<dyn Courier>>,
    /// An answer that could not be sent for this long is not sent any more.
    pub kept: Duration,
    /// How much of what is over is remembered.
    pub retention: Retention,
}

/// What all actors share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) ports: Ports,
    tools: RwLock<Arc<Toolbox>>,
    pub(crate) pending: Pending<Approval>,
    pub(crate) questions: Pending<Question>,
    pub(crate) actions: Actions,
    pub(crate) waiters: Waiters,
    pub(crate) places: Places,
    /// Sessions that read what was left of them; none may before all were found.
    pub(crate) reading: Semaphore,
    /// Runs that are being taken up. Held for what needs no place and waits for
    /// nobody outside, so that it always comes free.
    pub(crate) taking_up: Arc<Semaphore>,
    pub(crate) pauses: Pauses,
    pub(crate) children: Children,
    pub(crate) instances: Instances,
    pub(crate) leases: Leases,
    /// Told when something to be sent was recorded.
    pub(crate) deliveries_due: Notify,
    lanes: Mutex<Lanes>,
    pub(crate) tasks: TaskTracker,
    /// Cancelled when everything is refused from then on.
    pub(crate) stopping: CancellationToken,
    /// The engine as tools see it; set once, by the engine.
    runs: OnceLock<Weak<dyn Runs>>,
}

/// The mailboxes of the actors, by session.
pub(crate) type Lanes = HashMap<SessionKey, mpsc::Sender<Command>>;

/// Tools by name.
type Toolbox = HashMap<String, Arc<dyn Tool>>;

impl Shared {
    /// Makes the shared state of a new engine.
    pub(crate) fn new(options: Options, ports: Ports) -> Self {
        let tools = RwLock::new(Arc::new(toolbox(&ports.tools)));
        Self {
            places: Places::new(options.concurrency),
            reading: Semaphore::new(0),
            taking_up: Arc::new(Semaphore::new(AT_ONCE)),
            options,
            ports,
            tools,
            pending: Pending::default(),
            questions: Pending::default(),
            actions: Actions::default(),
            waiters: Waiters::default(),
            pauses: Pauses::default(),
            children: Children::default(),
            instances: Instances::default(),
            leases: Leases::default(),
            deliveries_due: Notify::new(),
            lanes: Mutex::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            runs: OnceLock::new(),
        }
    }

    /// Tells a crash hook that a point of the engine was reached.
    pub(crate) fn reach(&self, point: &'static str) {
        if let Some(hook) = &self.options.crash {
            hook.at(Site::Engine(point), Moment::AfterDispatch);
        }
    }

    /// Waits for a turn to take a run up; dropping it lets the next one begin.
    pub(crate) async fn take_turn(&self) -> Option<OwnedSemaphorePermit> {
        // Never closed, so never `None`.
        self.taking_up.clone().acquire_owned().await.ok()
    }

    /// Lets tools reach the engine; called once, when it is made.
    pub(crate) fn set_runs(&self, runs: Weak<dyn Runs>) {
        // The cell is new, so this is its first and only value.
        let _first = self.runs.set(runs);
    }

    /// Returns the engine as tools see it; `None` while the program stops.
    pub(crate) fn runs(&self) -> Option<Arc<dyn Runs>> {
        self.runs.get()?.upgrade()
    }

    /// Returns a tool by name.
    pub(crate) fn tool(&self, name: &str) -> Option<Arc<dyn Tool>> {
        self.tools.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Takes over newly built tools.
    pub(crate) fn replace_tools(&self, tools: &[Arc<dyn Tool>]) {
        *self.tools.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(toolbox(tools));
    }

    /// Returns the mailboxes, locked. Sending under this lock is what lets an
    /// idle actor end without losing a command: it takes itself out under the
    /// same lock, with its mailbox empty.
    pub(crate) fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses everything from here on.
    pub(crate) fn stop(&self) {
        self.stopping.cancel();
    }

    /// Stops the runs that worked for one that ended.
    pub(crate) fn stop_children(&self, run: &Name) {
        for (session, id) in self.children.ended(run) {
            let Some(runs) = self.runs() else { return };
            self.tasks.spawn(async move {
                let by = "the end of its parent".to_owned();
                if let Err(fault) = runs.abort(Abort { session: Some(session), run: Some(id.clone()), by }).await {
                    tracing::warn!(run = %id, %fault, "a child could not be stopped");
                }
            });
        }
    }

    /// Tells whether everything is refused.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
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

fn toolbox(tools: &[Arc<dyn Tool>]) -> Toolbox {
    tools.iter().map(|tool| (tool.spec().name.clone(), tool.clone())).collect()
}
