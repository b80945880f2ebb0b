//! The Unix socket: whoever is not our own user gets no byte (T-02).
//!
//! File permissions keep others out already; the kernel's word about the peer
//! also holds where a folder or a file was made readable by mistake. Called by
//! the accept loop.

use std::path::Path;

use tokio::net::{UnixListener, UnixStream};

use crate::error::Error;

/// A bound Unix socket and the user it is for.
pub(crate) struct Door {
    listener: UnixListener,
    /// The user id a peer must have.
    owner: u32,
}

impl Door {
    /// Binds the socket for our user only; a file nobody answers at is removed.
    pub(crate) async fn bind(path: &Path) -> Result<Self, Error> {
        let failed = |source: std::io::Error| Error::Socket { path: path.to_owned(), source };
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                if tokio::net::UnixStream::connect(path).await.is_ok() {
                    return Err(Error::SocketInUse { path: path.to_owned() });
                }
                let is_socket = rustix::fs::stat(path).is_ok_and(|stat| {
                    rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Socket
                });
                if !is_socket {
                    // Somebody's file; removing it is not ours to decide.
                    return Err(failed(error));
                }
                rustix::fs::unlink(path).map_err(|error| failed(error.into()))?;
                UnixListener::bind(path).map_err(failed)?
            }
            result => result.map_err(failed)?,
        };
        let own = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::chmod(path, own).map_err(|error| failed(error.into()))?;
        Ok(Self { listener, owner: rustix::process::getuid().as_raw() })
    }

    /// Waits for the next peer; `None` is one that was refused.
    ///
    /// # Errors
    /// When no connection could be accepted.
    pub(crate) async fn next(&self) -> std::io::Result<Option<UnixStream>> {
        let (stream, _) = self.listener.accept().await?;
        match stream.peer_cred() {
            Ok(peer) if peer.uid() == self.owner => return Ok(Some(stream)),
            Ok(peer) => tracing::warn!(uid = peer.uid(), "refused another user on the unix socket"),
            Err(error) => tracing::warn!(%error, "refused a unix peer without credentials"),
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn another_user_gets_no_byte_and_the_owner_gets_in() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.sock");
        let mut door = Door::bind(&path).await.unwrap();
        // We cannot become somebody else here, but the socket can belong to somebody else.
        let own = std::mem::replace(&mut door.owner, u32::MAX - 1);
        let mut stranger = UnixStream::connect(&path).await.unwrap();
        assert!(door.next().await.unwrap().is_none());
        assert_eq!(stranger.read(&mut [0; 1]).await.unwrap(), 0, "the connection is closed");
        door.owner = own;
        let _owner = UnixStream::connect(&path).await.unwrap();
        assert!(door.next().await.unwrap().is_some());
    }
}
