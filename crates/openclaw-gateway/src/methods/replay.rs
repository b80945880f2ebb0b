//! `runs.replay`, `runs.fork`, `runs.diff`: looking back at recorded runs.

use std::collections::BTreeMap;

use openclaw_domain::model::BadModelRef;
use openclaw_domain::ports::{Edit, ForkWish, RunName};
use openclaw_domain::{CallId, RunId};
use openclaw_protocol::ErrorBody;
use serde_json::{Value, json};

use super::target;
use crate::convert::fault::{error, invalid};
use crate::dispatch::{Answer, Cx, Params, now};

/// Compares a recorded run with what the engine asks for.
pub(crate) async fn replay(cx: Cx, params: Params) -> Answer {
    let name = name(&cx, &params, "runId", "sessionKey")?;
    let replayed = cx.gateway.ports.history.replay(name.session.as_ref(), &name.run).await;
    now(json!(replayed.map_err(|fault| error(&fault))?))
}

/// Begins a new run from the state before a model call of a recorded one.
pub(crate) async fn fork(cx: Cx, params: Params) -> Answer {
    let model = params.text("model").map(str::parse).transpose();
    let wish = ForkWish {
        of: name(&cx, &params, "runId", "sessionKey")?,
        from_step: u32::try_from(params.number("fromStep").unwrap_or(1)).unwrap_or(u32::MAX),
        model: model.map_err(|error: BadModelRef| invalid(error.to_string()))?,
        edit: edit(params.0.get("edit"))?,
        is_live: params.flag("live").unwrap_or(false),
    };
    let forked = cx.gateway.ports.history.fork(wish).await;
    now(json!(forked.map_err(|fault| error(&fault))?))
}

/// Compares two runs step by step.
pub(crate) async fn diff(cx: Cx, params: Params) -> Answer {
    let (a, b) = (name(&cx, &params, "a", "sessionKeyA")?, name(&cx, &params, "b", "sessionKeyB")?);
    let compared = cx.gateway.ports.history.compare(&a, &b).await;
    now(json!(compared.map_err(|fault| error(&fault))?))
}

fn name(cx: &Cx, params: &Params, run: &str, session: &str) -> Result<RunName, ErrorBody> {
    let id: RunId = params.required(run).parse().map_err(|error| invalid(format!("{run}: {error}")))?;
    let session = params.text(session).map(|_| target::key(cx, params, session)).transpose()?;
    Ok(RunName { session, run: id })
}

fn edit(edit: Option<&Value>) -> Result<Edit, ErrorBody> {
    let Some(edit) = edit else { return Ok(Edit::default()) };
    let text = |name: &str| edit.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut results = BTreeMap::new();
    for (call, result) in edit.get("results").and_then(Value::as_object).into_iter().flatten() {
        let id: CallId = call.parse().map_err(|error| invalid(format!("edit.results: {error}")))?;
        let result = result.as_str().ok_or_else(|| invalid(format!("edit.results.{call}: must be string")))?;
        results.insert(id, result.to_owned());
    }
    Ok(Edit { input: text("input"), system: text("system"), results })
}
