//! Conformance suites: what every implementation of a port must do.

pub mod compactions;
pub mod files;
pub mod journal;
pub mod model;
pub mod net;
pub mod processes;
pub mod records;
