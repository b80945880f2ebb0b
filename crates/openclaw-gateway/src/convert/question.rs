//! Questions about unknown outcomes, as the contract's question records.

use std::time::Duration;

use openclaw_domain::{Answer, Question, Timestamp};
use serde_json::{Value, json};

use super::tool;

/// The one question of a record.
pub(crate) const QUESTION_ID: &str = "outcome";

/// Our questions stay open until they are answered, and the contract wants a
/// time: always a day ahead, so that clients neither hide them nor set a timer
/// that overflows.
const OPEN_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Returns what a person reads on an answer.
fn label(answer: Answer) -> &'static str {
    match answer {
        Answer::Happened => "happened",
        Answer::NotHappened => "not happened",
        Answer::Unknown => "unknown",
    }
}

fn meaning(answer: Answer) -> &'static str {
    match answer {
        Answer::Happened => "It is not done again; the agent is told that it happened.",
        Answer::NotHappened => "It is done now.",
        Answer::Unknown => "The agent is told that nobody knows; the same action stays blocked.",
    }
}

/// Returns an open question.
pub(crate) fn record(question: &Question, now: Timestamp) -> Value {
    let options = Answer::ALL.map(|answer| json!({ "label": label(answer), "description": meaning(answer) }));
    // The literal call comes first and unshortened (ux rule 2).
    let text = format!(
        "{} {}\n\nThe program stopped while this call was running, and nothing says whether it happened. Did it?",
        question.call.name,
        tool::arguments(&question.call)
    );
    let open_for = i64::try_from(OPEN_FOR.as_millis()).unwrap_or(i64::MAX);
    json!({ "id": question.id, "agentId": question.agent, "sessionKey": question.session, "runId": question.run,
        "createdAtMs": question.asked_at, "expiresAtMs": now.0.saturating_add(open_for), "status": "pending",
        "questions": [{ "questionId": QUESTION_ID, "header": "Outcome", "question": text, "options": options }] })
}

/// Returns an answered question.
pub(crate) fn answered(question: &Question, answer: Answer, by: &str, now: Timestamp) -> Value {
    let mut record = record(question, now);
    record["status"] = json!("answered");
    record["answers"] = answers(answer);
    record["resolvedBy"] = json!(by);
    record
}

/// Returns the answers of a record.
pub(crate) fn answers(answer: Answer) -> Value {
    json!({ "answers": { QUESTION_ID: [label(answer)] } })
}

/// Returns the payload of `question.resolved`.
pub(crate) fn resolved(question: &Question, answer: Answer) -> Value {
    json!({ "id": question.id, "status": "answered", "answers": answers(answer) })
}

/// Reads one answer a client sent: a label, or the name of the answer.
pub(crate) fn parse(text: &str) -> Option<Answer> {
    let text = text.trim().to_ascii_lowercase();
    Answer::ALL.into_iter().find(|answer| label(*answer) == text || answer.as_str() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_its_label_and_by_its_name() {
        for answer in Answer::ALL {
            assert_eq!(parse(label(answer)), Some(answer));
            assert_eq!(parse(answer.as_str()), Some(answer));
        }
        assert_eq!(parse(" Happened "), Some(Answer::Happened));
        assert_eq!(parse("maybe"), None);
    }
}
