//! What the commands need from the rest of the program. The composition root
//! implements it; this crate links neither the engine nor the gateway.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use crate::exit::Exit;
use crate::failure::Failure;

/// The parts of the program behind the commands.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Runs the gateway in the foreground until it is told to stop.
    async fn serve(&self, options: ServeOptions) -> Result<(), Failure>;

    /// Runs everything inside this process, reachable through a private Unix socket.
    async fn embed(&self, options: EmbedOptions) -> Result<Embedded, Failure>;

    /// Looks for model servers on this machine.
    async fn local_models(&self) -> Vec<LocalServer>;

    /// Runs another program to its end, for example `systemctl`. Only this crate's
    /// own fixed command lines come here, never text of a model or a channel.
    async fn run_program(
        &self,
        program: &str,
        arguments: &[String],
        timeout: Duration,
    ) -> Result<ProgramOutput, Failure> {
        let _not_started = (arguments, timeout);
        Err(Failure::new(Exit::Failed, "NO_PROGRAMS", format!("this build cannot start {program}"))
            .next("openclaw gateway run"))
    }

    /// Starts this program again with these arguments, detached from the terminal,
    /// its output going to `log`; returns its process id.
    async fn start_detached(&self, arguments: &[String], log: &std::path::Path) -> Result<u32, Failure> {
        let _not_started = (arguments, log);
        Err(Failure::new(Exit::Failed, "NO_PROGRAMS", "this build cannot start a background gateway")
            .next("openclaw gateway run"))
    }
}

/// How to run the gateway.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ServeOptions {
    /// `--profile` or `--dev`.
    pub profile: Option<String>,
    /// Port instead of the configured one.
    pub port: Option<u16>,
    /// `loopback`, `lan`, `auto`, `tailnet` or an address, instead of the configured one.
    pub bind: Option<String>,
    /// `token`, `password` or `none`, instead of the configured mode.
    pub auth: Option<String>,
    /// Token instead of the configured one.
    pub token: Option<String>,
    /// Password instead of the configured one.
    pub password: Option<String>,
    /// A model served on this machine to use, by name.
    pub local_llm: Option<String>,
    /// Take over from a gateway that still runs.
    pub force: bool,
    /// 0, 1 or 2: how much to log.
    pub verbosity: u8,
}

impl std::fmt::Debug for ServeOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServeOptions")
            .field("profile", &self.profile)
            .field("port", &self.port)
            .field("bind", &self.bind)
            .field("auth", &self.auth)
            .field("token", &self.token.as_ref().map(|_| "****"))
            .field("password", &self.password.as_ref().map(|_| "****"))
            .field("local_llm", &self.local_llm)
            .field("force", &self.force)
            .field("verbosity", &self.verbosity)
            .finish()
    }
}

/// How to run everything inside this process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmbedOptions {
    /// `--profile` or `--dev`.
    pub profile: Option<String>,
    /// A model served on this machine to use, by name.
    pub local_llm: Option<String>,
    /// 0, 1 or 2: how much to log.
    pub verbosity: u8,
}

/// Everything, running inside this process.
pub struct Embedded {
    /// Where to connect.
    pub socket: PathBuf,
    /// Stops it and waits until what was accepted is safe.
    pub stop: BoxFuture<'static, ()>,
}

/// A model server found on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalServer {
    /// Provider id, for example `ollama`.
    pub provider: String,
    /// A name for people, for example `Ollama`.
    pub name: String,
    /// Where it answers, for example `http://127.0.0.1:11434`.
    pub base_url: String,
    /// The models it serves.
    pub models: Vec<String>,
}

/// What another program said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramOutput {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Its output.
    pub stdout: String,
    /// Its complaints.
    pub stderr: String,
}

impl ProgramOutput {
    /// Tells whether it succeeded.
    pub fn is_ok(&self) -> bool {
        self.code == Some(0)
    }
}
