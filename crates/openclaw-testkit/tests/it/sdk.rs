//! The official Python clients as referees of the scripted model server.
//!
//! `scripts/test-tools.sh` installs them. Without them these tests say so and
//! check nothing.

use std::path::PathBuf;
use std::process::Stdio;

use openclaw_testkit::server::{Script, Server};

/// The Python of the tools' environment; `None` when it is not installed.
fn python() -> Option<PathBuf> {
    let home = std::env::var_os("HOME")?;
    let python = PathBuf::from(home).join(".cache/openclaw-tools/venv/bin/python");
    python.exists().then_some(python)
}

async fn referee(script: &str) {
    let Some(python) = python() else {
        eprintln!("NOTICE: {script} was not run: install the clients with scripts/test-tools.sh");
        return;
    };
    let server = Server::start(Script::default()).await.unwrap();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sdk");
    let mut command = tokio::process::Command::new(python);
    // A proxy of the machine must not stand between a client and loopback.
    command.arg("-B").arg(folder.join(script)).arg(server.url()).env("NO_PROXY", "127.0.0.1").stdin(Stdio::null());
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(name);
    }
    let output = command.kill_on_drop(true).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("ok check_"), "{said}");
}

#[tokio::test]
async fn the_anthropic_client_agrees() {
    referee("anthropic_client.py").await;
}

#[tokio::test]
async fn the_openai_client_agrees() {
    referee("openai_client.py").await;
}

#[tokio::test]
async fn the_google_client_agrees() {
    referee("gemini_client.py").await;
}

#[tokio::test]
async fn the_ollama_client_agrees() {
    referee("ollama_client.py").await;
}
