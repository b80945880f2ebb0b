//! The gateway as a process of this machine: who holds the state folder, and the
//! unit file with which the service manager keeps it running.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::cx::Cx;

/// Who holds the state folder, as written in its lock file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    #[serde(default)]
    pub(crate) port: Option<u16>,
}

/// Reads who holds, or last held, the state folder.
pub(crate) fn holder(state_dir: &Path) -> Option<Holder> {
    let text = std::fs::read_to_string(state_dir.join("openclaw.lock")).ok()?;
    serde_json::from_str(&text).ok()
}

/// Tells whether the state folder is held right now: the operating system drops
/// the lock of a dead process, whatever its file says.
pub(crate) fn is_held(state_dir: &Path) -> bool {
    let Ok(file) = std::fs::File::open(state_dir.join("openclaw.lock")) else { return false };
    match file.try_lock_shared() {
        Ok(()) => {
            let _closing_unlocks_too = file.unlock();
            false
        }
        Err(std::fs::TryLockError::WouldBlock) => true,
        Err(std::fs::TryLockError::Error(_)) => false,
    }
}

/// Tells whether a process we started has ended.
pub(crate) fn has_ended(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return true };
    match rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG) {
        Ok(ended) => ended.is_some(),
        // Not our own child: ask whether it is there at all.
        Err(_) => rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH),
    }
}

/// Asks a process to stop.
pub(crate) fn ask_to_stop(pid: u32) -> std::io::Result<()> {
    let raw = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    let pid = raw.ok_or_else(|| std::io::Error::other("not a process id"))?;
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).map_err(Into::into)
}

/// The service manager of an operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceKind {
    /// systemd, for the person's own services.
    Systemd,
    /// launchd, for the person's own agents.
    Launchd,
}

/// A service: its name, its file, and the commands that drive it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) kind: ServiceKind,
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

impl Service {
    /// Describes this installation's service; `None` where no manager is known.
    pub(crate) fn of(cx: &Cx<'_>) -> Option<Service> {
        Self::on(std::env::consts::OS, &cx.home.home, cx.home.profile.as_deref())
    }

    fn on(os: &str, home: &Path, profile: Option<&str>) -> Option<Service> {
        let suffix = profile.map(|profile| format!("-{profile}")).unwrap_or_default();
        match os {
            "linux" => {
                let name = format!("openclaw-gateway{suffix}.service");
                let path = home.join(".config/systemd/user").join(&name);
                Some(Service { kind: ServiceKind::Systemd, name, path })
            }
            "macos" => {
                let name = format!("ai.openclaw.gateway{suffix}");
                let path = home.join("Library/LaunchAgents").join(format!("{name}.plist"));
                Some(Service { kind: ServiceKind::Launchd, name, path })
            }
            _ => None,
        }
    }

    /// Tells whether its file is there.
    pub(crate) fn is_installed(&self) -> bool {
        self.path.exists()
    }

    /// Returns the service manager's program.
    pub(crate) fn manager(&self) -> &'static str {
        match self.kind {
            ServiceKind::Systemd => "systemctl",
            ServiceKind::Launchd => "launchctl",
        }
    }

    /// Returns the arguments that do each thing, one command line after the other.
    pub(crate) fn commands(&self, action: Action) -> Vec<Vec<String>> {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (name, path) = (&self.name, self.path.display());
        let with_path = |line: &str| words(line).into_iter().chain([path.to_string()]).collect::<Vec<_>>();
        match (self.kind, action) {
            (ServiceKind::Systemd, Action::Enable) => {
                vec![words("--user daemon-reload"), words(&format!("--user enable --now {name}"))]
            }
            (ServiceKind::Systemd, Action::Disable) => vec![words(&format!("--user disable --now {name}"))],
            (ServiceKind::Systemd, Action::Start) => vec![words(&format!("--user start {name}"))],
            (ServiceKind::Systemd, Action::Stop) => vec![words(&format!("--user stop {name}"))],
            (ServiceKind::Systemd, Action::Restart) => vec![words(&format!("--user restart {name}"))],
            (ServiceKind::Launchd, Action::Enable | Action::Start) => vec![with_path("load -w")],
            (ServiceKind::Launchd, Action::Disable) => vec![with_path("unload -w")],
            (ServiceKind::Launchd, Action::Stop) => vec![with_path("unload")],
            (ServiceKind::Launchd, Action::Restart) => vec![with_path("unload"), with_path("load -w")],
        }
    }

    /// Returns the text of its file.
    pub(crate) fn text(&self, program: &Path, arguments: &[String], state_dir: &Path) -> String {
        let command = std::iter::once(program.display().to_string()).chain(arguments.iter().cloned());
        match self.kind {
            ServiceKind::Systemd => {
                let line = command.map(|word| systemd_quote(&word)).collect::<Vec<_>>().join(" ");
                include_str!("service/openclaw-gateway.service").replace("@COMMAND@", &line)
            }
            ServiceKind::Launchd => {
                let items: String =
                    command.map(|word| format!("    <string>{}</string>\n", xml_escape(&word))).collect();
                let log = state_dir.join("logs/gateway.log").display().to_string();
                include_str!("service/gateway.plist")
                    .replace("@LABEL@", &xml_escape(&self.name))
                    .replace("@ARGUMENTS@\n", &items)
                    .replace("@LOG@", &xml_escape(&log))
            }
        }
    }
}

/// What to do with a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Enable,
    Disable,
    Start,
    Stop,
    Restart,
}

/// Quotes a word for a unit file; `%` and `$` would be expanded there.
fn systemd_quote(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    if escaped.contains([' ', '\t', '"', '\'', ';', '\\']) { format!("\"{escaped}\"") } else { escaped }
}

fn xml_escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_name_the_program_and_its_profile() {
        let service = Service::on("linux", Path::new("/home/ana"), Some("lab")).unwrap();
        assert_eq!(service.path, Path::new("/home/ana/.config/systemd/user/openclaw-gateway-lab.service"));
        let text =
            service.text(Path::new("/opt/my bin/openclaw"), &["gateway".to_owned(), "run".to_owned()], Path::new("/s"));
        assert!(text.contains("ExecStart=\"/opt/my bin/openclaw\" gateway run\n"), "{text}");
        assert!(!text.contains('@'), "{text}");
    }

    #[test]
    fn words_that_a_unit_file_would_expand_are_escaped() {
        assert_eq!(systemd_quote("100%$HOME"), "100%%$$HOME");
        assert_eq!(systemd_quote("a \"b\""), "\"a \\\"b\\\"\"");
    }

    #[test]
    fn plists_escape_markup() {
        let service = Service::on("macos", Path::new("/Users/ana"), None).unwrap();
        let text = service.text(Path::new("/a&b/openclaw"), &["gateway".to_owned()], Path::new("/s"));
        assert!(text.contains("<string>/a&amp;b/openclaw</string>\n    <string>gateway</string>"), "{text}");
        assert!(!text.contains('@'), "{text}");
        assert!(Service::on("plan9", Path::new("/"), None).is_none());
    }

    #[test]
    fn this_process_goes_on_and_nobody_has_pid_zero() {
        assert!(!has_ended(std::process::id()));
        assert!(has_ended(0) && has_ended(u32::MAX));
    }

    #[test]
    fn a_lock_file_nobody_holds_is_not_held() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_held(dir.path()));
        std::fs::write(dir.path().join("openclaw.lock"), r#"{"pid": 4121, "port": 18789, "startedAt": 1}"#).unwrap();
        assert_eq!(holder(dir.path()), Some(Holder { pid: 4121, port: Some(18789) }));
        assert!(!is_held(dir.path()));
        let file = std::fs::File::open(dir.path().join("openclaw.lock")).unwrap();
        file.lock().unwrap();
        assert!(is_held(dir.path()));
    }
}
