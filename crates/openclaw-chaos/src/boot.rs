//! How long a gateway with many open runs takes to go on with them.
//!
//! What counts is what people see: readers follow some of the runs through the
//! kill, and the clock stops when the first of them is told that its run goes on.

use std::time::Duration;

use anyhow::Context as _;
use openclaw_client::{Backoff, RunItem, RunStream, RunStreamOptions};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::home::{self, Fate};
use crate::plan::Plan;
use crate::scenario::Say;
use crate::snapshot::Watch;
use crate::tell;
use crate::world::{Site, World};

/// How long making the runs, and taking them up, may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// Most runs that are made; the gateway is told to work on so many at once.
pub const RUNS_MAX: usize = 10_000;

/// Runs that somebody follows, spread over all.
const READERS: usize = 8;

/// Between two attempts of a reader to come back.
const PAUSE: Duration = Duration::from_millis(5);

/// What was measured, in milliseconds since the process was started.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Runs that were open when the gateway was killed.
    pub runs: u64,
    /// Until something new was recorded of the first of them.
    pub recorded_ms: u128,
    /// Until a client could connect.
    pub ready_ms: u128,
    /// Until the first reader was told that its run goes on.
    pub first_ms: u128,
    /// Until every reader was told so.
    pub readers_ms: u128,
    /// Until something new was recorded of all of them.
    pub all_ms: u128,
}

/// Makes open runs, kills the gateway and watches it go on.
///
/// # Errors
/// When the runs cannot be made, or are not all taken up.
pub async fn run(site: &Site, runs: usize, told: impl Fn(&str)) -> anyhow::Result<Report> {
    anyhow::ensure!((1..=RUNS_MAX).contains(&runs), "--runs is a number from 1 to {RUNS_MAX}");
    let many = |_| json!({ "agents": { "defaults": { "maxConcurrent": RUNS_MAX } } });
    let mut world = World::with(site, many).await?;
    world.begin_life().await?;
    let mut gateway = world.home.start(&Fate::default())?;
    open_runs(&world, runs, &told).await?;
    let (resumed, mut heard) = mpsc::channel(READERS);
    let mut readers = JoinSet::new();
    for n in (0..runs).step_by(runs.div_ceil(READERS)) {
        readers.spawn(read(world.home.state(), format!("m{n}"), resumed.clone()));
    }
    let followed = readers.len();
    let watch = Watch::open(&world.home.state())?;
    gateway.kill().await?;
    let mut report = Report { runs: watch.open_runs()?, ..Report::default() };

    world.begin_life().await?;
    let began = Instant::now();
    let since = |at: Instant| at.duration_since(began).as_millis();
    let mut gateway = world.home.start(&Fate::default())?;
    let taken_up = async {
        let mut first = None;
        loop {
            let recovered = watch.count("model_started", 2)?;
            if recovered > 0 {
                first.get_or_insert_with(Instant::now);
            }
            if recovered >= report.runs {
                return anyhow::Ok((first.unwrap_or(began), Instant::now()));
            }
            // Looking costs the machine that is measured.
            tokio::time::sleep(Duration::from_millis(if first.is_some() { 50 } else { 2 })).await;
        }
    };
    let ready = async {
        let _client = world.home.connect().await?;
        anyhow::Ok(Instant::now())
    };
    let seen = async {
        let mut seen = Vec::with_capacity(followed);
        while seen.len() < followed {
            seen.push(heard.recv().await.context("a reader gave up")?);
        }
        anyhow::Ok(seen)
    };
    let all = async { tokio::try_join!(taken_up, ready, seen) };
    let measured = tokio::time::timeout(PATIENCE, all).await.context("the runs were not all taken up")??;
    let ((recorded, taken_up), ready, seen) = measured;
    report.recorded_ms = since(recorded);
    report.all_ms = since(taken_up);
    report.ready_ms = since(ready);
    report.first_ms = seen.iter().min().map_or(0, |at| since(*at));
    report.readers_ms = seen.iter().max().map_or(0, |at| since(*at));
    gateway.kill().await?;
    Ok(report)
}

/// Makes runs whose model says a word and then thinks for longer than this takes.
async fn open_runs(world: &World, runs: usize, told: &impl Fn(&str)) -> anyhow::Result<()> {
    let client = world.home.connect().await?;
    let plan = Plan { pieces: 2, pause_ms: 3_600_000, ..Plan::default() };
    for n in 0..runs {
        let say = Say::new(&format!("agent:main:open{n}"), &format!("m{n}"), plan.clone());
        client.call("chat.send", tell::params(&say)).await.context("chat.send")?;
        if n % 100 == 99 {
            told(&format!("{} runs are open", n + 1));
        }
    }
    let watch = Watch::open(&world.home.state())?;
    let is_shown = async {
        while watch.count("model_delta", 1)? < runs as u64 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, is_shown).await.context("the runs did not all begin to stream")?
}

/// Follows a run until it is told that the run goes on.
async fn read(state: std::path::PathBuf, run: String, resumed: mpsc::Sender<Instant>) {
    let mut options = RunStreamOptions::new(run);
    options.backoff = quick();
    let mut stream = RunStream::new(home::link(&state), options);
    while let Some(Ok(item)) = stream.next().await {
        if matches!(&item, RunItem::Event(event) if event.is_resumed) {
            // The one that measures has gone when this fails.
            resumed.send(Instant::now()).await.ok();
            return;
        }
    }
}

/// Attempts that follow each other quickly, because the pause is part of what is measured.
fn quick() -> Backoff {
    let mut backoff = Backoff::default();
    (backoff.first, backoff.longest) = (PAUSE, PAUSE);
    backoff
}
