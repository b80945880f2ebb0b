//! A snapshot of the environment, and the only code that reads it.
//!
//! Everything that looks like an environment lookup goes through [`Env`], so
//! tests pass pairs instead of changing the process. It sets no variable in the
//! process. Variables of older product names are ignored and counted.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::issue::Issue;

mod dotenv;
mod known;

pub use dotenv::{FILE_BYTES_MAX, Trust};
pub use known::{KNOWN, Variable};

/// Where a variable was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The environment of the process.
    Process,
    /// A `.env` file.
    File(PathBuf),
    /// `env.vars` of the configuration.
    Config,
}

/// A snapshot of environment variables. `Debug` shows names, never values.
#[derive(Clone, Default)]
pub struct Env {
    vars: BTreeMap<String, (String, Source)>,
    cwd: Option<PathBuf>,
    account_home: Option<PathBuf>,
    ignored: Vec<String>,
}

impl Env {
    /// Takes a snapshot of the process. Names and values that are not UTF-8
    /// are left out: nothing in the product can use them.
    #[must_use]
    pub fn process() -> Self {
        let pairs =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let mut env = Self::from_pairs(pairs);
        env.cwd = std::env::current_dir().ok();
        env.account_home = std::env::home_dir().filter(|home| home.is_absolute());
        env
    }

    /// Builds an environment from pairs.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut env = Self::default();
        for (name, value) in pairs {
            env.add(name, value, Source::Process);
        }
        env
    }

    /// Sets the working directory whose `.env` is read and `.` stands for.
    #[must_use]
    pub fn in_dir(mut self, cwd: impl Into<PathBuf>) -> Self {
        self.cwd = Some(cwd.into());
        self
    }

    /// Adds a variable unless it is set already; tells whether it was added.
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<String>, source: Source) -> bool {
        let name = name.into();
        if name.starts_with("CLAWDBOT_") || name.starts_with("MOLTBOT_") {
            if !self.ignored.contains(&name) {
                self.ignored.push(name);
            }
            return false;
        }
        if self.raw(&name).is_some() {
            return false;
        }
        self.vars.insert(name, (value.into(), source));
        true
    }

    /// Returns a variable; blank, `undefined` and `null` count as unset
    /// because that is what shells and service files leave behind.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.raw(name)?.trim();
        (!matches!(value, "" | "undefined" | "null")).then_some(value)
    }

    /// Returns a variable exactly as set; only the empty one counts as unset.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(|(value, _)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Reads a switch: `1 true yes on` and `0 false no off`; anything else is unset.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name)?.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Some(true),
            "0" | "false" | "no" | "off" => Some(false),
            _ => None,
        }
    }

    /// Tells where a variable was set.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.vars.get(name).map(|(_, source)| source)
    }

    /// Returns the names that are set, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.vars.keys().map(String::as_str)
    }

    /// Returns the working directory at the time of the snapshot.
    #[must_use]
    pub fn cwd(&self) -> Option<&Path> {
        self.cwd.as_deref()
    }

    /// Tells whether configuration writes are switched off.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        // Only the process may say so: a file inside the home must not be able
        // to lock its owner out, nor to unlock it.
        ["OPENCLAW_CONFIG_READONLY", "OPENCLAW_NIX_MODE"]
            .iter()
            .any(|name| self.flag(name) == Some(true) && self.source(name) == Some(&Source::Process))
    }

    pub(crate) fn account_home(&self) -> Option<&Path> {
        self.account_home.as_deref()
    }

    /// Reads a `.env` file below what is set already. A missing file is fine.
    pub fn add_file(&mut self, path: &Path, trust: Trust) -> Vec<Issue> {
        let (pairs, mut issues) = dotenv::read(path);
        for (name, value) in pairs {
            if trust == Trust::Untrusted && dotenv::is_sensitive(&name) {
                issues.push(
                    Issue::warning("ENV_UNTRUSTED", "", format!("{name} is not read from an untrusted .env file"))
                        .in_file(path)
                        .suggesting(Some("set it in the environment or in the .env of the state directory".to_owned())),
                );
                continue;
            }
            self.add(name, value, Source::File(path.to_owned()));
        }
        issues
    }

    /// Says once which variables of older product names were ignored.
    pub(crate) fn ignored_issue(&self) -> Option<Issue> {
        if self.ignored.is_empty() {
            return None;
        }
        let names = self.ignored.join(", ");
        Some(
            Issue::warning(
                "ENV_LEGACY",
                "",
                format!("environment variables of an older product name are ignored: {names}"),
            )
            .suggesting(Some("use the OPENCLAW_ names".to_owned())),
        )
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.vars.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_undefined_and_null_count_as_unset() {
        let env = Env::from_pairs([("A", " "), ("B", "undefined"), ("C", "null"), ("D", ""), ("E", " x ")]);
        for name in ["A", "B", "C", "D", "MISSING"] {
            assert_eq!(env.get(name), None, "{name}");
        }
        assert_eq!(env.get("E"), Some("x"));
        assert_eq!(env.raw("B"), Some("undefined"));
        assert_eq!(env.raw("D"), None);
    }

    #[test]
    fn variables_of_older_names_are_ignored_with_one_warning() {
        let env = Env::from_pairs([("CLAWDBOT_X", "1"), ("MOLTBOT_Y", "2"), ("OPENCLAW_Z", "3")]);
        assert_eq!(env.get("CLAWDBOT_X"), None);
        assert_eq!(env.get("OPENCLAW_Z"), Some("3"));
        let issue = env.ignored_issue().unwrap();
        assert!(issue.message.contains("CLAWDBOT_X, MOLTBOT_Y"), "{issue}");
        assert!(Env::from_pairs([("A", "b")]).ignored_issue().is_none());
    }

    #[test]
    fn earlier_sources_win() {
        let mut env = Env::from_pairs([("A", "process"), ("EMPTY", "")]);
        assert!(!env.add("A", "later", Source::Config));
        assert!(env.add("EMPTY", "filled", Source::Config));
        assert_eq!((env.get("A"), env.get("EMPTY")), (Some("process"), Some("filled")));
    }

    #[test]
    fn switches_read_both_ways() {
        let env = Env::from_pairs([("A", "1"), ("B", "FALSE"), ("C", "maybe")]);
        assert_eq!((env.flag("A"), env.flag("B"), env.flag("C")), (Some(true), Some(false), None));
    }

    #[test]
    fn only_the_process_switches_writing_off() {
        assert!(Env::from_pairs([("OPENCLAW_NIX_MODE", "1")]).is_read_only());
        assert!(Env::from_pairs([("OPENCLAW_CONFIG_READONLY", "1")]).is_read_only());
        assert!(!Env::from_pairs([("OPENCLAW_CONFIG_READONLY", "0")]).is_read_only());
        let mut env = Env::default();
        env.add("OPENCLAW_CONFIG_READONLY", "1", Source::Config);
        assert!(!env.is_read_only());
    }

    #[test]
    fn debug_shows_no_value() {
        let shown = format!("{:?}", Env::from_pairs([("TOKEN", "hunter2")]));
        assert!(shown.contains("TOKEN") && !shown.contains("hunter2"), "{shown}");
    }
}
