//! Serves the gateway protocol over WebSocket, JSON-RPC 2.0 and HTTP.
//!
//! [`Hub`] is made first and given to the engine as its observer; [`serve`]
//! binds the addresses and returns a [`Handle`]. Handlers ask the domain ports
//! in [`Ports`]; this crate knows no engine, store or provider. It refuses, in
//! this order: foreign web pages and rebound names (before the upgrade), bad
//! credentials and device proofs (in the handshake), missing scopes and
//! malformed parameters (per call).

mod announce;
mod auth;
mod client;
mod conn;
mod convert;
mod dispatch;
mod door;
mod error;
mod events;
mod gateway;
mod handshake;
mod health;
mod http;
mod hub;
mod jsonrpc;
mod methods;
mod metrics;
mod options;
mod outbox;
mod serve;
mod socket;
mod stream;

pub use error::Error;
pub use hub::Hub;
pub use options::{Auth, Limits, Machine, Metrics, Options, Ports};
pub use outbox::NoOutbox;
pub use serve::{Handle, serve};
