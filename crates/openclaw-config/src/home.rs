//! Where the product keeps its files, and which port it listens on.
//!
//! Follows the rules an existing home was made with, older folder names and
//! profiles included. It looks whether paths exist; it creates nothing.

use std::path::{Path, PathBuf};

use crate::env::Env;

/// Port of the default profile.
pub const PORT_DEFAULT: u16 = 18789;
/// Port of the `dev` profile.
pub const PORT_DEV: u16 = 19001;

const STATE_NAMES: [&str; 2] = [".openclaw", ".clawdbot"];
const CONFIG_NAMES: [&str; 2] = ["openclaw.json", "clawdbot.json"];

/// The folders of one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The person's home directory.
    pub home: PathBuf,
    /// Where state lives, `~/.openclaw`.
    pub state_dir: PathBuf,
    /// The configuration file, whether or not it exists.
    pub config_path: PathBuf,
    /// The named profile, if any.
    pub profile: Option<String>,
    /// Whether the profile came from the command line: that moves the files.
    pub profile_by_flag: bool,
}

/// Why the home cannot be found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No variable and no account names a home directory.
    #[error("find the home directory: set OPENCLAW_HOME or HOME")]
    NoHome,
    /// Not a profile name.
    #[error("select profile {0:?}: use 1 to 64 of a-z 0-9 _ - and begin with a letter or digit")]
    Profile(String),
    /// `OPENCLAW_GATEWAY_PORT` is not a port.
    #[error("read OPENCLAW_GATEWAY_PORT {0:?}: use a number from 1 to 65535, host:port or [v6]:port")]
    Port(String),
}

impl Home {
    /// Finds the folders. `profile` is the `--profile` flag (`dev` for `--dev`).
    ///
    /// # Errors
    /// When there is no home directory or the profile name is not one.
    pub fn locate(env: &Env, profile: Option<&str>) -> Result<Self, Error> {
        let home = effective_home(env)?;
        let by_flag = profile.map(profile_name).transpose()?.flatten();
        let from_env = match env.get("OPENCLAW_PROFILE").map(profile_name) {
            Some(Ok(name)) => name,
            // A leftover of a service file must not stop a command that names its own profile.
            Some(Err(error)) if profile.is_none() => return Err(error),
            Some(Err(_)) | None => None,
        };
        let state_var = env.get("OPENCLAW_STATE_DIR").map(|text| tilde(text, &home, env));
        let config_var = env.get("OPENCLAW_CONFIG_PATH").map(|text| tilde(text, &home, env));

        let (state_dir, config_path) = match &by_flag {
            Some(name) => {
                // Variables of another profile, inherited from its shell, do not count.
                let previous = from_env.as_ref().filter(|other| *other != name).map(|other| profile_dir(&home, other));
                let belongs_to_previous = |path: &Path| previous.as_ref().is_some_and(|dir| path.starts_with(dir));
                let state =
                    state_var.filter(|path| !belongs_to_previous(path)).unwrap_or_else(|| profile_dir(&home, name));
                let config =
                    config_var.filter(|path| !belongs_to_previous(path)).unwrap_or_else(|| state.join(CONFIG_NAMES[0]));
                (state, config)
            }
            None => {
                let state = state_var.unwrap_or_else(|| default_state(&home));
                let config = config_var.unwrap_or_else(|| find_config(&state, &home));
                (state, config)
            }
        };
        Ok(Self {
            home,
            state_dir,
            config_path,
            profile_by_flag: by_flag.is_some(),
            profile: if profile.is_some() { by_flag } else { from_env },
        })
    }

    /// Returns the port when neither flag, variable nor configuration names one.
    #[must_use]
    pub fn port(&self) -> u16 {
        match &self.profile {
            Some(name) => profile_port(name),
            None => PORT_DEFAULT,
        }
    }

    /// Returns the port the environment asks for, if any.
    ///
    /// # Errors
    /// When `OPENCLAW_GATEWAY_PORT` is set to something that is not a port.
    pub fn env_port(&self, env: &Env) -> Result<Option<u16>, Error> {
        match env.get("OPENCLAW_GATEWAY_PORT") {
            Some(text) => port_number(text).map(Some).ok_or_else(|| Error::Port(text.to_owned())),
            None if self.profile_by_flag && self.profile.as_deref() == Some("dev") => Ok(Some(PORT_DEV)),
            None => Ok(None),
        }
    }

    /// Returns the default workspace of the only agent.
    #[must_use]
    pub fn workspace(&self) -> PathBuf {
        self.state_dir.join("workspace")
    }

    /// Expands a leading `~` against this home.
    #[must_use]
    pub fn expand(&self, text: &str) -> PathBuf {
        match text.strip_prefix('~') {
            Some("") => self.home.clone(),
            Some(rest) if rest.starts_with(['/', '\\']) => self.home.join(&rest[1..]),
            _ => PathBuf::from(text),
        }
    }
}

/// Reads a profile name; `default` and a blank one mean none.
fn profile_name(text: &str) -> Result<Option<String>, Error> {
    let name = text.trim();
    if name.is_empty() || name.eq_ignore_ascii_case("default") {
        return Ok(None);
    }
    let mut bytes = name.bytes();
    let first_is_good = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let rest_is_good =
        bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'));
    if first_is_good && rest_is_good && name.len() <= 64 {
        Ok(Some(name.to_owned()))
    } else {
        Err(Error::Profile(text.to_owned()))
    }
}

fn profile_dir(home: &Path, profile: &str) -> PathBuf {
    home.join(format!("{}-{profile}", STATE_NAMES[0]))
}

fn effective_home(env: &Env) -> Result<PathBuf, Error> {
    let account = || account_home(env);
    if let Some(text) = env.get("OPENCLAW_HOME") {
        let path = match text.strip_prefix('~') {
            Some(rest) => account().ok_or(Error::NoHome)?.join(rest.trim_start_matches(['/', '\\'])),
            None => PathBuf::from(text),
        };
        return Ok(absolute(path, env));
    }
    account().map(|path| absolute(path, env)).ok_or(Error::NoHome)
}

fn account_home(env: &Env) -> Option<PathBuf> {
    let named = ["HOME", "USERPROFILE"].iter().find_map(|name| env.get(name)).map(PathBuf::from);
    let termux = || {
        let prefix = env.get("PREFIX")?;
        prefix.contains("com.termux").then(|| Path::new(prefix).parent().unwrap_or(Path::new("/")).join("home"))
    };
    named.or_else(termux).or_else(|| env.account_home().map(Path::to_path_buf))
}

fn absolute(path: PathBuf, env: &Env) -> PathBuf {
    match env.cwd() {
        Some(cwd) if path.is_relative() => cwd.join(path),
        Some(_) | None => path,
    }
}

fn tilde(text: &str, home: &Path, env: &Env) -> PathBuf {
    let path = match text.strip_prefix('~') {
        Some("") => home.to_path_buf(),
        Some(rest) if rest.starts_with(['/', '\\']) => home.join(&rest[1..]),
        _ => PathBuf::from(text),
    };
    absolute(path, env)
}

fn default_state(home: &Path) -> PathBuf {
    STATE_NAMES.iter().map(|name| home.join(name)).find(|dir| dir.is_dir()).unwrap_or_else(|| home.join(STATE_NAMES[0]))
}

fn find_config(state: &Path, home: &Path) -> PathBuf {
    let dirs = std::iter::once(state.to_path_buf()).chain(STATE_NAMES.iter().map(|name| home.join(name)));
    dirs.flat_map(|dir| CONFIG_NAMES.map(|name| dir.join(name)))
        .find(|path| path.exists())
        .unwrap_or_else(|| state.join(CONFIG_NAMES[0]))
}

/// Derives a port from a profile name, so that profiles do not collide.
fn profile_port(profile: &str) -> u16 {
    let hash = profile.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    20_000 + u16::try_from(hash % 40_000).unwrap_or(0)
}

/// Reads `N`, `host:N` or `[v6]:N`.
fn port_number(text: &str) -> Option<u16> {
    let digits = match text.rsplit_once(':') {
        // More than one colon without brackets is a bare IPv6 address, not host and port.
        Some((host, digits)) if !host.contains(':') || (host.starts_with('[') && host.ends_with(']')) => digits,
        Some(_) => return None,
        None => text,
    };
    digits.parse().ok().filter(|port| *port > 0)
}

#[cfg(test)]
mod tests;
