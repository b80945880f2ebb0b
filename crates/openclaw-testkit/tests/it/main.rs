//! Integration tests of the test kit.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests fail by panicking and say what they leave out")]

mod sdk;
mod server;
