//! A handle on one connection. Cheap to clone; the connection ends with the
//! last handle. Calls may be dropped half-way: the answer is then thrown away,
//! the gateway may still have done the work.

use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::HelloOk;
use serde_json::Value;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::driver::{Driver, Order, Outgoing};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::events::{Events, QUEUE};
use crate::handshake::{ConnectOptions, Credential, shake};
use crate::wire::Socket;

/// Calls that may wait for the socket; more make the caller wait.
const ORDERS: usize = 256;

/// Tick interval of a gateway that names none, or an absurd one.
const TICK_MS: std::ops::RangeInclusive<u64> = 1_000..=600_000;

/// Largest frame a gateway takes when it does not say (`protocol.md` §1.3).
const PAYLOAD_BYTES_MAX: u64 = 26_214_400;

/// A connection to a gateway.
#[derive(Debug, Clone)]
pub struct Client {
    orders: mpsc::Sender<Order>,
    events: broadcast::WeakSender<crate::Notice>,
    ended: watch::Receiver<Option<Error>>,
    about: Arc<About>,
}

#[derive(Debug)]
struct About {
    endpoint: Endpoint,
    hello: HelloOk,
    call_timeout: Duration,
}

/// How to make one call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Call {
    /// The method.
    pub method: String,
    /// Its parameters.
    pub params: Value,
    /// Skip a first answer that only says `accepted`.
    pub expect_final: bool,
    /// How long to wait; `None` for the connection's own limit.
    pub timeout: Option<Duration>,
}

impl Client {
    /// Connects and shakes hands.
    ///
    /// # Errors
    /// `Unreachable`, `Refused`, `Closed`, `Timeout` or `Protocol`.
    pub async fn connect(endpoint: &Endpoint, options: &ConnectOptions) -> Result<Client, Error> {
        let timed_out = |_| Error::Timeout { what: "connect".to_owned(), after: options.timeout };
        // Boxed: the handshake's state would make every caller's future large.
        let opening = Box::pin(async {
            let mut socket = Socket::open(endpoint).await?;
            let hello = if endpoint.is_unix() {
                // The kernel tells the gateway who we are; a credential would only leak.
                let bare = ConnectOptions { credential: Credential::None, identity: None, ..options.clone() };
                shake(&mut socket, &bare).await?
            } else {
                shake(&mut socket, options).await?
            };
            Ok((socket, hello))
        });
        let (socket, hello) = tokio::time::timeout(options.timeout, opening).await.map_err(timed_out)??;
        Ok(Self::start(endpoint.clone(), socket, hello, options.call_timeout))
    }

    fn start(endpoint: Endpoint, socket: Socket, hello: HelloOk, call_timeout: Duration) -> Client {
        let tick_ms = hello.policy.get("tickIntervalMs").and_then(Value::as_u64).unwrap_or(30_000);
        let frame_bytes_max = hello.policy.get("maxPayload").and_then(Value::as_u64).unwrap_or(PAYLOAD_BYTES_MAX);
        let silence_max = Duration::from_millis(2 * tick_ms.clamp(*TICK_MS.start(), *TICK_MS.end()));
        let (orders, orders_rx) = mpsc::channel(ORDERS);
        let (events, _) = broadcast::channel(QUEUE);
        let (ended, ended_rx) = watch::channel(None);
        let weak = events.downgrade();
        let driver = Driver { socket, orders: orders_rx, events, ended, silence_max, frame_bytes_max };
        // Task `client-connection`: its parent is this handle; it stops when the last one is dropped.
        tokio::spawn(driver.run());
        Client { orders, events: weak, ended: ended_rx, about: Arc::new(About { endpoint, hello, call_timeout }) }
    }

    /// Calls a method and returns its first answer.
    ///
    /// # Errors
    /// `Refused` with the gateway's error; `Closed`, `Timeout`.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, Error> {
        self.perform(Call { method: method.to_owned(), params, ..Call::default() }).await
    }

    /// Calls a method that answers twice and returns the second answer.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_expect_final(&self, method: &str, params: Value) -> Result<Value, Error> {
        self.perform(Call { method: method.to_owned(), params, expect_final: true, ..Call::default() }).await
    }

    /// Makes one call.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn perform(&self, call: Call) -> Result<Value, Error> {
        let after = call.timeout.unwrap_or(self.about.call_timeout);
        let (reply, answer) = oneshot::channel();
        let params = (!call.params.is_null()).then_some(call.params);
        let outgoing = Outgoing { method: call.method.clone(), params, expect_final: call.expect_final, reply };
        let exchange = async {
            if self.orders.send(Order::Call(outgoing)).await.is_err() {
                return Err(self.why_ended().await);
            }
            match answer.await {
                Ok(result) => result,
                Err(_) => Err(self.why_ended().await),
            }
        };
        match tokio::time::timeout(after, exchange).await {
            Ok(result) => result,
            Err(_) => Err(Error::Timeout { what: call.method, after }),
        }
    }

    /// Returns a reader of the events that come from now on.
    pub fn events(&self) -> Events {
        match self.events.upgrade() {
            Some(sender) => Events::new(sender.subscribe()),
            None => {
                // The connection has ended: a reader whose sender is gone says so at once.
                let (_, receiver) = broadcast::channel(1);
                Events::new(receiver)
            }
        }
    }

    /// Waits until the connection has ended and returns why.
    pub async fn ended(&self) -> Error {
        self.why_ended().await
    }

    /// Tells whether the connection has ended.
    pub fn is_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Ends the connection for all handles.
    pub async fn close(&self) {
        if self.orders.send(Order::Close).await.is_ok() {
            self.why_ended().await;
        }
    }

    /// Returns what the gateway said of itself.
    pub fn hello(&self) -> &HelloOk {
        &self.about.hello
    }

    /// Returns where the gateway is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.about.endpoint
    }

    /// Tells whether the gateway offers a method.
    pub fn offers(&self, method: &str) -> bool {
        self.about.hello.features.methods.iter().any(|name| name == method)
    }

    async fn why_ended(&self) -> Error {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(error) => error.clone().unwrap_or(Error::Closed { code: 1006, reason: String::new() }),
            // The task itself was torn down with its runtime.
            Err(_) => Error::Closed { code: 1006, reason: "the connection's task is gone".to_owned() },
        }
    }
}
