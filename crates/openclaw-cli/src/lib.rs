//! The command line: every command, how its output looks, and how it finds the
//! gateway. Called by the `openclaw` binary, which gives it a [`Backend`].
//!
//! It links neither the engine nor the gateway: a command speaks the gateway
//! protocol, even when everything runs inside the same process.

mod ask;
mod backend;
mod cli;
mod commands;
mod complete;
mod cx;
mod entry;
mod exchange;
mod exit;
mod failure;
mod flags;
mod identity;
mod io;
mod link;
mod out;
mod peek;
mod run;
mod service;
mod suggest;
mod text;
mod tui;

pub use backend::{Backend, EmbedOptions, Embedded, LocalServer, ProgramOutput, ServeOptions};
pub use entry::{Invocation, main, run};
pub use exit::Exit;
pub use failure::{Failure, Place};
pub use io::{Io, Terminal};
pub use text::Lang;
pub use tui::{Manner, Motion, TuiOptions};
