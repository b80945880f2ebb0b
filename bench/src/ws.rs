//! A load client that parses as little as it can.

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// One connection.
pub(crate) struct Client {
    ws: WebSocketStream<TcpStream>,
    next: u64,
}

impl Client {
    /// Connects without a handshake of the gateway's protocol.
    pub(crate) async fn open(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let (ws, _) = tokio_tungstenite::client_async(format!("ws://127.0.0.1:{port}/"), stream).await?;
        Ok(Self { ws, next: 0 })
    }

    /// Connects and signs in.
    pub(crate) async fn connect(port: u16, token: &str) -> anyhow::Result<Self> {
        let mut client = Self::open(port).await?;
        client.text().await?;
        let params = json!({
            "minProtocol": 4, "maxProtocol": 4, "role": "operator",
            "client": { "id": "gateway-client", "version": "1.0.0", "platform": "linux", "mode": "backend" },
            "scopes": ["operator.admin", "operator.read", "operator.write", "operator.approvals"],
            "caps": ["session-scoped-events"], "auth": { "token": token }
        });
        let id = client.send("connect", &params).await?;
        let answer: Value = serde_json::from_str(&client.answer(&id).await?)?;
        if answer["ok"] != true {
            bail!("refused: {}", answer["error"]);
        }
        Ok(client)
    }

    /// Sends a raw text and returns the next text.
    pub(crate) async fn echo(&mut self, text: &str) -> anyhow::Result<()> {
        self.ws.send(Message::text(text)).await?;
        self.text().await.map(drop)
    }

    /// Calls a method and waits for its first answer.
    pub(crate) async fn call(&mut self, method: &str, params: &Value) -> anyhow::Result<()> {
        let id = self.send(method, params).await?;
        self.answer(&id).await.map(drop)
    }

    /// Calls a method and returns what it answers.
    pub(crate) async fn ask(&mut self, method: &str, params: &Value) -> anyhow::Result<Value> {
        let id = self.send(method, params).await?;
        let answer: Value = serde_json::from_str(&self.answer(&id).await?)?;
        if answer["ok"] != true {
            bail!("{method} was refused: {}", answer["error"]);
        }
        Ok(answer["payload"].clone())
    }

    /// Calls a method and waits until a text with all of these parts comes.
    pub(crate) async fn until(&mut self, method: &str, params: &Value, parts: &[&str]) -> anyhow::Result<String> {
        let id = self.send(method, params).await?;
        let refused = format!("\"id\":\"{id}\",\"ok\":false");
        loop {
            let text = self.text().await?;
            if text.contains(&refused) {
                bail!("{method} was refused: {text}");
            }
            if parts.iter().all(|part| text.contains(part)) {
                return Ok(text);
            }
        }
    }

    /// Waits until a text with this part comes.
    pub(crate) async fn pass(&mut self, part: &str) -> anyhow::Result<()> {
        while !self.text().await?.contains(part) {}
        Ok(())
    }

    /// Calls a method; its answer is passed over by the next call.
    pub(crate) async fn send_only(&mut self, method: &str, params: &Value) -> anyhow::Result<()> {
        self.send(method, params).await.map(drop)
    }

    /// Runs one turn and waits for its final answer.
    pub(crate) async fn turn(&mut self, session: &str) -> anyhow::Result<()> {
        let key = uuid::Uuid::new_v4().to_string();
        let params = json!({ "message": "hello", "sessionKey": session, "deliver": false, "idempotencyKey": key });
        let id = self.send("agent", &params).await?;
        loop {
            let answer = self.answer(&id).await?;
            if answer.contains("\"status\":\"ok\"") {
                return Ok(());
            }
            if !answer.contains("\"status\":\"accepted\"") {
                bail!("the turn failed: {answer}");
            }
        }
    }

    async fn send(&mut self, method: &str, params: &Value) -> anyhow::Result<String> {
        self.next += 1;
        let id = format!("b{}", self.next);
        let frame = json!({ "type": "req", "id": id, "method": method, "params": params });
        self.ws.send(Message::text(frame.to_string())).await?;
        Ok(id)
    }

    async fn answer(&mut self, id: &str) -> anyhow::Result<String> {
        let needle = format!("\"id\":\"{id}\"");
        loop {
            let text = self.text().await?;
            // Events may quote anything; only answers are of this type.
            if text.contains("\"type\":\"res\"") && text.contains(&needle) {
                return Ok(text);
            }
        }
    }

    async fn text(&mut self) -> anyhow::Result<String> {
        loop {
            match self.ws.next().await.context("the connection ended")?? {
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Close(frame) => bail!("closed: {frame:?}"),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }
}
