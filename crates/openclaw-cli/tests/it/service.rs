//! Starting, stopping and keeping the gateway.

use openclaw_cli::Exit;

use crate::gateway::healthy;
use crate::world::World;

#[test]
fn bare_gateway_and_run_and_start_serve_in_the_foreground() {
    let world = World::new().env("OPENCLAW_LOCAL_LLM", "qwen3");
    for line in ["gateway --port 19000", "gateway run --port 19000 --profile lab", "start --local-llm llama --force"] {
        assert_eq!(world.run(line).exit, Exit::Done, "{line}");
    }
    let served = world.backend.served.lock().unwrap();
    assert_eq!((served[0].port, served[0].local_llm.as_deref()), (Some(19000), Some("qwen3")));
    assert_eq!(served[1].profile.as_deref(), Some("lab"));
    assert_eq!((served[2].local_llm.as_deref(), served[2].force), (Some("llama"), true));
}

#[test]
fn tokens_come_from_files_and_one_on_the_command_line_is_warned_about() {
    let world = World::new();
    world.write("t", "s3cret-s3cret\n");
    let path = world.path("t").display().to_string();
    assert_eq!(world.run(&format!("gateway run --token-file {path}")).exit, Exit::Done);
    let outcome = world.run("gateway run --token abcabcabc");
    assert!(outcome.err.contains("--token-file") && !outcome.err.contains("abcabc"), "{}", outcome.err);
    let served = world.backend.served.lock().unwrap();
    assert_eq!(served[0].token.as_deref(), Some("s3cret-s3cret"));
    assert!(!format!("{served:?}").contains("s3cret"));
}

#[test]
fn start_waits_until_the_gateway_answers() {
    let world = World::new();
    let outcome = world.run("gateway start --port 19000");
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert!(outcome.out.starts_with("ok gateway ready on 127.0.0.1:19000 in "), "{}", outcome.out);
    let detached = world.backend.detached.lock().unwrap();
    assert_eq!(detached[0], ["gateway", "run", "--port", "19000"]);
}

#[test]
fn a_gateway_that_ends_at_once_is_quoted() {
    let mut world = World::new();
    world.backend.program_fails = true;
    let outcome = world.run("gateway start");
    assert_eq!(outcome.exit, Exit::Failed);
    assert!(outcome.err.contains("ended at once: bind 127.0.0.1:1: Address already in use\n"), "{}", outcome.err);
}

#[test]
fn a_second_start_names_the_one_that_runs() {
    let world = World::new();
    world.write(".openclaw/openclaw.lock", r#"{"pid": 4121, "startedAt": 1}"#);
    let file = std::fs::File::open(world.path(".openclaw/openclaw.lock")).unwrap();
    file.lock().unwrap();
    let outcome = world.run("gateway start");
    assert_eq!(outcome.exit, Exit::Failed);
    assert!(outcome.err.contains("already running as pid 4121"), "{}", outcome.err);
}

#[test]
fn stopping_what_does_not_run_is_no_error() {
    assert_eq!(World::new().run("gateway stop").exit, Exit::Done);
}

#[test]
fn install_writes_the_service_and_starts_it() {
    let world = World::new();
    let outcome = world.run("gateway install --port 19000");
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    let unit = world.read(".config/systemd/user/openclaw-gateway.service");
    assert!(unit.contains(" gateway run --port 19000\n"), "{unit}");
    let programs = world.backend.programs.lock().unwrap().clone();
    assert_eq!(programs, ["systemctl --user daemon-reload", "systemctl --user enable --now openclaw-gateway.service"]);
    assert_eq!(world.run("gateway uninstall").exit, Exit::Done);
    assert_eq!(world.run("gateway uninstall").exit, Exit::NotFound);
}

#[test]
fn install_without_a_service_manager_says_what_to_do() {
    let mut world = World::new();
    world.backend.program_fails = true;
    let outcome = world.run("gateway install");
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert!(outcome.err.contains("Failed to connect to bus"), "{}", outcome.err);
    assert!(
        outcome.err.contains("next  systemctl --user daemon-reload && systemctl --user enable --now"),
        "{}",
        outcome.err
    );
}

#[test]
fn the_gateway_is_looked_for_by_flag_then_variable_then_socket_then_port() {
    let world = World::healthy();
    let port = world.gateway.as_ref().unwrap().port;
    // The socket answers although the configured port is closed.
    assert_eq!(world.run("health").exit, Exit::Done);
    // A named address is the only one tried.
    assert_eq!(world.run("health --gateway ws://127.0.0.1:1").exit, Exit::Unreachable);
    assert_eq!(world.run(&format!("health --gateway 127.0.0.1:{port}")).exit, Exit::Done);
    let world = World::healthy().env("OPENCLAW_GATEWAY_URL", "ws://127.0.0.1:1");
    assert_eq!(world.run("health").exit, Exit::Unreachable);
    let world = World::healthy().env("OPENCLAW_GATEWAY_PORT", "1");
    assert_eq!(world.run("health").exit, Exit::Unreachable);
    // The configured port answers when there is no socket.
    let world = World::healthy();
    let port = world.gateway.as_ref().unwrap().port;
    std::fs::remove_file(world.path(".openclaw/gateway.sock")).unwrap();
    world.write(
        ".openclaw/openclaw.json",
        &format!(r#"{{ "gateway": {{ "port": {port}, "auth": {{ "token": "abcdefabcdef" }} }} }}"#),
    );
    assert_eq!(world.run("health").exit, Exit::Done);
    let connects = world.gateway.as_ref().unwrap().calls_of("connect");
    assert_eq!(connects[0]["auth"]["token"], "abcdefabcdef");
}

#[test]
fn no_credential_is_sent_over_the_socket() {
    let world = World::healthy().env("OPENCLAW_GATEWAY_TOKEN", "abcdefabcdef");
    assert_eq!(world.run("health").exit, Exit::Done);
    let connects = world.gateway.as_ref().unwrap().calls_of("connect");
    assert!(connects[0].get("auth").is_none() && connects[0].get("device").is_none(), "{connects:?}");
}

#[test]
fn probe_shows_every_place() {
    let world = World::healthy();
    let outcome = world.run("gateway probe --json");
    let places = outcome.json()["data"]["places"].as_array().unwrap().clone();
    assert_eq!((places.len(), &places[0]["reachable"], &places[1]["reachable"]), (2, &true.into(), &false.into()));
    assert_eq!(World::new().embedding(healthy).run("gateway probe").exit, Exit::Unreachable);
}
