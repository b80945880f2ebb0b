use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::origin::Origin;
use openclaw_domain::ports::{Exit, ProcessError};
use openclaw_domain::tool::Progress;
use openclaw_testkit::FakeProcesses;
use openclaw_testkit::processes::Program;
use serde_json::json;

use crate::bench::Bench;

fn programs(answer: impl Fn(&str) -> Program + Send + Sync + 'static) -> Bench {
    let bench = Bench::default();
    let processes = Arc::new(FakeProcesses::new(&bench.clock, move |command| Ok(answer(&command.script))));
    Bench { processes, ..bench }
}

#[tokio::test]
async fn a_command_gives_its_output_and_exit_code() {
    let bench = programs(|script| if script == "true" { Program::ended("", 0) } else { Program::ended("hi\n", 3) });
    let output = bench.call("exec", json!({ "command": "greet" })).await.unwrap();
    assert_eq!(openclaw_domain::message::plain_text(&output.parts), "hi\n[exit code 3]");
    assert_eq!(output.origin, Origin::Tool { tool: "exec".into() });
    assert_eq!((&output.details["status"], &output.details["exitCode"]), (&json!("failed"), &json!(3)));
    assert_eq!(bench.text("exec", json!({ "command": "true" })).await, "(no output)\n[exit code 0]");
    assert_eq!(bench.progress(), [Progress::Output { text: "hi\n".into() }]);
}

#[tokio::test]
async fn the_same_command_with_the_same_result_says_the_same() {
    let bench = programs(|_| Program::ended("x", 0));
    let first = bench.text("exec", json!({ "command": "a" })).await;
    bench.clock.advance(Duration::from_secs(7)).await;
    assert_eq!(bench.text("exec", json!({ "command": "a" })).await, first);
}

#[tokio::test]
async fn arguments_reach_the_command() {
    let bench = Bench::default();
    let arguments =
        json!({ "command": "ls", "workdir": "d", "env": { "A": "1", "N": 2, "OPENCLAW_IDEMPOTENCY_KEY": "mine" },
            "timeoutSeconds": 5, "pty": true });
    bench.text("exec", arguments).await;
    let command = bench.processes.commands().remove(0);
    assert_eq!((command.script.as_str(), command.cwd.as_deref(), command.pty), ("ls", Some("d"), true));
    assert_eq!(command.timeout, Duration::from_secs(5));
    let env: Vec<_> = command.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let own = ["A=1", "N=2", "OPENCLAW_IDEMPOTENCY_KEY=mine", "OPENCLAW_IDEMPOTENCY_KEY=k1"];
    assert_eq!(env, own, "the call's own key comes last, so it is the one that counts");
}

#[tokio::test]
async fn a_timeout_has_a_default_and_a_ceiling() {
    let timeout = async |section, arguments| {
        let bench = Bench { section, ..Bench::default() };
        bench.text("exec", arguments).await;
        bench.processes.commands().remove(0).timeout.as_secs()
    };
    assert_eq!(timeout(json!({}), json!({ "command": "a" })).await, 1800);
    assert_eq!(timeout(json!({ "exec": { "timeoutSeconds": 60 } }), json!({ "command": "a" })).await, 60);
    assert_eq!(timeout(json!({}), json!({ "command": "a", "timeoutSeconds": 0 })).await, 86_400);
    assert_eq!(timeout(json!({}), json!({ "command": "a", "timeoutSeconds": 999_999 })).await, 86_400);
}

#[tokio::test]
async fn a_variable_that_is_no_text_is_refused() {
    let bench = Bench::default();
    let told = bench.refusal("exec", json!({ "command": "ls", "env": { "A": [] } })).await;
    assert_eq!(told, "exec: variable A in `env` must be text");
    assert!(bench.processes.commands().is_empty());
}

#[tokio::test]
async fn unknown_and_empty_arguments_run_nothing() {
    let bench = Bench::default();
    for arguments in [
        json!({ "command": " " }),
        json!({}),
        json!({ "command": "ls", "approved": true }),
        json!({ "command": ["ls"] }),
    ] {
        bench.refusal("exec", arguments).await;
    }
    assert!(bench.processes.commands().is_empty());
}

#[tokio::test]
async fn a_long_command_goes_to_the_background_and_lives_on() {
    let bench = programs(|_| Program::running("begin\n"));
    let call = bench.call("exec", json!({ "command": "serve", "yieldMs": 3000 }));
    let watch = async {
        bench.clock.wait_for_sleepers(1).await;
        bench.clock.advance(Duration::from_secs(3)).await;
    };
    let (output, ()) = tokio::join!(call, watch);
    let output = output.unwrap();
    let text = openclaw_domain::message::plain_text(&output.parts);
    assert!(text.starts_with("begin\n[still running in the background as p0001;"), "{text}");
    assert_eq!(output.details["status"], "running");
    assert!(!bench.processes.is_quiet());
}

#[tokio::test]
async fn background_returns_at_once() {
    let bench = programs(|_| Program::running(""));
    let text = bench.text("exec", json!({ "command": "serve", "background": true })).await;
    assert!(text.contains("as p0001"));
    assert!(!bench.processes.is_quiet());
}

#[tokio::test]
async fn a_dropped_call_kills_its_command() {
    let bench = programs(|_| Program::running(""));
    {
        let call = bench.call("exec", json!({ "command": "serve" }));
        tokio::select! {
            biased;
            _ = call => panic!("the command does not end by itself"),
            () = bench.clock.wait_for_sleepers(1) => {}
        }
    }
    assert!(bench.processes.is_quiet());
}

#[tokio::test]
async fn output_is_streamed_and_only_its_end_is_kept() {
    let bench = programs(|_| Program::running(""));
    let call = bench.text("exec", json!({ "command": "build" }));
    let feed = async {
        bench.clock.wait_for_sleepers(1).await;
        bench.processes.print("p0001", &"x".repeat(50_000));
        tokio::task::yield_now().await;
        bench.processes.print("p0001", "done\n");
        bench.processes.end("p0001", Exit::Code(0));
    };
    let (text, ()) = tokio::join!(call, feed);
    assert!(
        text.starts_with("[17237 earlier bytes left out; process list gives the sessionId, process log shows them]\nx"),
        "{}",
        &text[..80]
    );
    assert!(text.ends_with("xdone\n[exit code 0]"));
    assert!(bench.progress().iter().all(|it| matches!(it, Progress::Output { text } if text.len() <= 16 * 1024)));
}

#[tokio::test]
async fn how_a_command_ended_is_told() {
    for (exit, expected) in [
        (Exit::Signal(9), "ended by signal 9"),
        (Exit::TimedOut, "its time was up and it was killed; raise timeoutSeconds or use background"),
    ] {
        let bench = programs(|_| Program::running(""));
        let call = bench.text("exec", json!({ "command": "a" }));
        let end = async {
            bench.clock.wait_for_sleepers(1).await;
            bench.processes.end("p0001", exit);
        };
        let (text, ()) = tokio::join!(call, end);
        assert_eq!(text, format!("(no output)\n[{expected}]"));
    }
}

#[tokio::test]
async fn a_command_that_cannot_start_tells_why() {
    let bench = Bench::default();
    let answer = |_: &_| Err(ProcessError::BadFolder { path: "nowhere".into(), message: "no such folder".into() });
    let bench = Bench { processes: Arc::new(FakeProcesses::new(&bench.clock, answer)), ..bench };
    assert_eq!(bench.refusal("exec", json!({ "command": "ls" })).await, "cannot run in nowhere: no such folder");
}
