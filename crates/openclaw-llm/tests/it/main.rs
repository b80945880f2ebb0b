//! Tests of the crate from outside: recorded streams through a fake net.

mod encoding;
mod failover;
mod golden;
mod harness;
mod local;
mod replay;
mod traps;
