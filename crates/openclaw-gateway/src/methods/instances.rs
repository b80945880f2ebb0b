//! Instances that serve one request each, and tasks for several agents.

use std::time::Duration;

use futures_util::future::FutureExt as _;
use openclaw_domain::ports::{Child, Execution};
use openclaw_domain::run::{End, Outcome};
use openclaw_domain::runtime::{Instance, PoolTask};
use openclaw_domain::{AgentId, RunId};
use openclaw_protocol::ErrorBody;
use serde_json::{Value, json};

use super::target;
use crate::convert;
use crate::convert::fault::invalid;
use crate::dispatch::{Answer, Cx, Params, Reply, now};

/// Lists the instances that live.
pub(crate) async fn list(cx: Cx, params: Params) -> Answer {
    let agent = params.text("agentId").map(|_| target::agent(&cx, &params)).transpose()?;
    let at = cx.gateway.now();
    let instances = cx.gateway.ports.runs.instances();
    let own = instances.iter().filter(|it| agent.as_ref().is_none_or(|wanted| *wanted == it.agent));
    let shown: Vec<Value> = own.map(|instance| shown(instance, at)).collect();
    now(json!({ "count": shown.len(), "instances": shown }))
}

fn shown(instance: &Instance, at: openclaw_domain::Timestamp) -> Value {
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let terms = &instance.terms;
    json!({
        "id": instance.id, "agentId": instance.agent, "runId": instance.run, "sessionKey": instance.session,
        "state": instance.status, "acceptedAt": instance.accepted_at,
        "ageMs": millis(at.since(instance.accepted_at)), "timeoutLeftMs": instance.left.map(millis),
        "scratch": instance.scratch, "deterministic": terms.deterministic, "autoDestroy": terms.auto_destroy,
        "maxDurationMs": millis(terms.duration_max), "maxConcurrent": terms.concurrent_max,
    })
}

/// Runs a task: answers `accepted` once no part of it can be lost, then what became of each.
pub(crate) async fn execute(cx: Cx, params: Params) -> Answer {
    let id: RunId = params.required("idempotencyKey").parse().map_err(|error| invalid(format!("{error}")))?;
    let asked = params.number("timeout").map(Duration::from_secs);
    let task = PoolTask {
        id: id.clone(),
        agents: agents(&params)?,
        task: params.required("task").to_owned(),
        timeout: cx.meta.deadline.map_or(asked, |deadline| Some(asked.map_or(deadline, |asked| asked.min(deadline)))),
        parent: None,
    };
    let Execution { children, ended } =
        cx.gateway.ports.pool.execute(task).await.map_err(|fault| convert::fault::error(&fault))?;
    let first = json!({ "taskId": id, "status": "accepted", "acceptedAt": cx.gateway.now(),
        "runs": children.iter().map(named).collect::<Vec<_>>() });
    let wait = async move {
        let outcomes = ended.await;
        let results: Vec<Value> =
            children.iter().zip(&outcomes).map(|(child, outcome)| result(child, outcome.as_ref())).collect();
        let all_done = outcomes.iter().all(|it| it.as_ref().is_some_and(|outcome| outcome.end.is_done()));
        Ok(json!({ "taskId": id, "status": if all_done { "ok" } else { "partial" }, "results": results }))
    };
    Ok(Reply::Twice(first, wait.boxed()))
}

fn agents(params: &Params) -> Result<Vec<AgentId>, ErrorBody> {
    let named = params.0.get("agents").and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
    let agent = |value: &Value| {
        let text = value.as_str().ok_or_else(|| invalid("agents must hold ids, as text".to_owned()))?;
        text.parse().map_err(|error| invalid(format!("{error}")))
    };
    named.iter().map(agent).collect()
}

fn named(child: &Child) -> Value {
    json!({ "agentId": child.agent, "sessionKey": child.session, "runId": child.run })
}

fn result(child: &Child, outcome: Option<&Outcome>) -> Value {
    let mut value = named(child);
    let Some(outcome) = outcome else {
        value["status"] = json!("unknown");
        return value;
    };
    value["status"] = json!(match &outcome.end {
        End::Done => "ok",
        End::Cancelled { .. } => "aborted",
        End::Limited { .. } | End::ModelFailed { .. } | End::Failed { .. } => "error",
    });
    value["text"] = json!(outcome.text);
    if let Some(why) = outcome.end.message() {
        value["error"] = json!(why);
    }
    convert::outcome::put_limit(&mut value, &outcome.end);
    value["usage"] = convert::outcome::usage(&outcome.usage);
    value
}
