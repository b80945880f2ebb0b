//! One request in, one response out.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::body::{Play, Unread, read};
use super::heard::Heard;
use super::script::{Failure, Reply};
use super::wire::{CREATED, Cx, Piece, Refused, Wire, stream, whole};
use super::{Recorded, RenderKey, Shared};

/// Numbers set aside for the tool calls of one reply.
const CALLS_PER_REPLY: u64 = 32;
/// Most rendered replies kept.
const RENDERED_MAX: usize = 64;

type Answer = Response<Play>;

/// Answers a request and keeps it for the test.
pub(super) async fn respond(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, Unread> {
    let (head, body) = request.into_parts();
    let body = read(body).await?;
    let route = Route::of(&head.method, head.uri.path());
    let answer = match &route {
        Route::Ask(wire) => ask(&shared, *wire, head.uri.path(), head.uri.query(), &head.headers, &body),
        Route::Count(wire) => json_answer(200, &count(*wire, &body)),
        Route::Models => json_answer(200, &models(&shared.script.models, &head.headers, head.uri.path())),
        Route::Model(name) => model(&shared.script.models, name, &head.headers),
        Route::Show => show(&shared.script.models, &body),
        Route::Version => json_answer(200, &json!({ "version": "0.12.0" })),
        Route::Calls => json_answer(200, &calls(&shared)),
        Route::Nowhere => {
            json_answer(404, &json!({ "error": { "message": format!("there is no {}", head.uri.path()) } }))
        }
    };
    if shared.recorded_max > 0 {
        record(&shared, &head, body, answer.status().as_u16());
    }
    shared.arrived.send_modify(|arrived| *arrived += 1);
    Ok(answer)
}

/// Where a request goes.
enum Route {
    Ask(Wire),
    Count(Wire),
    Models,
    Model(String),
    Show,
    Version,
    Calls,
    Nowhere,
}

impl Route {
    /// Finds the route by the end of the path, so that any base path will do.
    fn of(method: &Method, path: &str) -> Self {
        let ends = |end: &str| path.ends_with(end);
        let last = path.rsplit('/').next().unwrap_or_default();
        if method == Method::POST {
            return match last {
                "completions" if ends("/chat/completions") => Route::Ask(Wire::Chat),
                "responses" => Route::Ask(Wire::Responses),
                "messages" => Route::Ask(Wire::Anthropic),
                "chat" if ends("/api/chat") => Route::Ask(Wire::Ollama),
                "count_tokens" => Route::Count(Wire::Anthropic),
                "input_tokens" => Route::Count(Wire::Responses),
                "show" if ends("/api/show") => Route::Show,
                _ => match last.split_once(':') {
                    Some((_, "generateContent" | "streamGenerateContent")) => Route::Ask(Wire::Gemini),
                    Some((_, "countTokens")) => Route::Count(Wire::Gemini),
                    _ => Route::Nowhere,
                },
            };
        }
        match last {
            "models" => Route::Models,
            "tags" | "ps" if path.contains("/api/") => Route::Models,
            "version" if ends("/api/version") => Route::Version,
            "calls" if path == "/calls" => Route::Calls,
            name => match path.rsplit_once("/models/") {
                Some((_, whole)) if !name.is_empty() => Route::Model(whole.to_owned()),
                _ => Route::Nowhere,
            },
        }
    }
}

/// Answers a request for an answer.
fn ask(shared: &Shared, wire: Wire, path: &str, query: Option<&str>, headers: &HeaderMap, body: &Bytes) -> Answer {
    shared.calls[wire as usize].fetch_add(1, Ordering::Relaxed);
    let is_strict = shared.script.lint.is_on();
    let key = wire.key(headers);
    let is_known = match (&shared.script.key, &key) {
        (Some(wanted), given) => given.as_ref() == Some(wanted),
        (None, given) => given.is_some() || !is_strict,
    };
    if !is_known {
        return refused(wire.refuse(Failure::Auth, None));
    }
    let heard = match wire.hear(path, body) {
        Ok(heard) => heard,
        Err(error) => return refused(wire.refuse(Failure::BadRequest, Some(&error.to_string()))),
    };
    if is_strict && let Some(message) = wire.judge(&shared.script.lint, &heard, headers) {
        return refused(wire.refuse(Failure::BadRequest, Some(&message)));
    }
    let reply = shared.script.reply(&heard);
    match &reply.failure {
        Some((failure, message)) => fail(wire, *failure, message.as_deref(), &reply),
        None => play(shared, wire, &heard, &reply, query),
    }
}

fn fail(wire: Wire, failure: Failure, message: Option<&str>, reply: &Reply) -> Answer {
    let mut refusal = wire.refuse(failure, message);
    if let Some(wait) = &reply.retry_after {
        refusal.headers.push(("retry-after", wait.clone()));
    }
    match failure {
        Failure::Html => answer(502, "text/html", Play::Whole(Some("<html><h1>502 Bad Gateway</h1></html>".into()))),
        Failure::Empty => answer(503, "text/plain", Play::Whole(None)),
        Failure::Auth | Failure::Permission | Failure::Quota | Failure::RateLimit | Failure::Overloaded => {
            refused(refusal)
        }
        Failure::ContextOverflow | Failure::BadRequest | Failure::Thinking | Failure::NoSuchModel => refused(refusal),
        Failure::TooLarge | Failure::Server => refused(refusal),
    }
}

fn play(shared: &Shared, wire: Wire, heard: &Heard, reply: &Reply, query: Option<&str>) -> Answer {
    let cx = || Cx {
        model: heard.model.clone(),
        first_call: shared.next_tool_call.fetch_add(CALLS_PER_REPLY, Ordering::Relaxed),
        wants_usage: heard.wants_usage,
        has_no_ids: reply.shape.has_no_ids,
        usage: reply.usage,
    };
    if !heard.is_stream {
        return match whole(wire, reply, cx()) {
            Ok(body) => json_answer(200, &body),
            Err(failure) => refused(wire.refuse(failure, None)),
        };
    }
    // Without `alt=sse` the service streams one JSON array instead of events.
    if wire == Wire::Gemini && !query.is_some_and(|query| query.contains("alt=sse")) {
        return answer(200, "application/json", Play::Whole(Some(as_array(&stream(wire, reply, cx())))));
    }
    if !reply.is_plain {
        return answer(200, wire.content_type(), Play::pieces(stream(wire, reply, cx())));
    }
    let key = RenderKey { wire, model: heard.model.clone(), wants_usage: heard.wants_usage, pieces: reply.steps.len() };
    let mut rendered = shared.rendered.lock().unwrap_or_else(PoisonError::into_inner);
    let body = match rendered.get(&key) {
        Some(body) => body.clone(),
        None => {
            let body = join(&stream(wire, reply, cx()));
            if rendered.len() < RENDERED_MAX {
                rendered.insert(key, body.clone());
            }
            body
        }
    };
    answer(200, wire.content_type(), Play::pieces(vec![Piece::Bytes(body)]))
}

fn join(pieces: &[Piece]) -> Bytes {
    let bytes = pieces.iter().filter_map(|piece| match piece {
        Piece::Bytes(bytes) => Some(bytes.as_ref()),
        Piece::Flush | Piece::Sleep(_) | Piece::Hold(_) | Piece::Reset => None,
    });
    Bytes::from(bytes.collect::<Vec<_>>().concat())
}

fn as_array(pieces: &[Piece]) -> Bytes {
    let events = join(pieces);
    let text = String::from_utf8_lossy(&events);
    let frames: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    Bytes::from(format!("[{}]", frames.join(",\r\n")))
}

fn refused(refusal: Refused) -> Answer {
    let mut answer = json_answer(refusal.status, &refusal.body);
    for (name, value) in refusal.headers {
        if let Ok(value) = value.parse() {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

fn json_answer(status: u16, body: &Value) -> Answer {
    answer(status, "application/json", Play::Whole(Some(Bytes::from(body.to_string()))))
}

fn answer(status: u16, content_type: &'static str, body: Play) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    answer
}

fn record(shared: &Shared, head: &http::request::Parts, body: Bytes, status: u16) {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let recorded = Recorded {
        method: head.method.to_string(),
        path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body,
        status,
    };
    let mut all = shared.recorded.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() == shared.recorded_max {
        all.pop_front();
    }
    all.push_back(recorded);
}

/// Estimates tokens: one per four bytes of the body.
fn count(wire: Wire, body: &Bytes) -> Value {
    let tokens = body.len() / 4;
    match wire {
        Wire::Gemini => json!({ "totalTokens": tokens }),
        Wire::Responses => json!({ "object": "response.input_tokens", "input_tokens": tokens }),
        Wire::Anthropic | Wire::Chat | Wire::Ollama => json!({ "input_tokens": tokens }),
    }
}

fn calls(shared: &Shared) -> Value {
    let counts = shared.calls.iter().map(|calls| calls.load(Ordering::Relaxed));
    json!({ "calls": counts.sum::<u64>() })
}

/// Lists the models in the form of whoever asks.
fn models(names: &[String], headers: &HeaderMap, path: &str) -> Value {
    if path.ends_with("/api/tags") || path.ends_with("/api/ps") {
        let models: Vec<Value> = names.iter().map(|name| ollama_model(name)).collect();
        return json!({ "models": models });
    }
    if headers.contains_key("anthropic-version") {
        let data: Vec<Value> = names.iter().map(|name| anthropic_model(name)).collect();
        return json!({ "data": data, "has_more": false, "first_id": names.first(), "last_id": names.last() });
    }
    if path.contains("/v1beta/") || headers.contains_key("x-goog-api-key") {
        let models: Vec<Value> = names.iter().map(|name| gemini_model(name)).collect();
        return json!({ "models": models });
    }
    let data: Vec<Value> = names.iter().map(|name| openai_model(name)).collect();
    json!({ "object": "list", "data": data })
}

fn model(names: &[String], name: &str, headers: &HeaderMap) -> Answer {
    let wire = if headers.contains_key("anthropic-version") {
        Wire::Anthropic
    } else if headers.contains_key("x-goog-api-key") {
        Wire::Gemini
    } else {
        Wire::Chat
    };
    if !names.iter().any(|known| known == name) {
        return refused(wire.refuse(Failure::NoSuchModel, Some(&format!("The model `{name}` does not exist"))));
    }
    let body = match wire {
        Wire::Anthropic => anthropic_model(name),
        Wire::Gemini => gemini_model(name),
        Wire::Chat | Wire::Responses | Wire::Ollama => openai_model(name),
    };
    json_answer(200, &body)
}

fn openai_model(name: &str) -> Value {
    json!({ "id": name, "object": "model", "created": CREATED, "owned_by": "scripted" })
}

fn anthropic_model(name: &str) -> Value {
    let yes = || json!({ "supported": true });
    let no = || json!({ "supported": false });
    json!({
        "type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z",
        "max_input_tokens": 200_000, "max_tokens": 64_000,
        "capabilities": {
            "thinking": { "supported": true, "types": { "adaptive": yes(), "enabled": yes(), "disabled": yes() } },
            "effort": {
                "supported": true, "low": yes(), "medium": yes(), "high": yes(), "xhigh": no(), "max": yes(),
            },
            "image_input": yes(), "pdf_input": no(), "structured_outputs": no(), "batch": no(), "citations": no(),
            "code_execution": no(),
            "context_management": { "supported": false },
        },
    })
}

fn gemini_model(name: &str) -> Value {
    json!({
        "name": format!("models/{name}"), "displayName": name, "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536, "supportedGenerationMethods": ["generateContent", "countTokens"], "thinking": true,
    })
}

fn ollama_model(name: &str) -> Value {
    json!({
        "name": name, "model": name, "modified_at": "2026-01-01T00:00:00Z", "size": 4_000_000_000_u64,
        "digest": "0123456789abcdef", "expires_at": "2026-01-01T00:05:00Z", "size_vram": 4_000_000_000_u64,
        "details": {
            "parent_model": "", "format": "gguf", "family": "scripted", "families": ["scripted"],
            "parameter_size": "8B", "quantization_level": "Q4_K_M",
        },
    })
}

/// Describes a model the way `/api/show` does.
fn show(names: &[String], body: &Bytes) -> Answer {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let name = asked["model"].as_str().or(asked["name"].as_str()).unwrap_or_default();
    if !names.iter().any(|known| known == name) {
        return json_answer(404, &json!({ "error": format!("model '{name}' not found") }));
    }
    let all = ["completion", "tools", "thinking"];
    let capabilities: &[&str] = if name.contains("plain") { &all[..1] } else { &all };
    json_answer(
        200,
        &json!({
            "details": ollama_model(name)["details"], "modified_at": "2026-01-01T00:00:00Z",
            "model_info": { "general.architecture": "scripted", "scripted.context_length": 131_072 },
            "capabilities": capabilities,
        }),
    )
}
