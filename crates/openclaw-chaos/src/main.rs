//! The `openclaw-chaos` program. See the crate's README.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use openclaw_chaos::world::{self, Site};
use openclaw_chaos::{check, effect, matrix, scenario, trace};

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
    let binary = asked.binary.canonicalize().with_context(|| asked.binary.display().to_string())?;
    let site = Site { binary, folder: asked.folder.unwrap_or_else(world::folder) };
    let clock = || std::time::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_secs());
    let seed = asked.seed.unwrap_or_else(clock);
    let options = matrix::Options { only: asked.only, sample: asked.sample, seed, jobs: asked.jobs };
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
    say(&report.summary());
    if let Some(path) = asked.report {
        std::fs::write(&path, serde_json::to_string_pretty(&report)?).with_context(|| path.display().to_string())?;
    }
    Ok(report.failures.is_empty() && report.unreached.is_empty())
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
    let mut out = std::io::stderr().lock();
    write!(out, "\r\x1b[K{}", line.chars().take(110).collect::<String>()).and_then(|()| out.flush()).ok();
}
