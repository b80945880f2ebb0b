//! One run of an agent as a client sees it: sends the request, reads the events
//! that belong to it, and tells them to a surface. The surface only draws.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::time::Duration;

use openclaw_client::{Call, Client, Error, Events, Notice};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::ask::{Answered, Asking};
use crate::{peek, text};

/// Most calls remembered while they run.
const TOOLS_MAX: usize = 256;

/// Most that waits to be told while a person thinks about a question; the rest stays
/// with the connection.
const WAITING_MAX: usize = 1024;

/// Longest wait for a run that was given no time: the agent's own ceiling ends it long before.
const WAIT_MAX: Duration = Duration::from_secs(30 * 86_400);

/// How a tool call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    Failed,
    /// Not allowed: nothing ran.
    Denied,
    /// It may have run: nobody knows.
    Unknown,
}

impl Outcome {
    /// Reads the status in a result's details; an older gateway only says whether it is an error.
    pub(crate) fn read(is_error: bool, details: &Value) -> Outcome {
        match details["status"].as_str() {
            Some("denied") => Outcome::Denied,
            // Stopped while it ran, or never heard of again.
            Some("unknown" | "interrupted") => Outcome::Unknown,
            _ if is_error => Outcome::Failed,
            _ => Outcome::Ok,
        }
    }

    /// Returns the word for it.
    pub(crate) fn word(self) -> &'static text::Copy {
        match self {
            Outcome::Ok => &text::OK,
            Outcome::Failed => &text::FAILED,
            Outcome::Denied => &text::DENIED,
            Outcome::Unknown => &text::MAY_HAVE_RUN,
        }
    }
}

/// What a surface is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    /// More of the answer.
    Text(String),
    /// A new block of the answer begins.
    Block,
    /// What was shown of the current block is void; this stands instead.
    Replaced(String),
    /// A tool was called.
    ToolStarted { tool: String, summary: String },
    /// A tool ended.
    ToolEnded { tool: String, summary: String, outcome: Outcome, took: Duration, size: usize },
    /// A model took the request.
    Model { provider: String, model: String },
    /// A person is asked. What is awaited here is dropped when the question is answered elsewhere.
    Asked(Box<Asking>),
    /// A question was answered, here or elsewhere.
    Answered(Answered),
}

/// What is being run.
pub(crate) struct Request {
    /// Parameters of the `agent` method.
    pub(crate) params: Value,
    pub(crate) run_id: String,
    pub(crate) session_key: String,
    /// The time the person gave it; without, the agent's own ceiling holds.
    pub(crate) timeout: Option<Duration>,
}

impl Request {
    /// Makes a request with a fresh run id.
    pub(crate) fn new(message: &str, session_key: &str, timeout: Option<Duration>) -> Self {
        let run_id = uuid::Uuid::new_v4().to_string();
        let params =
            json!({ "message": message, "sessionKey": session_key, "deliver": false, "idempotencyKey": run_id });
        // Whole seconds, rounded up: the gateway must not end it before its time.
        let seconds = timeout.map(|time| time.as_millis().div_ceil(1000).max(1) as u64);
        Self { params, run_id, session_key: session_key.to_owned(), timeout }.with("timeout", seconds)
    }

    /// Sends the answer to the channel it names as well.
    #[must_use]
    pub(crate) fn delivering(self) -> Self {
        self.with("deliver", Some(true))
    }

    /// Sets a further parameter.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.params[name] = value.into();
        }
        self
    }
}

/// How following a run ended.
pub(crate) enum Ended {
    /// The gateway's final answer.
    Answer(Value),
    /// The gateway refused, or the connection broke.
    Failed(Error),
}

/// A question of this run.
struct Asked {
    asking: Asking,
    is_open: bool,
}

/// Turns events of the wire into what a surface is told.
#[derive(Default)]
pub(crate) struct Follower {
    run_id: String,
    session_key: String,
    item: String,
    shown: String,
    tools: HashMap<String, (String, String, Instant)>,
    questions: Vec<Asked>,
    /// Calls that were denied: nothing else is heard of them.
    denied: Vec<String>,
    /// Finished tool calls.
    pub(crate) tools_ended: usize,
    /// Questions asked of people.
    pub(crate) asks: usize,
    /// The whole answer as shown.
    pub(crate) has_text: bool,
}

impl Follower {
    pub(crate) fn new(run_id: &str, session_key: &str) -> Self {
        Self { run_id: run_id.to_owned(), session_key: session_key.to_owned(), ..Self::default() }
    }

    /// Takes an event; returns what to tell, in order.
    pub(crate) fn take(&mut self, event: &openclaw_protocol::Event) -> Vec<Told> {
        let nothing = Value::Null;
        let payload = event.payload.as_ref().unwrap_or(&nothing);
        match event.event.as_str() {
            "agent" if payload["runId"] == self.run_id.as_str() => self.take_stream(payload),
            name => match (Asking::read(name, payload), Answered::read(name, payload)) {
                (Some(asking), _) => self.take_question(asking),
                (None, Some(answered)) => self.take_answer(answered),
                (None, None) => Vec::new(),
            },
        }
    }

    fn take_question(&mut self, asking: Asking) -> Vec<Told> {
        let is_known =
            self.questions.iter().any(|asked| asked.asking.kind == asking.kind && asked.asking.id == asking.id);
        if is_known || self.questions.len() >= TOOLS_MAX || !self.is_ours(&asking) || !asking.is_single() {
            return Vec::new();
        }
        self.questions.push(Asked { asking: asking.clone(), is_open: true });
        self.asks += 1;
        vec![Told::Asked(Box::new(asking))]
    }

    fn is_ours(&self, asking: &Asking) -> bool {
        let (session, run) = asking.belongs_to();
        if run.is_empty() { session == self.session_key } else { run == self.run_id }
    }

    /// Takes an answer. A denied call has no event of its own: it is told from its question.
    fn take_answer(&mut self, answered: Answered) -> Vec<Told> {
        let is_it =
            |asked: &&mut Asked| asked.is_open && asked.asking.kind == answered.kind && asked.asking.id == answered.id;
        let Some(asked) = self.questions.iter_mut().find(is_it) else { return Vec::new() };
        asked.is_open = false;
        if !answered.is_denial() {
            return vec![Told::Answered(answered)];
        }
        let (id, tool, arguments) = asked.asking.call();
        if !id.is_empty() {
            self.denied.push(id);
        }
        let summary = summary(&arguments);
        let call = Told::ToolEnded { tool, summary, outcome: Outcome::Denied, took: Duration::ZERO, size: 0 };
        vec![Told::Answered(answered), call]
    }

    fn take_stream(&mut self, payload: &Value) -> Vec<Told> {
        let session = peek::text(payload, "/sessionKey");
        if !session.is_empty() {
            // The gateway's spelling of the key is the one its other events use.
            self.session_key = session;
        }
        let data = &payload["data"];
        match (payload["stream"].as_str().unwrap_or_default(), data["phase"].as_str().unwrap_or_default()) {
            ("assistant", _) => self.take_text(data),
            ("lifecycle", "model") => {
                vec![Told::Model { provider: peek::text(data, "/provider"), model: peek::text(data, "/model") }]
            }
            ("tool", "start") => {
                let (tool, summary) = (peek::text(data, "/name"), summary(&data["args"]));
                let id = peek::text(data, "/toolCallId");
                if self.tools.len() < TOOLS_MAX {
                    self.tools.insert(id, (tool.clone(), summary.clone(), Instant::now()));
                }
                vec![Told::ToolStarted { tool, summary }]
            }
            ("tool", "result") => self.take_result(data),
            _ => Vec::new(),
        }
    }

    fn take_result(&mut self, data: &Value) -> Vec<Told> {
        let id = peek::text(data, "/toolCallId");
        if self.denied.contains(&id) {
            return Vec::new();
        }
        self.tools_ended += 1;
        let (tool, summary, began) =
            self.tools.remove(&id).unwrap_or_else(|| (peek::text(data, "/name"), String::new(), Instant::now()));
        let took = peek::int(data, "/durationMs").and_then(|ms| u64::try_from(ms).ok());
        let took = took.map_or_else(|| began.elapsed(), Duration::from_millis);
        let size = peek::message_text(&data["result"]).len();
        let outcome = Outcome::read(peek::is(data, "/isError"), &data["result"]["details"]);
        vec![Told::ToolEnded { tool, summary, outcome, took, size }]
    }

    /// The text is cumulative per item, so a missed delta repairs itself.
    fn take_text(&mut self, data: &Value) -> Vec<Told> {
        let mut told = Vec::new();
        let item = peek::text(data, "/itemId");
        if item != self.item {
            self.item = item;
            if !self.shown.is_empty() {
                told.push(Told::Block);
            }
            self.shown.clear();
        }
        let text = match data["text"].as_str() {
            Some(text) => text.to_owned(),
            None => format!("{}{}", self.shown, data["delta"].as_str().unwrap_or_default()),
        };
        match text.strip_prefix(self.shown.as_str()) {
            Some("") => {}
            Some(more) => told.push(Told::Text(more.to_owned())),
            None => told.push(Told::Replaced(text.clone())),
        }
        self.has_text |= !text.is_empty();
        self.shown = text;
        told
    }

    /// Returns what of the final text was not shown yet.
    pub(crate) fn rest<'a>(&self, last: &'a str) -> Option<&'a str> {
        if !self.has_text {
            return (!last.is_empty()).then_some(last);
        }
        last.strip_prefix(self.shown.as_str()).filter(|rest| !rest.is_empty())
    }
}

/// Starts a run and reads its events until the final answer. `told` may take its
/// time: events queue up. Dropping the future leaves the run going.
pub(crate) async fn follow(
    client: &Client,
    request: &Request,
    follower: &mut Follower,
    mut told: impl AsyncFnMut(Told),
) -> Ended {
    let mut hearing = Hearing { events: client.events(), follower, waiting: VecDeque::new() };
    let call = client.perform(Call {
        method: "agent".to_owned(),
        params: request.params.clone(),
        expect_final: true,
        // The gateway ends the run in time; this only guards against a lost answer.
        timeout: Some(request.timeout.unwrap_or(WAIT_MAX) + Duration::from_secs(30)),
    });
    tokio::pin!(call);
    let result = loop {
        match hearing.waiting.pop_front() {
            Some(Told::Asked(asking)) => {
                // Boxed: questions are rare, and what shows one is large.
                let shown = Box::pin(told(Told::Asked(asking.clone())));
                if let Some(result) = hearing.until_answered(&asking, shown, call.as_mut()).await {
                    break result;
                }
            }
            Some(item) => told(item).await,
            None => tokio::select! {
                biased;
                notice = hearing.events.next() => match notice {
                    Some(notice) => hearing.take(&notice),
                    None => break call.await,
                },
                result = &mut call => break result,
            },
        }
    };
    while let Some(notice) = hearing.events.try_next() {
        hearing.take(&notice);
    }
    for item in hearing.waiting {
        // A run that has ended asks nobody any more.
        if !matches!(item, Told::Asked(_)) {
            told(item).await;
        }
    }
    match result {
        Ok(answer) => Ended::Answer(answer),
        Err(error) => Ended::Failed(error),
    }
}

/// What is heard of a run, and what of it waits to be told.
struct Hearing<'a> {
    events: Events,
    follower: &'a mut Follower,
    waiting: VecDeque<Told>,
}

impl Hearing<'_> {
    fn take(&mut self, notice: &Notice) {
        match notice {
            Notice::Event(event) => self.waiting.extend(self.follower.take(event)),
            // The text is cumulative and the final answer comes anyway.
            Notice::Gap { .. } | Notice::Missed(_) => {}
        }
    }

    /// Shows a question until somebody has answered it, here or elsewhere. Returns what
    /// `call` gave when that came first: a run that has ended needs no answer.
    async fn until_answered<T>(
        &mut self,
        asking: &Asking,
        shown: impl Future<Output = ()>,
        mut call: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        tokio::pin!(shown);
        let is_it = |item: &Told| matches!(item, Told::Answered(it) if it.kind == asking.kind && it.id == asking.id);
        while !self.waiting.iter().any(is_it) {
            tokio::select! {
                biased;
                () = &mut shown => return None,
                notice = self.events.next(), if self.waiting.len() < WAITING_MAX => match notice {
                    Some(notice) => self.take(&notice),
                    None => return Some(call.await),
                },
                result = &mut call => return Some(result),
            }
        }
        None
    }
}

/// Returns the one argument that tells most about a call.
pub(crate) fn summary(arguments: &Value) -> String {
    const TELLING: [&str; 10] =
        ["command", "path", "url", "pattern", "query", "text", "name", "sessionKey", "action", "input"];
    let named = TELLING.iter().find_map(|name| arguments.get(name)?.as_str());
    match named {
        Some(text) => text.lines().next().unwrap_or_default().to_owned(),
        None if arguments.as_object().is_none_or(serde_json::Map::is_empty) => String::new(),
        None => arguments.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(name: &str, payload: Value) -> openclaw_protocol::Event {
        openclaw_protocol::Event {
            event: name.to_owned(),
            payload: Some(payload),
            seq: None,
            state_version: None,
            recipient_profile_id: None,
        }
    }

    fn text(item: &str, text: &str) -> openclaw_protocol::Event {
        let data = json!({"text": text, "itemId": item});
        event("agent", json!({"runId": "r", "sessionKey": "agent:main:main", "stream": "assistant", "data": data}))
    }

    fn follower() -> Follower {
        Follower::new("r", "agent:main:main")
    }

    #[test]
    fn cumulative_text_repairs_a_missed_delta() {
        let mut follower = follower();
        assert_eq!(follower.take(&text("a", "one")), [Told::Text("one".to_owned())]);
        assert_eq!(follower.take(&text("a", "one two three")), [Told::Text(" two three".to_owned())]);
        assert_eq!(follower.take(&text("a", "one two three")), []);
        assert_eq!(follower.rest("one two three four"), Some(" four"));
        assert_eq!(follower.rest("something else"), None);
    }

    #[test]
    fn superseded_text_is_replaced_and_a_new_item_is_a_new_block() {
        let mut follower = follower();
        follower.take(&text("a", "wrong"));
        assert_eq!(follower.take(&text("a", "right")), [Told::Replaced("right".to_owned())]);
        assert_eq!(follower.take(&text("b", "next")), [Told::Block, Told::Text("next".to_owned())]);
    }

    #[test]
    fn events_of_other_runs_are_not_ours() {
        let mut follower = follower();
        let other = event("agent", json!({"runId": "x", "stream": "assistant", "data": {"text": "hi"}}));
        assert_eq!(follower.take(&other), []);
        let asked =
            |session: &str| event("exec.approval.requested", json!({"id": "p", "request": {"sessionKey": session}}));
        assert_eq!(follower.take(&asked("agent:main:other")), []);
        assert_eq!(follower.take(&asked("agent:main:main")).len(), 1);
        assert_eq!(follower.take(&asked("agent:main:main")), []);
        assert_eq!(follower.asks, 1);
    }

    #[test]
    fn a_denied_call_is_told_once_from_its_question() {
        let mut follower = follower();
        let request = json!({"runId": "r", "toolName": "exec", "toolCallId": "t1", "arguments": {"command": "rm x"}});
        follower.take(&event("exec.approval.requested", json!({"id": "p", "request": request})));
        let resolved = event("exec.approval.resolved", json!({"id": "p", "decision": "deny", "resolvedBy": "Bo"}));
        let told = follower.take(&resolved);
        assert!(matches!(&told[0], Told::Answered(answered) if answered.is_denial() && answered.by == "Bo"));
        let call = |tool: &str, summary: &str| Told::ToolEnded {
            tool: tool.to_owned(),
            summary: summary.to_owned(),
            outcome: Outcome::Denied,
            took: Duration::ZERO,
            size: 0,
        };
        assert_eq!(told[1..], [call("exec", "rm x")]);
        assert_eq!(follower.take(&resolved), []);
        let data = json!({"phase": "result", "toolCallId": "t1", "isError": true, "result": {"details": {"status": "denied"}}});
        assert_eq!(follower.take(&event("agent", json!({"runId": "r", "stream": "tool", "data": data}))), []);
        assert_eq!(follower.tools_ended, 0);
    }

    #[test]
    fn a_question_about_an_outcome_is_asked_and_closed_like_an_approval() {
        let mut follower = Follower::new("r1", "agent:main:main");
        let asked = event("question.requested", crate::ask::tests::outcome("u1", "agent:main:main"));
        assert!(matches!(&follower.take(&asked)[..], [Told::Asked(asking)] if asking.id == "u1"));
        assert_eq!(follower.take(&asked), []);
        let answers = json!({"answers": {"outcome": ["unknown"]}});
        let resolved = event("question.resolved", json!({"id": "u1", "status": "answered", "answers": answers}));
        assert!(matches!(&follower.take(&resolved)[..], [Told::Answered(answered)] if answered.answer == "unknown"));
    }

    #[test]
    fn tools_are_told_with_their_most_telling_argument() {
        let mut follower = follower();
        let tool = |data: Value| event("agent", json!({"runId": "r", "stream": "tool", "data": data}));
        let args = json!({"command": "git log\n--all", "timeout": 3});
        follower.take(&tool(json!({"phase": "start", "name": "exec", "toolCallId": "1", "args": args})));
        let result = json!({"content": [{"type": "text", "text": "12345"}]});
        let ended =
            tool(json!({"phase": "result", "toolCallId": "1", "isError": true, "durationMs": 200, "result": result}));
        assert_eq!(
            follower.take(&ended),
            [Told::ToolEnded {
                tool: "exec".to_owned(),
                summary: "git log".to_owned(),
                outcome: Outcome::Failed,
                took: Duration::from_millis(200),
                size: 5,
            }]
        );
        for (status, is_error, outcome) in [
            ("ok", false, Outcome::Ok),
            ("failed", true, Outcome::Failed),
            ("denied", true, Outcome::Denied),
            ("interrupted", true, Outcome::Unknown),
            ("unknown", true, Outcome::Unknown),
        ] {
            assert_eq!(Outcome::read(is_error, &json!({"status": status})), outcome);
        }
        assert_eq!(
            (Outcome::read(true, &Value::Null), Outcome::read(false, &Value::Null)),
            (Outcome::Failed, Outcome::Ok)
        );
        assert_eq!(summary(&json!({})), "");
        assert_eq!(summary(&json!({"n": 1})), "{\"n\":1}");
    }
}
