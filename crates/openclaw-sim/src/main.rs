//! Runs simulations for as long as somebody wants to wait.
//!
//! `openclaw-sim power-cut [--cuts 5000] [--seed 0]`: chains of power cuts, each
//! with the next seed, until so many cuts were made.

#![expect(clippy::print_stdout, reason = "a program without a log")]

use anyhow::{Context as _, Result, bail, ensure};
use openclaw_sim::power;

const USAGE: &str = "usage: openclaw-sim power-cut [--cuts 5000] [--seed 0]";

/// Power cuts in a row on one database.
const CUTS_PER_CHAIN: usize = 26;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("power-cut") => {
            let [cuts, seed] = numbers(args, [("--cuts", 5000), ("--seed", 0)])?;
            power_cuts(usize::try_from(cuts)?, seed)
        }
        _ => bail!(USAGE),
    }
}

fn power_cuts(cuts: usize, first_seed: u64) -> Result<()> {
    let (mut done, mut inputs, mut tools, mut forgotten) = (0, 0, 0, 0);
    for seed in first_seed.. {
        if done >= cuts {
            break;
        }
        let lanes = if seed % 2 == 0 { 1 } else { 4 };
        let report = power::run(power::Plan { seed, cuts: CUTS_PER_CHAIN, lanes, planted: None })?;
        ensure!(report.broken.is_empty(), "{}", report.broken.join("\n"));
        done += report.cuts;
        inputs += report.inputs;
        tools += report.tools;
        forgotten += report.forgotten;
    }
    println!(
        "{done} power cuts: {inputs} accepted inputs and {tools} started tools are all there; \
         {forgotten} writes without a barrier are gone, none with a later one kept"
    );
    Ok(())
}

/// Reads options that are numbers, in any order.
fn numbers<const N: usize>(mut args: impl Iterator<Item = String>, known: [(&str, u64); N]) -> Result<[u64; N]> {
    let mut values = known.map(|(_, default)| default);
    while let Some(name) = args.next() {
        let place = known.iter().position(|(known, _)| *known == name);
        let value =
            place.and_then(|place| values.get_mut(place)).with_context(|| format!("{name} is not known; {USAGE}"))?;
        let text = args.next().with_context(|| format!("{name} needs a number; {USAGE}"))?;
        *value = text.parse().with_context(|| format!("{name} needs a number, not {text}"))?;
    }
    Ok(values)
}
