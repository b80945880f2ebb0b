//! `config`: refused changes leave the file as it was and say why.

use openclaw_cli::Exit;

use crate::world::World;

#[test]
fn a_refused_value_names_the_form_the_place_and_what_stays() {
    let world = World::new();
    world.write(".openclaw/openclaw.json", "{\n  // mine\n  \"gateway\": {\n    \"port\": 18789,\n  },\n}\n");
    let outcome = world.run("config set gateway.port 99999");
    assert_eq!(outcome.exit, Exit::Usage, "{outcome:?}");
    assert!(outcome.err.starts_with("x  gateway.port"), "{}", outcome.err);
    assert!(
        outcome.err.contains("where  ~/.openclaw/openclaw.json line 4 (unchanged)      now  18789"),
        "{}",
        outcome.err
    );
    assert!(outcome.err.trim_end().ends_with("next   openclaw config explain gateway.port"), "{}", outcome.err);
    assert!(world.read(".openclaw/openclaw.json").contains("18789"));
}

#[test]
fn a_mistyped_path_gets_the_closest_one() {
    let outcome = World::new().run("config set gatway.port 18790");
    assert_eq!(outcome.exit, Exit::Usage);
    assert!(outcome.err.contains("there is no setting \"gatway.port\"; closest: gateway.port"), "{}", outcome.err);
    assert_eq!(World::new().run("config get gatway.port").exit, Exit::Usage);
    assert_eq!(World::new().run("config explain gatway.port").exit, Exit::Usage);
}

#[test]
fn without_a_gateway_the_file_is_edited_and_comments_stay() {
    let world = World::new();
    world.write(".openclaw/openclaw.json", "{\n  // mine\n  gateway: { port: 1 },\n}\n");
    let outcome = world.run("config set gateway.port 2");
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    let text = world.read(".openclaw/openclaw.json");
    assert!(text.contains("// mine") && text.contains("port: 2"), "{text}");
    assert_eq!(world.run("config get gateway.port").out, "2\n");
    assert_eq!(world.run("config unset gateway.port").exit, Exit::Done);
    assert!(!world.read(".openclaw/openclaw.json").contains("port: 2"));
}

#[test]
fn with_a_gateway_the_change_goes_through_it_with_the_hash_it_gave() {
    let world = World::healthy();
    let before = world.read(".openclaw/openclaw.json");
    let outcome = world.run("config set gateway.port 18790");
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert!(outcome.err.contains("openclaw gateway restart"), "{}", outcome.err);
    let patch = &world.gateway.as_ref().unwrap().calls_of("config.patch")[0];
    assert_eq!(patch["raw"], r#"{"gateway":{"port":18790}}"#);
    assert_eq!(patch["baseHash"], "h1");
    assert_eq!(world.read(".openclaw/openclaw.json"), before);
}

#[test]
fn secrets_are_not_taken_from_the_command_line() {
    let world = World::new();
    let outcome = world.run("config set gateway.auth.token hunter2hunter2hunter2");
    assert_eq!(outcome.exit, Exit::Usage);
    assert!(!outcome.err.contains("hunter2"), "{}", outcome.err);
    assert_eq!(world.run("config set gateway.auth.token ${MY_TOKEN}").exit, Exit::Done);
    let world = World::new().input("hunter2hunter2hunter2\n");
    assert_eq!(world.run("config set gateway.auth.token -").exit, Exit::Done);
    assert!(world.read(".openclaw/openclaw.json").contains("\"hunter2hunter2hunter2\""));
    let shown = world.run("config get");
    assert!(!shown.out.contains("hunter2"), "{}", shown.out);
}

#[test]
fn explain_says_meaning_form_source_and_effect() {
    let outcome = World::new().run("config explain gateway.port --json");
    let data = &outcome.json()["data"];
    assert_eq!(data["path"], "gateway.port");
    assert_eq!(data["value"], 1);
    assert!(data["origin"].as_str().unwrap().contains("openclaw.json:1:"), "{data}");
}

#[test]
fn diff_lists_what_is_set_and_where() {
    let outcome = World::new().run("config diff");
    assert!(
        outcome.out.contains("gateway.port") && outcome.out.contains("~/.openclaw/openclaw.json:1:"),
        "{}",
        outcome.out
    );
}
