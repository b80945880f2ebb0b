use super::*;
use serde_json::json;
use std::fs;

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".openclaw")).unwrap();
        Self { dir }
    }

    fn with(text: &str) -> Self {
        let place = Self::new();
        place.file("openclaw.json", text);
        place
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(".openclaw").join(name), text).unwrap();
    }

    fn loader(&self, pairs: &[(&str, &str)]) -> Loader {
        let mut all = vec![("HOME".to_owned(), self.dir.path().display().to_string())];
        all.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let env = Env::from_pairs(all).in_dir(self.dir.path());
        let home = Home::locate(&env, None).unwrap();
        Loader::new(env, home)
    }

    fn load(&self, pairs: &[(&str, &str)]) -> Loaded {
        self.loader(pairs).load()
    }
}

fn codes(loaded: &Loaded) -> Vec<(&'static str, String)> {
    loaded.issues.iter().map(|issue| (issue.code, issue.path.clone())).collect()
}

#[test]
fn a_missing_file_means_defaults() {
    let loaded = Place::new().load(&[]);
    assert_eq!((loaded.exists, loaded.basis, loaded.issues.len()), (false, Basis::Missing, 0));
    assert_eq!((loaded.port(), loaded.get("agents.defaults.compaction.mode")), (18789, Some(&json!("safeguard"))));
    assert_eq!(loaded.origin("gateway.port"), Some(&Origin::Default));
    assert!(loaded.is_sound());
    assert_eq!(loaded.hash, hash::ABSENT);
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let place = Place::with("{gateway: {port: 1111}}");
    let port = |pairs: &[(&str, &str)], flag: Option<u16>| {
        let mut loader = place.loader(pairs);
        if let Some(port) = flag {
            loader = loader.with_flag("gateway.port", json!(port));
        }
        let loaded = loader.load();
        (loaded.port(), loaded.origin("gateway.port").unwrap().to_string())
    };
    let env = &[("OPENCLAW_GATEWAY_PORT", "127.0.0.1:2222")];
    assert_eq!(port(env, Some(3333)), (3333, "command-line flag".into()));
    assert_eq!(port(env, None), (2222, "environment variable OPENCLAW_GATEWAY_PORT".into()));
    let (number, origin) = port(&[], None);
    assert_eq!(number, 1111);
    assert!(origin.ends_with("openclaw.json:1:18"), "{origin}");
}

#[test]
fn a_configured_secret_wins_over_the_environment() {
    let env = &[("OPENCLAW_GATEWAY_TOKEN", "from-env")];
    let token = |text: &str| {
        Place::with(text)
            .load(env)
            .secret("gateway.auth.token")
            .map(|secret| secret.map(|secret| secret.expose().to_owned()))
    };
    assert_eq!(token("{}").unwrap(), Some("from-env".into()));
    assert_eq!(token("{gateway: {auth: {token: ' '}}}").unwrap(), Some("from-env".into()));
    assert_eq!(token("{gateway: {auth: {token: 'from-file'}}}").unwrap(), Some("from-file".into()));
    assert!(token("{gateway: {auth: {token: '${MISSING}'}}}").is_err());
    assert!(token("{gateway: {auth: {token: {source: 'env', id: 'MISSING'}}}}").is_err());
}

#[test]
fn environment_sources_have_an_order() {
    let place = Place::with(
        "{env: {vars: {A: 'config', B: 'config', C: 'config', D: 'config'}}, messages: {responsePrefix: '${A} ${B} ${C} ${D}'}}",
    );
    place.file(".env", "A=state\nB=state\nC=state\n");
    fs::write(place.dir.path().join(".env"), "A=cwd\nB=cwd\nOPENAI_API_KEY=stolen\n").unwrap();
    let loaded = place.load(&[("A", "process")]);
    assert_eq!(loaded.get("messages.responsePrefix"), Some(&json!("process cwd state config")));
    assert_eq!(loaded.env.get("OPENAI_API_KEY"), None);
    assert_eq!(codes(&loaded), [("ENV_UNTRUSTED", String::new())]);
}

#[test]
fn the_file_cannot_speak_for_the_environment() {
    let place = Place::with("{env: {vars: {OPENCLAW_GATEWAY_PORT: '5', OPENCLAW_CONFIG_READONLY: '1'}}}");
    let loaded = place.load(&[]);
    assert_eq!(loaded.port(), 18789);
    assert!(!loaded.env.is_read_only());
}

#[test]
fn values_of_the_environment_are_checked() {
    let loaded = Place::with("{logging: {level: 'warn'}}")
        .load(&[("OPENCLAW_LOG_LEVEL", "loud"), ("OPENCLAW_GATEWAY_PORT", "x")]);
    assert_eq!(loaded.get("logging.level"), Some(&json!("warn")));
    assert_eq!(loaded.port(), 18789);
    assert_eq!(codes(&loaded).len(), 3, "{:?}", loaded.issues);
    let loaded = Place::new().load(&[
        ("OPENCLAW_LOG_LEVEL", "debug"),
        ("OPENCLAW_LOCAL_TZ", "Asia/Tokyo"),
        ("OPENCLAW_TZ", "Europe/Berlin"),
    ]);
    assert_eq!(loaded.get("logging.consoleLevel"), Some(&json!("debug")));
    assert_eq!(loaded.get("agents.defaults.userTimezone"), Some(&json!("Europe/Berlin")));
}

#[test]
fn a_faulty_section_is_quarantined_and_the_rest_runs() {
    let loaded =
        Place::with("{\n  gateway: { port: 'x', mode: 'local' },\n  tools: { exec: { mode: 'nope' } },\n}").load(&[]);
    assert_eq!(loaded.port(), 18789);
    assert_eq!(loaded.get("gateway.mode"), Some(&json!("local")));
    assert_eq!(loaded.get("tools.exec.mode"), Some(&json!("deny")));
    assert_eq!(loaded.origin("tools.exec.mode"), Some(&Origin::StandIn));
    let issue = &loaded.issues[0];
    assert_eq!((issue.path.as_str(), issue.line, issue.column), ("gateway.port", Some(2), Some(20)));
    assert!(!loaded.is_sound() && loaded.has_errors());
    assert_eq!(loaded.source["gateway"]["port"], "x");
}

#[test]
fn an_unreadable_text_gives_way_to_the_last_good_one() {
    for text in ["{gateway: ", "", "[]", "5", "// nothing"] {
        let place = Place::with(text);
        place.file("openclaw.json.last-good", "{gateway: {port: 7}}");
        let loaded = place.load(&[]);
        assert_eq!((loaded.basis, loaded.port(), loaded.exists), (Basis::LastGood, 7, true), "{text:?}");
        let issue = &loaded.issues[0];
        assert!(issue.is_error() && issue.line.is_some() && issue.message.contains("last good"), "{issue}");
        assert!(!loaded.is_sound());
        assert_eq!(loaded.raw, text);
    }
}

#[test]
fn without_a_last_good_text_everything_is_closed() {
    let place = Place::with("{gateway: ");
    let closed = |loaded: &Loaded| {
        assert_eq!((loaded.basis, loaded.port()), (Basis::Closed, 18789));
        assert_eq!(loaded.get("tools.exec.mode"), Some(&json!("deny")));
        assert_eq!(loaded.get("gateway.bind"), Some(&json!("loopback")));
        assert_eq!(loaded.get("plugins.enabled"), Some(&json!(false)));
    };
    closed(&place.load(&[]));
    place.file("openclaw.json.last-good", "{also broken");
    closed(&place.load(&[]));
    fs::write(place.dir.path().join(".openclaw/openclaw.json"), b"{\"a\": \"\xff\"}").unwrap();
    closed(&place.load(&[]));
    fs::remove_file(place.dir.path().join(".openclaw/openclaw.json")).unwrap();
    fs::create_dir(place.dir.path().join(".openclaw/openclaw.json")).unwrap();
    closed(&place.load(&[]));
}

#[test]
fn a_failed_include_closes_its_place_only() {
    let place = Place::with("{gateway: {port: 9}, tools: {$include: './none.json5', profile: 'coding'}}");
    let loaded = place.load(&[]);
    assert_eq!((loaded.port(), loaded.get("tools.profile")), (9, Some(&json!("coding"))));
    assert_eq!(loaded.get("tools.exec.mode"), Some(&json!("deny")));
    assert_eq!(codes(&loaded), [("CONFIG_INCLUDE", "tools".to_owned())]);
    assert_eq!(loaded.issues[0].line, Some(1));
}

#[test]
fn included_values_know_their_own_file() {
    let place = Place::with("{gateway: {$include: './g.json5'}}");
    place.file("g.json5", "{\n\n  port: 8,\n  auth: {token: '${T}'},\n}");
    let loaded = place.load(&[("T", "t")]);
    assert!(loaded.origin("gateway.port").unwrap().to_string().ends_with("g.json5:3:9"));
    assert_eq!(loaded.get("gateway.auth.token"), Some(&json!("t")));
    assert_eq!(loaded.files.len(), 2);
    assert_eq!(loaded.source, json!({"gateway": {"$include": "./g.json5"}}));
}

#[test]
fn accessors_reach_everything() {
    let loaded = Place::with("{models: {providers: {'a.b': {models: [{id: 'm'}]}}}}").load(&[]);
    assert_eq!(loaded.section("models")["mode"], "merge");
    assert_eq!(loaded.section("nothing.here"), &Value::Null);
    assert_eq!(loaded.get("models.providers.\"a.b\".models[0].id"), Some(&json!("m")));
    assert_eq!(loaded.get("models.providers.\"a.b\".models.0.id"), Some(&json!("m")));
}

#[test]
fn older_product_variables_are_named_once() {
    let loaded = Place::new().load(&[("CLAWDBOT_GATEWAY_PORT", "1"), ("MOLTBOT_X", "2")]);
    assert_eq!(codes(&loaded), [("ENV_LEGACY", String::new())]);
    assert_eq!(loaded.port(), 18789);
}

#[test]
fn what_onboarding_writes_has_no_issue() {
    let text = r#"{
  "agents": {"defaults": {"workspace": "~/.openclaw/workspace", "model": {"primary": "anthropic/claude-x"}, "models": {"anthropic/claude-x": {}}},
    "entries": {"main": {"name": "Main", "workspace": "~/w", "agentDir": "~/.openclaw/agents/main/agent", "identity": {"name": "Claw"}}}},
  "gateway": {"mode": "local", "auth": {"mode": "token", "token": "0123456789abcdef0123456789abcdef0123456789abcdef"}, "port": 18789, "bind": "loopback", "tailscale": {"mode": "off"}},
  "tools": {"profile": "full"},
  "models": {"mode": "merge", "providers": {"mock": {"baseUrl": "http://127.0.0.1:1/v1", "apiKey": "none", "api": "openai-completions",
    "models": [{"id": "m", "name": "M", "reasoning": false, "input": ["text"], "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0}, "contextWindow": 128000, "maxTokens": 4096}]}}},
  "hooks": {"internal": {"entries": {"session-memory": {"enabled": true}}}},
  "plugins": {"entries": {"anthropic": {"config": {"sessionCatalog": {"enabled": false}}}}},
  "meta": {"lastTouchedVersion": "2026.9.6", "migrations": {"modelPolicyAllowlist": true, "utilityModelSeparation": true}},
  "wizard": {"lastRunAt": "2026-01-01", "lastRunMode": "local"}
}"#;
    let loaded = Place::with(text).load(&[]);
    assert_eq!(loaded.issues, Vec::new());
}

#[test]
fn deep_nesting_is_loaded_or_refused_but_never_overflows() {
    let nested = |open: &str, close: &str, depth: usize| {
        format!("{{plugins: {{entries: {{x: {{config: {{a: {}1{}}}}}}}}}}}", open.repeat(depth), close.repeat(depth))
    };
    let place = Place::new();
    for (open, close, depth) in [("{a: ", "}", 59), ("[", "]", 59)] {
        let text = nested(open, close, depth);
        let loaded = place.loader(&[]).load_text(&text);
        assert_eq!((loaded.basis, loaded.issues.len()), (Basis::File, 0));
        assert!(crate::redact::text(&text).len() > depth);
        assert_eq!(place.loader(&[]).load_text(&nested(open, close, 60)).basis, Basis::Closed);
    }
}

#[test]
fn debug_shows_no_value() {
    let loaded = Place::with("{gateway: {auth: {token: 'hunter2'}}}").load(&[]);
    assert!(!format!("{loaded:?}").contains("hunter2"));
}

#[test]
fn the_number_of_issues_is_bounded_and_errors_come_first() {
    let includes: Vec<String> = (0..2 * ISSUES_MAX).map(|index| format!("x{index}: {{$include: ''}}")).collect();
    let loaded = Place::new().loader(&[]).load_text(&format!("{{zzz: 1, {}}}", includes.join(",")));
    assert_eq!(loaded.issues.len(), ISSUES_MAX);
    assert!(loaded.issues[0].is_error());
}
