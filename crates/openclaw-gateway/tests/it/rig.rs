//! Starts a gateway over fakes and talks to it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use futures_util::{SinkExt as _, StreamExt as _};
use openclaw_domain::Secret;
use openclaw_gateway::{Auth, Handle, Hub, Options, Ports, serve};
use openclaw_testkit::FakeClock;
use openclaw_testkit::memory::Store;
use serde_json::{Value, json};
use sha2::Digest as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::fakes::{Engine, EngineRuns, MemorySettings, TwoLines};
use crate::furniture;
use crate::questions::Sent;

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const ALL: [&str; 6] = [
    "operator.admin",
    "operator.read",
    "operator.write",
    "operator.approvals",
    "operator.questions",
    "operator.pairing",
];

pub(crate) struct Rig {
    pub(crate) hub: Arc<Hub>,
    pub(crate) store: Arc<Store>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) settings: Arc<MemorySettings>,
    pub(crate) clock: FakeClock,
    pub(crate) handle: Option<Handle>,
    pub(crate) port: u16,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options =
            Options::new(vec!["127.0.0.1:0".parse().unwrap()], Auth::Token(Secret::new(TOKEN)), "2026.9.6-test");
        change(&mut options);
        let hub = Hub::new();
        let (store, clock) = (Arc::new(Store::new()), FakeClock::new());
        let engine = Engine::new(Arc::clone(&hub), Arc::clone(&store));
        let settings = Arc::new(MemorySettings::default());
        let mut rig = Self { hub: Arc::clone(&hub), store, engine, settings, clock, handle: None, port: 0 };
        let handle = serve(options, rig.ports(), hub).await.unwrap();
        rig.port = handle.addresses().first().map_or(0, std::net::SocketAddr::port);
        rig.handle = Some(handle);
        rig
    }

    /// Returns the ports over this rig's fakes.
    pub(crate) fn ports(&self) -> Ports {
        let runs = Arc::new(EngineRuns(Arc::clone(&self.engine)));
        Ports {
            runs: runs.clone(),
            approvals: runs.clone(),
            questions: runs,
            journal: self.store.clone(),
            outbox: Arc::new(Sent::default()),
            sessions: self.store.clone(),
            variables: self.store.clone(),
            devices: self.store.clone(),
            grants: self.store.clone(),
            settings: self.settings.clone(),
            catalog: Arc::new(furniture::catalog()),
            logs: Arc::new(TwoLines),
            clock: Arc::new(self.clock.clone()),
        }
    }

    /// Connects without a handshake.
    pub(crate) async fn raw(&self) -> Ws {
        self.raw_with(&[]).await.unwrap()
    }

    /// Connects with extra headers; an error is the HTTP status.
    pub(crate) async fn raw_with(&self, headers: &[(&'static str, &str)]) -> Result<Ws, u16> {
        self.raw_at("127.0.0.1", headers).await
    }

    /// Connects to another address of this machine.
    pub(crate) async fn raw_at(&self, host: &str, headers: &[(&'static str, &str)]) -> Result<Ws, u16> {
        let mut request = format!("ws://{host}:{}/", self.port).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((stream, _)) => Ok(Ws::new(stream).await),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Connects as the owner's own tool with all scopes.
    pub(crate) async fn client(&self) -> Ws {
        self.client_with(params(&ALL)).await
    }

    pub(crate) async fn client_with(&self, params: Value) -> Ws {
        let mut ws = self.raw().await;
        let hello = ws.call("connect", params).await;
        assert_eq!(hello["ok"], true, "{hello}");
        ws.hello = hello["payload"].clone();
        ws
    }

    /// Asks for a probe and returns whatever comes back, possibly nothing.
    pub(crate) async fn raw_answer(&self) -> Vec<u8> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        // It may be closed before or while we write; what matters is what is answered.
        drop(stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await);
        let mut answer = Vec::new();
        drop(tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap());
        answer
    }

    /// Sends a bare HTTP request and returns status, headers in lower case and body.
    pub(crate) async fn http(&self, method: &str, path: &str, headers: &[&str], body: &str) -> (u16, String, String) {
        self.http_at("127.0.0.1", method, path, headers, body).await
    }

    /// Sends a bare HTTP request to another address of this machine.
    pub(crate) async fn http_at(
        &self,
        address: &str,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &str,
    ) -> (u16, String, String) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = TcpStream::connect((address, self.port)).await.unwrap();
        let host = if headers.iter().any(|header| header.starts_with("Host:")) { "" } else { "Host: 127.0.0.1\r\n" };
        let extra: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\n{host}{extra}Content-Length: {length}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_ascii_lowercase(), body.to_owned())
    }
}

/// Parameters of `connect` for the owner's own tool.
pub(crate) fn params(scopes: &[&str]) -> Value {
    json!({ "minProtocol": 4, "maxProtocol": 4, "role": "operator", "scopes": scopes, "caps": ["tool-events"],
        "client": { "id": "gateway-client", "version": "1.0.0", "platform": "linux", "mode": "backend" },
        "auth": { "token": TOKEN } })
}

/// A device with its key.
pub(crate) struct Device {
    key: SigningKey,
}

impl Device {
    pub(crate) fn new(seed: u8) -> Self {
        Self { key: SigningKey::from_bytes(&[seed; 32]) }
    }

    pub(crate) fn id(&self) -> String {
        hex::encode(sha2::Sha256::digest(self.key.verifying_key().to_bytes()))
    }

    /// Adds the proof for a challenge; `v2` makes the older form.
    pub(crate) fn sign(&self, params: &mut Value, challenge: &Value, v2: bool) {
        let (nonce, ts) = (challenge["nonce"].as_str().unwrap().to_owned(), challenge["ts"].as_i64().unwrap());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let scopes: Vec<String> = params["scopes"].as_array().into_iter().flatten().map(text).collect();
        let client = &params["client"];
        let mut signed = [
            if v2 { "v2" } else { "v3" }.to_owned(),
            self.id(),
            text(&client["id"]),
            text(&client["mode"]),
            text(&params["role"]),
            scopes.join(","),
            ts.to_string(),
            [&params["auth"]["token"], &params["auth"]["deviceToken"]]
                .map(text)
                .into_iter()
                .find(|token| !token.is_empty())
                .unwrap_or_default(),
            nonce.clone(),
        ]
        .join("|");
        if !v2 {
            signed = format!("{signed}|{}|", text(&client["platform"]));
        }
        let signature = self.key.sign(signed.as_bytes()).to_bytes();
        params["device"] = json!({ "id": self.id(), "publicKey": URL_SAFE_NO_PAD.encode(self.key.verifying_key()),
            "signature": URL_SAFE_NO_PAD.encode(signature), "signedAt": ts, "nonce": nonce });
    }
}

/// A WebSocket client.
pub(crate) struct Ws {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) challenge: Value,
    pub(crate) hello: Value,
    pub(crate) events: Vec<Value>,
    next: u32,
}

/// What came from the gateway.
#[derive(Debug, PartialEq)]
pub(crate) enum Got {
    Frame(Value),
    Closed(u16, String),
}

impl Ws {
    async fn new(stream: WebSocketStream<MaybeTlsStream<TcpStream>>) -> Self {
        let mut ws = Self { stream, challenge: Value::Null, hello: Value::Null, events: Vec::new(), next: 0 };
        let Got::Frame(challenge) = ws.next().await else { panic!("closed before the challenge") };
        assert_eq!(challenge["event"], "connect.challenge");
        assert!(challenge.get("seq").is_none());
        ws.challenge = challenge["payload"].clone();
        ws
    }

    pub(crate) async fn text(&mut self, text: impl Into<String>) {
        self.stream.send(Message::text(text.into())).await.unwrap();
    }

    /// Sends several frames in one write, so that they arrive together.
    pub(crate) async fn texts(&mut self, texts: impl IntoIterator<Item = String>) {
        for text in texts {
            self.stream.feed(Message::text(text)).await.unwrap();
        }
        self.stream.flush().await.unwrap();
    }

    pub(crate) async fn ping(&mut self) {
        self.stream.send(Message::Ping(Vec::new().into())).await.unwrap();
    }

    pub(crate) async fn binary(&mut self, text: &str) {
        self.stream.send(Message::binary(text.as_bytes().to_vec())).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Got {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("nothing came in time");
            match message {
                Some(Ok(Message::Text(text))) => return Got::Frame(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(close)))) => {
                    return Got::Closed(close.code.into(), close.reason.to_string());
                }
                Some(Ok(Message::Close(None))) | None => return Got::Closed(1005, String::new()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Got::Closed(1006, error.to_string()),
            }
        }
    }

    /// Waits for the close and returns the frames before it that are not events.
    pub(crate) async fn closed(&mut self) -> (Vec<Value>, u16, String) {
        let mut frames = Vec::new();
        loop {
            match self.next().await {
                Got::Frame(frame) if frame["type"] == "event" => self.events.push(frame),
                Got::Frame(frame) => frames.push(frame),
                Got::Closed(code, reason) => return (frames, code, reason),
            }
        }
    }

    pub(crate) async fn request(&mut self, method: &str, params: Value) -> String {
        self.next += 1;
        let id = format!("{}:test", self.next);
        self.text(json!({ "type": "req", "id": id, "method": method, "params": params }).to_string()).await;
        id
    }

    pub(crate) async fn answer(&mut self, id: &str) -> Value {
        loop {
            match self.next().await {
                Got::Frame(frame) if frame["type"] == "event" => self.events.push(frame),
                Got::Frame(frame) if frame["id"] == id => return frame,
                Got::Frame(_) => {}
                Got::Closed(code, reason) => panic!("closed {code} {reason} while waiting for {id}"),
            }
        }
    }

    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params).await;
        self.answer(&id).await
    }

    /// Calls a method that must work.
    pub(crate) async fn ok(&mut self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params).await;
        assert_eq!(answer["ok"], true, "{method}: {answer}");
        answer["payload"].clone()
    }

    /// Calls a method that must fail; returns its error.
    pub(crate) async fn fails(&mut self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params).await;
        assert_eq!(answer["ok"], false, "{method}: {answer}");
        answer["error"].clone()
    }

    /// Waits for an event that fits, earlier ones included.
    pub(crate) async fn event(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(event) = self.events.iter().find(|event| fits(event)) {
            return event.clone();
        }
        loop {
            match self.next().await {
                Got::Frame(frame) if frame["type"] == "event" => {
                    self.events.push(frame.clone());
                    if fits(&frame) {
                        return frame;
                    }
                }
                Got::Frame(_) => {}
                Got::Closed(code, reason) => panic!("closed {code} {reason} while waiting for an event"),
            }
        }
    }

    /// Waits for the `chat` event that ends a run.
    pub(crate) async fn chat_end(&mut self, run: &str) -> Value {
        let ends = ["final", "aborted", "error"];
        let event = self.event(|event| {
            let payload = &event["payload"];
            event["event"] == "chat"
                && payload["runId"] == run
                && ends.contains(&payload["state"].as_str().unwrap_or(""))
        });
        event.await["payload"].clone()
    }

    pub(crate) async fn shut(mut self) {
        // The other side may have closed first.
        drop(self.stream.close(None).await);
    }
}
