//! One home folder, one gateway or none, one invocation at a time.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use openclaw_cli::{
    Backend, EmbedOptions, Embedded, Exit, Failure, Invocation, Io, LocalServer, ProgramOutput, ServeOptions, Terminal,
};
use openclaw_config::Env;
use serde_json::Value;

use crate::gateway::{Gateway, Out, Script, healthy};

/// 38 s after the last activity of the scripted gateway.
fn now() -> Timestamp {
    Timestamp::from_millisecond(1_763_633_025_000).unwrap()
}

/// A stream that keeps what was written.
#[derive(Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// What came of an invocation.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Outcome {
    /// Returns the one JSON document on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {:?}", self.out))
    }
}

/// A home folder and what runs in it.
pub(crate) struct World {
    dir: tempfile::TempDir,
    pub(crate) gateway: Option<Gateway>,
    pub(crate) backend: Fake,
    env: Vec<(String, String)>,
    input: String,
    is_silent: bool,
    terminal: Terminal,
}

impl World {
    /// An empty home, nothing running, no terminal.
    pub(crate) fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let backend = Fake { dir: dir.path().to_owned(), ..Fake::default() };
        // A port nothing listens on: the default one may be in use on this machine.
        let config = r#"{ "gateway": { "port": 1 } }"#;
        let world = World {
            dir,
            gateway: None,
            backend,
            env: Vec::new(),
            input: String::new(),
            is_silent: false,
            terminal: Terminal::NONE,
        };
        world.write(".openclaw/openclaw.json", config);
        world
    }

    /// As [`World::new`], with a gateway that answers everything.
    pub(crate) fn healthy() -> World {
        World::scripted(healthy)
    }

    /// As [`World::new`], with a gateway that follows a script.
    pub(crate) fn scripted(script: impl Fn(&str, &Value) -> Vec<Out> + Send + Sync + 'static) -> World {
        let mut world = World::new();
        world.gateway = Some(Gateway::start(&world.path(".openclaw/gateway.sock"), Arc::new(script)));
        world
    }

    /// What everything in this process answers when it is embedded.
    pub(crate) fn embedding(mut self, script: impl Fn(&str, &Value) -> Vec<Out> + Send + Sync + 'static) -> World {
        self.backend.script = Some(Arc::new(script));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> World {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What comes on standard input.
    pub(crate) fn input(mut self, text: &str) -> World {
        self.input = text.to_owned();
        self
    }

    /// Nothing ever comes on standard input, not even its end.
    pub(crate) fn silent(mut self) -> World {
        self.is_silent = true;
        self
    }

    /// A person sits at a terminal of this width.
    pub(crate) fn terminal(mut self, width: usize) -> World {
        self.terminal = Terminal { input: true, out: true, err: true, width };
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::set_permissions(path.parent().unwrap(), std::fs::Permissions::from_mode(0o700)).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs a command line, split at spaces.
    pub(crate) fn run(&self, line: &str) -> Outcome {
        self.run_words(&line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>())
    }

    pub(crate) fn run_words(&self, words: &[&str]) -> Outcome {
        let (out, err) = (Captured::default(), Captured::default());
        let home = [("HOME".to_owned(), self.dir.path().display().to_string())];
        let env = Env::from_pairs(home.into_iter().chain(self.env.iter().cloned())).in_dir(self.dir.path());
        let input = Cursor::new(self.input.clone().into_bytes());
        let arguments = std::iter::once("openclaw").chain(words.iter().copied()).map(Into::into).collect();
        // The other end stays open as long as the command runs.
        let (quiet, _open) = std::os::unix::net::UnixStream::pair().unwrap();
        let input: Box<dyn std::io::Read + Send> = if self.is_silent { Box::new(quiet) } else { Box::new(input) };
        let io = Io::given(out.clone(), err.clone(), input, self.terminal);
        let exit = openclaw_cli::run(&Invocation { arguments, env, io, now }, &self.backend);
        Outcome { exit, out: out.text(), err: err.text() }
    }
}

/// A backend that remembers what it was asked for.
#[derive(Default)]
pub(crate) struct Fake {
    dir: PathBuf,
    pub(crate) script: Option<Arc<Script>>,
    pub(crate) local: Vec<LocalServer>,
    pub(crate) served: Mutex<Vec<ServeOptions>>,
    pub(crate) embedded: Mutex<Vec<EmbedOptions>>,
    pub(crate) programs: Mutex<Vec<String>>,
    pub(crate) detached: Mutex<Vec<Vec<String>>>,
    pub(crate) program_fails: bool,
    running: Mutex<Vec<Gateway>>,
}

#[async_trait]
impl Backend for Fake {
    async fn serve(&self, options: ServeOptions) -> Result<(), Failure> {
        self.served.lock().unwrap().push(options);
        Ok(())
    }

    async fn embed(&self, options: EmbedOptions) -> Result<Embedded, Failure> {
        let script = self.script.clone().ok_or_else(|| Failure::new(Exit::Failed, "NO_EMBED", "nothing to embed"))?;
        let count = {
            let mut embedded = self.embedded.lock().unwrap();
            embedded.push(options);
            embedded.len()
        };
        let socket = self.dir.join(format!("e{count}.sock"));
        let path = socket.clone();
        // A runtime cannot be made inside another one.
        let gateway = std::thread::spawn(move || Gateway::start(&path, script)).join().unwrap();
        self.running.lock().unwrap().push(gateway);
        Ok(Embedded { socket, stop: Box::pin(async {}) })
    }

    async fn local_models(&self) -> Vec<LocalServer> {
        self.local.clone()
    }

    async fn run_program(
        &self,
        program: &str,
        arguments: &[String],
        _timeout: Duration,
    ) -> Result<ProgramOutput, Failure> {
        self.programs.lock().unwrap().push(format!("{program} {}", arguments.join(" ")));
        let (code, stderr) = if self.program_fails { (1, "Failed to connect to bus") } else { (0, "") };
        Ok(ProgramOutput { code: Some(code), stdout: String::new(), stderr: stderr.to_owned() })
    }

    async fn start_detached(&self, arguments: &[String], log: &Path) -> Result<u32, Failure> {
        self.detached.lock().unwrap().push(arguments.to_vec());
        if self.program_fails {
            std::fs::create_dir_all(log.parent().unwrap()).unwrap();
            std::fs::write(log, "x  bind 127.0.0.1:1: Address already in use\n  next   openclaw gateway run\n")
                .unwrap();
            // No process has this number.
            return Ok(u32::MAX);
        }
        let socket = self.dir.join(".openclaw/gateway.sock");
        let gateway = std::thread::spawn(move || Gateway::start(&socket, Arc::new(healthy))).join().unwrap();
        self.running.lock().unwrap().push(gateway);
        Ok(4121)
    }
}
