//! Integration tests of the test kit.

mod sdk;
mod server;
