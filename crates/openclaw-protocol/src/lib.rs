//! The OpenClaw gateway wire, version 4 (`protocol.md`).
//!
//! Types of frames, methods and events as they travel; nothing here connects,
//! serves or decides. Clients (CLI, SDK, tests) build on this without the server.
//! Somebody else controls this contract: names and shapes follow the published
//! schema, even where ours would differ.

pub mod connect;
pub mod device;
pub mod error;
pub mod frame;
pub mod methods;
pub mod scope;
pub mod shape;

pub use connect::{ConnectParams, HelloOk};
pub use error::{ErrorBody, ErrorCode};
pub use frame::{Event, Frame, Request, Response};
pub use scope::Scope;

/// The protocol version spoken here.
pub const PROTOCOL_VERSION: u32 = 4;

/// The lowest version a node or a probe may speak.
pub const PROBE_PROTOCOL_VERSION: u32 = 3;
