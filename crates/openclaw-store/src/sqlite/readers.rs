//! A few threads that read, each with its own connection.
//!
//! A job wakes one idle thread and no other; while all are busy it wakes none.

use std::sync::Arc;

use crossbeam_channel::Sender;
use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use super::error::{Failure, WorkError};

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// Queues reads. Cheap to clone; the threads end when the last handle is gone
/// and what was queued is read.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    jobs: Sender<Job>,
    /// Free places of the queue: when there is none, callers wait.
    room: Arc<Semaphore>,
}

impl Readers {
    /// Starts one thread per connection.
    pub(super) fn start(connections: Vec<Connection>, queue_max: usize) -> std::io::Result<Self> {
        let room = Arc::new(Semaphore::new(queue_max.max(1)));
        // Bounded by the places, which callers wait for without holding a thread.
        let (jobs, queued) = crossbeam_channel::unbounded::<Job>();
        for (n, db) in connections.into_iter().enumerate() {
            let (queued, room) = (queued.clone(), Arc::clone(&room));
            std::thread::Builder::new().name(format!("store-reader-{n}")).spawn(move || {
                for job in queued {
                    room.add_permits(1);
                    job(&db);
                }
            })?;
        }
        Ok(Self { jobs, room })
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
        self.room.acquire().await.map_err(|_| Failure::Closed)?.forget();
        self.jobs.send(job).map_err(|_| Failure::Closed)?;
        answer.await.map_err(|_| Failure::Closed)?
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
        let room = Arc::downgrade(&readers.room);
        drop(readers.clone());
        assert_eq!(one(&readers).await, 1);
        drop(readers);
        let ended = async {
            while room.strong_count() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();
    }
}
