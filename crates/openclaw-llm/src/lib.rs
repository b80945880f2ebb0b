//! Model providers: dialects (wire formats) times providers (rows of data).
//!
//! Everything goes out through the `Net` port; this crate opens no connection,
//! reads no environment and no clock. It refuses to take a stream without its
//! terminal marker for an answer, and to send one provider's opaque blocks to
//! another. `app` wires [`Router`] as the runtime's `Model`.

mod catalogue;
mod dialect;
mod draft;
mod error;
mod exchange;
pub mod local;
mod names;
pub mod ndjson;
pub mod offline;
pub mod providers;
mod repair;
mod router;
mod schema;
pub mod settings;
pub mod sse;
mod thinking;
mod tool_list;
mod wait;

pub use catalogue::ModelRow;
pub use dialect::Dialect;
pub use local::{LocalChoice, LocalError};
pub use names::IdRule;
pub use router::{ProbeReport, Router};
pub use settings::{Credential, Profile, Provider, Settings};
pub use thinking::ThinkingStyle;
