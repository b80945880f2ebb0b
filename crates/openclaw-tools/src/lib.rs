//! The built-in tools, one file each, in the order of [`ALL`].
//!
//! A tool touches the world only through the ports of `ToolCx`, and runs only
//! with a permit. It refuses arguments it does not know, and bounds whatever it
//! returns. `app` builds the tools from section `tools` of the configuration;
//! the engine runs them. The one to read first is [`web_fetch`].

mod args;
mod body;
mod charset;
mod outside;
mod reach;
mod registry;
mod section;
mod tail;
mod text;
mod time;

pub mod apply_patch;
pub mod edit;
pub mod exec;
pub mod forget;
pub mod list;
pub mod process;
pub mod read;
pub mod recall;
pub mod remember;
pub mod search;
pub mod session_status;
pub mod sessions_history;
pub mod sessions_list;
pub mod sessions_send;
pub mod vars;
pub mod web_fetch;
pub mod web_search;
pub mod write;

pub use registry::{Entry, build};

/// Every built-in tool, one row each.
pub const ALL: &[Entry] = &[
    read::ENTRY,
    write::ENTRY,
    edit::ENTRY,
    apply_patch::ENTRY,
    list::ENTRY,
    search::ENTRY,
    exec::ENTRY,
    process::ENTRY,
    web_fetch::ENTRY,
    web_search::ENTRY,
    sessions_list::ENTRY,
    sessions_history::ENTRY,
    sessions_send::ENTRY,
    session_status::ENTRY,
    vars::ENTRY,
    remember::ENTRY,
    recall::ENTRY,
    forget::ENTRY,
];
