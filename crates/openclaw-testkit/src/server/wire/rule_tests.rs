//! Every rule of every format: a request it refuses, beside one that passes.

use std::collections::BTreeSet;

use http::HeaderMap;
use serde_json::{Value, json};

use super::responses::encrypted;
use super::*;
use crate::server::lint::{Lint, seal};

/// Returns the rule that a request breaks first.
fn broken(wire: Wire, headers: &[(&'static str, &'static str)], model: &str, body: &Value) -> Option<&'static str> {
    let headers: HeaderMap =
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>();
    let asked = Asked { body, headers: &headers, model };
    Lint::strict().judge(wire.rules(), &asked).map(|(name, _)| name)
}

/// Puts `changes` (pointer, value) into a copy of `base`; `null` removes.
fn with(base: &Value, changes: &[(&str, Value)]) -> Value {
    let mut body = base.clone();
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match body.pointer_mut(parent).unwrap() {
            Value::Object(object) if value.is_null() => drop(object.shift_remove(name)),
            Value::Object(object) => drop(object.insert(name.to_owned(), value.clone())),
            Value::Array(array) if value.is_null() => drop(array.remove(name.parse().unwrap())),
            Value::Array(array) if name == "-" => array.push(value.clone()),
            Value::Array(array) => array[name.parse::<usize>().unwrap()] = value.clone(),
            other => panic!("{pointer} is in {other}"),
        }
    }
    body
}

/// Checks the cases and that no rule is left without one.
fn check(wire: Wire, headers: &[(&'static str, &'static str)], base: &Value, cases: &[(&'static str, Value)]) {
    assert_eq!(broken(wire, headers, "mock-1", base), None, "{wire:?}: the good request");
    for (rule, body) in cases {
        assert_eq!(broken(wire, headers, "mock-1", body), Some(*rule), "{wire:?}: {body}");
    }
    let tested: BTreeSet<&str> = cases.iter().map(|(rule, _)| *rule).collect();
    let untested: Vec<&str> = wire.rules().iter().map(|rule| rule.name).filter(|name| !tested.contains(name)).collect();
    let elsewhere: &[&str] = match wire {
        Wire::Anthropic => &["version-header", "sampling"],
        Wire::Chat => &["token-field", "reasoning-replay"],
        Wire::Responses | Wire::Gemini => &[],
        Wire::Ollama => &["capabilities"],
    };
    assert_eq!(untested, elsewhere, "{wire:?}: rules without a case here");
}

const VERSION: [(&str, &str); 1] = [("anthropic-version", "2023-06-01")];

fn anthropic() -> Value {
    json!({
        "model": "mock-1", "max_tokens": 4096,
        "tools": [{ "name": "read", "input_schema": { "type": "object" } }],
        "messages": [
            { "role": "user", "content": "hi" },
            { "role": "assistant", "content": [
                { "type": "thinking", "thinking": "hm", "signature": seal("hm") },
                { "type": "text", "text": "ok" },
                { "type": "tool_use", "id": "toolu_t1", "name": "read", "input": {} },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "toolu_t1", "content": "x" },
                { "type": "text", "text": "go on" },
            ] },
        ],
    })
}

#[test]
fn anthropic_rules() {
    let base = anthropic();
    let assistant = "/messages/1/content";
    let marker = json!({ "type": "ephemeral" });
    let marked = json!({ "type": "text", "text": "x", "cache_control": marker });
    let manual = json!({ "type": "enabled", "budget_tokens": 2048 });
    let cases = [
        ("max-tokens", with(&base, &[("/max_tokens", Value::Null)])),
        ("roles", with(&base, &[("/messages/0/role", json!("tool"))])),
        ("roles", with(&base, &[("/messages", json!([]))])),
        ("first-user", with(&base, &[("/messages/0", Value::Null)])),
        ("prefill", with(&base, &[("/messages/-", json!({ "role": "assistant", "content": "I" }))])),
        ("empty-text", with(&base, &[("/messages/2/content/1/text", json!(""))])),
        ("empty-text", with(&base, &[("/messages/2/content/1/text", json!(" \n"))])),
        ("empty-text", with(&base, &[("/messages/0/content", json!(""))])),
        ("tool-names", with(&base, &[("/tools/0/name", json!("a.b"))])),
        ("tool-names", with(&base, &[("/tools/-", base["tools"][0].clone())])),
        ("tool-schemas", with(&base, &[("/tools/0/input_schema", json!({}))])),
        ("tool-schemas", with(&base, &[("/tools/0/input_schema/anyOf", json!([]))])),
        ("tool-results", with(&base, &[("/messages/2/content/0", Value::Null)])),
        ("orphan-results", with(&base, &[(&format!("{assistant}/2"), Value::Null)])),
        (
            "results-first",
            with(
                &base,
                &[
                    ("/messages/2/content/1", Value::Null),
                    (
                        "/messages/2/content",
                        json!([{ "type": "text", "text": "x" }, base["messages"][2]["content"][0]]),
                    ),
                ],
            ),
        ),
        ("repeated-ids", with(&base, &[(&format!("{assistant}/-"), base["messages"][1]["content"][2].clone())])),
        ("thinking-signature", with(&base, &[(&format!("{assistant}/0/thinking"), json!("hm "))])),
        ("thinking-replay", with(&base, &[(&format!("{assistant}/0"), Value::Null)])),
        ("thinking-last", with(&base, &[(&format!("{assistant}/-"), base["messages"][1]["content"][0].clone())])),
        ("thinking-budget", with(&base, &[("/thinking", json!({ "type": "enabled", "budget_tokens": 1023 }))])),
        ("thinking-budget", with(&base, &[("/thinking", json!({ "type": "enabled", "budget_tokens": 4096 }))])),
        ("thinking-tool-choice", with(&base, &[("/thinking", manual), ("/tool_choice", json!({ "type": "any" }))])),
        ("cache-markers", with(&base, &[("/system", json!([marked, marked, marked, marked, marked]))])),
        ("cache-markers", with(&base, &[(&format!("{assistant}/0/cache_control"), marker)])),
    ];
    check(Wire::Anthropic, &VERSION, &base, &cases);
    let four = with(&base, &[("/system", json!([marked, marked, marked, marked]))]);
    assert_eq!(broken(Wire::Anthropic, &VERSION, "mock-1", &four), None);
    assert_eq!(broken(Wire::Anthropic, &[], "mock-1", &base), Some("version-header"));
    let hot = with(&base, &[("/temperature", json!(1.0))]);
    assert_eq!(broken(Wire::Anthropic, &VERSION, "mock-1", &hot), None);
    assert_eq!(broken(Wire::Anthropic, &[("anthropic-version", "2026-10-21")], "mock-1", &hot), Some("sampling"));
}

#[test]
fn chat_rules() {
    let function = json!({ "name": "read", "parameters": { "type": "object", "properties": {} } });
    let call = json!({ "id": "call_t1", "type": "function", "function": { "name": "read", "arguments": "{}" } });
    let base = json!({
        "model": "mock-1", "stream": true, "stream_options": { "include_usage": true }, "parallel_tool_calls": true,
        "tools": [{ "type": "function", "function": function }], "max_tokens": 10,
        "messages": [
            { "role": "user", "content": "hi" },
            { "role": "assistant", "content": null, "tool_calls": [call] },
            { "role": "tool", "tool_call_id": "call_t1", "content": "x" },
        ],
    });
    let cases = [
        ("roles", with(&base, &[("/messages/0/role", json!("human"))])),
        ("roles", with(&base, &[("/messages", json!([]))])),
        ("content", with(&base, &[("/messages/0/content", Value::Null)])),
        ("tool-names", with(&base, &[("/tools/0/function/name", json!("a.b"))])),
        ("tool-names", with(&base, &[("/tools/0/function", Value::Null)])),
        ("tool-names", with(&base, &[("/tools/0/function/parameters", json!({}))])),
        ("tool-options", with(&base, &[("/tools", Value::Null)])),
        ("stream-options", with(&base, &[("/stream", json!(false))])),
        ("call-arguments", with(&base, &[("/messages/1/tool_calls/0/function/arguments", json!({}))])),
        ("tool-results", with(&base, &[("/messages/2", Value::Null)])),
        ("orphan-results", with(&base, &[("/messages/1", Value::Null)])),
        ("tool-result-text", with(&base, &[("/messages/2/content", json!([{ "type": "image_url" }]))])),
    ];
    check(Wire::Chat, &[], &base, &cases);
    assert_eq!(broken(Wire::Chat, &[], "gpt-5", &base), Some("token-field"));
    assert_eq!(broken(Wire::Chat, &[], "deepseek-r", &base), Some("reasoning-replay"));
    let replayed = with(&base, &[("/messages/1/reasoning_content", json!("hm"))]);
    assert_eq!(broken(Wire::Chat, &[], "deepseek-r", &replayed), None);
}

#[test]
fn responses_rules() {
    let base = json!({
        "model": "mock-1", "store": false,
        "tools": [{ "type": "function", "name": "read", "parameters": { "type": "object" }, "strict": false }],
        "input": [
            { "role": "user", "content": [{ "type": "input_text", "text": "hi" }] },
            { "type": "reasoning", "summary": [{ "type": "summary_text", "text": "hm" }], "encrypted_content": encrypted("hm") },
            { "type": "function_call", "call_id": "call_t1", "name": "read", "arguments": "{}" },
            { "type": "function_call_output", "call_id": "call_t1", "output": "x" },
        ],
    });
    let cases = [
        ("input", with(&base, &[("/input", Value::Null)])),
        ("input", with(&base, &[("/input/0/role", json!("tool"))])),
        ("input", with(&base, &[("/input/0/type", json!("tool_use"))])),
        ("content-types", with(&base, &[("/input/0/content/0/type", json!("text"))])),
        ("tool-shape", with(&base, &[("/tools/0/name", Value::Null)])),
        ("tool-shape", with(&base, &[("/tools/0/name", json!("a.b"))])),
        ("tool-strict", with(&base, &[("/tools/0/strict", Value::Null)])),
        ("ids-when-not-stored", with(&base, &[("/input/1/id", json!("rs_1"))])),
        ("encrypted-content", with(&base, &[("/input/1/encrypted_content", json!("gAAAAB"))])),
        ("encrypted-content", with(&base, &[("/input/1/encrypted_content", Value::Null)])),
        ("tool-results", with(&base, &[("/input/3", Value::Null)])),
        ("orphan-results", with(&base, &[("/input/1", Value::Null), ("/input/1", Value::Null)])),
        ("reasoning-follows", with(&base, &[("/input/-", base["input"][1].clone())])),
        ("reasoning-replay", with(&base, &[("/input/1", Value::Null)])),
    ];
    check(Wire::Responses, &[], &base, &cases);
    let stored = with(&base, &[("/input/1/id", json!("rs_1")), ("/store", json!(true))]);
    assert_eq!(broken(Wire::Responses, &[], "mock-1", &stored), None);
    let closed =
        json!({ "type": "object", "properties": { "p": {} }, "required": ["p"], "additionalProperties": false });
    let strict = with(&base, &[("/tools/0/strict", Value::Null), ("/tools/0/parameters", closed)]);
    assert_eq!(broken(Wire::Responses, &[], "mock-1", &strict), None);
}

#[test]
fn gemini_rules() {
    let base = json!({
        "tools": [{ "functionDeclarations": [{ "name": "read", "parameters": { "type": "object", "properties": {} } }] }],
        "generationConfig": { "thinkingConfig": { "thinkingLevel": "LOW" } },
        "contents": [
            { "role": "user", "parts": [{ "text": "hi" }] },
            { "role": "model", "parts": [
                { "functionCall": { "id": "1", "name": "read", "args": {} }, "thoughtSignature": seal("read") },
                { "functionCall": { "id": "2", "name": "list", "args": {} } },
            ] },
            { "role": "user", "parts": [
                { "functionResponse": { "id": "1", "name": "read", "response": { "output": "x" } } },
                { "functionResponse": { "id": "2", "name": "list", "response": { "output": "y" } } },
            ] },
        ],
    });
    let declaration = "/tools/0/functionDeclarations/0";
    let calls = "/contents/1/parts";
    let cases = [
        ("fields", with(&base, &[("/messages", json!([]))])),
        ("schema-words", with(&base, &[(&format!("{declaration}/parameters/additionalProperties"), json!(false))])),
        ("schema-words", with(&base, &[(&format!("{declaration}/parametersJsonSchema"), json!({}))])),
        ("roles", with(&base, &[("/contents/1/role", json!("assistant"))])),
        ("roles", with(&base, &[("/contents", json!([]))])),
        ("parts", with(&base, &[("/contents/0/parts", json!([]))])),
        ("last-user", with(&base, &[("/contents/2", Value::Null)])),
        ("thinking-config", with(&base, &[("/generationConfig/thinkingConfig/thinkingBudget", json!(1))])),
        ("response-objects", with(&base, &[("/contents/2/parts/0/functionResponse/response", json!("x"))])),
        ("call-place", with(&base, &[("/contents/0", Value::Null)])),
        ("tool-results", with(&base, &[("/contents/2/parts/1", Value::Null)])),
        ("tool-results", with(&base, &[("/contents/2/parts/0/functionResponse/id", json!("2"))])),
        ("tool-results", with(&base, &[("/contents/2/parts/0/functionResponse/name", json!("list"))])),
        ("thought-signature", with(&base, &[(&format!("{calls}/0/thoughtSignature"), Value::Null)])),
        ("thought-signature", with(&base, &[(&format!("{calls}/0/thoughtSignature"), json!("wrong"))])),
    ];
    check(Wire::Gemini, &[], &base, &cases);
    let unsigned = with(&base, &[(&format!("{calls}/0/thoughtSignature"), Value::Null)]);
    assert_eq!(broken(Wire::Gemini, &[], "gemini-2.5-pro", &unsigned), None);
    let foreign = with(&base, &[(&format!("{calls}/0/thoughtSignature"), json!("skip_thought_signature_validator"))]);
    assert_eq!(broken(Wire::Gemini, &[], "mock-1", &foreign), None);
    let next = with(&unsigned, &[("/contents/-", json!({ "role": "user", "parts": [{ "text": "next" }] }))]);
    assert_eq!(broken(Wire::Gemini, &[], "mock-1", &next), None, "an earlier turn may be unsigned");
}

#[test]
fn ollama_rules() {
    let call = json!({ "function": { "name": "read", "arguments": {} } });
    let base = json!({
        "model": "mock-1", "think": true, "tools": [{ "type": "function" }],
        "messages": [
            { "role": "user", "content": "hi", "images": ["aGVsbG8="] },
            { "role": "assistant", "content": "", "tool_calls": [call] },
            { "role": "tool", "tool_name": "read", "content": "x" },
        ],
    });
    let long = json!("x".repeat(4 * 4_096));
    let cases = [
        ("roles", with(&base, &[("/messages/0/role", json!("developer"))])),
        ("call-arguments", with(&base, &[("/messages/1/tool_calls/0/function/arguments", json!("{}"))])),
        ("images", with(&base, &[("/messages/0/images/0", json!("data:image/png;base64,aGVsbG8="))])),
        ("context", with(&base, &[("/messages/0/content", long.clone()), ("/truncate", json!(false))])),
    ];
    check(Wire::Ollama, &[], &base, &cases);
    let cut = with(&base, &[("/messages/0/content", long)]);
    assert_eq!(broken(Wire::Ollama, &[], "mock-1", &cut), None, "cut silently");
    let window = with(&cases[3].1, &[("/options", json!({ "num_ctx": 8_192 }))]);
    assert_eq!(broken(Wire::Ollama, &[], "mock-1", &window), None);
    assert_eq!(broken(Wire::Ollama, &[], "plain", &base), Some("capabilities"));
    let tools = with(&base, &[("/think", json!(false))]);
    assert_eq!(broken(Wire::Ollama, &[], "plain", &tools), Some("capabilities"));
    let neither = with(&tools, &[("/tools", Value::Null)]);
    assert_eq!(broken(Wire::Ollama, &[], "plain", &neither), None);
}
