//! Conformance of the processes port.
//!
//! Takes an implementation that really runs programs, with a workspace and a real
//! clock. [`all`] runs every check. Fails by panicking; called from the tests of
//! each implementation.
#![expect(clippy::unwrap_used, reason = "a conformance suite fails by panicking")]

use std::time::Duration;

use openclaw_domain::ids::{AgentId, SessionKey};
use openclaw_domain::ports::{Command, Exit, ProcessError, Processes, Snapshot, Spawned};

/// Longer than anything here takes; reached only by a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the whole suite.
pub async fn all(processes: &dyn Processes) {
    output_and_exit_code_are_reported(processes).await;
    both_streams_arrive_in_order(processes).await;
    input_is_closed_unless_there_is_a_terminal(processes).await;
    a_terminal_takes_input(processes).await;
    variables_and_folder_reach_the_program(processes).await;
    the_newest_output_is_kept(processes).await;
    output_is_read_from_an_offset(processes).await;
    the_time_limit_ends_a_program(processes).await;
    killing_ends_a_program(processes).await;
    dropping_the_leash_ends_a_program(processes).await;
    a_released_leash_does_not(processes).await;
    unknown_and_ended_programs_are_told_apart(processes).await;
    a_session_sees_its_own_programs(processes).await;
}

/// Makes a command with ordinary limits for the main session.
pub fn command(script: &str) -> Command {
    Command {
        owner: SessionKey::main_of(&AgentId::main()),
        script: script.to_owned(),
        cwd: None,
        env: Vec::new(),
        pty: false,
        timeout: PATIENCE,
        output_bytes_max: 1024 * 1024,
    }
}

/// Waits until a program has ended.
pub async fn finish(processes: &dyn Processes, id: &str) -> Snapshot {
    let mut offset = 0;
    loop {
        let snapshot = processes.watch(id, offset, PATIENCE).await.unwrap();
        if snapshot.exit.is_some() {
            return processes.watch(id, 0, Duration::ZERO).await.unwrap();
        }
        offset = snapshot.offset;
    }
}

/// Waits until a program has written `text`.
pub async fn wait_for(processes: &dyn Processes, id: &str, text: &str) -> Snapshot {
    let mut offset = 0;
    loop {
        let now = processes.watch(id, 0, Duration::ZERO).await.unwrap();
        if now.output.contains(text) {
            return now;
        }
        assert_eq!(now.exit, None, "ended without {text:?}: {:?}", now.output);
        offset = processes.watch(id, offset.max(now.offset), PATIENCE).await.unwrap().offset;
    }
}

/// Runs a command to its end.
pub async fn run(processes: &dyn Processes, command: Command) -> Snapshot {
    let Spawned { id, leash } = processes.spawn(command).await.unwrap();
    let snapshot = finish(processes, &id).await;
    leash.release();
    snapshot
}

/// The code of the script is the code reported.
pub async fn output_and_exit_code_are_reported(processes: &dyn Processes) {
    let got = run(processes, command("printf hello; exit 3")).await;
    assert_eq!((got.output.as_str(), got.offset, got.is_truncated, got.exit), ("hello", 5, false, Some(Exit::Code(3))));
    let got = run(processes, command("true")).await;
    assert_eq!((got.output.as_str(), got.exit), ("", Some(Exit::Code(0))));
    let got = run(processes, command("no-such-command-here")).await;
    assert_eq!(got.exit, Some(Exit::Code(127)));
    let got = run(processes, command("kill -9 $$")).await;
    assert_eq!(got.exit, Some(Exit::Signal(9)));
}

/// What a program says on both streams is not shuffled.
pub async fn both_streams_arrive_in_order(processes: &dyn Processes) {
    let got = run(processes, command("for i in 1 2 3; do echo o$i; echo e$i >&2; done")).await;
    assert_eq!(got.output, "o1\ne1\no2\ne2\no3\ne3\n");
}

/// A program that reads must not wait for ever.
pub async fn input_is_closed_unless_there_is_a_terminal(processes: &dyn Processes) {
    assert_eq!(run(processes, command("cat; echo end")).await.output, "end\n");
    let Spawned { id, leash: _leash } = processes.spawn(command("sleep 60")).await.unwrap();
    assert!(matches!(processes.input(&id, b"x", false).await, Err(ProcessError::Io(_))));
}

/// A terminal echoes, edits lines and knows the end of input.
pub async fn a_terminal_takes_input(processes: &dyn Processes) {
    let script = "test -t 0 && test -t 1 && test -t 2 && echo ready; stty size; cat; echo over";
    let Spawned { id, leash: _leash } = processes.spawn(Command { pty: true, ..command(script) }).await.unwrap();
    wait_for(processes, &id, "24 80").await;
    processes.input(&id, b"hello\n", false).await.unwrap();
    wait_for(processes, &id, "hello\r\nhello\r\n").await;
    processes.input(&id, b"tail", true).await.unwrap();
    let got = finish(processes, &id).await;
    assert_eq!(got.exit, Some(Exit::Code(0)), "{:?}", got.output);
    assert!(got.output.starts_with("ready") && got.output.ends_with("over\r\n"), "{:?}", got.output);
}

/// A program runs where and with what it was told to.
pub async fn variables_and_folder_reach_the_program(processes: &dyn Processes) {
    let env = vec![("GREETING".to_owned(), "a b; $c".to_owned())];
    let made = run(processes, Command { env, ..command("mkdir -p p5/sub && printf %s \"$GREETING\"") }).await;
    assert_eq!((made.output.as_str(), made.exit), ("a b; $c", Some(Exit::Code(0))));
    let inside = run(processes, Command { cwd: Some("p5/sub".to_owned()), ..command("pwd") }).await;
    assert!(inside.output.ends_with("/p5/sub\n"), "{:?}", inside.output);
    let missing = Command { cwd: Some("p5/none".to_owned()), ..command("pwd") };
    assert!(matches!(processes.spawn(missing).await, Err(ProcessError::BadFolder { .. })));
}

/// Much output does not grow memory, and the end is what matters.
pub async fn the_newest_output_is_kept(processes: &dyn Processes) {
    let script = "i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done";
    let got = run(processes, Command { output_bytes_max: 100, ..command(script) }).await;
    assert!(got.is_truncated && got.output.len() <= 100 && got.output.ends_with("line 999\n"), "{:?}", got.output);
    assert_eq!(got.offset, 8890);
}

/// Reading on from the last offset repeats and loses nothing.
pub async fn output_is_read_from_an_offset(processes: &dyn Processes) {
    let script = "echo one; read line; echo two";
    let Spawned { id, leash: _leash } = processes.spawn(Command { pty: true, ..command(script) }).await.unwrap();
    let first = wait_for(processes, &id, "one\r\n").await;
    let nothing = processes.watch(&id, first.offset, Duration::from_millis(1)).await.unwrap();
    assert_eq!((nothing.output.as_str(), nothing.offset, nothing.exit), ("", first.offset, None));
    processes.input(&id, b"\n", false).await.unwrap();
    finish(processes, &id).await;
    let rest = processes.watch(&id, first.offset, Duration::ZERO).await.unwrap();
    assert!(rest.output.ends_with("two\r\n") && !rest.output.contains("one"), "{:?}", rest.output);
}

/// Time up is told apart from a signal.
pub async fn the_time_limit_ends_a_program(processes: &dyn Processes) {
    let timeout = Duration::from_millis(50);
    let got = run(processes, Command { timeout, ..command("sleep 600 & wait") }).await;
    assert_eq!(got.exit, Some(Exit::TimedOut));
}

/// The answer of `kill` is the program's last state.
pub async fn killing_ends_a_program(processes: &dyn Processes) {
    let Spawned { id, leash } = processes.spawn(command("echo on; sleep 600")).await.unwrap();
    wait_for(processes, &id, "on").await;
    let got = processes.kill(&id).await.unwrap();
    assert_eq!((got.output.as_str(), got.exit), ("on\n", Some(Exit::Signal(15))));
    assert_eq!(processes.kill(&id).await.unwrap(), got);
    leash.release();
}

/// Whoever stops waiting stops the program.
pub async fn dropping_the_leash_ends_a_program(processes: &dyn Processes) {
    let Spawned { id, leash } = processes.spawn(command("sleep 600")).await.unwrap();
    drop(leash);
    assert_eq!(finish(processes, &id).await.exit, Some(Exit::Signal(15)));
}

/// A program that was let go runs on.
pub async fn a_released_leash_does_not(processes: &dyn Processes) {
    let Spawned { id, leash } = processes.spawn(Command { pty: true, ..command("read line; echo on") }).await.unwrap();
    leash.release();
    processes.input(&id, b"\n", false).await.unwrap();
    assert_eq!(finish(processes, &id).await.exit, Some(Exit::Code(0)));
}

/// The error says which it is.
pub async fn unknown_and_ended_programs_are_told_apart(processes: &dyn Processes) {
    let nobody = ProcessError::NoSuchProcess("nobody".to_owned());
    assert_eq!(processes.watch("nobody", 0, Duration::ZERO).await.unwrap_err(), nobody);
    assert_eq!(processes.input("nobody", b"", false).await.unwrap_err(), nobody);
    assert_eq!(processes.kill("nobody").await.unwrap_err(), nobody);
    let Spawned { id, leash: _leash } = processes.spawn(command("true")).await.unwrap();
    finish(processes, &id).await;
    assert_eq!(processes.input(&id, b"x", false).await.unwrap_err(), ProcessError::Ended(id));
}

/// Sessions do not see each other's programs.
pub async fn a_session_sees_its_own_programs(processes: &dyn Processes) {
    let owner: SessionKey = "agent:main:listing".parse().unwrap();
    let Spawned { id, leash: _leash } =
        processes.spawn(Command { owner: owner.clone(), ..command("exit 4") }).await.unwrap();
    finish(processes, &id).await;
    let listed = processes.list(&owner);
    let rows: Vec<_> = listed.iter().map(|row| (row.id.as_str(), row.script.as_str(), row.exit)).collect();
    assert_eq!(rows, [(id.as_str(), "exit 4", Some(Exit::Code(4)))]);
    assert!(processes.list(&"agent:main:elsewhere".parse().unwrap()).is_empty());
}
