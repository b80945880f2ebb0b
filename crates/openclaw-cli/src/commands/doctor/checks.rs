//! The checks themselves. Each looks at one thing and says what it found; none
//! changes anything.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use openclaw_config::KeyPath;
use serde_json::{Value, json};

use super::{Findings, Fix, Problem, Severity};
use crate::cx::Cx;
use crate::service::{Service, holder, is_held};
use crate::{link, peek};

/// Free space below which work will soon fail, and below which it is tight.
const FREE_BYTES: (u64, u64) = (100 * 1024 * 1024, 1024 * 1024 * 1024);

/// Runs all checks, worst findings first. `is_inside` skips asking the gateway,
/// for callers that already have.
pub(crate) async fn check(cx: &Cx<'_>, is_inside: bool) -> Findings {
    let mut findings = Findings::default();
    config(cx, &mut findings);
    secrets(cx, &mut findings);
    super::agents::check(cx, &mut findings);
    files(cx, &mut findings);
    exposure(cx, &mut findings);
    workspace(cx, &mut findings);
    service(cx, &mut findings);
    disk(cx, &mut findings);
    socket(cx, &mut findings).await;
    if !is_inside {
        gateway(cx, &mut findings).await;
    }
    findings.problems.sort_by_key(|problem| (problem.severity, problem.id));
    findings
}

impl Findings {
    /// Counts a group of checks; names it healthy when it added no problem.
    pub(super) fn group(&mut self, checks: usize, healthy: impl Into<String>, found: Vec<Problem>) {
        self.checks += checks;
        if found.is_empty() {
            self.healthy.push(healthy.into());
        }
        self.problems.extend(found);
    }
}

pub(super) fn problem(
    id: &'static str,
    severity: Severity,
    what: impl Into<String>,
    place: impl Into<String>,
) -> Problem {
    Problem {
        id,
        severity,
        what: what.into(),
        place: place.into(),
        fix: None,
        next: "openclaw doctor --fix".to_owned(),
    }
}

/// The file as a whole, and each setting in it.
fn config(cx: &Cx<'_>, findings: &mut Findings) {
    let loaded = cx.load_config();
    let found = loaded.issues.iter().map(|issue| {
        let (id, severity) = if issue.is_error() { ("D010", Severity::Broken) } else { ("D011", Severity::Warning) };
        let file = issue.file.as_ref().map_or_else(|| cx.shown(&loaded.path), |file| cx.shown(file));
        let place = issue.line.map_or(file.clone(), |line| format!("{file}:{line}"));
        let next = match issue.path.as_str() {
            "" => "openclaw config validate".to_owned(),
            path => format!("openclaw config explain {path}"),
        };
        Problem { next, ..problem(id, severity, issue.message.clone(), place) }
    });
    let found = found.collect();
    let settings = loaded.origins.len();
    findings.group(settings.max(1), format!("config {settings} settings"), found);
}

/// Secrets that stand in the configuration as plain text.
fn secrets(cx: &Cx<'_>, findings: &mut Findings) {
    let loaded = cx.config();
    let mut paths = Vec::new();
    plain_secrets(&loaded.source, &mut Vec::new(), &mut paths);
    let found = paths.iter().map(|path| Problem {
        next: format!("openclaw config set {path} '${{NAME}}'"),
        ..problem("D014", Severity::Warning, format!("{path} is stored in plain text"), cx.shown(&loaded.path))
    });
    let found = found.collect();
    findings.group(1, "secrets", found);
}

fn plain_secrets(value: &Value, path: &mut Vec<String>, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, below) in map {
                path.push(key.clone());
                plain_secrets(below, path, found);
                path.pop();
            }
        }
        Value::String(text) if !text.is_empty() && !text.contains("${") => {
            let dotted = path.join(".");
            // A key with a dot in it is written differently; it is found by its own row then.
            if KeyPath::parse(&dotted).is_ok_and(|path| openclaw_config::redact::is_secret_path(&path)) {
                found.push(dotted);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {}
    }
}

/// Files and folders others must not read.
fn files(cx: &Cx<'_>, findings: &mut Findings) {
    let state = &cx.home.state_dir;
    let private: [(&'static str, PathBuf, u32); 5] = [
        ("D031", state.clone(), 0o700),
        ("D032", cx.home.config_path.clone(), 0o600),
        ("D033", state.join(".env"), 0o600),
        ("D034", crate::identity::path(state), 0o600),
        ("D035", state.join("db/openclaw.db"), 0o600),
    ];
    let mut found = Vec::new();
    for (id, path, mode) in &private {
        let Ok(metadata) = path.metadata() else { continue };
        let actual = metadata.permissions().mode() & 0o777;
        if actual & 0o077 != 0 {
            let what = format!("readable by others (0{actual:o})");
            let fix = Some(Fix::Mode(path.clone(), *mode));
            found.push(Problem { fix, ..problem(id, Severity::Warning, what, cx.shown(path)) });
        }
    }
    if state.exists() && rustix::fs::access(state, rustix::fs::Access::WRITE_OK).is_err() {
        let next = format!("chmod u+w {}", state.display());
        found.push(Problem {
            next,
            ..problem("D036", Severity::Broken, "the state folder cannot be written", cx.shown(state))
        });
    }
    findings.group(private.len() + 1, "files", found);
}

/// A gateway that other machines can reach needs a credential.
fn exposure(cx: &Cx<'_>, findings: &mut Findings) {
    let loaded = cx.config();
    let text = |path: &str| loaded.get(path).and_then(Value::as_str).unwrap_or_default();
    let bind = text("gateway.bind");
    let is_open = !matches!(bind, "" | "loopback" | "auto");
    let has_credential = ["gateway.auth.token", "gateway.auth.password"].iter().any(|path| loaded.get(path).is_some())
        || ["OPENCLAW_GATEWAY_TOKEN", "OPENCLAW_GATEWAY_PASSWORD"].iter().any(|name| cx.env.get(name).is_some());
    let mut found = Vec::new();
    if is_open && (text("gateway.auth.mode") == "none" || !has_credential) {
        let what = format!("gateway.bind is {bind} and nobody needs a credential");
        let next = "openclaw config set gateway.bind loopback".to_owned();
        found.push(Problem { next, ..problem("D091", Severity::Broken, what, cx.shown(&loaded.path)) });
    }
    findings.group(1, "exposure", found);
}

/// The folder agents work in.
fn workspace(cx: &Cx<'_>, findings: &mut Findings) {
    let configured = cx.config().get("agents.defaults.workspace").and_then(Value::as_str);
    let path = configured.map_or_else(|| cx.home.workspace(), |text| cx.home.expand(text));
    let mut found = Vec::new();
    if !path.exists() {
        // The default one is made on first use.
        if configured.is_some() {
            let fix = Some(Fix::MakeFolder(path.clone()));
            found.push(Problem {
                fix,
                ..problem("D061", Severity::Warning, "the workspace does not exist yet", cx.shown(&path))
            });
        }
    } else if !path.is_dir() || rustix::fs::access(&path, rustix::fs::Access::WRITE_OK).is_err() {
        let next = "openclaw config set agents.defaults.workspace '~/openclaw-work'".to_owned();
        found.push(Problem {
            next,
            ..problem("D062", Severity::Broken, "the workspace cannot be written", cx.shown(&path))
        });
    }
    findings.group(1, "workspace", found);
}

/// A service file that starts a program which is gone.
fn service(cx: &Cx<'_>, findings: &mut Findings) {
    let Some(service) = Service::of(cx).filter(Service::is_installed) else { return };
    let text = std::fs::read_to_string(&service.path).unwrap_or_default();
    let program = text
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="))
        .map(|line| line.trim_start_matches('"').split(['"', ' ']).next().unwrap_or_default().to_owned());
    let mut found = Vec::new();
    if let Some(program) = program.filter(|program| !Path::new(program).exists()) {
        let what = format!("the service starts {program}, which is gone");
        let next = "openclaw gateway install".to_owned();
        found.push(Problem { next, ..problem("D071", Severity::Broken, what, cx.shown(&service.path)) });
    }
    findings.group(1, "service", found);
}

fn disk(cx: &Cx<'_>, findings: &mut Findings) {
    let state = &cx.home.state_dir;
    let folder = state.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let Ok(space) = rustix::fs::statvfs(folder) else { return };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let mut found = Vec::new();
    if free < FREE_BYTES.1 {
        let severity = if free < FREE_BYTES.0 { Severity::Broken } else { Severity::Warning };
        let what = format!("{} MB free", free / 1_048_576);
        let next = format!("du -sh {}", state.display());
        found.push(Problem { next, ..problem("D081", severity, what, cx.shown(folder)) });
    }
    findings.group(1, "disk", found);
}

/// A socket file nobody listens on any more.
async fn socket(cx: &Cx<'_>, findings: &mut Findings) {
    let path = link::socket_path(cx);
    let is_socket = path.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_socket());
    let mut found = Vec::new();
    if is_socket && !is_held(&cx.home.state_dir) && tokio::net::UnixStream::connect(&path).await.is_err() {
        let fix = Some(Fix::RemoveSocket(path.clone()));
        found.push(Problem {
            fix,
            ..problem("D043", Severity::Warning, "nobody listens on this socket", cx.shown(&path))
        });
    }
    findings.group(1, "socket", found);
}

/// Whether the gateway answers, admits us, and has a model.
async fn gateway(cx: &Cx<'_>, findings: &mut Findings) {
    let client = match link::find(cx, &link::options(cx)).await {
        Ok(Ok(client)) => client,
        Ok(Err(_down)) => return absent(cx, findings).await,
        Err(failure) => {
            let next = failure.next.first().cloned().unwrap_or_else(|| "openclaw gateway probe".to_owned());
            let place = failure.place.and_then(|place| place.file).unwrap_or_default();
            let refused = Problem { next, ..problem("D044", Severity::Broken, failure.message, place) };
            return findings.group(1, "gateway", vec![refused]);
        }
    };
    let mut found = Vec::new();
    let version = peek::text(&client.hello().server, "/version");
    if version != env!("CARGO_PKG_VERSION") && !version.is_empty() {
        let what = format!("the gateway is version {version}, this program is {}", env!("CARGO_PKG_VERSION"));
        let next = "openclaw gateway restart".to_owned();
        found.push(Problem { next, ..problem("D045", Severity::Warning, what, client.endpoint().to_string()) });
    }
    let agents = client.call("agents.list", json!({})).await.unwrap_or_default();
    let models = client.call("models.list", json!({"view": "configured"})).await.unwrap_or_default();
    client.close().await;
    for agent in peek::list(&agents, "/agents") {
        let (id, primary) = (peek::text(agent, "/id"), peek::text(agent, "/model/primary"));
        let fits =
            |model: &&Value| format!("{}/{}", peek::text(model, "/provider"), peek::text(model, "/id")) == primary;
        let place = format!("agent {id}");
        if primary.starts_with("offline/") {
            let next = "openclaw onboard".to_owned();
            let what = "no model is configured; the offline model answers by fixed rules";
            found.push(Problem { next, ..problem("D051", Severity::Warning, what, place) });
        } else if peek::list(&models, "/models").iter().find(fits).is_some_and(|model| model["available"] == false) {
            let next = format!("openclaw models probe {primary}");
            let what = format!("no key for {primary}");
            found.push(Problem { next, ..problem("D052", Severity::Broken, what, place) });
        }
    }
    findings.group(3, "gateway - model", found);
}

/// No gateway answers: that alone is no fault, a stranger on its port is one.
async fn absent(cx: &Cx<'_>, findings: &mut Findings) {
    let mut found = Vec::new();
    if is_held(&cx.home.state_dir) {
        let pid = holder(&cx.home.state_dir).map_or_else(String::new, |holder| format!(", pid {}", holder.pid));
        let what = format!("a gateway holds the state folder{pid} but does not answer");
        let next = "openclaw gateway restart".to_owned();
        found.push(Problem { next, ..problem("D042", Severity::Broken, what, cx.shown(&cx.home.state_dir)) });
    } else {
        let next = "openclaw gateway run".to_owned();
        let what = "the gateway is not running; commands work without it, channels do not";
        found.push(Problem { next, ..problem("D041", Severity::Warning, what, "host") });
    }
    findings.group(1, "gateway", found);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::plain_secrets;

    #[test]
    fn plain_text_secrets_are_found_by_path_and_references_are_not() {
        let source = json!({
            "gateway": {"port": 1, "auth": {"token": "abc", "password": "${PW}"}},
            "models": {"providers": {"x": {"apiKey": "sk-1", "baseUrl": "http://h"}}},
        });
        let mut found = Vec::new();
        plain_secrets(&source, &mut Vec::new(), &mut found);
        assert_eq!(found, ["gateway.auth.token", "models.providers.x.apiKey"]);
    }
}
