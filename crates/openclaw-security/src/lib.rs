//! Decides what may run and what may be shown. No IO, no clock, no async.
//!
//! `app` makes a [`Policy`] from the configuration, puts it into [`Profiles`]
//! and hands that to the engine as its gate. Nothing here runs a tool, reads a
//! file or knows a tool's code: it reasons over names that the configuration
//! uses, capabilities, and the literal arguments of a call.
//!
//! Read [`gate`] first, then [`policy`], [`exec`] and [`command`].

pub mod command;
pub mod exec;
pub mod gate;
mod inline;
pub mod names;
pub mod policy;
pub mod redact;
mod safe_bins;

pub use gate::Profiles;
pub use policy::Policy;
pub use redact::{Redactor, redact};
