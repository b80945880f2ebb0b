//! As many seeds of each simulation as a build can wait for.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod claims;
mod network;
mod power;
