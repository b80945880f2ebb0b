//! The one thread that writes: many callers share a transaction.
//!
//! Callers queue jobs; the thread takes what has gathered while the previous
//! group was being committed, runs it in one transaction and answers after the
//! commit. Group commit is what makes a synced write per request affordable.
//! A job that is refused is undone by itself; the others are kept. When
//! the whole transaction is lost (a full disk), every job is tried again alone,
//! so that only those that cannot be written fail. Jobs are therefore `Fn`.

mod groups;

use std::path::{Path, PathBuf};

use openclaw_domain::ports::{CrashHook, Durability, Moment, Site};
use rusqlite::Connection;
use tokio::sync::mpsc;

use super::error::{Failure, WorkError};
use groups::{Job, Message, Queue, Target};

/// Queues work for the writing thread. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    queue: Queue<Connection>,
}

/// What a job writes, for a crash hook.
#[derive(Debug, Default)]
pub(super) struct Sites {
    pub(super) operation: &'static str,
    /// The events it carries; collected only while there is a hook.
    pub(super) events: Vec<&'static str>,
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
        let (queue, jobs) = groups::queue(queue_max.max(1));
        let thread = Thread { db, path: path.to_owned(), synced: None, crash };
        std::thread::Builder::new().name("store-writer".into()).spawn(move || thread.run(jobs, group_max.max(1)))?;
        Ok(Self { queue })
    }

    /// Does work in a transaction and returns once it is committed.
    ///
    /// Dropping the future before the work is queued cancels it; afterwards not.
    pub(super) async fn write<T, E, F>(&self, durability: Durability, sites: Sites, work: F) -> Result<T, WorkError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&Connection) -> Result<T, WorkError<E>> + Send + 'static,
    {
        self.queue.write(durability, sites, work).await
    }

    /// Writes what is queued, folds the log into the database and ends the thread.
    pub(super) async fn close(&self) {
        self.queue.close().await;
    }
}

struct Thread {
    db: Connection,
    path: PathBuf,
    /// The durability the connection is set to; `None` before the first group.
    synced: Option<Durability>,
    crash: Option<CrashHook>,
}

impl Target for Thread {
    type Cx = Connection;

    fn commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), Failure> {
        let result = self.transact(group);
        match &result {
            Ok(()) => group.iter().for_each(|job| self.reach(job.sites(), Moment::AfterCommit)),
            Err(failure) => {
                tracing::warn!(path = %self.path.display(), %failure, jobs = group.len(), "a write failed");
            }
        }
        result
    }
}

impl Thread {
    fn run(mut self, mut jobs: mpsc::Receiver<Message<Connection>>, group_max: usize) {
        let closer = groups::serve(&mut self, &mut jobs, group_max);
        jobs.close();
        if let Err(error) = self.db.execute_batch("pragma optimize; pragma wal_checkpoint(truncate);") {
            tracing::warn!(path = %self.path.display(), %error, "the write-ahead log was left in place");
        }
        drop(self.db);
        if let Some(done) = closer {
            // The closer may have stopped waiting.
            done.send(()).ok();
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
