//! `agent` and `agent.wait`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::FutureExt as _;
use openclaw_domain::delivery::Destination;
use openclaw_domain::run::{QueueMode, Source, StartState};
use openclaw_domain::{RunId, RunRequest, SessionKey};
use openclaw_protocol::{ErrorBody, ErrorCode};
use serde_json::{Value, json};

use super::streams;
use super::target::{self, Asked};
use crate::convert;
use crate::convert::fault::invalid;
use crate::dispatch::{Answer, Cx, Params, Reply, Wait, now};
use crate::gateway::Gateway;

/// How long `agent.wait` waits when the caller does not say.
const WAIT_DEFAULT: Duration = Duration::from_secs(30);

/// Parameters whose effect is not there; running without it would mislead.
const UNSUPPORTED: [&str; 5] =
    ["cwd", "swarmCollector", "swarmOutputSchema", "forceCodeModeTools", "internalRuntimeHandoffId"];

/// Runs an agent: answers `accepted` once the input cannot be lost, then the result.
pub(crate) async fn agent(cx: Cx, params: Params) -> Answer {
    target::refuse("agent", &params, &UNSUPPORTED)?;
    let session = session(&cx, &params)?;
    let asked = Asked {
        session: session.clone(),
        id: params.required("idempotencyKey"),
        message: params.required("message"),
        source: Source::Agent,
        queue: QueueMode::Followup,
        timeout: params.number("timeout").filter(|seconds| *seconds > 0).map(Duration::from_secs),
    };
    let request = RunRequest { deliver: destination(&params)?, ..target::run(&cx, &params, asked)? };
    let id = request.id.clone();
    target::speaks_in(&cx, &session);
    let started = cx.gateway.ports.runs.start(request).await.map_err(|fault| convert::fault::error(&fault))?;
    if let StartState::Ended(outcome) = &started.state {
        return convert::outcome::finished(&id, &session, outcome).and_then(now);
    }
    let mut first = json!({ "runId": id, "sessionKey": session, "agentId": session.agent(), "status": "accepted",
        "acceptedAt": started.at });
    streams::put_position(&cx, &started, &mut first);
    Ok(Reply::Twice(first, result(Arc::clone(&cx.gateway), session, id, started.run)))
}

fn session(cx: &Cx, params: &Params) -> Result<SessionKey, ErrorBody> {
    let agent = target::agent(cx, params)?;
    match (params.text("sessionKey"), params.text("sessionId")) {
        (Some(key), _) => target::complete(&agent, key),
        (None, Some(id)) => target::complete(&agent, &format!("explicit:{id}")),
        (None, None) => Ok(SessionKey::main_of(&agent)),
    }
}

/// Reads where the answer is sent besides the transcript, when that is asked.
fn destination(params: &Params) -> Result<Option<Destination>, ErrorBody> {
    if params.0.get("deliver").and_then(Value::as_bool) != Some(true) {
        return Ok(None);
    }
    let either = |reply: &str, plain: &str| params.text(reply).or_else(|| params.text(plain)).map(str::to_owned);
    let channel = either("replyChannel", "channel")
        .ok_or_else(|| invalid("invalid agent params: at /channel: deliver needs a channel, for example webhook"))?;
    Ok(Some(Destination {
        channel,
        to: either("replyTo", "to").unwrap_or_default(),
        account: either("replyAccountId", "accountId"),
        thread: params.text("threadId").map(str::to_owned),
    }))
}

/// Waits for the run that carries the input and answers for the id that was asked for.
fn result(gateway: Arc<Gateway>, session: SessionKey, id: RunId, carrier: RunId) -> Wait {
    async move {
        match gateway.ports.runs.wait(Some(&session), &carrier).await {
            Ok(Some(outcome)) => convert::outcome::finished(&id, &session, &outcome),
            Ok(None) => Err(ErrorBody::new(ErrorCode::Unavailable, format!("run {id} is no longer known"))),
            Err(fault) => Err(convert::fault::error(&fault)),
        }
    }
    .boxed()
}

/// Waits for a run to end; an unknown or unfinished run is a timeout.
pub(crate) async fn wait(cx: Cx, params: Params) -> Answer {
    let run: RunId = params.required("runId").parse().map_err(|error| invalid(format!("{error}")))?;
    let asked = params.number("timeoutMs").map_or(WAIT_DEFAULT, Duration::from_millis);
    let limit = cx.meta.deadline.map_or(asked, |deadline| asked.min(deadline));
    let gateway = cx.gateway;
    let wait = async move {
        let waited = tokio::select! {
            // An ended run answers even when the caller gives it no time at all.
            biased;
            waited = gateway.ports.runs.wait(None, &run) => waited.map_err(|fault| convert::fault::error(&fault))?,
            () = gateway.ports.clock.sleep(limit) => None,
        };
        Ok(match waited {
            Some(outcome) => convert::outcome::waited(&run, &outcome),
            None => json!({ "runId": run, "status": "timeout" }),
        })
    };
    Ok(Reply::Later(wait.boxed()))
}
