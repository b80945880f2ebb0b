//! Fakes, conformance suites for the ports, and the scripted model server.
//!
//! Used by tests and benches only; nothing here ships in the binary. Fakes do
//! nothing a test did not write down, record what they were asked, and wait for
//! conditions instead of times.

pub mod bindings;
pub mod catalog;
pub mod clock;
pub mod context;
pub mod files;
pub mod flawed;
pub mod gate;
pub mod latch;
pub mod memory;
pub mod model;
pub mod net;
pub mod observer;
pub mod processes;
pub mod runs;
pub mod scratches;
pub mod server;
pub mod surface;
pub mod terminal;
pub mod tool;

pub mod contract;

pub use bindings::MemoryBindings;
pub use catalog::FixedCatalog;
pub use clock::FakeClock;
pub use context::FixedContext;
pub use files::MemoryFiles;
pub use flawed::FlawedJournal;
pub use gate::{AllowAll, AskAll, DenyAll};
pub use latch::Latch;
pub use model::ScriptedModel;
pub use net::FakeNet;
pub use observer::Recorder;
pub use processes::FakeProcesses;
pub use runs::FakeRuns;
pub use scratches::MemoryScratches;
pub use surface::{FixedLogs, MemorySettings};
pub use terminal::Terminal;
pub use tool::FakeTool;
