//! The gateway as clients see it: in process, on loopback, over fakes.
#![expect(clippy::print_stderr, reason = "a check that could not run must be seen")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a helper that fails fails the test that called it")]

mod fakes;
mod furniture;
mod rig;

mod auth;
mod config;
mod contract;
mod devices;
mod events;
mod handshake;
mod http;
mod jsonrpc;
mod lan;
mod limits;
mod liveness;
mod methods;
mod questions;
mod runs;
mod schema;
mod scopes;
mod sessions;
mod streams;
mod unix;
