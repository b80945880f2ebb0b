//! The conversation in a terminal, with a real gateway.

use std::time::Duration;

use openclaw_testkit::latch::Latch;
use openclaw_testkit::server::{Lint, Reply, Script};
use serde_json::{Value, json};

use super::{Home, Model, until};
use openclaw_testkit::Terminal;

/// Tokens of the long answer, and the pause after each.
const TOKENS: usize = 600;
const PAUSE: Duration = Duration::from_millis(5);

fn chat(home: &Home) -> Terminal {
    let mut chat = home.terminal(&["chat"], 100, 30);
    chat.wait("connected to gateway");
    chat
}

/// Ends every frame.
const FRAME: &str = "\x1b[?2026l";

#[test]
fn keys_are_drawn_while_an_answer_streams_and_frames_stay_few_and_small() {
    let model = Model::start(Script::answering(|_| Reply::tokens(TOKENS, PAUSE)));
    let home = Home::with_model(&model.url(), json!({}));
    let _gateway = home.gateway();
    let mut chat = chat(&home);
    chat.send("go\r");
    chat.wait("tok0 ");
    let before = chat.all().len();
    let began = std::time::Instant::now();
    for key in "абвгдежзийклмноп".chars() {
        chat.send(&key.to_string());
        let shown = chat.wait(&key.to_string());
        assert!(!shown.contains(&format!("tok{} ", TOKENS - 1)), "the answer ended before the key was drawn");
    }
    chat.wait(&format!("tok{}", TOKENS - 1));
    let (took, all) = (began.elapsed(), chat.all());
    let stream = &all[before..];
    // At most 30 frames a second, one for each key, and some at the end.
    let frames = stream.matches(FRAME).count();
    let frames_max = usize::try_from(took.as_millis()).unwrap() / 33 + 16 + 8;
    assert!(frames <= frames_max, "{frames} frames in {took:?}");
    // What is written does not grow with what was said before.
    let largest = stream.split(FRAME).map(str::len).max().unwrap();
    assert!(largest < 4_000 && stream.len() < TOKENS * 300, "{largest} of {}", stream.len());
}

#[test]
fn a_question_answered_by_another_client_closes_before_anything_else_happens() {
    let door = Latch::new();
    let its = door.clone();
    let model = Model::start(Script::answering(move |heard| match heard.results.is_empty() {
        true => Reply::new().call("exec", &json!({"command": "touch proof.txt"})),
        false => Reply::new().hold(&its).text("so be it"),
    }));
    let home = Home::with_model(&model.url(), json!({}));
    let _gateway = home.gateway();
    let (mut first, mut second) = (chat(&home), chat(&home));
    first.send("make the file\r");
    for terminal in [&mut first, &mut second] {
        terminal.wait("NEEDS YOU");
        terminal.wait("touch proof.txt");
    }
    let listed = home.run(&["approvals", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let id = listed["data"]["approvals"][0]["id"].as_str().unwrap().to_owned();
    assert!(home.run(&["approvals", "deny", &id]).status.success());
    // The model says nothing yet: only the answer itself can have closed the question.
    for terminal in [&mut first, &mut second] {
        let shown = terminal.wait("denied by");
        assert!(!shown.contains("so be it"), "{shown}");
    }
    model.wait("the model to be told", door.reached());
    door.open();
    first.wait("so be it");
    assert!(!home.path(".openclaw/workspace/proof.txt").exists());
    // The call stands there as denied: neither as done nor as failed.
    let shown = first.all();
    assert!(!shown.contains("failed") && !shown.contains("ok"), "{shown}");
}

#[test]
fn a_question_of_agent_closes_when_another_client_answers_it_and_the_next_is_answered_here() {
    let door = Latch::new();
    let its = door.clone();
    let turns = std::sync::atomic::AtomicUsize::new(0);
    let model =
        Model::start(Script::answering(move |_| match turns.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Reply::new().call("exec", &json!({"command": "touch first.txt"})),
            1 => Reply::new().hold(&its).call("exec", &json!({"command": "touch second.txt"})),
            _ => Reply::say("so be it"),
        }));
    let home = Home::with_model(&model.url(), json!({}));
    let _gateway = home.gateway();
    let mut agent = home.terminal(&["agent", "make the files"], 100, 30);
    agent.wait("touch first.txt");
    agent.wait("Allow? ");
    let listed = home.run(&["approvals", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let id = listed["data"]["approvals"][0]["id"].as_str().unwrap().to_owned();
    assert!(home.run(&["approvals", "deny", &id]).status.success());
    // The model says nothing yet: only the answer itself can have closed the question.
    agent.wait("denied  (answered elsewhere");
    let call = agent.wait("touch first.txt");
    assert!(call.contains("x exec"), "{call:?}");
    model.wait("the model to be told", door.reached());
    door.open();
    agent.wait("touch second.txt");
    agent.wait("Allow? ");
    agent.send("d\n");
    agent.wait("denied");
    agent.wait("so be it");
    let (status, shown) = agent.end();
    assert!(status.success() && !shown.contains("failed"), "{shown}");
    let is_there = |name: &str| home.path(&format!(".openclaw/workspace/{name}.txt")).exists();
    assert!(!is_there("first") && !is_there("second"));
}

#[test]
fn a_model_server_that_is_found_makes_it_three_questions() {
    // A server on this machine wants no key.
    let script = Script::answering(|_| Reply::say("Hello, I am ready to work.")).lint(Lint::off());
    let model = Model::start_where_it_is_found(script);
    let home = Home::empty();
    let mut terminal = home.terminal(&["onboard"], 100, 40);
    let shown = terminal.wait("Choose [1]: ");
    let address = model.url().trim_start_matches("http://").to_owned();
    let option = shown.lines().find(|line| line.contains(&address) && line.contains("found"));
    let option = option.unwrap_or_else(|| panic!("{address} is not among {shown}"));
    let number = option.split_whitespace().find(|word| word.parse::<u8>().is_ok()).unwrap().to_owned();
    terminal.send(&format!("{number}\n"));
    terminal.wait("Folder [");
    terminal.send(&format!("{}\n", home.path("work").display()));
    terminal.wait("Choose [1]: ");
    terminal.send("\n");
    terminal.wait("Hello, I am ready to work.");
    terminal.wait("ok ready: ");
    let all = terminal.all();
    // The three that were answered, and no other.
    let asked = |prompt: &str| all.matches(prompt).count();
    assert_eq!((asked("Choose [1]: "), asked("Folder ["), asked("(hidden)"), asked("base URL")), (2, 1, 0, 0), "{all}");
}

#[test]
fn an_editor_that_is_open_ends_with_the_conversation() {
    let model = Model::start(Script::default());
    let home = Home::with_model(&model.url(), json!({}));
    home.write("stay.sh", "echo $$ > \"$HOME/editor\"; read line < /dev/tty\n");
    let _gateway = home.gateway();
    let editor = ("EDITOR".to_owned(), format!("/bin/sh {}", home.path("stay.sh").display()));
    let mut chat = home.terminal_with(&["chat"], 100, 30, &[editor]);
    chat.wait("connected to gateway");
    chat.send("\x1b[200~words typed\x1b[201~");
    chat.wait("words typed");
    chat.send("\u{7}");
    let pid = || std::fs::read_to_string(home.path("editor")).unwrap_or_default().trim().to_owned();
    until("the editor to be open", || !pid().is_empty());
    let process = std::path::Path::new("/proc").join(pid());
    assert!(process.exists());
    chat.terminate();
    let (_, shown) = chat.end();
    until("the editor to end", || !process.exists());
    assert!(!shown.contains("not edited"), "{shown}");
    // What was typed is there again.
    let mut chat = home.terminal(&["chat"], 100, 30);
    chat.wait("words typed");
}

#[test]
fn from_the_last_answer_of_onboarding_to_the_first_reply_is_less_than_a_minute() {
    let model = Model::start(Script::answering(|_| Reply::say("Hello, I am ready to work.")));
    let home = Home::empty();
    let mut terminal = home.terminal(&["onboard"], 100, 40);
    let shown = terminal.wait("Choose [1]: ");
    let option = shown.lines().find(|line| line.contains("other OpenAI-style URL")).unwrap();
    let number = option.split_whitespace().find(|word| word.parse::<u8>().is_ok()).unwrap().to_owned();
    let folder = home.path("work").display().to_string();
    let answers = [
        (number, "base URL"),
        (format!("{}/v1", model.url()), "model name at that server: "),
        ("mock-1".to_owned(), "key for that server (hidden): "),
        ("none".to_owned(), "Folder ["),
        (folder, "Choose [1]: "),
    ];
    for (answer, next) in answers {
        terminal.send(&format!("{answer}\n"));
        terminal.wait(next);
    }
    let began = std::time::Instant::now();
    terminal.send("\n");
    terminal.wait("Hello, I am ready to work.");
    let took = began.elapsed();
    terminal.wait("ok ready: custom/mock-1 replied");
    println!("from the last answer to the reply: {took:?}");
    assert!(took < Duration::from_secs(60), "{took:?}");
}

#[test]
fn the_line_is_edited_in_the_persons_own_editor() {
    let model = Model::start(Script::default());
    let home = Home::with_model(&model.url(), json!({}));
    home.write(
        "edit.sh",
        "test -t 0 && test -t 1 && printf ', edited' >> \"$1\"; stat -c %a \"$1\" > \"$HOME/mode\"\n",
    );
    home.write("fail.sh", "printf 'spoiled' > \"$1\"; exit 3\n");
    let _gateway = home.gateway();
    let script = |name: &str| format!("/bin/sh {}", home.path(name).display());
    let with = |editor: Option<String>| {
        let env: Vec<_> = editor.map(|editor| ("EDITOR".to_owned(), editor)).into_iter().collect();
        let mut chat = home.terminal_with(&["chat"], 100, 30, &env);
        chat.wait("connected to gateway");
        chat.send("\x1b[200~words typed\x1b[201~");
        chat.wait("words typed");
        chat.send("\u{7}");
        chat
    };
    let mut edited = with(Some(script("edit.sh")));
    edited.wait("words typed, edited");
    assert_eq!(home.read("mode").trim(), "600");
    let left: Vec<_> =
        std::fs::read_dir(home.path(".openclaw/tui")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("message-")), "{left:?}");
    // Keys are read again.
    edited.send("!\r");
    edited.wait("words typed, edited!");
    edited.wait("tok19");
    let mut failed = with(Some(script("fail.sh")));
    failed.wait("not edited, the line is as it was");
    failed.wait("words typed");
    with(None).wait("no editor is named: set VISUAL or EDITOR");
}
