//! Tasks for several agents at once (C5).
//!
//! Every agent gets a run in a session of its own, all of them recorded before
//! the task counts as accepted. How many work at once is a matter of places
//! ([`crate::places`]); what has not ended when the time is up is stopped.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::{Child, Execution, Runs};
use openclaw_domain::run::{Abort, Outcome, Parent, QueueMode, Source, StartState};
use openclaw_domain::runtime::PoolTask;
use openclaw_domain::{RunId, RunRequest, SessionKey, UserTurn};
use tokio::sync::oneshot;

use crate::keys;
use crate::places::POOL_SESSION;
use crate::shared::Shared;

/// Most agents of one task; how many of them work at once is another matter.
const AGENTS_MAX: usize = 32;

/// Longest task, in bytes.
const TASK_BYTES_MAX: usize = 256 * 1024;

/// How long runs that were told to stop may take to say so.
const STOP_MAX: Duration = Duration::from_secs(5);

/// Accepts a task and sees it through.
pub(crate) async fn execute(shared: &Arc<Shared>, task: PoolTask) -> Result<Execution, Fault> {
    check(shared, &task)?;
    let runs = shared.runs().ok_or_else(|| Fault::new(Kind::Unavailable, "the gateway is stopping"))?;
    let own = shared.places.limits().task_timeout;
    let timeout = task.timeout.unwrap_or(own);
    let mut children = Vec::new();
    for n in 0..task.agents.len() {
        let request = request(shared, &task, n, timeout)?;
        let child = Child { agent: task.agents[n].clone(), session: request.session.clone(), run: request.id.clone() };
        match runs.start(request).await {
            Ok(started) => {
                let is_new = started.state == StartState::New;
                children.push((child, is_new));
            }
            Err(fault) => {
                // All or nothing; what an earlier call of the same task began goes on.
                for (child, _) in children.iter().filter(|(_, is_new)| *is_new) {
                    stop(&runs, child, "a task that could not start").await;
                }
                return Err(fault);
            }
        }
    }
    let children: Vec<Child> = children.into_iter().map(|(child, _)| child).collect();
    let (tell, told) = oneshot::channel();
    let (seen, shared_here) = (children.clone(), shared.clone());
    shared.tasks.spawn(async move {
        let stopping = shared_here.stopping.clone();
        tokio::select! {
            biased;
            () = stopping.cancelled() => {}
            outcomes = watch(&shared_here, &runs, &seen, timeout) => {
                // Whoever asked may have left.
                let _left = tell.send(outcomes);
            }
        }
    });
    let count = children.len();
    let ended = told.map(move |outcomes| outcomes.unwrap_or_else(|_stopped| vec![None; count])).boxed();
    Ok(Execution { children, ended })
}

fn check(shared: &Shared, task: &PoolTask) -> Result<(), Fault> {
    if task.agents.is_empty() || task.agents.len() > AGENTS_MAX {
        let text = format!("a task needs 1 to {AGENTS_MAX} agents, not {}", task.agents.len());
        return Err(Fault::new(Kind::User, text));
    }
    if task.task.trim().is_empty() || task.task.len() > TASK_BYTES_MAX {
        return Err(Fault::new(Kind::User, format!("a task needs 1 to {TASK_BYTES_MAX} bytes of text")));
    }
    let unknown: BTreeSet<&str> = task
        .agents
        .iter()
        .filter(|agent| shared.ports.catalog.agent(agent).is_none())
        .map(openclaw_domain::AgentId::as_str)
        .collect();
    unknown.first().map_or(Ok(()), |agent| Err(crate::model_call::no_such_agent(agent)))
}

/// Makes one agent's request. Its session and id follow from the task's id, so
/// that the same task again finds the same runs.
fn request(shared: &Shared, task: &PoolTask, n: usize, timeout: Duration) -> Result<RunRequest, Fault> {
    let name = keys::digest(&[task.id.as_str()]);
    let agent = &task.agents[n];
    let bad = |error: openclaw_domain::ids::Error| Fault::new(Kind::User, error.to_string());
    let session: SessionKey = format!("agent:{agent}:{POOL_SESSION}{name}:{n}").parse().map_err(bad)?;
    let id: RunId = format!("pool:{name}:{n}").parse().map_err(bad)?;
    let input = UserTurn::owner(&task.task, shared.ports.clock.now());
    Ok(RunRequest {
        queue: QueueMode::Followup,
        timeout: Some(timeout),
        // A task's runs end with whoever asked for it.
        parent: task.parent.clone().map(|parent| Parent { is_owner: true, ..parent }),
        ..RunRequest::new(id, session, input, Source::Agent)
    })
}

/// Waits for all runs, and stops those that are late.
async fn watch(shared: &Shared, runs: &Arc<dyn Runs>, children: &[Child], timeout: Duration) -> Vec<Option<Outcome>> {
    let all = || join_all(children.iter().map(|child| outcome(runs, child)));
    let clock = &shared.ports.clock;
    tokio::select! {
        biased;
        outcomes = all() => return outcomes,
        () = clock.sleep(timeout) => {}
    }
    for child in children {
        stop(runs, child, "the time limit of its pool task").await;
    }
    // Those that ended are known; one that cannot record its end is not waited for.
    let each = children.iter().map(|child| async move {
        tokio::select! {
            biased;
            outcome = outcome(runs, child) => outcome,
            () = clock.sleep(STOP_MAX) => None,
        }
    });
    join_all(each).await
}

async fn outcome(runs: &Arc<dyn Runs>, child: &Child) -> Option<Outcome> {
    match runs.wait(Some(&child.session), &child.run).await {
        Ok(outcome) => outcome,
        Err(fault) => {
            tracing::warn!(run = %child.run, %fault, "the outcome of a pool run is not known");
            None
        }
    }
}

async fn stop(runs: &Arc<dyn Runs>, child: &Child, by: &str) {
    let abort = Abort { session: Some(child.session.clone()), run: Some(child.run.clone()), by: by.to_owned() };
    if let Err(fault) = runs.abort(abort).await {
        tracing::warn!(run = %child.run, %fault, "a pool run could not be stopped");
    }
}
