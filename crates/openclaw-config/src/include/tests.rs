use super::*;
use serde_json::{Value, json};
use std::fs;

/// Writes files, expands the first one and returns its value and the failures.
fn expanded(files: &[(&str, &str)], pairs: &[(&str, &str)]) -> (Value, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let main = dir.path().join(files[0].0);
    let pairs: Vec<(String, String)> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.replace("DIR", &dir.path().display().to_string())))
        .collect();
    let text = files[0].1.replace("DIR", &dir.path().display().to_string());
    let mut root = tree::read(&text, &Arc::from(main.as_path())).unwrap();
    let included = expand(&mut root, &main, &Env::from_pairs(pairs), None);
    let failed = included.failed.iter().map(|(path, issue)| format!("{path}: {}", issue.message)).collect();
    (root.to_value(), failed)
}

fn check(files: &[(&str, &str)], expected: Value) {
    assert_eq!(expanded(files, &[]), (expected, Vec::new()));
}

fn fails(files: &[(&str, &str)], pairs: &[(&str, &str)], part: &str) {
    let (_, failed) = expanded(files, pairs);
    assert!(failed.iter().any(|message| message.contains(part)), "{failed:?}");
}

#[test]
fn objects_merge_deep_scalars_replace_and_lists_join() {
    check(
        &[
            ("c/main", r#"{$include: ["a", "b"], l: ["root"], o: {z: 3}}"#),
            ("c/a", r#"{l: ["a"], s: 1, o: {x: 1, y: 1}}"#),
            ("c/b", r#"{l: ["c", "b"], s: 2, o: {y: 2}}"#),
        ],
        json!({"l": ["a", "c", "b", "root"], "s": 2, "o": {"x": 1, "y": 2, "z": 3}}),
    );
}

#[test]
fn an_include_may_stand_anywhere_and_nest() {
    check(
        &[
            ("c/main", r#"{gateway: {$include: "sub/g"}, list: [{$include: "sub/leaf"}]}"#),
            ("c/sub/g", r#"{port: 5, auth: {$include: "leaf"}}"#),
            ("c/sub/leaf", r#"{token: "t"}"#),
        ],
        json!({"gateway": {"port": 5, "auth": {"token": "t"}}, "list": [{"token": "t"}]}),
    );
    check(&[("c/main", r#"{a: {$include: "v"}}"#), ("c/v", "[1, 2]")], json!({"a": [1, 2]}));
}

#[test]
fn siblings_need_an_object() {
    fails(&[("c/main", r#"{a: {$include: "v", b: 1}}"#), ("c/v", "[1]")], &[], "must hold an object");
}

#[test]
fn the_path_must_stay_below_an_allowed_root() {
    let files: &[(&str, &str)] = &[("c/main", r#"{a: {$include: "../out/v"}}"#), ("out/v", "{x: 1}")];
    fails(files, &[], "outside the folder");
    let (value, failed) = expanded(files, &[("OPENCLAW_INCLUDE_ROOTS", "/nowhere:DIR/out")]);
    assert_eq!((value, failed), (json!({"a": {"x": 1}}), Vec::new()));
    let (value, _) = expanded(&[("c/main", r#"{a: {$include: "DIR/c/v"}}"#), ("c/v", "{x: 1}")], &[]);
    assert_eq!(value, json!({"a": {"x": 1}}));
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_root_is_followed_and_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("c")).unwrap();
    fs::write(dir.path().join("secret"), "{x: 1}").unwrap();
    std::os::unix::fs::symlink(dir.path().join("secret"), dir.path().join("c/v")).unwrap();
    let main = dir.path().join("c/main");
    fs::write(&main, "").unwrap();
    let mut root = tree::read(r#"{a: {$include: "v"}}"#, &Arc::from(main.as_path())).unwrap();
    let included = expand(&mut root, &main, &Env::default(), None);
    assert_eq!(included.failed.len(), 1);
    assert!(included.files.is_empty());
}

#[test]
fn depth_has_a_limit() {
    let chain = |last: usize| -> Vec<(String, String)> {
        (0..=last)
            .map(|level| {
                let text =
                    if level == last { "{end: true}".to_owned() } else { format!("{{$include: 'f{}'}}", level + 1) };
                (format!("c/f{level}"), text)
            })
            .collect()
    };
    let borrow = |files: &[(String, String)]| -> Vec<(&'static str, &'static str)> {
        files.iter().map(|(name, text)| (&*name.clone().leak(), &*text.clone().leak())).collect()
    };
    check(&borrow(&chain(DEPTH_MAX)), json!({"end": true}));
    fails(&borrow(&chain(DEPTH_MAX + 1)), &[], "deeper than 10");
}

#[test]
fn the_place_of_an_include_has_a_depth_limit() {
    let at = |depth: usize| -> &'static str {
        format!("{}{{$include: 'v'}}{}", "{a: ".repeat(depth), "}".repeat(depth)).leak()
    };
    assert_eq!(expanded(&[("c/main", at(PLACE_DEPTH_MAX)), ("c/v", "{}")], &[]).1, Vec::<String>::new());
    fails(&[("c/main", at(PLACE_DEPTH_MAX + 1)), ("c/v", "{}")], &[], "32 objects deep");
}

#[test]
fn a_circle_is_named() {
    fails(&[("c/main", r#"{$include: "a"}"#), ("c/a", r#"{$include: "main"}"#)], &[], "includes itself");
    fails(&[("c/main", r#"{$include: "a"}"#), ("c/a", r#"{$include: "a"}"#)], &[], "includes itself");
}

#[test]
fn a_file_has_a_size_limit() {
    let size = usize::try_from(FILE_BYTES_MAX).unwrap();
    let fits = format!("{{}}{}", " ".repeat(size - 2));
    let dir = tempfile::tempdir().unwrap();
    let main = dir.path().join("main");
    fs::write(&main, "").unwrap();
    for (text, expected) in [(fits.clone(), 0), (fits + " ", 1)] {
        fs::write(dir.path().join("v"), text).unwrap();
        let mut root = tree::read(r#"{a: {$include: "v"}}"#, &Arc::from(main.as_path())).unwrap();
        assert_eq!(expand(&mut root, &main, &Env::default(), None).failed.len(), expected);
    }
}

#[test]
fn a_path_has_a_length_limit_and_no_nul() {
    let long = |length: usize| format!("{{a: {{$include: './{}v'}}}}", "./".repeat((length - 3) / 2));
    let at_limit = long(PATH_BYTES_MAX - 1);
    let fits: &'static str = at_limit.leak();
    check(&[("c/main", fits), ("c/v", "{x: 1}")], json!({"a": {"x": 1}}));
    let over: &'static str = long(PATH_BYTES_MAX + 1).leak();
    fails(&[("c/main", over), ("c/v", "{}")], &[], "4096 bytes or more");
    fails(&[("c/main", r#"{$include: "a\u0000b"}"#)], &[], "without NUL");
}

#[test]
fn the_number_of_files_has_a_limit() {
    let list = |count: usize| format!("{{$include: [{}]}}", vec!["'v'"; count].join(","));
    let fits: &'static str = list(FILES_MAX).leak();
    check(&[("c/main", fits), ("c/v", "{x: 1}")], json!({"x": 1}));
    let over: &'static str = list(FILES_MAX + 1).leak();
    fails(&[("c/main", over), ("c/v", "{x: 1}")], &[], "more than 256");
}

#[test]
fn what_cannot_be_read_is_named_with_its_place() {
    fails(&[("c/main", r#"{a: {$include: "none"}}"#)], &[], "a: $include \"none\" cannot be opened");
    fails(&[("c/main", r#"{a: {$include: 5}}"#)], &[], "must be a path or a list");
    fails(&[("c/main", r#"{a: {$include: [5]}}"#)], &[], "must be a path or a list");
    fails(&[("c/main", r#"{a: {$include: "v"}}"#), ("c/v", "{")], &[], "is not JSON5");
    fails(&[("c/main", r#"{a: {$include: "."}}"#)], &[], "a folder");
}

#[test]
fn siblings_survive_a_failed_include() {
    let (value, failed) = expanded(&[("c/main", r#"{a: {$include: "none", b: 1}, c: 2}"#)], &[]);
    assert_eq!((value, failed.len()), (json!({"a": {"b": 1}, "c": 2}), 1));
}
