//! A home directory of its own, and the gateway run in it.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use openclaw_client::{Client, ConnectOptions, Endpoint, Introduction, Link};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

/// Where instances have their folders, below the state directory.
pub(crate) const SCRATCH: &str = "scratch";

/// Homes of one program ask for ports one after the other.
static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

/// How long a gateway may take to answer.
const READY_MAX: Duration = Duration::from_secs(20);

/// A home directory; removed when dropped, unless it is kept.
pub struct Home {
    folder: tempfile::TempDir,
    binary: PathBuf,
}

/// What a start of the gateway is to do besides serving.
#[derive(Debug, Clone, Default)]
pub struct Fate {
    /// Where it ends itself: `<site>/<moment>:<nth>`.
    pub crash_at: Option<String>,
    /// Where it notes the sites it reaches.
    pub trace: Option<PathBuf>,
}

impl Home {
    /// Makes a home below `parent` whose model is at `model`; `more` is merged over the configuration.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn make(parent: &Path, binary: &Path, model: &str, more: &Value) -> anyhow::Result<Self> {
        // Short, because the path of a Unix socket must be.
        let folder = tempfile::Builder::new().prefix("oc").rand_bytes(6).tempdir_in(parent)?;
        let home = Self { folder, binary: binary.to_owned() };
        let mut config = json!({
            "gateway": { "mode": "local", "port": free_port()?, "auth": { "mode": "token", "token": "chaos-0123456789abcdef0123456789" } },
            "agents": { "defaults": { "model": { "primary": "mock/mock-1" }, "skipBootstrap": true } },
            "tools": { "exec": { "mode": "full" } },
            "logging": { "level": "warn" },
            "models": { "mode": "replace", "providers": { "mock": {
                "baseUrl": format!("{model}/v1"), "apiKey": "none", "api": "openai-completions",
                "models": [{ "id": "mock-1", "name": "Mock 1", "contextWindow": 128_000, "maxTokens": 4096 }] } } }
        });
        merge(&mut config, more);
        std::fs::create_dir_all(home.workspace())?;
        std::fs::write(home.state().join("openclaw.json"), config.to_string())?;
        Ok(home)
    }

    /// Returns the state directory.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join(".openclaw")
    }

    /// Returns the workspace of the main agent.
    pub fn workspace(&self) -> PathBuf {
        self.state().join("workspace")
    }

    /// Returns the names of what instances have in their own folder.
    pub fn scratches(&self) -> Vec<String> {
        let left = std::fs::read_dir(self.state().join(SCRATCH));
        left.into_iter().flatten().flatten().map(|it| it.file_name().to_string_lossy().into_owned()).collect()
    }

    /// Keeps the folder after this is dropped; returns where it is.
    pub fn keep(self) -> PathBuf {
        self.folder.keep()
    }

    /// Returns the end of what the gateways wrote to their terminal.
    pub fn output(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("gateway.out")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Starts a gateway; it may not answer yet.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(&self, fate: &Fate) -> anyhow::Result<Child> {
        let out = File::options().create(true).append(true).open(self.folder.path().join("gateway.out"))?;
        let mut command = Command::new(&self.binary);
        command
            .args(["gateway", "run"])
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin")
            .envs(fate.crash_at.iter().map(|at| ("OPENCLAW_CRASH_AT", at)))
            .envs(fate.trace.iter().map(|trace| ("OPENCLAW_CRASH_TRACE", trace)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(out)
            .current_dir(self.folder.path())
            .kill_on_drop(true);
        command.spawn().with_context(|| format!("cannot start {}", self.binary.display()))
    }

    /// Connects to the gateway over its Unix socket, however long it takes to be ready.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub async fn connect(&self) -> anyhow::Result<Client> {
        let began = tokio::time::Instant::now();
        loop {
            match connect_once(&self.state()).await {
                Ok(client) => return Ok(client),
                Err(error) if began.elapsed() > READY_MAX => {
                    return Err(error).context("the gateway did not get ready");
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(3)).await,
            }
        }
    }
}

/// Connects to the gateway of a state directory, if it answers.
pub(crate) async fn connect_once(state_dir: &Path) -> Result<Client, openclaw_client::Error> {
    let endpoint = Endpoint::Unix(state_dir.join("gateway.sock"));
    Client::connect(&endpoint, &ConnectOptions::new(Introduction::cli("chaos"))).await
}

/// Returns a link to the gateway of a state directory, for those who come back by themselves.
pub(crate) fn link(state_dir: &Path) -> Link {
    let endpoint = Endpoint::Unix(state_dir.join("gateway.sock"));
    Link::new(endpoint, ConnectOptions::new(Introduction::cli("chaos")))
}

/// Finds a free port below those that outgoing connections use, so that it is
/// still free when the gateway is started again.
fn free_port() -> anyhow::Result<u16> {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap_or_default();
    for _ in 0..1000 {
        let port = first + NEXT_PORT.fetch_add(1, Ordering::Relaxed) % 2_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("no free port from {first} on")
}

/// Merges objects; anything else is replaced.
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
