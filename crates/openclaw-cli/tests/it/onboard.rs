//! `onboard`: three questions, each checked at once, and an end that is a reply.

use std::sync::Arc;

use openclaw_cli::{Exit, LocalServer};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Out, answer, healthy};
use crate::world::{Outcome, World};

const KEY: &str = "sk-test-abcdefghijklmnop4f";

/// Everything works, but the model says no.
fn refusing(method: &str, params: &serde_json::Value) -> Vec<Out> {
    match method {
        "agent" => vec![Out::Error(json!({"code": "UNAVAILABLE", "message": format!("401 invalid api key {KEY}"),
            "details": {"runId": params["idempotencyKey"], "status": "error", "stopReason": "error"}}))],
        _ => healthy(method, params),
    }
}

/// A home where nothing was ever set up. Onboarding speaks to no gateway but its own,
/// so that one on the default port does not matter.
fn home() -> World {
    let world = World::new();
    std::fs::remove_file(world.path(".openclaw/openclaw.json")).unwrap();
    world
}

/// A person at a terminal who types these lines and is then gone, as if the
/// process had been killed while the next question stood there.
fn typing(mut world: World, text: &str) -> (World, Outcome) {
    world = world.terminal(100).input(text);
    // --json keeps the conversation from opening at the end.
    let outcome = world.run("onboard --json");
    (world, outcome)
}

fn record(world: &World) -> Value {
    serde_json::from_str(&world.read(".openclaw/onboarding.json")).unwrap()
}

fn model_of(world: &World) -> String {
    let config: Value = serde_json::from_str(&world.read(".openclaw/openclaw.json")).unwrap();
    config.pointer("/agents/defaults/model/primary").unwrap().as_str().unwrap().to_owned()
}

fn mode(world: &World, name: &str) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    world.path(name).metadata().unwrap().permissions().mode() & 0o777
}

fn with_ollama(mut world: World) -> World {
    world.backend.local = vec![LocalServer {
        provider: "ollama".to_owned(),
        name: "Ollama".to_owned(),
        base_url: "http://127.0.0.1:11434".to_owned(),
        models: vec!["qwen3:8b".to_owned()],
    }];
    world
}

/// The model says no to any key but the good one.
fn checking(world: &World) -> impl Fn(&str, &Value) -> Vec<Out> + Send + Sync + 'static {
    let keys = world.path(".openclaw/.env");
    move |method, params| {
        let is_good = std::fs::read_to_string(&keys).is_ok_and(|text| text.contains(KEY));
        if is_good { healthy(method, params) } else { refusing(method, params) }
    }
}

/// The proof works; the reply at the end comes as given.
fn ending(end: fn(&str) -> Vec<Out>) -> World {
    home().embedding(move |method, params| match method {
        "agent" if !params["message"].as_str().unwrap().contains("single word") => {
            end(params["idempotencyKey"].as_str().unwrap())
        }
        _ => healthy(method, params),
    })
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
    let world = with_ollama(home().embedding(healthy));
    let folder = world.path("work").display().to_string();
    let (world, outcome) = typing(world, &format!("\n{folder}\n\n"));
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

#[test]
fn a_stranger_on_the_port_is_left_alone() {
    let world = World::new().embedding(healthy);
    let stranger = Gateway::start(&world.path("elsewhere/gateway.sock"), Arc::new(healthy));
    let config = format!(r#"{{ "gateway": {{ "port": {} }} }}"#, stranger.port);
    world.write(".openclaw/openclaw.json", &config);
    let outcome = world.run(&line(&world, "--no-input --model offline/rules"));
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert!(stranger.calls.lock().unwrap().is_empty());
    assert!(world.read(".openclaw/openclaw.json").contains("/work"));
}

#[test]
fn killed_at_the_model_question_it_asks_for_the_model_again() {
    let (world, outcome) = typing(home().embedding(healthy), "");
    assert_eq!(outcome.exit, Exit::Interrupted, "{outcome:?}");
    assert!(outcome.err.contains("Choose [1]"), "{}", outcome.err);
    assert!(!world.path(".openclaw/openclaw.json").exists() && !world.path(".openclaw/.env").exists());
    let folder = world.path("work").display().to_string();
    let (_world, outcome) = typing(with_ollama(world), &format!("\n{folder}\n\n"));
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
}

#[test]
fn killed_while_the_model_is_tried_it_keeps_the_key_and_tries_it_again() {
    let world = home().embedding(|method, params| match method {
        "agent" => vec![Out::Close(1012)],
        _ => healthy(method, params),
    });
    let (world, outcome) = typing(world, &format!("1\n{KEY}\n"));
    assert_eq!(outcome.exit, Exit::Interrupted, "{outcome:?}");
    assert!(world.read(".openclaw/.env").contains(KEY));
    assert_eq!((&record(&world)["model"], &record(&world)["trial"]["model"]), (&Value::Null, &json!(model_of(&world))));
    // The next run asks neither for the model nor for its key, and proves it.
    let folder = world.path("work").display().to_string();
    let (world, outcome) = typing(world.embedding(healthy), &format!("{folder}\n\n"));
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert!(outcome.err.starts_with("Folder ["), "{}", outcome.err);
    assert_eq!((&record(&world)["isProved"], &record(&world)["trial"]), (&json!(true), &Value::Null));
}

#[test]
fn a_key_that_never_answered_gives_way_to_the_one_before_when_another_model_is_chosen() {
    let world = home().embedding(|method, params| match method {
        "agent" => vec![Out::Close(1012)],
        _ => healthy(method, params),
    });
    world.write(".openclaw/.env", "ANTHROPIC_API_KEY='old-key'\n");
    world.write(
        ".openclaw/openclaw.json",
        r#"{ "agents": { "defaults": { "model": { "primary": "openai/gpt-z" } } } }"#,
    );
    let (world, outcome) = typing(world, &format!("1\n{KEY}\n"));
    assert_eq!(outcome.exit, Exit::Interrupted, "{outcome:?}");
    assert!(world.read(".openclaw/.env").contains(KEY));
    assert_eq!(mode(&world, ".openclaw/.env.before"), 0o600);
    // Tried again, it fails again; then: another model, and gone.
    let (world, outcome) = typing(world, "o\n");
    assert_eq!(outcome.exit, Exit::Interrupted, "{outcome:?}");
    assert_eq!(world.read(".openclaw/.env"), "ANTHROPIC_API_KEY='old-key'\n");
    assert!(world.read(".openclaw/openclaw.json").contains("openai/gpt-z"));
    assert!(!world.path(".openclaw/.env.before").exists());
    // The same when the other model is asked for by a flag.
    let (world, _outcome) = typing(world, &format!("1\n{KEY}\n"));
    assert!(world.read(".openclaw/.env").contains(KEY));
    let world = world.embedding(healthy);
    let outcome = world.run("onboard --no-input --model openai/gpt-z --json");
    assert_eq!(outcome.exit, Exit::Usage, "{outcome:?}");
    assert_eq!(world.read(".openclaw/.env"), "ANTHROPIC_API_KEY='old-key'\n");
}

#[test]
fn a_rejected_key_leaves_a_home_that_was_set_up_as_it_was() {
    let world = home();
    let script = checking(&world);
    let world = world.embedding(script);
    let folder = world.path("work").display().to_string();
    let (world, outcome) = typing(world, &format!("1\n{KEY}\n{folder}\n\n"));
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    let before = record(&world);
    let (world, outcome) = typing(world, "1\nsk-wrong\ns\n");
    assert_eq!(outcome.exit, Exit::Model, "{outcome:?}");
    assert_eq!((record(&world), world.read(".openclaw/.env").contains(KEY)), (before, true));
}

#[test]
fn trying_again_needs_no_key_twice() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let world = home().embedding(move |method, params| match method {
        "agent" if calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 2 => vec![Out::Close(1012)],
        _ => healthy(method, params),
    });
    let folder = world.path("work").display().to_string();
    let (world, outcome) = typing(world, &format!("1\n{KEY}\nr\nr\n{folder}\n\n"));
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert_eq!(outcome.err.matches("hidden").count(), 1, "{}", outcome.err);
    assert!(world.read(".openclaw/.env").contains(KEY));
}

#[test]
fn a_home_with_an_unproven_model_is_not_set_up() {
    let world = home().embedding(|method, params| match method {
        "agent" => vec![Out::Close(1012)],
        _ => healthy(method, params),
    });
    let (world, _outcome) = typing(world, &format!("1\n{KEY}\n"));
    // A bare call at a terminal goes on with onboarding, not with a conversation.
    let outcome = world.run("");
    assert!(outcome.err.contains("1 of 3  Model"), "{outcome:?}");
}

#[test]
fn killed_at_the_folder_question_it_goes_on_with_the_folder() {
    let (world, outcome) = typing(with_ollama(home().embedding(healthy)), "1\n");
    assert_eq!(outcome.exit, Exit::Interrupted, "{outcome:?}");
    assert_eq!(outcome.json()["error"]["details"]["kept"]["model"], "ollama/qwen3:8b");
    assert_eq!((&record(&world)["workspace"], &record(&world)["isFinished"]), (&Value::Null, &json!(false)));
    let folder = world.path("work").display().to_string();
    let (world, outcome) = typing(world, &format!("{folder}\n\n"));
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert!(outcome.err.starts_with("Folder ["), "{}", outcome.err);
    assert_eq!(record(&world)["model"], "ollama/qwen3:8b");
}

#[test]
fn killed_at_the_last_question_it_goes_on_with_the_last_question() {
    let world = with_ollama(home().embedding(healthy));
    let folder = world.path("work").display().to_string();
    let (world, outcome) = typing(world, &format!("1\n{folder}\n"));
    assert_eq!(outcome.exit, Exit::Interrupted, "{outcome:?}");
    assert_eq!(outcome.json()["error"]["details"]["kept"]["workspace"], folder.as_str());
    let (world, outcome) = typing(world, "\n");
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert!(outcome.err.starts_with("Choose [1]") && !outcome.err.contains("Folder ["), "{}", outcome.err);
    assert_eq!(record(&world)["service"], false);
}

#[test]
fn killed_before_the_reply_it_asks_nothing_again_and_goes_on_to_the_reply() {
    let world = with_ollama(ending(|_| vec![Out::Close(1012)]));
    let folder = world.path("work").display().to_string();
    let (world, outcome) = typing(world, &format!("1\n{folder}\n\n"));
    assert_eq!(outcome.exit, Exit::Model, "{outcome:?}");
    assert_eq!((&record(&world)["service"], &record(&world)["isFinished"]), (&json!(false), &json!(false)));
    let (world, outcome) = typing(world.embedding(healthy), "");
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert_eq!(outcome.err, "");
    assert_eq!((&outcome.json()["data"]["ready"], &record(&world)["isProved"]), (&json!(true), &json!(true)));
}

#[test]
fn a_wrong_key_is_told_at_its_question_and_the_old_key_and_model_stay() {
    let world = home();
    let script = checking(&world);
    let world = world.embedding(script);
    world.write(".openclaw/.env", "ANTHROPIC_API_KEY='old-key'\nOTHER='1'\n");
    world.write(
        ".openclaw/openclaw.json",
        r#"{ "agents": { "defaults": { "model": { "primary": "openai/gpt-z" } } } }"#,
    );
    // Wrong key, then: finish later.
    let (world, outcome) = typing(world, "1\nsk-wrong\ns\n");
    assert_eq!(outcome.exit, Exit::Model, "{outcome:?}");
    assert_eq!(outcome.json()["error"]["code"], "KEY_REJECTED");
    assert!(!outcome.err.contains("Folder ["), "{}", outcome.err);
    assert_eq!(world.read(".openclaw/.env"), "ANTHROPIC_API_KEY='old-key'\nOTHER='1'\n");
    assert!(world.read(".openclaw/openclaw.json").contains("openai/gpt-z"));
    // Wrong key, again, the right one: the next question comes only then.
    let folder = world.path("work").display().to_string();
    let (world, outcome) = typing(world, &format!("1\nsk-wrong\nr\n1\n{KEY}\n{folder}\n\n"));
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert_eq!(world.read(".openclaw/.env"), format!("OTHER='1'\nANTHROPIC_API_KEY='{KEY}'\n"));
}

#[test]
fn a_folder_that_cannot_be_written_is_asked_for_again_before_anything_else() {
    let world = with_ollama(home().embedding(healthy));
    world.write("file", "not a folder");
    let (wrong, right) = (world.path("file").display().to_string(), world.path("work").display().to_string());
    let world = world.terminal(200).input(&format!("1\n{wrong}\n{wrong}/below\n{right}\n"));
    let outcome = world.run("onboard");
    assert_eq!(outcome.exit, Exit::Interrupted, "{outcome:?}");
    assert_eq!(outcome.err.matches("cannot be written").count(), 2, "{}", outcome.err);
    let (last_no, third) = (outcome.err.rfind("cannot be written").unwrap(), outcome.err.find("3 of 3").unwrap());
    assert!(last_no < third, "{}", outcome.err);
    assert_eq!(record(&world)["workspace"], right.as_str());
}

#[test]
fn ready_is_never_said_without_a_reply() {
    let ends: [fn(&str) -> Vec<Out>; 4] = [
        |_| vec![Out::Close(1012)],
        |id| vec![Out::Ok(answer(id, " "))],
        |id| vec![Out::Ok(json!({"runId": id, "status": "aborted", "result": {"payloads": [{"text": "hello"}]}}))],
        |_| vec![Out::Error(json!({"code": "UNAVAILABLE", "message": "no route"}))],
    ];
    for end in ends {
        let world = ending(end).env("ANTHROPIC_API_KEY", KEY);
        let setup = line(&world, "--no-input --model anthropic/claude-sonnet-4-5");
        let outcome = world.run(&setup);
        assert_eq!(outcome.exit, Exit::Model, "{outcome:?}");
        let is_said = |text: &str| text.replace("not ready", "").contains("ready");
        assert!(!is_said(&outcome.out) && !is_said(&outcome.err), "{outcome:?}");
        assert_eq!((&record(&world)["isProved"], &record(&world)["isFinished"]), (&json!(false), &json!(false)));
        let outcome = world.run(&format!("{setup} --json"));
        assert_eq!((&outcome.json()["ok"], outcome.exit), (&json!(false), Exit::Model));
    }
}
