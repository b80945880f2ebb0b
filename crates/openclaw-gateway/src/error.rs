//! Why a gateway does not start.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why [`crate::serve`] refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is reachable from other machines and nothing guards it.
    #[error(
        "bind {address}: an address other machines can reach needs a credential of at least 128 bits; \
         set gateway.auth.token to 32 or more random hex digits, or bind to loopback"
    )]
    Unguarded {
        /// The address.
        address: SocketAddr,
    },
    /// The address is taken or not ours.
    #[error("bind {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The Unix socket could not be made.
    #[error("bind {}: {source}", path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another gateway answers on the Unix socket.
    #[error("bind {}: another gateway answers there; stop it first", path.display())]
    SocketInUse {
        /// Its path.
        path: PathBuf,
    },
    /// There is nothing to listen on.
    #[error("there is no address to listen on; set gateway.port or gateway.bind")]
    NoAddress,
    /// The configured credential is empty.
    #[error("gateway.auth.{0} is empty; set it, or set gateway.auth.mode to none on loopback")]
    EmptyCredential(&'static str),
}
