//! The sandbox against the real machine: files, programs and loopback servers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clock;
mod files;
mod net;
mod processes;
mod scratch;
