//! A gateway on a fresh home with a scripted model server beside it.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// The token of the fresh home.
pub(crate) const TOKEN: &str = "bench-token-0123456789abcdef0123456789";

/// Where the programs are.
#[derive(Clone)]
pub(crate) struct Programs {
    pub(crate) gateway: PathBuf,
    pub(crate) model: PathBuf,
}

/// Two running processes; they end with this value.
pub(crate) struct Rig {
    pub(crate) port: u16,
    pub(crate) model_port: u16,
    /// From starting the process to the first good `/readyz`.
    pub(crate) ready_after: Duration,
    gateway: Process,
    _model: Process,
    home: tempfile::TempDir,
}

/// What the scripted model answers: pieces, and the pause after each.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) deltas: usize,
    pub(crate) pause_ms: u64,
}

/// A process that ends with this value.
pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone is fine.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl Rig {
    /// Starts both and waits until the gateway is ready.
    pub(crate) fn start(programs: &Programs) -> anyhow::Result<Rig> {
        Rig::at_pace(programs, Pace { deltas: 20, pause_ms: 0 })
    }

    /// As [`Rig::start`], with another model.
    pub(crate) fn at_pace(programs: &Programs, pace: Pace) -> anyhow::Result<Rig> {
        let port = free_port()?;
        let home = tempfile::tempdir()?;
        let (model, model_port) = model(programs, pace)?;
        write_config(&home, port, model_port)?;
        let mut command = Command::new(&programs.gateway);
        command
            .args(["gateway", "run", "--port", &port.to_string()])
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", "/usr/bin:/bin");
        let began = Instant::now();
        let gateway = spawn(&mut command).with_context(|| format!("cannot start {}", programs.gateway.display()))?;
        wait_for(port, "/readyz")?;
        Ok(Rig { port, model_port, ready_after: began.elapsed(), gateway, _model: model, home })
    }

    /// Runs a command of the program against this home; returns how long it took.
    pub(crate) fn command(&self, programs: &Programs, arguments: &[&str]) -> anyhow::Result<Duration> {
        let mut command = Command::new(&programs.gateway);
        command.args(arguments).env_clear().env("HOME", self.home.path()).env("PATH", "/usr/bin:/bin");
        let began = Instant::now();
        let mut child = spawn(&mut command)?;
        // Whether it succeeds is for the tests to say; this asks how long it takes.
        child.0.wait()?;
        Ok(began.elapsed())
    }

    /// Returns the process id of the gateway.
    pub(crate) fn gateway_pid(&self) -> u32 {
        self.gateway.0.id()
    }

    /// Returns the state directory of the fresh home.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.home.path().join(".openclaw")
    }

    /// Returns the fresh home.
    pub(crate) fn home(&self) -> &std::path::Path {
        self.home.path()
    }

    /// Returns the processor time the gateway has used, user and system.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Duration> {
        processor_time(self.gateway.0.id())
    }

    /// Returns the processor time of each of the gateway's threads.
    pub(crate) fn thread_times(&self) -> anyhow::Result<ThreadTimes> {
        let mut times = BTreeMap::new();
        for task in std::fs::read_dir(format!("/proc/{}/task", self.gateway.0.id()))? {
            let task = task?;
            // A thread may end while it is looked at; then it has no time to tell.
            let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
            let nanos = read("schedstat").split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0);
            let thread = format!("{} {}", read("comm").trim(), task.file_name().to_string_lossy());
            times.insert(thread, Duration::from_nanos(nanos));
        }
        Ok(ThreadTimes(times))
    }

    /// Returns the gateway's resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.gateway.0.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok(kib * 1024)
    }
}

/// Processor time by thread: name and id.
pub(crate) struct ThreadTimes(BTreeMap<String, Duration>);

impl ThreadTimes {
    /// Returns what was used since an earlier look.
    pub(crate) fn since(&self, earlier: &ThreadTimes) -> ThreadTimes {
        let known = |name: &String| earlier.0.get(name).copied().unwrap_or_default();
        ThreadTimes(self.0.iter().map(|(name, time)| (name.clone(), time.saturating_sub(known(name)))).collect())
    }

    /// Returns the share, in percent, of the threads whose names begin so.
    pub(crate) fn share(&self, prefix: &str) -> f64 {
        let all: Duration = self.0.values().sum();
        let theirs: Duration = self.0.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, time)| *time).sum();
        (1000.0 * theirs.as_secs_f64() / all.as_secs_f64().max(f64::MIN_POSITIVE)).round() / 10.0
    }
}

/// Returns the processor time a process has used, user and system.
pub(crate) fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold spaces; the fields after it do not.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|text| text.parse::<u64>().ok()).context("no processor time");
    // Linux reports these in hundredths of a second on every architecture.
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}

/// Starts a scripted model; returns it with its port.
pub(crate) fn model(programs: &Programs, pace: Pace) -> anyhow::Result<(Process, u16)> {
    let port = free_port()?;
    let (deltas, pause) = (pace.deltas.to_string(), pace.pause_ms.to_string());
    // It takes a quarter of the machine to judge each request as the real services
    // would. The tests let it; here the processor is for the gateway.
    let arguments = ["--port", &port.to_string(), "--deltas", &deltas, "--pause-ms", &pause, "--lenient"];
    let model = spawn(Command::new(&programs.model).args(arguments))
        .with_context(|| format!("cannot start {}", programs.model.display()))?;
    wait_for(port, "/v1/models")?;
    Ok((model, port))
}

fn spawn(command: &mut Command) -> std::io::Result<Process> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(Process)
}

/// Asks until the answer is 200; 10 s at most.
fn wait_for(port: u16, path: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(10) {
        if crate::http::status(port, path).is_ok_and(|status| status == 200) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    bail!("nothing answered {path} on port {port} within 10 s")
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn write_config(home: &tempfile::TempDir, port: u16, model_port: u16) -> anyhow::Result<()> {
    let state = home.path().join(".openclaw");
    let workspace = home.path().join("ws");
    std::fs::create_dir_all(&state)?;
    std::fs::create_dir_all(&workspace)?;
    let config = serde_json::json!({
        "gateway": { "mode": "local", "port": port, "bind": "loopback", "auth": { "mode": "token", "token": TOKEN } },
        "agents": { "defaults": { "model": { "primary": "mock/mock-1" }, "workspace": workspace, "skipBootstrap": true },
            "entries": { "main": {}, "isolated": { "runtime": "thread-bound", "maxConcurrent": 32, "maxDuration": 60 } } },
        "models": { "mode": "replace", "providers": { "mock": {
            "baseUrl": format!("http://127.0.0.1:{model_port}/v1"), "apiKey": "none", "api": "openai-completions",
            "models": [ { "id": "mock-1", "name": "Mock 1", "contextWindow": 128_000, "maxTokens": 4096 } ] } } }
    });
    std::fs::write(state.join("openclaw.json"), config.to_string())?;
    Ok(())
}
