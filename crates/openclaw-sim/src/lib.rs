//! The parts together in a world that fails, over and over, by seeds.
//!
//! Nothing here ships. Each simulation is a function of a seed that returns what
//! it did or says which promise was broken; the tests run as many seeds as a
//! build can wait for, the binary as many as somebody asks for:
//! `cargo run -p openclaw-sim -- power-cut --cuts 5000`.

pub mod claims;
mod log;
pub mod network;
pub mod power;
