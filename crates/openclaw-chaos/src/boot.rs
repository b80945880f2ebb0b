//! How long a gateway with many open runs takes to go on with them.

use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::json;

use crate::case;
use crate::home::Fate;
use crate::plan::Plan;
use crate::scenario::Say;
use crate::snapshot::Watch;
use crate::world::{Site, World};

/// How long making the runs, and taking them up, may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// What was measured, in milliseconds since the process was started.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Runs that were open when the gateway was killed.
    pub runs: u64,
    /// Until something new was recorded of the first of them.
    pub first_ms: u128,
    /// Until a client could connect.
    pub ready_ms: u128,
    /// Until something new was recorded of all of them.
    pub all_ms: u128,
}

/// Makes open runs, kills the gateway and watches it go on.
///
/// # Errors
/// When the runs cannot be made, or are not all taken up.
pub async fn run(site: &Site, runs: usize, told: impl Fn(&str)) -> anyhow::Result<Report> {
    let mut world = World::with(site, &json!({})).await?;
    world.begin_life();
    let mut gateway = world.home.start(&Fate::default())?;
    let client = world.home.connect().await?;
    // A model that says a word and then thinks for longer than this takes.
    let plan = Plan { pieces: 2, pause_ms: 3_600_000, ..Plan::default() };
    for n in 0..runs {
        let say = Say::new(&format!("agent:main:open{n}"), &format!("m{n}"), plan.clone());
        client.call("chat.send", case::params(&say)).await.context("chat.send")?;
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
    tokio::time::timeout(PATIENCE, is_shown).await.context("the runs did not all begin to stream")??;
    gateway.kill().await?;
    let mut report = Report { runs: watch.open_runs()?, ..Report::default() };

    world.begin_life();
    let began = tokio::time::Instant::now();
    let mut gateway = world.home.start(&Fate::default())?;
    let taken_up = async {
        loop {
            let recovered = watch.count("model_started", 2)?;
            if recovered > 0 && report.first_ms == 0 {
                report.first_ms = began.elapsed().as_millis();
            }
            if recovered >= report.runs {
                report.all_ms = began.elapsed().as_millis();
                return anyhow::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let ready = async {
        let _client = world.home.connect().await?;
        anyhow::Ok(began.elapsed().as_millis())
    };
    let both = async { tokio::try_join!(taken_up, ready) };
    let ((), ready_ms) = tokio::time::timeout(PATIENCE, both).await.context("the runs were not all taken up")??;
    report.ready_ms = ready_ms;
    gateway.kill().await?;
    Ok(report)
}
