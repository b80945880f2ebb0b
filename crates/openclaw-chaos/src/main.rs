//! The `openclaw-chaos` program. See the crate's README.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use openclaw_chaos::world::{self, Site};
use openclaw_chaos::{boot, check, effect, matrix, planted, scenario, soak, trace};

/// Proves what survives a kill.
#[derive(Debug, Parser)]
#[command(name = "openclaw-chaos")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Kills the gateway at every site and moment of every scenario and checks what is left.
    Matrix(Matrix),
    /// Builds the gateway with each planted bug and shows that the matrix finds it.
    Planted(Planted),
    /// Kills the gateway every few seconds under many conversations with tools.
    Soak(Soak),
    /// Measures how long a gateway with many open runs takes to go on with them.
    Boot {
        /// The gateway.
        #[arg(long)]
        binary: PathBuf,
        /// Open runs.
        #[arg(long, default_value_t = 1000)]
        runs: usize,
        /// Make the home in this folder; in memory when this is not given.
        #[arg(long)]
        folder: Option<PathBuf>,
    },
    /// Lists sites, scenarios and rules.
    List,
    /// Has an effect on the effect server: what commands of scenarios run.
    Effect {
        /// The effect server.
        #[arg(long)]
        at: SocketAddr,
        /// What is done.
        #[arg(long)]
        name: String,
    },
}

#[derive(Debug, clap::Args)]
struct Matrix {
    /// The gateway, built with the feature `crash-points`.
    #[arg(long)]
    binary: PathBuf,
    /// Only cases of this scenario, site or `scenario:site`; may be repeated.
    #[arg(long)]
    only: Vec<String>,
    /// Run this many cases, spread over all.
    #[arg(long)]
    sample: Option<usize>,
    /// Chooses the sample; taken from the clock when it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Cases at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Write the report here, as JSON.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Make homes in this folder.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Say every case, not only those that break a rule.
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Debug, clap::Args)]
struct Soak {
    /// The gateway.
    #[arg(long)]
    binary: PathBuf,
    /// How long it is killed again and again, in minutes.
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Conversations at a time.
    #[arg(long, default_value_t = 50)]
    conversations: usize,
    /// Seconds between two kills.
    #[arg(long, default_value_t = 2.0)]
    every: f64,
    /// Write the report here, as JSON.
    #[arg(long)]
    report: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Planted {
    /// The root of the tree.
    #[arg(long, default_value = ".")]
    tree: PathBuf,
    /// Where the copy of the tree is kept and built.
    #[arg(long)]
    copy: PathBuf,
    /// Where it is built: below the copy when this is not given.
    #[arg(long)]
    target: Option<PathBuf>,
    /// Only these bugs, by name.
    #[arg(long)]
    only: Vec<String>,
    /// Chooses the cases.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the report here, as JSON.
    #[arg(long)]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Effect { at, name } => {
            // Read here because this command is run by a tool: its environment is what is tested.
            let key = std::env::var("OPENCLAW_IDEMPOTENCY_KEY").unwrap_or_default();
            effect::post(at, &name, &key).map(|()| say("done")).map(|()| true)
        }
        Command::List => {
            list();
            Ok(true)
        }
        Command::Matrix(options) => wait(run_matrix(options)),
        Command::Planted(options) => wait(run_planted(options)),
        Command::Soak(options) => wait(run_soak(options)),
        Command::Boot { binary, runs, folder } => wait(run_boot(binary, runs, folder)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("openclaw-chaos: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn wait(work: impl Future<Output = anyhow::Result<bool>>) -> anyhow::Result<bool> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(work)
}

async fn run_matrix(asked: Matrix) -> anyhow::Result<bool> {
    let site = site(&asked.binary, asked.folder)?;
    let clock = || std::time::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_secs());
    let seed = asked.seed.unwrap_or_else(clock);
    let options = matrix::Options { only: asked.only, sample: asked.sample, seed, jobs: asked.jobs, stops_at: None };
    let verbose = asked.verbose;
    let report = matrix::run(&site, &options, |line| {
        if verbose {
            say(line);
        } else {
            show(line);
        }
    })
    .await?;
    show("");
    for failure in &report.failures {
        say(&format!("\n{} killed at {}", failure.scenario, failure.kills.join(" then ")));
        failure.violations.iter().for_each(|found| say(&format!("  {}: {}", found.rule, found.what)));
        failure.kept.iter().for_each(|kept| say(&format!("  kept in {kept}")));
        failure.output.lines().for_each(|line| say(&format!("  | {line}")));
    }
    report.missed.iter().for_each(|case| say(&format!("not reached this time: {case}")));
    report.unreached.iter().for_each(|name| say(&format!("no scenario reaches {name}")));
    report.outdated.iter().for_each(|name| say(&format!("{name} is reached: take it out of AWAITED")));
    say(&report.summary());
    if let Some(path) = asked.report {
        std::fs::write(&path, serde_json::to_string_pretty(&report)?).with_context(|| path.display().to_string())?;
    }
    Ok(report.failures.is_empty() && report.unreached.is_empty() && report.outdated.is_empty())
}

async fn run_planted(asked: Planted) -> anyhow::Result<bool> {
    let tree = asked.tree.canonicalize().with_context(|| asked.tree.display().to_string())?;
    std::fs::create_dir_all(&asked.copy).with_context(|| asked.copy.display().to_string())?;
    let copy = asked.copy.canonicalize()?;
    let target = asked.target.unwrap_or_else(|| copy.join("target"));
    let places = planted::Places { tree, copy, target, folder: world::folder() };
    let mut all = Vec::new();
    let bugs = planted::read(&places.tree)?;
    for bug in bugs.iter().filter(|bug| asked.only.is_empty() || asked.only.contains(&bug.name)) {
        show(&format!("{}: building", bug.name));
        let found = planted::look_for(&places, bug, asked.seed, show).await?;
        show("");
        let verdict = if found.is_right() { "ok" } else { "WRONG" };
        let broken = if found.broken.is_empty() { "nothing".to_owned() } else { found.broken.join(" ") };
        say(&format!("{verdict}  {}: {}", bug.name, bug.says));
        say(&format!("    found after {} cases: {broken}", found.cases));
        found.example.iter().for_each(|example| say(&format!("    {example}")));
        all.push(found);
    }
    let right = all.iter().filter(|found| found.is_right()).count();
    say(&format!("{right} of {} planted bugs gave what they must", all.len()));
    if let Some(path) = asked.report {
        std::fs::write(&path, serde_json::to_string_pretty(&all)?).with_context(|| path.display().to_string())?;
    }
    Ok(right == all.len())
}

async fn run_soak(asked: Soak) -> anyhow::Result<bool> {
    let options = soak::Options {
        time: Duration::try_from_secs_f64(asked.minutes * 60.0).context("--minutes")?,
        conversations: asked.conversations,
        kill_every: Duration::try_from_secs_f64(asked.every).context("--every")?,
    };
    let report = soak::run(&site(&asked.binary, None)?, &options, show).await?;
    show("");
    report.violations.iter().take(20).for_each(|found| say(&format!("{}: {}", found.rule, found.what)));
    say(&format!(
        "{} conversations, {} kills in {:.0} s: {} accepted, {} answered, {} resting; {} effects, {} repeated, {} settled \
         by what the effect server saw; {} model calls; {} readers came back {} times and were told {} events and bytes: {} \
         missing, {} duplicate; ready after a restart in {} ms (median), {} ms (longest); {} violations",
        report.conversations,
        report.kills,
        report.seconds,
        report.accepted,
        report.answered,
        report.resting,
        report.effects,
        report.repeated,
        report.settled,
        report.model_calls,
        report.readers,
        report.returns,
        report.read.recorded,
        report.read.missing,
        report.read.duplicate,
        report.restart_ms.0,
        report.restart_ms.1,
        report.violations.len()
    ));
    if let Some(path) = asked.report {
        std::fs::write(&path, serde_json::to_string_pretty(&report)?).with_context(|| path.display().to_string())?;
    }
    Ok(report.violations.is_empty() && report.accepted == report.answered + report.resting)
}

async fn run_boot(binary: PathBuf, runs: usize, folder: Option<PathBuf>) -> anyhow::Result<bool> {
    let report = boot::run(&site(&binary, folder)?, runs, show).await?;
    show("");
    say(&format!(
        "{} open runs: a reader saw the first go on after {} ms, all readers after {} ms; ready after {} ms, first event \
         recorded after {} ms, all taken up after {} ms",
        report.runs, report.first_ms, report.readers_ms, report.ready_ms, report.recorded_ms, report.all_ms
    ));
    Ok(report.runs as usize == runs)
}

fn site(binary: &Path, folder: Option<PathBuf>) -> anyhow::Result<Site> {
    let binary = binary.canonicalize().with_context(|| binary.display().to_string())?;
    Ok(Site { binary, folder: folder.unwrap_or_else(world::folder) })
}

fn list() {
    say("sites (each is killed at every moment it has):");
    for site in openclaw_domain::ports::SITES {
        let moments: Vec<&str> = site.moments().iter().map(|moment| moment.as_str()).collect();
        let awaited = trace::AWAITED
            .iter()
            .find(|(it, _)| *it == site)
            .map_or(String::new(), |(_, why)| format!("  [not reached: {why}]"));
        say(&format!("  {site}: {}{awaited}", moments.join(", ")));
    }
    say("scenarios:");
    scenario::ALL.iter().for_each(|it| say(&format!("  {}: {}", it.name, it.about)));
    say("rules:");
    check::RULES.iter().for_each(|rule| say(&format!("  {}: {}", rule.name, rule.says)));
}

/// Prints a line; a reader that has gone does not matter.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").ok();
}

/// Shows a line of progress over the one before.
fn show(line: &str) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let mut out = std::io::stderr().lock();
    write!(out, "\r\x1b[K{}", line.chars().take(110).collect::<String>()).and_then(|()| out.flush()).ok();
}
