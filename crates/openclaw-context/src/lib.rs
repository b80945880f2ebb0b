//! Everything placed before the model: rules, workspace files, what was remembered, the date.
//!
//! The engine asks the [`Assembler`] before each turn and gets sections, the
//! most stable first, so that providers can cache the start of a prompt. `app`
//! calls [`ensure_workspace`] when it opens an agent's workspace. Text of files
//! and of memory is framed as data; nothing here grants a permission.
//!
//! Read [`assembler`] first.

pub mod assembler;
pub mod bootstrap;
mod cut;
mod files;
mod frame;
mod kind;
pub mod options;

pub use assembler::Assembler;
pub use bootstrap::ensure_workspace;
pub use options::Options;
