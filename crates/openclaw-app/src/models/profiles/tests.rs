use std::os::unix::fs::PermissionsExt;

use openclaw_config::{Env, Home, Loader};
use serde_json::json;

use super::*;

/// A home with a file of profiles, as an older program left it.
struct Fixture {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Fixture {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".openclaw/agents/main/agent/auth-profiles.json");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        Self { folder, path }
    }

    fn loaded(&self, config: &Value) -> Loaded {
        let home = self.folder.path().display().to_string();
        let env = Env::from_pairs([("HOME", home.as_str()), ("WORK_KEY", "from-env")]);
        std::fs::write(self.folder.path().join(".openclaw/openclaw.json"), config.to_string()).unwrap();
        let home = Home::locate(&env, None).unwrap();
        Loader::new(env, home).load()
    }

    fn find(&self, config: &Value) -> Found {
        let loaded = self.loaded(config);
        find(&loaded, &|name| loaded.env.get(name).map(str::to_owned))
    }

    /// Checks that nothing is taken and the one warning names the file and the trouble.
    fn refuses(&self, trouble: &str) {
        let found = self.find(&json!({}));
        let [warning] = found.warnings.as_slice() else { panic!("{:?}", found.warnings) };
        assert!(found.profiles.is_empty());
        assert_eq!(warning.path, self.path.display().to_string());
        assert!(warning.message.contains(trouble), "{}", warning.message);
    }
}

fn store() -> Value {
    json!({ "version": 1, "profiles": {
        "anthropic:manual": { "type": "api_key", "provider": "anthropic", "key": "sk-one" },
        "anthropic:work": { "type": "api_key", "provider": "anthropic", "keyRef": { "source": "env", "id": "WORK_KEY" } },
        "anthropic:me@example.org": { "type": "oauth", "provider": "anthropic", "access": "at-1", "refresh": "rt-1",
            "expires": 4_102_444_800_000_i64, "email": "me@example.org" },
        "openai:default": { "type": "token", "provider": "openai", "token": " tok " } },
        "usageStats": {} })
}

#[test]
fn profiles_of_an_older_home_become_credentials_in_the_configured_order() {
    let fixture = Fixture::new(&store().to_string());
    let config = json!({ "auth": { "order": { "anthropic": ["anthropic:work", "anthropic:manual"] } } });
    let loaded = fixture.loaded(&config);
    let settings = crate::models::settings(&loaded);
    let of = |id: &str| settings.providers().iter().find(|provider| provider.id == id).unwrap().credentials.clone();
    let named: Vec<_> = of("anthropic").into_iter().map(|credential| (credential.profile, credential.secret)).collect();
    let expected =
        [("anthropic:work", "from-env"), ("anthropic:manual", "sk-one"), ("anthropic:me@example.org", "at-1")];
    assert_eq!(named, expected.map(|(id, secret)| (id.to_owned(), Secret::new(secret))));
    assert_eq!(of("anthropic")[2].expires_at, Some(Timestamp(4_102_444_800_000)));
    assert_eq!(of("openai")[0].secret, Secret::new("tok"));
}

#[test]
fn a_home_without_the_file_is_no_trouble() {
    let fixture = Fixture::new("{}");
    std::fs::remove_file(&fixture.path).unwrap();
    let found = fixture.find(&json!({}));
    assert!(found.profiles.is_empty() && found.warnings.is_empty(), "{:?}", found.warnings);
}

#[test]
fn a_profile_kept_elsewhere_is_named_once_with_the_next_step() {
    let fixture = Fixture::new(&store().to_string());
    let config = json!({ "auth": { "profiles": {
        "anthropic:manual": { "provider": "anthropic", "mode": "api_key" },
        "google:default": { "provider": "google", "mode": "api_key" },
        "xai:default": { "provider": "xai", "mode": "api_key" } } } });
    let found = fixture.find(&config);
    let [warning] = found.warnings.as_slice() else { panic!("{:?}", found.warnings) };
    assert_eq!(warning.path, "auth.profiles");
    assert!(warning.message.starts_with("google:default, xai:default: "), "{}", warning.message);
    assert!(warning.message.contains("models.providers.google.apiKey"), "{}", warning.message);
}

#[test]
fn a_broken_file_is_named_and_its_text_is_not_quoted() {
    let fixture = Fixture::new(r#"{"profiles": {"a:b": "sk-canary" "#);
    fixture.refuses("is not valid JSON (line 1");
    assert!(!format!("{:?}", fixture.find(&json!({})).warnings).contains("canary"));
    Fixture::new("[]").refuses("no object `profiles`");
}

#[test]
fn a_file_others_can_read_a_link_and_a_huge_one_are_refused() {
    let fixture = Fixture::new(&store().to_string());
    std::fs::set_permissions(&fixture.path, std::fs::Permissions::from_mode(0o640)).unwrap();
    fixture.refuses("chmod 600");

    let fixture = Fixture::new(&store().to_string());
    let target = fixture.folder.path().join("elsewhere");
    std::fs::rename(&fixture.path, &target).unwrap();
    std::os::unix::fs::symlink(&target, &fixture.path).unwrap();
    fixture.refuses("not a regular file");

    let spaces = |bytes: u64| " ".repeat(usize::try_from(bytes).unwrap() - 2);
    Fixture::new(&format!("{}{{}}", spaces(FILE_BYTES_MAX))).refuses("no object");
    Fixture::new(&format!("{} {{}}", spaces(FILE_BYTES_MAX))).refuses("more than");
}

#[test]
fn one_bad_profile_does_not_spoil_the_others() {
    let check = |entry: Value, expected: &str| {
        let why = profile("p:x", &entry, &|_| None).unwrap_err().to_string();
        assert!(why.contains(expected), "{why}");
    };
    check(json!({ "type": "cookie", "key": "k" }), "no type that is known");
    check(json!({ "type": "api_key", "key": " " }), "no secret");
    check(json!({ "type": "api_key", "provider": "", "key": "k" }), "no provider");
    check(json!({ "type": "api_key", "key": "${GONE}" }), "GONE, which is not set");
    check(json!({ "type": "api_key", "keyRef": { "source": "exec", "id": "x" } }), "outside of this file");
    let mut store = store();
    store["profiles"]["bad"] = json!(7);
    let found = Fixture::new(&store.to_string()).find(&json!({}));
    assert_eq!((found.profiles.len(), found.warnings.len()), (4, 1));
}
