//! Starting, stopping and installing the gateway: by the service manager when a
//! service is installed, else as a detached process of this program.

use std::path::{Path, PathBuf};
use std::time::Duration;

use openclaw_client::Client;
use serde_json::json;
use tokio::time::Instant;

use super::{RunArguments, arguments};
use crate::cx::Cx;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Line, Report, Tone, progress, time};
use crate::service::{Action, Service, ask_to_stop, has_ended, holder, is_held};
use crate::{link, text};

/// Longest wait for a started gateway to answer.
const READY: Duration = Duration::from_secs(20);

/// Longest wait for a stopped gateway to let go of its folder.
const STOPPED: Duration = Duration::from_secs(30);

/// Pause between two looks.
const STEP: Duration = Duration::from_millis(25);

/// Longest wait for the service manager.
const MANAGER: Duration = Duration::from_secs(60);

/// Starts the gateway in the background and waits until it answers.
pub(super) async fn start(cx: &Cx<'_>, run: &RunArguments) -> Result<Report, Failure> {
    let state_dir = &cx.home.state_dir;
    if is_held(state_dir) {
        let pid = holder(state_dir).map_or_else(String::new, |holder| holder.pid.to_string());
        return Err(Failure::new(Exit::Failed, "ALREADY_RUNNING", cx.say(&text::GATEWAY_RUNS, &[("pid", &pid)]))
            .next(format!("{} gateway status", cx.program()))
            .next(format!("{} gateway restart", cx.program())));
    }
    let began = Instant::now();
    let pid = match Service::of(cx).filter(Service::is_installed) {
        Some(service) => {
            drive(cx, &service, Action::Start).await?;
            None
        }
        None => Some(cx.backend.start_detached(&arguments(cx, run), &log_path(cx)).await?),
    };
    ready(cx, run, pid, began).await
}

/// Where a detached gateway's own words go.
fn log_path(cx: &Cx<'_>) -> PathBuf {
    cx.home.state_dir.join("logs").join("gateway.log")
}

/// What a wait for the gateway came to.
enum Waited {
    Ready(Client),
    Ended,
    Late,
}

async fn ready(cx: &Cx<'_>, run: &RunArguments, pid: Option<u32>, began: Instant) -> Result<Report, Failure> {
    let waiting = async {
        loop {
            let found = link::find(cx, &link::options(cx)).await;
            if let Ok(Ok(client)) = found {
                return Waited::Ready(client);
            }
            if pid.is_some_and(has_ended) {
                return Waited::Ended;
            }
            if began.elapsed() > READY {
                return Waited::Late;
            }
            tokio::time::sleep(STEP).await;
        }
    };
    let client = match progress::during(cx, "starting", "the gateway", waiting).await {
        Waited::Ready(client) => client,
        Waited::Ended => {
            let message = cx.say(&text::GATEWAY_DIED, &[("cause", &last_words(cx))]);
            return Err(not_ready(cx, message));
        }
        Waited::Late => {
            let span = time::span(u64::try_from(READY.as_millis()).unwrap_or(0));
            return Err(not_ready(cx, cx.say(&text::GATEWAY_NOT_READY, &[("span", &span)])));
        }
    };
    client.close().await;
    let port = match run.port {
        Some(port) => port,
        None => link::port(cx)?,
    };
    let address = format!("127.0.0.1:{port}");
    let span = time::span(u64::try_from(began.elapsed().as_millis()).unwrap_or(0));
    let line = cx.say(&text::GATEWAY_STARTED, &[("address", &address), ("span", &span)]);
    let pid = holder(&cx.home.state_dir).map(|holder| holder.pid);
    Ok(Report::of(json!({"running": true, "address": address, "pid": pid})).line(Line::marked(Tone::Done, "ok", line)))
}

fn not_ready(cx: &Cx<'_>, message: String) -> Failure {
    Failure::new(Exit::Failed, "NOT_READY", message)
        .at_file(cx.shown(&log_path(cx)))
        .next(format!("{} gateway run", cx.program()))
}

/// Returns the last error in the log, else its last line.
fn last_words(cx: &Cx<'_>) -> String {
    let text = std::fs::read_to_string(log_path(cx)).unwrap_or_default();
    let lines = text.lines().rev().map(str::trim).filter(|line| !line.is_empty()).take(20).collect::<Vec<_>>();
    let error = lines.iter().find_map(|line| line.strip_prefix("x "));
    error.or(lines.first().copied()).unwrap_or("no reason given").trim().to_owned()
}

/// Stops the gateway and waits until it has let go of its folder. Stopping one
/// that does not run is no error.
pub(super) async fn stop(cx: &Cx<'_>) -> Result<Report, Failure> {
    if let Some(service) = Service::of(cx).filter(Service::is_installed) {
        // The manager would restart it if only the process were stopped.
        if let Err(failure) = drive(cx, &service, Action::Stop).await {
            cx.note(&Line::marked(Tone::Waits, "!", failure.message));
        }
    }
    let state_dir = &cx.home.state_dir;
    let pid = holder(state_dir).map(|holder| holder.pid);
    if let (true, Some(pid)) = (is_held(state_dir), pid) {
        ask_to_stop(pid).map_err(|error| {
            Failure::new(Exit::Failed, "STOP", format!("cannot stop pid {pid}: {error}"))
                .next(format!("{} gateway status", cx.program()))
        })?;
        released(cx, state_dir, pid).await?;
    }
    let line = Line::marked(Tone::Done, "ok", cx.say(&text::GATEWAY_STOPPED, &[]));
    Ok(Report::of(json!({"running": false, "pid": pid})).line(line))
}

async fn released(cx: &Cx<'_>, state_dir: &Path, pid: u32) -> Result<(), Failure> {
    let began = Instant::now();
    let waiting = async {
        while is_held(state_dir) {
            if began.elapsed() > STOPPED {
                return false;
            }
            tokio::time::sleep(STEP).await;
        }
        true
    };
    if progress::during(cx, &cx.say(&text::GATEWAY_STOPPING, &[]), "running work", waiting).await {
        return Ok(());
    }
    let span = time::span(u64::try_from(STOPPED.as_millis()).unwrap_or(0));
    let message = cx.say(&text::GATEWAY_NOT_STOPPED, &[("pid", &pid.to_string()), ("span", &span)]);
    Err(Failure::new(Exit::Timeout, "NOT_STOPPED", message).next(format!("kill {pid}")))
}

/// Stops the gateway, if it runs, and starts it again.
pub(super) async fn restart(cx: &Cx<'_>, run: &RunArguments) -> Result<Report, Failure> {
    if let Some(service) = Service::of(cx).filter(Service::is_installed) {
        let began = Instant::now();
        drive(cx, &service, Action::Restart).await?;
        return ready(cx, run, None, began).await;
    }
    // One that was started on another port than the configured one comes back there.
    let port = holder(&cx.home.state_dir).filter(|_| is_held(&cx.home.state_dir)).and_then(|holder| holder.port);
    stop(cx).await?;
    start(cx, &RunArguments { port: run.port.or(port), ..run.clone() }).await
}

/// Writes the service file and asks the manager to start it.
pub(crate) async fn install(cx: &Cx<'_>, run: &RunArguments) -> Result<Report, Failure> {
    let service = Service::of(cx).ok_or_else(|| {
        Failure::new(
            Exit::Failed,
            "NO_SERVICE_MANAGER",
            cx.say(&text::SERVICE_UNSUPPORTED, &[("os", std::env::consts::OS)]),
        )
        .next("openclaw gateway run")
    })?;
    let program = std::env::current_exe().map_err(|error| {
        Failure::new(Exit::Failed, "PROGRAM", format!("cannot find this program: {error}")).next("openclaw gateway run")
    })?;
    let text = service.text(&program, &arguments(cx, run), &cx.home.state_dir);
    let folder = service.path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&service.path, text))
        .map_err(|error| Failure::file("write", &service.path, &error))?;
    let path = cx.shown(&service.path);
    let started = drive(cx, &service, Action::Enable).await;
    let mut report = Report::of(json!({"path": service.path, "started": started.is_ok()})).line(Line::marked(
        Tone::Done,
        "ok",
        cx.say(&text::SERVICE_INSTALLED, &[("path", &path)]),
    ));
    if let Err(failure) = started {
        let values = [("manager", service.manager()), ("cause", failure.message.as_str())];
        report.warnings.push(cx.say(&text::SERVICE_NOT_STARTED, &values));
        report.next.push(by_hand(&service));
    }
    Ok(report)
}

/// Returns the command a person types when we could not.
fn by_hand(service: &Service) -> String {
    let lines = service.commands(Action::Enable);
    let lines = lines.iter().map(|words| format!("{} {}", service.manager(), words.join(" ")));
    lines.collect::<Vec<_>>().join(" && ")
}

/// Stops the service and removes its file.
pub(super) async fn uninstall(cx: &Cx<'_>) -> Result<Report, Failure> {
    let Some(service) = Service::of(cx).filter(Service::is_installed) else {
        return Err(Failure::new(Exit::NotFound, "NO_SERVICE", cx.say(&text::SERVICE_ABSENT, &[]))
            .next("openclaw gateway install"));
    };
    let stopped = drive(cx, &service, Action::Disable).await;
    std::fs::remove_file(&service.path).map_err(|error| Failure::file("remove", &service.path, &error))?;
    let path = cx.shown(&service.path);
    let line = cx.say(&text::SERVICE_REMOVED, &[("path", &path)]);
    let mut report = Report::of(json!({"path": service.path})).line(Line::marked(Tone::Done, "ok", line));
    if let Err(failure) = stopped {
        report.warnings.push(failure.message);
    }
    Ok(report)
}

/// Has the service manager do something.
async fn drive(cx: &Cx<'_>, service: &Service, action: Action) -> Result<(), Failure> {
    for words in service.commands(action) {
        let output = cx.backend.run_program(service.manager(), &words, MANAGER).await?;
        if !output.is_ok() {
            let said = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
            let said = said.trim().lines().next_back().unwrap_or("no reason given").to_owned();
            let message = format!("{} {}: {said}", service.manager(), words.join(" "));
            return Err(Failure::new(Exit::Failed, "SERVICE_MANAGER", message)
                .at_file(cx.shown(&service.path))
                .next(format!("{} gateway run", cx.program())));
        }
    }
    Ok(())
}
