//! The one task behind a [`crate::Client`]: owns the socket and the pending
//! calls. Ends when every handle is dropped, on `close`, or with the socket;
//! then every pending call gets the reason.

use std::collections::HashMap;
use std::time::Duration;

use openclaw_protocol::error::close;
use openclaw_protocol::frame::Frame;
use openclaw_protocol::{Request, Response};
use serde_json::Value;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::error::{Error, Refusal};
use crate::events::{Counter, Notice};
use crate::wire::{Incoming, Socket, encode};

/// Id of the handshake's request; calls count from 1.
pub(crate) const CONNECT_ID: &str = "0:connect";

/// Calls sent in one write at most.
const BATCH: usize = 64;

/// A call on its way to the socket.
pub(crate) struct Outgoing {
    pub(crate) method: String,
    pub(crate) params: Option<Value>,
    pub(crate) expect_final: bool,
    pub(crate) reply: oneshot::Sender<Result<Value, Error>>,
}

/// What a handle can ask for.
pub(crate) enum Order {
    Call(Outgoing),
    Close,
}

struct Pending {
    method: String,
    expect_final: bool,
    reply: oneshot::Sender<Result<Value, Error>>,
}

/// The task's state.
pub(crate) struct Driver {
    pub(crate) socket: Socket,
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) events: broadcast::Sender<Notice>,
    pub(crate) ended: watch::Sender<Option<Error>>,
    pub(crate) silence_max: Duration,
    pub(crate) frame_bytes_max: u64,
}

impl Driver {
    /// Runs until the connection ends.
    pub(crate) async fn run(mut self) {
        let mut pending = HashMap::new();
        let error = self.serve(&mut pending).await;
        for (_, call) in pending.drain() {
            // A caller that gave up no longer listens.
            let _gone = call.reply.send(Err(error.clone()));
        }
        self.ended.send_replace(Some(error));
    }

    async fn serve(&mut self, pending: &mut HashMap<String, Pending>) -> Error {
        let mut counter = Counter::default();
        let mut calls: u64 = 0;
        let silence = tokio::time::sleep(self.silence_max);
        tokio::pin!(silence);
        loop {
            tokio::select! {
                incoming = self.socket.receive_for(|| self.events.receiver_count() > 0) => {
                    silence.as_mut().reset(Instant::now() + self.silence_max);
                    match incoming {
                        Ok(Incoming::Response(response)) => answer(pending, response),
                        Ok(Incoming::Event(event)) => {
                            if let Some(gap) = counter.take(event.seq) {
                                let _nobody = self.events.send(gap);
                            }
                            let _nobody = self.events.send(Notice::Event(event));
                        }
                        // Nobody hears of a gap, but the count must go on.
                        Ok(Incoming::Unheard { seq }) => drop(counter.take(seq)),
                        Ok(Incoming::Other) => {}
                        Err(error @ Error::Protocol(_)) => {
                            self.socket.close(close::PROTOCOL, "not a frame").await;
                            return error;
                        }
                        Err(error) => return error,
                    }
                }
                order = self.orders.recv() => {
                    match order {
                        Some(Order::Call(call)) => {
                            if let Err(error) = self.send(pending, &mut calls, call).await {
                                return error;
                            }
                        }
                        Some(Order::Close) | None => {
                            self.socket.close(close::NORMAL, "").await;
                            return Error::Closed { code: close::NORMAL, reason: "closed by this program".to_owned() };
                        }
                    }
                }
                () = &mut silence => {
                    self.socket.close(close::TICK_TIMEOUT, "tick timeout").await;
                    return Error::Closed { code: close::TICK_TIMEOUT, reason: "tick timeout".to_owned() };
                }
            }
        }
    }

    /// Sends a call and those already waiting behind it in one write.
    async fn send(
        &mut self,
        pending: &mut HashMap<String, Pending>,
        calls: &mut u64,
        first: Outgoing,
    ) -> Result<(), Error> {
        let mut next = Some(first);
        for _ in 0..BATCH {
            let Some(call) = next.take() else { break };
            *calls += 1;
            let id = calls.to_string();
            let request = Request {
                id: id.clone(),
                method: call.method.clone(),
                params: call.params,
                traceparent: None,
                expected_profile_id: None,
            };
            let text = encode(&Frame::Req(request))?;
            if text.len() as u64 > self.frame_bytes_max {
                let cause = format!("its {} bytes are more than the gateway's {}", text.len(), self.frame_bytes_max);
                let _gone = call.reply.send(Err(Error::Call { method: call.method, cause }));
            } else {
                forget_abandoned(pending);
                pending.insert(id, Pending { method: call.method, expect_final: call.expect_final, reply: call.reply });
                self.socket.feed(text).await?;
            }
            next = match self.orders.try_recv() {
                Ok(Order::Call(call)) => Some(call),
                Ok(Order::Close) => {
                    self.orders.close();
                    None
                }
                Err(_) => None,
            };
        }
        self.socket.flush().await
    }
}

/// Drops calls whose caller gave up, once there are many.
fn forget_abandoned(pending: &mut HashMap<String, Pending>) {
    const MANY: usize = 1024;
    if pending.len() >= MANY {
        pending.retain(|_, call| !call.reply.is_closed());
    }
}

fn answer(pending: &mut HashMap<String, Pending>, response: Response) {
    let Response { id, ok, payload, error } = response;
    let accepted =
        || payload.as_ref().and_then(|payload| payload.get("status")).is_some_and(|status| status == "accepted");
    // The first of two answers: the same id comes again with the result.
    if ok && pending.get(&id).is_some_and(|call| call.expect_final) && accepted() {
        return;
    }
    // No such call: it was abandoned, or this is the second answer of one that did not want it.
    let Some(call) = pending.remove(&id) else { return };
    let result = match (ok, error) {
        (true, _) => Ok(payload.unwrap_or_default()),
        (false, Some(body)) => Err(Error::Refused(Box::new(Refusal::new(&call.method, body)))),
        (false, None) => Err(Error::Protocol(format!("{} failed without an error", call.method))),
    };
    let _gone = call.reply.send(result);
}
