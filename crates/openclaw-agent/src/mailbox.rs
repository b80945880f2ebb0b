//! Answers of children that came while their parent was gone.
//!
//! A call that waits for another run is not made again when that run has ended
//! meanwhile: its outcome stands in the parent's mailbox, and is the result.

use openclaw_domain::message::{Part, ToolStatus};
use openclaw_domain::ports::Mail;
use openclaw_domain::{Origin, RunRequest, ToolCall, ToolResult};
use serde_json::json;

use crate::shared::Shared;
use crate::step::Effect;

/// Puts the answer of a child in the place of repeating or probing its call.
pub(crate) async fn answer(shared: &Shared, request: &RunRequest, effects: Vec<Effect>) -> Vec<Effect> {
    if !effects.iter().any(|effect| awaited(effect).is_some()) {
        return effects;
    }
    let mail = match shared.ports.journal.mail(&request.session, &request.id).await {
        Ok(mail) => mail,
        Err(error) => {
            // The call is then made again with its key, which finds the child as well.
            tracing::warn!(run = %request.id, %error, "the mailbox could not be read");
            return effects;
        }
    };
    let answered = |effect: Effect| {
        let call = awaited(&effect).cloned();
        let letter = call.as_ref().and_then(|call| mail.iter().find(|mail| mail.call == call.id));
        match (call, letter) {
            (Some(call), Some(letter)) => Effect::Answer { result: result(&call, letter), call: call.id },
            _ => effect,
        }
    };
    effects.into_iter().map(answered).collect()
}

fn awaited(effect: &Effect) -> Option<&ToolCall> {
    match effect {
        Effect::Dispatch { call } | Effect::Probe { call } => Some(call),
        Effect::CallModel { .. } | Effect::Supersede { .. } | Effect::Answer { .. } | Effect::Finish { .. } => None,
    }
}

fn result(call: &ToolCall, mail: &Mail) -> ToolResult {
    let outcome = &mail.outcome;
    let mut text = outcome.text.clone();
    if let Some(why) = outcome.end.message() {
        text.push_str(&format!("\n[{} did not finish: {why}]", mail.session));
    }
    let is_done = outcome.end.is_done();
    ToolResult {
        parts: vec![crate::tool_call::cap(Part::text(text))],
        status: ToolStatus::Ok,
        origin: Origin::Tool { tool: call.name.clone() },
        details: json!({ "status": if is_done { "ok" } else { "failed" }, "runId": mail.run }),
    }
}
