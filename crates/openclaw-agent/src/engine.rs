//! The engine: one actor per session behind the ports `Runs` and `Approvals`.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use openclaw_domain::approval::{Approval, Decision};
use openclaw_domain::compaction::Kept;
use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::{
    Approvals, Compacted, Execution, JournalError, Keeping, OpenAction, Pool, Questions, RunRecord, Runs,
    ScratchFolder, Snapshotted, TakeUp, Tool, Upkeep,
};
use openclaw_domain::run::{Abort, ActiveRun, Outcome, Started};
use openclaw_domain::runtime::{Instance, PoolTask};
use openclaw_domain::{Answer, InstanceId, Question, RunId, RunRequest, SessionKey};
use tokio::sync::{mpsc, oneshot};

use crate::command::Command;
use crate::driver::Control;
use crate::instances;
use crate::lane::Lane;
use crate::recover::{AT_ONCE, Found};
use crate::shared::{Options, Ports, Shared};
use crate::waiters::Known;

/// Commands waiting for one session's actor; more is refused as busy.
const MAILBOX_MAX: usize = 256;

/// How many ended runs of a session are searched for a late question.
const LOOKBACK: usize = 1000;

/// Runs agents. Cheap to share; dropping it stops nothing, [`Engine::shutdown`] does.
pub struct Engine {
    shared: Arc<Shared>,
}

impl Engine {
    /// Makes an engine. Call [`Engine::recover`] before the first request.
    pub fn new(options: Options, ports: Ports) -> Arc<Self> {
        let engine = Arc::new(Self { shared: Arc::new(Shared::new(options, ports)) });
        let runs: Arc<dyn Runs> = engine.clone();
        engine.shared.set_runs(Arc::downgrade(&runs));
        engine
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Takes over newly built tools; calls that run already keep theirs.
    pub fn replace_tools(&self, tools: &[Arc<dyn Tool>]) {
        self.shared.replace_tools(tools);
    }

    /// Takes up every run an earlier process left unfinished; returns how many.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn recover(&self) -> Result<usize, Fault> {
        let count = self.find_left().await?;
        self.take_up_left();
        Ok(count)
    }

    /// Finds every run an earlier process left unfinished; returns how many.
    /// They are known when this returns, requests may come, and those for
    /// their sessions wait until [`Engine::take_up_left`] is called.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn find_left(&self) -> Result<usize, Fault> {
        let Found { turns, instances } = crate::recover::find(&self.shared).await?;
        let count = instances.len() + turns.values().map(Vec::len).sum::<usize>();
        let (instances, live): (Vec<_>, BTreeSet<_>) = instances.into_iter().unzip();
        self.sweep(&live).await;
        for (session, records) in turns {
            // The first word to a new actor, so its mailbox has room.
            tell(&self.shared, &session, Command::TakeUp(records))?;
        }
        self.shared.tasks.spawn(crate::recover::take_up_instances(self.shared.clone(), instances));
        Ok(count)
    }

    /// Lets what was found go on, one after the other. Call it once.
    pub fn take_up_left(&self) {
        self.shared.reading.add_permits(AT_ONCE);
    }

    /// Removes scratch directories whose instance ended without removing them.
    async fn sweep(&self, live: &BTreeSet<InstanceId>) {
        let scratches = &self.shared.ports.scratches;
        let folders = match scratches.list().await {
            Ok(folders) => folders,
            Err(fault) => return tracing::error!(%fault, "left-over scratch directories could not be looked for"),
        };
        let is_left_over =
            |folder: &ScratchFolder| folder.keeping == Keeping::Destroy && !live.contains(&folder.instance);
        for folder in folders.into_iter().filter(is_left_over) {
            if let Err(fault) = scratches.close(&folder.instance, Keeping::Destroy).await {
                tracing::error!(%fault, "a left-over scratch directory could not be removed");
            }
        }
    }

    /// Starts what works beside the runs, until the engine is shut down: leases
    /// are renewed, runs of owners that are gone are taken over, and messages
    /// are sent. Call it once, after [`Engine::recover`].
    pub fn watch(&self) {
        self.shared.leases.keep();
        self.shared.tasks.spawn(crate::leases::watch(self.shared.clone()));
        self.shared.tasks.spawn(crate::outbox::dispatch(self.shared.clone()));
    }

    /// Returns how often a run began or ended, to tell a quiet time from a busy one.
    pub fn changes(&self) -> u64 {
        self.shared.waiters.changes()
    }

    /// Stops accepting and drops all running work. Unfinished runs stay in the
    /// journal as they are and are taken up at the next start.
    pub async fn shutdown(&self) {
        self.shared.stop();
        let lanes: Vec<_> = self.shared.lanes().drain().map(|(_, mailbox)| mailbox).collect();
        for mailbox in lanes {
            // A lane that is gone already has stopped.
            let _gone = mailbox.send(Command::Stop).await;
        }
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

impl Engine {
    fn abort_instances(&self, abort: &Abort) -> Vec<RunId> {
        let fits = |name: &(SessionKey, RunId)| abort.run.as_ref().is_none_or(|wanted| *wanted == name.1);
        let mut stopped = Vec::new();
        for name in self.shared.instances.of(abort.session.as_ref()).into_iter().filter(fits) {
            if self.shared.instances.tell(&name, Control::Cancel { by: abort.by.clone() }) {
                stopped.push(name.1);
            }
        }
        stopped
    }
}

#[async_trait]
impl Pool for Engine {
    async fn execute(&self, task: PoolTask) -> Result<Execution, Fault> {
        if self.shared.is_stopping() {
            return Err(stopping());
        }
        crate::pool::execute(&self.shared, task).await
    }
}

/// Hands a command to a session's actor, starting it if there is none.
pub(crate) fn tell(shared: &Arc<Shared>, session: &SessionKey, command: Command) -> Result<(), Fault> {
    if shared.is_stopping() {
        return Err(stopping());
    }
    let mut lanes = shared.lanes();
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

fn stopping() -> Fault {
    Fault::new(Kind::Unavailable, "the gateway is stopping").hint("try again in a few seconds")
}

fn gone() -> Fault {
    Fault::new(Kind::Unavailable, "the session's worker stopped; the request may have been recorded")
        .hint("send it again with the same key")
}

#[async_trait]
impl Runs for Engine {
    async fn start(&self, request: RunRequest) -> Result<Started, Fault> {
        if self.shared.is_stopping() {
            return Err(stopping());
        }
        crate::outbox::refuse_unknown(&self.shared, &request)?;
        if let Some(parent) = &request.parent {
            self.shared.children.add(parent, (request.session.clone(), request.id.clone()));
        }
        let agent = self.shared.ports.catalog.agent(request.session.agent());
        if let Some(agent) = agent
            && let Some(terms) = agent.runtime.thread_bound().copied()
        {
            return instances::start(&self.shared, request, agent, terms).await;
        }
        let (reply, answer) = oneshot::channel();
        let session = request.session.clone();
        tell(&self.shared, &session, Command::Start { request: Box::new(request), reply })?;
        answer.await.map_err(|_dropped| gone())?
    }

    async fn abort(&self, abort: Abort) -> Result<Vec<RunId>, Fault> {
        let mut stopped = self.abort_instances(&abort);
        let is_turn = |run: &ActiveRun| !self.shared.instances.holds(&(run.session.clone(), run.id.clone()));
        let fits = |run: &ActiveRun| is_turn(run) && abort.run.as_ref().is_none_or(|wanted| *wanted == run.id);
        let mut sessions: Vec<SessionKey> =
            self.shared.waiters.list(abort.session.as_ref()).into_iter().filter(fits).map(|run| run.session).collect();
        sessions.sort();
        sessions.dedup();
        for session in sessions {
            let (reply, answer) = oneshot::channel();
            tell(&self.shared, &session, Command::Abort { run: abort.run.clone(), by: abort.by.clone(), reply })?;
            stopped.extend(answer.await.map_err(|_dropped| gone())?);
        }
        Ok(stopped)
    }

    fn instances(&self) -> Vec<Instance> {
        self.shared.instances.list(&self.shared)
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
        let name = (approval.session.clone(), approval.run.clone());
        let control = Control::Resolve { approval: id.to_owned(), decision, by: by.to_owned() };
        if self.shared.instances.tell(&name, control) {
            return Ok(approval);
        }
        let command = Command::Resolve { id: id.to_owned(), decision, by: by.to_owned() };
        if let Err(fault) = tell(&self.shared, &approval.session, command) {
            self.shared.pending.add(approval);
            return Err(fault);
        }
        Ok(approval)
    }
}

#[async_trait]
impl Questions for Engine {
    fn open(&self) -> Vec<Question> {
        self.shared.questions.list()
    }

    async fn answer(&self, id: &str, answer: Answer, by: &str) -> Result<Question, Fault> {
        let none = || Fault::new(Kind::NotFound, format!("there is no open question {id}")).hint("openclaw runs list");
        let question = self.shared.questions.take(id).ok_or_else(none)?;
        let name = (question.session.clone(), question.run.clone());
        let control = Control::Answer { question: id.to_owned(), answer, by: by.to_owned() };
        if self.shared.instances.tell(&name, control) {
            return Ok(question);
        }
        let command = Command::Answer { id: id.to_owned(), answer, by: by.to_owned() };
        if let Err(fault) = tell(&self.shared, &question.session, command) {
            self.shared.questions.add(question);
            return Err(fault);
        }
        Ok(question)
    }

    async fn unsettled(&self) -> Result<Vec<OpenAction>, Fault> {
        self.shared.ports.journal.open_actions().await.map_err(|error| unavailable(&error))
    }

    async fn settle(&self, action: &OpenAction, answer: Answer) -> Result<bool, Fault> {
        let journal = &self.shared.ports.journal;
        let (session, run, call) = (&action.session, &action.run, &action.call);
        let settled = journal.settle_action(session, run, call, answer).await.map_err(|error| unavailable(&error))?;
        if settled && answer != Answer::Unknown {
            self.shared.actions.end(session, run, call);
        }
        Ok(settled)
    }
}

#[async_trait]
impl Upkeep for Engine {
    async fn snapshot(&self, run: &RunId) -> Result<Snapshotted, Fault> {
        let idle = || Fault::new(Kind::NotFound, format!("run {run} does not work now")).hint("openclaw runs list");
        let found = self.shared.waiters.list(None).into_iter().find(|live| live.id == *run).ok_or_else(idle)?;
        let (reply, answer) = oneshot::channel();
        let name = (found.session, found.id);
        if self.shared.instances.holds(&name) {
            if !self.shared.instances.tell(&name, Control::Snapshot { reply }) {
                return Err(idle());
            }
        } else {
            tell(&self.shared, &name.0, Command::Snapshot { run: run.clone(), reply })?;
        }
        answer.await.map_err(|_dropped| idle())
    }

    async fn take_up(&self, run: &RunRecord) -> Result<TakeUp, Fault> {
        crate::resume::take_up(&self.shared, run).await
    }

    async fn compact(&self, session: &SessionKey) -> Result<Compacted, Fault> {
        let (reply, answer) = oneshot::channel();
        tell(&self.shared, session, Command::Compact { reply })?;
        answer.await.map_err(|_dropped| gone())?
    }

    async fn undo_compaction(&self, session: &SessionKey, id: u64, by: &str) -> Result<Kept, Fault> {
        let (reply, answer) = oneshot::channel();
        tell(&self.shared, session, Command::UndoCompaction { id, by: by.to_owned(), reply })?;
        answer.await.map_err(|_dropped| gone())?
    }
}

fn unavailable(error: &JournalError) -> Fault {
    Fault::new(Kind::Unavailable, error.to_string())
}
