use super::*;
use proptest::prelude::*;
use serde_json::json;

fn path(text: &str) -> KeyPath {
    KeyPath::parse(text).unwrap()
}

#[track_caller]
fn check_set(text: &str, at: &str, value: Value, expected: &str) {
    assert_eq!(set(text, &path(at), &value).unwrap(), expected);
}

#[test]
fn a_value_is_replaced_in_place() {
    check_set("{ port: 1, // chosen for the lab\n}", "port", json!(2), "{ port: 2, // chosen for the lab\n}");
    check_set("{'a': 'x', b: [1, 2 /* two */]}", "b[0]", json!(9), "{'a': 'x', b: [9, 2 /* two */]}");
    check_set("{a: 0x10, b: 1}", "a", json!(16), "{a: 0x10, b: 1}");
    check_set("\u{feff}{a: 1}", "a", json!(2), "\u{feff}{a: 2}");
    check_set("{a: 1, a: 2}", "a", json!(3), "{a: 1, a: 3}");
}

#[test]
fn missing_objects_are_made() {
    check_set("{\n  \"a\": 1\n}\n", "b.c", json!(true), "{\n  \"a\": 1,\n  \"b\": {\n    \"c\": true\n  }\n}\n");
    check_set("{a: null}", "a.b", json!(1), "{a: {\n    \"b\": 1\n  }}");
    assert_eq!(crate::tree::parse(&set("", &path("a.b"), &json!(1)).unwrap()).unwrap(), json!({"a": {"b": 1}}));
    assert_eq!(crate::tree::parse(&set("{}", &path("l[0].x"), &json!(1)).unwrap()).unwrap(), json!({"l": [{"x": 1}]}));
}

#[test]
fn comments_inside_a_replaced_object_survive() {
    let text = "{\n  a: {\n    // first\n    x: 1,\n    // second\n    y: 2,\n  },\n}";
    let after = set(text, &path("a"), &json!({"x": 1, "y": 3, "z": 4})).unwrap();
    assert!(after.contains("// first\n    x: 1") && after.contains("// second\n    y: 3"), "{after}");
    assert_eq!(crate::tree::parse(&after).unwrap(), json!({"a": {"x": 1, "y": 3, "z": 4}}));
}

#[test]
fn references_elsewhere_go_back_unchanged() {
    let text = "{gateway: {auth: {token: '${TOKEN}'}, port: 1}, agents: {defaults: {workspace: '~/w'}}}";
    let after = set(text, &path("gateway.port"), &json!(2)).unwrap();
    assert_eq!(after, text.replace("port: 1", "port: 2"));
}

#[test]
fn values_are_removed() {
    assert_eq!(unset("{a: 1, b: 2}", &path("a")).unwrap(), ("{ b: 2}".to_owned(), true));
    assert!(unset("{a: [1, 2, 3]}", &path("a[1]")).unwrap().1);
    assert_eq!(crate::tree::parse(&unset("{a: [1, 2, 3]}", &path("a[1]")).unwrap().0).unwrap(), json!({"a": [1, 3]}));
    assert_eq!(unset("{a: 1}", &path("b.c")).unwrap(), ("{a: 1}".to_owned(), false));
    assert_eq!(crate::tree::parse(&unset("{a: 1, a: 2}", &path("a")).unwrap().0).unwrap(), json!({}));
}

#[test]
fn typed_values_fit_their_setting() {
    let typed = |at: &str, text: &str| typed_value(&path(at), text);
    assert_eq!(typed("gateway.port", "18790"), json!(18790));
    assert_eq!(typed("gateway.bind", "lan"), json!("lan"));
    assert_eq!(typed("gateway.auth.token", "123456"), json!("123456"));
    assert_eq!(typed("gateway.auth.token", "{source: 'env', id: 'T'}"), json!({"source": "env", "id": "T"}));
    assert_eq!(typed("tools.deny", "['exec']"), json!(["exec"]));
    assert_eq!(typed("gateway.port", "abc"), json!("abc"));
    assert_eq!(typed("plugins.entries.x.config.n", "5"), json!(5));
}

#[test]
fn impossible_edits_say_why() {
    assert!(matches!(set("{a: 5}", &path("a.b"), &json!(1)), Err(Error::NotAnObject { .. })));
    assert!(matches!(set("{a: []}", &path("a[1]"), &json!(1)), Err(Error::OutOfRange { len: 0, .. })));
    assert!(set("{a: []}", &path("a[0]"), &json!(1)).is_ok());
    assert!(matches!(set("{a: {}}", &path("a[0]"), &json!(1)), Err(Error::NotAnObject { .. })));
    assert!(matches!(set("{", &path("a"), &json!(1)), Err(Error::Syntax { line: 1, .. })));
    assert!(matches!(set("[]", &path("a"), &json!(1)), Err(Error::NotAnObject { .. })));
    assert_eq!(set("{}", &KeyPath::root(), &json!(1)), Err(Error::Root));
    let long = Value::from("x".repeat(TEXT_BYTES_MAX));
    assert_eq!(set("{}", &path("a"), &long), Err(Error::TooLong));
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        Just(json!("quotes \" ' \\ \n \t \u{1} \u{7f} é 😀 // not a comment")),
        Just(json!([1, "two", {"three": 3}])),
        Just(json!({"k": {"deep": [true]}})),
        Just(json!({})),
    ]
}

fn edit_path() -> impl Strategy<Value = KeyPath> {
    prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just("c"), Just("weird key.x")], 1..4)
        .prop_map(|keys| keys.iter().fold(KeyPath::root(), |path, key| path.key(key)))
}

const COMMENTED: &str = "// top\n{\n  // above keep\n  keep: 1, // beside keep\n  /* before a */ a: { /* in a */ },\n  b: [1, /* in list */ 2],\n  // at the end\n}\n// last\n";

proptest! {
    #[test]
    fn what_is_set_reads_back(text in Just(COMMENTED), edits in prop::collection::vec((edit_path(), leaf()), 1..8)) {
        let mut text = text.to_owned();
        for (at, value) in edits {
            if let Ok(after) = set(&text, &at, &value) {
                let read = crate::tree::parse(&after).unwrap();
                prop_assert_eq!(crate::load::get(&read, &at), Some(&value), "{}", after);
                text = after;
            }
        }
    }

    #[test]
    fn reconciling_gives_the_target(values in prop::collection::vec(leaf(), 3)) {
        let target = json!({"keep": values[0], "b": values[1], "new": values[2]});
        let after = reconcile(COMMENTED, &target).unwrap();
        prop_assert_eq!(crate::tree::parse(&after).unwrap(), target);
    }

    #[test]
    fn editing_never_panics(text in "[\\[\\]{}:,'\"/*ab0x \\n]{0,40}", at in edit_path(), value in leaf()) {
        drop(set(&text, &at, &value));
        drop(unset(&text, &at));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn comments_survive_a_hundred_edits(edits in prop::collection::vec((0_u8..5, "[x-z]", leaf()), 100)) {
        let mut text = COMMENTED.to_owned();
        for (kind, key, value) in edits {
            let at = match kind {
                0 => path(&key),
                1 => path("keep"),
                2 => path("a").key(&key),
                _ => path(&key).key("deep"),
            };
            let after = if kind == 4 { unset(&text, &at).map(|(text, _)| text) } else { set(&text, &at, &value) };
            if let Ok(after) = after {
                text = after;
            }
        }
        for comment in ["// top", "// above keep", "// beside keep", "/* before a */", "/* in a */", "/* in list */", "// at the end", "// last"] {
            prop_assert!(text.contains(comment), "{comment} is gone from {text}");
        }
        prop_assert!(crate::tree::parse(&text).is_ok());
    }
}
