//! JSON-RPC 2.0 as a second dialect over the same method table.
//!
//! Spoken on the same WebSocket (the first frame has the key `jsonrpc`) and over
//! `POST /rpc`. A call that answers twice in the first dialect answers once here,
//! with the last answer. Notifications get no answer, whatever happens.

use std::time::Duration;

use futures_util::future::join_all;
use openclaw_protocol::error::close;
use openclaw_protocol::{ErrorBody, ErrorCode};
use serde_json::{Map, Value, json};

use crate::convert::fault::invalid;
use crate::dispatch::{self, Cx, Meta, Payload, Reply};
use crate::events::queue::Close;
use crate::gateway::Gateway;
use crate::handshake::admit;
use crate::handshake::{Came, Challenge, Dialect, Established, hello};
use crate::socket::Socket;

/// Calls of one batch.
const BATCH_MAX: usize = 100;

/// Deadlines beyond this are no limit.
const DEADLINE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;
const INTERNAL_ERROR: i32 = -32603;
const REFUSED: i32 = -32000;
const FORBIDDEN: i32 = -32001;
const UNAVAILABLE: i32 = -32002;
const NOT_PAIRED: i32 = -32003;
const NOT_FOUND: i32 = -32004;

/// One call.
#[derive(Debug)]
pub(crate) struct RpcCall {
    /// `None` is a notification.
    pub(crate) id: Option<Value>,
    pub(crate) method: String,
    pub(crate) params: Option<Value>,
    pub(crate) meta: Meta,
    token: Option<String>,
}

/// A frame taken apart; an `Err` is the text to answer with.
pub(crate) enum Parsed {
    One(Box<Result<RpcCall, String>>),
    Batch(Vec<Result<RpcCall, String>>),
}

/// Tells whether a first frame is of this dialect.
pub(crate) fn is_ours(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.contains_key("jsonrpc"),
        Value::Array(items) => items.first().is_some_and(is_ours),
        _ => false,
    }
}

/// Takes a frame apart.
pub(crate) fn parse(value: Value) -> Parsed {
    match value {
        Value::Array(items) if items.is_empty() => {
            one_of(Err(error(&Value::Null, INVALID_REQUEST, "the batch is empty", None)))
        }
        Value::Array(items) if items.len() > BATCH_MAX => {
            let message = format!("the batch has more than {BATCH_MAX} calls");
            one_of(Err(error(&Value::Null, INVALID_REQUEST, &message, None)))
        }
        Value::Array(items) => Parsed::Batch(items.into_iter().map(call).collect()),
        value => one_of(call(value)),
    }
}

fn one_of(call: Result<RpcCall, String>) -> Parsed {
    Parsed::One(Box::new(call))
}

fn call(value: Value) -> Result<RpcCall, String> {
    let bad = |id: &Value, message: &str| error(id, INVALID_REQUEST, message, None);
    let Value::Object(mut map) = value else { return Err(bad(&Value::Null, "a call must be an object")) };
    let id = map.remove("id");
    let echo = match &id {
        Some(id @ (Value::String(_) | Value::Number(_) | Value::Null)) => id.clone(),
        Some(_) => return Err(bad(&Value::Null, "id must be a string, a number or null")),
        None => Value::Null,
    };
    if map.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(bad(&echo, "jsonrpc must be \"2.0\""));
    }
    let Some(Value::String(method)) = map.remove("method") else { return Err(bad(&echo, "method must be a string")) };
    let mut params = match map.remove("params") {
        None => None,
        Some(Value::Object(params)) => Some(params),
        Some(Value::Array(items)) if items.is_empty() => None,
        Some(_) => return Err(error(&echo, INVALID_PARAMS, "params must be an object", None)),
    };
    let inner = params.as_mut().and_then(|params| params.remove("meta"));
    let meta = map.remove("meta").or(inner);
    let (meta, token) = meta_of(meta);
    Ok(RpcCall { id, method, params: params.map(Value::Object), meta, token })
}

/// Reads `meta {traceId, deadlineMs, priority, token}`; a wrong type counts as absent.
fn meta_of(meta: Option<Value>) -> (Meta, Option<String>) {
    let meta = meta.unwrap_or_default();
    let text = |name: &str| meta.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let deadline = meta.get("deadlineMs").and_then(Value::as_u64).map(Duration::from_millis);
    let trace = text("traceId").filter(|trace| trace.len() <= 128);
    if let Some(priority) = text("priority") {
        tracing::debug!(%priority, ?trace, "priority noted");
    }
    (Meta { trace, deadline: deadline.filter(|span| *span <= DEADLINE_MAX), is_api: true }, text("token"))
}

/// Lets a client of this dialect in: by `connect`, or by `meta.token` of its first call.
pub(crate) async fn establish(
    gateway: &Gateway,
    socket: &mut Socket,
    came: Came,
    challenge: &Challenge,
    value: Value,
) -> Result<Established, Option<Close>> {
    let refuse = |socket: &mut Socket, id: &Value, error: &ErrorBody, code: u16| {
        socket.send(failure(id, error));
        Err(Some(Close { code, reason: error.message.clone() }))
    };
    let (is_batch, first) = match parse(value.clone()) {
        Parsed::One(call) => (false, *call),
        Parsed::Batch(mut calls) => (true, calls.swap_remove(0)),
    };
    let call = match first {
        Ok(call) => call,
        Err(text) => {
            socket.send(text);
            return Err(Some(Close { code: close::POLICY, reason: "invalid request frame".to_owned() }));
        }
    };
    let id = call.id.unwrap_or_default();
    if !is_batch && call.method == "connect" {
        return match admit::admit(gateway, came, challenge, call.params).await {
            Ok(admitted) => {
                socket.send(success(&id, Payload::Value(hello::hello(gateway, &admitted))));
                Ok(Established { client: admitted.client, dialect: Dialect::JsonRpc, first: None, early: Vec::new() })
            }
            Err(refused) => refuse(socket, &id, &refused.error, refused.close),
        };
    }
    match admit::admit_bearer(gateway, came, call.token.as_deref()).await {
        Ok(client) => Ok(Established { client, dialect: Dialect::JsonRpc, first: Some(value), early: Vec::new() }),
        Err(refused) => refuse(socket, &id, &refused.error, refused.close),
    }
}

/// Runs a batch and returns the answers, or nothing when all were notifications.
pub(crate) async fn batch(cx: Cx, calls: Vec<Result<RpcCall, String>>) -> Option<String> {
    let answers = join_all(calls.into_iter().map(|call| one(cx.clone(), call))).await;
    let answers: Vec<String> = answers.into_iter().flatten().collect();
    (!answers.is_empty()).then(|| format!("[{}]", answers.join(",")))
}

/// Runs one call to its last answer; `None` for a notification.
pub(crate) async fn one(cx: Cx, call: Result<RpcCall, String>) -> Option<String> {
    let call = match call {
        Ok(call) => call,
        Err(text) => return Some(text),
    };
    let cx = Cx { meta: call.meta, ..cx };
    let result = last_answer(cx, &call.method, call.params).await;
    call.id.map(|id| render(&id, result))
}

async fn last_answer(cx: Cx, method: &str, params: Option<Value>) -> Result<Payload, ErrorBody> {
    match dispatch::start(cx, method, params)?.await? {
        Reply::Now(payload) => Ok(payload),
        Reply::Twice(_, rest) | Reply::Later(rest) => rest.await.map(Payload::Value),
        // Nobody would carry its events: only a call of its own has a place for them.
        Reply::Stream(..) => {
            Err(invalid("a subscription needs a WebSocket and a call of its own, not a batch or HTTP"))
        }
    }
}

/// Returns the answer to a call.
pub(crate) fn render(id: &Value, result: Result<Payload, ErrorBody>) -> String {
    match result {
        Ok(payload) => success(id, payload),
        Err(error) => failure(id, &error),
    }
}

fn success(id: &Value, payload: Payload) -> String {
    let payload = match payload {
        Payload::Value(value) => value.to_string(),
        Payload::Text(text) => text.as_ref().to_owned(),
    };
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{payload}}}")
}

/// Returns the answer to a call that failed.
pub(crate) fn failure(id: &Value, body: &ErrorBody) -> String {
    let is_bug = body.details.as_ref().is_some_and(|details| details.get("kind") == Some(&json!("bug")));
    let code = match body.code {
        ErrorCode::InvalidRequest if body.message.starts_with(dispatch::UNKNOWN_METHOD) => METHOD_NOT_FOUND,
        ErrorCode::InvalidRequest if body.message.starts_with("invalid ") && body.message.contains(" params: ") => {
            INVALID_PARAMS
        }
        ErrorCode::InvalidRequest => REFUSED,
        ErrorCode::Forbidden => FORBIDDEN,
        ErrorCode::Unavailable | ErrorCode::AgentTimeout if is_bug => INTERNAL_ERROR,
        ErrorCode::Unavailable | ErrorCode::AgentTimeout => UNAVAILABLE,
        ErrorCode::NotPaired | ErrorCode::NotLinked => NOT_PAIRED,
        ErrorCode::ApprovalNotFound => NOT_FOUND,
    };
    error(id, code, &body.message, Some(body))
}

/// Returns the notification `agent.stream` (B4): only what is new.
pub(crate) fn stream(run: &str, delta: &str) -> String {
    json!({ "jsonrpc": "2.0", "method": "agent.stream", "params": { "runId": run, "delta": delta } }).to_string()
}

/// Returns the answer to text that is not JSON.
pub(crate) fn parse_error() -> String {
    error(&Value::Null, PARSE_ERROR, "the text is not JSON", None)
}

fn error(id: &Value, code: i32, message: &str, body: Option<&ErrorBody>) -> String {
    let mut error = Map::new();
    error.insert("code".to_owned(), json!(code));
    error.insert("message".to_owned(), json!(message));
    if let Some(body) = body {
        error.insert("data".to_owned(), json!(body));
    }
    json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string()
}

/// Returns the method and parameters behind a name of the design documents (B2, B4).
///
/// # Errors
/// When the call asks for something the method behind the name cannot do.
pub(crate) fn resolve(name: &str, params: Option<Value>) -> Result<(String, Option<Value>), ErrorBody> {
    let known = match name {
        "agent.create" => "agents.create",
        "agent.destroy" => "agents.delete",
        "agent.list" => "agents.list",
        "agent.invoke" => return invoke(params),
        "channel.list" | "channel.status" => "channels.status",
        "channel.send" => "send",
        "channel.receive" => "sessions.messages.subscribe",
        "gateway.status" => "status",
        "gateway.health" => "health",
        "tool.list" => "tools.catalog",
        "tool.invoke" => "tools.invoke",
        _ => match name.strip_prefix("session.") {
            Some(rest) => return Ok((format!("sessions.{rest}"), params)),
            None => name,
        },
    };
    Ok((known.to_owned(), params))
}

/// `agent.invoke {prompt}` is `agent {message}` with a key made up when there is none.
fn invoke(params: Option<Value>) -> Result<(String, Option<Value>), ErrorBody> {
    let Some(Value::Object(mut params)) = params else { return Ok(("agent".to_owned(), params)) };
    if params.contains_key("tools") {
        // Running with more tools than asked for would be worse than not running.
        return Err(invalid(
            "invalid agent.invoke params: at /tools: narrowing tools for one call is not supported; leave it out",
        ));
    }
    if let Some(prompt) = params.remove("prompt") {
        params.entry("message").or_insert(prompt);
    }
    params.entry("idempotencyKey").or_insert_with(|| json!(uuid::Uuid::new_v4().to_string()));
    Ok(("agent".to_owned(), Some(Value::Object(params))))
}
