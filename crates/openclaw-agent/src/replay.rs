//! Looking back: recorded runs replayed, compared, and tried another way.
//!
//! Everything here reads the journal and the transcript and nothing else: no
//! model, tool, gate or clock can be reached from [`check`]. `Engine` serves it
//! through the port `History`.
//!
//! Read in this order: `recording`, `check`, `owed`, `outside`, `fork`, `compare`.

mod canonical;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod dry;
pub(crate) mod fork;
mod history;
mod outside;
mod owed;
pub(crate) mod recording;
