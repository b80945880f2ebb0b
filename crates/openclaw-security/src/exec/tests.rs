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
