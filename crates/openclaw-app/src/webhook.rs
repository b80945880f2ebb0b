//! The channel `webhook`: answers are posted to a URL the owner configured.
//!
//! Each post carries the delivery's key in `Idempotency-Key`. What came back
//! decides whether it is tried again; a post that may have arrived is repeated
//! only when the owner says that the receiver drops repetitions.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use openclaw_config::Loaded;
use openclaw_domain::Secret;
use openclaw_domain::ports::net::{Body, Egress, Error, Request, Response};
use openclaw_domain::ports::{Courier, Due, Net, Sent};
use serde_json::{Value, json};

use crate::configuration::Configuration;

/// Longest wait for the receiver to answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Longest silence inside its answer, and most of it that is read.
const SILENCE_MAX: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Longest wait a receiver may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Posts answers; reads its settings at each post, so that a change needs no restart.
pub(crate) struct Webhook {
    configuration: Arc<Configuration>,
    net: Arc<dyn Net>,
}

impl Webhook {
    /// Makes the channel.
    pub(crate) fn new(configuration: Arc<Configuration>, net: Arc<dyn Net>) -> Self {
        Self { configuration, net }
    }
}

#[async_trait]
impl Courier for Webhook {
    fn channel(&self) -> &'static str {
        "webhook"
    }

    fn deduplicates(&self) -> bool {
        let loaded = self.configuration.current();
        loaded.value.pointer("/channels/webhook/honorsIdempotencyKey").and_then(Value::as_bool).unwrap_or(false)
    }

    async fn send(&self, due: &Due) -> Sent {
        let loaded = self.configuration.current();
        let request = match request(&loaded, due) {
            Ok(request) => request,
            Err(why) => return Sent::Refused(why),
        };
        match self.net.send(request).await {
            Ok(response) => answered(response, &due.delivery.idempotency_key).await,
            Err(error) => failed(&error),
        }
    }
}

fn request(loaded: &Loaded, due: &Due) -> Result<Request, String> {
    let section = &loaded.value["channels"]["webhook"];
    if section["enabled"] == json!(false) {
        return Err("channels.webhook is switched off; set channels.webhook.enabled to true".to_owned());
    }
    let Some(url) = section["url"].as_str().filter(|url| !url.is_empty()) else {
        return Err("channels.webhook.url is not set; set it to where answers are posted".to_owned());
    };
    let token = crate::secrets::text(loaded, "channels.webhook.token");
    if token.is_none() && !section["token"].is_null() {
        return Err("channels.webhook.token cannot be read; the log says why".to_owned());
    }
    let delivery = &due.delivery;
    let mut body = json!({ "text": delivery.text, "sessionKey": due.session, "runId": due.run });
    if !delivery.to.to.is_empty() {
        body["to"] = json!(delivery.to.to);
    }
    let request = Request {
        method: "POST",
        body: Bytes::from(body.to_string()),
        egress: Egress::Configured,
        head_timeout: ANSWER_MAX,
        idle_timeout: SILENCE_MAX,
        body_bytes_max: ANSWER_BYTES_MAX,
        redirects_max: 0,
        ..Request::get(url)
    };
    let request = request.header("Content-Type", "application/json");
    let request = request.header("Idempotency-Key", delivery.idempotency_key.as_str());
    Ok(match token {
        Some(token) => request.header("Authorization", Secret::new(format!("Bearer {token}"))),
        None => request,
    })
}

/// Sorts what the receiver said.
async fn answered(response: Response, key: &str) -> Sent {
    let status = response.status;
    let said = format!("the receiver answered {status}");
    match status {
        // Taken, whatever becomes of the rest of the answer.
        200..=299 => Sent::Taken(message_id(response.body).await.unwrap_or_else(|| key.to_owned())),
        408 | 429 | 500..=599 => {
            let seconds = response.header("retry-after").and_then(|text| text.trim().parse().ok());
            let wait = seconds.map_or(Duration::ZERO, Duration::from_secs).min(RETRY_AFTER_MAX);
            Sent::Later(said, wait)
        }
        300..=399 => Sent::Refused(format!("{said}, a redirect; set channels.webhook.url to where it leads")),
        _ => Sent::Refused(said),
    }
}

/// Reads the receiver's own id of the message: `id` of a JSON answer.
async fn message_id(mut body: Body) -> Option<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk.ok()?);
    }
    let answer: Value = serde_json::from_slice(&bytes).ok()?;
    match &answer["id"] {
        Value::String(id) if !id.is_empty() && id.len() <= 256 => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// Sorts failures by whether anything can have arrived.
fn failed(error: &Error) -> Sent {
    let said = error.to_string();
    match error {
        Error::Unreachable { .. } | Error::NoSuchHost { .. } => Sent::Later(said, Duration::ZERO),
        Error::BadUrl { .. } | Error::Blocked { .. } | Error::TooManyRedirects { .. } => Sent::Refused(said),
        Error::Connect { .. } | Error::Timeout { .. } | Error::TooLarge { .. } => Sent::Unknown(said),
    }
}

#[cfg(test)]
mod tests {
    use openclaw_config::{Env, Home, Loader};
    use openclaw_domain::delivery::{Delivery, Destination};
    use openclaw_domain::ports::net::HeaderValue;
    use openclaw_testkit::FakeNet;
    use openclaw_testkit::net::Reply;

    use super::*;

    fn due() -> Due {
        let to = Destination { channel: "webhook".into(), to: "ann".into(), account: None, thread: None };
        let delivery = Delivery { to, text: "hello".into(), idempotency_key: "k1".into(), not_after: None };
        let (session, run) = ("agent:main:main".parse().unwrap(), "r1".parse().unwrap());
        Due { id: 1, session, run, attempt: 1, delivery }
    }

    fn loaded(config: &Value) -> Loaded {
        let folder = tempfile::tempdir().unwrap();
        let env = Env::from_pairs([("HOME", folder.path().to_str().unwrap())]);
        let home = Home::locate(&env, None).unwrap();
        std::fs::create_dir_all(&home.state_dir).unwrap();
        std::fs::write(home.state_dir.join("openclaw.json"), config.to_string()).unwrap();
        Loader::new(env, home).load()
    }

    fn configured() -> Value {
        json!({ "channels": { "webhook": { "url": "http://127.0.0.1:9/in", "token": "hush" } } })
    }

    async fn sent(reply: Reply) -> (Sent, Request) {
        let net = FakeNet::new([reply]);
        let sent = match net.send(request(&loaded(&configured()), &due()).unwrap()).await {
            Ok(response) => answered(response, "k1").await,
            Err(error) => failed(&error),
        };
        (sent, net.requests().remove(0))
    }

    #[tokio::test]
    async fn a_post_carries_text_key_and_token() {
        let (sent, request) = sent(Reply::json(&json!({ "id": "m7" }))).await;
        assert_eq!(sent, Sent::Taken("m7".into()));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body, json!({ "text": "hello", "sessionKey": "agent:main:main", "runId": "r1", "to": "ann" }));
        let shown = format!("{:?}", request.headers);
        assert!(shown.contains("Idempotency-Key") && !shown.contains("hush"), "{shown}");
        let token = request.headers.iter().find(|(name, _)| name == "Authorization").unwrap();
        assert!(matches!(token.1, HeaderValue::Secret(_)));
    }

    #[tokio::test]
    async fn what_the_receiver_says_decides_whether_it_is_tried_again() {
        let said = |status| Reply::status(status);
        assert_eq!(sent(said(204)).await.0, Sent::Taken("k1".into()));
        for (status, after) in [(408, 0), (429, 7), (500, 0), (503, 7)] {
            let reply = if after > 0 { said(status).header("Retry-After", "7") } else { said(status) };
            let later = Sent::Later(format!("the receiver answered {status}"), Duration::from_secs(after));
            assert_eq!(sent(reply).await.0, later);
        }
        for status in [302, 400, 401, 404, 410] {
            assert!(matches!(sent(said(status)).await.0, Sent::Refused(_)), "{status}");
        }
    }

    #[tokio::test]
    async fn only_what_cannot_have_arrived_is_surely_not_sent() {
        let host = || "h".to_owned();
        let refused = Error::Unreachable { host: host(), message: "refused".into() };
        assert!(matches!(sent(Reply::fail(refused)).await.0, Sent::Later(_, Duration::ZERO)));
        let broke = Error::Connect { host: host(), message: "reset".into() };
        assert!(matches!(sent(Reply::fail(broke)).await.0, Sent::Unknown(_)));
        let silent = Error::Timeout { host: host(), after: ANSWER_MAX };
        assert!(matches!(sent(Reply::fail(silent)).await.0, Sent::Unknown(_)));
    }

    #[test]
    fn a_webhook_that_is_not_set_up_says_what_is_missing() {
        let why = |config: Value| request(&loaded(&config), &due()).unwrap_err();
        assert!(why(json!({})).contains("channels.webhook.url is not set"));
        let off = json!({ "channels": { "webhook": { "url": "http://h/", "enabled": false } } });
        assert!(why(off).contains("switched off"));
    }
}
