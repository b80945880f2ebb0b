//! What was acknowledged survives a power cut.
//!
//! A chain of generations works on one database: each writes until the power
//! goes, the next finds what survived, checks it against everything that was
//! ever acknowledged, takes the unfinished runs over and goes on. The database
//! is on a disk that drops, tears and reorders whatever was not synced.

mod chain;
mod check;
mod history;
mod work;

pub use chain::{Plan, Planted, Report, run};
