//! `openclaw agent` without a key, without a network, without a gateway.

use crate::home::Home;

#[test]
fn the_first_command_works_on_an_empty_home_and_uses_two_tools() {
    let home = Home::empty();
    let output = home.run(&["agent", "--message", "create notes.txt with hello there, then read notes.txt"]);
    let (answer, activity) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{answer}{activity}");
    assert!(answer.contains("hello there"), "{answer}");
    assert!(answer.contains("not a language model"), "it says what it is: {answer}");
    assert!(activity.contains("2 tools"), "{activity}");
    assert_eq!(std::fs::read_to_string(home.workspace().join("notes.txt")).unwrap().trim(), "hello there");
}

#[test]
fn what_it_was_told_to_remember_survives_the_process() {
    let home = Home::empty();
    assert!(home.run(&["agent", "--message", "remember the door code is 4711"]).status.success());
    let output = home.run(&["agent", "--message", "recall door code"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("4711"), "{output:?}");
}

#[test]
fn it_answers_in_chinese_when_spoken_to_in_chinese() {
    let home = Home::empty();
    let output = home.run(&["agent", "--message", "创建 notes.txt 内容为 你好"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::read_to_string(home.workspace().join("notes.txt")).unwrap().trim(), "你好");
}

#[test]
fn a_command_is_not_run_without_somebody_to_allow_it() {
    let home = Home::empty();
    let output = home.run(&["agent", "--message", "run touch proof.txt"]);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(!home.workspace().join("proof.txt").exists());
}

#[test]
fn a_command_runs_when_the_owner_says_so_in_the_configuration() {
    let home = Home::empty();
    home.write_config(r#"{ tools: { exec: { mode: "full" } } }"#);
    let output = home.run(&["agent", "--message", "run touch proof.txt"]);
    assert!(output.status.success(), "{output:?}");
    assert!(home.workspace().join("proof.txt").exists());
}

#[test]
fn a_file_outside_the_workspace_is_not_read() {
    let home = Home::empty();
    std::fs::write(home.state().parent().unwrap().join("secret.txt"), "outside-canary").unwrap();
    let output = home.run(&["agent", "--message", "read ../../secret.txt"]);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains("outside-canary"), "{said}");
    assert!(said.contains("outside the workspace"), "{said}");
}
