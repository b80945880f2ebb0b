//! `onboard`: three questions, each checked at once, and an end that is a reply.

use openclaw_cli::{Exit, LocalServer};
use serde_json::json;

use crate::gateway::{Out, answer, healthy};
use crate::world::World;

const KEY: &str = "sk-test-abcdefghijklmnop4f";

/// Everything works, but the model says no.
fn refusing(method: &str, params: &serde_json::Value) -> Vec<Out> {
    match method {
        "agent" => vec![Out::Error(json!({"code": "UNAVAILABLE", "message": format!("401 invalid api key {KEY}"),
            "details": {"runId": params["idempotencyKey"], "status": "error", "stopReason": "error"}}))],
        _ => healthy(method, params),
    }
}

fn home() -> World {
    let world = World::new();
    std::fs::remove_file(world.path(".openclaw/openclaw.json")).unwrap();
    world
}

fn line(world: &World, rest: &str) -> String {
    format!("onboard --workspace {} {rest}", world.path("work").display())
}

#[test]
fn without_questions_it_ends_on_a_reply_and_keeps_the_key_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = home().embedding(healthy).env("MY_KEY", KEY);
    let outcome = world
        .run(&line(&world, "--no-input --model anthropic/claude-sonnet-4-5 --key-env MY_KEY --service off --json"));
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    let data = &outcome.json()["data"];
    assert_eq!((&data["ready"], &data["model"]), (&json!(true), &json!("anthropic/claude-sonnet-4-5")));
    assert!(!outcome.out.contains(KEY) && !outcome.err.contains(KEY));
    assert!(!world.read(".openclaw/openclaw.json").contains(KEY));
    assert!(world.read(".openclaw/.env").contains(&format!("ANTHROPIC_API_KEY='{KEY}'")));
    let mode = world.path(".openclaw/.env").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(world.path("work").is_dir());
}

#[test]
fn a_rejected_key_ends_at_its_question_and_ready_is_never_said() {
    let world = home().embedding(refusing).env("MY_KEY", KEY);
    let outcome = world.run(&line(&world, "--no-input --model anthropic/claude-sonnet-4-5 --key-env MY_KEY --json"));
    assert_eq!(outcome.exit, Exit::Model, "{outcome:?}");
    let error = outcome.json()["error"].clone();
    assert_eq!(error["code"], "KEY_REJECTED");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("Anthropic") && message.contains("It ends in 4f.") && !message.contains(KEY), "{message}");
    let human = world.run(&line(&world, "--no-input --model anthropic/claude-sonnet-4-5 --key-env MY_KEY"));
    assert!(!human.out.contains("ready") && !human.err.contains("ok ready"), "{human:?}");
}

#[test]
fn a_local_model_needs_three_answers() {
    let mut world = home().embedding(healthy);
    world.backend.local = vec![LocalServer {
        provider: "ollama".to_owned(),
        name: "Ollama".to_owned(),
        base_url: "http://127.0.0.1:11434".to_owned(),
        models: vec!["qwen3:8b".to_owned()],
    }];
    // --json keeps the conversation from opening below.
    let folder = world.path("work").display().to_string();
    let world = world.terminal(100).input(&format!("\n{folder}\n\n"));
    let outcome = world.run("onboard --json");
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    let config = world.read(".openclaw/openclaw.json");
    assert!(config.contains("ollama/qwen3:8b") && config.contains("11434"), "{config}");
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_at_once() {
    let world = home().embedding(healthy).env("MY_KEY", KEY);
    world.write("file", "not a folder");
    let folder = world.path("file").display().to_string();
    let outcome = world.run(&format!(
        "onboard --no-input --model anthropic/claude-sonnet-4-5 --key-env MY_KEY --workspace {folder} --json"
    ));
    assert_eq!(outcome.exit, Exit::Usage, "{outcome:?}");
    assert_eq!(outcome.json()["error"]["code"], "WORKSPACE");
    // What came before is kept: the next run asks for nothing but the folder.
    let outcome = world.run(&line(&world, "--no-input --json"));
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert_eq!(outcome.json()["data"]["ready"], true);
}

#[test]
fn the_offline_model_is_not_ready() {
    let world = home().embedding(|method, params| match method {
        "agent" => {
            let id = params["idempotencyKey"].as_str().unwrap();
            let mut answer = answer(id, "I follow fixed rules.");
            answer["result"]["meta"]["agentMeta"] = json!({"provider": "offline", "model": "rules"});
            vec![Out::Ok(answer)]
        }
        _ => healthy(method, params),
    });
    let outcome = world.run(&line(&world, "--no-input --model offline/rules"));
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert!(outcome.err.contains("not ready") && !outcome.err.contains("ok ready"), "{}", outcome.err);
    assert!(outcome.out.contains("I follow fixed rules."), "{}", outcome.out);
}

#[test]
fn a_running_gateway_is_named_instead_of_fought() {
    let world = home().embedding(healthy);
    world.write(".openclaw/openclaw.lock", r#"{"pid": 4121, "startedAt": 1}"#);
    let file = std::fs::File::open(world.path(".openclaw/openclaw.lock")).unwrap();
    file.lock().unwrap();
    let outcome = world.run(&line(&world, "--no-input --model offline/rules"));
    assert_eq!(outcome.exit, Exit::Failed);
    assert!(outcome.err.contains("openclaw gateway stop"), "{}", outcome.err);
}

#[test]
fn an_unknown_provider_is_told_how_to_give_its_address() {
    let world = home().embedding(healthy).env("MY_KEY", KEY);
    let outcome = world.run(&line(&world, "--no-input --model acme/one"));
    assert_eq!(outcome.exit, Exit::Usage);
    assert!(outcome.err.contains("--base-url"), "{}", outcome.err);
    let outcome = world
        .run(&line(&world, "--no-input --model acme/one --base-url http://127.0.0.1:9/v1 --key-env MY_KEY --json"));
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    let config = world.read(".openclaw/openclaw.json");
    assert!(config.contains("http://127.0.0.1:9/v1") && config.contains("OPENCLAW_CUSTOM_API_KEY"), "{config}");
    assert!(!config.contains(KEY));
}

#[test]
fn a_service_finds_the_key_that_only_this_shell_had() {
    let world = home().embedding(healthy).env("ANTHROPIC_API_KEY", KEY);
    let outcome = world.run(&line(&world, "--no-input --model anthropic/claude-sonnet-4-5 --install-daemon --json"));
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert!(world.read(".openclaw/.env").contains(KEY));
    assert!(world.path(".config/systemd/user/openclaw-gateway.service").exists());
}
