//! How a run ended, on the wire.

use openclaw_domain::model::Usage;
use openclaw_domain::run::{End, Limit, Outcome};
use openclaw_domain::{RunId, SessionKey};
use openclaw_protocol::{ErrorBody, ErrorCode};
use serde_json::{Value, json};

/// Returns what a `lifecycle` end and `agent.wait` share.
pub(crate) fn ending(run: &str, outcome: &Outcome, tools: &[String]) -> Value {
    let is_visible = !outcome.text.is_empty();
    let disposition = if is_visible { "visible" } else { "silent" };
    let stop = match &outcome.end {
        End::Done => "stop",
        End::Cancelled { .. } => "aborted",
        End::Limited { .. } => "limit",
        End::ModelFailed { .. } | End::Failed { .. } => "error",
    };
    // One literal: a value named inside another one is copied with all it holds.
    let mut ending = json!({ "stopReason": stop, "aborted": matches!(outcome.end, End::Cancelled { .. }),
        "terminalReply": { "disposition": disposition, "text": outcome.text },
        "terminalReceipt": { "runId": run, "turnId": run, "successfulToolNames": tools,
            "rerouted": outcome.answered_by.as_ref().is_some_and(|by| by.why.is_some()),
            "terminalDisposition": disposition } });
    if let Some(by) = &outcome.answered_by {
        let receipt = &mut ending["terminalReceipt"];
        receipt["effective"] = json!({ "provider": by.model.provider, "model": by.model.model });
        if let Some(why) = &by.why {
            receipt["reroutedBecause"] = json!(why);
        }
    }
    ending
}

/// Names why a run ended badly: the ceiling that was reached, `model` when no
/// model answered, `internal` when something of ours broke. `stopReason` calls
/// the last two `error` alike, and they want different next steps.
fn error_kind(end: &End) -> Value {
    match end {
        End::Done | End::Cancelled { .. } => Value::Null,
        End::Limited { limit, .. } => json!(named(*limit).0),
        End::ModelFailed { .. } => json!("model"),
        End::Failed { .. } => json!("internal"),
    }
}

/// Names a ceiling, and for the wall clock whose it was: clients know one word for both.
fn named(limit: Limit) -> (&'static str, Option<&'static str>) {
    match limit {
        Limit::Iterations => ("iterations", None),
        Limit::IdenticalCalls => ("identical_calls", None),
        Limit::ErrorsInRow => ("errors_in_row", None),
        Limit::Tokens => ("tokens", None),
        Limit::Cost => ("cost", None),
        Limit::Duration => ("duration", Some("agent")),
        Limit::Timeout => ("duration", Some("request")),
    }
}

/// Adds which ceiling ended a run and, when that was the time, whose it was.
pub(crate) fn put_limit(payload: &mut Value, end: &End) {
    let End::Limited { limit, .. } = end else { return };
    let (name, whose) = named(*limit);
    payload["limit"] = json!(name);
    if let Some(whose) = whose {
        payload["ceiling"] = json!(whose);
    }
}

/// Returns the same as one text, from coarse to fine: `limit:duration:request`.
pub(crate) fn limit_path(end: &End) -> Option<String> {
    let End::Limited { limit, .. } = end else { return None };
    Some(match named(*limit) {
        (name, Some(whose)) => format!("limit:{name}:{whose}"),
        (name, None) => format!("limit:{name}"),
    })
}

/// Returns the payload of `agent.wait` for an ended run.
pub(crate) fn waited(run: &RunId, outcome: &Outcome) -> Value {
    let mut payload = json!({ "runId": run, "startedAt": outcome.started_at, "endedAt": outcome.ended_at });
    let ending = ending(run.as_str(), outcome, &[]);
    match &outcome.end {
        End::Done => {
            payload["status"] = json!("ok");
            payload["terminalReceipt"] = ending["terminalReceipt"].clone();
            payload["terminalReply"] = ending["terminalReply"].clone();
        }
        End::Cancelled { by } => {
            payload["status"] = json!("error");
            payload["error"] = json!("aborted");
            payload["stopReason"] = json!(by);
        }
        End::Limited { message, .. } | End::ModelFailed { message, .. } | End::Failed { message } => {
            payload["status"] = json!("error");
            payload["error"] = json!(message);
            payload["stopReason"] = ending["stopReason"].clone();
            payload["errorKind"] = error_kind(&outcome.end);
            put_limit(&mut payload, &outcome.end);
        }
    }
    payload
}

/// Returns the second answer of `agent`, or the error that takes its place.
pub(crate) fn finished(run: &RunId, session: &SessionKey, outcome: &Outcome) -> Result<Value, ErrorBody> {
    let took = outcome.ended_at.since(outcome.started_at);
    let (status, summary) = match &outcome.end {
        End::Done => ("ok", "completed"),
        End::Cancelled { .. } => ("aborted", "aborted"),
        End::Limited { message, .. } | End::ModelFailed { message, .. } | End::Failed { message } => {
            let mut details = json!({ "runId": run, "status": "error", "errorKind": error_kind(&outcome.end),
                "stopReason": ending(run.as_str(), outcome, &[])["stopReason"] });
            put_limit(&mut details, &outcome.end);
            let mut error = ErrorBody::new(ErrorCode::Unavailable, message.clone()).with_details(details);
            error.retryable = Some(false);
            return Err(error);
        }
    };
    let mut answer = json!({ "runId": run, "sessionKey": session, "status": status, "summary": summary,
        "result": { "payloads": [], "meta": {
            "durationMs": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "agentMeta": { "sessionKey": session },
            "aborted": matches!(outcome.end, End::Cancelled { .. }),
            "iterations": outcome.iterations, "toolCalls": outcome.tool_calls } } });
    if !outcome.text.is_empty() {
        answer["result"]["payloads"] = json!([{ "text": outcome.text, "mediaUrl": null }]);
    }
    let agent = &mut answer["result"]["meta"]["agentMeta"];
    agent["usage"] = usage(&outcome.usage);
    if let Some(by) = &outcome.answered_by {
        agent["provider"] = json!(by.model.provider);
        agent["model"] = json!(by.model.model);
        if let Some(why) = &by.why {
            agent["modelChosenBecause"] = json!(why);
        }
    }
    Ok(answer)
}

/// Returns token counts under the wire's names.
pub(crate) fn usage(usage: &Usage) -> Value {
    let mut value = json!({ "input": usage.input, "output": usage.output, "cacheRead": usage.cache_read,
        "cacheWrite": usage.cache_write, "total": usage.total() });
    if let Some(cost) = usage.cost_usd {
        value["costUsd"] = json!(cost);
    }
    value
}

#[cfg(test)]
mod tests {
    use openclaw_domain::Timestamp;
    use openclaw_domain::model::ErrorClass;

    use super::*;

    fn outcome(end: End) -> Outcome {
        let (started_at, ended_at) = (Timestamp(1), Timestamp(2));
        let (text, usage) = (String::new(), Usage::default());
        Outcome { end, text, answered_by: None, usage, iterations: 1, tool_calls: 0, started_at, ended_at }
    }

    /// Returns what `agent` and `agent.wait` say.
    fn both(end: End) -> (Value, Value) {
        let (outcome, run): (_, RunId) = (outcome(end), "r1".parse().unwrap());
        let details = finished(&run, &"agent:main:main".parse().unwrap(), &outcome).unwrap_err().details;
        (details.unwrap(), waited(&run, &outcome))
    }

    /// Returns what `agent` and `agent.wait` say about an end, which must be the same.
    fn told(end: End) -> (Value, Value) {
        let (details, waited) = both(end);
        let pair = |value: &Value| (value["stopReason"].clone(), value["errorKind"].clone());
        assert_eq!(pair(&details), pair(&waited));
        pair(&details)
    }

    #[test]
    fn a_model_that_failed_and_a_defect_of_ours_have_different_kinds() {
        let message = || "x".to_owned();
        let model = End::ModelFailed { class: ErrorClass::Network, message: message() };
        assert_eq!(told(model), (json!("error"), json!("model")));
        assert_eq!(told(End::Failed { message: message() }), (json!("error"), json!("internal")));
        for (limit, kind) in [(Limit::Duration, "duration"), (Limit::Cost, "cost"), (Limit::Iterations, "iterations")] {
            assert_eq!(told(End::Limited { limit, message: message() }), (json!("limit"), json!(kind)));
        }
    }

    #[test]
    fn the_ceiling_is_said_and_for_the_time_whose_it_was() {
        let limited = |limit| End::Limited { limit, message: "x".to_owned() };
        for (limit, expected, path) in [
            (Limit::Duration, json!(["duration", "agent"]), "limit:duration:agent"),
            (Limit::Timeout, json!(["duration", "request"]), "limit:duration:request"),
            (Limit::ErrorsInRow, json!(["errors_in_row", null]), "limit:errors_in_row"),
        ] {
            let (details, waited) = both(limited(limit));
            assert_eq!(json!([details["limit"], details["ceiling"]]), expected);
            assert_eq!(json!([waited["limit"], waited["ceiling"]]), expected);
            assert_eq!(limit_path(&limited(limit)).as_deref(), Some(path));
        }
        assert_eq!(limit_path(&End::Done), None);
    }

    #[test]
    fn limits_have_one_name_everywhere() {
        for limit in
            [Limit::Iterations, Limit::IdenticalCalls, Limit::ErrorsInRow, Limit::Tokens, Limit::Duration, Limit::Cost]
        {
            assert_eq!(json!(named(limit).0), json!(limit));
        }
    }
}
