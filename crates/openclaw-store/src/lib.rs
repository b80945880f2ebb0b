//! What outlives the process: the run journal, sessions and everything else
//! that is kept, in one SQLite database below the state directory.
//!
//! The only crate with SQL. Row types and row ids never leave it; callers see
//! the nouns and ports of `openclaw-domain`. It decides nothing about runs or
//! sessions beyond what a database must guard: fencing, idempotency, numbering
//! and the session state machine. Crate `app` opens it, and the crates above
//! reach it through the ports.

pub mod lock;
pub mod sqlite;

pub use lock::{LockError, StateLock};
pub use sqlite::{OpenError, Options, Store};
