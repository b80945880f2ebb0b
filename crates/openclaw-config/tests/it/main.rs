//! The crate as its users see it: a home on disk, loaded, edited and explained.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::Path;

use openclaw_config::{
    Change, Env, Home, KeyPath, Loader, Options, Severity, diff, edit, explain, keys, promote, redact, schema, write,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn loader(dir: &Path) -> Loader {
    let env = Env::from_pairs([("HOME", dir.display().to_string())]).in_dir(dir);
    let home = Home::locate(&env, None).unwrap();
    Loader::new(env, home)
}

fn path(text: &str) -> KeyPath {
    KeyPath::parse(text).unwrap()
}

#[test]
fn a_home_goes_from_first_write_through_damage_to_repair() {
    let dir = tempfile::tempdir().unwrap();
    let loader = loader(dir.path());
    let set = |at: &str, value: Value| write(&loader, &Change::Set(vec![(path(at), value)]), &Options::default());
    let file = &loader.home().config_path;

    set("gateway.mode", json!("local")).unwrap();
    let written = set("gateway.port", json!(4242)).unwrap();
    assert!(promote(&written.loaded).unwrap());

    fs::write(file, "{ gateway: { port: ").unwrap();
    let damaged = loader.load();
    assert_eq!(damaged.port(), 4242);
    assert!(!damaged.is_sound());
    let issue = &damaged.issues[0];
    assert_eq!((issue.severity, issue.file.as_deref(), issue.line), (Severity::Error, Some(file.as_path()), Some(1)));

    let good = fs::read_to_string(file.with_file_name("openclaw.json.last-good")).unwrap();
    let repaired = write(&loader, &Change::Replace(good), &Options::default()).unwrap();
    assert!(repaired.loaded.is_sound());
    assert_eq!(diff(&written.loaded.value, &repaired.loaded.value), []);
}

#[test]
fn resolved_secrets_are_never_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(".openclaw/openclaw.json");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "{gateway: {auth: {token: '${MY_TOKEN}'}}, agents: {defaults: {workspace: '~/w'}}}").unwrap();
    let env = Env::from_pairs([("HOME", dir.path().display().to_string()), ("MY_TOKEN", "resolved-secret".into())]);
    let home = Home::locate(&env, None).unwrap();
    let loader = Loader::new(env, home);
    let written = write(
        &loader,
        &Change::Patch { patch: json!({"gateway": {"port": 5}}), replace_paths: Default::default() },
        &Options::default(),
    )
    .unwrap();
    assert_eq!(written.loaded.secret("gateway.auth.token").unwrap().unwrap().expose(), "resolved-secret");
    for entry in fs::read_dir(file.parent().unwrap()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("resolved-secret"));
    }
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("'${MY_TOKEN}'") && text.contains("'~/w'"), "{text}");
    assert!(!redact::value(&written.loaded.value).to_string().contains("resolved-secret"));
}

#[test]
fn the_schema_is_valid_and_agrees_with_the_check() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let loader = loader(dir.path());
    for (text, is_good) in [
        ("{}", true),
        (r#"{"gateway": {"port": 1, "auth": {"token": {"source": "env", "id": "T"}}}}"#, true),
        (r#"{"gateway": {"port": 65536}}"#, false),
        (r#"{"agents": {"defaults": {"model": {"primary": "a/b"}}, "entries": {"x": {"model": "c/d"}}}}"#, true),
        (r#"{"agents": {"defaults": {"model": {"primry": "a/b"}}}}"#, false),
        (r#"{"nope": 1}"#, false),
        (r#"{"channels": {"telegram": {"anything": 1, "dmPolicy": "pairing"}}}"#, true),
        (r#"{"channels": {"telegram": {"dmPolicy": "x"}}}"#, false),
        (r#"{"models": {"providers": {"p": {"models": [{"id": "m"}]}}}}"#, true),
        (r#"{"models": {"providers": {"p": {"models": {"id": "m"}}}}}"#, false),
    ] {
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(validator.is_valid(&value), is_good, "schema: {text}");
        assert_eq!(loader.load_text(text).issues.is_empty(), is_good, "check: {text}");
    }
}

#[test]
fn defaults_in_force_satisfy_the_schema() {
    let dir = tempfile::tempdir().unwrap();
    let loaded = loader(dir.path()).load();
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&loaded.value).map(|error| format!("{} {error}", error.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(loader(dir.path()).load_text(&loaded.value.to_string()).issues, []);
}

#[test]
fn every_setting_can_be_explained() {
    let dir = tempfile::tempdir().unwrap();
    let loaded = loader(dir.path()).load();
    for (pattern, key) in keys::all() {
        let at = path(&pattern.replace("[]", "[0]").replace('*', "name"));
        let found = explain(&at, Some(&loaded)).unwrap_or_else(|| panic!("{pattern}"));
        assert_eq!((found.doc, found.ring), (key.doc, key.ring), "{pattern}");
    }
    let port = explain(&path("gateway.port"), Some(&loaded)).unwrap();
    assert_eq!((port.value, port.origin.as_deref()), (Some(json!(18789)), Some("default")));
}

#[test]
fn what_the_author_wrote_is_listed_with_what_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let text =
        "{gateway: {port: 1, trustedProxies: ['x']}, ui: {seamColor: 'red'}, nope: 1, tools: {exec: {mode: 'bad'}}}";
    let rings: Vec<(String, Option<u8>)> = explain::configured(&loader(dir.path()).load_text(text))
        .into_iter()
        .map(|setting| (setting.path, setting.ring))
        .collect();
    let expected =
        [("gateway.port", Some(1)), ("gateway.trustedProxies", Some(2)), ("nope", None), ("ui.seamColor", Some(3))];
    assert_eq!(rings, expected.map(|(path, ring)| (path.to_owned(), ring)));
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-5_i64..100_000).prop_map(Value::from),
        "[a-z*]{0,8}".prop_map(Value::from),
        Just(json!("open")),
        Just(json!(["x", 5])),
        Just(json!([{"id": "x"}])),
        Just(json!({"x": {"y": 1}})),
        Just(json!({"source": "env", "id": "X"})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_in_force_never_has_a_fault(picks in prop::collection::vec((any::<prop::sample::Index>(), any_value()), 1..6)) {
        let patterns: Vec<String> = keys::all().map(|(pattern, _)| pattern).collect();
        let mut text = "{}".to_owned();
        for (pick, value) in picks {
            let at = path(&pick.get(&patterns).replace("[]", "[0]").replace('*', "name"));
            text = edit::set(&text, &at, &value).unwrap_or(text);
        }
        let dir = tempfile::tempdir().unwrap();
        let loader = loader(dir.path());
        let loaded = loader.load_text(&text);
        let again = loader.load_text(&loaded.value.to_string());
        let faults: Vec<_> = again.issues.iter().filter(|issue| issue.is_error()).collect();
        prop_assert!(faults.is_empty(), "{text}: {faults:?}");
        prop_assert_eq!(&again.value, &loaded.value);
        prop_assert!(!loaded.has_errors() || !loaded.is_sound());
    }
}
