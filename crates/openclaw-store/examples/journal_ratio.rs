//! Compares the journal with a bare group-commit loop on the same disk.
//!
//! Both take the same synced requests from the same number of callers. The bare
//! loop writes the same bodies (events, transcript entries, outcome), each as a
//! row of one plain table: no order, no fence, no session, no index. The two take
//! turns in short slices, so that whatever else the machine does hits both.
//!
//!     cargo run --release -p openclaw-store --example journal_ratio -- [folder] [slices] [in flight]

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openclaw_domain::ports::Journal;
use openclaw_store::{Options, Store};
use openclaw_testkit::contract::journal::{admission, ending, key};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

/// Length of a slice.
const SLICE: Duration = Duration::from_millis(500);

/// Most requests that share a transaction, as in the store.
const GROUP_MAX: usize = 256;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    let slices = arguments.next().map_or(Ok(10), |text| text.parse::<usize>())?;
    let in_flight = arguments.next().map_or(Ok(64), |text| text.parse::<usize>())?;
    let state_dir = tempfile::tempdir_in(folder)?;
    let store = Store::open(Options::new(state_dir.path()))?;
    let bare = Bare::open(&state_dir.path().join("bare.db"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (mut journal_done, mut bare_done) = (0_u64, 0_u64);
    for _ in 0..slices {
        let loops = bare.clone();
        bare_done += runtime.block_on(slice(in_flight, move |_| {
            let bare = loops.clone();
            async move { bare.run().await }
        }))?;
        let journal = store.clone();
        journal_done += runtime.block_on(slice(in_flight, move |lane| {
            let store = journal.clone();
            async move { journalled(&store, lane).await }
        }))?;
    }
    let seconds = SLICE.as_secs_f64() * slices as f64;
    let ratio = 100.0 * journal_done as f64 / bare_done.max(1) as f64;
    writeln!(
        std::io::stdout().lock(),
        "journal {:.0} runs/s, bare group commit {:.0} runs/s, {in_flight} in flight: {ratio:.0} %",
        journal_done as f64 / seconds,
        bare_done as f64 / seconds,
    )?;
    Ok(())
}

/// Lets callers work for a slice; returns how many requests they finished.
async fn slice<F, W>(callers: usize, work: F) -> Result<u64, Failure>
where
    F: Fn(usize) -> W + Clone + Send + 'static,
    W: Future<Output = Result<u64, Failure>> + Send,
{
    let deadline = Instant::now() + SLICE;
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let work = work.clone();
        tasks.spawn(async move {
            let mut done = 0;
            while Instant::now() < deadline {
                done += work(caller).await?;
            }
            Ok::<u64, Failure>(done)
        });
    }
    let mut all = 0;
    while let Some(done) = tasks.join_next().await {
        all += done??;
    }
    Ok(all)
}

/// One run: an admission and its end, both synced.
async fn journalled(store: &Store, lane: usize) -> Result<u64, Failure> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (key, id) = (key(&format!("lane-{lane}")), format!("run-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    store.admit(admission(&key, &id, "What is the weather like in Paris today?")).await?;
    store.append(ending(&key, &id, 3)).await?;
    Ok(1)
}

/// A loop that commits what has gathered, and nothing more.
#[derive(Clone)]
struct Bare {
    queue: mpsc::Sender<Request>,
    bodies: [Bodies; 2],
}

/// What one request writes, a row each.
type Bodies = Arc<[Vec<u8>]>;

type Request = (Bodies, oneshot::Sender<()>);

impl Bare {
    fn open(path: &Path) -> Result<Self, Failure> {
        let db = Connection::open(path)?;
        db.execute_batch(
            "pragma journal_mode = wal; pragma synchronous = full; pragma wal_autocheckpoint = 4000;
             create table line(id integer primary key, body blob not null);",
        )?;
        let (queue, mut jobs) = mpsc::channel::<Request>(1024);
        std::thread::spawn(move || {
            while let Some(first) = jobs.blocking_recv() {
                let mut group = vec![first];
                while group.len() < GROUP_MAX
                    && let Ok(next) = jobs.try_recv()
                {
                    group.push(next);
                }
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
        Ok(Self { queue, bodies: bodies()? })
    }

    async fn run(&self) -> Result<u64, Failure> {
        for bodies in &self.bodies {
            let (answer, answered) = oneshot::channel();
            self.queue.send((Arc::clone(bodies), answer)).await?;
            answered.await?;
        }
        Ok(1)
    }
}

fn commit(db: &Connection, group: &[Request]) -> rusqlite::Result<()> {
    db.execute_batch("begin immediate")?;
    for body in group.iter().flat_map(|(bodies, _)| bodies.iter()) {
        db.prepare_cached("insert into line(body) values (?1)")?.execute([body])?;
    }
    db.execute_batch("commit")
}

/// The bodies that one run records: at its admission, and at its end.
fn bodies() -> Result<[Bodies; 2], Failure> {
    let key = key("lane-0");
    let admitted = admission(&key, "run-0", "What is the weather like in Paris today?");
    let ended = ending(&key, "run-0", 3);
    let mut first = admitted.events.iter().map(serde_json::to_vec).collect::<Result<Vec<_>, _>>()?;
    first.push(serde_json::to_vec(&admitted.request.input)?);
    let mut second = ended.events.iter().map(serde_json::to_vec).collect::<Result<Vec<_>, _>>()?;
    second.push(serde_json::to_vec(&ended.entries)?);
    second.push(serde_json::to_vec(&ended.outcome)?);
    Ok([first.into(), second.into()])
}
