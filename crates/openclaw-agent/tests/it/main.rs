//! The engine against fakes: no network, no real time.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
#![expect(unreachable_pub, reason = "the harness is shared by the modules of this binary")]

mod approvals;
mod deliveries;
mod flawed;
mod harness;
mod leases;
mod ledger;
mod limits;
mod mailbox;
mod queueing;
mod recovery;
mod refusals;
mod turns;
