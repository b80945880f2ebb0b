//! A typed client of the gateway wire, for the CLI, benches and programs that
//! embed it.
//!
//! One [`Client`] is one connection: it calls methods, hands out events and
//! notices when the gateway goes silent. It never reconnects by itself: that is
//! the explicit layer [`Link`]. It reads no file and no environment; where the
//! gateway is and which credential to show are the caller's to say.

mod client;
mod driver;
mod endpoint;
mod error;
mod events;
mod handshake;
mod identity;
mod reconnect;
mod stream;
mod wire;

pub use client::{Call, Client};
pub use endpoint::{Endpoint, EndpointError};
pub use error::{Error, Refusal};
pub use events::{Events, Notice};
pub use handshake::{ConnectOptions, Credential, Introduction};
pub use identity::{Identity, IdentityError};
pub use reconnect::{Backoff, Link};
pub use stream::{Position, RunEvent, RunItem, RunStream, RunStreamOptions, Sleep, StreamError};
