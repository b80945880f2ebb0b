//! One WebSocket connection after its handshake.
//!
//! One task owns the socket, the calls it started and the event numbers. Calls
//! are futures of this task, so a client that goes away takes its unanswered
//! calls with it (runs go on; they belong to the engine). Reading goes on while
//! a write is stuck, unless the client does not take its answers either.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use openclaw_protocol::error::close;
use openclaw_protocol::{ErrorBody, ErrorCode, frame};
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;

use crate::announce;
use crate::client::Client;
use crate::convert::fault::invalid;
use crate::dispatch::{self, Answer, Call, Cx, Meta, Payload, Reply, Wait};
use crate::events::frame::{answer, not_a_request, refusal};
use crate::events::queue::{Close, Item};
use crate::gateway::Gateway;
use crate::handshake::{self, Came, Dialect};
use crate::jsonrpc;
use crate::socket::{Flushed, Inbound, Io, Socket};

/// Answers a client may leave unread before we stop reading from it.
const UNREAD_BYTES_MAX: usize = 1024 * 1024;
/// Frames handled before events are sent again.
const FRAMES_PER_TURN: usize = 64;
/// Size from which streamed text is paced, and how many bytes of it a client gets per
/// millisecond: each event repeats the whole text so far, so a long answer in
/// many small steps would cost its length squared.
const PACED_BYTES_MIN: usize = 16 * 1024;
const PACED_BYTES_PER_MS: usize = 1024;
const PACE_MAX: Duration = Duration::from_millis(500);
/// Bytes and time spent on a peer that still writes while we close.
const LINGER_BYTES: usize = 4 * 1024 * 1024;
const LINGER: Duration = Duration::from_secs(1);

/// Serves a connection from its challenge to its end; `place` is given back once
/// the client is known.
pub(crate) async fn run(gateway: Arc<Gateway>, io: Io, head: Vec<u8>, came: Came, place: OwnedSemaphorePermit) {
    let mut socket = Socket::new(io, head, gateway.options.limits.early_bytes_max);
    let established = handshake::establish(&gateway, &mut socket, came).await;
    drop(place);
    let end = match established {
        Ok(established) => {
            socket.allow(gateway.options.limits.payload_bytes_max);
            let client = Arc::clone(&established.client);
            gateway.hub.join(Arc::clone(&client));
            metrics::gauge!(crate::metrics::CONNECTIONS).increment(1);
            let joined = Joined { gateway: &gateway, client: &client };
            if gateway.stopping.is_cancelled() {
                // It came in while the others were being told to go.
                client.queue.close(close::RESTART, "service restart");
            }
            announce::presence(&gateway);
            let mut connection = Connection::new(&gateway, &mut socket, client.clone(), established.dialect);
            if let Some(first) = established.first {
                connection.json_rpc(first);
            }
            established.early.iter().for_each(|bytes| connection.on_frame(bytes));
            let end = connection.serve().await;
            drop(connection);
            drop(joined);
            end
        }
        Err(end) => end,
    };
    finish(&gateway, &mut socket, end).await;
}

/// Takes the client out of the hub even when the task is dropped half-way.
struct Joined<'a> {
    gateway: &'a Gateway,
    client: &'a Client,
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        self.gateway.hub.leave(&self.client.id);
        metrics::gauge!(crate::metrics::CONNECTIONS).decrement(1);
        announce::presence(self.gateway);
    }
}

/// Sends what is left and closes; waits a little so that the peer can read it.
async fn finish(gateway: &Gateway, socket: &mut Socket, end: Option<Close>) {
    let Some(end) = end else { return };
    socket.close(end.code, &end.reason);
    let clock = Arc::clone(&gateway.ports.clock);
    let orderly = async {
        while socket.flush() == Some(Flushed::Part) {
            socket.ready(false, true).await;
        }
        socket.finish().await;
        let mut budget = LINGER_BYTES;
        while socket.discard(&mut budget) {
            socket.ready(true, false).await;
        }
    };
    tokio::select! {
        () = orderly => {}
        () = clock.sleep(LINGER) => {}
    }
}

/// Whom an answer is for.
pub(crate) enum ReplyTo {
    V4(String),
    /// The id of a JSON-RPC call; `None` is a notification.
    JsonRpc(Option<Value>),
}

/// What a future of the connection produced.
enum Done {
    Answer(ReplyTo, Answer),
    Result(ReplyTo, Result<Value, ErrorBody>),
    /// The answers of a JSON-RPC batch.
    Text(Option<String>),
}

struct Connection<'a> {
    gateway: &'a Arc<Gateway>,
    socket: &'a mut Socket,
    client: Arc<Client>,
    dialect: Dialect,
    seq: u64,
    is_blocked: bool,
    awaits_pong: bool,
    /// Calls that have not had their first answer.
    pending: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Calls that wait for something outside.
    waits: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Subscriptions to runs; each fills the client's queue.
    pumps: FuturesUnordered<BoxFuture<'static, ()>>,
    ping: Timer,
    /// Running while streamed text should rather grow than be sent.
    pace: Option<Timer>,
}

type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a turn of reading found.
enum Turn {
    /// All that arrived is handled.
    Idle,
    /// Enough for one turn.
    More,
    /// The peer does not take its answers, so we do not take its requests.
    Backlog,
    Over(Option<Close>),
}

impl<'a> Connection<'a> {
    fn new(gateway: &'a Arc<Gateway>, socket: &'a mut Socket, client: Arc<Client>, dialect: Dialect) -> Self {
        Self {
            gateway,
            socket,
            client,
            dialect,
            seq: 0,
            is_blocked: false,
            awaits_pong: false,
            pending: FuturesUnordered::new(),
            waits: FuturesUnordered::new(),
            pumps: FuturesUnordered::new(),
            ping: after(gateway, gateway.options.limits.ping_interval),
            pace: None,
        }
    }

    /// Runs until the connection is over; returns how to close it.
    async fn serve(&mut self) -> Option<Close> {
        loop {
            if let Some(close) = self.client.queue.closing() {
                self.send_rest(&close);
                return Some(close);
            }
            self.send_events();
            self.is_blocked = self.socket.flush()? == Flushed::Part;
            let turn = self.read();
            if let Turn::Over(close) = turn {
                return close;
            }
            self.is_blocked = self.socket.flush()? == Flushed::Part;
            if !self.is_done(&turn) {
                tokio::task::yield_now().await;
            } else {
                if self.wait().await.is_break() {
                    return None;
                }
                // Whoever woke us is often in the middle of several events: let
                // it go on first, and they leave in one write.
                tokio::task::yield_now().await;
            }
        }
    }

    /// Tells whether only something new can bring work. Nobody wakes us for what
    /// was queued, or read into a buffer, before a write got stuck.
    fn is_done(&self, turn: &Turn) -> bool {
        match turn {
            Turn::More => false,
            Turn::Backlog => self.is_blocked,
            Turn::Idle | Turn::Over(_) => self.is_blocked || !self.client.queue.has(self.pace.is_some()),
        }
    }

    /// Sends queued events while the peer takes them.
    fn send_events(&mut self) {
        while !self.is_blocked && self.socket.buffered_bytes() < UNREAD_BYTES_MAX {
            let Some(item) = self.client.queue.pop(self.pace.is_some()) else { return };
            if let Item::Delta(delta) = &item
                && delta.bytes() >= PACED_BYTES_MIN
            {
                let span = Duration::from_millis((delta.bytes() / PACED_BYTES_PER_MS) as u64);
                self.pace = Some(after(self.gateway, span.min(PACE_MAX)));
            }
            self.send_item(item);
        }
    }

    /// Sends what still makes sense before a close.
    fn send_rest(&mut self, close: &Close) {
        let is_slow = close.code == close::POLICY;
        while !is_slow && let Some(item) = self.client.queue.pop(false) {
            self.send_item(item);
        }
    }

    fn send_item(&mut self, item: Item) {
        match item {
            Item::Event(frame) => self.send_frame(&frame),
            Item::Delta(delta) => {
                if self.dialect == Dialect::JsonRpc
                    && let Some((run, text)) = delta.plain()
                {
                    self.socket.send(jsonrpc::stream(run, &text));
                }
                delta.frames().iter().for_each(|frame| self.send_frame(frame));
            }
            Item::Gap(numbers) => self.seq += numbers,
        }
    }

    fn send_frame(&mut self, frame: &crate::events::frame::Frame) {
        self.seq += 1;
        let marked;
        let frame = if self.client.hears_cursor {
            marked = frame.with_mark();
            &marked
        } else {
            frame
        };
        let text = match self.dialect {
            Dialect::V4 => frame.numbered(self.seq),
            Dialect::JsonRpc => frame.notification(self.seq),
        };
        self.socket.send(text);
    }

    fn read(&mut self) -> Turn {
        for _ in 0..FRAMES_PER_TURN {
            if self.socket.buffered_bytes() > UNREAD_BYTES_MAX {
                return Turn::Backlog;
            }
            match self.socket.read() {
                Inbound::Frame(bytes) => self.on_frame(&bytes),
                Inbound::Pong => self.awaits_pong = false,
                Inbound::Control => {}
                Inbound::Nothing => return Turn::Idle,
                Inbound::TooLarge => return Turn::Over(Some(Close { code: close::TOO_LARGE, reason: String::new() })),
                Inbound::Closed => return Turn::Over(None),
            }
        }
        Turn::More
    }

    /// Waits for the peer, an event, an answer or the time to ping.
    async fn wait(&mut self) -> std::ops::ControlFlow<()> {
        let reads = self.socket.buffered_bytes() <= UNREAD_BYTES_MAX;
        let done = tokio::select! {
            () = self.socket.ready(reads, self.is_blocked || !reads) => None,
            () = self.client.queue.ready() => None,
            Some(done) = self.pending.next(), if !self.pending.is_empty() => Some(done),
            Some(done) = self.waits.next(), if !self.waits.is_empty() => Some(done),
            Some(()) = self.pumps.next(), if !self.pumps.is_empty() => None,
            () = &mut self.ping => return self.on_ping_time(),
            () = pace_over(&mut self.pace), if self.pace.is_some() => {
                self.pace = None;
                None
            }
        };
        match done {
            Some(Done::Answer(to, answer)) => self.settle(to, answer),
            Some(Done::Result(to, result)) => self.send_result(&to, result.map(Payload::Value)),
            Some(Done::Text(Some(text))) => {
                self.socket.send(text);
            }
            Some(Done::Text(None)) | None => {}
        }
        std::ops::ControlFlow::Continue(())
    }

    fn on_ping_time(&mut self) -> std::ops::ControlFlow<()> {
        if self.awaits_pong {
            tracing::info!(client = %self.client.id, "no pong in time; dropped the connection");
            return std::ops::ControlFlow::Break(());
        }
        self.awaits_pong = self.socket.ping();
        self.ping = after(self.gateway, self.gateway.options.limits.ping_interval);
        std::ops::ControlFlow::Continue(())
    }

    fn on_frame(&mut self, bytes: &Bytes) {
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
            tracing::debug!(client = %self.client.id, "a frame is not JSON");
            // The first dialect is silent here: no answer, no close.
            if self.dialect == Dialect::JsonRpc {
                self.socket.send(jsonrpc::parse_error());
            }
            return;
        };
        match self.dialect {
            Dialect::V4 => match frame::REQUEST.check(Some(value)) {
                Ok(request) => self.request(request),
                Err(why) => {
                    self.socket.send(not_a_request(&format!("invalid request frame: {why}")).to_string());
                }
            },
            Dialect::JsonRpc => self.json_rpc(value),
        }
    }

    fn request(&mut self, mut request: Map<String, Value>) {
        let mut text = |name: &str| match request.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let (id, method, trace) =
            (text("id").unwrap_or_default(), text("method").unwrap_or_default(), text("traceparent"));
        let to = ReplyTo::V4(id);
        if method == "connect" {
            let error = invalid("connect is only valid as the first request");
            return self.send_result(&to, Err(error));
        }
        let meta = Meta { trace, ..Meta::default() };
        self.call(to, &method, request.remove("params"), meta);
    }

    /// Handles a JSON-RPC frame: one call or a batch.
    fn json_rpc(&mut self, value: Value) {
        match jsonrpc::parse(value) {
            jsonrpc::Parsed::One(call) => match *call {
                Ok(call) => self.call(ReplyTo::JsonRpc(call.id), &call.method, call.params, call.meta),
                Err(text) => {
                    self.socket.send(text);
                }
            },
            jsonrpc::Parsed::Batch(calls) => {
                if self.pending.len() >= self.gateway.options.limits.requests_pending_max {
                    self.socket.send(jsonrpc::failure(&Value::Null, &busy()));
                    return;
                }
                let cx = self.cx(Meta::default());
                self.pending.push(jsonrpc::batch(cx, calls).map(Done::Text).boxed());
            }
        }
    }

    fn cx(&self, meta: Meta) -> Cx {
        Cx { gateway: Arc::clone(self.gateway), client: Arc::clone(&self.client), meta }
    }

    fn call(&mut self, to: ReplyTo, method: &str, params: Option<Value>, meta: Meta) {
        if self.pending.len() >= self.gateway.options.limits.requests_pending_max {
            return self.send_result(&to, Err(busy()));
        }
        let mut call: Call = match dispatch::start(self.cx(meta), method, params) {
            Ok(call) => call,
            Err(error) => return self.send_result(&to, Err(error)),
        };
        // Most calls are answered from memory: they cost no wake-up.
        match (&mut call).now_or_never() {
            Some(answer) => self.settle(to, answer),
            None => self.pending.push(call.map(|answer| Done::Answer(to, answer)).boxed()),
        }
    }

    fn settle(&mut self, to: ReplyTo, answer: Answer) {
        match answer {
            Ok(Reply::Now(payload)) => self.send_result(&to, Ok(payload)),
            Ok(Reply::Twice(first, rest)) => {
                // JSON-RPC knows one answer per call: the last one.
                if matches!(to, ReplyTo::V4(_)) {
                    self.send_result(&to, Ok(Payload::Value(first)));
                }
                self.wait_for(to, rest);
            }
            Ok(Reply::Later(rest)) => self.wait_for(to, rest),
            Ok(Reply::Stream(first, pump)) => {
                // The answer goes first: whatever the pump queues is sent after it.
                self.send_result(&to, Ok(Payload::Value(first)));
                self.pumps.push(pump);
            }
            Err(error) => self.send_result(&to, Err(error)),
        }
    }

    fn wait_for(&mut self, to: ReplyTo, rest: Wait) {
        if self.waits.len() >= self.gateway.options.limits.waits_max {
            return self.send_result(&to, Err(busy()));
        }
        self.waits.push(rest.map(|result| Done::Result(to, result)).boxed());
    }

    fn send_result(&mut self, to: &ReplyTo, result: Result<Payload, ErrorBody>) {
        let text = match (to, result) {
            (ReplyTo::JsonRpc(None), _) => return,
            (ReplyTo::JsonRpc(Some(id)), result) => jsonrpc::render(id, result),
            (ReplyTo::V4(id), Ok(Payload::Value(value))) => answer(id, &value),
            (ReplyTo::V4(id), Ok(Payload::Text(text))) => raw_answer(id, &text),
            (ReplyTo::V4(id), Err(error)) => refusal(id, &error),
        };
        self.socket.send(text);
    }
}

/// Returns an answer whose payload is JSON text already.
fn raw_answer(id: &str, payload: &str) -> String {
    let mut text = String::with_capacity(payload.len() + 64);
    text.push_str("{\"type\":\"res\",\"id\":");
    crate::events::frame::push_json(&mut text, &id);
    text.push_str(",\"ok\":true,\"payload\":");
    text.push_str(payload);
    text.push('}');
    text
}

fn busy() -> ErrorBody {
    let mut error = ErrorBody::new(ErrorCode::Unavailable, "too many requests of this connection wait; retry shortly");
    error.retryable = Some(true);
    error.retry_after_ms = Some(500);
    error
}

/// Waits for a timer that is there.
async fn pace_over(pace: &mut Option<Timer>) {
    if let Some(timer) = pace {
        timer.await;
    }
}

fn after(gateway: &Gateway, span: Duration) -> Timer {
    let clock = Arc::clone(&gateway.ports.clock);
    Box::pin(async move { clock.sleep(span).await })
}
