//! Questions about outcomes nobody recorded.

use std::ops::ControlFlow;

use openclaw_domain::{Kind, Question};
use openclaw_protocol::ErrorBody;
use serde_json::{Value, json};

use crate::convert::fault::{error, invalid};
use crate::convert::question::{QUESTION_ID, answered, answers, parse, record};
use crate::dispatch::{Answer, Cx, Params, now};
use crate::gateway::Gateway;
use crate::methods::waiting;

/// Lists open questions, oldest first.
pub(crate) async fn list(cx: Cx, _params: Params) -> Answer {
    let (open, at) = (cx.gateway.ports.questions.open(), cx.gateway.now());
    now(json!({ "questions": open.iter().map(|question| record(question, at)).collect::<Vec<_>>() }))
}

/// Tells about one question.
pub(crate) async fn get(cx: Cx, params: Params) -> Answer {
    let (id, at) = (params.required("id"), cx.gateway.now());
    if let Some(known) = cx.gateway.hub.answered(id) {
        return now(json!({ "question": answered(&known.question, known.answer, &known.by, at) }));
    }
    let question = open(&cx.gateway, id).ok_or_else(|| unknown(id))?;
    now(json!({ "question": record(&question, at) }))
}

fn open(gateway: &Gateway, id: &str) -> Option<Question> {
    gateway.ports.questions.open().into_iter().find(|question| question.id == id)
}

fn unknown(id: &str) -> ErrorBody {
    invalid(format!("there is no open question {id:?}; list them with question.list"))
        .with_details(json!({ "reason": "QUESTION_NOT_FOUND" }))
}

/// Answers a question; the first answer stands.
pub(crate) async fn resolve(cx: Cx, params: Params) -> Answer {
    let id = params.required("id");
    if params.flag("cancel") == Some(true) {
        return Err(invalid("the outcome of a call cannot be left open; answer unknown if nobody can tell"));
    }
    let given = params.0.get("answers").and_then(|answers| answers.pointer(&format!("/answers/{QUESTION_ID}/0")));
    let given = given.and_then(Value::as_str).unwrap_or_default();
    let Some(answer) = parse(given) else {
        return Err(invalid(format!(
            "invalid question.resolve params: at /answers/answers/{QUESTION_ID}: {given:?} is not one of happened, not happened, unknown"
        )));
    };
    match cx.gateway.ports.questions.answer(id, answer, &cx.client.label()).await {
        Ok(_) => now(json!({ "status": "answered", "answers": answers(answer) })),
        Err(fault) if fault.kind == Kind::NotFound => Err(unknown(id)),
        Err(fault) => Err(error(&fault)),
    }
}

/// Waits for the answer to a question; `pending` when the time is over.
pub(crate) async fn wait_answer(cx: Cx, params: Params) -> Answer {
    let id = params.required("id").to_owned();
    waiting::until(cx, &params, move |gateway| {
        if let Some(known) = gateway.hub.answered(&id) {
            return Ok(ControlFlow::Break(json!({ "status": "answered", "answers": answers(known.answer) })));
        }
        open(gateway, &id).ok_or_else(|| unknown(&id))?;
        Ok(ControlFlow::Continue(json!({ "status": "pending" })))
    })
}
