//! The one thread that writes: many callers share a transaction.
//!
//! Callers queue jobs; the thread takes what has gathered while the previous
//! group was being committed, runs it in one transaction and answers after the
//! commit. Group commit is what makes a synced write per request affordable.
//! A job that is refused is undone by itself; the others are kept. When
//! the whole transaction is lost (a full disk), every job is tried again alone,
//! so that only those that cannot be written fail. Jobs are therefore `Fn`.

use std::path::{Path, PathBuf};

use openclaw_domain::ports::{CrashHook, Durability, Moment, Site};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::error::{Failure, WorkError};

/// Queues work for the writing thread. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    /// Bounded: when it is full, callers wait. Nothing is lost.
    queue: mpsc::Sender<Message>,
}

enum Message {
    Job(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

/// Work with its answer; erased so that the queue can hold any result.
trait Job: Send {
    fn durability(&self) -> Durability;
    fn sites(&self) -> &Sites;
    /// Runs the work; false when it must be rolled back.
    fn run(&mut self, db: &Connection) -> bool;
    /// Answers the caller, who may have gone.
    fn answer(self: Box<Self>, committed: Result<(), Failure>);
}

/// What a job writes, for a crash hook.
#[derive(Debug, Default)]
pub(super) struct Sites {
    pub(super) operation: &'static str,
    /// The events it carries; collected only while there is a hook.
    pub(super) events: Vec<&'static str>,
}

struct Pending<T, E, F> {
    durability: Durability,
    sites: Sites,
    work: F,
    result: Option<Result<T, WorkError<E>>>,
    reply: oneshot::Sender<Result<T, WorkError<E>>>,
}

impl<T, E, F> Job for Pending<T, E, F>
where
    T: Send,
    E: Send,
    F: Fn(&Connection) -> Result<T, WorkError<E>> + Send,
{
    fn durability(&self) -> Durability {
        self.durability
    }

    fn sites(&self) -> &Sites {
        &self.sites
    }

    fn run(&mut self, db: &Connection) -> bool {
        let result = (self.work)(db);
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

impl Writer {
    /// Starts the thread `store-writer`; it ends when the last handle is gone or
    /// [`Writer::close`] is called, after writing what was queued.
    pub(super) fn start(
        db: Connection,
        path: &Path,
        queue_max: usize,
        group_max: usize,
        crash: Option<CrashHook>,
    ) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(queue_max.max(1));
        let thread = Thread { db, path: path.to_owned(), jobs, group_max: group_max.max(1), synced: None, crash };
        std::thread::Builder::new().name("store-writer".into()).spawn(move || thread.run())?;
        Ok(Self { queue })
    }

    /// Does work in a transaction and returns once it is committed.
    ///
    /// Dropping the future before the work is queued cancels it; afterwards not.
    pub(super) async fn write<T, E, F>(
        &self,
        durability: Durability,
        sites: Sites,
        work: F,
    ) -> Result<T, WorkError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&Connection) -> Result<T, WorkError<E>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Pending { durability, sites, work, result: None, reply });
        self.queue.send(Message::Job(job)).await.map_err(|_| Failure::Closed)?;
        answer.await.map_err(|_| Failure::Closed)?
    }

    /// Writes what is queued, folds the log into the database and ends the thread.
    pub(super) async fn close(&self) {
        let (done, ended) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            // An error means the thread has ended already, which is what we want.
            drop(ended.await);
        }
    }
}

struct Thread {
    db: Connection,
    path: PathBuf,
    jobs: mpsc::Receiver<Message>,
    group_max: usize,
    /// The durability the connection is set to; `None` before the first group.
    synced: Option<Durability>,
    crash: Option<CrashHook>,
}

impl Thread {
    fn run(mut self) {
        let mut group: Vec<Box<dyn Job>> = Vec::with_capacity(self.group_max);
        let mut closing = None;
        while closing.is_none() {
            match self.jobs.blocking_recv() {
                Some(Message::Job(job)) => group.push(job),
                Some(Message::Close(done)) => closing = Some(done),
                None => break,
            }
            while group.len() < self.group_max && closing.is_none() {
                match self.jobs.try_recv() {
                    Ok(Message::Job(job)) => group.push(job),
                    Ok(Message::Close(done)) => closing = Some(done),
                    Err(_) => break,
                }
            }
            self.commit(&mut group);
        }
        self.jobs.close();
        if let Err(error) = self.db.execute_batch("pragma optimize; pragma wal_checkpoint(truncate);") {
            tracing::warn!(path = %self.path.display(), %error, "the write-ahead log was left in place");
        }
        drop(self.db);
        if let Some(done) = closing {
            // The closer may have stopped waiting.
            done.send(()).ok();
        }
    }

    /// Commits a group and answers its callers; leaves the group empty.
    fn commit(&mut self, group: &mut Vec<Box<dyn Job>>) {
        if group.is_empty() {
            return;
        }
        match self.transact(group) {
            Ok(()) => {
                group.iter().for_each(|job| self.reach(job.sites(), Moment::AfterCommit));
                group.drain(..).for_each(|job| job.answer(Ok(())));
            }
            Err(failure) if group.len() == 1 => {
                tracing::error!(path = %self.path.display(), %failure, "a write failed");
                group.drain(..).for_each(|job| job.answer(Err(failure.clone())));
            }
            Err(failure) => {
                tracing::warn!(path = %self.path.display(), %failure, jobs = group.len(), "writing them one by one");
                for mut job in group.drain(..) {
                    let committed = self.transact(std::slice::from_mut(&mut job));
                    job.answer(committed);
                }
            }
        }
    }

    /// Runs jobs in one transaction. After an error nothing of it is kept.
    ///
    /// Refusals are rare, so the first try has no savepoints: they would make
    /// SQLite copy every page before it changes. A refusal undoes the whole try,
    /// and the second one has a savepoint for each job.
    fn transact(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), Failure> {
        self.set_durability(group)?;
        if self.attempt(group, Self::run_plainly)? {
            return Ok(());
        }
        self.attempt(group, Self::run_guarded).map(drop)
    }

    /// Commits when `run` says that everything may be kept; otherwise undoes it.
    fn attempt(
        &self,
        group: &mut [Box<dyn Job>],
        run: impl Fn(&Self, &mut [Box<dyn Job>]) -> Result<bool, Failure>,
    ) -> Result<bool, Failure> {
        self.execute("begin immediate")?;
        let result =
            run(self, group).and_then(|keep| if keep { self.execute("commit").map(|()| true) } else { Ok(false) });
        if !matches!(result, Ok(true)) && !self.db.is_autocommit() {
            self.execute("rollback")?;
        }
        result
    }

    /// Runs jobs until one is refused; tells whether none was.
    fn run_plainly(&self, group: &mut [Box<dyn Job>]) -> Result<bool, Failure> {
        for job in group {
            self.reach(job.sites(), Moment::BeforeWrite);
            let keep = job.run(&self.db);
            self.check_open()?;
            if !keep {
                return Ok(false);
            }
            self.reach(job.sites(), Moment::BeforeCommit);
        }
        Ok(true)
    }

    /// Runs all jobs, each refused one undone by itself.
    fn run_guarded(&self, group: &mut [Box<dyn Job>]) -> Result<bool, Failure> {
        for job in group {
            self.execute("savepoint job")?;
            self.reach(job.sites(), Moment::BeforeWrite);
            let keep = job.run(&self.db);
            self.check_open()?;
            if !keep {
                self.execute("rollback to job")?;
            }
            self.execute("release job")?;
            self.reach(job.sites(), Moment::BeforeCommit);
        }
        Ok(true)
    }

    /// Some failures make SQLite roll back the whole transaction by itself.
    fn check_open(&self) -> Result<(), Failure> {
        if self.db.is_autocommit() { Err(Failure::Full) } else { Ok(()) }
    }

    /// Tells a crash hook how far a job got.
    fn reach(&self, sites: &Sites, moment: Moment) {
        let Some(hook) = &self.crash else { return };
        hook.at(Site::Operation(sites.operation), moment);
        sites.events.iter().for_each(|event| hook.at(Site::Event(event), moment));
    }

    /// Syncs the commit when any job of the group needs it: syncing the log
    /// makes every earlier commit durable as well, since it is one file.
    fn set_durability(&mut self, group: &[Box<dyn Job>]) -> Result<(), Failure> {
        let any_barrier = group.iter().any(|job| job.durability() == Durability::Barrier);
        let wanted = if any_barrier { Durability::Barrier } else { Durability::Committed };
        if self.synced == Some(wanted) {
            return Ok(());
        }
        self.db.execute_batch(match wanted {
            Durability::Barrier => "pragma synchronous = full",
            Durability::Committed => "pragma synchronous = normal",
        })?;
        self.synced = Some(wanted);
        Ok(())
    }

    fn execute(&self, sql: &str) -> Result<(), Failure> {
        self.db.prepare_cached(sql)?.execute(())?;
        Ok(())
    }
}
