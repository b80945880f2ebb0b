//! The tools over fake ports: what a model asks for, and what it is told.

mod bench;
mod exec;
mod files;
mod memory;
mod process;
mod sessions;
mod web;
