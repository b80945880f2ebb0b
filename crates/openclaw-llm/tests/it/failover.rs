//! Three layers of failover, and what must never happen on the way.

use std::time::Duration;

use openclaw_domain::Secret;
use openclaw_domain::model::{ErrorClass, ModelEvent, ModelRequest, Selected, StopReason, Thinking};
use openclaw_domain::ports::Clock as _;
use openclaw_domain::ports::net::{Error as NetError, HeaderValue, Request};
use openclaw_llm::settings::{Profile, ProfileKind};
use openclaw_llm::{Dialect, Router, Settings};
use openclaw_testkit::net::Reply;
use openclaw_testkit::{FakeClock, FakeNet};
use serde_json::{Value, json};

use crate::harness::{Bench, Outcome, bench, body, choice, hello, stream};

/// Two providers of one dialect: `a` with models `one` and `two`, and `b` with `three`.
fn pair() -> Value {
    let priced = |id: &str| json!({ "id": id, "reasoning": true, "cost": { "input": 1.0, "output": 10.0 } });
    json!({ "mode": "replace", "providers": {
        "a": { "baseUrl": "http://a.test/v1", "api": "openai-completions", "apiKey": "k", "models": [priced("one"), priced("two")] },
        "b": { "baseUrl": "http://b.test/v1", "api": "openai-completions", "apiKey": "k", "models": [priced("three")] } } })
}

fn answer(text: &str) -> Reply {
    let body = json!({ "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": "stop" }], "usage": { "prompt_tokens": 1_000_000, "completion_tokens": 100_000 } });
    Reply::events(format!("data: {body}\n\ndata: [DONE]\n\n"))
}

fn refusal(status: u16, error: &Value) -> Reply {
    Reply::status(status).header("content-type", "application/json").chunk(json!({ "error": error }).to_string())
}

fn asking(models: &[&str]) -> ModelRequest {
    ModelRequest { choice: choice(models), ..hello() }
}

fn selections(outcome: &Outcome) -> Vec<Selected> {
    let selected = outcome.events.iter().filter_map(|event| match event {
        ModelEvent::Selected(selected) => Some(selected.clone()),
        _ => None,
    });
    selected.collect()
}

/// Returns `host/model` of every request so far.
fn asked(bench: &Bench) -> Vec<String> {
    let place = |request: &Request| {
        let host = request.url.split('/').nth(2).unwrap_or_default().trim_end_matches(".test").to_owned();
        format!("{host}/{}", body(request)["model"].as_str().unwrap_or_default())
    };
    bench.net.requests().iter().map(place).collect()
}

/// A net in which `a` fails as given and `b` answers.
fn a_fails(reply: impl Fn() -> Reply + Send + Sync + 'static) -> FakeNet {
    FakeNet::answering(move |request| if request.url.contains("a.test") { reply() } else { answer("from b") })
}

#[tokio::test]
async fn the_wanted_model_answers_without_an_explanation_and_with_its_price() {
    let bench = bench(&pair(), FakeNet::answering(|_| answer("hi")));
    let outcome = bench.run(asking(&["a/one", "b/three"])).await;
    assert_eq!(selections(&outcome)[0].why, None);
    assert_eq!(selections(&outcome)[0].profile.as_deref(), Some("a:config"));
    assert_eq!(outcome.done().usage.cost_usd, Some(2.0));
    assert_eq!(asked(&bench), ["a/one"]);
}

#[tokio::test]
async fn each_failure_that_another_model_can_mend_leads_to_it_with_a_reason() {
    let rows: [(u16, &str, usize); 7] = [
        (401, "login refused", 1),
        (402, "quota used up", 1),
        (429, "rate limited", 3),
        (503, "overloaded", 3),
        (529, "overloaded", 3),
        (404, "no such model", 1),
        (504, "timeout", 1),
    ];
    for (status, words, tries) in rows {
        let bench = bench(&pair(), a_fails(move || refusal(status, &json!({ "message": "no" }))));
        let outcome = bench.run(asking(&["a/one", "b/three"])).await;
        assert_eq!(outcome.done().turn.text(), "from b", "{status}");
        let why = selections(&outcome)[0].why.clone().unwrap();
        assert!(why.starts_with("answered by b/three because a/one failed") && why.contains(words), "{why}");
        assert_eq!(asked(&bench).len(), tries + 1, "{status}: bounded attempts, then the next model");
        assert_eq!(outcome.done().turn.model.to_string(), "b/three");
    }
}

#[tokio::test]
async fn what_no_other_model_can_mend_ends_the_call() {
    let rows = [
        (
            400,
            json!({ "message": "maximum context length is 5", "code": "context_length_exceeded" }),
            ErrorClass::ContextOverflow,
        ),
        (400, json!({ "message": "flagged", "code": "content_filter" }), ErrorClass::ContentRefused),
        (400, json!({ "message": "messages: bad" }), ErrorClass::BadRequest),
    ];
    for (status, error, class) in rows {
        let bench = bench(&pair(), a_fails(move || refusal(status, &error)));
        let outcome = bench.run(asking(&["a/one", "b/three"])).await;
        assert_eq!(outcome.error().class, class);
        assert!(asked(&bench).iter().all(|place| place == "a/one"), "{class:?}");
        assert_eq!(outcome.error().model.as_ref().unwrap().to_string(), "a/one");
    }
}

#[tokio::test]
async fn without_stand_ins_the_choice_is_strict() {
    let bench = bench(&pair(), a_fails(|| refusal(401, &json!({ "message": "bad key" }))));
    let outcome = bench.run(asking(&["a/one"])).await;
    assert_eq!((outcome.error().class, asked(&bench)), (ErrorClass::Auth, vec!["a/one".to_owned()]));
    let expected = "a/one failed (login refused): bad key. \
        Check the key in models.providers.a.apiKey, then run `openclaw models probe a/one`";
    assert_eq!(outcome.error().message, expected);
}

#[tokio::test]
async fn a_model_that_is_down_is_one_cause_and_one_next_step() {
    let down = || Reply::fail(NetError::Connect { host: "a.test".into(), message: "refused".into() });
    let bench = bench(&pair(), FakeNet::answering(move |_| down()));
    let outcome = bench.run(asking(&["a/one"])).await;
    assert_eq!(asked(&bench).len(), 3);
    let cause = "failed (network error, tried 3 times): connection to a.test failed: refused";
    let step = "Check that the server runs and that models.providers.a.baseUrl is right";
    assert_eq!(outcome.error().message, format!("a/one {cause}. {step}"));
    // Two models of the same dead server are still one cause.
    let both = bench.run(asking(&["a/two", "a/one"])).await.error().message.clone();
    assert!(both.starts_with("no model could answer: a/two and a/one failed (network error"), "{both}");
    assert_eq!(both.matches("refused").count(), 1, "{both}");
}

#[tokio::test]
async fn every_one_of_many_stand_ins_is_tried() {
    let names: Vec<String> = (0..17).map(|n| format!("a/m{n}")).collect();
    let models: Vec<&str> = names.iter().map(String::as_str).chain(["b/three"]).collect();
    let bench = bench(&pair(), a_fails(|| refusal(402, &json!({ "message": "pay" }))));
    let outcome = bench.run(asking(&models)).await;
    assert_eq!(outcome.done().turn.text(), "from b");
    assert_eq!(asked(&bench).len(), 18);
}

#[tokio::test]
async fn when_all_fail_the_message_names_each_and_the_class_is_the_wanted_models() {
    let bench = bench(
        &pair(),
        FakeNet::answering(|request| {
            let status = if request.url.contains("a.test") { 402 } else { 401 };
            refusal(status, &json!({ "message": "sorry" }))
        }),
    );
    let outcome = bench.run(asking(&["a/one", "b/three"])).await;
    let error = outcome.error();
    assert_eq!(error.class, ErrorClass::Quota);
    assert!(
        error.message.contains("a/one failed (quota used up): sorry")
            && error.message.contains("b/three failed (login refused)"),
        "{error}"
    );
}

#[tokio::test]
async fn a_rested_pair_is_asked_first_and_a_healthy_model_of_the_same_key_is_not_blocked() {
    let bench = bench(
        &pair(),
        FakeNet::answering(|request| {
            if body(request)["model"] == "one" { refusal(429, &json!({ "message": "slow" })) } else { answer("ok") }
        }),
    );
    bench.run(asking(&["a/one", "b/three"])).await;
    let before = asked(&bench).len();
    // The tired model is passed over without a request while it rests.
    let outcome = bench.run(asking(&["a/one", "b/three"])).await;
    assert_eq!(asked(&bench)[before..], ["b/three".to_owned()]);
    assert!(selections(&outcome)[0].why.as_deref().unwrap().contains("a/one rests after rate limited"));
    // Its neighbour with the same key works.
    assert_eq!(bench.run(asking(&["a/two"])).await.done().turn.text(), "ok");
    // After its rest it is asked again.
    bench.clock.advance(Duration::from_secs(300)).await;
    let before = asked(&bench).len();
    bench.run(asking(&["a/one", "b/three"])).await;
    assert_eq!(asked(&bench)[before], "a/one");
}

#[tokio::test]
async fn a_request_error_never_rests_a_credential() {
    let bench = bench(
        &pair(),
        FakeNet::answering(|request| {
            let text = String::from_utf8_lossy(&request.body).into_owned();
            if text.contains("poison") {
                refusal(400, &json!({ "message": "messages.3: orphan" }))
            } else {
                answer("ok")
            }
        }),
    );
    let mut bad = asking(&["a/one", "b/three"]);
    bad.system = vec!["poison".to_owned()];
    assert_eq!(bench.run(bad).await.error().class, ErrorClass::BadRequest);
    let before = asked(&bench).len();
    let outcome = bench.run(asking(&["a/one", "b/three"])).await;
    assert_eq!(selections(&outcome)[0].why, None);
    assert_eq!(asked(&bench)[before..], ["a/one".to_owned()]);
}

#[tokio::test]
async fn a_resting_model_without_stand_in_is_still_asked() {
    let bench = bench(&pair(), FakeNet::new([refusal(401, &json!({})), answer("back")]));
    assert_eq!(bench.run(asking(&["a/one"])).await.error().class, ErrorClass::Auth);
    let began = bench.clock.monotonic();
    assert_eq!(bench.run(asking(&["a/one"])).await.done().turn.text(), "back");
    assert_eq!(bench.clock.monotonic(), began, "and at once");
}

#[tokio::test]
async fn a_wait_the_provider_asked_for_is_kept_over_calls_within_bounds() {
    let slow = || refusal(429, &json!({ "message": "slow" })).header("retry-after", "100");
    let bench = bench(&pair(), FakeNet::new([slow(), answer("ok")]));
    assert_eq!(bench.run(asking(&["a/one"])).await.error().class, ErrorClass::RateLimited);
    let began = bench.clock.monotonic();
    assert_eq!(bench.run(asking(&["a/one"])).await.done().turn.text(), "ok");
    assert_eq!((bench.clock.monotonic() - began).as_secs(), 20);
}

#[tokio::test]
async fn credentials_rotate_before_models_do() {
    let profile = |name: &str| Profile {
        id: format!("a:{name}"),
        provider: "a".to_owned(),
        kind: ProfileKind::ApiKey,
        secret: Secret::new(name),
        expires_at: None,
    };
    let (settings, _) =
        Settings::from_config(&pair(), &Value::Null, &Value::Null, vec![profile("first"), profile("second")], &|_| {
            None
        });
    let net = FakeNet::answering(|request| {
        let is_second = request.headers.iter().any(|(name, value)| {
            name == "authorization"
                && matches!(value, HeaderValue::Secret(secret) if *secret == Secret::new("Bearer second"))
        });
        if is_second {
            answer("second key")
        } else {
            refusal(429, &json!({ "code": "insufficient_quota", "message": "empty" }))
        }
    });
    let (net, clock) = (std::sync::Arc::new(net), FakeClock::new());
    let router = Router::new(settings, net.clone(), std::sync::Arc::new(clock.clone()));
    let bench = Bench { router, net, clock };
    let outcome = bench.run(asking(&["a/one", "b/three"])).await;
    let selected = &selections(&outcome)[0];
    assert_eq!((selected.profile.as_deref(), selected.model.to_string().as_str()), (Some("a:second"), "a/one"));
    assert_eq!(asked(&bench), ["a/one", "a/one"], "quota is not retried with the same key");
    // A pinned profile is the only one used.
    let pinned = bench.run(asking(&["a/one@first"])).await;
    assert_eq!(pinned.error().class, ErrorClass::Quota);
}

#[tokio::test]
async fn a_refusal_by_a_stand_in_leads_to_the_next_one() {
    let bench = bench(
        &pair(),
        FakeNet::answering(|request| match body(request)["model"].as_str() {
            Some("one") => refusal(402, &json!({ "message": "pay" })),
            Some("two") => refusal(400, &json!({ "message": "I take no tools" })),
            _ => answer("third"),
        }),
    );
    let outcome = bench.run(asking(&["a/one", "a/two", "b/three"])).await;
    assert_eq!(outcome.done().turn.text(), "third");
    let outcome = bench.run(asking(&["a/one", "a/two"])).await;
    assert_eq!(outcome.error().class, ErrorClass::Quota, "the wanted model's failure counts");
    assert!(outcome.error().message.contains("I take no tools"), "{}", outcome.error());
}

#[tokio::test]
async fn a_lapsed_login_is_tried_last() {
    let profile = |name: &str, at: i64| Profile {
        id: format!("a:{name}"),
        provider: "a".to_owned(),
        kind: ProfileKind::OAuth,
        secret: Secret::new(name),
        expires_at: Some(openclaw_domain::Timestamp(at)),
    };
    let clock = FakeClock::new();
    let now = clock.now().as_millis();
    let profiles = vec![profile("lapsed", now), profile("fresh", now + 1)];
    let (settings, _) = Settings::from_config(&pair(), &Value::Null, &Value::Null, profiles, &|_| None);
    let net = std::sync::Arc::new(FakeNet::answering(|_| answer("ok")));
    let router = Router::new(settings, net.clone(), std::sync::Arc::new(clock.clone()));
    let outcome = Bench { router, net, clock }.run(asking(&["a/one"])).await;
    assert_eq!(selections(&outcome)[0].profile.as_deref(), Some("a:fresh"));
}

#[tokio::test]
async fn thinking_steps_down_only_when_the_provider_names_it_and_is_remembered() {
    let bench = bench(
        &pair(),
        FakeNet::answering(|request| match body(request)["reasoning_effort"].as_str() {
            Some("high" | "medium") => {
                refusal(400, &json!({ "message": "Unsupported value", "param": "reasoning_effort" }))
            }
            _ => answer("thought less"),
        }),
    );
    let mut request = asking(&["a/one", "b/three"]);
    request.choice.thinking = Some(Thinking::High);
    let outcome = bench.run(request.clone()).await;
    let selected = &selections(&outcome)[0];
    assert_eq!((selected.thinking, selected.model.to_string().as_str()), (Some(Thinking::Low), "a/one"));
    assert!(selected.why.as_deref().unwrap().contains("less thinking"));
    assert_eq!(asked(&bench).len(), 3);
    bench.run(request).await;
    assert_eq!(asked(&bench).len(), 4, "what was refused once is not asked again");
}

#[tokio::test]
async fn a_model_that_refuses_every_level_is_asked_without_one() {
    let bench = bench(
        &pair(),
        FakeNet::answering(|request| {
            if body(request)["reasoning_effort"].is_null() {
                answer("ok")
            } else {
                refusal(400, &json!({ "message": "no reasoning_effort here: unsupported" }))
            }
        }),
    );
    let mut request = asking(&["a/one"]);
    request.choice.thinking = Some(Thinking::Max);
    let outcome = bench.run(request).await;
    assert_eq!(selections(&outcome)[0].thinking, None);
    assert!(asked(&bench).len() <= Thinking::ALL.len() + 1);
}

#[tokio::test]
async fn a_parameter_refused_altogether_is_left_out_at_once() {
    let bench = bench(
        &pair(),
        FakeNet::answering(|request| match body(request)["reasoning_effort"].as_str() {
            Some(_) => refusal(400, &json!({ "message": "Unsupported parameter: 'reasoning_effort'" })),
            None => answer("ok"),
        }),
    );
    let mut request = asking(&["a/one"]);
    request.choice.thinking = Some(Thinking::High);
    assert!(bench.run(request).await.is_done());
    assert_eq!(asked(&bench).len(), 2);
}

#[tokio::test]
async fn a_refused_form_is_tried_once_more_in_the_plainest_and_then_given_up() {
    let bench = bench(
        &pair(),
        FakeNet::answering(|request| {
            if body(request)["stream_options"].is_null() {
                answer("plain")
            } else {
                refusal(400, &json!({ "message": "Unknown parameter: stream_options" }))
            }
        }),
    );
    assert_eq!(bench.run(asking(&["a/one"])).await.done().turn.text(), "plain");
    assert_eq!(bench.run(asking(&["a/one"])).await.done().turn.text(), "plain");
    assert_eq!(asked(&bench).len(), 3, "the plain form is remembered");
}

#[tokio::test]
async fn an_asked_wait_is_waited_and_a_long_one_sends_us_elsewhere() {
    let wait = |seconds: &'static str| {
        FakeNet::new([refusal(429, &json!({ "message": "slow" })).header("retry-after", seconds), answer("ok")])
    };
    let bench_short = bench(&pair(), wait("4"));
    let began = bench_short.clock.monotonic();
    assert_eq!(bench_short.run(asking(&["a/one", "b/three"])).await.done().turn.model.to_string(), "a/one");
    assert!(bench_short.clock.monotonic() - began >= Duration::from_secs(4));
    let bench_long = bench(&pair(), wait("40"));
    let began = bench_long.clock.monotonic();
    assert_eq!(bench_long.run(asking(&["a/one", "b/three"])).await.done().turn.model.to_string(), "b/three");
    assert!(bench_long.clock.monotonic() - began < Duration::from_secs(4));
}

#[tokio::test]
async fn a_connection_closed_between_turns_is_opened_again_at_once() {
    let closed = NetError::Connect { host: "a.test".into(), message: "closed".into() };
    let bench = bench(&pair(), FakeNet::new([Reply::fail(closed), answer("ok")]));
    let began = bench.clock.monotonic();
    assert_eq!(bench.run(asking(&["a/one"])).await.done().turn.text(), "ok");
    assert_eq!(bench.clock.monotonic(), began);
}

#[tokio::test]
async fn after_visible_output_a_new_attempt_declares_it_void() {
    let half = || Reply::events("data: {\"choices\":[{\"delta\":{\"content\":\"Half an\"}}]}\n\n");
    let bench = bench(&pair(), a_fails(half));
    let outcome = bench.run(asking(&["a/one", "b/three"])).await;
    insta::assert_snapshot!(outcome.words(), @r#"
    selected a/one because None
    text "Half an"
    superseded: a/one failed (truncated answer): the stream ended before a finish_reason
    selected a/one because None
    text "Half an"
    superseded: a/one failed (truncated answer, tried 2 times): the stream ended before a finish_reason
    selected b/three because Some("answered by b/three because a/one failed (truncated answer, tried 2 times): the stream ended before a finish_reason")
    text "from b"
    done EndTurn
      text "from b"
      usage in 1000000 out 100000 read 0 write 0 reasoning 0
    "#);
    assert_eq!(outcome.streamed(), "from b");
}

#[tokio::test]
async fn a_stream_that_goes_silent_is_a_timeout() {
    let silent = || {
        let error = NetError::Timeout { host: "a.test".into(), after: Duration::from_secs(300) };
        Reply::events("data: {\"choices\":[{\"delta\":{\"content\":\"He\"}}]}\n\n").break_off(error)
    };
    let bench = bench(&pair(), a_fails(silent));
    let outcome = bench.run(asking(&["a/one"])).await;
    assert_eq!(outcome.error().class, ErrorClass::Timeout);
    assert!(bench.net.requests().iter().all(|request| request.idle_timeout == Duration::from_secs(300)));
}

#[tokio::test]
async fn an_empty_answer_is_asked_for_once_more_and_then_taken() {
    let empty = || Reply::events("data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
    let once = bench(&pair(), FakeNet::new([empty(), answer("now")]));
    assert_eq!(once.run(asking(&["a/one"])).await.done().turn.text(), "now");
    let musing = Reply::events(
        "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"},\"finish_reason\":\"stop\"}]}\n\n",
    );
    let thought = bench(&pair(), FakeNet::new([musing, answer("now")]));
    assert_eq!(thought.run(asking(&["a/one"])).await.done().turn.text(), "now");
    let twice = bench(&pair(), FakeNet::new([empty(), empty()]));
    let outcome = twice.run(asking(&["a/one"])).await;
    assert_eq!((outcome.done().turn.blocks.len(), outcome.done().turn.stop), (0, StopReason::EndTurn));
}

#[tokio::test]
async fn an_unknown_provider_or_a_missing_key_says_what_to_do() {
    let models = json!({ "providers": {} });
    let bench = bench(&models, FakeNet::unreachable());
    let error = bench.run(asking(&["anthropic/claude-opus-5"])).await.error.unwrap();
    assert_eq!(error.class, ErrorClass::NotConfigured);
    assert!(error.message.contains("ANTHROPIC_API_KEY"), "{error}");
    let error = bench.run(asking(&["nobody/x"])).await.error.unwrap();
    assert!(error.message.contains("openclaw models list"), "{error}");
    assert!(bench.net.requests().is_empty(), "nothing is sent without a credential");
}

#[tokio::test]
async fn the_offline_rules_answer_when_chosen_and_as_a_stand_in() {
    let bench = bench(&pair(), a_fails(|| refusal(401, &json!({}))));
    let outcome = bench.run(asking(&["offline/rules"])).await;
    assert_eq!(outcome.done().turn.model.to_string(), "offline/rules");
    assert_eq!(selections(&outcome).len(), 1);
    let outcome = bench.run(asking(&["a/one", "offline/rules"])).await;
    assert_eq!(outcome.done().turn.model.to_string(), "offline/rules");
    assert!(selections(&outcome)[0].why.as_deref().unwrap().contains("because a/one failed"));
}

#[tokio::test]
async fn new_settings_count_from_the_next_call_on() {
    let bench = bench(&json!({ "mode": "replace" }), FakeNet::answering(|_| answer("ok")));
    assert_eq!(bench.router.default_choice().primary.to_string(), "offline/rules");
    let defaults = json!({ "model": { "primary": "quick" }, "models": { "b/three": { "alias": "quick" } } });
    let (settings, _) = Settings::from_config(&pair(), &Value::Null, &defaults, Vec::new(), &|_| None);
    bench.router.replace(settings);
    assert_eq!(bench.router.default_choice().primary.to_string(), "b/three");
    assert_eq!(bench.router.resolve("QUICK").unwrap().to_string(), "b/three");
    assert_eq!(bench.router.models().len(), 4);
    assert_eq!(bench.run(asking(&["b/three"])).await.done().turn.text(), "ok");
}

#[tokio::test]
async fn a_probe_reports_the_answer_or_the_failure() {
    let bench = bench(&pair(), a_fails(|| refusal(401, &json!({ "message": "bad key" }))));
    let good = bench.router.probe("b/three".parse().unwrap()).await;
    assert_eq!(good.result.unwrap(), "from b");
    let bad = bench.router.probe("a/one".parse().unwrap()).await;
    assert_eq!(bad.result.unwrap_err().class, ErrorClass::Auth);
    assert_eq!(body(&bench.net.requests()[0])["max_tokens"], 256);
}

#[tokio::test]
async fn dropping_the_stream_stops_the_body() {
    use futures_util::StreamExt as _;
    use openclaw_domain::ports::Model as _;
    let latch = openclaw_testkit::Latch::default();
    let reply = Reply::events("data: {\"choices\":[{\"delta\":{\"content\":\"He\"}}]}\n\n").hold(&latch);
    let bench = bench(&pair(), FakeNet::new([reply]));
    let mut stream = bench.router.stream(asking(&["a/one"])).await.unwrap();
    assert!(matches!(stream.next().await, Some(Ok(ModelEvent::Selected(_)))));
    assert!(matches!(stream.next().await, Some(Ok(ModelEvent::Text(_)))));
    drop(stream);
    assert_eq!(bench.net.requests().len(), 1, "a dropped call is not tried again");
}

#[tokio::test]
async fn usage_is_waited_for_only_briefly_after_the_answer() {
    let latch = openclaw_testkit::Latch::default();
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\n";
    let reply = stream(Dialect::OpenaiChat, text.as_bytes(), 4096).hold(&latch);
    let bench = bench(&pair(), FakeNet::new([reply]));
    let began = bench.clock.monotonic();
    assert_eq!(bench.run(asking(&["a/one"])).await.done().turn.text(), "hi");
    assert!(bench.clock.monotonic() - began <= Duration::from_secs(3));
}
