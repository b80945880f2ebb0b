//! One question and one reply, in a conversation of its own that is removed
//! afterwards. Proves that a model answers; lets it do nothing else.

use std::time::Duration;

use openclaw_client::Client;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::ask::Kind;
use crate::peek;
use crate::run::{Ended, Follower, Request, Told, follow};

/// Longest wait for the reply.
const TIMEOUT: Duration = Duration::from_secs(90);

/// What came of it.
pub(crate) struct Exchange {
    pub(crate) text: String,
    /// `PROVIDER/MODEL`, possibly empty.
    pub(crate) answered_by: String,
    pub(crate) failure: Option<String>,
    pub(crate) first_token: Option<Duration>,
    pub(crate) took: Duration,
}

/// Says one thing to a model, the configured one unless named, and takes the reply.
pub(crate) async fn exchange(client: &Client, model: Option<&str>, message: &str) -> Exchange {
    let key = format!("agent:main:explicit:probe-{}", uuid::Uuid::new_v4().simple());
    let request = Request::new(message, &key, Some(TIMEOUT)).with("model", model);
    let began = Instant::now();
    let mut follower = Follower::new(&request.run_id, &key);
    let (mut first_token, mut answered_by) = (None, String::new());
    // Boxed: a command that asks a model is no larger for it.
    let ended = Box::pin(follow(client, &request, &mut follower, async |told| match told {
        Told::Text(_) => {
            first_token.get_or_insert(began.elapsed());
        }
        Told::Model { provider, model } => answered_by = format!("{provider}/{model}"),
        Told::Asked(asking) => {
            // A test must not act: whatever the model wants to run, it is denied. A question
            // about an outcome cannot come up in a conversation that begins here.
            if asking.kind == Kind::Approval {
                let (method, params) = asking.reply("deny");
                let _answered_elsewhere = client.call(method, params).await;
            }
        }
        Told::Block | Told::Replaced(_) | Told::ToolStarted { .. } | Told::ToolEnded { .. } | Told::Answered(_) => {}
    }))
    .await;
    let took = began.elapsed();
    // Only tidiness: a gateway that cannot remove it keeps one more conversation.
    let _left_over = client.call("sessions.delete", json!({"key": key, "deleteTranscript": true})).await;
    let (text, failure) = match ended {
        Ended::Failed(error) => (String::new(), Some(error.to_string())),
        Ended::Answer(answer) => {
            if answered_by.is_empty() {
                answered_by = by(&answer);
            }
            read(&answer)
        }
    };
    Exchange { text, answered_by, failure, first_token, took }
}

fn read(answer: &Value) -> (String, Option<String>) {
    let payloads = peek::list(answer, "/result/payloads").iter().map(|payload| peek::text(payload, "/text"));
    let text = payloads.collect::<Vec<_>>().join("\n\n");
    let failure = match (peek::text(answer, "/status") == "ok", text.trim().is_empty()) {
        (true, false) => None,
        (true, true) => Some("the reply was empty".to_owned()),
        (false, _) => Some(peek::first_text(answer, &["/error", "/summary", "/status"])),
    };
    (text, failure)
}

fn by(answer: &Value) -> String {
    let [provider, model] =
        ["provider", "model"].map(|name| peek::text(answer, &format!("/result/meta/agentMeta/{name}")));
    if provider.is_empty() { model } else { format!("{provider}/{model}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::read;

    #[test]
    fn only_words_from_a_finished_run_count_as_a_reply() {
        let answer = |status: &str, text: &str| json!({"status": status, "result": {"payloads": [{"text": text}]}});
        assert_eq!(read(&answer("ok", "hello")), ("hello".to_owned(), None));
        assert!(read(&answer("ok", " ")).1.is_some());
        assert!(read(&answer("aborted", "hello")).1.is_some());
    }
}
