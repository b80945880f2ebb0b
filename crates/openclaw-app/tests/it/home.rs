//! A home directory of its own, and the program run in it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a test waits for a process to get somewhere.
const PATIENCE: Duration = Duration::from_secs(30);

/// The token of a test's gateway.
pub(crate) const TOKEN: &str = "test-token-0123456789abcdef0123456789";

/// A fresh home.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Home {
    /// Makes a home without a configuration.
    pub(crate) fn empty() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { folder: tempfile::tempdir().unwrap(), port }
    }

    /// Makes a home whose model is at `url`; `more` is merged over the root.
    pub(crate) fn with_model(url: &str, more: &Value) -> Self {
        let home = Self::empty();
        let mut config = json!({
            "gateway": { "mode": "local", "port": home.port, "auth": { "mode": "token", "token": TOKEN } },
            "agents": { "defaults": { "model": { "primary": "mock/mock-1" }, "skipBootstrap": true } },
            "models": { "mode": "replace", "providers": { "mock": {
                "baseUrl": format!("{url}/v1"), "apiKey": "none", "api": "openai-completions",
                "models": [{ "id": "mock-1", "name": "Mock 1", "contextWindow": 128_000, "maxTokens": 4096 }] } } }
        });
        merge(&mut config, more);
        home.write_config(&config.to_string());
        home
    }

    /// Replaces the configuration file.
    pub(crate) fn write_config(&self, text: &str) {
        std::fs::create_dir_all(self.state()).unwrap();
        std::fs::write(self.state().join("openclaw.json"), text).unwrap();
    }

    /// Returns the state directory.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join(".openclaw")
    }

    /// Returns the workspace of the main agent.
    pub(crate) fn workspace(&self) -> PathBuf {
        self.state().join("workspace")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openclaw"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null());
        command.current_dir(self.folder.path());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed with one JSON document; returns it.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?} printed {text:?}: {error}"))
    }

    /// Starts a gateway and waits until it is ready.
    pub(crate) fn gateway(&self) -> Gateway {
        let port = self.port.to_string();
        let log = std::fs::File::create(self.folder.path().join("gateway.out")).unwrap();
        let mut command = self.command(&["gateway", "run", "--port", &port]);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut gateway = Gateway { child, port: self.port, log: self.folder.path().join("gateway.out") };
        gateway.wait_until_ready();
        gateway
    }
}

/// A running gateway; killed when dropped.
pub(crate) struct Gateway {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Gateway {
    fn wait_until_ready(&mut self) {
        let began = Instant::now();
        while http_status(self.port, "/readyz") != Some(200) {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the gateway ended with {status}: {}", std::fs::read_to_string(&self.log).unwrap());
            }
            assert!(began.elapsed() < PATIENCE, "the gateway did not get ready");
            std::thread::yield_now();
        }
    }

    /// Returns its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns what it wrote to the terminal.
    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Kills it with SIGKILL and reaps it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop and waits; returns whether it ended well.
    pub(crate) fn stop(mut self) -> bool {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().success()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Already gone is fine.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Returns the status of a GET, `None` when nobody answers.
pub(crate) fn http_status(port: u16, path: &str) -> Option<u16> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").as_bytes()).ok()?;
    let mut head = String::new();
    stream.take(64).read_to_string(&mut head).ok()?;
    head.split_whitespace().nth(1)?.parse().ok()
}

/// Waits until something holds.
pub(crate) fn until(what: &str, fits: impl Fn() -> bool) {
    let began = Instant::now();
    while !fits() {
        assert!(began.elapsed() < PATIENCE, "waited for {what}");
        std::thread::yield_now();
    }
}

/// Returns the mode bits of a file.
pub(crate) fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o777
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}
