//! A few threads that read, each with its own connection.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::error::{Failure, WorkError};

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// Queues reads. Cheap to clone; the threads end when the last handle is gone.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    /// Bounded: when it is full, callers wait.
    queue: mpsc::Sender<Job>,
}

impl Readers {
    /// Starts one thread per connection.
    pub(super) fn start(connections: Vec<Connection>, queue_max: usize) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel::<Job>(queue_max.max(1));
        // The idle threads stand in line at the lock; whoever holds it waits for the next job.
        let jobs = Arc::new(Mutex::new(jobs));
        for (n, db) in connections.into_iter().enumerate() {
            let jobs = Arc::clone(&jobs);
            std::thread::Builder::new().name(format!("store-reader-{n}")).spawn(move || {
                while let Some(job) = next(&jobs) {
                    job(&db);
                }
            })?;
        }
        Ok(Self { queue })
    }

    /// Reads; sees everything that was committed before the call.
    pub(super) async fn read<T, E, F>(&self, work: F) -> Result<T, WorkError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, WorkError<E>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        // A caller that stopped waiting gets no answer.
        let job: Job = Box::new(move |db| drop(reply.send(work(db))));
        self.queue.send(job).await.map_err(|_| Failure::Closed)?;
        answer.await.map_err(|_| Failure::Closed)?
    }
}

fn next(jobs: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    // Nothing can panic while the lock is held, so a poisoned one is as good.
    jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}
