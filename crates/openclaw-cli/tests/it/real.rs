//! The built program, as a person meets it: real processes, a real terminal, a real
//! gateway; only the model is scripted. The program is the one beside these tests, and
//! must not be older than the sources it is made of.

mod ceilings;
mod forms;
mod killed;
mod secrets;
mod terminal;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use openclaw_testkit::Terminal;
use openclaw_testkit::server::{Script, Server};
use serde_json::{Value, json};

/// How long a test waits for a process to get somewhere.
const PATIENCE: Duration = Duration::from_secs(60);

/// The token of a test's gateway.
pub(crate) const TOKEN: &str = "test-token-0123456789abcdef0123456789";

/// Returns the built program.
fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().and_then(Path::parent).unwrap().join("openclaw");
    let built = program.metadata().and_then(|metadata| metadata.modified());
    let built =
        built.unwrap_or_else(|error| panic!("{}: {error}; run: cargo build -p openclaw-app", program.display()));
    let newest = newest(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(built >= newest, "{} is older than its sources; run: cargo build -p openclaw-app", program.display());
    program
}

/// Returns when a source below a folder was last written; tests are no part of the program.
fn newest(folder: &Path) -> SystemTime {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let sources = entries.filter(|path| !path.ends_with("tests.rs"));
    let written = |path: PathBuf| match path.is_dir() {
        true => newest(&path),
        false => path.metadata().unwrap().modified().unwrap(),
    };
    sources.map(written).max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// A scripted model server with a thread of its own.
pub(crate) struct Model {
    server: Server,
    runtime: tokio::runtime::Runtime,
}

impl Model {
    pub(crate) fn start(script: Script) -> Model {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(Server::start(script)).unwrap();
        Model { server, runtime }
    }

    /// Starts where programs look for a model server without being told.
    pub(crate) fn start_where_it_is_found(script: Script) -> Model {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let ports = [1234, 8080, 11434];
        let server = ports.iter().find_map(|port| runtime.block_on(Server::start_bare(*port, script.clone())).ok());
        let server = server.unwrap_or_else(|| panic!("one of the ports {ports:?} must be free for this test"));
        Model { server, runtime }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Waits for something of the server, but not for ever.
    pub(crate) fn wait<T>(&self, what: &str, thing: impl Future<Output = T>) -> T {
        let waited = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, thing).await });
        waited.unwrap_or_else(|_| panic!("waited for {what}"))
    }
}

/// A fresh home.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    pub(crate) port: u16,
    env: Vec<(String, String)>,
}

impl Home {
    /// Makes a home where nothing was ever set up.
    pub(crate) fn empty() -> Home {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        Home { folder: tempfile::tempdir().unwrap(), port, env: Vec::new() }
    }

    /// Makes a home whose model is at `url`; `more` is merged over the root.
    pub(crate) fn with_model(url: &str, more: Value) -> Home {
        let home = Home::empty();
        let mut config = json!({
            "gateway": { "mode": "local", "port": home.port, "auth": { "mode": "token", "token": TOKEN } },
            "agents": { "defaults": { "model": { "primary": "mock/mock-1" }, "skipBootstrap": true } },
            "models": { "mode": "replace", "providers": { "mock": {
                "baseUrl": format!("{url}/v1"), "apiKey": "none", "api": "openai-completions",
                "models": [{ "id": "mock-1", "name": "Mock 1", "contextWindow": 128_000, "maxTokens": 4096 }] } } }
        });
        merge(&mut config, more);
        home.write(".openclaw/openclaw.json", &config.to_string());
        home
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Home {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Returns a command that has nothing of this process but the home.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).env_clear().env("HOME", self.folder.path()).env("PATH", "/usr/bin:/bin");
        command.envs(self.env.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        command.current_dir(self.folder.path());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command at a terminal.
    pub(crate) fn terminal(&self, arguments: &[&str], columns: u16, height: u16) -> Terminal {
        self.terminal_with(arguments, columns, height, &[])
    }

    /// Runs a command at a terminal, with more variables.
    pub(crate) fn terminal_with(
        &self,
        arguments: &[&str],
        columns: u16,
        height: u16,
        env: &[(String, String)],
    ) -> Terminal {
        let mut command = self.command(arguments);
        // Texts are looked for as they are.
        command.env("TERM", "xterm-256color").env("LANG", "C.UTF-8").env("NO_COLOR", "1");
        command.envs(env.iter().map(|(name, value)| (name, value)));
        Terminal::start(&command, columns, height)
    }

    /// Starts a gateway and waits until it is ready.
    pub(crate) fn gateway(&self) -> Gateway {
        let port = self.port.to_string();
        let log = self.path("gateway.out");
        let file = std::fs::File::create(&log).unwrap();
        let mut command = self.command(&["gateway", "run", "--port", &port]);
        let child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        let mut gateway = Gateway { child };
        until("the gateway to be ready", || {
            if let Some(status) = gateway.child.try_wait().unwrap() {
                panic!("the gateway ended with {status}: {}", std::fs::read_to_string(&log).unwrap());
            }
            self.path(".openclaw/gateway.sock").exists() && self.run(&["health", "--json"]).status.success()
        });
        gateway
    }
}

/// A running gateway; killed when dropped.
pub(crate) struct Gateway {
    child: Child,
}

impl Gateway {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Already gone is fine.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut fits: impl FnMut() -> bool) {
    let began = Instant::now();
    while !fits() {
        assert!(began.elapsed() < PATIENCE, "waited for {what}");
        std::thread::yield_now();
    }
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
