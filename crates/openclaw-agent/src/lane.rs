//! One session's actor: it owns the running turn and the input that waits.
//!
//! Commands come one at a time, so two turns of a session cannot run at once.
//! The running turn is a future inside this task: when the lane stops, it stops.

mod admitting;
mod beginning;
mod compacting;
mod recovering;

pub(crate) use admitting::{close, fault};
pub(crate) use beginning::is_repeatable;
pub(crate) use compacting::KEPT_MAX;

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use openclaw_domain::compaction::Compaction;
use openclaw_domain::ports::RunRecord;
use openclaw_domain::run::{End, Outcome, Status};
use openclaw_domain::{Fault, RunId, RunRequest, Runtime, SessionId, SessionKey, Turn};
use tokio::sync::mpsc;

use crate::command::{Command, Interrupted};
use crate::driver::{Broken, Control, Finished};
use crate::places::Place;
use crate::publish::Publisher;
use crate::queue::Queue;
use crate::recover::READ_AGAIN;
use crate::shared::Shared;

/// Messages to a running turn that it has not read yet.
const CONTROL_MAX: usize = 64;

/// The actor.
pub(crate) struct Lane {
    shared: Arc<Shared>,
    key: SessionKey,
    commands: mpsc::Receiver<Command>,
    running: Option<Running>,
    queue: Queue,
    /// The conversation as the last turn left it, to spare reading it again.
    /// Whoever changes it meanwhile moves the head, and then it is read anew.
    history: Option<History>,
    /// Runs that stopped because the journal refused; their end is still to be
    /// recorded, and the session takes no new turn before it is.
    unsettled: Vec<(RunId, Arc<Outcome>)>,
    /// A run of an earlier process that goes on once there is a place.
    interrupted: Option<Interrupted>,
    /// Unfinished runs of an earlier process that could not be read yet.
    unread: Vec<RunRecord>,
    /// The place the next turn waits for.
    place: Option<BoxFuture<'static, Arc<Place>>>,
    /// Commands that came while a summary was made.
    deferred: VecDeque<Command>,
    is_stopped: bool,
}

struct History {
    id: SessionId,
    head: u64,
    turns: Vec<Turn>,
    compaction: Option<Compaction>,
}

struct Running {
    request: RunRequest,
    control: mpsc::Sender<Control>,
    publisher: Arc<Publisher>,
    /// Runs whose input joined this turn before it began.
    joined: Vec<RunId>,
    future: BoxFuture<'static, Result<Finished, Broken>>,
}

impl Lane {
    pub(crate) fn new(shared: Arc<Shared>, key: SessionKey, commands: mpsc::Receiver<Command>) -> Self {
        Self {
            shared,
            key,
            commands,
            running: None,
            queue: Queue::default(),
            history: None,
            unsettled: Vec::new(),
            interrupted: None,
            unread: Vec::new(),
            place: None,
            deferred: VecDeque::new(),
            is_stopped: false,
        }
    }

    /// Works until told to stop or idle for long.
    pub(crate) async fn work(mut self) {
        loop {
            let idle = self.shared.options.idle;
            let clock = self.shared.ports.clock.clone();
            self.want_place();
            let is_idle = self.running.is_none() && self.place.is_none() && self.unread.is_empty();
            tokio::select! {
                biased;
                place = granted(&mut self.place) => {
                    self.place = None;
                    self.begin_next(place).await;
                }
                command = next(&mut self.deferred, &mut self.commands) => match command {
                    None | Some(Command::Stop) => return,
                    Some(command) => self.obey(command).await,
                },
                finished = finished(&mut self.running) => self.ended(finished).await,
                () = clock.sleep(READ_AGAIN), if !self.unread.is_empty() => self.read_again().await,
                () = clock.sleep(idle), if is_idle => {
                    if self.leave() {
                        return;
                    }
                }
            }
            if self.is_stopped {
                return;
            }
        }
    }

    /// Asks for a place while there is something to begin. The wish is kept
    /// while other things happen, and with it the place in the line.
    fn want_place(&mut self) {
        let is_wanted = self.running.is_none() && (self.interrupted.is_some() || !self.queue.is_empty());
        if !is_wanted {
            self.place = None;
        } else if self.place.is_none() {
            let seat = self.shared.places.of(&self.key, &Runtime::SessionBound);
            self.place = Some(Box::pin(seat.take()));
        }
    }

    /// Removes this actor from the registry unless a command slipped in.
    fn leave(&mut self) -> bool {
        let mut lanes = self.shared.lanes();
        if !self.commands.is_empty() {
            return false;
        }
        lanes.remove(&self.key);
        true
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Start { request, reply } => {
                let answer = self.accept(*request).await;
                // Whoever asked may have left; the input is recorded all the same.
                let _left = reply.send(answer);
            }
            Command::Abort { run, by, reply } => {
                let stopped = self.abort(run.as_ref(), &by).await;
                let _left = reply.send(stopped);
            }
            Command::Resolve { id, decision, by } => {
                self.control(Control::Resolve { approval: id, decision, by });
            }
            Command::Answer { id, answer, by } => {
                self.control(Control::Answer { question: id, answer, by });
            }
            // Dropping the reply says that the run does not work.
            Command::Snapshot { run, reply } => {
                if self.running.as_ref().is_some_and(|running| running.request.id == run) {
                    self.control(Control::Snapshot { reply });
                }
            }
            Command::Compact { reply } => {
                let answer = self.compact().await;
                let _left = reply.send(answer);
            }
            Command::UndoCompaction { id, by, reply } => {
                let answer = self.undo_compaction(id, &by).await;
                let _left = reply.send(answer);
            }
            // Rare and large; boxed, so that the actor stays small.
            Command::TakeUp(records) => Box::pin(self.read_left(records)).await,
            Command::Recover(found) => Box::pin(self.recover(*found)).await,
            Command::Stop => {}
        }
    }

    fn control(&self, control: Control) -> bool {
        self.running.as_ref().is_some_and(|running| running.control.try_send(control).is_ok())
    }

    async fn abort(&mut self, run: Option<&RunId>, by: &str) -> Vec<RunId> {
        let mut stopped = Vec::new();
        for request in self.queue.remove(run) {
            stopped.push(request.id.clone());
            self.end_waiting(&request, End::Cancelled { by: by.to_owned() }).await;
        }
        if let Some(interrupted) =
            self.interrupted.take_if(|interrupted| run.is_none_or(|wanted| *wanted == interrupted.request.id))
        {
            stopped.push(interrupted.request.id.clone());
            self.end_waiting(&interrupted.request, End::Cancelled { by: by.to_owned() }).await;
        }
        if let Some(running) = &self.running
            && run.is_none_or(|wanted| *wanted == running.request.id)
        {
            let id = running.request.id.clone();
            if self.control(Control::Cancel { by: by.to_owned() }) {
                stopped.push(id);
            }
        }
        stopped
    }

    /// Settles everything that ended with the turn.
    async fn ended(&mut self, finished: Result<Finished, Broken>) {
        let Some(running) = self.running.take() else { return };
        self.shared.pending.forget(&self.key, &running.request.id);
        self.shared.questions.forget(&self.key, &running.request.id);
        let name = (self.key.clone(), running.request.id.clone());
        match finished {
            Ok(finished) => {
                self.shared.stop_children(&name);
                crate::metrics::ended(&finished.outcome);
                self.shared.waiters.end(&running.request.id, &self.key, finished.outcome.clone());
                let joined = running.joined.iter().chain(&finished.carried).filter(|id| **id != running.request.id);
                for id in joined.cloned().collect::<std::collections::BTreeSet<_>>() {
                    self.end_carried(&id, running.request.source, &finished.outcome).await;
                }
                for (id, turn) in finished.left {
                    self.requeue(&running.request, id, turn).await;
                }
                self.history = Some(History {
                    id: finished.session,
                    head: finished.head,
                    turns: finished.turns,
                    compaction: finished.compaction,
                });
            }
            Err(broken) if broken.is_lost => {
                // Another process goes on with it; saying that it ended would be wrong.
                self.history = None;
                let _left_to_it = self.shared.children.ended(&name);
                self.shared.actions.forget(&self.key, &running.request.id);
                for id in running.joined.iter().chain([&running.request.id]) {
                    self.shared.waiters.forget(id, &self.key);
                }
            }
            Err(broken) => {
                // The journal refused, so the end cannot be recorded now; it is
                // told to whoever waits, and recorded before the next turn.
                self.shared.stop_children(&name);
                self.history = None;
                let now = self.shared.ports.clock.now();
                let outcome = Arc::new(stopped(End::Failed { message: broken.message }, now));
                running.publisher.publish(openclaw_domain::Change::Ended(Box::new((*outcome).clone())));
                self.unsettled.push((running.request.id.clone(), outcome.clone()));
                self.shared.waiters.end(&running.request.id, &self.key, outcome);
            }
        }
    }

    /// Records the ends the journal refused earlier.
    async fn settle(&mut self) -> Result<(), Fault> {
        while let Some((id, outcome)) = self.unsettled.last().cloned() {
            self.close(&id, &outcome).await.map_err(|error| fault(&error))?;
            self.unsettled.pop();
        }
        Ok(())
    }
}

/// Returns the next command; one that was put off comes first.
async fn next(deferred: &mut VecDeque<Command>, commands: &mut mpsc::Receiver<Command>) -> Option<Command> {
    match deferred.pop_front() {
        Some(command) => Some(command),
        None => commands.recv().await,
    }
}

/// The outcome of a run that did no work.
pub(crate) fn stopped(end: End, now: openclaw_domain::Timestamp) -> Outcome {
    Outcome {
        end,
        text: String::new(),
        answered_by: None,
        usage: openclaw_domain::model::Usage { cost_usd: Some(0.0), ..Default::default() },
        iterations: 0,
        tool_calls: 0,
        started_at: now,
        ended_at: now,
    }
}

fn status_of(outcome: &Outcome) -> Status {
    Status::from(&outcome.end)
}

/// Waits for a place that was asked for; pends while none was.
async fn granted(place: &mut Option<BoxFuture<'static, Arc<Place>>>) -> Arc<Place> {
    match place {
        Some(place) => place.await,
        None => std::future::pending().await,
    }
}

/// Waits for the running turn; pends while there is none, so that it can stand in a `select!`.
async fn finished(running: &mut Option<Running>) -> Result<Finished, Broken> {
    match running {
        Some(running) => (&mut running.future).await,
        None => std::future::pending().await,
    }
}
