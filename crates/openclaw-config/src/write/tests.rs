use super::*;
use crate::env::Env;
use crate::home::Home;
use serde_json::json;
use std::fs;

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn with(text: &str) -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(place.dir.path().join(".openclaw")).unwrap();
        fs::write(place.path("openclaw.json"), text).unwrap();
        place
    }

    fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(".openclaw").join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn loader(&self, pairs: &[(&str, &str)]) -> Loader {
        let mut all = vec![("HOME".to_owned(), self.dir.path().display().to_string())];
        all.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let env = Env::from_pairs(all);
        let home = Home::locate(&env, None).unwrap();
        Loader::new(env, home)
    }

    fn write(&self, change: &Change) -> Result<Written, Error> {
        write(&self.loader(&[]), change, &Options::default())
    }
}

fn set_one(path: &str, value: Value) -> Change {
    Change::Set(vec![(KeyPath::parse(path).unwrap(), value)])
}

fn patch(patch: Value) -> Change {
    Change::Patch { patch, replace_paths: BTreeSet::new() }
}

#[test]
fn a_set_changes_one_value_and_says_what_it_needs() {
    let place = Place::with("{ // mine\n  gateway: { port: 1, auth: { token: '${T}' } },\n}\n");
    let written = place.write(&set_one("gateway.port", json!(2))).unwrap();
    assert_eq!(place.read("openclaw.json"), "{ // mine\n  gateway: { port: 2, auth: { token: '${T}' } },\n}\n");
    assert_eq!(written.changed, [KeyPath::parse("gateway.port").unwrap()]);
    assert_eq!((written.plan.class, written.loaded.port()), (reload::Class::Restart, 2));
    assert_eq!(place.read("openclaw.json.bak"), "{ // mine\n  gateway: { port: 1, auth: { token: '${T}' } },\n}\n");
}

#[cfg(unix)]
#[test]
fn every_file_written_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let place = Place::empty();
    place.write(&set_one("gateway.port", json!(2))).unwrap();
    assert_eq!((mode(&place.path("")), mode(&place.path("openclaw.json"))), (0o700, 0o600));
    fs::set_permissions(place.path("openclaw.json"), fs::Permissions::from_mode(0o644)).unwrap();
    let written = place.write(&set_one("gateway.port", json!(3))).unwrap();
    promote(&written.loaded).unwrap();
    for entry in fs::read_dir(place.path("")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.file_name());
    }
}

#[test]
fn the_first_models_are_settings_and_older_ones_stay_an_allowlist() {
    let allowed = |place: &Place, model: &str| {
        place.write(&set_one("agents.defaults.models", json!({"a/b": {}, model: {}}))).unwrap();
        place.loader(&[]).load().get("agents.defaults.modelPolicy.allow").cloned()
    };
    assert_eq!(allowed(&Place::empty(), "c/d"), None);
    assert_eq!(allowed(&Place::with("{gateway: {port: 1}}"), "c/d"), None);
    assert_eq!(
        allowed(&Place::with("{agents: {defaults: {models: {'a/b': {}}}}}"), "c/d"),
        Some(json!(["a/b", "c/d"]))
    );
    let place = Place::empty();
    place.write(&set_one("gateway.port", json!(1))).unwrap();
    assert_eq!(place.loader(&[]).load().get("meta.migrations.modelPolicyAllowlist"), Some(&json!(true)));
}

#[test]
fn an_invalid_result_never_reaches_the_disk() {
    let text = "{gateway: {port: 1}}";
    let place = Place::with(text);
    for change in [
        set_one("gateway.port", json!(99999)),
        patch(json!({"gateway": {"bind": "moon"}})),
        Change::Replace("{gateway: {port: 'x'}}".into()),
        Change::Replace("{gateway: ".into()),
        Change::Replace(String::new()),
        set_one("tools", json!({"allow": ["a"], "alsoAllow": ["b"]})),
        patch(json!({"gateway": {"auth": {"$include": "./none"}}})),
    ] {
        assert!(matches!(place.write(&change), Err(Error::Invalid(_))), "{change:?}");
        assert_eq!(place.read("openclaw.json"), text);
    }
    assert!(!place.path("openclaw.json.bak").exists());
}

#[test]
fn an_unknown_setting_is_refused_with_the_closest() {
    let place = Place::with("{}");
    let error = place.write(&set_one("gatway.port", json!(1))).unwrap_err();
    assert_eq!(error.to_string(), "there is no setting \"gatway.port\"; closest: gateway.port");
    assert!(matches!(
        place.write(&Change::Replace("{gateway: {porrt: 1}}".into())),
        Err(Error::Unknown { nearest: Some(_), .. })
    ));
    assert!(place.write(&set_one("plugins.entries.x.config.free", json!(1))).is_ok());
}

#[test]
fn old_faults_do_not_stop_a_repair() {
    let place = Place::with("{gateway: {port: 'x', bind: 'moon'}, zzz: 1}");
    place.write(&set_one("gateway.port", json!(5))).unwrap();
    assert_eq!(place.read("openclaw.json"), "{gateway: {port: 5, bind: 'moon'}, zzz: 1}");
}

#[test]
fn a_stale_base_is_refused() {
    let place = Place::with("{gateway: {port: 1}}");
    let loader = place.loader(&[]);
    let base = |hash: &str| Options { base_hash: Some(hash.to_owned()), ..Options::default() };
    let hash = loader.load().hash;
    let written = write(&loader, &set_one("gateway.port", json!(2)), &base(&hash)).unwrap();
    assert!(matches!(write(&loader, &set_one("gateway.port", json!(3)), &base(&hash)), Err(Error::Stale)));
    assert!(write(&loader, &set_one("gateway.port", json!(3)), &base(&written.loaded.hash)).is_ok());
    let empty = Place::empty();
    let loader = empty.loader(&[]);
    assert!(matches!(write(&loader, &set_one("gateway.port", json!(3)), &base("x")), Err(Error::Stale)));
    assert!(write(&loader, &set_one("gateway.port", json!(3)), &base(crate::hash::ABSENT)).is_ok());
}

#[test]
fn an_unexpected_value_is_refused() {
    let place = Place::with("{gateway: {port: 1}}");
    let outcome = |path: &str, value: Option<Value>| {
        let options =
            Options { expected: vec![(KeyPath::parse(path).unwrap(), value)], is_dry_run: true, ..Options::default() };
        write(&place.loader(&[]), &set_one("gateway.port", json!(2)), &options).is_ok()
    };
    assert!(outcome("gateway.port", Some(json!(1))) && outcome("gateway.bind", None));
    assert!(
        !outcome("gateway.port", Some(json!(2)))
            && !outcome("gateway.port", None)
            && !outcome("gateway.bind", Some(json!("lan")))
    );
}

#[test]
fn read_only_mode_refuses_every_writer() {
    let place = Place::with("{}");
    for name in ["OPENCLAW_CONFIG_READONLY", "OPENCLAW_NIX_MODE"] {
        let loader = place.loader(&[(name, "1")]);
        assert!(matches!(
            write(&loader, &set_one("gateway.port", json!(1)), &Options::default()),
            Err(Error::ReadOnly)
        ));
        assert!(!promote(&loader.load()).unwrap());
    }
    assert_eq!(
        fs::read_dir(place.path(""))
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name() != "config-hash.key")
            .count(),
        1
    );
}

#[cfg(unix)]
#[test]
fn a_link_is_not_written_through() {
    let place = Place::with("{}");
    fs::rename(place.path("openclaw.json"), place.path("real")).unwrap();
    std::os::unix::fs::symlink(place.path("real"), place.path("openclaw.json")).unwrap();
    assert!(matches!(place.write(&set_one("gateway.port", json!(1))), Err(Error::Disk(disk::Error::NotAFile { .. }))));
    assert_eq!(place.read("real"), "{}");
}

#[test]
fn five_backups_are_kept() {
    let place = Place::with("{gateway: {port: 1}}");
    for port in 2..=8 {
        place.write(&set_one("gateway.port", json!(port))).unwrap();
    }
    let kept: Vec<String> =
        ["", ".1", ".2", ".3", ".4"].iter().map(|slot| place.read(&format!("openclaw.json.bak{slot}"))).collect();
    let expected: Vec<String> = [7, 6, 5, 4, 3].iter().map(|port| format!("{{gateway: {{port: {port}}}}}")).collect();
    assert_eq!(kept, expected);
    assert!(!place.path("openclaw.json.bak.5").exists());
}

#[test]
fn accidents_are_guarded_against_and_can_be_meant() {
    let filler = "x".repeat(600);
    let text =
        format!("{{gateway: {{mode: 'local'}}, agents: {{entries: {{main: {{name: '{filler}'}}, two: {{}}}}}}}}");
    let place = Place::with(&text);
    let meant = Options { may_shrink: true, ..Options::default() };
    for change in [
        Change::Replace("{gateway: {mode: 'local'}}".into()),
        Change::Replace(text.replace("mode: 'local'", "")),
        set_one("agents.entries", json!({"main": {"name": filler}})),
        set_one("agents", json!({})),
    ] {
        assert!(matches!(place.write(&change), Err(Error::Guarded(_))), "{change:?}");
        assert!(write(&place.loader(&[]), &change, &Options { is_dry_run: true, ..meant.clone() }).is_ok());
    }
    assert_eq!(place.read("openclaw.json"), text);
    assert!(place.write(&set_one("agents.entries.three", json!({}))).is_ok());
    assert!(place.write(&Change::Unset(KeyPath::parse("agents.entries.three").unwrap())).is_ok());
}

#[test]
fn the_shrink_guard_has_a_baseline() {
    let sized = |bytes: usize| format!("{{}}{}", " ".repeat(bytes - 2));
    let outcome = |old: usize, new: usize| Place::with(&sized(old)).write(&Change::Replace(sized(new))).is_ok();
    assert_eq!((outcome(511, 2), outcome(512, 255), outcome(512, 256)), (true, false, true));
}

#[test]
fn a_redacted_text_gets_its_secrets_back() {
    let text = "{gateway: {port: 1, auth: {token: 'hunter22'}}, hooks: {token: '${H}'}}";
    let place = Place::with(text);
    let shown = redact::text(text);
    assert!(shown.contains(redact::SENTINEL));
    place.write(&Change::Replace(shown.replace("port: 1", "port: 2"))).unwrap();
    let value = crate::tree::parse(&place.read("openclaw.json")).unwrap();
    assert_eq!(value, json!({"gateway": {"port": 2, "auth": {"token": "hunter22"}}, "hooks": {"token": "${H}"}}));
    assert!(matches!(place.write(&set_one("hooks.token", json!(redact::SENTINEL))), Err(Error::Guarded(_))));
    assert!(matches!(place.write(&patch(json!({"cron": {"webhookToken": redact::SENTINEL}}))), Err(Error::Guarded(_))));
    let elsewhere = format!("{{cron: {{webhookToken: '{}'}}}}", redact::SENTINEL);
    assert!(matches!(place.write(&Change::Replace(elsewhere)), Err(Error::Guarded(_))));
}

#[test]
fn a_patch_merges_and_keeps_comments() {
    let place = Place::with("{\n  // keep\n  gateway: { port: 1, bind: 'loopback' },\n}\n");
    place.write(&patch(json!({"gateway": {"port": 2, "bind": null}, "logging": {"level": "debug"}}))).unwrap();
    let text = place.read("openclaw.json");
    assert!(text.contains("// keep"), "{text}");
    assert_eq!(crate::tree::parse(&text).unwrap(), json!({"gateway": {"port": 2}, "logging": {"level": "debug"}}));
}

#[test]
fn an_unreadable_file_can_only_be_replaced() {
    let place = Place::with("{gateway: ");
    assert!(matches!(place.write(&set_one("gateway.port", json!(1))), Err(Error::Unreadable(_))));
    place.write(&Change::Replace("{gateway: {port: 4}}".into())).unwrap();
    assert_eq!(
        (place.read("openclaw.json").as_str(), place.read("openclaw.json.bak").as_str()),
        ("{gateway: {port: 4}}", "{gateway: ")
    );
}

#[test]
fn bytes_that_are_not_text_are_never_overwritten() {
    let place = Place::with("");
    fs::write(place.path("openclaw.json"), b"{\xff}").unwrap();
    assert!(matches!(place.write(&Change::Replace("{}".into())), Err(Error::Unreadable(_))));
    assert_eq!(fs::read(place.path("openclaw.json")).unwrap(), b"{\xff}");
}

#[test]
fn a_write_that_changes_nothing_touches_nothing() {
    let place = Place::with("{gateway: {port: 1}}");
    let written = place.write(&set_one("gateway.port", json!(1))).unwrap();
    assert_eq!((written.file, written.changed.len()), (None, 0));
    assert!(!place.path("openclaw.json.bak").exists());
}

#[test]
fn a_setting_of_an_included_file_is_written_there() {
    let root = "{gateway: {$include: './g.json5', bind: 'loopback'}, tools: {profile: 'full'}}";
    let place = Place::with(root);
    fs::write(place.path("g.json5"), "{ port: 1 /* p */ }").unwrap();
    place.write(&set_one("gateway.port", json!(2))).unwrap();
    assert_eq!((place.read("openclaw.json").as_str(), place.read("g.json5").as_str()), (root, "{ port: 2 /* p */ }"));
    assert_eq!(place.read("g.json5.bak"), "{ port: 1 /* p */ }");
    assert!(matches!(place.write(&set_one("gateway.port", json!(99999))), Err(Error::Invalid(_))));
    place.write(&patch(json!({"gateway": {"port": 3}}))).unwrap();
    assert_eq!(place.read("g.json5"), "{ port: 3 /* p */ }");
    place.write(&set_one("gateway.bind", json!("lan"))).unwrap();
    assert_eq!(place.read("openclaw.json"), root.replace("'loopback'", "\"lan\""));
    place.write(&set_one("tools.profile", json!("coding"))).unwrap();
    assert!(matches!(
        place.write(&patch(json!({"gateway": {"port": 4}, "tools": {"profile": "full"}}))),
        Err(Error::Included { .. })
    ));
}

#[test]
fn unclear_includes_are_not_written_through() {
    for (root, path) in [
        ("{gateway: {$include: ['./g.json5']}}", "gateway.port"),
        ("{gateway: {$include: './g.json5'}, hooks: {$include: './g.json5'}}", "gateway.port"),
        ("{gateway: {$include: './nested.json5'}}", "gateway.port"),
        ("{gateway: {$include: './g.json5'}}", "gateway"),
    ] {
        let place = Place::with(root);
        fs::write(place.path("g.json5"), "{}").unwrap();
        fs::write(place.path("nested.json5"), "{$include: './g.json5'}").unwrap();
        assert!(matches!(place.write(&set_one(path, json!(1))), Err(Error::Included { .. })), "{root}");
        assert_eq!((place.read("openclaw.json").as_str(), place.read("g.json5").as_str()), (root, "{}"));
    }
}

#[test]
fn a_root_include_owns_what_it_has_and_the_root_the_rest() {
    let place = Place::with("{$include: './base.json5'}");
    fs::write(place.path("base.json5"), "{gateway: {port: 1}}").unwrap();
    place.write(&set_one("gateway.port", json!(2))).unwrap();
    assert_eq!(place.read("base.json5"), "{gateway: {port: 2}}");
    place.write(&set_one("logging.level", json!("debug"))).unwrap();
    assert_eq!(
        crate::tree::parse(&place.read("openclaw.json")).unwrap(),
        json!({"$include": "./base.json5", "logging": {"level": "debug"}})
    );
}

#[test]
fn only_a_sound_text_without_placeholders_becomes_the_last_good_one() {
    let promoted = |text: &str| {
        let place = Place::with(text);
        let made = promote(&place.loader(&[]).load()).unwrap();
        assert_eq!(made, place.path("openclaw.json.last-good").exists());
        assert!(!made || !promote(&place.loader(&[]).load()).unwrap(), "the second time nothing is to do");
        made
    };
    assert!(promoted("{gateway: {port: 1}}"));
    assert!(!promoted("{gateway: {port: 'x'}}"));
    assert!(!promoted("{gateway: "));
    assert!(!promoted("{gateway: {auth: {token: '***'}}}"));
    assert!(!promoted("{gateway: {auth: {token: '__OPENCLAW_REDACTED__'}}}"));
    assert!(!promote(&Place::empty().loader(&[]).load()).unwrap());
}

#[test]
fn two_writers_take_turns() {
    let place = Place::with("{gateway: {port: 1}}");
    let loader = place.loader(&[]);
    std::thread::scope(|scope| {
        for index in 0..4 {
            let loader = &loader;
            scope.spawn(move || {
                let path = format!("agents.entries.a{index}.name");
                write(loader, &set_one(&path, json!("x")), &Options::default()).unwrap();
            });
        }
    });
    assert_eq!(loader.load().section("agents.entries").as_object().unwrap().len(), 4);
}
