//! Recorded-shape streams of every dialect, whole, split, cut and broken.

use openclaw_domain::model::ErrorClass;
use openclaw_llm::Dialect;
use openclaw_testkit::net::Reply;
use openclaw_testkit::{FakeNet, contract};

use crate::harness::{bench, config, done_words, hello, play, stream};

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("golden/", $name))
    };
}

const GOOD: &[(&str, Dialect, &[u8])] = &[
    ("chat_text", Dialect::OpenaiChat, golden!("chat_text.sse")),
    ("chat_tools", Dialect::OpenaiChat, golden!("chat_tools.sse")),
    ("chat_thinking", Dialect::OpenaiChat, golden!("chat_thinking.sse")),
    ("messages_text", Dialect::AnthropicMessages, golden!("messages_text.sse")),
    ("messages_tools", Dialect::AnthropicMessages, golden!("messages_tools.sse")),
    ("responses_text", Dialect::OpenaiResponses, golden!("responses_text.sse")),
    ("responses_tools", Dialect::OpenaiResponses, golden!("responses_tools.sse")),
    ("gemini_text", Dialect::GoogleGenerativeAi, golden!("gemini_text.sse")),
    ("gemini_tools", Dialect::GoogleGenerativeAi, golden!("gemini_tools.sse")),
    ("ollama_text", Dialect::Ollama, golden!("ollama_text.ndjson")),
    ("ollama_tools", Dialect::Ollama, golden!("ollama_tools.ndjson")),
];

const BROKEN: &[(Dialect, &[u8])] = &[
    (Dialect::OpenaiChat, golden!("chat_error.sse")),
    (Dialect::AnthropicMessages, golden!("messages_error.sse")),
    (Dialect::OpenaiResponses, golden!("responses_error.sse")),
    (Dialect::GoogleGenerativeAi, golden!("gemini_error.sse")),
    (Dialect::Ollama, golden!("ollama_error.ndjson")),
];

#[tokio::test]
async fn every_recorded_stream_gives_its_events() {
    for (name, dialect, bytes) in GOOD {
        insta::assert_snapshot!(*name, play(*dialect, bytes, 1).await.words());
    }
}

#[tokio::test]
async fn any_split_of_the_bytes_gives_the_same_events_and_joins_those_of_a_chunk() {
    for (name, dialect, bytes) in GOOD {
        let whole = play(*dialect, bytes, bytes.len()).await;
        for size in [1, 2, 3, 7, 64, 1000] {
            let split = play(*dialect, bytes, size).await;
            assert_eq!(split.joined().words(), whole.words(), "{name} in chunks of {size}");
        }
    }
}

#[tokio::test]
async fn a_cut_stream_is_never_taken_for_an_answer() {
    for (name, dialect, bytes) in GOOD {
        let whole = play(*dialect, bytes, bytes.len()).await;
        let blocks = |words: String| words.split("  usage").next().unwrap_or_default().to_owned();
        // Bytes here and there, and every byte around the end of a line.
        let at_line = |cut: usize| bytes[cut.saturating_sub(1)..=cut].contains(&b'\n');
        for cut in (0..bytes.len()).filter(|cut| cut % 37 == 0 || at_line(*cut)) {
            let outcome = play(*dialect, &bytes[..cut], 4096).await;
            if outcome.is_done() {
                // Only what follows the terminal marker may be missing.
                let (got, full) = (done_words(outcome.done()), done_words(whole.done()));
                assert_eq!(blocks(got), blocks(full), "{name} cut at {cut}");
            } else {
                let class = outcome.error().class;
                assert!(
                    matches!(class, ErrorClass::Truncated | ErrorClass::Protocol),
                    "{name} cut at {cut} is {class:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_is_truncated() {
    for (name, dialect, bytes) in GOOD {
        let (dialect, bytes) = (*dialect, *bytes);
        let broken = openclaw_domain::ports::net::Error::Connect { host: "p.test".into(), message: "reset".into() };
        let net = FakeNet::answering(move |_| stream(dialect, &bytes[..bytes.len() / 3], 64).break_off(broken.clone()));
        let outcome = bench(&config(dialect), net).run(hello()).await;
        assert_eq!(outcome.error().class, ErrorClass::Truncated, "{name}");
    }
}

#[tokio::test]
async fn every_dialect_keeps_the_contract_of_the_model_port() {
    for (name, dialect, bytes) in GOOD {
        let (dialect, bytes) = (*dialect, *bytes);
        let bench = bench(&config(dialect), FakeNet::answering(move |_| stream(dialect, bytes, 64)));
        let done = contract::model::answers(&bench.router, hello()).await;
        assert_eq!(done.turn.model.to_string(), "p/m", "{name}");
        let calls = contract::model::may_be_dropped(&bench.router, &hello()).await;
        assert_eq!(bench.net.requests().len(), calls + 1, "{name}: a dropped call is not made again");
    }
}

#[tokio::test]
async fn an_error_inside_a_stream_ends_it_with_that_error() {
    for (dialect, bytes) in BROKEN {
        let outcome = play(*dialect, bytes, 5).await;
        assert!(!outcome.is_done(), "{dialect:?}");
        assert_eq!(outcome.error().class, ErrorClass::Overloaded, "{dialect:?}: {}", outcome.error());
        assert!(outcome.error().message.starts_with("p/m failed (overloaded, tried "), "{}", outcome.error());
    }
}

#[tokio::test]
async fn pages_that_are_no_answer_are_named_with_what_they_are() {
    for (dialect, _) in Dialect::ALL {
        let page =
            || Reply::status(200).header("content-type", "text/html").chunk("<html><h1>Welcome to nginx</h1></html>");
        let outcome = bench(&config(dialect), FakeNet::answering(move |_| page())).run(hello()).await;
        assert_eq!(outcome.error().class, ErrorClass::Protocol);
        assert!(outcome.error().message.contains("text/html"), "{}", outcome.error());

        let gateway =
            || Reply::status(502).header("content-type", "text/html").chunk("<html><h1>502 Bad Gateway</h1></html>");
        let outcome = bench(&config(dialect), FakeNet::answering(move |_| gateway())).run(hello()).await;
        assert_eq!(outcome.error().class, ErrorClass::Overloaded);
        assert!(outcome.error().message.contains("502 Bad Gateway"), "{}", outcome.error());
    }
}

#[tokio::test]
async fn an_error_object_at_status_200_is_an_error() {
    for (dialect, _) in Dialect::ALL {
        let body = serde_json::json!({ "error": { "message": "Rate limit", "code": 429 } });
        let outcome = bench(&config(dialect), FakeNet::answering(move |_| Reply::json(&body))).run(hello()).await;
        assert_eq!(outcome.error().class, ErrorClass::RateLimited, "{dialect:?}: {}", outcome.error());
    }
}

#[tokio::test]
async fn a_server_that_does_not_stream_gives_the_same_turn() {
    let bodies = [
        (
            Dialect::OpenaiChat,
            r#"{"choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant","content":"Hi","tool_calls":[{"id":"a","type":"function","function":{"name":"read","arguments":"{\"path\":\"x\"}"}}]}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#,
        ),
        (
            Dialect::AnthropicMessages,
            r#"{"type":"message","content":[{"type":"text","text":"Hi"},{"type":"tool_use","id":"a","name":"read","input":{"path":"x"}}],"stop_reason":"tool_use","usage":{"input_tokens":3,"output_tokens":4}}"#,
        ),
        (
            Dialect::OpenaiResponses,
            r#"{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"Hi"}]},{"type":"function_call","call_id":"a","name":"read","arguments":"{\"path\":\"x\"}"}],"usage":{"input_tokens":3,"output_tokens":4}}"#,
        ),
        (
            Dialect::GoogleGenerativeAi,
            r#"[{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]},{"candidates":[{"content":{"parts":[{"functionCall":{"id":"a","name":"read","args":{"path":"x"}}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4}}]"#,
        ),
        (
            Dialect::Ollama,
            r#"{"message":{"role":"assistant","content":"Hi","tool_calls":[{"id":"a","function":{"name":"read","arguments":{"path":"x"}}}]},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":4}"#,
        ),
    ];
    for (dialect, body) in bodies {
        let reply = move || Reply::status(200).header("content-type", "application/json").chunk(body);
        let outcome = bench(&config(dialect), FakeNet::answering(move |_| reply())).run(hello()).await;
        let words = done_words(outcome.done());
        let neutral = words.split("  native").next().unwrap_or_default();
        let expected = "done ToolUse\n  text \"Hi\"\n  call \"a\" read {\"path\":\"x\"}\n  usage in 3 out 4 read 0 write 0 reasoning 0\n";
        assert_eq!(neutral, expected, "{dialect:?}");
    }
}

#[tokio::test]
async fn a_bare_json_error_in_an_event_stream_is_found() {
    let body = "{\n  \"error\": {\n    \"code\": 429,\n    \"message\": \"Resource exhausted\",\n    \"status\": \"RESOURCE_EXHAUSTED\"\n  }\n}\n";
    let dialect = Dialect::GoogleGenerativeAi;
    let net = FakeNet::answering(move |_| stream(dialect, body.as_bytes(), 9));
    assert_eq!(bench(&config(dialect), net).run(hello()).await.error().class, ErrorClass::RateLimited);
}

#[tokio::test]
async fn a_garbled_stream_ends_without_a_panic() {
    for (name, dialect, bytes) in GOOD {
        for at in (0..bytes.len()).step_by(23) {
            for wrong in [b'"', b'}', b'0', b'\n', 0xff] {
                let mut garbled = bytes.to_vec();
                garbled[at] = wrong;
                let dialect = *dialect;
                let net = FakeNet::answering(move |_| stream(dialect, &garbled, 512));
                let outcome = bench(&config(dialect), net).run(hello()).await;
                assert!(outcome.is_done() != outcome.error.is_some(), "{name} with {wrong} at {at}");
            }
        }
    }
}
