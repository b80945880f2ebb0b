//! The tools over fake ports: what a model asks for, and what it is told.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod bench;
mod exec;
mod files;
mod memory;
mod process;
mod sessions;
mod web;
