//! Clients, a server that crashes, and a network that loses and delays.
//!
//! The real engine runs on a simulated host with slow models, tools and a slow
//! journal in memory, which outlives the host as a database would. Clients send
//! inputs until they are accepted and follow the answers by cursor over
//! connections that break. Time is simulated; faults are drawn by a seed.

mod check;
mod client;
mod parts;
mod seen;
mod server;
mod simulation;
mod world;

pub use simulation::{Plan, Planted, Report, run};
