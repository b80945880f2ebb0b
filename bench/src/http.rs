//! The smallest HTTP client that can measure: one request, one connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Context;

/// Returns the status of a GET.
pub(crate) fn status(port: u16, path: &str) -> anyhow::Result<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut head = [0; 64];
    let n = stream.read(&mut head)?;
    let text = std::str::from_utf8(&head[..n])?;
    text.split_whitespace().nth(1).context("no status")?.parse().context("no status")
}

/// A kept connection to the model server.
pub(crate) struct Model {
    stream: TcpStream,
    request: Vec<u8>,
}

impl Model {
    /// Connects and prepares the request a gateway would send.
    pub(crate) fn connect(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let body = r#"{"model":"mock-1","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hello"}]}"#;
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer none\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Ok(Self { stream, request: request.into_bytes() })
    }

    /// Sends one request and reads the whole stream.
    pub(crate) fn call(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.request)?;
        let mut seen = Vec::new();
        let mut buffer = [0; 16 * 1024];
        while !ends_with_last_chunk(&seen) {
            let n = self.stream.read(&mut buffer)?;
            anyhow::ensure!(n > 0, "the model server closed the connection");
            seen.extend_from_slice(&buffer[..n]);
        }
        Ok(())
    }
}

fn ends_with_last_chunk(seen: &[u8]) -> bool {
    seen.ends_with(b"0\r\n\r\n") || (seen.windows(6).any(|window| window == b"[DONE]") && seen.ends_with(b"\n\n"))
}
