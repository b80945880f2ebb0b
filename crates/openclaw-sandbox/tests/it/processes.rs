//! Programs start clean and end together.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::ids::{AgentId, SessionKey};
use openclaw_domain::ports::{Clock, Command, Exit, ProcessError, Processes as _, Snapshot, Spawned};
use openclaw_sandbox::files::Workspace;
use openclaw_sandbox::process::{Native, Options};
use openclaw_testkit::FakeClock;
use openclaw_testkit::contract::processes::{self as contract, command};

use crate::clock::Running;

/// Longer than anything here takes; reached only by a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for what must happen; that it does not is a failure, not a hang.
async fn within<T>(expected: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| panic!("{expected}: this did not happen within {PATIENCE:?}"))
}

/// Waits for the end of a process that nothing reports on.
async fn gone(pid: &str) {
    let ended = async {
        while is_running(pid) {
            tokio::task::yield_now().await;
        }
    };
    within(&format!("process {pid} ends"), ended).await;
}

async fn run(native: &Native, command: Command) -> Snapshot {
    within("the program runs to its end", contract::run(native, command)).await
}

async fn finish(native: &Native, id: &str) -> Snapshot {
    within("the program ends", contract::finish(native, id)).await
}

async fn wait_for(native: &Native, id: &str, text: &str) -> Snapshot {
    within(&format!("the program writes {text:?}"), contract::wait_for(native, id, text)).await
}

struct Scene {
    folder: tempfile::TempDir,
    native: Native,
}

impl Scene {
    fn new() -> Self {
        Self::with(Arc::new(Running::new()), |_| {})
    }

    fn with(clock: Arc<dyn Clock>, adjust: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Arc::new(Workspace::open(folder.path().join("ws")).unwrap());
        let mut options = Options::new(Arc::new(move |_| Ok(Arc::clone(&workspace))), clock);
        adjust(&mut options);
        Self { folder, native: Native::new(options) }
    }

    async fn output(&self, script: &str) -> String {
        run(&self.native, command(script)).await.output
    }

    /// Starts a program that goes on after writing `on`.
    async fn started(&self, script: &str) -> Spawned {
        let spawned = self.native.spawn(command(script)).await.unwrap();
        wait_for(&self.native, &spawned.id, "on\n").await;
        spawned
    }

    async fn kill(&self, id: &str) -> Snapshot {
        within("the killed program ends", self.native.kill(id)).await.unwrap()
    }

    /// Reads a process id that a program wrote to a file.
    fn pid(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join("ws").join(name)).unwrap().trim().to_owned()
    }
}

/// Tells whether a process runs; one that waits to be reaped does not.
fn is_running(pid: &str) -> bool {
    state(pid).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Reads the kernel's letter for what a process does.
fn state(pid: &str) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// A script that leaves a daemon of its own session behind, and writes its id to `pid`.
const DAEMON: &str = "(setsid sh -c 'echo $$ > pid.new; mv pid.new pid; exec sleep 600' </dev/null >/dev/null 2>&1 &)
while ! test -e pid; do sleep 0.01; done; echo on";

#[tokio::test]
async fn native_processes_conform_to_the_port() {
    within("the suite ends", contract::all(&Scene::new().native)).await;
}

#[tokio::test]
async fn a_daemon_is_ended_with_its_program() {
    let scene = Scene::new();
    let Spawned { id, leash } = scene.started(&format!("{DAEMON}; sleep 600")).await;
    assert!(is_running(&scene.pid("pid")));
    scene.kill(&id).await;
    assert!(!is_running(&scene.pid("pid")));
    leash.release();
}

#[tokio::test]
async fn a_daemon_that_outlives_its_shell_is_ended_by_its_mark() {
    let scene = Scene::new();
    let got = run(&scene.native, command(DAEMON)).await;
    assert!(!is_running(&scene.pid("pid")));
    let note = "on\n\n[the script left 1 process running, which ended with it; run it in the background to keep it]\n";
    assert_eq!((got.output.as_str(), got.exit), (note, Some(Exit::Code(0))));
}

#[tokio::test]
async fn a_daemon_with_an_emptied_environment_is_ended_while_its_shell_lives() {
    let scene = Scene::new();
    let script = DAEMON.replace("setsid sh", "env -i setsid sh");
    let Spawned { id, leash } = scene.started(&format!("{script}; sleep 600")).await;
    assert!(is_running(&scene.pid("pid")));
    scene.kill(&id).await;
    assert!(!is_running(&scene.pid("pid")));
    leash.release();
}

#[tokio::test]
async fn a_daemon_that_also_ignores_the_request_is_killed() {
    let scene = Scene::new();
    let script = DAEMON.replace("setsid sh -c '", "env -i setsid sh -c 'trap \"\" TERM; ");
    let Spawned { id, leash } = scene.started(&format!("{script}; sleep 600")).await;
    assert!(is_running(&scene.pid("pid")));
    scene.kill(&id).await;
    assert!(!is_running(&scene.pid("pid")));
    leash.release();
}

#[tokio::test]
async fn a_job_of_its_own_group_is_ended_with_the_session() {
    let scene = Scene::new();
    let job = "sleep 600 </dev/null >/dev/null 2>&1 & echo $! > pid";
    let got = run(&scene.native, Command { pty: true, ..command(&format!("env -i /bin/sh -mc '{job}'")) }).await;
    assert!(got.output.contains("the script left 1 process running"), "{:?}", got.output);
    assert!(!is_running(&scene.pid("pid")));
}

#[tokio::test]
async fn what_finishes_soon_after_the_script_is_left_alone() {
    let scene = Scene::new();
    assert_eq!(scene.output("(sleep 0.02; echo late) & echo early").await, "early\nlate\n");
}

#[tokio::test]
async fn dropping_the_leash_ends_children_too() {
    let scene = Scene::new();
    let Spawned { id, leash } = scene.started("sleep 600 & echo $! > pid; echo on; wait").await;
    assert!(is_running(&scene.pid("pid")));
    drop(leash);
    finish(&scene.native, &id).await;
    assert!(!is_running(&scene.pid("pid")));
}

#[tokio::test]
async fn many_children_end_together() {
    let scene = Scene::new();
    let script = "i=0; while [ $i -lt 60 ]; do sleep 600 & echo $! >> pids; i=$((i+1)); done; echo on; wait";
    let Spawned { id, leash: _leash } = scene.started(script).await;
    scene.kill(&id).await;
    let pids = scene.pid("pids");
    assert_eq!(pids.lines().count(), 60);
    assert!(!pids.lines().any(is_running));
}

#[tokio::test]
async fn a_stopped_program_is_woken_to_clean_up() {
    let scene = Scene::new();
    let script = "trap 'echo bye; exit 3' TERM; echo $$ > pid; echo on; kill -STOP $$; sleep 600 & wait";
    let Spawned { id, leash: _leash } = scene.started(script).await;
    let pid = scene.pid("pid");
    let stopped = async {
        while state(&pid) != Some('T') {
            tokio::task::yield_now().await;
        }
    };
    within("the program stops", stopped).await;
    let got = scene.kill(&id).await;
    assert_eq!((got.output.as_str(), got.exit), ("on\nbye\n", Some(Exit::Code(3))));
}

#[tokio::test]
async fn shutdown_ends_everything() {
    let scene = Scene::new();
    let program = scene.started("sleep 600 & echo $! > pid; echo on; wait").await;
    program.leash.release();
    within("all programs end", scene.native.shutdown()).await;
    assert!(!is_running(&scene.pid("pid")));
}

#[tokio::test]
async fn dropping_the_object_ends_everything() {
    let clock = FakeClock::new();
    let scene = Scene::with(Arc::new(clock.clone()), |_| {});
    // A child, a terminal's child, a daemon, one that does not die with the thread
    // that started it, and one that only a kill ends.
    let detached = "exec setpriv --pdeathsig clear sh -c 'echo $$ > detached; echo on; exec sleep 600'";
    let scripts = [
        (false, "sleep 600 & echo $! > child; echo on; wait".to_owned()),
        (true, "sleep 600 & echo $! > typed; echo on; wait".to_owned()),
        (false, format!("{DAEMON}; sleep 600")),
        (false, detached.to_owned()),
        (false, "trap '' TERM; echo $$ > deaf; echo on; while :; do sleep 0.01; done".to_owned()),
    ];
    for (pty, script) in scripts {
        let spawned = scene.native.spawn(Command { pty, ..command(&script) }).await.unwrap();
        wait_for(&scene.native, &spawned.id, "on").await;
        spawned.leash.release();
    }
    let pids = ["child", "typed", "pid", "detached", "deaf"].map(|name| scene.pid(name));
    assert!(pids.iter().all(|pid| is_running(pid)));
    drop(scene.native);
    // Past the grace of the deaf one, and well below the programs' own time limit.
    for _ in 0..500 {
        clock.advance(Duration::from_millis(5)).await;
    }
    for pid in &pids {
        gone(pid).await;
    }
}

#[test]
fn dropping_the_runtime_ends_everything() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let scene = Scene::new();
    let program = runtime.block_on(scene.started("sleep 600 & echo $! > pid; echo on; wait"));
    program.leash.release();
    let pid = scene.pid("pid");
    assert!(is_running(&pid));
    drop(runtime);
    assert!(!is_running(&pid));
}

#[tokio::test]
async fn an_ended_program_is_not_left_as_a_zombie() {
    let scene = Scene::new();
    let pid = scene.output("echo $$").await;
    assert!(!std::path::Path::new("/proc").join(pid.trim()).exists());
}

#[tokio::test]
async fn a_program_that_ignores_the_request_is_killed_after_two_seconds() {
    let clock = FakeClock::new();
    let scene = Scene::with(Arc::new(clock.clone()), |_| {});
    let spawned = scene
        .native
        .spawn(command("trap '' TERM; echo $$ > pid; echo on; while :; do sleep 0.01; done"))
        .await
        .unwrap();
    wait_for(&scene.native, &spawned.id, "on\n").await;
    let before = clock.monotonic();
    let kill = scene.native.kill(&spawned.id);
    tokio::pin!(kill);
    let killed = async {
        loop {
            tokio::select! {
                biased;
                got = &mut kill => return got.unwrap(),
                () = clock.advance(Duration::from_millis(5)) => {}
            }
        }
    };
    let got = within("the killed program ends", killed).await;
    assert_eq!(got.exit, Some(Exit::Signal(9)));
    assert!(!is_running(&scene.pid("pid")));
    assert!(clock.monotonic() - before >= Duration::from_secs(2));
}

#[tokio::test]
async fn the_time_limit_counts_on_the_clock() {
    let clock = FakeClock::new();
    let scene = Scene::with(Arc::new(clock.clone()), |_| {});
    let limited = Command { timeout: Duration::from_secs(10), ..command("echo on; sleep 600") };
    let spawned = scene.native.spawn(limited).await.unwrap();
    wait_for(&scene.native, &spawned.id, "on\n").await;
    clock.advance(Duration::from_millis(9_999)).await;
    assert_eq!(scene.native.watch(&spawned.id, 0, Duration::ZERO).await.unwrap().exit, None);
    let ended = async {
        loop {
            clock.advance(Duration::from_millis(1)).await;
            let got = scene.native.watch(&spawned.id, 0, Duration::ZERO).await.unwrap();
            if got.exit.is_some() {
                return got;
            }
        }
    };
    let got = within("the time limit ends the program", ended).await;
    assert_eq!((got.output.as_str(), got.exit), ("on\n", Some(Exit::TimedOut)));
    assert!(got.took >= Duration::from_secs(10));
}

#[tokio::test]
async fn only_three_descriptors_are_open() {
    let scene = Scene::new();
    let leak = std::fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    let script = "ls -m /proc/$$/fd; true";
    // The control: a plain child does inherit it.
    let plain = std::process::Command::new("/bin/sh").args(["-c", script]).output().unwrap();
    assert_ne!(String::from_utf8(plain.stdout).unwrap(), "0, 1, 2\n");
    assert_eq!(scene.output(script).await, "0, 1, 2\n");
    let in_terminal = run(&scene.native, Command { pty: true, ..command(script) }).await;
    assert_eq!(in_terminal.output, "0, 1, 2\r\n");
}

#[tokio::test]
async fn the_environment_is_clean() {
    let dangerous = [
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "LD_AUDIT",
        "NODE_OPTIONS",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "BASH_ENV",
        "ENV",
        "PERL5LIB",
        "RUBYOPT",
        "GIT_SSH_COMMAND",
        "SSH_AUTH_SOCK",
        "AWS_SECRET_ACCESS_KEY",
        "OPENAI_API_KEY",
        "OPENCLAW_GATEWAY_TOKEN",
        "DBUS_SESSION_BUS_ADDRESS",
        "DOCKER_HOST",
        "IFS",
        "PS4",
        "CANARY",
    ];
    let scene = Scene::with(Arc::new(Running::new()), |options| {
        options.environment = dangerous.iter().map(|&name| (name.to_owned(), "canary".to_owned())).collect();
        options.environment.push(("PATH".to_owned(), "/usr/bin:/bin".to_owned()));
        options.environment.push(("LANG".to_owned(), "C.UTF-8".to_owned()));
    });
    let got = scene.output("env | sort | cut -d= -f1 | tr '\\n' ' '").await;
    // PWD, OLDPWD, SHLVL and _ are the shell's own.
    let names: Vec<&str> =
        got.split_whitespace().filter(|name| !matches!(*name, "PWD" | "OLDPWD" | "SHLVL" | "_")).collect();
    assert_eq!(names, ["LANG", "OPENCLAW_EXEC_ID", "OPENCLAW_SHELL", "PATH"]);
    let refused = Command { env: vec![("LD_PRELOAD".to_owned(), "x".to_owned())], ..command("true") };
    assert!(matches!(scene.native.spawn(refused).await, Err(ProcessError::Io(_))));
}

#[tokio::test]
async fn a_folder_outside_the_workspace_is_refused() {
    let scene = Scene::new();
    std::os::unix::fs::symlink("/", scene.folder.path().join("ws/out")).unwrap();
    for cwd in ["/", "..", "out", "out/tmp", "/proc/self/cwd"] {
        let got = scene.native.spawn(Command { cwd: Some(cwd.to_owned()), ..command("pwd") }).await;
        assert!(matches!(got, Err(ProcessError::BadFolder { .. })), "{cwd}");
    }
    let inside = scene.folder.path().join("ws").to_str().unwrap().to_owned();
    let got = run(&scene.native, Command { cwd: Some(inside.clone()), ..command("pwd") }).await;
    assert_eq!(got.output.trim(), inside);
}

#[tokio::test]
async fn an_unconfined_workspace_may_run_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Arc::new(Workspace::unconfined(folder.path()).unwrap());
    let native = Native::new(Options::new(Arc::new(move |_| Ok(Arc::clone(&workspace))), Arc::new(Running::new())));
    let got = run(&native, Command { cwd: Some("/".to_owned()), ..command("pwd") }).await;
    assert_eq!(got.output, "/\n");
}

#[tokio::test]
async fn the_number_of_programs_is_limited() {
    let scene = Scene::with(Arc::new(Running::new()), |options| options.running_max = 2);
    let first = scene.started("echo on; sleep 600").await;
    let _second = scene.started("echo on; sleep 600").await;
    assert_eq!(scene.native.spawn(command("true")).await.unwrap_err(), ProcessError::TooMany(2));
    scene.kill(&first.id).await;
    // The slot is free a moment after the end was noted.
    let freed = async {
        loop {
            match scene.native.spawn(command("true")).await {
                Err(ProcessError::TooMany(_)) => tokio::task::yield_now().await,
                other => return other.unwrap(),
            }
        }
    };
    let third = within("the slot is freed", freed).await;
    finish(&scene.native, &third.id).await;
}

#[tokio::test]
async fn ended_programs_are_forgotten_by_number_and_by_age() {
    let clock = FakeClock::new();
    let scene = Scene::with(Arc::new(clock.clone()), |options| {
        options.ended_max = 2;
        options.ended_age_max = Duration::from_secs(60);
    });
    let owner = SessionKey::main_of(&AgentId::main());
    for number in 0..3 {
        run(&scene.native, command(&format!("exit {number}"))).await;
    }
    let listed: Vec<String> = scene.native.list(&owner).into_iter().map(|row| row.script).collect();
    assert_eq!(listed, ["exit 1", "exit 2"]);
    clock.advance(Duration::from_secs(60)).await;
    assert_eq!(scene.native.list(&owner).len(), 2);
    clock.advance(Duration::from_millis(1)).await;
    assert_eq!(scene.native.list(&owner), []);
}

#[tokio::test]
async fn endless_output_is_bounded_and_ended() {
    let scene = Scene::new();
    let Spawned { id, leash: _leash } =
        scene.native.spawn(Command { output_bytes_max: 1000, ..command("yes 0123456789") }).await.unwrap();
    let read = async {
        let mut offset = 0;
        while offset < 1_000_000 {
            let got = scene.native.watch(&id, offset, PATIENCE).await.unwrap();
            assert!(got.output.len() <= 1000);
            offset = got.offset;
        }
    };
    within("a megabyte is written", read).await;
    assert_eq!(scene.kill(&id).await.exit, Some(Exit::Signal(15)));
}

#[tokio::test]
async fn characters_split_over_writes_arrive_whole() {
    let scene = Scene::new();
    let script = "printf '\\342\\202'; sleep 0.05; printf '\\254 \\377'";
    let Spawned { id, leash: _leash } = scene.native.spawn(command(script)).await.unwrap();
    let read = async {
        let (mut text, mut offset) = (String::new(), 0);
        loop {
            let got = scene.native.watch(&id, offset, PATIENCE).await.unwrap();
            text.push_str(&got.output);
            offset = got.offset;
            if got.exit.is_some() {
                return text;
            }
        }
    };
    let text = within("the program ends", read).await;
    assert_eq!(text, "\u{20ac} \u{fffd}");
}

#[tokio::test]
async fn scripts_that_cannot_be_passed_are_refused() {
    let scene = Scene::new();
    assert!(matches!(scene.native.spawn(command("a\0b")).await, Err(ProcessError::Io(_))));
    let fits = format!(": {}", "x".repeat(128 * 1024 - 3));
    assert_eq!(run(&scene.native, command(&fits)).await.exit, Some(Exit::Code(0)));
    assert!(matches!(scene.native.spawn(command(&format!("{fits}x"))).await, Err(ProcessError::Io(_))));
}

#[tokio::test]
async fn a_spawn_that_nobody_waits_for_leaves_nothing_running() {
    let scene = Scene::new();
    for patience in 0..40 {
        let mut spawn = Box::pin(scene.native.spawn(command("echo $$ >> pids; exec sleep 600")));
        // Given up at many points on the way, some before and some after the start.
        for _ in 0..patience * 25 {
            if futures_util::poll!(&mut spawn).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(spawn);
    }
    // Programs are started one after the other: those before are started and gone.
    run(&scene.native, command("true")).await;
    within("all programs end", scene.native.shutdown()).await;
    let pids = std::fs::read_to_string(scene.folder.path().join("ws/pids")).unwrap_or_default();
    assert!(!pids.lines().any(is_running), "{pids}");
}
