//! Runs simulations for as long as somebody wants to wait.
//!
//! `openclaw-sim power-cut [--cuts 5000] [--seed 0]`: chains of power cuts, each
//! with the next seed, until so many cuts were made.
//! `openclaw-sim network [--worlds 10000] [--seed 0]`: so many worlds, each with
//! the next seed.

#![expect(clippy::print_stdout, reason = "a program without a log")]

use anyhow::{Context as _, Result, bail, ensure};
use openclaw_sim::{network, power};

const USAGE: &str = "usage: openclaw-sim power-cut [--cuts 5000] [--seed 0] | network [--worlds 10000] [--seed 0]";

/// Power cuts in a row on one database.
const CUTS_PER_CHAIN: usize = 26;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("power-cut") => {
            let [cuts, seed] = numbers(args, [("--cuts", 5000), ("--seed", 0)])?;
            power_cuts(usize::try_from(cuts)?, seed)
        }
        Some("network") => {
            let [worlds, seed] = numbers(args, [("--worlds", 10_000), ("--seed", 0)])?;
            networks(worlds, seed)
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

fn networks(worlds: u64, first_seed: u64) -> Result<()> {
    let (mut inputs, mut boots, mut cuts) = (0, 0, 0);
    for seed in first_seed..first_seed.saturating_add(worlds) {
        let report = network::run(network::Plan { seed, inputs: 3, faults: 5, planted: None })?;
        ensure!(report.broken.is_empty(), "{}", report.broken.join("\n"));
        inputs += report.inputs;
        boots += report.boots;
        cuts += report.cuts;
    }
    println!(
        "{worlds} worlds: {inputs} accepted inputs were answered once and seen whole, \
         over {boots} starts of the server and {cuts} cuts of the network"
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
