//! The protocol of group commit: which jobs share a transaction, and who is
//! answered what, when.
//!
//! It knows neither the database nor the thread it runs on, so that a model
//! checker can run it under every order of events. Its promises: a job is
//! answered once, and only after the commit that holds it; a group that is lost
//! is tried again job by job; whoever queued a job that is not run is told so.

use std::time::Duration;

use openclaw_domain::ports::Durability;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::super::error::{Failure, WorkError};
use super::Sites;

/// Jobs of a group after which the next one waits a moment for more. A synced
/// commit costs as much processor time as a dozen small jobs, so that where
/// many write at once fewer commits let all of them finish sooner. Whoever
/// writes alone never waits.
const BUSY_MIN: usize = 4;

/// How long that moment is: well below what a model takes to begin to answer.
const LINGER: Duration = Duration::from_micros(300);

/// Where groups are written.
pub(super) trait Target {
    /// What jobs work on.
    type Cx;

    /// Runs jobs and commits what they did. After an error nothing of it is kept.
    fn commit(&mut self, group: &mut [Box<dyn Job<Self::Cx>>]) -> Result<(), Failure>;
}

/// Work with its answer; erased so that the queue can hold any result.
pub(super) trait Job<C = Connection>: Send {
    fn durability(&self) -> Durability;
    fn sites(&self) -> &Sites;
    /// Runs the work; false when it must be rolled back.
    fn run(&mut self, cx: &C) -> bool;
    /// Answers the caller, who may have gone.
    fn answer(self: Box<Self>, committed: Result<(), Failure>);
}

pub(super) enum Message<C> {
    Job(Box<dyn Job<C>>),
    Close(oneshot::Sender<()>),
}

/// Where messages come from.
pub(super) trait Inbox<C> {
    /// Waits for the next message; `None` when nobody is left to send one.
    fn wait(&mut self) -> Option<Message<C>>;

    /// Returns a message that is there already.
    fn take(&mut self) -> Option<Message<C>>;

    /// Gives others a moment to send more.
    fn linger(&mut self);
}

impl<C> Inbox<C> for mpsc::Receiver<Message<C>> {
    fn wait(&mut self) -> Option<Message<C>> {
        self.blocking_recv()
    }

    fn take(&mut self) -> Option<Message<C>> {
        self.try_recv().ok()
    }

    fn linger(&mut self) {
        std::thread::sleep(LINGER);
    }
}

/// Makes a queue of at most so many jobs, and its other end.
pub(super) fn queue<C>(jobs_max: usize) -> (Queue<C>, mpsc::Receiver<Message<C>>) {
    let (sender, receiver) = mpsc::channel(jobs_max);
    (Queue { sender }, receiver)
}

/// The callers' end.
#[derive(Debug)]
pub(super) struct Queue<C> {
    /// Bounded: when it is full, callers wait. Nothing is lost.
    sender: mpsc::Sender<Message<C>>,
}

impl<C> Clone for Queue<C> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone() }
    }
}

impl<C: 'static> Queue<C> {
    /// Queues work and waits for its answer.
    pub(super) async fn write<T, E, F>(&self, durability: Durability, sites: Sites, work: F) -> Result<T, WorkError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&C) -> Result<T, WorkError<E>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Pending { durability, sites, work, result: None, reply });
        self.sender.send(Message::Job(job)).await.map_err(|_| Failure::Closed)?;
        answer.await.map_err(|_| Failure::Closed)?
    }

    /// Ends the other side after what is queued, and waits for that.
    pub(super) async fn close(&self) {
        let (done, ended) = oneshot::channel();
        if self.sender.send(Message::Close(done)).await.is_ok() {
            // An error means the other side has ended already, which is what we want.
            drop(ended.await);
        }
    }
}

struct Pending<T, E, F> {
    durability: Durability,
    sites: Sites,
    work: F,
    result: Option<Result<T, WorkError<E>>>,
    reply: oneshot::Sender<Result<T, WorkError<E>>>,
}

impl<C, T, E, F> Job<C> for Pending<T, E, F>
where
    T: Send,
    E: Send,
    F: Fn(&C) -> Result<T, WorkError<E>> + Send,
{
    fn durability(&self) -> Durability {
        self.durability
    }

    fn sites(&self) -> &Sites {
        &self.sites
    }

    fn run(&mut self, cx: &C) -> bool {
        let result = (self.work)(cx);
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn answer(self: Box<Self>, committed: Result<(), Failure>) {
        let own = self.result.unwrap_or(Err(WorkError::Failed(Failure::Closed)));
        let result = match (own, committed) {
            (Ok(_), Err(failure)) => Err(WorkError::Failed(failure)),
            (own, _) => own,
        };
        // A caller that stopped waiting does not undo what was written.
        drop(self.reply.send(result));
    }
}

/// Writes groups until somebody closes, whom it returns, or nobody is left.
pub(super) fn serve<T: Target>(
    target: &mut T,
    inbox: &mut impl Inbox<T::Cx>,
    group_max: usize,
) -> Option<oneshot::Sender<()>> {
    let mut group = Vec::with_capacity(group_max);
    let mut is_busy = false;
    loop {
        let closer = gather(inbox, group_max, is_busy, &mut group)?;
        is_busy = group.len() >= BUSY_MIN;
        write(target, &mut group);
        if closer.is_some() {
            return closer;
        }
    }
}

/// Waits for a message and takes what else is there, when it is busy also what
/// comes in the next moment; `None` when nobody is left, otherwise the one who
/// closes, if somebody does.
fn gather<C>(
    inbox: &mut impl Inbox<C>,
    group_max: usize,
    is_busy: bool,
    group: &mut Vec<Box<dyn Job<C>>>,
) -> Option<Option<oneshot::Sender<()>>> {
    let mut next = Some(inbox.wait()?);
    let mut may_linger = is_busy;
    while let Some(message) = next {
        match message {
            Message::Job(job) => group.push(job),
            Message::Close(done) => return Some(Some(done)),
        }
        next = if group.len() < group_max { inbox.take() } else { None };
        if next.is_none() && group.len() < group_max && std::mem::take(&mut may_linger) {
            inbox.linger();
            next = inbox.take();
        }
    }
    Some(None)
}

/// Commits a group and answers its callers; leaves the group empty.
fn write<T: Target>(target: &mut T, group: &mut Vec<Box<dyn Job<T::Cx>>>) {
    if group.is_empty() {
        return;
    }
    match target.commit(group) {
        Ok(()) => group.drain(..).for_each(|job| job.answer(Ok(()))),
        Err(failure) if group.len() == 1 => group.drain(..).for_each(|job| job.answer(Err(failure.clone()))),
        Err(_) => {
            for mut job in group.drain(..) {
                let committed = target.commit(std::slice::from_mut(&mut job));
                job.answer(committed);
            }
        }
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod lingering;
