//! The vocabulary of the runtime, and the ports others implement.
//!
//! Nothing here performs IO, reads a clock or starts a task: this crate is what
//! the engine, the stores, the providers and the gateway agree on. It knows no
//! vendor, no wire format and no database. Read the modules in the order below.
//!
//! Every port is a trait in [`ports`]; its doc names the production
//! implementation. Leaves depend on this crate and on no other leaf.

pub mod approval;
pub mod binding;
pub mod catalog;
pub mod compaction;
pub mod conversation;
pub mod cursor;
pub mod delivery;
pub mod device;
pub mod event;
pub mod fault;
pub mod gate;
pub mod ids;
pub mod lease;
pub mod message;
pub mod model;
pub mod origin;
pub mod question;
pub mod run;
pub mod runtime;
pub mod scratch;
pub mod secret;
pub mod session;
pub mod settings;
pub mod tool;
pub mod update;

pub mod ports;

pub use compaction::{Compaction, Summary};
pub use conversation::{Conversation, Prompt, Turn};
pub use cursor::Cursor;
pub use event::{Recorded, RunEvent};
pub use fault::{Fault, Kind};
pub use gate::{Permit, Verdict};
pub use ids::{AgentId, CallId, Epoch, InstanceId, RunId, Seq, SessionId, SessionKey, Timestamp};
pub use message::{AssistantTurn, Part, ToolCall, ToolResult, UserTurn};
pub use origin::Origin;
pub use question::{Answer, Question};
pub use run::{Limits, Outcome, RunRequest};
pub use runtime::Runtime;
pub use secret::Secret;
pub use update::{Change, RunUpdate};
