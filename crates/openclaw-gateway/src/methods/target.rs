//! Which session a request means, and how a run is asked for.

use std::time::Duration;

use openclaw_domain::message::Part;
use openclaw_domain::model::{ModelRef, Thinking};
use openclaw_domain::run::{QueueMode, RunRequest, Source};
use openclaw_domain::{AgentId, Origin, SessionKey, UserTurn};
use openclaw_protocol::ErrorBody;
use serde_json::{Value, json};

use super::attachments;
use crate::client::FOLLOWED_MAX;
use crate::convert::fault::invalid;
use crate::dispatch::{Cx, Params};

/// Returns the agent a request names, or the default one.
pub(crate) fn agent(cx: &Cx, params: &Params) -> Result<AgentId, ErrorBody> {
    match params.text("agentId") {
        None => Ok(cx.gateway.default_agent()),
        Some(text) => {
            let id: AgentId = text.parse().map_err(|error| invalid(format!("{error}")))?;
            match cx.gateway.ports.catalog.agent(&id) {
                Some(_) => Ok(id),
                None => {
                    Err(invalid(format!("agent \"{id}\" not found; `openclaw agents list` shows those configured"))
                        .with_details(json!({ "code": "UNKNOWN_AGENT_ID", "agentId": id })))
                }
            }
        }
    }
}

/// Reads a session key; a short one is completed for the agent.
pub(crate) fn key(cx: &Cx, params: &Params, name: &str) -> Result<SessionKey, ErrorBody> {
    complete(&agent(cx, params)?, params.required(name))
}

/// Completes a short key for an agent.
pub(crate) fn complete(agent: &AgentId, text: &str) -> Result<SessionKey, ErrorBody> {
    SessionKey::resolve(text, agent).map_err(|error| invalid(error.to_string()))
}

/// Refuses parameters that would be silently without effect.
pub(crate) fn refuse(method: &str, params: &Params, names: &[&str]) -> Result<(), ErrorBody> {
    let asks = |name: &&&str| params.0.get(**name).is_some_and(|value| !value.is_null() && *value != json!(false));
    match names.iter().find(asks) {
        None => Ok(()),
        Some(name) => {
            Err(invalid(format!("invalid {method} params: at /{name}: not supported by this gateway; leave it out")))
        }
    }
}

/// What a request asks to run, whichever method it came by.
pub(crate) struct Asked<'a> {
    pub(crate) session: SessionKey,
    pub(crate) id: &'a str,
    pub(crate) message: &'a str,
    pub(crate) source: Source,
    pub(crate) queue: QueueMode,
    pub(crate) timeout: Option<Duration>,
}

/// Makes the run request.
pub(crate) fn run(cx: &Cx, params: &Params, asked: Asked<'_>) -> Result<RunRequest, ErrorBody> {
    let now = cx.gateway.now();
    let mut parts = Vec::new();
    if !asked.message.is_empty() {
        parts.push(Part::text(asked.message));
    }
    parts.extend(attachments::parts(params.0.get("attachments"))?);
    if parts.is_empty() {
        return Err(invalid("message is empty; write something or attach a file"));
    }
    let thinking = params.text("thinking").map(str::parse::<Thinking>).transpose();
    // A deadline of the caller is one more ceiling (B7).
    let timeout = [asked.timeout, cx.meta.deadline].into_iter().flatten().min();
    let id = asked.id.parse().map_err(|error| invalid(format!("idempotencyKey: {error}")))?;
    let input = UserTurn { parts, origin: Origin::Owner, at: now };
    let source = if cx.meta.is_api { Source::Api } else { asked.source };
    Ok(RunRequest {
        model: model(params)?,
        thinking: thinking.map_err(|error| invalid(error.to_string()))?,
        queue: asked.queue,
        timeout,
        extra_system: params.text("extraSystemPrompt").map(str::to_owned),
        trace: cx.meta.trace.clone(),
        ..RunRequest::new(id, asked.session, input, source)
    })
}

fn model(params: &Params) -> Result<Option<ModelRef>, ErrorBody> {
    let Some(model) = params.text("model") else { return Ok(None) };
    match params.text("provider") {
        Some(provider) => Ok(Some(ModelRef::new(provider, model))),
        None => {
            model.parse().map(Some).map_err(|error: openclaw_domain::model::BadModelRef| invalid(error.to_string()))
        }
    }
}

/// Reads milliseconds; 0 means no limit of the caller's.
pub(crate) fn millis(params: &Params, name: &str) -> Option<Duration> {
    params.number(name).filter(|millis| *millis > 0).map(Duration::from_millis)
}

/// Notes that a client speaks in a session, so that it hears the run.
pub(crate) fn speaks_in(cx: &Cx, session: &SessionKey) {
    if !cx.client.is_session_scoped {
        return;
    }
    let mut interests = cx.client.interests();
    if interests.spoken.len() >= FOLLOWED_MAX {
        interests.spoken.clear();
    }
    let is_new = interests.spoken.insert(session.clone());
    drop(interests);
    if is_new {
        cx.gateway.hub.interests_changed();
    }
}

/// Reads a text that may be cleared: absent, `null`, or a value.
pub(crate) fn clearable(params: &Params, name: &str) -> Option<Option<String>> {
    params.0.get(name).map(|value| match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    })
}
