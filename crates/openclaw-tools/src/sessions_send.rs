//! Sends a message to another conversation and waits for its answer.
//!
//! The message is marked as coming from a session, so that the other side does
//! not take it for the owner's word. Sending to oneself is refused: the answer
//! would wait for the question.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{Either, select};
use openclaw_domain::message::{Part, UserTurn};
use openclaw_domain::origin::Origin;
use openclaw_domain::ports::{Tool, ToolCx};
use openclaw_domain::run::{Outcome, Parent, QueueMode, RunRequest, Source};
use openclaw_domain::tool::{Capability, Effect, Error, ToolOutput, ToolSpec};
use openclaw_domain::{Permit, RunId, SessionKey};
use serde::Deserialize;
use serde_json::json;

use crate::reach::Reach;
use crate::registry::Entry;
use crate::{args, text};

/// The row of `ALL`.
pub const ENTRY: Entry = Entry {
    id: NAME,
    group: "group:sessions",
    summary: "Sends a message to another conversation",
    build: |section| Some(Arc::new(SessionsSend { spec: spec(), reach: Reach::read(section) })),
};

const NAME: &str = "sessions_send";

/// Waits for an answer unless told otherwise, and at most.
const WAIT_SECONDS: u64 = 30;
const WAIT_SECONDS_MAX: u64 = 600;

/// Longest message, in bytes.
const MESSAGE_BYTES_MAX: usize = 32 * 1024;

struct SessionsSend {
    spec: ToolSpec,
    reach: Reach,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Args {
    session_key: String,
    message: String,
    timeout_seconds: Option<u64>,
}

#[async_trait]
impl Tool for SessionsSend {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let args: Args = args::parse(&self.spec, &[("session", "sessionKey"), ("key", "sessionKey")], permit.call())?;
        if args.message.trim().is_empty() || args.message.len() > MESSAGE_BYTES_MAX {
            return Err(Error::tell(format!(
                "sessions_send: argument `message` must hold 1 to {MESSAGE_BYTES_MAX} bytes of text"
            )));
        }
        let target = self.reach.find(&args.session_key, cx).await?.key;
        if target == cx.session {
            return Err(Error::tell("sessions_send: that is this very conversation; name another session"));
        }
        let parent = Parent {
            session: cx.session.clone(),
            run: cx.run.clone(),
            call: permit.call().id.clone(),
            root: cx.root.clone(),
            // It was accepted over there, and is answered whether or not anybody still waits.
            is_owner: false,
        };
        let started = cx.runs.start(request(&target, &args.message, parent, cx)?).await;
        let started = started.map_err(|fault| Error::tell(with_hint(&fault)))?;
        let wait = Duration::from_secs(args.timeout_seconds.unwrap_or(WAIT_SECONDS).min(WAIT_SECONDS_MAX));
        let answer = if wait.is_zero() { None } else { answer(&target, &started.run, wait, cx).await? };
        Ok(report(&target, &started.run, answer))
    }
}

/// The idempotency key makes a repeated attempt the same run.
fn request(target: &SessionKey, message: &str, parent: Parent, cx: &ToolCx) -> Result<RunRequest, Error> {
    let id: RunId = format!("send:{}", cx.idempotency_key)
        .parse()
        .map_err(|error| Error::EndRun(format!("no run id for a message: {error}")))?;
    let said = format!("[message from session {}]\n{message}", cx.session);
    let origin = Origin::Tool { tool: NAME.into() };
    let input = UserTurn { parts: vec![Part::text(said)], origin, at: cx.clock.now() };
    Ok(RunRequest {
        queue: QueueMode::Followup,
        parent: Some(parent),
        ..RunRequest::new(id, target.clone(), input, Source::Agent)
    })
}

async fn answer(target: &SessionKey, run: &RunId, wait: Duration, cx: &ToolCx) -> Result<Option<Outcome>, Error> {
    let ended = pin!(cx.runs.wait(Some(target), run));
    let late = pin!(cx.clock.sleep(wait));
    match select(ended, late).await {
        Either::Left((outcome, _)) => outcome.map_err(|fault| Error::tell(with_hint(&fault))),
        Either::Right(((), _)) => Ok(None),
    }
}

fn report(target: &SessionKey, run: &RunId, answer: Option<Outcome>) -> ToolOutput {
    let Some(outcome) = answer else {
        let said = format!("[sent to {target}; no answer yet, sessions_history shows it when it is there]");
        return ToolOutput::text(said, Origin::System).with_details(json!({ "status": "accepted", "runId": run }));
    };
    let mut said = text::head(&outcome.text, text::BYTES_MAX).to_owned();
    if said.len() < outcome.text.len() {
        said.push_str("\n[cut; sessions_history shows the rest]");
    }
    if let Some(why) = outcome.end.message() {
        said.push_str(&format!("\n[{target} did not finish: {why}]"));
    }
    ToolOutput::text(said, Origin::Tool { tool: NAME.into() })
        .with_details(json!({ "status": if outcome.end.is_done() { "ok" } else { "failed" }, "runId": run }))
}

fn with_hint(fault: &openclaw_domain::Fault) -> String {
    fault.hint.as_ref().map_or_else(|| fault.message.clone(), |hint| format!("{}; {hint}", fault.message))
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: NAME.into(),
        description: "Sends a message to another conversation, runs its agent, and returns the answer.".into(),
        parameters: json!({
            "type": "object",
            "properties": {
                "sessionKey": { "type": "string", "description": "The session's key, as sessions_list shows it." },
                "message": { "type": "string", "description": "What to say. Name who asks and why." },
                "timeoutSeconds": { "type": "integer", "minimum": 0,
                    "description": "How long to wait for the answer, default 30; 0 does not wait." },
            },
            "required": ["sessionKey", "message"],
        }),
        effect: Effect::Keyed,
        capability: Capability::Message,
    }
}
