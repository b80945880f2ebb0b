//! What holds for every command: JSON, colour, width, prompts, secrets, advice.

use std::collections::BTreeSet;

use openclaw_cli::Exit;
use unicode_width::UnicodeWidthStr as _;

use crate::gateway::healthy;
use crate::world::World;

/// One line of each command that needs no person.
pub(crate) const LINES: &[&str] = &[
    "agent hi",
    "status",
    "status --agents",
    "status --deep",
    "health",
    "doctor",
    "gateway status",
    "gateway probe",
    "gateway call health",
    "sessions list",
    "sessions show main",
    "sessions search hi",
    "sessions archive main",
    "sessions reset main --yes",
    "sessions rm main --yes",
    "logs",
    "models list",
    "models list --all",
    "models probe anthropic/claude-sonnet-4-5",
    "models use anthropic/claude-sonnet-4-5",
    "config get",
    "config get gateway.port",
    "config set gateway.port 18790",
    "config unset gateway.port",
    "config validate",
    "config schema",
    "config explain gateway.port",
    "config file",
    "config diff",
    "approvals list",
    "approvals show p_4Tz",
    "approvals deny p_4Tz",
    "approvals answer q_7Kd happened",
    "devices list",
    "devices approve req-1",
    "devices revoke 3f81 --yes",
    "deliveries list",
    "deliveries show 12",
    "deliveries retry 12 --yes",
    "deliveries discard 12 11",
    "runs list",
    "runs show r_7Kq2xx00",
    "runs resume r_7Kq2xx00",
    "runs cancel r_7Kq2xx00",
    "runs settle r_7Kq2xx00 c2 happened",
    "runs snapshot r_7Kq2xx00",
    "runs diff r_7Kq2xx00 r_8Lm0aa11",
    "replay r_7Kq2xx00",
    "replay r_7Kq2xx00 --model p/n",
    "vars list",
    "vars get city",
    "vars set city Oslo",
    "vars unset city",
    "agents list",
    "message list",
    "cron list",
    "skills list",
    "channels list",
    "nodes list",
    "completion bash",
];

/// Lines that fail in one way or another, whatever runs.
pub(crate) const FAILING: &[&str] = &[
    "staus",
    "status --jso",
    "gateway strat",
    "config get gatway.port",
    "config set gateway.port many",
    "config set gateway.auth.token abc",
    "config set gateway.port",
    "gateway call health --params [",
    "sessions show",
    "sessions show nowhere",
    "sessions rm main",
    "vars get nothing",
    "models use nonsense",
    "agent",
    "chat",
    "onboard --no-input",
    "completion tcsh",
    "status --columns zzz --agents",
    "status --profile NO",
    "status --gateway ftp://x",
    "status --timeout soon",
];

#[test]
fn json_is_one_document_with_the_exit_code_of_the_human_form() {
    for line in LINES.iter().chain(FAILING) {
        for world in [World::healthy, World::new] {
            let human = world().embedding(healthy).run(line);
            let machine = world().embedding(healthy).run(&format!("{line} --json"));
            assert_eq!(human.exit, machine.exit, "{line}: {human:?} {machine:?}");
            let document = machine.json();
            let is_ok = matches!(machine.exit, Exit::Done) || document["ok"] == true;
            assert_eq!(document["ok"], is_ok, "{line}");
            if !is_ok {
                assert!(!document["error"]["code"].as_str().unwrap().is_empty(), "{line}");
                assert!(!document["error"]["message"].as_str().unwrap().is_empty(), "{line}");
            }
        }
    }
}

#[test]
fn every_failure_says_what_and_a_next_command_that_parses() {
    let mut nexts = BTreeSet::new();
    for line in LINES.iter().chain(FAILING) {
        for world in [World::healthy, World::new] {
            let outcome = world().embedding(healthy).run(&format!("{line} --json"));
            let document = outcome.json();
            let list = if document["ok"] == true { &document["next"] } else { &document["error"]["next"] };
            let list = list.as_array().unwrap_or_else(|| panic!("{line}: {document}"));
            assert!(document["ok"] == true || !list.is_empty(), "{line}: {document}");
            nexts.extend(list.iter().map(|next| next.as_str().unwrap().to_owned()));
        }
    }
    assert!(nexts.len() > 8, "{nexts:?}");
    for next in nexts.iter().filter(|next| next.starts_with("openclaw ")) {
        assert_parses(next);
    }
}

/// The command parses: with `--help` at its end it is explained, not refused.
pub(crate) fn assert_parses(command: &str) {
    // Quoted words stand at odd places.
    let quoted = command.split(['"', '\'']).enumerate();
    let words: Vec<&str> = quoted
        .flat_map(|(at, part)| if at % 2 == 1 { vec![part] } else { part.split_whitespace().collect() })
        .skip(1)
        .collect();
    let help: Vec<&str> = words.iter().copied().chain(["--help"]).collect();
    let outcome = World::new().run_words(&help);
    assert_eq!(outcome.exit, Exit::Done, "{command}: {}", outcome.err);
}

#[test]
fn nothing_prompts_when_nobody_is_there() {
    for line in
        ["sessions rm main", "sessions reset main", "devices revoke 3f81", "onboard", "onboard --model anthropic/x"]
    {
        let outcome = World::healthy().embedding(healthy).run(line);
        assert_eq!(outcome.exit, Exit::Usage, "{line}: {outcome:?}");
        assert!(outcome.err.contains("--"), "{line}: {}", outcome.err);
    }
    // A terminal does not help when the person said not to ask.
    let outcome = World::healthy().terminal(80).input("y\n").run("sessions rm main --no-input");
    assert_eq!(outcome.exit, Exit::Usage);
}

#[test]
fn without_colour_no_escape_byte_is_written() {
    let quiet: [fn(World) -> World; 3] = [
        |world| world,
        |world| world.terminal(80).env("NO_COLOR", "1"),
        |world| world.terminal(80).env("TERM", "dumb"),
    ];
    for line in LINES.iter().chain(FAILING).filter(|line| !["chat", "completion bash"].contains(line)) {
        for make in quiet {
            let outcome = make(World::healthy().embedding(healthy)).run(&format!("{line} --no-input"));
            assert!(!outcome.out.contains('\u{1b}') && !outcome.err.contains('\u{1b}'), "{line}: {outcome:?}");
        }
    }
}

#[test]
fn colour_comes_back_when_it_is_asked_for() {
    let outcome = World::healthy().run("status --color always");
    assert!(outcome.out.starts_with("\u{1b}[32mok\u{1b}[0m"), "{:?}", outcome.out);
    // Escape sequences of others are drawn even then.
    let outcome = World::healthy().run("sessions show main --color always");
    assert!(outcome.out.contains("hello \\u{1b}[31mred"), "{:?}", outcome.out);
}

#[test]
fn tables_and_lines_fit_the_terminal() {
    let lines = LINES.iter().filter(|line| !line.starts_with("config get") && !line.starts_with("config schema"));
    for line in lines.filter(|line| !["completion bash", "logs", "gateway call health"].contains(line)) {
        for width in [80, 120, 200] {
            let world = World::healthy().embedding(healthy).terminal(width).env("NO_COLOR", "1");
            let outcome = world.run(&format!("{line} --no-input"));
            for shown in outcome.out.lines().chain(outcome.err.lines()) {
                // A path of this test's own folder may be longer than any terminal.
                let is_path = shown.split_whitespace().any(|word| word.width() + 12 > width || word.contains("/.tmp"));
                assert!(shown.width() <= width || is_path, "{line} at {width}: {shown:?}");
            }
        }
    }
}

#[test]
fn ids_are_not_cut() {
    for width in [80, 120, 200] {
        let world = World::healthy().terminal(width);
        assert!(world.run("sessions list").out.contains("agent:main:main"));
        assert!(world.run("approvals list").out.contains("p_4Tz00000"));
        assert!(world.run("models list").out.contains("anthropic/claude-sonnet-4-5"));
    }
}

#[test]
fn secrets_appear_nowhere() {
    const CANARY: &str = "canary-7f3a9c1e5b";
    for line in LINES.iter().chain(FAILING) {
        let world =
            World::new().embedding(healthy).env("OPENCLAW_GATEWAY_TOKEN", CANARY).env("ANTHROPIC_API_KEY", CANARY);
        for form in ["", " --json", " -v -v"] {
            // Anew each time: a line may have removed the port.
            world.write(
                ".openclaw/openclaw.json",
                &format!(
                    r#"{{ "gateway": {{ "port": 1, "auth": {{ "token": "{CANARY}" }} }},
                    "models": {{ "providers": {{ "x": {{ "baseUrl": "http://h/v1", "apiKey": "{CANARY}" }} }} }} }}"#
                ),
            );
            let outcome = world.run(&format!("{line}{form}"));
            assert!(!outcome.out.contains(CANARY) && !outcome.err.contains(CANARY), "{line}{form}: {outcome:?}");
        }
    }
}

#[test]
fn plain_output_is_for_scripts() {
    let outcome = World::healthy().run("sessions list --plain --columns session,tokens");
    assert_eq!(outcome.out, "agent:main:main\t18.4k\n");
    let empty = World::scripted(|called, params| match called {
        "cron.list" => vec![crate::gateway::Out::Ok(serde_json::json!({"jobs": []}))],
        _ => healthy(called, params),
    });
    assert_eq!(empty.run("cron list --plain").out, "");
    assert_eq!(empty.run("cron list --jsonl").out, "");
    let outcome = World::healthy().run("sessions list --jsonl");
    assert_eq!(outcome.out.lines().count(), 1);
}

#[test]
fn arguments_that_are_not_text_are_a_usage_error() {
    use std::os::unix::ffi::OsStringExt as _;
    let arguments = vec!["openclaw".into(), "agent".into(), std::ffi::OsString::from_vec(vec![0xff, 0xfe])];
    let io = openclaw_cli::Io::given(std::io::sink(), std::io::sink(), std::io::empty(), openclaw_cli::Terminal::NONE);
    let env = openclaw_config::Env::from_pairs([("HOME", "/nonexistent")]);
    let invocation = openclaw_cli::Invocation { arguments, env, io, now: jiff::Timestamp::now };
    assert_eq!(openclaw_cli::run(&invocation, &World::new().backend), Exit::Usage);
}

/// Tells whether a word is a command.
pub(crate) fn is_command(word: &str) -> bool {
    LINES.iter().any(|line| line.split(' ').next() == Some(word)) || ["chat", "onboard"].contains(&word)
}
