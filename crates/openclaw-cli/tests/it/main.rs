//! The commands as a person or a script meets them: a fake gateway, a fake
//! backend, captured streams.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod advice;
mod agent;
mod config;
mod deliveries;
mod exit_codes;
mod gateway;
mod manners;
mod onboard;
mod real;
mod runs;
mod schema;
mod screens;
mod service;
mod world;
