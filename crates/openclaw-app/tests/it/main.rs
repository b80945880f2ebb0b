//! The built program, from the outside: real processes, real sockets, real files.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod agent;
mod crash;
mod gateway;
mod home;
mod reload;
mod stream;
mod webhook;
