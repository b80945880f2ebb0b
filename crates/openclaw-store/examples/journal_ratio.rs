//! Compares the journal with a bare group-commit loop on the same disk.
//!
//! The question is what journalling costs over making the same words durable:
//! encoding, tables, indexes, fences, the session's counters. So both sides
//!
//! - take the same requests from the same number of callers (32 sessions, as in
//!   the load generator): two synced commits per run, one before anything is
//!   done and one before anybody is told;
//! - gather them the same way: one writing thread, a queue of 1,024, at most 256
//!   requests in a transaction: what came while the last one was synced and, when
//!   that was a large one, in the moment after;
//! - write to a SQLite file of their own in the same folder, with the same settings.
//!
//! The bare loop is given the finished bytes of every event, transcript turn and
//! outcome, and appends each as a row of one table without an index: no encoding,
//! no order, no fence, no session. A second one is given less to do still: the
//! bytes of a request in one row. All take turns in short slices, so that
//! whatever else the machine does hits all. Processor time per run is printed
//! beside the rates, because it depends less on how busy the machine is.
//!
//!     cargo run --release -p openclaw-store --example journal_ratio -- [folder] [slices] [in flight]

mod turn;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use openclaw_store::{Options, Store};
use rusqlite::Connection;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Length of a slice.
const SLICE: Duration = Duration::from_millis(500);

/// Most requests that wait, and that share a transaction, as in the store.
const QUEUE_MAX: usize = 1024;
const GROUP_MAX: usize = 256;

/// Requests of a group after which the next one waits a moment for more, as in the store.
const BUSY_MIN: usize = 4;
const LINGER: Duration = Duration::from_micros(300);

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    let slices = arguments.next().map_or(Ok(10), |text| text.parse::<u32>())?;
    let in_flight = arguments.next().map_or(Ok(32), |text| text.parse::<usize>())?;
    let state_dir = tempfile::tempdir_in(folder)?;
    let store = Store::open(Options::new(state_dir.path()))?;
    let rows = Bare::open(&state_dir.path().join("rows.db"), bodies()?)?;
    let whole = Bare::open(&state_dir.path().join("whole.db"), bodies()?.map(|bodies| vec![bodies.concat()]))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (mut journal_side, mut rows_side, mut whole_side) = (Side::default(), Side::default(), Side::default());
    let next: Arc<[AtomicU64]> = (0..in_flight).map(|_| AtomicU64::new(0)).collect();
    for _ in 0..slices {
        let loops = rows.clone();
        rows_side.slice(&runtime, in_flight, move |_| Box::pin(loops.clone().run()))?;
        let (store, next) = (store.clone(), Arc::clone(&next));
        journal_side.slice(&runtime, in_flight, move |lane| {
            let (store, n) = (store.clone(), next[lane].fetch_add(1, Ordering::Relaxed));
            Box::pin(async move { Ok(turn::record(&store, lane, n).await?) })
        })?;
        let loops = whole.clone();
        whole_side.slice(&runtime, in_flight, move |_| Box::pin(loops.clone().run()))?;
    }
    let mut out = std::io::stdout().lock();
    let seconds = (SLICE * slices).as_secs_f64();
    for (name, side) in
        [("journal", &journal_side), ("bare, a row per record", &rows_side), ("bare, a row per request", &whole_side)]
    {
        let (rate, micros) = (side.runs as f64 / seconds, side.micros_each());
        let (share, cpu) =
            (100.0 * journal_side.runs as f64 / side.runs.max(1) as f64, 100.0 * micros / journal_side.micros_each());
        write!(out, "{name:<24} {rate:6.0} runs/s, {micros:5.1} us of processor time each")?;
        writeln!(out, "; the journal has {share:3.0} % of its rate, {cpu:3.0} % by processor time")?;
    }
    writeln!(out, "{in_flight} in flight, two synced commits per run")?;
    Ok(())
}

/// What one side of the comparison did.
#[derive(Default)]
struct Side {
    runs: u64,
    spent: Duration,
}

type Work = std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

impl Side {
    /// Lets callers work for a slice.
    fn slice(
        &mut self,
        runtime: &Runtime,
        callers: usize,
        work: impl Fn(usize) -> Work + Clone + Send + 'static,
    ) -> Result<(), Failure> {
        let before = processor_time()?;
        self.runs += runtime.block_on(async {
            let deadline = Instant::now() + SLICE;
            let mut tasks = JoinSet::new();
            for caller in 0..callers {
                let work = work.clone();
                tasks.spawn(async move {
                    let mut done = 0_u64;
                    while Instant::now() < deadline {
                        work(caller).await?;
                        done += 1;
                    }
                    Ok::<u64, Failure>(done)
                });
            }
            let mut all = 0;
            while let Some(done) = tasks.join_next().await {
                all += done??;
            }
            Ok::<u64, Failure>(all)
        })?;
        self.spent += processor_time()?.saturating_sub(before);
        Ok(())
    }

    fn micros_each(&self) -> f64 {
        self.spent.as_secs_f64() * 1e6 / self.runs.max(1) as f64
    }
}

/// Returns the time the threads of this process have had a processor. The kernel
/// counts it in nanoseconds per thread; none of ours ends while it is measured.
fn processor_time() -> Result<Duration, Failure> {
    let mut nanos = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += text.split_whitespace().next().unwrap_or("0").parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}

/// A loop that commits what has gathered, and nothing more.
#[derive(Clone)]
struct Bare {
    queue: mpsc::Sender<Request>,
    requests: [Bodies; 2],
}

/// What one request writes, a row each.
type Bodies = Arc<[Vec<u8>]>;

type Request = (Bodies, oneshot::Sender<()>);

impl Bare {
    fn open(path: &Path, requests: [Vec<Vec<u8>>; 2]) -> Result<Self, Failure> {
        let db = Connection::open(path)?;
        db.execute_batch(
            "pragma auto_vacuum = incremental; pragma journal_mode = wal; pragma synchronous = full;
             pragma temp_store = memory; pragma cache_size = -4096; pragma wal_autocheckpoint = 4000;
             pragma journal_size_limit = 67108864;
             create table line(id integer primary key, body blob not null);",
        )?;
        let (queue, mut jobs) = mpsc::channel::<Request>(QUEUE_MAX);
        std::thread::spawn(move || {
            let mut is_busy = false;
            while let Some(first) = jobs.blocking_recv() {
                let mut group = vec![first];
                let mut may_linger = is_busy;
                while group.len() < GROUP_MAX {
                    match jobs.try_recv() {
                        Ok(next) => group.push(next),
                        Err(_) if std::mem::take(&mut may_linger) => std::thread::sleep(LINGER),
                        Err(_) => break,
                    }
                }
                is_busy = group.len() >= BUSY_MIN;
                if let Err(error) = commit(&db, &group) {
                    // Callers see their answer dropped and stop.
                    let _written = writeln!(std::io::stderr().lock(), "the bare loop failed: {error}");
                    return;
                }
                for (_, answer) in group {
                    answer.send(()).ok();
                }
            }
        });
        Ok(Self { queue, requests: requests.map(Into::into) })
    }

    async fn run(self) -> Result<(), Failure> {
        for bodies in &self.requests {
            let (answer, answered) = oneshot::channel();
            self.queue.send((Arc::clone(bodies), answer)).await?;
            answered.await?;
        }
        Ok(())
    }
}

fn commit(db: &Connection, group: &[Request]) -> rusqlite::Result<()> {
    db.prepare_cached("begin immediate")?.execute(())?;
    let mut insert = db.prepare_cached("insert into line(body) values (?1)")?;
    for body in group.iter().flat_map(|(bodies, _)| bodies.iter()) {
        insert.execute([body])?;
    }
    db.prepare_cached("commit")?.execute(())?;
    Ok(())
}

/// The bytes that one run records: at its beginning, and at its end.
fn bodies() -> Result<[Vec<Vec<u8>>; 2], Failure> {
    let (session, run) = turn::names(0, 0);
    let (beginning, ending) = (turn::beginning(&session, &run), turn::ending(&session, &run));
    let mut first = beginning.events.iter().map(serde_json::to_vec).collect::<Result<Vec<_>, _>>()?;
    first.push(serde_json::to_vec(&openclaw_domain::conversation::Turn::User(beginning.request.input))?);
    let mut second = ending.events.iter().map(serde_json::to_vec).collect::<Result<Vec<_>, _>>()?;
    second.extend(ending.entries.iter().map(serde_json::to_vec).collect::<Result<Vec<_>, _>>()?);
    second.push(serde_json::to_vec(&ending.outcome)?);
    Ok([first, second])
}
