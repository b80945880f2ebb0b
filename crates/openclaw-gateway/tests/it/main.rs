//! The gateway as clients see it: in process, on loopback, over fakes.

mod fakes;
mod rig;

mod auth;
mod config;
mod devices;
mod events;
mod handshake;
mod http;
mod jsonrpc;
mod liveness;
mod methods;
mod runs;
mod schema;
mod scopes;
mod sessions;
mod unix;
