//! Tests of the crate from outside: recorded streams through a fake net, and the
//! scripted model server over loopback.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly")]

mod encoding;
mod failover;
mod golden;
mod harness;
mod local;
mod params;
mod replay;
mod traps;
mod wire;
