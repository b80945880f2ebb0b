//! One case: a scenario, killed where it is told to, started again, and judged.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::Child;

use crate::check;
use crate::evidence::{Evidence, Violation};
use crate::home::Fate;
use crate::scenario::{Act, Between, Say, Scenario};
use crate::snapshot::{Snapshot, Watch};
use crate::tell::tell;
use crate::world::{Site, World};

/// How long one start of the gateway may take to get everything done.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a gateway that is being killed may seem alive.
const DYING_MAX: Duration = Duration::from_millis(400);

/// How long what an instance leaves may be there after its end (I12).
const LEAVING_MAX: Duration = Duration::from_secs(1);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// What became of a case.
#[derive(Debug)]
pub struct Outcome {
    /// What must not be.
    pub violations: Vec<Violation>,
    /// Kills that did not happen, because their site was not reached this time.
    pub missed: Vec<String>,
    /// How long it took.
    pub took: Duration,
    /// Where the home was kept, when something was found.
    pub kept: Option<PathBuf>,
    /// What the gateway wrote to its terminal, when something was found.
    pub output: String,
}

/// How a life ended.
enum Life {
    /// The gateway killed itself.
    Died,
    /// Everything is done.
    Over,
    /// It went on too long, or broke.
    Stuck(String),
}

/// Runs a scenario that is killed at each of `kills`, one after the other, and then left alone.
///
/// # Errors
/// When the world cannot be made or looked at.
pub async fn run(site: &Site, scenario: &Scenario, kills: &[String]) -> anyhow::Result<Outcome> {
    let began = tokio::time::Instant::now();
    let mut world = World::make(site, scenario).await?;
    let acts = (scenario.acts)(&world.ground()?);
    let is_without_folders = scenario.between == Between::NoFolders;
    let mut evidence = Evidence { said: said(&acts), is_without_folders, ..Evidence::default() };
    let mut violations = Vec::new();
    let mut missed = Vec::new();
    for kill in kills {
        let fate = Fate { crash_at: Some(kill.clone()), trace: None };
        match live(&mut world, &fate, &acts, &mut evidence).await? {
            Life::Died => {}
            Life::Over => missed.push(kill.clone()),
            Life::Stuck(why) => violations.push(stuck(&why)),
        }
        match Snapshot::take(&world.home.state()) {
            Ok(snapshot) => {
                evidence.crashes.push(snapshot);
                evidence.kills += 1;
            }
            Err(error) => violations.push(Violation { rule: "database", what: format!("after {kill}: {error:#}") }),
        }
        scenario.between.happen(&world.home.state()).await?;
    }
    match live(&mut world, &Fate::default(), &acts, &mut evidence).await? {
        Life::Over => {}
        Life::Died => violations.push(stuck("the gateway ended by itself")),
        Life::Stuck(why) => violations.push(stuck(&why)),
    }
    finish(&world, &mut evidence, &mut violations)?;
    let output = if violations.is_empty() { String::new() } else { world.home.output() };
    let kept = (!violations.is_empty()).then(|| world.home.keep());
    Ok(Outcome { violations, missed, took: began.elapsed(), kept, output })
}

/// Runs a scenario once and returns the trace of its life after `kills`.
///
/// # Errors
/// When the world cannot be made, or the scenario does not end.
pub async fn trace(site: &Site, scenario: &Scenario, kills: &[String]) -> anyhow::Result<String> {
    let mut world = World::make(site, scenario).await?;
    let acts = (scenario.acts)(&world.ground()?);
    let mut evidence = Evidence { said: said(&acts), ..Evidence::default() };
    for kill in kills {
        let fate = Fate { crash_at: Some(kill.clone()), trace: None };
        let why = match live(&mut world, &fate, &acts, &mut evidence).await? {
            Life::Died => {
                scenario.between.happen(&world.home.state()).await?;
                continue;
            }
            Life::Over => format!("it was over: {}", unfinished(&world)),
            Life::Stuck(why) => why,
        };
        anyhow::bail!("scenario {} did not reach {kill}: {why}; {}", scenario.name, world.home.output());
    }
    let file = world.home.state().join("trace");
    let fate = Fate { crash_at: None, trace: Some(file.clone()) };
    match live(&mut world, &fate, &acts, &mut evidence).await? {
        Life::Over => Ok(std::fs::read_to_string(&file).unwrap_or_default()),
        Life::Died => anyhow::bail!("scenario {}: the gateway ended; {}", scenario.name, world.home.output()),
        Life::Stuck(why) => anyhow::bail!("scenario {}: {why}; {}", scenario.name, world.home.output()),
    }
}

fn stuck(why: &str) -> Violation {
    Violation { rule: "liveness", what: why.to_owned() }
}

fn said(acts: &[Act]) -> Vec<Say> {
    acts.iter()
        .filter_map(|act| match act {
            Act::Say(say) => Some(say.clone()),
            Act::Calls(_)
            | Act::Over
            | Act::Asked
            | Act::Call(..)
            | Act::Shorten(_)
            | Act::Restore(_)
            | Act::Steal
            | Act::Settle
            | Act::SendAgain => None,
        })
        .collect()
}

/// Collects what is left and judges it.
fn finish(world: &World, evidence: &mut Evidence, violations: &mut Vec<Violation>) -> anyhow::Result<()> {
    match Snapshot::take(&world.home.state()) {
        Ok(snapshot) => evidence.end = snapshot,
        Err(error) => violations.push(Violation { rule: "database", what: format!("at the end: {error:#}") }),
    }
    evidence.seen = world.readers.seen();
    evidence.resumed = world.readers.resumed();
    evidence.effects = world.effects.log();
    evidence.messages = world.effects.messages();
    evidence.calls = world.meter.calls();
    for file in std::fs::read_dir(world.home.workspace())? {
        let file = file?;
        if file.file_type()?.is_file() {
            let name = file.file_name().to_string_lossy().into_owned();
            evidence.files.insert(name, std::fs::read_to_string(file.path()).unwrap_or_default());
        }
    }
    violations.extend(check::all(evidence));
    Ok(())
}

/// Lives one life of the gateway: tells the story until it dies or everything is done.
async fn live(world: &mut World, fate: &Fate, acts: &[Act], evidence: &mut Evidence) -> anyhow::Result<Life> {
    world.begin_life().await?;
    let mut gateway = world.home.start(fate)?;
    let told = tokio::time::timeout(PATIENCE, tell(world, acts, evidence));
    let life = tokio::select! {
        // A story whose gateway has died ends with an error of its connection:
        // the death is what counts.
        biased;
        _ = gateway.wait() => Life::Died,
        told = told => match told {
            // What is committed can be seen a moment before the kill that follows it.
            Ok(Ok(())) if fate.crash_at.is_some() => died_or(&mut gateway, Life::Over).await,
            Ok(Ok(())) => Life::Over,
            Ok(Err(error)) => died_or(&mut gateway, Life::Stuck(format!("{error:#}"))).await,
            Err(_) => Life::Stuck(format!("not over after {PATIENCE:?}: {}", unfinished(world))),
        },
    };
    if let Life::Over = life {
        evidence.left.extend(left_behind(world).await);
    }
    end(&mut gateway).await?;
    Ok(life)
}

/// Returns what instances left behind although all of them are gone.
async fn left_behind(world: &World) -> Vec<String> {
    let began = tokio::time::Instant::now();
    loop {
        let left = world.home.scratches();
        if left.is_empty() || began.elapsed() > LEAVING_MAX {
            return left;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn unfinished(world: &World) -> String {
    let statuses = Watch::open(&world.home.state()).and_then(|watch| watch.statuses());
    statuses.map_or_else(|error| error.to_string(), |statuses| format!("{statuses:?}"))
}

/// Tells whether the gateway died, which explains what was seen of it.
async fn died_or(gateway: &mut Child, other: Life) -> Life {
    match tokio::time::timeout(DYING_MAX, gateway.wait()).await {
        Ok(_) => Life::Died,
        Err(_) => other,
    }
}

/// Kills a gateway that still runs, and reaps it.
async fn end(gateway: &mut Child) -> anyhow::Result<()> {
    if gateway.try_wait()?.is_none() {
        gateway.kill().await.context("cannot kill the gateway")?;
    }
    Ok(())
}
