//! Measures a gateway from the outside: `openclaw-bench [--only NAME] [--json]`.
#![expect(clippy::print_stdout, reason = "this is a command-line tool")]

mod echo;
mod figures;
mod http;
mod instances;
mod resume;
mod rig;
mod terminal;
mod ws;

use std::path::PathBuf;

use clap::Parser;

/// Measures a gateway on a fresh home with a scripted model.
#[derive(Parser)]
struct Arguments {
    /// The program to measure; the one beside this tool by default.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// One of start, memory, latency, health, turns, resume, instances, commands, typing, closing, onboarding.
    #[arg(long)]
    only: Option<String>,
    /// Seconds per rate.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let beside = std::env::current_exe()?.parent().map(std::path::Path::to_path_buf).unwrap_or_default();
    let binary = arguments.binary.unwrap_or_else(|| beside.join("openclaw"));
    let programs = rig::Programs { gateway: binary, model: beside.join("scripted-model") };
    let mut all = serde_json::Map::new();
    for (name, measure) in figures::ALL {
        if arguments.only.as_deref().is_some_and(|only| only != *name) {
            continue;
        }
        let figure = measure(programs.clone(), arguments.seconds).await?;
        if !arguments.json {
            println!("{name:<10} {}", figure.text);
        }
        all.insert((*name).to_owned(), figure.json);
    }
    if arguments.json {
        println!("{}", serde_json::Value::Object(all));
    }
    Ok(())
}
