//! What a scripted model does, written into the message that asks for it.
//!
//! `#m1 plan {"rounds":[[{"tool":"read","args":{..}}]],"pieces":3}` makes the
//! model call the tools of each round, one round per step, and then stream an
//! answer that names every message it answers: `done #m1`. The answer follows
//! from the conversation alone, so a call that is made again gets the same one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openclaw_testkit::server::{Failure, Heard, Reply, Script};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most recorded calls; a run away loop ends the case long before.
const CALLS_MAX: usize = 1_000_000;

/// Stands before the step of a call that fails: it is not paid, and may be tried again.
pub const FAILING: &str = "failing:";

/// Stands before the step of a question for a summary.
pub const SUMMARY: &str = "summary:";

/// How a question for a summary begins.
const SUMMARY_QUESTION: &str = "Write at most ";

/// What ends a summary that stands for turns; what was said last may follow it.
const SUMMARY_END: &str = "[End of the summary]";

/// The model's notes about any conversation: all of it was answered.
const SUMMARY_ANSWER: &str =
    r#"{"gist":"Plans were carried out.","decisions":[],"open_asks":[],"identifiers":[],"commitments":[]}"#;

/// What the model does after a message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// Tool calls, one list per step; calls of one list are parallel.
    pub rounds: Vec<Vec<Call>>,
    /// Pieces of text streamed before the last words.
    pub pieces: usize,
    /// Pause after each piece.
    pub pause_ms: u64,
    /// Fail instead of answering.
    pub fails: bool,
    /// Bytes of text that say nothing, to fill the model's window.
    pub filling: usize,
}

/// One tool call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The tool.
    pub tool: String,
    /// Its arguments.
    pub args: Value,
}

impl Call {
    /// Makes a call.
    pub fn new(tool: &str, args: Value) -> Self {
        Self { tool: tool.to_owned(), args }
    }
}

impl Plan {
    /// Writes the message that carries the plan; `id` is what the answer names.
    pub fn message(&self, id: &str) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        let filling = " lorem ipsum".repeat(self.filling.div_ceil(" lorem ipsum".len()));
        format!("#{id} plan {json}{filling}")
    }
}

/// One request that the model server got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Metered {
    /// Which start of the gateway it came from, from 1.
    pub life: usize,
    /// The message and how far its conversation was: the same for a call made again.
    pub step: String,
}

/// Counts what the model server is asked.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    calls: Arc<Mutex<Vec<Metered>>>,
}

impl Meter {
    /// Returns all requests so far.
    pub fn calls(&self) -> Vec<Metered> {
        self.lock().clone()
    }

    /// Returns how many requests there were.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Makes the script that follows plans and counts here, for one start of the gateway.
    pub fn script(&self, life: usize) -> Script {
        let meter = self.clone();
        Script::answering(move |heard| {
            let (step, reply) = answer(heard);
            let mut calls = meter.lock();
            if calls.len() < CALLS_MAX {
                calls.push(Metered { life, step });
            }
            reply
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Metered>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(heard: &Heard) -> (String, Reply) {
    let body = heard.json();
    let messages: Vec<Message> = body["messages"].as_array().into_iter().flatten().map(Message::read).collect();
    if let Some(question) = messages.last().filter(|message| message.text.starts_with(SUMMARY_QUESTION)) {
        return (format!("{SUMMARY}{:x}", hash(&question.text)), Reply::say(SUMMARY_ANSWER));
    }
    let Some((at, id, plan)) = messages.iter().enumerate().rev().find_map(|(at, message)| {
        let (id, plan) = message.plan()?;
        Some((at, id, plan))
    }) else {
        return ("none/0".to_owned(), Reply::say("There is no plan."));
    };
    let since = &messages[at + 1..];
    let step = format!("{id}/{}", since.len());
    if plan.fails {
        return (format!("{FAILING}{step}"), Reply::fail(Failure::BadRequest).message("the plan says so"));
    }
    let done = since.iter().filter(|message| message.has_calls).count();
    if let Some(calls) = plan.rounds.get(done) {
        let reply = calls.iter().fold(Reply::new().text("Working. "), |reply, call| reply.call(&call.tool, &call.args));
        return (step, reply);
    }
    let answered = messages.iter().rposition(|message| message.role == "assistant" && !message.has_calls);
    let open = &messages[answered.map_or(0, |at| at + 1)..];
    let ids: Vec<String> = open
        .iter()
        .filter(|message| message.role == "user")
        .flat_map(|it| said(&it.text))
        .map(|(id, _)| format!("#{id}"))
        .collect();
    let mut reply = Reply::new();
    for piece in 0..plan.pieces {
        reply = reply.text(&format!("piece{piece} of {id}, "));
        if plan.pause_ms > 0 {
            reply = reply.pause(Duration::from_millis(plan.pause_ms));
        }
    }
    (step, reply.text(&format!("done {}", ids.join(" "))))
}

fn hash(text: &str) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    std::hash::Hash::hash(text, &mut hasher);
    std::hash::Hasher::finish(&hasher)
}

/// Returns the messages that a text carries, each with its id and its plan. A
/// plan may hold messages for others; they are not part of what is said here.
pub fn said(text: &str) -> Vec<(String, Plan)> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(" plan ") {
        rest = after;
        let Some((_, id)) = before.rsplit_once('#') else { continue };
        let mut plans = serde_json::Deserializer::from_str(after).into_iter::<Plan>();
        let Some(Ok(plan)) = plans.next() else { continue };
        rest = &after[plans.byte_offset()..];
        all.push((id.trim().to_owned(), plan));
    }
    all
}

/// Tells whether a text carries the message of this id.
pub fn says(text: &str, id: &str) -> bool {
    said(text).iter().any(|(it, _)| it == id)
}

/// Returns the ids an answer names, in order.
pub fn ids(text: &str) -> Vec<String> {
    let ids =
        text.split(|it: char| it.is_whitespace() || it == '"').filter(|word| word.starts_with('#') && word.len() > 1);
    ids.map(str::to_owned).collect()
}

struct Message {
    role: String,
    text: String,
    has_calls: bool,
}

impl Message {
    fn read(value: &Value) -> Self {
        let text = match &value["content"] {
            Value::String(text) => text.clone(),
            Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" "),
            _ => String::new(),
        };
        let text = text.rsplit_once(SUMMARY_END).map_or_else(|| text.clone(), |(_, said)| said.to_owned());
        let has_calls = value["tool_calls"].as_array().is_some_and(|calls| !calls.is_empty());
        Self { role: value["role"].as_str().unwrap_or_default().to_owned(), text, has_calls }
    }

    fn plan(&self) -> Option<(String, Plan)> {
        if self.role != "user" {
            return None;
        }
        said(&self.text).pop()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(role: &str, text: &str) -> Message {
        Message::read(&json!({ "role": role, "content": text }))
    }

    #[test]
    fn a_plan_is_read_back_from_its_message_whatever_stands_before_it() {
        let plan = Plan { rounds: vec![vec![Call::new("read", json!({ "path": "a" }))]], pieces: 2, ..Plan::default() };
        let message = read("user", &format!("[12:00] {}", plan.message("m1")));
        assert_eq!(message.plan(), Some(("m1".to_owned(), plan.clone())));
        assert_eq!(read("assistant", &plan.message("m1")).plan(), None);
    }

    #[test]
    fn a_message_inside_a_plan_is_not_said_here() {
        let inner = Plan::default().message("s1");
        let plan = Plan { rounds: vec![vec![Call::new("send", json!({ "message": inner }))]], ..Plan::default() };
        let text = format!("{}\n\n{}", plan.message("m1"), Plan::default().message("m2"));
        let ids: Vec<String> = said(&text).into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, ["m1", "m2"]);
        assert!(says(&text, "m2") && !says(&text, "s1"));
    }

    #[test]
    fn ids_are_words_that_begin_with_a_hash() {
        assert_eq!(ids("done #m1 #m2 and #"), ["#m1", "#m2"]);
    }
}
