use proptest::prelude::*;
use serde_json::json;

use super::*;

fn rules(exec: &Value) -> (ExecRules, usize) {
    let mut reader = Reader { issues: Vec::new() };
    let rules = read(&mut reader, "tools", exec);
    (rules, reader.issues.len())
}

fn check(exec: &Value, arguments: &Value, expected: Ruling) {
    assert_eq!(rules(exec).0.rule(&arguments.to_string(), false), expected, "{exec} {arguments}");
}

const ASK: Ruling = Ruling::Ask { grants: true, why: "the command is not on the allow list" };

#[test]
fn without_a_setting_a_person_is_asked() {
    check(&json!({}), &json!({ "command": "ls" }), ASK);
}

#[test]
fn each_mode_does_what_its_name_says() {
    let ls = json!({ "command": "ls" });
    check(&json!({ "mode": "deny" }), &ls, Ruling::Never);
    check(&json!({ "mode": "allowlist" }), &ls, Ruling::OnlyGranted);
    check(&json!({ "mode": "ask" }), &ls, ASK);
    check(&json!({ "mode": "auto" }), &ls, ASK);
    check(&json!({ "mode": "full" }), &ls, Ruling::Run);
}

#[test]
fn the_older_pair_is_understood() {
    for (security, ask, mode) in [
        ("full", "off", Mode::Full),
        ("allowlist", "on-miss", Mode::Ask),
        ("allowlist", "off", Mode::Allowlist),
        ("deny", "off", Mode::Deny),
        ("full", "always", Mode::AskAlways),
        ("full", "on-miss", Mode::Ask),
    ] {
        assert_eq!(rules(&json!({ "security": security, "ask": ask })).0.mode(), mode, "{security}/{ask}");
    }
    assert_eq!(rules(&json!({ "ask": "always" })).0.mode(), Mode::AskAlways);
}

#[test]
fn what_is_not_a_mode_denies_and_is_reported() {
    for exec in [
        json!({ "mode": "yolo" }),
        json!({ "mode": 1 }),
        json!({ "security": "none", "ask": "off" }),
        json!({ "ask": 1 }),
    ] {
        let (rules, issues) = rules(&exec);
        assert_eq!((rules.mode(), issues), (Mode::Deny, 1), "{exec}");
    }
}

#[test]
fn a_narrower_scope_goes_over_a_wider_one() {
    let (global, agent) =
        (rules(&json!({ "mode": "full", "strictInlineEval": true })).0, rules(&json!({ "mode": "deny" })).0);
    assert_eq!(agent.or(global.clone()).mode(), Mode::Deny);
    assert_eq!(ExecRules::default().or(global.clone()), global);
}

#[test]
fn a_covered_program_runs_in_allowlist_and_ask_mode() {
    for mode in ["allowlist", "ask"] {
        let exec = json!({ "mode": mode, "safeBins": ["wc"] });
        check(&exec, &json!({ "command": "wc -l" }), Ruling::Run);
        check(&exec, &json!({ "command": "wc -l", "yieldMs": 5, "timeoutSeconds": 9, "workdir": null }), Ruling::Run);
    }
    let exec = json!({ "mode": "ask", "safeBins": ["wc"] });
    for arguments in [
        json!({ "command": "wc -l; rm x" }),
        json!({ "command": "wc -l", "workdir": "/" }),
        json!({ "command": "wc -l", "env": { "A": "1" } }),
        json!({ "command": "wc -l > x" }),
        json!({ "command": "A=1 wc -l" }),
    ] {
        check(&exec, &arguments, ASK);
    }
}

#[test]
fn looking_at_a_program_is_free_and_feeding_it_is_not() {
    let exec = json!({ "mode": "deny" });
    for action in ["list", "poll", "log", "kill"] {
        check(&exec, &json!({ "action": action, "sessionId": "p1" }), Ruling::Run);
        // With a command beside it, it is a command.
        check(&exec, &json!({ "action": action, "command": "rm x" }), Ruling::Never);
        check(&exec, &json!({ "action": action, "command": 7 }), Ruling::Never);
    }
    let asked = Ruling::Ask { grants: true, why: "it writes to a running program" };
    check(&json!({}), &json!({ "action": "write", "sessionId": "p1", "data": "y" }), asked);
    let unreadable = Ruling::Ask { grants: true, why: "its arguments could not be read as a command" };
    check(&json!({}), &json!({ "action": "Poll" }), unreadable);
    check(&json!({}), &json!([1]), unreadable);
}

#[test]
fn the_arguments_of_a_foreign_tool_are_not_interpreted() {
    let (rules, _) = rules(&json!({ "safeBins": ["wc"] }));
    for arguments in [r#"{"action":"list"}"#, r#"{"command":"wc -l"}"#] {
        assert!(matches!(rules.rule(arguments, true), Ruling::Ask { .. }), "{arguments}");
    }
}

#[test]
fn strict_inline_eval_asks_even_in_full_mode() {
    let strict = json!({ "mode": "full", "strictInlineEval": true });
    check(&strict, &json!({ "command": "ls" }), Ruling::Run);
    for arguments in [json!({ "command": "python3 -c 'x'" }), json!({ "action": "write", "data": "x" })] {
        assert!(matches!(rules(&strict).0.rule(&arguments.to_string(), false), Ruling::Ask { grants: false, .. }));
    }
    check(&json!({ "mode": "full" }), &json!({ "command": "python3 -c 'x'" }), Ruling::Run);
}

/// Ways around allow lists that were published or are the obvious next try (T-22 to T-24).
const WAYS_AROUND: &[&str] = &[
    "wc -l /etc/passwd",
    "wc --files0-from=/etc/passwd",
    "wc --fi=/etc/passwd",
    "wc -l -- /etc/passwd",
    "wc -clw",
    "head -n1 /etc/shadow",
    "head --bytes=9 x",
    "head -n 1 -n",
    "tail -f x",
    "tail --follow=name x",
    "tail -n +1 /etc/shadow",
    "cut -d: -f1 /etc/passwd",
    "cut -f 1 --output-delimiter=x",
    "uniq a b",
    "uniq -c in out",
    "tr a b c",
    "sort -o /etc/passwd",
    "sort --compress-prog=sh",
    "sort --comp=sh",
    "sort -T /x",
    "jq -n env",
    "jq -f x",
    "grep -r x /",
    "grep -f /etc/passwd",
    "sed -n 1e",
    "sed s/a/b/e",
    "awk 1",
    "find . -delete",
    "find . -exec sh",
    "xargs wc",
    "tee x",
    "env wc -l",
    "nice wc -l",
    "time wc -l",
    "timeout 5 wc -l",
    "nohup wc -l",
    "sudo wc -l",
    "command wc -l",
    "exec wc -l",
    "builtin wc",
    "busybox wc -l",
    "sh -c wc",
    "bash -lc 'wc -l'",
    "/tmp/wc -l",
    "./wc -l",
    "../bin/wc -l",
    "bin/wc -l",
    "/usr/bin/../../tmp/wc -l",
    "/usr/bin//wc/../x",
    "WC -l",
    "wc -l\nrm x",
    "wc -l;rm x",
    "wc -l&rm x",
    "wc -l|sh",
    "wc -l>x",
    "wc -l<x",
    "wc -l<<E",
    "wc $(rm x)",
    "wc `rm x`",
    "wc ${IFS}x",
    "wc $'\\x41'",
    "wc \"$(rm x)\"",
    "wc \"`x`\"",
    "w\\c -l",
    "wc -l #",
    "wc *",
    "wc ?",
    "wc [a]",
    "wc ~",
    "wc {a,b}",
    "PATH=/tmp wc -l",
    "wc -l\r",
    "wc\u{a0}-l",
    "wc\u{200b} -l",
    "(wc -l)",
    "{ wc -l; }",
    "! wc -l",
    "if wc; then x; fi",
    "wc -l 'a",
    "wc -l \"a",
    "wc -l \\",
    "function wc",
    "alias wc=x",
    "=wc -l",
    "-- wc",
    "wc=1",
    "'wc -l'",
    "\"wc\" -l /etc/passwd",
    "tr -d a /etc/passwd b",
];

#[test]
fn no_known_way_around_the_allow_list_runs_unasked() {
    let exec = json!({ "mode": "ask", "safeBins": ["cut", "head", "tail", "tr", "uniq", "wc"] });
    for line in WAYS_AROUND {
        let ruling = rules(&exec).0.rule(&json!({ "command": line }).to_string(), false);
        assert!(matches!(ruling, Ruling::Ask { .. }), "{line:?}");
    }
}

#[test]
fn wrappers_are_asked_about_at_every_depth() {
    let exec =
        json!({ "mode": "ask", "safeBins": ["wc", "env"], "safeBinProfiles": { "env": { "maxPositional": 99 } } });
    check(&exec, &json!({ "command": "wc -l" }), Ruling::Run);
    for depth in 1..=10 {
        check(&exec, &json!({ "command": format!("{}wc -l", "env ".repeat(depth)) }), ASK);
    }
}

proptest! {
    #[test]
    fn no_command_with_a_shell_operator_runs_unasked(head in "[a-z ]{0,12}", op in "[;&|<>$`()\n*?~#{}!\\\\]", tail in "[a-z ]{0,12}") {
        let (rules, _) = rules(&json!({ "safeBins": ["wc", "head", "tail", "cut", "uniq", "tr"] }));
        let arguments = json!({ "command": format!("wc {head}{op}{tail}x") }).to_string();
        let is_asked = matches!(rules.rule(&arguments, false), Ruling::Ask { .. });
        prop_assert!(is_asked);
    }

    #[test]
    fn no_argument_text_panics(text in ".{0,80}") {
        let _ = rules(&json!({ "safeBins": ["wc"] })).0.rule(&text, false);
    }
}
