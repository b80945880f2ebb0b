//! HTTP on the same port: probes, metrics, the front page, `/rpc` and the upgrade.
//!
//! Host and Origin are checked before anything but the probes, so that no page
//! elsewhere reaches a route (T-02, T-03).

mod page;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::auth::origin;
use crate::client::{Client, Peer};
use crate::conn;
use crate::dispatch::{Cx, Meta};
use crate::gateway::Gateway;
use crate::handshake::{Came, admit};
use crate::jsonrpc;
use crate::socket::Io;

/// Size from which a request head that has not ended is refused.
const HEAD_BYTES_MAX: usize = 64 * 1024;

type Answer = Response<Full<Bytes>>;

/// Serves one connection until it ends, is upgraded, or the gateway stops.
pub(crate) async fn serve_connection(gateway: Arc<Gateway>, io: Io, peer: Peer) {
    let service = {
        let gateway = Arc::clone(&gateway);
        service_fn(move |request| {
            let gateway = Arc::clone(&gateway);
            async move { Ok::<_, Infallible>(respond(gateway, peer, request).await) }
        })
    };
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(gateway.options.limits.handshake_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    tokio::pin!(connection);
    let result = tokio::select! {
        result = &mut connection => result,
        () = gateway.stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, ?peer, "an HTTP connection ended early");
    }
}

async fn respond(gateway: Arc<Gateway>, peer: Peer, request: Request<Incoming>) -> Answer {
    if let Some(answer) = probe(&gateway, &request) {
        return answer;
    }
    let checked = match peer {
        // No web page reaches a Unix socket.
        Peer::SameUser => Ok(()),
        Peer::Ip(_) => origin::check(request.headers(), peer.is_local(), &gateway.options.allowed_origins),
    };
    if let Err(refusal) = checked {
        tracing::warn!(?peer, ?refusal, "refused a request");
        return failure(StatusCode::FORBIDDEN, refusal.message(), "forbidden");
    }
    let came = Came { peer, is_browser: peer != Peer::SameUser && origin::is_browser(request.headers()) };
    if is_upgrade(request.headers()) {
        return upgrade(gateway, came, request);
    }
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => metrics(&gateway, came, request.headers()).await,
        (&Method::POST, "/rpc") => rpc(gateway, came, request).await,
        (_, "/rpc") => not_allowed("POST"),
        (&Method::GET | &Method::HEAD, path) if is_page(path) => {
            page::front(request.headers(), &gateway.options.version)
        }
        (_, path) if path == "/v1" || path.starts_with("/v1/") => unauthorized(),
        _ => plain(StatusCode::NOT_FOUND, "Not Found"),
    }
}

/// Answers probes; they say nothing a stranger must not know.
fn probe(gateway: &Gateway, request: &Request<Incoming>) -> Option<Answer> {
    let body = match request.uri().path() {
        "/health" | "/healthz" => json!({ "ok": true, "status": "live" }),
        "/ready" | "/readyz" => json!({ "ready": true, "failing": [], "uptimeMs": gateway.uptime_ms() }),
        "/startupz" => json!({ "ok": true, "status": "started", "version": gateway.options.version,
            "uptimeMs": gateway.uptime_ms() }),
        _ => return None,
    };
    Some(match *request.method() {
        Method::GET | Method::HEAD => with_json(StatusCode::OK, &body),
        _ => not_allowed("GET"),
    })
}

/// A path without a file extension belongs to the page; the rest are files that are not there.
fn is_page(path: &str) -> bool {
    path == "/"
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    let holds = |name: header::HeaderName, word: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    holds(header::CONNECTION, "upgrade") && holds(header::UPGRADE, "websocket")
}

/// Answers the upgrade and hands the stream to a connection task.
fn upgrade(gateway: Arc<Gateway>, came: Came, mut request: Request<Incoming>) -> Answer {
    let headers = request.headers();
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let mut answer = failure(StatusCode::UPGRADE_REQUIRED, "websocket version must be 13", "invalid_request_error");
        answer.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return answer;
    }
    let accept = headers.get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let Some(accept) = accept.and_then(|accept| HeaderValue::try_from(accept).ok()) else {
        return failure(StatusCode::BAD_REQUEST, "sec-websocket-key is missing", "invalid_request_error");
    };
    let Ok(place) = Arc::clone(&gateway.handshakes).try_acquire_owned() else {
        tracing::warn!(max = gateway.options.limits.handshakes_max, "too many clients in their handshake; refused one");
        let mut answer = failure(StatusCode::SERVICE_UNAVAILABLE, "too many clients are connecting", "unavailable");
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return answer;
    };
    let upgraded = hyper::upgrade::on(&mut request);
    let tasks = gateway.tasks.clone();
    // Task `gateway.websocket`: ends with the connection; `Handle::shutdown` closes it.
    tasks.spawn(async move {
        let Ok(upgraded) = upgraded.await else { return };
        let Ok(parts) = upgraded.downcast::<TokioIo<Io>>() else { return };
        conn::run(gateway, parts.io.into_inner(), parts.read_buf.to_vec(), came, place).await;
    });
    let mut answer = plain(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = answer.headers_mut();
    headers.clear();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    answer
}

async fn metrics(gateway: &Gateway, came: Came, headers: &HeaderMap) -> Answer {
    let is_open = came.peer.is_local() && !came.is_browser;
    if !is_open && admit::admit_bearer(gateway, came, bearer(headers)).await.is_err() {
        return unauthorized();
    }
    let mut answer = plain(StatusCode::OK, "");
    *answer.body_mut() = Full::new(Bytes::from((gateway.options.metrics)()));
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    answer
}

/// Answers a JSON-RPC call or batch.
async fn rpc(gateway: Arc<Gateway>, came: Came, request: Request<Incoming>) -> Answer {
    let is_json =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|kind| {
            kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        });
    // A form or `text/plain` is what a foreign page can send without asking.
    if !is_json {
        return failure(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content-type must be application/json",
            "invalid_request_error",
        );
    }
    let Ok(client) = admit::admit_bearer(&gateway, came, bearer(request.headers())).await else {
        return unauthorized();
    };
    let limit = gateway.options.limits.payload_bytes_max;
    let Ok(body) = Limited::new(request.into_body(), limit).collect().await else {
        return failure(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or was cut", "invalid_request_error");
    };
    let Ok(value) = serde_json::from_slice::<Value>(&body.to_bytes()) else {
        return text_json(StatusCode::BAD_REQUEST, jsonrpc::parse_error());
    };
    match answer_rpc(gateway, client, value).await {
        Some(text) => text_json(StatusCode::OK, text),
        None => plain(StatusCode::NO_CONTENT, ""),
    }
}

async fn answer_rpc(gateway: Arc<Gateway>, client: Arc<Client>, value: Value) -> Option<String> {
    let cx = Cx { gateway, client, meta: Meta::default() };
    match jsonrpc::parse(value) {
        jsonrpc::Parsed::One(call) => jsonrpc::one(cx, *call).await,
        jsonrpc::Parsed::Batch(calls) => jsonrpc::batch(cx, calls).await,
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unauthorized() -> Answer {
    failure(StatusCode::UNAUTHORIZED, "Unauthorized", "unauthorized")
}

fn not_allowed(allow: &'static str) -> Answer {
    let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    answer
}

fn failure(status: StatusCode, message: &str, kind: &str) -> Answer {
    with_json(status, &json!({ "error": { "message": message, "type": kind } }))
}

fn with_json(status: StatusCode, value: &Value) -> Answer {
    text_json(status, value.to_string())
}

fn text_json(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    harden(headers);
    answer
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    harden(headers);
    answer
}

/// Headers every answer carries.
fn harden(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}
