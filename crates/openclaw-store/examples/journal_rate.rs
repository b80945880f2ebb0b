//! Measures how many runs per second the journal takes, synced to the disk.
//!
//! Each run is one admission (four events and the input's entry) and one final
//! append (three events, the answer, status and outcome), both barriers: a turn
//! without tools.
//!
//!     cargo run --release -p openclaw-store --example journal_rate -- [folder] [seconds] [in flight]
//!
//! The folder should be on the disk that matters: a temporary folder in memory
//! syncs for nothing.

mod turn;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use openclaw_store::{Options, Store};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse::<u64>())?;
    let in_flight = arguments.next().map_or(Ok(32), |text| text.parse::<usize>())?;
    let state_dir = tempfile::tempdir_in(folder)?;
    let began = Instant::now();
    let store = Store::open(Options::new(state_dir.path()))?;
    let opening = began.elapsed();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;

    let done = Arc::new(AtomicU64::new(0));
    let cpu_before = cpu_time();
    let began = Instant::now();
    let deadline = began + Duration::from_secs(seconds);
    runtime.block_on(async {
        let lanes: Vec<_> = (0..in_flight)
            .map(|lane| {
                let (store, done) = (store.clone(), Arc::clone(&done));
                runtime.spawn(work(store, lane, deadline, done))
            })
            .collect();
        for lane in lanes {
            lane.await??;
        }
        Ok::<(), Box<dyn std::error::Error>>(())
    })?;
    let elapsed = began.elapsed();
    let runs = done.load(Ordering::Relaxed);

    let mut out = std::io::stdout().lock();
    writeln!(out, "opened a new database in {opening:.2?}")?;
    writeln!(
        out,
        "{runs} runs in {elapsed:.2?}, {in_flight} in flight: {:.0} runs/s",
        runs as f64 / elapsed.as_secs_f64()
    )?;
    if let (Some(before), Some(after)) = (cpu_before, cpu_time()) {
        let cpu = after.saturating_sub(before);
        writeln!(out, "{:.0} CPU microseconds per run", cpu.as_secs_f64() * 1e6 / runs.max(1) as f64)?;
    }
    Ok(())
}

/// Runs one lane's turns, one after the other.
async fn work(
    store: Store,
    lane: usize,
    deadline: Instant,
    done: Arc<AtomicU64>,
) -> Result<(), openclaw_domain::ports::JournalError> {
    let mut n = 0_u64;
    while Instant::now() < deadline {
        turn::record(&store, lane, n).await?;
        done.fetch_add(1, Ordering::Relaxed);
        n += 1;
    }
    Ok(())
}

/// Returns the CPU time of this process so far, where the system tells.
fn cpu_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).map(|field| field.parse().unwrap_or(0)).sum();
    Some(Duration::from_millis(ticks * 10))
}
