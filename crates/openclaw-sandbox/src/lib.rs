//! Enforces limits where the program meets the machine and the network.
//!
//! Three ports are implemented here and nowhere else: [`files::Workspace`]
//! (files below one folder), [`process::Native`] (programs) and
//! [`net::Client`] (hosts outside). This is the only crate that starts programs,
//! dials foreign hosts, exposes secrets to a request, or contains OS `unsafe`
//! (in `os/`). It decides nothing: whether a call may happen is asked before.

pub mod files;
pub mod net;
pub mod process;

mod os;
