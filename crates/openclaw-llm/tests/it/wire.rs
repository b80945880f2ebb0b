//! Every dialect against the scripted model server, which judges each request as
//! the real service would.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper_util::rt::TokioIo;
use openclaw_domain::conversation::Turn;
use openclaw_domain::message::UserTurn;
use openclaw_domain::model::{ErrorClass, StopReason, Thinking};
use openclaw_domain::ports::net::{Error, HeaderValue, Request, Response};
use openclaw_domain::ports::{Clock, Net};
use openclaw_domain::{Part, Timestamp};
use openclaw_llm::{Dialect, Router};
use openclaw_testkit::FakeClock;
use openclaw_testkit::server::{Script, Server};
use serde_json::{Value, json};

use crate::harness::{Bench, Outcome, answered, request_of, settings};

/// A net over loopback, one connection per request.
struct Loopback;

/// A body in one piece.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[async_trait]
impl Net for Loopback {
    async fn send(&self, request: Request) -> Result<Response, Error> {
        let host = request.url.split('/').nth(2).unwrap().to_owned();
        let failed = |message: String| Error::Connect { host: host.clone(), message };
        let stream = tokio::net::TcpStream::connect(&host).await.map_err(|cause| failed(cause.to_string()))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|cause| failed(cause.to_string()))?;
        // Ends with the connection, which ends with the response's body.
        tokio::spawn(connection);
        let path = request.url.split_once(&host).unwrap().1;
        let mut builder = hyper::Request::builder().method(request.method).uri(path).header("host", &host);
        for (name, value) in &request.headers {
            // Only the production net may read a secret; the server takes any key.
            builder = match value {
                HeaderValue::Plain(text) => builder.header(name, text),
                HeaderValue::Secret(_) if name == "authorization" => builder.header(name, "Bearer some-key"),
                HeaderValue::Secret(_) => builder.header(name, "some-key"),
            };
        }
        let sent = builder.body(Whole(Some(request.body))).unwrap();
        let response = sender.send_request(sent).await.map_err(|cause| failed(cause.to_string()))?;
        let (head, incoming) = response.into_parts();
        let headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        Ok(Response {
            status: head.status.as_u16(),
            headers: headers.collect(),
            url: request.url,
            body: body(incoming, host),
        })
    }
}

fn body(incoming: Incoming, host: String) -> openclaw_domain::ports::net::Body {
    Box::pin(futures_util::stream::unfold((incoming, host), |(mut incoming, host)| async move {
        loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut incoming).poll_frame(cx)).await?;
            match frame.map(Frame::into_data) {
                Ok(Ok(bytes)) => return Some((Ok(bytes), (incoming, host))),
                Ok(Err(_)) => {}
                Err(cause) => {
                    let error = Error::Connect { host: host.clone(), message: cause.to_string() };
                    return Some((Err(error), (incoming, host)));
                }
            }
        }
    }))
}

struct Setup {
    /// Serves until the test ends.
    _server: Server,
    bench: Bench,
}

async fn setup(dialect: Dialect) -> Setup {
    let server = Server::start(Script::default()).await.unwrap();
    let base = match dialect {
        Dialect::OpenaiChat | Dialect::OpenaiResponses => format!("{}/v1", server.url()),
        Dialect::GoogleGenerativeAi => format!("{}/v1beta", server.url()),
        Dialect::AnthropicMessages | Dialect::Ollama => server.url(),
    };
    let models: Value = json!({ "mode": "replace", "providers": { "p": {
        "baseUrl": base, "api": dialect.as_str(), "apiKey": "k",
        "models": [{ "id": "mock-1", "reasoning": true, "input": ["text", "image"] }] } } });
    let clock = FakeClock::new();
    let router = Router::new(settings(&models), Arc::new(Loopback), Arc::new(clock.clone()) as Arc<dyn Clock>);
    // The fake net is not used here; the bench only runs the router and the clock.
    let net = Arc::new(openclaw_testkit::FakeNet::unreachable());
    Setup { _server: server, bench: Bench { router, net, clock } }
}

impl Setup {
    async fn say(&self, turns: Vec<Turn>, thinking: Option<Thinking>) -> Outcome {
        let mut request = request_of(turns);
        request.choice = crate::harness::choice(&["p/mock-1"]);
        request.choice.thinking = thinking;
        self.bench.run(request).await
    }
}

fn user(text: &str) -> Turn {
    Turn::User(UserTurn::owner(text, Timestamp(0)))
}

#[tokio::test]
async fn text_is_streamed_and_counted() {
    for (dialect, _) in Dialect::ALL {
        let setup = setup(dialect).await;
        let outcome = setup.say(vec![user("hello")], None).await;
        let expected: String = (0..20).map(|n| format!("tok{n} ")).collect();
        assert_eq!(outcome.streamed().trim_end(), expected.trim_end(), "{dialect:?}");
        assert_eq!(outcome.done().turn.text(), outcome.streamed());
        assert_eq!((outcome.done().usage.input, outcome.done().usage.output), (10, 20), "{dialect:?}");
    }
}

#[tokio::test]
async fn thoughts_and_parallel_calls_survive_a_whole_round_trip() {
    for (dialect, _) in Dialect::ALL {
        let setup = setup(dialect).await;
        let first = user("think then call read {\"path\":\"a.txt\"} and call list {}");
        let outcome = setup.say(vec![first.clone()], Some(Thinking::High)).await;
        let turn = &outcome.done().turn;
        let calls: Vec<(&str, &str)> =
            turn.calls().map(|(call, _)| (call.name.as_str(), call.arguments.as_str())).collect();
        assert_eq!((turn.stop, calls[0].0, calls[1]), (StopReason::ToolUse, "read", ("list", "{}")), "{dialect:?}");
        assert_eq!(serde_json::from_str::<Value>(calls[0].1).unwrap(), json!({ "path": "a.txt" }));

        let turns = vec![first, answered(outcome.done(), "the content")];
        let outcome = setup.say(turns.clone(), Some(Thinking::High)).await;
        assert!(outcome.done().turn.text().contains("the content"), "{dialect:?}: {}", outcome.words());

        let turns = [turns, vec![Turn::Assistant(outcome.done().turn.clone()), user("say goodbye")]].concat();
        let outcome = setup.say(turns, Some(Thinking::High)).await;
        assert!(outcome.done().turn.text().contains("goodbye"), "{dialect:?}");
    }
}

#[tokio::test]
async fn a_conversation_moves_through_all_providers() {
    let mut turns = Vec::new();
    for (dialect, _) in Dialect::ALL {
        let setup = setup(dialect).await;
        turns.push(user("think then call read {\"path\":\"a.txt\"}"));
        let outcome = setup.say(turns.clone(), Some(Thinking::Medium)).await;
        turns.push(answered(outcome.done(), "the content"));
        let outcome = setup.say(turns.clone(), Some(Thinking::Medium)).await;
        turns.push(Turn::Assistant(outcome.done().turn.clone()));
        // As if another provider had written it: the next setup has the same provider id.
        for turn in &mut turns {
            if let Turn::Assistant(assistant) = turn {
                assistant.model.provider = "elsewhere".to_owned();
            }
        }
    }
    assert_eq!(turns.len(), 3 * Dialect::ALL.len());
}

#[tokio::test]
async fn pictures_are_accepted_from_the_user() {
    for (dialect, _) in Dialect::ALL {
        let setup = setup(dialect).await;
        let png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
        let picture = Part::Image { media_type: "image/png".to_owned(), data: png.to_owned() };
        let Turn::User(mut words) = user("hello") else { unreachable!() };
        words.parts.push(picture);
        assert!(setup.say(vec![Turn::User(words)], None).await.is_done(), "{dialect:?}");
    }
}

#[tokio::test]
async fn streams_that_break_or_end_early_are_no_answers() {
    for (dialect, _) in Dialect::ALL {
        let setup = setup(dialect).await;
        for (words, classes) in [
            ("break", &[ErrorClass::Overloaded][..]),
            ("cut", &[ErrorClass::Truncated]),
            ("reset", &[ErrorClass::Truncated, ErrorClass::Network]),
        ] {
            let outcome = setup.say(vec![user(words)], None).await;
            assert!(!outcome.is_done(), "{dialect:?} {words}");
            assert!(classes.contains(&outcome.error().class), "{dialect:?} {words}: {:?}", outcome.error());
        }
    }
}

#[tokio::test]
async fn each_vendors_errors_have_their_class() {
    let rows = [
        ("error auth", ErrorClass::Auth),
        ("error quota", ErrorClass::Quota),
        ("error rate-limit", ErrorClass::RateLimited),
        ("error overloaded", ErrorClass::Overloaded),
        ("error overflow", ErrorClass::ContextOverflow),
        ("error bad-request", ErrorClass::BadRequest),
        ("error no-model", ErrorClass::NoSuchModel),
        ("error server", ErrorClass::Overloaded),
        ("error html", ErrorClass::Overloaded),
    ];
    for (dialect, _) in Dialect::ALL {
        let setup = setup(dialect).await;
        for (words, class) in rows {
            let outcome = setup.say(vec![user(words)], None).await;
            assert_eq!(outcome.error().class, class, "{dialect:?} {words}: {}", outcome.error());
        }
    }
}
