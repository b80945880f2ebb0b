//! Enforces limits where the program meets the machine and the network.
//!
//! Four ports are implemented here and nowhere else: [`files::Workspace`]
//! (files below one folder), [`process::Native`] (programs), [`net::Client`]
//! (hosts outside) and [`scratch::Scratches`] (both of the first for an instance). This is the only crate that starts programs,
//! dials foreign hosts, exposes secrets to a request, or contains OS `unsafe`
//! (in `os/`). It decides nothing: whether a call may happen is asked before.

pub mod files;
pub mod net;
pub mod process;
pub mod scratch;

mod os;
