//! A few threads that read, each with its own connection.
//!
//! A job wakes one idle thread and no other; while all are busy it wakes none.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use super::error::{Failure, WorkError};

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// Queues reads. Cheap to clone; the threads end when the last handle is gone
/// and what was queued is read.
#[derive(Debug, Clone)]
pub(super) struct Readers(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    line: Arc<Line>,
    /// Free places of the line: when there is none, callers wait.
    room: Arc<Semaphore>,
}

/// Where jobs stand until a thread takes them.
#[derive(Default)]
struct Line {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    is_closed: bool,
}

impl Readers {
    /// Starts one thread per connection.
    pub(super) fn start(connections: Vec<Connection>, queue_max: usize) -> std::io::Result<Self> {
        let handle = Handle { line: Arc::default(), room: Arc::new(Semaphore::new(queue_max.max(1))) };
        for (n, db) in connections.into_iter().enumerate() {
            let (line, room) = (Arc::clone(&handle.line), Arc::clone(&handle.room));
            std::thread::Builder::new().name(format!("store-reader-{n}")).spawn(move || {
                while let Some(job) = line.next() {
                    room.add_permits(1);
                    job(&db);
                }
            })?;
        }
        Ok(Self(Arc::new(handle)))
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
        // The thread that takes the job gives the place back.
        self.0.room.acquire().await.map_err(|_| Failure::Closed)?.forget();
        self.0.line.push(job);
        answer.await.map_err(|_| Failure::Closed)?
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.line.lock().is_closed = true;
        self.line.more.notify_all();
    }
}

impl Line {
    fn push(&self, job: Job) {
        self.lock().jobs.push_back(job);
        self.more.notify_one();
    }

    /// Waits for a job; `None` once there is none and there will be none.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.is_closed {
                return None;
            }
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing can panic while the lock is held, so a poisoned one is as good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn readers(threads: usize, queue_max: usize) -> Readers {
        let connections = (0..threads).map(|_| Connection::open_in_memory().unwrap()).collect();
        Readers::start(connections, queue_max).unwrap()
    }

    async fn one(readers: &Readers) -> i64 {
        let select = |db: &Connection| Ok::<i64, WorkError<()>>(db.query_row("select 1", (), |row| row.get(0))?);
        tokio::time::timeout(Duration::from_secs(20), readers.read(select)).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn more_reads_than_there_is_room_for_are_all_answered() {
        let readers = readers(2, 1);
        let all = (0..100).map(|_| one(&readers));
        assert_eq!(futures_util::future::join_all(all).await.iter().sum::<i64>(), 100);
    }

    #[tokio::test]
    async fn a_read_that_fails_leaves_the_others_their_answers() {
        let readers = readers(2, 4);
        let wrong = |db: &Connection| Ok::<(), WorkError<()>>(db.execute_batch("select nothing from nowhere")?);
        assert!(readers.read(wrong).await.is_err());
        assert_eq!(one(&readers).await, 1);
    }

    #[tokio::test]
    async fn the_threads_end_with_the_last_handle() {
        let readers = readers(2, 4);
        let line = Arc::downgrade(&readers.0.line);
        drop(readers.clone());
        assert_eq!(one(&readers).await, 1);
        drop(readers);
        let ended = async {
            while line.strong_count() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();
    }
}
