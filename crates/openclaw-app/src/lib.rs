//! The composition of the program: the only crate that knows concrete types.
//!
//! `wire` puts the parts together, `backend` is what the commands ask of
//! them. Globals (logging, metrics, signals) are set up here and nowhere else.

mod access;
mod backend;
mod catalog;
mod clock;
mod configuration;
mod crash;
mod grants;
mod machine;
mod models;
mod parts;
mod prompts;
mod reload;
mod secrets;
mod settings;
mod signals;
mod telemetry;
mod tools;
mod webhook;
mod wire;
mod workspaces;

pub use backend::App;

#[cfg(test)]
mod tests;
