use super::*;

fn locate(dir: &Path, pairs: &[(&str, &str)], profile: Option<&str>) -> Home {
    let mut all = vec![("HOME".to_owned(), dir.display().to_string())];
    all.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Home::locate(&Env::from_pairs(all), profile).unwrap()
}

#[test]
fn home_prefers_the_product_variable_then_the_account() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("OPENCLAW_HOME", "/a"), ("HOME", "/b")], "/a"),
        (&[("OPENCLAW_HOME", "~/x"), ("HOME", "/b")], "/b/x"),
        (&[("OPENCLAW_HOME", "undefined"), ("HOME", "/b")], "/b"),
        (&[("HOME", "null"), ("USERPROFILE", "/c")], "/c"),
        (&[("PREFIX", "/data/data/com.termux/files/usr")], "/data/data/com.termux/files/home"),
    ];
    for (pairs, expected) in cases {
        let env = Env::from_pairs(pairs.iter().copied());
        assert_eq!(Home::locate(&env, None).unwrap().home, Path::new(expected), "{pairs:?}");
    }
    assert_eq!(Home::locate(&Env::from_pairs([("PREFIX", "/usr")]), None), Err(Error::NoHome));
}

#[test]
fn state_and_config_fall_back_to_the_older_names() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    assert_eq!(locate(home, &[], None).state_dir, home.join(".openclaw"));
    std::fs::create_dir(home.join(".clawdbot")).unwrap();
    let found = locate(home, &[], None);
    assert_eq!(found.state_dir, home.join(".clawdbot"));
    assert_eq!(found.config_path, home.join(".clawdbot/openclaw.json"));
    std::fs::write(home.join(".clawdbot/clawdbot.json"), "{}").unwrap();
    assert_eq!(locate(home, &[], None).config_path, home.join(".clawdbot/clawdbot.json"));
    std::fs::create_dir(home.join(".openclaw")).unwrap();
    let found = locate(home, &[], None);
    assert_eq!(found.state_dir, home.join(".openclaw"));
    assert_eq!(found.config_path, home.join(".clawdbot/clawdbot.json"));
    std::fs::write(home.join(".openclaw/openclaw.json"), "{}").unwrap();
    assert_eq!(locate(home, &[], None).config_path, home.join(".openclaw/openclaw.json"));
}

#[test]
fn variables_move_state_and_config() {
    let home = Path::new("/h");
    let found = locate(home, &[("OPENCLAW_STATE_DIR", "~/s"), ("OPENCLAW_CONFIG_PATH", "~/c.json")], None);
    assert_eq!((found.state_dir, found.config_path), (PathBuf::from("/h/s"), PathBuf::from("/h/c.json")));
}

#[test]
fn the_profile_flag_moves_the_files_and_the_variable_does_not() {
    let home = Path::new("/h");
    let flag = locate(home, &[], Some("work"));
    assert_eq!(flag.state_dir, Path::new("/h/.openclaw-work"));
    assert_eq!(flag.config_path, Path::new("/h/.openclaw-work/openclaw.json"));
    let variable = locate(home, &[("OPENCLAW_PROFILE", "work")], None);
    assert_eq!(variable.state_dir, Path::new("/h/.openclaw"));
    assert_eq!(variable.profile.as_deref(), Some("work"));
    assert_eq!(flag.port(), variable.port());
    assert_eq!(locate(home, &[], Some("default")).profile, None);
}

#[test]
fn explicit_variables_survive_a_flag_unless_they_belong_to_the_previous_profile() {
    let home = Path::new("/h");
    let kept = locate(home, &[("OPENCLAW_STATE_DIR", "/s")], Some("work"));
    assert_eq!((kept.state_dir, kept.config_path), (PathBuf::from("/s"), PathBuf::from("/s/openclaw.json")));
    let inherited = [
        ("OPENCLAW_PROFILE", "old"),
        ("OPENCLAW_STATE_DIR", "/h/.openclaw-old"),
        ("OPENCLAW_CONFIG_PATH", "/h/.openclaw-old/openclaw.json"),
    ];
    let moved = locate(home, &inherited, Some("work"));
    assert_eq!(moved.config_path, Path::new("/h/.openclaw-work/openclaw.json"));
}

#[test]
fn profile_names_are_checked_at_both_ends() {
    let env = Env::from_pairs([("HOME", "/h")]);
    for good in ["a", "0", "a_b-c", &"a".repeat(64)] {
        assert!(Home::locate(&env, Some(good)).is_ok(), "{good}");
    }
    for bad in ["-a", "_a", "A", "a/b", "a.b", "..", &"a".repeat(65)] {
        assert_eq!(Home::locate(&env, Some(bad)), Err(Error::Profile(bad.to_owned())), "{bad}");
    }
}

#[test]
fn ports_follow_profile_then_environment() {
    let home = Path::new("/h");
    assert_eq!(locate(home, &[], None).port(), 18789);
    // FNV-1a of "a" is 0xe40c292c; 3826002220 % 40000 = 2220.
    assert_eq!(locate(home, &[], Some("a")).port(), 22220);
    let env = |pairs: &[(&str, &str)], profile| {
        locate(home, pairs, profile).env_port(&Env::from_pairs(pairs.iter().copied()))
    };
    assert_eq!(env(&[], None), Ok(None));
    assert_eq!(env(&[], Some("dev")), Ok(Some(19001)));
    assert_eq!(env(&[("OPENCLAW_PROFILE", "dev")], None), Ok(None));
    for (text, port) in [("1", 1), ("65535", 65535), ("127.0.0.1:80", 80), ("[::1]:81", 81)] {
        assert_eq!(env(&[("OPENCLAW_GATEWAY_PORT", text)], None), Ok(Some(port)), "{text}");
    }
    for text in ["0", "65536", "x", "::1", "::1:80", "a:b"] {
        assert!(env(&[("OPENCLAW_GATEWAY_PORT", text)], None).is_err(), "{text}");
    }
}
