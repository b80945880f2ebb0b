//! A changed configuration takes effect without a restart.

use openclaw_testkit::server::{Script, Server};
use serde_json::json;

use crate::home::{Home, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_rule_written_to_the_file_holds_for_the_next_turn() {
    let server = Server::start(Script::default()).await.unwrap();
    let home = Home::with_model(&server.url(), &json!({}));
    tokio::task::spawn_blocking(move || {
        let _gateway = home.gateway();
        let offered = |home: &Home| {
            home.json(&[
                "gateway",
                "call",
                "tools.effective",
                "--params",
                r#"{"sessionKey":"agent:main:main"}"#,
                "--json",
            ])
            .to_string()
        };
        assert!(offered(&home).contains("\"web_fetch\""));
        assert!(home.run(&["config", "set", "tools.deny", r#"["web_fetch"]"#]).status.success());
        until("the rule to hold", || !offered(&home).contains("\"web_fetch\""));
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_edit_leaves_the_running_configuration_alone() {
    let server = Server::start(Script::default()).await.unwrap();
    let home = Home::with_model(&server.url(), &json!({}));
    tokio::task::spawn_blocking(move || {
        let _gateway = home.gateway();
        home.write_config("{ this is not a configuration");
        let answer = home.json(&["agent", "--message", "hello", "--json"]);
        assert!(answer.to_string().contains("tok19"), "{answer}");
    })
    .await
    .unwrap();
}
