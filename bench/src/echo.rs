//! A bare WebSocket echo server: the ceiling of the library both sides use.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;

/// Serves in the background until the process ends; returns the port.
pub(crate) async fn serve() -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                if stream.set_nodelay(true).is_err() {
                    return;
                }
                let Ok(mut ws) = tokio_tungstenite::accept_async(stream).await else { return };
                while let Some(Ok(message)) = ws.next().await {
                    if !message.is_text() {
                        continue;
                    }
                    if ws.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(port)
}
