//! What is sent: one conversation in every dialect, and the traps of the wire.

use openclaw_domain::conversation::Turn;
use openclaw_domain::message::{AssistantTurn, Block, Part, ToolCall, ToolResult, ToolStatus, UserTurn};
use openclaw_domain::model::{ErrorClass, ModelRef, ModelRequest, StopReason, Thinking};
use openclaw_domain::ports::net::{Egress, HeaderValue};
use openclaw_domain::tool::ToolSpec;
use openclaw_domain::{Origin, Timestamp};
use openclaw_llm::Dialect;
use openclaw_testkit::FakeNet;
use openclaw_testkit::net::{Reply, header};
use serde_json::{Value, json};

use crate::harness::{bench, config, hello, request_of, tool};

fn user(parts: Vec<Part>) -> Turn {
    Turn::User(UserTurn { parts, origin: Origin::Owner, at: Timestamp(0) })
}

fn picture() -> Part {
    Part::Image { media_type: "image/png".to_owned(), data: "aGk=".to_owned() }
}

fn assistant(blocks: Vec<Block>, stop: StopReason) -> Turn {
    Turn::Assistant(AssistantTurn {
        blocks,
        model: ModelRef::new("other", "model"),
        stop,
        native: None,
        at: Timestamp(0),
    })
}

fn text(text: &str) -> Block {
    Block::Text { text: text.to_owned() }
}

fn call(id: &str, name: &str, arguments: &str, result: ToolResult) -> Block {
    let call = ToolCall {
        id: id.parse().unwrap(),
        provider_id: format!("foreign.{id}"),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    };
    Block::Call { call, result: Some(result) }
}

/// A conversation with everything in it, written by another provider's model.
fn rich() -> ModelRequest {
    let failed = ToolResult::notice(ToolStatus::Failed, "no such file");
    let shown = ToolResult { parts: vec![Part::text("one page"), picture()], ..ToolResult::notice(ToolStatus::Ok, "") };
    request_of(vec![
        user(vec![Part::text("   "), picture()]),
        user(vec![Part::text("What is this?")]),
        assistant(
            vec![
                Block::Thinking { text: "secret thought".to_owned() },
                text("I look."),
                call("call_1", "read", "{\"path\":\"a\",\"n\":1e3}", failed),
                call("call_2", "list", "{\"path\":", shown),
            ],
            StopReason::ToolUse,
        ),
        user(vec![Part::text("Go on.")]),
        assistant(vec![text(" \n")], StopReason::EndTurn),
        assistant(vec![text("A lobster.")], StopReason::EndTurn),
    ])
}

async fn sent(dialect: Dialect, request: ModelRequest) -> Value {
    sent_with(&config(dialect), request).await
}

async fn sent_with(models: &Value, request: ModelRequest) -> Value {
    let bench = bench(models, FakeNet::answering(|_| Reply::status(401)));
    let outcome = bench.run(request).await;
    assert_eq!(outcome.error().class, ErrorClass::Auth, "{}", outcome.error());
    bench.bodies().remove(0)
}

#[tokio::test]
async fn one_conversation_is_written_in_every_dialect() {
    for (dialect, name) in Dialect::ALL {
        let body = sent(dialect, rich()).await;
        insta::assert_snapshot!(format!("encode_{name}"), serde_json::to_string_pretty(&body).unwrap());
    }
}

#[tokio::test]
async fn a_request_goes_to_the_right_place_with_the_right_login() {
    let rows = [
        (Dialect::OpenaiChat, "http://p.test/v1/chat/completions", "authorization"),
        (Dialect::OpenaiResponses, "http://p.test/v1/responses", "authorization"),
        (Dialect::AnthropicMessages, "http://p.test/v1/messages", "x-api-key"),
        (Dialect::GoogleGenerativeAi, "http://p.test/v1beta/models/m:streamGenerateContent?alt=sse", "x-goog-api-key"),
        (Dialect::Ollama, "http://p.test/api/chat", "authorization"),
    ];
    for (dialect, url, login) in rows {
        let bench = bench(&config(dialect), FakeNet::answering(|_| Reply::status(401)));
        bench.run(hello()).await;
        let request = bench.net.requests().remove(0);
        assert_eq!(request.url, url);
        assert_eq!(header(&request, login).as_deref(), Some("****"), "{dialect:?}");
        assert_eq!((request.method, request.egress, request.redirects_max), ("POST", Egress::Configured, 0));
        assert_eq!(header(&request, "accept-encoding"), None, "compression delays tokens");
        assert!(
            request
                .headers
                .iter()
                .all(|(name, value)| name != "authorization" || matches!(value, HeaderValue::Secret(_)))
        );
    }
}

#[tokio::test]
async fn every_call_is_answered_once_in_order_right_after_it() {
    let chat = sent(Dialect::OpenaiChat, rich()).await;
    let messages = chat["messages"].as_array().unwrap();
    let at = messages.iter().position(|message| message["tool_calls"].is_array()).unwrap();
    let asked: Vec<&Value> = messages[at]["tool_calls"].as_array().unwrap().iter().map(|call| &call["id"]).collect();
    let answered: Vec<&Value> = messages[at + 1..at + 3].iter().map(|message| &message["tool_call_id"]).collect();
    assert_eq!(asked, answered);
}

#[tokio::test]
async fn a_model_that_sees_nothing_is_sent_no_picture() {
    let mut models = config(Dialect::OpenaiChat);
    models["providers"]["p"]["models"][0]["input"] = json!(["text"]);
    let body = sent_with(&models, rich()).await.to_string();
    assert!(!body.contains("image_url") && body.contains("was left out"), "{body}");
}

#[tokio::test]
async fn at_most_four_cache_markers_are_set_and_none_on_replayed_blocks() {
    for sections in 0..6 {
        let mut request = rich();
        request.system = (0..sections).map(|n| format!("section {n}")).collect();
        let body = sent(Dialect::AnthropicMessages, request).await.to_string();
        let count = body.matches("cache_control").count();
        assert!((1..=4).contains(&count), "{count} markers with {sections} sections");
    }
}

#[tokio::test]
async fn a_tool_named_twice_is_declared_once_and_an_odd_name_gets_an_alias() {
    for (dialect, _) in Dialect::ALL {
        let mut request = hello();
        request.tools = [tool("read"), tool("read"), tool("mcp.files/read all")].into();
        let body = sent(dialect, request).await.to_string();
        assert_eq!(body.matches("Does read.").count(), 1, "{dialect:?}");
        assert!(body.contains("\"mcp_files_read_all_") && !body.contains("mcp.files/read all\""), "{dialect:?} {body}");
    }
}

#[tokio::test]
async fn a_parameterless_tool_has_empty_properties_except_at_google() {
    let bare = ToolSpec { parameters: json!({}), ..tool("now") };
    for (dialect, _) in Dialect::ALL {
        let mut request = hello();
        request.tools = [bare.clone()].into();
        let body = sent(dialect, request).await.to_string();
        let has = body.contains(r#""properties":{}"#);
        assert_eq!(has, dialect != Dialect::GoogleGenerativeAi, "{dialect:?} {body}");
    }
}

#[tokio::test]
async fn responses_tools_are_flat_and_say_strict() {
    let body = sent(Dialect::OpenaiResponses, hello()).await;
    assert_eq!((&body["tools"][0]["name"], &body["tools"][0]["strict"]), (&json!("list"), &json!(false)));
    assert_eq!((&body["store"], &body["include"]), (&json!(false), &json!(["reasoning.encrypted_content"])));
}

#[tokio::test]
async fn ollama_is_told_its_window_and_not_to_cut() {
    let body = sent(Dialect::Ollama, hello()).await;
    assert_eq!(
        (&body["options"]["num_ctx"], &body["truncate"], &body["stream"]),
        (&json!(32768), &json!(false), &json!(true))
    );
    let long = request_of(vec![user(vec![Part::text("word ".repeat(40_000))])]);
    assert_eq!(sent(Dialect::Ollama, long.clone()).await["options"]["num_ctx"], json!(131_072));
    let mut models = config(Dialect::Ollama);
    models["providers"]["p"]["models"][0]["contextWindow"] = json!(40_960);
    assert_eq!(sent_with(&models, long).await["options"]["num_ctx"], json!(40_960));
}

#[tokio::test]
async fn thinking_is_asked_for_in_the_words_of_the_dialect_and_not_of_models_without_it() {
    let levels = |body: &Value, dialect: Dialect| match dialect {
        Dialect::OpenaiChat => body["reasoning_effort"].clone(),
        Dialect::OpenaiResponses => body["reasoning"]["effort"].clone(),
        Dialect::AnthropicMessages => body["thinking"]["budget_tokens"].clone(),
        Dialect::GoogleGenerativeAi => body["generationConfig"]["thinkingConfig"]["thinkingLevel"].clone(),
        Dialect::Ollama => body["think"].clone(),
    };
    let expected = [json!("high"), json!("high"), json!(8191), json!("HIGH"), json!(true)];
    for ((dialect, _), expected) in Dialect::ALL.into_iter().zip(expected) {
        let mut request = hello();
        request.choice.thinking = Some(Thinking::High);
        assert_eq!(levels(&sent(dialect, request.clone()).await, dialect), expected, "{dialect:?}");
        let mut models = config(dialect);
        models["providers"]["p"]["models"][0]["reasoning"] = json!(false);
        assert_eq!(levels(&sent_with(&models, request).await, dialect), Value::Null, "{dialect:?}");
    }
}

#[tokio::test]
async fn the_first_party_gets_its_newest_version_unless_sampling_is_set() {
    let models = json!({ "mode": "replace", "providers": { "anthropic": { "apiKey": "k" } } });
    let version = async |temperature: Option<f32>, model: &str| {
        let bench = bench(&models, FakeNet::answering(|_| Reply::status(401)));
        let mut request = hello();
        request.choice = crate::harness::choice(&[model]);
        request.temperature = temperature;
        bench.run(request).await;
        let request = bench.net.requests().remove(0);
        (header(&request, "anthropic-version").unwrap(), crate::harness::body(&request)["temperature"].is_number())
    };
    assert_eq!(version(None, "anthropic/claude-sonnet-4-5").await, ("2026-10-21".to_owned(), false));
    assert_eq!(version(Some(0.5), "anthropic/claude-sonnet-4-5").await, ("2023-06-01".to_owned(), true));
    assert_eq!(version(Some(0.5), "anthropic/claude-opus-5").await, ("2026-10-21".to_owned(), false));
}

#[tokio::test]
async fn token_limit_system_role_and_ids_follow_the_provider() {
    let one = |id: &str, section: Value| json!({ "mode": "replace", "providers": { id: section } });
    let mut request = rich();
    request.output_tokens_max = Some(77);
    request.choice = crate::harness::choice(&["mistral/mistral-large-latest"]);
    let body = sent_with(&one("mistral", json!({ "apiKey": "k" })), request.clone()).await;
    assert_eq!((&body["max_tokens"], &body["messages"][0]["role"]), (&json!(77), &json!("system")));
    let id = body["messages"][2]["tool_calls"][0]["id"].as_str().unwrap();
    assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
    assert_eq!(body["messages"][3]["tool_call_id"], id);

    request.choice = crate::harness::choice(&["openai/gpt-4o"]);
    let body = sent_with(&one("openai", json!({ "apiKey": "k", "api": "openai-completions" })), request).await;
    assert_eq!((&body["max_completion_tokens"], &body["messages"][0]["role"]), (&json!(77), &json!("developer")));
}

#[tokio::test]
async fn an_empty_conversation_is_refused_before_it_is_sent() {
    for (dialect, _) in Dialect::ALL {
        let bench = bench(&config(dialect), FakeNet::unreachable());
        let outcome = bench.run(request_of(vec![user(vec![Part::text(" ")])])).await;
        assert_eq!(outcome.error().class, ErrorClass::BadRequest, "{dialect:?}");
        assert!(bench.net.requests().is_empty());
    }
}

#[tokio::test]
async fn a_long_conversation_that_begins_and_ends_with_the_model_is_framed_by_the_user() {
    let turns = vec![
        assistant(vec![text("Hello.")], StopReason::EndTurn),
        assistant(vec![text("More.")], StopReason::MaxTokens),
    ];
    let body = sent(Dialect::AnthropicMessages, request_of(turns)).await;
    let roles: Vec<&str> = body["messages"].as_array().unwrap().iter().filter_map(|m| m["role"].as_str()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant", "user"]);
}
