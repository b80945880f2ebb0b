use super::*;
use serde_json::json;

fn read(value: Value, config: Value, pairs: &[(&str, &str)]) -> Result<Option<String>, String> {
    let env = Env::from_pairs(pairs.iter().copied());
    let reader = Reader { env: &env, config: &config, expand: &|text| PathBuf::from(text) };
    reader
        .read("a.b", Some(&value))
        .map(|secret| secret.map(|secret| secret.expose().to_owned()))
        .map_err(|error| error.to_string())
}

fn fails(result: Result<Option<String>, String>, part: &str) {
    let message = result.unwrap_err();
    assert!(message.contains(part) && message.contains("a.b"), "{message}");
}

#[test]
fn plain_text_is_a_secret_and_blank_text_is_none() {
    assert_eq!(read(json!(" x "), json!({}), &[]), Ok(Some("x".into())));
    assert_eq!(read(json!("  "), json!({}), &[]), Ok(None));
    assert_eq!(read(json!(null), json!({}), &[]), Ok(None));
    fails(read(json!(5), json!({}), &[]), "expected text");
}

#[test]
fn shorthand_and_object_read_the_environment() {
    for value in [
        json!("$TOKEN"),
        json!("${TOKEN}"),
        json!({"source": "env", "id": "TOKEN"}),
        json!({"source": "env", "provider": "default", "id": "TOKEN"}),
    ] {
        assert_eq!(read(value.clone(), json!({}), &[("TOKEN", "t")]), Ok(Some("t".into())), "{value}");
        fails(read(value, json!({}), &[]), "TOKEN is not set");
    }
    fails(read(json!("prefix ${TOKEN}"), json!({}), &[]), "TOKEN is not set");
}

#[test]
fn a_provider_may_allow_only_some_names() {
    let config = |list: Value| json!({"secrets": {"providers": {"default": {"source": "env", "allowlist": list}}}});
    let value = json!({"source": "env", "id": "TOKEN"});
    assert!(read(value.clone(), config(json!(["TOKEN"])), &[("TOKEN", "t")]).is_ok());
    fails(read(value.clone(), config(json!(["OTHER"])), &[("TOKEN", "t")]), "does not allow TOKEN");
    fails(read(value, config(json!([])), &[("TOKEN", "t")]), "does not allow TOKEN");
}

#[test]
fn an_unknown_provider_is_named() {
    fails(
        read(json!({"source": "env", "provider": "mine", "id": "TOKEN"}), json!({}), &[("TOKEN", "t")]),
        "no env provider named \"mine\"",
    );
    let config = json!({"secrets": {"providers": {"mine": {"source": "file", "path": "/x"}}}});
    fails(
        read(json!({"source": "env", "provider": "mine", "id": "TOKEN"}), config, &[("TOKEN", "t")]),
        "no env provider",
    );
    fails(read(json!({"source": "file", "id": "/x"}), json!({}), &[]), "no file provider named \"default\"");
}

#[test]
fn programs_and_the_store_are_refused_with_the_reason() {
    fails(
        read(json!({"source": "exec", "provider": "p", "id": "x"}), json!({}), &[]),
        "source exec is not available here",
    );
    fails(
        read(json!({"source": "store", "id": "X"}), json!({}), &[("X", "never")]),
        "source store is not available here",
    );
}

#[test]
fn malformed_references_say_what_is_wrong() {
    for (value, part) in [
        (json!({"source": "nope", "id": "X"}), "source must be"),
        (json!({"source": "env"}), "id is missing"),
        (json!({"source": "env", "id": "lower"}), "A-Z 0-9 _"),
        (json!({"source": "env", "id": "X", "provider": "Bad"}), "provider must be"),
        (json!({"source": "env", "id": "X", "extra": 1}), "only source"),
        (json!({"source": "exec", "id": "a/../b"}), "segment"),
        (json!({"source": "file", "id": "x"}), "JSON pointer"),
    ] {
        fails(read(value, json!({}), &[]), part);
    }
}

#[cfg(unix)]
#[test]
fn files_must_be_private_single_and_hold_the_secret() {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.json");
    let config = |extra: Value| {
        let mut entry = json!({"source": "file", "path": path});
        entry.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({"secrets": {"providers": {"p": entry}}})
    };
    let value = |id: &str| json!({"source": "file", "provider": "p", "id": id});
    let chmod = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();

    fails(read(value("/k/v"), config(json!({})), &[]), "s.json");
    fs::write(&path, r#"{"k": {"v": "deep"}}"#).unwrap();
    chmod(0o600);
    assert_eq!(read(value("/k/v"), config(json!({})), &[]), Ok(Some("deep".into())));
    fails(read(value("/none"), config(json!({})), &[]), "holds no text at");
    fails(read(value("/k/v"), config(json!({"maxBytes": 5})), &[]), "more than 5 bytes");
    chmod(0o640);
    fails(read(value("/k/v"), config(json!({})), &[]), "chmod 600");
    chmod(0o600);
    fs::hard_link(&path, dir.path().join("second")).unwrap();
    fails(read(value("/k/v"), config(json!({})), &[]), "hard link");
    fs::remove_file(dir.path().join("second")).unwrap();
    fs::write(&path, "single\n").unwrap();
    assert_eq!(read(value("value"), config(json!({"mode": "singleValue"})), &[]), Ok(Some("single".into())));
    let real = dir.path().join("real");
    fs::rename(&path, &real).unwrap();
    symlink(&real, &path).unwrap();
    fails(read(value("value"), config(json!({"mode": "singleValue"})), &[]), "symbolic link");
}
