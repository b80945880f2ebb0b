//! The run engine.
//!
//! A run is a pure state machine ([`step`]) over a journal: the driver appends
//! every event before it acts on what `step` asks for, so a crash is a replay.
//! Each session is one actor (`lane`) that owns its running turn; two turns of
//! a session never run at once. The engine knows no vendor, tool or database.
//!
//! Requests to thread-bound agents have an instance each instead (`instances`).
//!
//! Read in this order: `step`, `breaker`, `driver`, `lane`, `instances`, `engine`, `replay`.

mod actions;
mod approvals;
mod bindings;
mod breaker;
mod callers;
mod checkpoint;
mod children;
mod command;
mod compaction;
mod driver;
mod engine;
mod instances;
mod keys;
mod lane;
mod leases;
mod mailbox;
mod metrics;
mod model_call;
mod outbox;
mod outcome;
mod pauses;
mod places;
mod pool;
mod publish;
mod queue;
mod recover;
mod replay;
mod resume;
mod shared;
pub mod step;
mod stopwatch;
mod tool_call;
mod waiters;

pub use bindings::ThreadBindings;
pub use engine::Engine;
pub use shared::{Deliveries, Options, Ports};
