//! The store as others use it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contract;
mod crash;
mod model;
mod opening;
