//! The traits that leaves implement. Only these are used as `dyn`.
//!
//! All futures may be dropped half-way unless a method says otherwise; dropping
//! is how work is cancelled.

mod bindings;
mod catalog;
mod clock;
mod compactions;
mod context;
mod crash;
mod files;
mod gate;
mod history;
mod journal;
mod logs;
mod model;
pub mod net;
mod observer;
mod outbox;
mod pool;
mod processes;
mod records;
mod runs;
mod scratches;
mod settings;
mod tool;
mod upkeep;

pub use bindings::Bindings;
pub use catalog::Catalog;
pub use clock::Clock;
pub use compactions::Compactions;
pub use context::{ContextRequest, ContextSource};
pub use crash::{CrashHook, Moment, SITES, Site};
pub use files::{Change as FileChange, Error as FileError, FileKind, Files, Found, Metadata, Walk, Workspaces};
pub use gate::Gate;
pub use history::{
    Comparison, Difference, Edit, ForkWish, Forked, History, Replay, RunName, Side, StepPair, StepSeen, ToolSeen,
};
pub use journal::{
    Admission, Admitted, Batch, Checkpoint, Durability, Error as JournalError, Journal, Mail, OpenAction, RunRecord,
};
pub use logs::{LogPage, LogQuery, Logs};
pub use model::Model;
pub use net::Net;
pub use observer::RunObserver;
pub use outbox::{Courier, Due, Outbox, Sent, Settled};
pub use pool::{Child, Execution, Pool};
pub use processes::{
    Command, Error as ProcessError, Exit, IDEMPOTENCY_KEY, Leash, ProcessInfo, Processes, Snapshot, Spawned,
};
pub use records::{Devices, Error as RecordError, Grants, Memories, Memory, Sessions, Variables};
pub use runs::{Approvals, Questions, Runs};
pub use scratches::{Keeping, Restored, Scratch, ScratchFolder, Scratches};
pub use settings::Settings;
pub use tool::{ProgressSink, Tool, ToolCx};
pub use upkeep::{Compacted, ScratchCount, Snapshotted, TakeUp, Upkeep};
