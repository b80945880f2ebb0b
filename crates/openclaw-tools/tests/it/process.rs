use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::ports::Exit;
use openclaw_testkit::FakeProcesses;
use openclaw_testkit::processes::Program;
use serde_json::json;

use crate::bench::Bench;

/// A bench with one program running in the background, `p0001`.
async fn running(output: &'static str) -> Bench {
    let bench = Bench::default();
    let processes = Arc::new(FakeProcesses::new(&bench.clock, move |_| Ok(Program::running(output))));
    let bench = Bench { processes, ..bench };
    bench.text("exec", json!({ "command": "serve  --all", "background": true })).await;
    bench
}

#[tokio::test]
async fn the_list_shows_the_programs_of_this_session() {
    assert_eq!(Bench::default().text("process", json!({ "action": "list" })).await, "[no processes in this session]");
    let bench = running("").await;
    assert_eq!(bench.text("process", json!({ "action": "list" })).await, "p0001  running  serve --all\n");
    bench.processes.end("p0001", Exit::Code(2));
    assert_eq!(bench.text("process", json!({ "action": "list" })).await, "p0001  exit code 2  serve --all\n");
}

#[tokio::test]
async fn a_poll_brings_only_what_is_new() {
    let bench = running("one\n").await;
    let poll = json!({ "action": "poll", "sessionId": "p0001", "timeout": 0 });
    assert_eq!(bench.text("process", poll.clone()).await, "one\n[p0001: still running]");
    assert_eq!(bench.text("process", poll.clone()).await, "[p0001: no new output; still running]");
    bench.processes.print("p0001", "two\n");
    bench.processes.end("p0001", Exit::Code(0));
    assert_eq!(bench.text("process", poll.clone()).await, "two\n[p0001: exit code 0]");
}

#[tokio::test]
async fn a_poll_waits_no_longer_than_told() {
    let bench = running("").await;
    let poll = bench.text("process", json!({ "action": "poll", "sessionId": "p0001", "timeout": 7000 }));
    let time = async {
        bench.clock.wait_for_sleepers(1).await;
        bench.clock.advance(Duration::from_secs(7)).await;
    };
    assert_eq!(tokio::join!(poll, time).0, "[p0001: no new output; still running]");
}

#[tokio::test]
async fn the_log_is_paged_by_lines() {
    let bench = running("a\nb\nc\n").await;
    let log = |extra: serde_json::Value| {
        let mut arguments = json!({ "action": "log", "sessionId": "p0001" });
        arguments.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        arguments
    };
    assert_eq!(bench.text("process", log(json!({}))).await, "a\nb\nc\n[p0001: 3 of 3 lines, from line 0]");
    assert_eq!(bench.text("process", log(json!({ "limit": 1 }))).await, "c\n[p0001: 1 of 3 lines, from line 2]");
    assert_eq!(
        bench.text("process", log(json!({ "offset": 1, "limit": 1 }))).await,
        "b\n[p0001: 1 of 3 lines, from line 1, use offset 2 for more]"
    );
}

#[tokio::test]
async fn text_and_keys_reach_the_program() {
    let bench = running("").await;
    bench.text("process", json!({ "action": "write", "sessionId": "p0001", "data": "y" })).await;
    bench.text("process", json!({ "action": "submit", "id": "p0001", "text": "es" })).await;
    bench.text("process", json!({ "action": "send-keys", "sessionId": "p0001", "keys": ["C-c", "enter", "Up"] })).await;
    assert_eq!(bench.processes.input_of("p0001"), b"yes\n\x03\r\x1b[A");
    assert!(
        bench
            .refusal("process", json!({ "action": "send-keys", "sessionId": "p0001", "keys": ["F99"] }))
            .await
            .contains("is not a key")
    );
    assert!(
        bench.refusal("process", json!({ "action": "write", "sessionId": "p0001" })).await.contains("nothing to write")
    );
}

#[tokio::test]
async fn a_kill_ends_the_program() {
    let bench = running("").await;
    assert_eq!(
        bench.text("process", json!({ "action": "kill", "sessionId": "p0001" })).await,
        "ended p0001: ended by signal 15"
    );
    assert!(bench.processes.is_quiet());
}

#[tokio::test]
async fn another_sessions_program_is_like_none_at_all() {
    let bench = running("secret").await;
    let stranger = Bench {
        session: "agent:main:other".parse().unwrap(),
        processes: Arc::clone(&bench.processes),
        ..Bench::default()
    };
    for action in ["poll", "log", "write", "kill"] {
        let told = |id| stranger.refusal("process", json!({ "action": action, "sessionId": id, "data": "x" }));
        let (foreign, missing) = (told("p0001").await, told("p0009").await);
        assert_eq!(foreign.replace("p0001", "p0009"), missing, "{action}");
    }
    assert!(!bench.processes.is_quiet() && bench.processes.input_of("p0001").is_empty());
    assert!(bench.refusal("process", json!({ "action": "poll" })).await.contains("`sessionId` is missing"));
}
