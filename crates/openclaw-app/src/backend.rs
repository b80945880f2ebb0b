//! What the commands ask of the rest of the program.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use openclaw_cli::{Backend, EmbedOptions, Embedded, Exit, Failure, LocalServer, ProgramOutput, ServeOptions};
use openclaw_config::Loaded;
use openclaw_store::lock::{self, LockError};
use serde_json::Value;

use crate::configuration::Configuration;
use crate::signals::{Asked, Signals};
use crate::telemetry::{self, LogFiles};
use crate::wire::{Plan, Runtime};
use crate::{access, reload};

/// How long a gateway that is told to make room may take.
const TAKEOVER: Duration = Duration::from_secs(10);

/// How long nothing begins or ends before a gateway counts as idle.
const QUIET: Duration = Duration::from_secs(2);

/// The whole program behind the commands.
pub struct App;

#[async_trait]
impl Backend for App {
    async fn serve(&self, options: ServeOptions) -> Result<(), Failure> {
        let began = Instant::now();
        let configuration = Arc::new(configuration(options.profile.as_deref(), flags(&options))?);
        let loaded = configuration.current();
        let _guard = telemetry::start_logs(&log_options(&loaded, Some(options.verbosity)));
        refuse_remote(&loaded)?;
        if options.force {
            take_over(&configuration.state_dir()).await?;
        }
        let mut signals = Signals::listen().map_err(|error| failure(&anyhow::Error::new(error)))?;
        let plan = Plan {
            tcp: true,
            socket: access::socket(&configuration.state_dir()),
            local_llm: options.local_llm,
            logs: log_files(&loaded),
            metrics: telemetry::start_metrics(),
            configuration,
        };
        let runtime = Runtime::start(plan).await.map_err(|error| failure(&error))?;
        announce(&runtime, &loaded, began.elapsed());
        run_until_stopped(&runtime, &mut signals).await;
        runtime.stop("gateway stopping").await;
        Ok(())
    }

    async fn embed(&self, options: EmbedOptions) -> Result<Embedded, Failure> {
        let configuration = Arc::new(configuration(options.profile.as_deref(), Vec::new())?);
        let loaded = configuration.current();
        let guard = telemetry::start_logs(&log_options(&loaded, None));
        let socket = configuration.state_dir().join(format!("embedded-{}.sock", std::process::id()));
        let plan = Plan {
            tcp: false,
            socket: Some(socket.clone()),
            local_llm: options.local_llm,
            logs: log_files(&loaded),
            metrics: telemetry::start_metrics(),
            configuration,
        };
        let runtime = Runtime::start(plan).await.map_err(|error| failure(&error))?;
        let stop = Box::pin(async move {
            runtime.stop("done").await;
            drop(guard);
        });
        Ok(Embedded { socket, stop })
    }

    async fn local_models(&self) -> Vec<LocalServer> {
        crate::models::local_servers().await
    }

    async fn run_program(
        &self,
        program: &str,
        arguments: &[String],
        timeout: Duration,
    ) -> Result<ProgramOutput, Failure> {
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        let cannot = |what: String| Failure::new(Exit::Failed, "PROGRAM", format!("cannot run {program}: {what}"));
        let output = tokio::time::timeout(timeout, command.output()).await;
        let output = output.map_err(|_late| cannot(format!("it did not end within {} s", timeout.as_secs())))?;
        let output = output.map_err(|error| cannot(error.to_string()))?;
        Ok(ProgramOutput {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    async fn start_detached(&self, arguments: &[String], log: &Path) -> Result<u32, Failure> {
        let cannot =
            |error: std::io::Error| Failure::new(Exit::Failed, "PROGRAM", format!("cannot start the gateway: {error}"));
        let own = std::env::current_exe().map_err(cannot)?;
        if let Some(folder) = log.parent() {
            std::fs::create_dir_all(folder).map_err(cannot)?;
        }
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log).map_err(cannot)?;
        let errors = file.try_clone().map_err(cannot)?;
        let mut command = std::process::Command::new(own);
        command.args(arguments).stdin(Stdio::null()).stdout(file).stderr(errors);
        // A group of its own: the terminal's Ctrl+C is not for it.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.spawn().map(|child| child.id()).map_err(cannot)
    }
}

fn configuration(profile: Option<&str>, flags: Vec<(&'static str, Value)>) -> Result<Configuration, Failure> {
    Configuration::load(profile, flags).map_err(|error| Failure::new(Exit::Usage, "HOME", error.to_string()))
}

fn flags(options: &ServeOptions) -> Vec<(&'static str, Value)> {
    let text = |value: &Option<String>| value.clone().map(Value::from);
    let all = [
        ("gateway.port", options.port.map(Value::from)),
        ("gateway.bind", text(&options.bind)),
        ("gateway.auth.mode", text(&options.auth)),
        ("gateway.auth.token", text(&options.token)),
        ("gateway.auth.password", text(&options.password)),
    ];
    all.into_iter().filter_map(|(path, value)| Some((path, value?))).collect()
}

/// A configuration of a remote gateway's client must not start a local one by accident.
fn refuse_remote(loaded: &Loaded) -> Result<(), Failure> {
    match loaded.value.pointer("/gateway/mode").and_then(Value::as_str) {
        None | Some("local") => Ok(()),
        Some(mode) => Err(Failure::new(
            Exit::Usage,
            "GATEWAY_MODE",
            format!("gateway.mode is {mode}; a gateway runs only with gateway.mode local"),
        )
        .next("openclaw config set gateway.mode local")),
    }
}

/// Asks the gateway that holds this state directory to stop, and waits for it.
async fn take_over(state_dir: &Path) -> Result<(), Failure> {
    let Some(holder) = lock::read(state_dir) else { return Ok(()) };
    let pid = i32::try_from(holder.pid).ok().and_then(rustix::process::Pid::from_raw);
    let stuck = |what: &str| {
        Failure::new(Exit::Conflict, "ALREADY_RUNNING", format!("the gateway with pid {} {what}", holder.pid))
    };
    let pid = pid.ok_or_else(|| stuck("has no usable process id"))?;
    rustix::process::kill_process(pid, rustix::process::Signal::TERM)
        .map_err(|error| stuck(&format!("cannot be stopped: {error}")))?;
    let began = Instant::now();
    while lock::read(state_dir).is_some() {
        if began.elapsed() > TAKEOVER {
            return Err(stuck("did not stop within 10 s"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn log_options(loaded: &Loaded, verbosity: Option<u8>) -> telemetry::Options {
    let logging = &loaded.value["logging"];
    let level = logging["level"].as_str().unwrap_or("info").to_owned();
    let console = verbosity.map(|verbosity| match verbosity {
        0 => "warn".to_owned(),
        1 => "info".to_owned(),
        _ => "debug".to_owned(),
    });
    telemetry::Options {
        file: log_file(loaded),
        folder: loaded.home.state_dir.join("logs"),
        file_bytes_max: logging["maxFileBytes"].as_u64().unwrap_or(100 * 1024 * 1024),
        level,
        console,
    }
}

fn log_file(loaded: &Loaded) -> Option<PathBuf> {
    loaded.value.pointer("/logging/file").and_then(Value::as_str).map(|path| loaded.home.expand(path))
}

fn log_files(loaded: &Loaded) -> LogFiles {
    LogFiles::new(log_file(loaded), loaded.home.state_dir.join("logs"))
}

#[expect(clippy::print_stderr, reason = "the foreground gateway says where it listens")]
fn announce(runtime: &Runtime, loaded: &Loaded, took: Duration) {
    for issue in &loaded.issues {
        eprintln!("{issue}");
    }
    let model = runtime.parts.router.default_choice().primary;
    for address in runtime.addresses() {
        eprintln!(
            "gateway ready on {address} in {} ms, model {model}, home {}",
            took.as_millis(),
            loaded.home.state_dir.display()
        );
    }
    tracing::info!(%model, ms = took.as_millis(), "gateway ready");
    // Without systemd there is nobody to notify.
    let _nobody = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}

async fn run_until_stopped(runtime: &Runtime, signals: &mut Signals) {
    let mut changes = watch(&runtime.parts.configuration.current());
    let mut quiet = tokio::time::interval(QUIET);
    quiet.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut idle = Idle::default();
    loop {
        tokio::select! {
            _tick = quiet.tick() => if idle.begins(runtime.changes()) {
                drop(tokio::task::spawn_blocking(release_code));
            },
            asked = signals.next() => match asked {
                Asked::Stop => return,
                Asked::Reload => drop(reload::from_file(&runtime.parts)),
            },
            Some(()) = changes.recv() => drop(reload::from_file(&runtime.parts)),
        }
    }
}

/// Tells when a quiet time begins, once each time.
#[derive(Default)]
struct Idle {
    /// What was counted at the last look.
    seen: Option<u64>,
    /// What was counted when the last quiet time began.
    began_at: Option<u64>,
}

impl Idle {
    /// Takes a look at a number that grows with whatever happens.
    fn begins(&mut self, changes: u64) -> bool {
        let is_quiet = self.seen.replace(changes) == Some(changes);
        is_quiet && self.began_at.replace(changes) != Some(changes)
    }
}

/// Gives back the memory of code that nothing runs now; nobody depends on it.
fn release_code() {
    match openclaw_sandbox::process::release_code() {
        Ok(bytes) => tracing::debug!(bytes, "code was given back"),
        Err(error) => tracing::debug!(%error, "code stays in memory"),
    }
}

/// Watches the files of the configuration; the channel says that one changed.
fn watch(loaded: &Loaded) -> tokio::sync::mpsc::Receiver<()> {
    let (changed, changes) = tokio::sync::mpsc::channel(1);
    let watch = match openclaw_config::watch(&loaded.files, openclaw_config::watch::SETTLE) {
        Ok(watch) => watch,
        Err(error) => {
            tracing::warn!(%error, "the configuration is not watched; send SIGHUP after a change");
            return changes;
        }
    };
    let forward = move || {
        while !changed.is_closed() {
            if watch.changes.recv_timeout(Duration::from_secs(1)).is_ok() {
                // One waiting notice is enough: it stands for all changes before it.
                let _enough = changed.try_send(());
            }
        }
    };
    // Ends within a second after the receiver is dropped.
    let spawned = std::thread::Builder::new().name("config-watch".to_owned()).spawn(forward);
    if let Err(error) = spawned {
        tracing::warn!(%error, "the configuration is not watched; send SIGHUP after a change");
    }
    changes
}

/// Says what went wrong in the terms of the commands.
fn failure(error: &anyhow::Error) -> Failure {
    let message = format!("{error:#}");
    if let Some(LockError::Held { .. }) = error.downcast_ref::<LockError>() {
        return Failure::new(Exit::Conflict, "ALREADY_RUNNING", message)
            .next("openclaw gateway status")
            .next("openclaw gateway stop");
    }
    if let Some(openclaw_gateway::Error::Bind { .. }) = error.downcast_ref::<openclaw_gateway::Error>() {
        return Failure::new(Exit::Failed, "PORT_IN_USE", message).next("openclaw gateway run --port 18790");
    }
    Failure::new(Exit::Failed, "START", message).next("openclaw doctor")
}

#[cfg(test)]
mod tests {
    use super::Idle;

    #[test]
    fn a_quiet_time_begins_once_and_again_after_something_happened() {
        let mut idle = Idle::default();
        let looks = [0, 0, 0, 3, 7, 7, 7, 8, 8].map(|changes| idle.begins(changes));
        assert_eq!(looks, [false, true, false, false, false, true, false, false, true]);
    }
}
