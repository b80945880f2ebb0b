//! Traps of single dialects that the recorded streams do not hold.

use openclaw_domain::Timestamp;
use openclaw_domain::conversation::Turn;
use openclaw_domain::message::UserTurn;
use openclaw_domain::model::{ErrorClass, ModelRequest, StopReason, Thinking};
use openclaw_llm::Dialect;
use openclaw_testkit::FakeNet;
use openclaw_testkit::net::Reply;
use serde_json::{Value, json};

use crate::harness::{Outcome, answered, bench, choice, config, done_words, hello, request_of, stream};

/// Joins frames into an event stream.
fn events(frames: &[Value]) -> String {
    frames.iter().map(|frame| format!("data: {frame}\n\n")).collect()
}

async fn play(dialect: Dialect, text: String) -> Outcome {
    let net = FakeNet::answering(move |_| stream(dialect, text.as_bytes(), 17));
    bench(&config(dialect), net).run(hello()).await
}

fn chat(delta: &Value, finish: Option<&str>) -> Value {
    json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] })
}

#[tokio::test]
async fn think_tags_in_the_content_are_thoughts() {
    let frames = ["<thi", "nk>why", "</think>", "\n\nso"].map(|text| chat(&json!({ "content": text }), None));
    let text = events(&frames) + &events(&[chat(&json!({}), Some("stop"))]);
    let outcome = play(Dialect::OpenaiChat, text).await;
    assert_eq!(outcome.words().lines().filter(|line| line.starts_with("th")).count(), 1);
    assert_eq!(outcome.streamed(), "so");
    assert!(done_words(outcome.done()).contains("thinking \"why\""));
}

#[tokio::test]
async fn a_held_back_beginning_of_a_tag_is_not_lost_at_the_end() {
    let outcome =
        play(Dialect::OpenaiChat, events(&[chat(&json!({ "content": "<thi" }), None), chat(&json!({}), Some("stop"))]))
            .await;
    assert_eq!((outcome.streamed(), outcome.done().turn.text()), ("<thi".to_owned(), "<thi".to_owned()));
}

#[tokio::test]
async fn content_in_typed_pieces_is_read_and_replayed() {
    let pieces = json!([{ "type": "thinking", "thinking": [{ "type": "text", "text": "hm" }] }, { "type": "text", "text": "yes" }]);
    let text = events(&[chat(&json!({ "content": pieces }), Some("stop"))]);
    let models = json!({ "mode": "replace", "providers": { "mistral": { "apiKey": "k" } } });
    let bench = bench(&models, FakeNet::answering(move |_| Reply::events(text.clone())));
    let ask = |request: ModelRequest| ModelRequest { choice: choice(&["mistral/magistral-medium-latest"]), ..request };
    let outcome = bench.run(ask(hello())).await;
    assert_eq!((outcome.streamed().as_str(), outcome.done().turn.blocks.len()), ("yes", 2));
    let turns = vec![
        Turn::User(UserTurn::owner("Hello", Timestamp(0))),
        answered(outcome.done(), ""),
        Turn::User(UserTurn::owner("More", Timestamp(0))),
    ];
    bench.run(ask(request_of(turns))).await;
    assert_eq!(bench.bodies()[1]["messages"][2]["content"], pieces);
}

#[tokio::test]
async fn reasoning_details_are_joined_by_index_and_go_back_in_order() {
    let detail = |index: u32, more: &Value| {
        let mut detail = json!({ "type": "reasoning.text", "index": index, "format": "f" });
        for (key, value) in more.as_object().unwrap() {
            detail[key] = value.clone();
        }
        chat(&json!({ "reasoning": "x", "reasoning_details": [detail] }), None)
    };
    let text = events(&[
        detail(0, &json!({ "text": "one " })),
        detail(0, &json!({ "text": "two", "signature": "S=" })),
        detail(1, &json!({ "text": "three" })),
        chat(&json!({ "content": "done" }), Some("stop")),
    ]);
    let models = json!({ "mode": "replace", "providers": { "openrouter": { "apiKey": "k" } } });
    let bench = bench(&models, FakeNet::answering(move |_| Reply::events(text.clone())));
    let mut request = hello();
    request.choice = choice(&["openrouter/some/model"]);
    let outcome = bench.run(request).await;
    let native: Value = serde_json::from_str(&outcome.done().turn.native.as_ref().unwrap().json).unwrap();
    assert_eq!(
        native["reasoning_details"],
        json!([
            { "type": "reasoning.text", "index": 0, "format": "f", "text": "one two", "signature": "S=" },
            { "type": "reasoning.text", "index": 1, "format": "f", "text": "three" }
        ])
    );
}

#[tokio::test]
async fn filters_and_refusals_are_shown_and_not_asked_again() {
    let filtered =
        play(Dialect::OpenaiChat, events(&[chat(&json!({ "content": "Well" }), Some("content_filter"))])).await;
    assert_eq!((filtered.done().turn.stop, filtered.streamed().as_str()), (StopReason::Refusal, "Well"));
    let refused = play(Dialect::OpenaiChat, events(&[chat(&json!({ "refusal": "I cannot." }), Some("stop"))])).await;
    assert_eq!((refused.done().turn.stop, refused.streamed().as_str()), (StopReason::Refusal, "I cannot."));
    let delta = json!({ "type": "message_delta", "delta": { "stop_reason": "refusal", "stop_details": { "explanation": "Not this." } } });
    let refused = play(Dialect::AnthropicMessages, events(&[delta, json!({ "type": "message_stop" })])).await;
    assert_eq!((refused.done().turn.stop, refused.streamed().as_str()), (StopReason::Refusal, "Not this."));
    let blocked =
        play(Dialect::GoogleGenerativeAi, events(&[json!({ "promptFeedback": { "blockReason": "SAFETY" } })])).await;
    assert_eq!(blocked.done().turn.stop, StopReason::Refusal);
    assert!(blocked.streamed().contains("SAFETY"));
}

#[tokio::test]
async fn a_call_cut_by_the_output_limit_is_dropped_in_every_form() {
    let cut = "{\"path\":\"a";
    let call = json!({ "tool_calls": [{ "index": 0, "id": "c", "function": { "name": "read", "arguments": cut } }] });
    let chat = events(&[chat(&call, None), chat(&json!({}), Some("length"))]);
    let messages = events(&[
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "tool_use", "id": "c", "name": "read", "input": {} } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "input_json_delta", "partial_json": cut } }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "max_tokens" } }),
        json!({ "type": "message_stop" }),
    ]);
    let responses = events(&[
        json!({ "type": "response.output_item.added", "output_index": 0, "item": { "type": "function_call", "call_id": "c", "name": "read", "arguments": "" } }),
        json!({ "type": "response.function_call_arguments.delta", "output_index": 0, "delta": cut }),
        json!({ "type": "response.incomplete", "response": { "status": "incomplete", "incomplete_details": { "reason": "max_output_tokens" } } }),
    ]);
    for (dialect, text) in
        [(Dialect::OpenaiChat, chat), (Dialect::AnthropicMessages, messages), (Dialect::OpenaiResponses, responses)]
    {
        let outcome = play(dialect, text).await;
        let turn = &outcome.done().turn;
        assert_eq!((turn.stop, turn.calls().count()), (StopReason::MaxTokens, 0), "{dialect:?}");
        assert!(turn.native.as_ref().is_none_or(|native| !native.json.contains("read")), "{dialect:?}");
    }
}

#[tokio::test]
async fn a_filtered_response_is_a_refusal_and_a_cancelled_one_no_answer() {
    let ended = |kind: &str, status: &str, reason: Option<&str>| {
        let details = reason.map(|reason| json!({ "reason": reason }));
        events(&[
            json!({ "type": kind, "response": { "status": status, "incomplete_details": details, "output": [] } }),
        ])
    };
    let filtered =
        play(Dialect::OpenaiResponses, ended("response.incomplete", "incomplete", Some("content_filter"))).await;
    assert_eq!(filtered.done().turn.stop, StopReason::Refusal);
    let failed = play(Dialect::OpenaiResponses, ended("response.failed", "failed", None)).await;
    assert!(!failed.is_done());
    let whole = r#"{"status":"in_progress","output":[]}"#;
    let net = FakeNet::answering(move |_| Reply::status(200).header("content-type", "application/json").chunk(whole));
    assert_eq!(bench(&config(Dialect::OpenaiResponses), net).run(hello()).await.error().class, ErrorClass::Truncated);
}

#[tokio::test]
async fn a_malformed_call_of_gemini_is_asked_for_again_and_then_an_error() {
    let text = events(&[
        json!({ "candidates": [{ "finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "bad call" }] }),
    ]);
    let net = FakeNet::answering(move |_| Reply::events(text.clone()));
    let bench = bench(&config(Dialect::GoogleGenerativeAi), net);
    let outcome = bench.run(hello()).await;
    assert_eq!((outcome.error().class, bench.net.requests().len()), (ErrorClass::Protocol, 2));
    assert!(outcome.error().message.contains("bad call"));
}

#[tokio::test]
async fn a_failure_of_minimax_at_status_200_is_an_error() {
    let text = events(&[json!({ "base_resp": { "status_code": 1008, "status_msg": "insufficient balance" } })]);
    assert_eq!(play(Dialect::OpenaiChat, text).await.error().class, ErrorClass::Quota);
    let fine = chat(&json!({ "content": "ok" }), Some("stop"));
    let mut fine = fine;
    fine["base_resp"] = json!({ "status_code": 0, "status_msg": "" });
    assert_eq!(play(Dialect::OpenaiChat, events(&[fine])).await.streamed(), "ok");
}

#[tokio::test]
async fn a_turn_that_ends_with_a_thought_is_not_replayed_as_it_was() {
    let text = events(&[
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "Words" } }),
        json!({ "type": "content_block_start", "index": 1, "content_block": { "type": "thinking", "thinking": "hm", "signature": "S" } }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" } }),
        json!({ "type": "message_stop" }),
    ]);
    assert_eq!(play(Dialect::AnthropicMessages, text).await.done().turn.native, None);
}

#[tokio::test]
async fn newer_claude_models_are_asked_to_show_their_thoughts() {
    let models = json!({ "mode": "replace", "providers": { "anthropic": { "apiKey": "k" } } });
    let bench = bench(&models, FakeNet::answering(|_| Reply::status(401)));
    let mut request = hello();
    request.choice = choice(&["anthropic/claude-opus-4-8"]);
    for level in [Thinking::High, Thinking::Off] {
        request.choice.thinking = Some(level);
        bench.run(request.clone()).await;
    }
    let bodies = bench.bodies();
    assert_eq!(bodies[0]["thinking"], json!({ "type": "adaptive", "display": "summarized" }));
    assert_eq!(bodies[0]["output_config"], json!({ "effort": "high" }));
    assert_eq!((&bodies[1]["thinking"], &bodies[1]["output_config"]), (&json!({ "type": "disabled" }), &Value::Null));
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_key() {
    let reply = || Reply::status(302).header("location", "http://elsewhere.test/");
    let outcome = bench(&config(Dialect::OpenaiChat), FakeNet::answering(move |_| reply())).run(hello()).await;
    assert_eq!(outcome.error().class, ErrorClass::Protocol);
}

#[tokio::test]
async fn numbers_and_key_order_of_arguments_survive_the_way_back() {
    let arguments = r#"{"z":1e3,"a":12345678901234567890,"m":1.0}"#;
    for (dialect, _) in Dialect::ALL {
        let call = json!({ "tool_calls": [{ "index": 0, "id": "c", "function": { "name": "read", "arguments": arguments } }] });
        let outcome = play(Dialect::OpenaiChat, events(&[chat(&call, Some("tool_calls"))])).await;
        let turns = vec![Turn::User(UserTurn::owner("Hello", Timestamp(0))), answered(outcome.done(), "ok")];
        let bench = bench(&config(dialect), FakeNet::answering(|_| Reply::status(401)));
        bench.run(request_of(turns)).await;
        let body = String::from_utf8(bench.net.requests()[0].body.to_vec()).unwrap();
        let escaped = arguments.replace('"', "\\\"");
        assert!(body.contains(arguments) || body.contains(&escaped), "{dialect:?}: {body}");
    }
}

#[tokio::test]
async fn a_strange_count_does_not_cost_the_answer() {
    let mut frame = chat(&json!({ "content": "ok" }), Some("stop"));
    frame["usage"] = json!({ "prompt_tokens": 12.5, "completion_tokens": "many" });
    assert_eq!(play(Dialect::OpenaiChat, events(&[frame])).await.streamed(), "ok");
}
