//! The configuration: read, write with compare-and-swap, schema.

use openclaw_domain::settings::{Issue, Severity, Snapshot, Write, WriteBody, Written};
use openclaw_protocol::{ErrorBody, ErrorCode, Scope};
use serde_json::{Value, json};

use crate::convert::fault::{invalid, settings};
use crate::dispatch::{Answer, Cx, Params, now};
use crate::events::frame::WhenSlow;
use crate::events::names;

/// Steps of a path that is looked up.
const PATH_STEPS_MAX: usize = 32;

/// Reads the configuration, secrets replaced.
pub(crate) async fn get(cx: Cx, _params: Params) -> Answer {
    let snapshot = cx.gateway.ports.settings.current();
    now(json!({ "path": snapshot.path, "includedPaths": [], "exists": snapshot.exists, "raw": snapshot.raw,
        "parsed": snapshot.source, "sourceConfig": snapshot.source, "resolved": snapshot.resolved,
        "config": snapshot.resolved, "hash": snapshot.hash, "configRevisionHash": snapshot.hash,
        "valid": snapshot.issues.iter().all(|issue| issue.severity != Severity::Error),
        "issues": issues(&snapshot, Severity::Error), "warnings": issues(&snapshot, Severity::Warning) }))
}

fn issues(snapshot: &Snapshot, severity: Severity) -> Vec<Value> {
    let row = |issue: &Issue| json!({ "path": issue.path, "message": issue.message, "line": issue.line });
    snapshot.issues.iter().filter(|issue| issue.severity == severity).map(row).collect()
}

/// Replaces the file.
pub(crate) async fn set(cx: Cx, params: Params) -> Answer {
    let body = WriteBody::Replace(params.required("raw").to_owned());
    write(&cx, &params, "config.set", body).await
}

/// Replaces the file and applies it: a write is applied by being written.
pub(crate) async fn apply(cx: Cx, params: Params) -> Answer {
    let body = WriteBody::Replace(params.required("raw").to_owned());
    write(&cx, &params, "config.apply", body).await
}

/// Merges a change into the file; `null` deletes.
pub(crate) async fn patch(cx: Cx, params: Params) -> Answer {
    let replace_paths = replace_paths(&params)?;
    let patch = match serde_json::from_str::<Value>(params.required("raw")) {
        Ok(value @ Value::Object(_)) => value,
        Ok(_) => return Err(invalid("config.patch raw must be an object")),
        Err(error) => return Err(invalid(format!("config.patch raw is not JSON: {error}"))),
    };
    write(&cx, &params, "config.patch", WriteBody::Patch { patch, replace_paths }).await
}

/// Returns the paths that may lose entries; the contract bounds neither their number nor their length.
fn replace_paths(params: &Params) -> Result<Vec<String>, ErrorBody> {
    let paths = match params.0.get("replacePaths") {
        None => return Ok(Vec::new()),
        Some(Value::Array(paths)) => paths.iter().map(|path| path.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    };
    paths.ok_or_else(|| invalid("config.patch replacePaths must be an array of texts"))
}

async fn write(cx: &Cx, params: &Params, method: &'static str, body: WriteBody) -> Answer {
    let gateway = &cx.gateway;
    if !gateway.writes.admit(method, cx.client.label(), gateway.ports.clock.monotonic()) {
        let mut error =
            ErrorBody::new(ErrorCode::Unavailable, format!("rate limit exceeded for {method}; retry in a minute"))
                .with_details(json!({ "method": method, "limit": "30 per 60s" }));
        (error.retryable, error.retry_after_ms) = (Some(true), Some(60_000));
        return Err(error);
    }
    let write = Write { body, base_hash: params.text("baseHash").map(str::to_owned) };
    let Written { snapshot, changed, requires_restart } =
        gateway.ports.settings.write(write).await.map_err(|error| settings(&error))?;
    let event = json!({ "hash": snapshot.hash, "changedPaths": changed, "ts": gateway.now() });
    gateway.hub.broadcast(Some(Scope::Read), names::CONFIG_CHANGED, &event, WhenSlow::Drop);
    now(json!({ "ok": true, "path": snapshot.path, "hash": snapshot.hash, "config": snapshot.source,
        "changedPaths": changed,
        "sentinel": { "persisted": false, "payload": { "kind": method.replace('.', "-"), "status": "ok",
            "stats": { "requiresRestart": requires_restart } } } }))
}

/// Returns the schema of the configuration.
pub(crate) async fn schema(cx: Cx, _params: Params) -> Answer {
    now(json!({ "schema": cx.gateway.ports.settings.schema(), "uiHints": {}, "version": cx.gateway.options.version,
        "generatedAt": cx.gateway.started_at.as_millis().to_string() }))
}

/// Returns the schema of one path, and what lies below it.
pub(crate) async fn schema_lookup(cx: Cx, params: Params) -> Answer {
    let path = params.required("path");
    let root = cx.gateway.ports.settings.schema();
    let mut node = follow(&root, &root);
    if path.split('.').count() > PATH_STEPS_MAX {
        return Err(invalid(format!("config path {path:?} has more than {PATH_STEPS_MAX} steps")));
    }
    for step in path.split('.').filter(|step| !step.is_empty()) {
        node = child(&root, node, step).ok_or_else(|| {
            invalid(format!("config schema path not found: {path}; `openclaw config schema` lists them"))
        })?;
    }
    let required = node.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let children = node.get("properties").and_then(Value::as_object);
    let children = children.into_iter().flatten().map(|(key, below)| {
        let below = follow(&root, below);
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let mut row = json!({ "key": key, "path": path, "required": required.contains(&json!(key)),
            "hasChildren": below.get("properties").is_some() || below.get("additionalProperties").is_some_and(Value::is_object) });
        if let Some(kind) = below.get("type") {
            row["type"] = kind.clone();
        }
        row
    });
    now(json!({ "path": path, "schema": node, "children": children.collect::<Vec<_>>() }))
}

fn child<'a>(root: &'a Value, node: &'a Value, step: &str) -> Option<&'a Value> {
    let named = node.get("properties").and_then(|properties| properties.get(step));
    let below = named.or_else(|| node.get("additionalProperties").filter(|value| value.is_object()));
    let below = below.or_else(|| node.get("items").filter(|_| step.parse::<usize>().is_ok()));
    below.map(|below| follow(root, below))
}

/// Follows references within the document, a few at most.
fn follow<'a>(root: &'a Value, node: &'a Value) -> &'a Value {
    let mut node = node;
    for _ in 0..8 {
        let target = node.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
        match target.and_then(|pointer| root.pointer(pointer)) {
            Some(next) => node = next,
            None => break,
        }
    }
    node
}
