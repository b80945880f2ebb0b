//! Configured request parameters, limits and headers, and where they end up.

use std::sync::Arc;

use openclaw_domain::model::ModelRequest;
use openclaw_domain::ports::net::Request;
use openclaw_llm::{Dialect, Router, Settings};
use openclaw_testkit::net::Reply;
use openclaw_testkit::{FakeClock, FakeNet};
use serde_json::{Value, json};

use crate::harness::{Bench, body, choice, config, hello};

/// Returns the first request of a call under a configuration.
async fn request_under(models: &Value, defaults: &Value, call: ModelRequest) -> Request {
    let (settings, warnings) = Settings::from_config(models, &Value::Null, defaults, Vec::new(), &|_| None);
    assert_eq!(warnings, []);
    let (net, clock) = (Arc::new(FakeNet::answering(|_| Reply::status(401))), FakeClock::new());
    let router = Router::new(settings, net.clone(), Arc::new(clock.clone()));
    let bench = Bench { router, net, clock };
    bench.run(call).await;
    bench.net.requests().remove(0)
}

async fn sent(models: &Value, defaults: &Value) -> Value {
    body(&request_under(models, defaults, hello()).await)
}

/// Returns the provider of [`config`] with a model that does not reason.
fn plain(dialect: Dialect) -> Value {
    let mut models = config(dialect);
    models["providers"]["p"]["models"][0]["reasoning"] = json!(false);
    models
}

#[tokio::test]
async fn parameters_go_out_in_the_words_of_each_dialect() {
    let params = json!({ "temperature": 0.2, "topP": 0.9, "topK": 40, "seed": 7, "presencePenalty": 0.5,
        "frequencyPenalty": -0.5, "stop": ["END"], "maxTokens": 321 });
    let defaults = json!({ "models": { "p/m": { "params": params } } });
    let chat = json!({ "temperature": 0.2, "top_p": 0.9, "top_k": 40, "seed": 7, "presence_penalty": 0.5,
        "frequency_penalty": -0.5, "stop": ["END"], "max_tokens": 321 });
    let options = json!({ "temperature": 0.2, "top_p": 0.9, "top_k": 40, "seed": 7, "presence_penalty": 0.5,
        "frequency_penalty": -0.5, "stop": ["END"], "num_predict": 321, "num_ctx": 32768 });
    let rows = [
        (Dialect::OpenaiChat, "", chat),
        (Dialect::OpenaiResponses, "", json!({ "temperature": 0.2, "top_p": 0.9, "max_output_tokens": 321 })),
        // Temperature and top_p exclude each other there.
        (
            Dialect::AnthropicMessages,
            "",
            json!({ "temperature": 0.2, "top_k": 40, "stop_sequences": ["END"], "max_tokens": 321 }),
        ),
        // Sampling is the model's own business from Gemini 3 on.
        (
            Dialect::GoogleGenerativeAi,
            "/generationConfig",
            json!({ "seed": 7, "presencePenalty": 0.5, "frequencyPenalty": -0.5, "stopSequences": ["END"],
                "maxOutputTokens": 321 }),
        ),
        (Dialect::Ollama, "/options", options),
    ];
    let about = ["temp", "top", "seed", "penalty", "Penalty", "stop", "max", "num_"];
    for (dialect, place, expected) in rows {
        let body = sent(&plain(dialect), &defaults).await;
        let section = body.pointer(place).and_then(Value::as_object).cloned().unwrap_or_default();
        let found: serde_json::Map<String, Value> =
            section.into_iter().filter(|(key, _)| about.iter().any(|part| key.contains(part))).collect();
        assert_eq!(Value::Object(found), expected, "{dialect:?}");
    }
}

#[tokio::test]
async fn the_nearer_layer_wins_and_the_request_counts_most() {
    let mut models = plain(Dialect::OpenaiChat);
    models["providers"]["p"]["params"] = json!({ "topP": 0.2, "seed": 2 });
    models["providers"]["p"]["models"][0]["params"] = json!({ "seed": 3, "topK": 3 });
    let defaults = json!({ "params": { "temperature": 0.1, "topP": 0.1, "seed": 1, "topK": 1, "stop": "a" },
        "models": { "p/*": { "params": { "topK": 4, "stop": "d" } }, "P/m": { "params": { "stop": "e" } } } });
    let body = sent(&models, &defaults).await;
    let layers = ["temperature", "top_p", "seed", "top_k", "stop"].map(|key| body[key].clone());
    assert_eq!(layers, [json!(0.1), json!(0.2), json!(3), json!(4), json!(["e"])]);

    let asked = ModelRequest { temperature: Some(0.7), seed: Some(9), output_tokens_max: Some(5), ..hello() };
    let body = crate::harness::body(&request_under(&models, &defaults, asked).await);
    assert_eq!((&body["temperature"], &body["max_tokens"]), (&json!(0.7), &json!(5)));
    assert_eq!(body["seed"], 9, "the request's seed comes before a configured one");
}

#[tokio::test]
async fn a_provider_wide_limit_counts_for_models_without_their_own() {
    let mut models = plain(Dialect::OpenaiChat);
    models["providers"]["p"]["maxTokens"] = json!(900);
    assert_eq!(sent(&models, &Value::Null).await["max_tokens"], 900);
    let unlisted = ModelRequest { choice: choice(&["p/other"]), ..hello() };
    assert_eq!(body(&request_under(&models, &Value::Null, unlisted).await)["max_tokens"], 900);
    models["providers"]["p"]["models"][0]["maxTokens"] = json!(50);
    assert_eq!(sent(&models, &Value::Null).await["max_tokens"], 50);
}

#[tokio::test]
async fn a_models_headers_count_more_than_its_providers_and_are_secret() {
    let mut models = plain(Dialect::OpenaiChat);
    models["providers"]["p"]["headers"] = json!({ "X-Team": "blue", "X-Zone": "a" });
    models["providers"]["p"]["request"] = json!({ "headers": { "X-Zone": "b" } });
    models["providers"]["p"]["models"][0]["headers"] = json!({ "x-team": "red", "Authorization": "Own" });
    let request = request_under(&models, &Value::Null, hello()).await;
    let shown = |name: &str| {
        let values = request.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value);
        values.map(|value| format!("{value:?}")).collect::<Vec<_>>()
    };
    let secret = |text: &str| {
        use openclaw_domain::ports::net::HeaderValue::Secret;
        request
            .headers
            .iter()
            .any(|(_, value)| matches!(value, Secret(secret) if *secret == openclaw_domain::Secret::new(text)))
    };
    assert!(secret("red") && secret("b") && secret("Own"));
    assert!(!secret("blue") && !secret("a") && !secret("Bearer key-p"));
    for name in ["x-team", "x-zone", "authorization"] {
        assert_eq!(shown(name).len(), 1, "{name} is sent once");
        assert!(!shown(name)[0].contains("red") && !shown(name)[0].contains("Own"), "{name} shows its value");
    }
}

#[tokio::test]
async fn a_parameter_that_is_refused_is_left_out_at_the_second_try() {
    let models = plain(Dialect::OpenaiChat);
    let defaults = json!({ "params": { "seed": 1 } });
    let (settings, _) = Settings::from_config(&models, &Value::Null, &defaults, Vec::new(), &|_| None);
    let net = Arc::new(FakeNet::answering(|request| {
        if body(request)["seed"].is_null() {
            Reply::status(401)
        } else {
            Reply::status(400).chunk(json!({ "error": { "message": "Unknown parameter: seed" } }).to_string())
        }
    }));
    let clock = FakeClock::new();
    let router = Router::new(settings, net.clone(), Arc::new(clock.clone()));
    let bench = Bench { router, net, clock };
    bench.run(hello()).await;
    assert_eq!(bench.bodies().len(), 2);
}

#[test]
fn a_parameter_that_is_not_passed_on_is_named() {
    let defaults = json!({ "params": { "temperature": 9 }, "models": { "p/m": { "params": { "moods": 3 } } } });
    let (_, warnings) =
        Settings::from_config(&plain(Dialect::OpenaiChat), &Value::Null, &defaults, Vec::new(), &|_| None);
    let paths: Vec<&str> = warnings.iter().map(|warning| warning.path.as_str()).collect();
    assert_eq!(paths, ["agents.defaults.params.temperature", "agents.defaults.models.p/m.params.moods"]);
}
