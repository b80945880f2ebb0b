//! One simulation: hosts, faults, and the verdict.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use fastrand::Rng;
use openclaw_domain::ids::SessionKey;
use turmoil::Sim;

use super::world::{SERVER, World};
use super::{check, client, server};

/// Simulated time after which a simulation counts as stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Decides faults, delays and what is said.
    pub seed: u64,
    /// Inputs of each of the two writers.
    pub inputs: usize,
    /// Faults until the network and the server are left in peace.
    pub faults: usize,
    /// A defect to plant, so that a test proves it would notice.
    pub planted: Option<Planted>,
}

/// A defect of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// The cursor's own event is sent again.
    RepeatsEvents,
    /// Live text is sent from its beginning.
    RepeatsText,
    /// What a crash interrupted is not taken up.
    ForgetsToRecover,
    /// A tool that must not be repeated says it may be.
    RepeatsOnce,
}

/// What a simulation did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Inputs that were accepted.
    pub inputs: usize,
    /// Starts of the server.
    pub boots: usize,
    /// Times that a client was cut off from the server, or its packets were held up.
    pub cuts: usize,
    /// Connections that followers made.
    pub connections: usize,
    /// Calls that reached the outside.
    pub dispatches: usize,
    /// Times that a follower took text back.
    pub taken_back: usize,
    /// Promises that were broken.
    pub broken: Vec<String>,
}

/// Runs a simulation.
///
/// # Errors
/// When it cannot be built. Broken promises are in the report.
pub fn run(plan: Plan) -> Result<Report> {
    let world = Arc::new(World::new(plan.seed, plan.planted));
    let mut sim = turmoil::Builder::new()
        .rng_seed(plan.seed)
        .simulation_duration(PATIENCE)
        .tick_duration(Duration::from_millis(5))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(30))
        .tcp_capacity(4096)
        .build();
    let for_host = Arc::clone(&world);
    sim.host(SERVER, move || server::serve(Arc::clone(&for_host)));
    let (a, b): (SessionKey, SessionKey) = ("agent:main:a".parse()?, "agent:main:b".parse()?);
    sim.client("writer-a", client::write(Arc::clone(&world), a.clone(), plan.inputs));
    sim.client("writer-b", client::write(Arc::clone(&world), b, plan.inputs));
    sim.client("reader-a", client::read(Arc::clone(&world), a, plan.inputs));
    let mut faults = Faults { rng: Rng::with_seed(plan.seed ^ 0xFA), left: plan.faults, at: Duration::ZERO, cuts: 0 };
    let end = faults.run(&mut sim);
    drop(sim);
    let mut report = check::check(&world)?;
    report.cuts = faults.cuts;
    report.broken.extend(end.err().map(|error| format!("it does not come to an end: {error}")));
    for broken in &mut report.broken {
        broken.insert_str(0, &format!("seed {}: ", plan.seed));
    }
    Ok(report)
}

/// What goes wrong, and when.
struct Faults {
    rng: Rng,
    left: usize,
    at: Duration,
    cuts: usize,
}

impl Faults {
    fn run(&mut self, sim: &mut Sim<'_>) -> Result<()> {
        self.at = self.pause(50..600);
        while !step(sim)? {
            if sim.elapsed() >= self.at && self.left > 0 {
                self.left -= 1;
                if self.strike(sim)? {
                    return Ok(());
                }
                self.at = sim.elapsed() + self.pause(50..900);
            }
        }
        Ok(())
    }

    /// Makes something fail, and lets it work again after a while; true when all clients are done.
    fn strike(&mut self, sim: &mut Sim<'_>) -> Result<bool> {
        let client = self.rng.choice(["writer-a", "writer-b", "reader-a"]).unwrap_or("writer-a");
        let pause = self.pause(10..1500);
        match self.rng.u8(0..6) {
            0 => sim.bounce(SERVER),
            1 | 2 => {
                sim.crash(SERVER);
                let is_done = pass(sim, pause)?;
                sim.bounce(SERVER);
                return Ok(is_done);
            }
            3 => {
                self.cuts += 1;
                sim.partition(client, SERVER);
                let is_done = pass(sim, pause)?;
                sim.repair(client, SERVER);
                return Ok(is_done);
            }
            4 => {
                self.cuts += 1;
                sim.partition_oneway(SERVER, client);
                let is_done = pass(sim, pause)?;
                sim.repair_oneway(SERVER, client);
                return Ok(is_done);
            }
            _ => {
                self.cuts += 1;
                sim.hold(client, SERVER);
                let is_done = pass(sim, pause)?;
                sim.release(client, SERVER);
                return Ok(is_done);
            }
        }
        Ok(false)
    }

    fn pause(&mut self, millis: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.u64(millis))
    }
}

/// Lets the simulation go on for a while.
fn pass(sim: &mut Sim<'_>, span: Duration) -> Result<bool> {
    let until = sim.elapsed() + span;
    while sim.elapsed() < until {
        if step(sim)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn step(sim: &mut Sim<'_>) -> Result<bool> {
    sim.step().map_err(|error| anyhow!("{error}"))
}
