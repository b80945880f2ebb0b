//! Fakes, conformance suites for the ports, and the scripted model server.
//!
//! Used by tests and benches only; nothing here ships in the binary.

pub mod contract;
