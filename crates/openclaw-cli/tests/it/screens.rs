//! How the main screens look.

use openclaw_cli::Exit;

use crate::gateway::healthy;
use crate::world::World;

#[test]
fn status_answers_the_question_first() {
    let outcome = World::healthy().terminal(80).env("NO_COLOR", "1").run("status");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        outcome.out,
        format!(
            "ok working: last activity 38 s ago\n\
             gateway   unix:~/.openclaw/gateway.sock  up 3 d 4 h  {version}  31.0 MB\n\
             model     anthropic/claude-sonnet-4-5  ok\n\
             agents    1  (1 waiting for you, 1 need attention)\n\
             sessions  1\n"
        )
    );
    assert_eq!(outcome.err, "next  openclaw approvals list\n");
}

#[test]
fn status_in_chinese_says_the_same() {
    let outcome = World::healthy().run("status --lang zh");
    assert!(outcome.out.starts_with("ok 工作正常: 最近活动 38 s 前"), "{}", outcome.out);
    let outcome = World::new().env("LANG", "zh_CN.UTF-8").run("status");
    assert!(outcome.err.starts_with("x  网关未运行（127.0.0.1:1 无人监听）"), "{}", outcome.err);
}

#[test]
fn a_gateway_that_is_down_is_one_error_with_one_command() {
    let outcome = World::new().run("status");
    assert_eq!(outcome.exit, Exit::Unreachable);
    assert_eq!(
        outcome.err,
        "x  gateway is not running (nothing listens on 127.0.0.1:1)\n  next   openclaw gateway run\n"
    );
    let world = World::new();
    world.write(".openclaw/openclaw.lock", r#"{"pid": 4121, "startedAt": 1, "port": 18789}"#);
    assert!(world.run("status").err.contains("the last one, pid 4121, is gone"));
}

#[test]
fn sessions_are_a_table() {
    let outcome = World::healthy().terminal(80).env("NO_COLOR", "1").run("sessions list");
    assert_eq!(
        outcome.out,
        "session          title  state      age       model              tokens    cost\n\
         agent:main:main  notes  attention  38 s ago  claude-sonnet-4-5   18.4k  $0.031\n"
    );
}

#[test]
fn logs_are_drawn_and_never_obeyed() {
    let outcome = World::healthy().run("logs");
    assert_eq!(outcome.out, "2026-11-20T14:03:07Z  info   gateway  ready  port=18789\nplain \\u{1b}[2J line\n");
}

#[test]
fn help_and_version_are_for_stdout() {
    let outcome = World::new().run("--version");
    assert_eq!((outcome.exit, outcome.out), (Exit::Done, format!("openclaw {}\n", env!("CARGO_PKG_VERSION"))));
    let outcome = World::new().run("-h");
    assert_eq!(outcome.exit, Exit::Done);
    assert!(outcome.out.starts_with("Examples:\n  openclaw onboard"), "{}", outcome.out);
    assert!(outcome.out.lines().count() <= 48, "{}", outcome.out.lines().count());
    // Bare, without a terminal: the same help, as a usage error.
    assert_eq!(World::new().run("").exit, Exit::Usage);
}

#[test]
fn doctor_lists_the_worst_first_and_mends_what_it_can() {
    use std::os::unix::fs::PermissionsExt as _;
    // The port of the file is none, and the default one may be in use here.
    let world = World::new().env("OPENCLAW_GATEWAY_PORT", "1");
    world.write(".openclaw/openclaw.json", r#"{ "gateway": { "port": "many" } }"#);
    let state = world.path(".openclaw");
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o755)).unwrap();
    let outcome = world.run("doctor");
    assert_eq!(outcome.exit, Exit::Problems);
    let rows: Vec<&str> = outcome.out.lines().skip(1).collect();
    assert!(rows[0].starts_with("x  D010"), "{rows:?}");
    assert!(rows.iter().any(|row| row.starts_with("!  D031") && row.ends_with("--fix")), "{rows:?}");
    let outcome = world.run("doctor --fix");
    assert!(outcome.out.contains("fixed: D031"), "{}", outcome.out);
    assert_eq!(state.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn doctor_is_content_with_a_sound_installation() {
    let outcome = World::healthy().run("doctor");
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert!(outcome.out.starts_with("ok "), "{}", outcome.out);
}

/// What a shell is offered behind these words.
fn completed(world: World, words: &[&str]) -> String {
    let line: Vec<&str> = ["--", "openclaw"].into_iter().chain(words.iter().copied()).collect();
    let outcome = world.env("OPENCLAW_COMPLETE", "fish").run_words(&line);
    assert_eq!((outcome.exit, outcome.err.as_str()), (Exit::Done, ""));
    outcome.out
}

#[test]
fn completion_knows_live_ids_and_is_silent_without_a_gateway() {
    assert!(completed(World::healthy(), &["sessions", "show", ""]).contains("agent:main:main"));
    assert!(completed(World::healthy(), &["models", "use", ""]).contains("anthropic/claude-sonnet-4-5"));
    assert!(completed(World::healthy(), &["runs", "show", ""]).contains("r_7Kq2xx00"));
    assert!(completed(World::healthy(), &["deliveries", "show", ""]).contains("12"));
    assert!(completed(World::new(), &["config", "get", "gateway.po"]).contains("gateway.port"));
    assert!(completed(World::new(), &["sta"]).contains("status"));
    assert_eq!(completed(World::new(), &["sessions", "show", "agent"]), "");
}

#[test]
fn completion_does_not_wait_for_a_gateway_that_does_not_answer() {
    let silent =
        World::scripted(|method, params| if method == "connect" { healthy(method, params) } else { Vec::new() });
    let began = std::time::Instant::now();
    assert_eq!(completed(silent, &["sessions", "show", "agent"]), "");
    // Far below the seconds an ordinary call may take, far above the ceiling here.
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn scripts_of_all_shells_are_printed() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let outcome = World::new().run(&format!("completion {shell}"));
        assert!(outcome.out.contains("OPENCLAW_COMPLETE"), "{shell}: {}", outcome.out);
    }
}

#[test]
fn a_model_that_answers_is_measured() {
    let outcome = World::new().embedding(healthy).run("models probe anthropic/claude-sonnet-4-5 --json");
    assert_eq!(outcome.json()["data"]["models"][0]["ok"], true, "{outcome:?}");
}

#[test]
fn help_speaks_the_language_that_was_asked_for() {
    let outcome = World::new().run("--lang zh --help");
    assert!(outcome.out.contains("命令:") && outcome.out.contains("交给智能体一项任务"), "{}", outcome.out);
    let outcome = World::new().env("LANG", "zh_CN.UTF-8").run("gateway --help");
    assert!(outcome.out.contains("在后台启动"), "{}", outcome.out);
}

#[test]
fn a_bare_call_at_a_terminal_sets_up_what_was_never_set_up() {
    let world = World::new();
    std::fs::remove_file(world.path(".openclaw/openclaw.json")).unwrap();
    let world = world.terminal(80).env("NO_COLOR", "1");
    let outcome = world.run("");
    assert_eq!(outcome.exit, Exit::Interrupted, "{outcome:?}");
    assert!(outcome.err.contains("1 of 3  Model"), "{}", outcome.err);
    // Leaving at the first question keeps the door open.
    assert!(outcome.err.contains("go on with: openclaw onboard"), "{}", outcome.err);
}

#[test]
fn following_the_log_ends_when_nobody_reads_it() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _bytes: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let world = World::healthy();
    let io = openclaw_cli::Io::given(Closed, std::io::sink(), std::io::empty(), openclaw_cli::Terminal::NONE);
    let env = openclaw_config::Env::from_pairs([("HOME", world.path("").display().to_string())]);
    let arguments = ["openclaw", "logs", "-f"].map(Into::into).into();
    let invocation = openclaw_cli::Invocation { arguments, env, io, now: jiff::Timestamp::now };
    assert_eq!(openclaw_cli::run(&invocation, &world.backend), Exit::Done);
}
