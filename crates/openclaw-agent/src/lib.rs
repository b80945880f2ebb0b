//! The run engine.
//!
//! A run is a pure state machine ([`step`]) over a journal: the driver appends
//! every event before it acts on what `step` asks for, so a crash is a replay.
//! Each session is one actor (`lane`) that owns its running turn; two turns of
//! a session never run at once. The engine knows no vendor, tool or database.
//!
//! Read in this order: `step`, `breaker`, `driver`, `lane`, `engine`.

mod actions;
mod approvals;
mod breaker;
mod command;
mod driver;
mod engine;
mod keys;
mod lane;
mod leases;
mod mailbox;
mod metrics;
mod model_call;
mod outbox;
mod outcome;
mod publish;
mod queue;
mod recover;
mod shared;
pub mod step;
mod stopwatch;
mod tool_call;
mod waiters;

pub use engine::Engine;
pub use shared::{Deliveries, Options, Ports};
