//! The engine against fakes: no network, no real time.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
#![expect(unreachable_pub, reason = "the harness is shared by the modules of this binary")]

mod approvals;
mod barriers;
mod bindings;
mod checkpoints;
mod compaction;
mod deliveries;
mod harness;
mod instances;
mod instances_taken;
mod leases;
mod ledger;
mod limits;
mod mailbox;
mod pauses;
mod pool;
mod positions;
mod queueing;
mod recovery;
mod refusals;
mod replay;
mod resume;
mod scratches;
mod turns;
