//! Conformance suites: what every implementation of a port must do.

pub mod compactions;
pub mod files;
pub mod journal;
pub mod kept_scratch;
pub mod leases;
pub mod ledger;
pub mod mailbox;
pub mod model;
pub mod net;
pub mod outbox;
pub mod processes;
pub mod records;
pub mod scratches;
