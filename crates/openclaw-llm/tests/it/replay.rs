//! A turn goes back to its own model unchanged, and to others in neutral form.

use openclaw_domain::Timestamp;
use openclaw_domain::conversation::Turn;
use openclaw_domain::message::UserTurn;
use openclaw_domain::model::ModelRequest;
use openclaw_llm::Dialect;
use openclaw_testkit::FakeNet;
use openclaw_testkit::net::Reply;
use serde_json::{Value, json};

use crate::harness::{answered, bench, choice, config, hello, play, request_of};

const TURNS: &[(Dialect, &[u8])] = &[
    (Dialect::OpenaiChat, include_bytes!("golden/chat_thinking.sse")),
    (Dialect::AnthropicMessages, include_bytes!("golden/messages_tools.sse")),
    (Dialect::OpenaiResponses, include_bytes!("golden/responses_tools.sse")),
    (Dialect::GoogleGenerativeAi, include_bytes!("golden/gemini_tools.sse")),
    (Dialect::Ollama, include_bytes!("golden/ollama_tools.ndjson")),
];

/// Opaque values of the recorded turns; none may reach another model.
const OPAQUE: &[&str] = &[
    "Sig+/=ab==",
    "0paque==",
    "gAAA+/==",
    "czE=",
    "toolu_1",
    "call_x",
    "fc-2",
    "\"c9\"",
    "I read first.",
    "Let me see.",
];

/// Hello, the recorded turn with its results, and a new question.
async fn follow_up(dialect: Dialect, bytes: &'static [u8]) -> ModelRequest {
    let outcome = play(dialect, bytes, 4096).await;
    let turn = answered(outcome.done(), "result");
    request_of(vec![
        Turn::User(UserTurn::owner("Hello", Timestamp(0))),
        turn,
        Turn::User(UserTurn::owner("And now?", Timestamp(0))),
    ])
}

async fn sent(models: &Value, request: ModelRequest) -> Value {
    let bench = bench(models, FakeNet::answering(|_| Reply::status(401)));
    bench.run(request).await;
    bench.bodies().remove(0)
}

#[tokio::test]
async fn a_turn_goes_back_to_its_own_model_byte_for_byte() {
    for (dialect, bytes) in TURNS {
        let request = follow_up(*dialect, bytes).await;
        let Turn::Assistant(turn) = &request.prompt.turns()[1] else { panic!() };
        let native = turn.native.as_ref();
        let bench = bench(&config(*dialect), FakeNet::answering(|_| Reply::status(401)));
        bench.run(request.clone()).await;
        let body = String::from_utf8(bench.net.requests()[0].body.to_vec()).unwrap();
        if let Some(native) = native {
            let inner = native.json.trim_start_matches('[').trim_end_matches(']');
            assert!(body.contains(inner), "{dialect:?}: {inner} is not in {body}");
        }
    }
}

#[tokio::test]
async fn no_opaque_block_or_thought_reaches_another_provider() {
    for (from, bytes) in TURNS {
        for (to, _) in Dialect::ALL {
            let mut models = config(to);
            let section = models["providers"]["p"].take();
            models["providers"] = json!({ "other": section });
            let mut request = follow_up(*from, bytes).await;
            request.choice = choice(&["other/m"]);
            let body = sent(&models, request).await.to_string();
            for opaque in OPAQUE {
                assert!(!body.contains(opaque), "{from:?} to {to:?}: {opaque} in {body}");
            }
            assert!(body.contains("result") && body.contains("\"read\""), "{from:?} to {to:?} lost the calls");
        }
    }
}

#[tokio::test]
async fn another_model_of_the_same_provider_gets_the_neutral_form() {
    for (dialect, bytes) in TURNS {
        let mut request = follow_up(*dialect, bytes).await;
        request.choice = choice(&["p/n"]);
        let body = sent(&config(*dialect), request).await.to_string();
        assert!(OPAQUE.iter().all(|opaque| !body.contains(opaque)), "{dialect:?}: {body}");
    }
}

#[tokio::test]
async fn a_snapshot_of_the_same_model_gets_the_own_form() {
    let (dialect, bytes) = TURNS[1];
    let mut request = follow_up(dialect, bytes).await;
    request.choice = choice(&["p/m-20260101"]);
    assert!(sent(&config(dialect), request).await.to_string().contains("Sig+/=ab=="));
}

#[tokio::test]
async fn results_carry_the_ids_their_provider_gave_and_none_it_did_not() {
    let (dialect, bytes) = TURNS[3];
    let body = sent(&config(dialect), follow_up(dialect, bytes).await).await;
    let parts = body["contents"][2]["parts"].as_array().unwrap();
    let responses: Vec<&Value> = parts.iter().map(|part| &part["functionResponse"]).collect();
    assert_eq!(responses[0], &json!({ "name": "read", "response": { "output": "result" } }));
    assert_eq!(responses[1], &json!({ "id": "fc-2", "name": "list", "response": { "output": "result" } }));
    assert_eq!(body["contents"][1]["parts"].as_array().unwrap().len(), 3, "one response for each call");

    let (dialect, bytes) = TURNS[1];
    let body = sent(&config(dialect), follow_up(dialect, bytes).await).await;
    let ids: Vec<&Value> =
        body["messages"][2]["content"].as_array().unwrap().iter().map(|block| &block["tool_use_id"]).collect();
    assert_eq!(ids, [&json!("toolu_1"), &json!("toolu_2"), &Value::Null], "results first, then the words");
}

#[tokio::test]
async fn reasoning_goes_back_where_the_provider_wants_it() {
    let (_, bytes) = TURNS[0];
    let models = json!({ "mode": "replace", "providers": { "deepseek": { "apiKey": "k" } } });
    let bench = bench(&models, FakeNet::answering(move |_| crate::harness::stream(Dialect::OpenaiChat, bytes, 99)));
    let mut first = hello();
    first.choice = choice(&["deepseek/deepseek-reasoner"]);
    let outcome = bench.run(first.clone()).await;
    let turns = vec![Turn::User(UserTurn::owner("Hello", Timestamp(0))), answered(outcome.done(), "result")];
    bench.run(ModelRequest { choice: first.choice, ..request_of(turns) }).await;
    let message = &bench.bodies()[1]["messages"][2];
    assert_eq!(message["reasoning_content"], "Let me see.");
    assert_eq!(message["tool_calls"][0]["id"], "c9");
    assert_eq!(bench.bodies()[1]["messages"][3]["tool_call_id"], "c9");
}

#[tokio::test]
async fn two_calls_with_one_id_are_told_apart_on_the_way_back() {
    let bytes: &'static [u8] = b"data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"t\",\"tool_calls\":[{\"index\":0,\"id\":\"same\",\"function\":{\"name\":\"read\",\"arguments\":\"{}\"}},{\"index\":1,\"id\":\"same\",\"function\":{\"name\":\"list\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n";
    let body = sent(&config(Dialect::OpenaiChat), follow_up(Dialect::OpenaiChat, bytes).await).await;
    let calls = body["messages"][2]["tool_calls"].as_array().unwrap();
    assert_ne!(calls[0]["id"], calls[1]["id"]);
    assert_eq!(calls[1]["id"], body["messages"][4]["tool_call_id"]);
}

#[tokio::test]
async fn a_paused_turn_is_sent_back_as_the_last_word() {
    let bytes: &'static [u8] = b"data: {\"type\":\"message_start\",\"message\":{}}\n\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"server_tool_use\",\"id\":\"srv\",\"name\":\"web_search\",\"input\":{}}}\n\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"query\\\":\\\"x\\\"}\"}}\n\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"pause_turn\"}}\n\ndata: {\"type\":\"message_stop\"}\n\n";
    let dialect = Dialect::AnthropicMessages;
    let outcome = play(dialect, bytes, 50).await;
    assert_eq!(outcome.done().turn.calls().count(), 0, "a tool the provider runs is not ours to run");
    let turns = vec![Turn::User(UserTurn::owner("Hello", Timestamp(0))), Turn::Assistant(outcome.done().turn.clone())];
    let body = sent(&config(dialect), request_of(turns)).await;
    let last = body["messages"].as_array().unwrap().last().unwrap();
    assert_eq!(last["role"], "assistant");
    assert_eq!(
        last["content"][0],
        json!({ "type": "server_tool_use", "id": "srv", "name": "web_search", "input": { "query": "x" } })
    );
}
