//! Finding a model server on this machine.

use openclaw_domain::ports::net::Request;
use openclaw_llm::local::{LocalError, find};
use openclaw_llm::{Router, Settings};
use openclaw_testkit::net::Reply;
use openclaw_testkit::{FakeClock, FakeNet};
use serde_json::json;

use crate::harness::body;

fn dead() -> Reply {
    Reply::fail(openclaw_domain::ports::net::Error::Connect { host: "127.0.0.1".into(), message: "refused".into() })
}

/// Ollama with two models, llama-server with one, no LM Studio.
fn machine() -> FakeNet {
    FakeNet::answering(|request: &Request| match request.url.as_str() {
        "http://127.0.0.1:11434/api/tags" => Reply::json(&json!({ "models": [
            { "name": "nomic-embed-text:latest" }, { "name": "llama3.2:latest" }, { "name": "qwen3:8b" } ] })),
        "http://127.0.0.1:11434/api/show" => {
            let capabilities = if body(request)["model"] == "qwen3:8b" {
                json!(["completion", "tools", "thinking"])
            } else {
                json!(["completion"])
            };
            Reply::json(&json!({ "model_info": { "qwen3.context_length": 40960 }, "capabilities": capabilities }))
        }
        "http://127.0.0.1:8080/v1/models" => Reply::json(&json!({ "data": [ { "id": "/models/Phi-4-mini.gguf" } ] })),
        _ => dead(),
    })
}

async fn found(wanted: &str) -> String {
    match find(&machine(), wanted).await {
        Ok(choice) => choice.reference().to_string(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_model_is_found_by_exact_name_tag_path_and_unique_beginning() {
    assert_eq!(found("qwen3:8b").await, "ollama/qwen3:8b");
    assert_eq!(found("llama3.2").await, "ollama/llama3.2:latest");
    assert_eq!(found("phi-4-mini").await, "llamacpp//models/Phi-4-mini.gguf");
    assert_eq!(found("ollama/qwen3").await, "ollama/qwen3:8b");
    assert_eq!(found("auto").await, "ollama/llama3.2:latest");
    assert_eq!(found("1").await, "ollama/llama3.2:latest");
}

#[tokio::test]
async fn a_model_that_is_not_there_is_answered_with_what_is() {
    let there = "there is ollama/llama3.2:latest, ollama/qwen3:8b, llamacpp//models/Phi-4-mini.gguf";
    assert_eq!(found("mixtral").await, format!("no local model \"mixtral\"; {there}"));
    let note = "llama-3.2-120b does not exist: that family comes in 1B, 3B, 11B, 90B";
    assert_eq!(found("llama-3.2-120b").await, format!("no local model \"llama-3.2-120b\"; {there}; {note}"));
}

#[tokio::test]
async fn every_answering_server_is_listed_with_its_models() {
    let listed = openclaw_llm::local::servers(&machine()).await;
    let names: Vec<(&str, usize)> = listed.iter().map(|server| (server.name.as_str(), server.models.len())).collect();
    assert_eq!(names, [("Ollama", 2), ("llama.cpp server", 1)]);
    assert!(openclaw_llm::local::servers(&FakeNet::unreachable()).await.is_empty());
}

#[tokio::test]
async fn an_absent_server_and_an_empty_one_are_told_apart() {
    let error = find(&FakeNet::unreachable(), "auto").await.unwrap_err();
    assert!(matches!(error, LocalError::NoServer(_)));
    assert!(error.to_string().contains("127.0.0.1:11434") && error.to_string().contains("start Ollama"), "{error}");
    let empty = FakeNet::answering(|request| match request.url.contains("11434") {
        true => Reply::json(&json!({ "models": [] })),
        false => dead(),
    });
    assert!(matches!(find(&empty, "auto").await, Err(LocalError::NoModel(_))));
    let page = FakeNet::answering(|_| Reply::status(200).chunk("<html>some other service</html>"));
    assert!(matches!(find(&page, "auto").await, Err(LocalError::NoServer(_))));
}

#[tokio::test]
async fn the_found_model_becomes_the_default_with_its_window_and_a_warning_when_it_takes_no_tools() {
    let choice = find(&machine(), "qwen3:8b").await.unwrap();
    assert_eq!(choice.notes, Vec::<String>::new());
    let settings = Settings::offline().with_local(choice.provider.clone(), &choice.model);
    let router =
        Router::new(settings, std::sync::Arc::new(FakeNet::unreachable()), std::sync::Arc::new(FakeClock::new()));
    assert_eq!(router.default_choice().primary.to_string(), "ollama/qwen3:8b");
    let info = router.models().into_iter().find(|info| info.model.model == "qwen3:8b").unwrap();
    assert_eq!((info.context_window, info.reasons, info.is_available), (Some(40960), true, true));

    let choice = find(&machine(), "llama3.2").await.unwrap();
    assert_eq!(choice.notes, ["llama3.2:latest takes no tools: it can chat but not act; choose one that does"]);
}
