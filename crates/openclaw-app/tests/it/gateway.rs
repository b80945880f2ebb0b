//! `openclaw gateway run` and the commands that talk to it.

use openclaw_testkit::server::{Script, Server};
use serde_json::json;

use crate::home::{Home, http_status, mode};

#[test]
fn a_second_instance_names_the_first_and_exits() {
    let home = Home::empty();
    let gateway = home.gateway();
    let other = Home::empty();
    let output = home.run(&["gateway", "run", "--port", &other.port.to_string()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains(&format!("already running as pid {}", gateway.pid())), "{said}");
}

#[test]
fn a_local_client_needs_no_token_and_the_files_are_private() {
    let home = Home::empty();
    let gateway = home.gateway();
    let health = home.json(&["health", "--json"]);
    assert_eq!(health["ok"], json!(true), "{health}");
    assert_eq!(mode(&home.state()), 0o700);
    for name in ["db/openclaw.db", "gateway.token", "gateway.sock", "openclaw.lock"] {
        assert_eq!(mode(&home.state().join(name)) & 0o077, 0, "{name} is readable by others");
    }
    assert!(gateway.stop(), "SIGTERM is an orderly end");
    assert!(!home.state().join("gateway.sock").exists());
}

#[test]
fn it_refuses_to_listen_for_others_without_a_strong_credential() {
    let home = Home::empty();
    home.write_config(r#"{ gateway: { bind: "lan", auth: { mode: "token", token: "short" } } }"#);
    let output = home.run(&["gateway", "run", "--port", &home.port.to_string()]);
    assert!(!output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("128"), "{output:?}");
    assert_eq!(http_status(home.port, "/healthz"), None);
}

#[test]
fn it_does_not_serve_plain_text_to_an_owner_who_asked_for_tls() {
    let home = Home::empty();
    home.write_config("{ gateway: { tls: { enabled: true } } }");
    let output = home.run(&["gateway", "run", "--port", &home.port.to_string()]);
    assert!(!output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("gateway.tls is not supported"), "{output:?}");
    assert_eq!(http_status(home.port, "/healthz"), None);
}

#[test]
fn a_broken_section_does_not_stop_the_rest() {
    let home = Home::empty();
    home.write_config("{\n  gateway: { port: \"not a port\" },\n  gatway: {},\n}\n");
    let gateway = home.gateway();
    let said = gateway.output();
    assert!(said.contains("gateway.port") && said.contains('2'), "the line is named: {said}");
    assert!(said.contains("gatway"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_still_there_after_a_restart() {
    let server = Server::start(Script::default()).await.unwrap();
    let home = Home::with_model(&server.url(), &json!({}));
    tokio::task::spawn_blocking(move || {
        let gateway = home.gateway();
        let first = home.json(&["agent", "--message", "hello", "--session-id", "trip", "--json"]);
        assert!(first.to_string().contains("tok19"), "{first}");
        assert!(gateway.stop());
        let _again = home.gateway();
        let shown = home.json(&["sessions", "show", "agent:main:explicit:trip", "--json"]).to_string();
        assert!(shown.contains("hello") && shown.contains("tok19"), "{shown}");
    })
    .await
    .unwrap();
}
