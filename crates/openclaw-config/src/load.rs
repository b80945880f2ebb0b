//! From files, environment and flags to one configuration in force.
//!
//! Loading never fails: a missing file means defaults, a faulty value is set
//! aside and reported, and a text that cannot be read at all gives way to the
//! last good one, else to a closed configuration that permits next to nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openclaw_domain::Secret;
use serde_json::Value;

use crate::disk;
use crate::env::{Env, KNOWN, Source, Trust};
use crate::home::Home;
use crate::issue::Issue;
use crate::keys;
use crate::path::KeyPath;
use crate::tree::{self, Node, Origin};
use crate::{check, hash, include, interpolate, legacy, secret};

/// Largest configuration file.
pub const FILE_BYTES_MAX: u64 = tree::TEXT_BYTES_MAX as u64;

/// Most issues reported about one configuration.
pub const ISSUES_MAX: usize = 500;

/// Reads configurations of one home.
#[derive(Debug, Clone)]
pub struct Loader {
    env: Env,
    home: Home,
    flags: Vec<(&'static str, Value)>,
    notes: Vec<Issue>,
}

/// Which text the configuration in force was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The file.
    File,
    /// No file: defaults.
    Missing,
    /// The last good text, because the file cannot be read.
    LastGood,
    /// Nothing: the file cannot be read and there is no last good text.
    Closed,
}

/// One configuration in force. `Debug` shows no values: they hold resolved
/// secrets.
#[derive(Clone)]
pub struct Loaded {
    /// Everything resolved: includes, environment, defaults, stand-ins.
    pub value: Value,
    /// The file as its author wrote it; null if it is missing or unreadable.
    pub source: Value,
    /// The text of the file; empty if it is missing or unreadable.
    pub raw: String,
    /// What is wrong, unknown or worth saying, errors first.
    pub issues: Vec<Issue>,
    /// Where each value came from, by dotted path.
    pub origins: BTreeMap<String, Origin>,
    /// Opaque name of the text, for compare-and-swap.
    pub hash: String,
    /// The file.
    pub path: PathBuf,
    /// Whether it is there.
    pub exists: bool,
    /// Which text this was made from.
    pub basis: Basis,
    /// The files read, the main one first; what a watch must look at.
    pub files: Vec<PathBuf>,
    /// The environment including `.env` files and `env.vars`.
    pub env: Env,
    /// The home it belongs to.
    pub home: Home,
}

impl Loader {
    /// Adds the `.env` files of the working directory (untrusted) and of the
    /// state directory to the environment.
    #[must_use]
    pub fn new(env: Env, home: Home) -> Self {
        let mut env = env;
        let mut notes = Vec::new();
        let trusted = home.state_dir.join(".env");
        if let Some(cwd) = env.cwd().map(|cwd| cwd.join(".env"))
            && cwd != trusted
        {
            notes.extend(env.add_file(&cwd, Trust::Untrusted));
        }
        notes.extend(env.add_file(&trusted, Trust::Trusted));
        notes.extend(env.ignored_issue());
        Self { env, home, flags: Vec::new(), notes }
    }

    /// Lets a command-line flag set a value; flags beat everything.
    #[must_use]
    pub fn with_flag(mut self, path: &'static str, value: Value) -> Self {
        self.flags.push((path, value));
        self
    }

    /// Returns the environment including `.env` files.
    #[must_use]
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// Returns the home.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Reads the configuration.
    #[must_use]
    pub fn load(&self) -> Loaded {
        match disk::read_text(&self.home.config_path, FILE_BYTES_MAX) {
            Ok(text) => self.load_text(&text),
            Err(error) if error.is_missing() => {
                let root = Node::empty_map(Origin::Default);
                self.finish(root, Text::missing(), Vec::new(), None)
            }
            Err(error) => {
                let issue =
                    Issue::error("CONFIG_UNREADABLE", "", format!("the configuration cannot be used: cannot {error}"))
                        .in_file(&self.home.config_path);
                let text = Text { raw: String::new(), source: Value::Null, exists: true, basis: Basis::Closed };
                self.fall_back(text, issue)
            }
        }
    }

    /// Reads a text as if the file held it, to check it before it is written.
    #[must_use]
    pub fn load_text(&self, raw: &str) -> Loaded {
        self.load_draft(raw, None)
    }

    /// Reads a text, with a draft standing for one included file.
    pub(crate) fn load_draft(&self, raw: &str, draft: include::Draft<'_>) -> Loaded {
        let file: Arc<Path> = Arc::from(self.home.config_path.as_path());
        let text = |source: Value, basis: Basis| Text { raw: raw.to_owned(), source, exists: true, basis };
        let unusable = |message: String, line: usize, column: usize| {
            Issue::error("CONFIG_SYNTAX", "", message)
                .expecting("a JSON5 object")
                .in_file(&self.home.config_path)
                .at(line, column)
        };
        match tree::read(raw, &file) {
            Ok(root) if root.map().is_some() => {
                let source = root.to_value();
                self.finish(root, text(source, Basis::File), Vec::new(), draft)
            }
            Ok(root) => {
                let issue = unusable(format!("the configuration must be an object, found {}", root.noun()), 1, 1);
                self.fall_back(text(Value::Null, Basis::Closed), issue)
            }
            Err(error) => {
                let issue =
                    unusable(format!("the configuration is not JSON5: {}", error.message), error.line, error.column);
                self.fall_back(text(Value::Null, Basis::Closed), issue)
            }
        }
    }

    /// Uses the last good text, else the closed configuration.
    fn fall_back(&self, mut text: Text, mut issue: Issue) -> Loaded {
        let path = last_good_path(&self.home.config_path);
        let good: Option<Node> = disk::refuse_link(&path)
            .and_then(|()| disk::read_text(&path, FILE_BYTES_MAX))
            .ok()
            .and_then(|good| tree::read(&good, &Arc::from(path.as_path())).ok())
            .filter(|root| root.map().is_some());
        match good {
            Some(root) => {
                text.basis = Basis::LastGood;
                issue.message.push_str("; the last good configuration is in force");
                issue.suggestion = Some(format!("mend the file, or copy {} over it", path.display()));
                self.finish(root, text, vec![issue], None)
            }
            None => {
                let mut root = Node::empty_map(Origin::StandIn);
                check::close(&mut root, &KeyPath::root());
                issue.message.push_str("; a closed configuration is in force: no commands, no channels, no plugins");
                issue.suggestion = Some("mend the file; openclaw config validate names every fault".to_owned());
                self.finish(root, text, vec![issue], None)
            }
        }
    }

    /// Carries a tree through every layer.
    fn finish(&self, mut root: Node, text: Text, mut issues: Vec<Issue>, draft: include::Draft<'_>) -> Loaded {
        issues.extend(self.notes.iter().cloned());
        let included = include::expand(&mut root, &self.home.config_path, &self.env, draft);
        issues.extend(legacy::migrate(&mut root));
        let mut env = self.env.clone();
        interpolate::adopt_vars(&root, &mut env);
        issues.extend(interpolate::expand(&mut root, &env));
        let mut findings = check::check(&root);
        check::set_aside(&mut root, &mut findings);
        issues.append(&mut findings.issues);
        for (path, issue) in included.failed {
            check::close(&mut root, &path);
            issues.push(issue);
        }
        self.overlay(&mut root, &env, &mut issues);
        fill_defaults(&mut root, self.home.port());
        issues.sort_by_key(|issue| std::cmp::Reverse(issue.severity));
        issues.truncate(ISSUES_MAX);

        let mut origins = BTreeMap::new();
        root.walk(&KeyPath::root(), &mut |path, node| {
            if !path.is_root() {
                origins.insert(path.to_string(), node.origin.clone());
            }
        });
        let files = std::iter::once(self.home.config_path.clone()).chain(included.files).collect();
        Loaded {
            value: root.to_value(),
            hash: hash::of(text.exists.then_some(text.raw.as_str()), &self.home.state_dir),
            source: text.source,
            raw: text.raw,
            issues,
            origins,
            path: self.home.config_path.clone(),
            exists: text.exists,
            basis: text.basis,
            files,
            env,
            home: self.home.clone(),
        }
    }

    /// Puts environment variables and flags over (or under) the file.
    fn overlay(&self, root: &mut Node, env: &Env, issues: &mut Vec<Issue>) {
        let mut done: Vec<&str> = Vec::new();
        for variable in KNOWN {
            let Some(setting) = variable.setting else { continue };
            if done.contains(&setting) || (!variable.wins && is_configured(root, setting)) {
                continue;
            }
            match self.said_by(variable.name, setting, env) {
                Ok(None) => {}
                Ok(Some(node)) => {
                    root.put(setting, node);
                    done.push(setting);
                }
                Err(issue) => issues.push(*issue),
            }
        }
        for (path, value) in &self.flags {
            root.put(path, Node::from_value(value, &Origin::Flag));
        }
    }

    /// Returns what a variable says about a setting, `None` if it is not set.
    fn said_by(&self, name: &str, setting: &str, env: &Env) -> Result<Option<Node>, Box<Issue>> {
        // The file must not be able to speak for the environment.
        if env.source(name) == Some(&Source::Config) {
            return Ok(None);
        }
        let value = if setting == "gateway.port" {
            let port = self.home.env_port(env);
            port.map_err(|error| Issue::warning("ENV_VALUE", setting, format!("cannot {error}")))?.map(Value::from)
        } else {
            env.get(name).map(Value::from)
        };
        let node = value.map(|value| Node::from_value(&value, &Origin::Env(name.to_owned())));
        match (node, kind_of(setting)) {
            (Some(node), Some(kind)) if kind.check(&node).is_err() => {
                let message = format!("{name} must be {kind}; it is ignored");
                Err(Box::new(Issue::warning("ENV_VALUE", setting, message).expecting(kind.to_string())))
            }
            (node, _) => Ok(node),
        }
    }
}

/// Tells whether the file says something; blank text says nothing.
fn is_configured(root: &Node, setting: &str) -> bool {
    root.at(setting).is_some_and(|node| node.text().is_none_or(|text| !text.trim().is_empty()))
}

fn kind_of(dotted: &str) -> Option<keys::Kind> {
    keys::find(&KeyPath::parse(dotted).ok()?).map(|key| key.kind)
}

/// The text a configuration is made from.
struct Text {
    raw: String,
    source: Value,
    exists: bool,
    basis: Basis,
}

impl Text {
    fn missing() -> Self {
        Self { raw: String::new(), source: Value::Null, exists: false, basis: Basis::Missing }
    }
}

/// Fills in the defaults of settings that stand at a fixed path.
///
/// Below `*` nothing is filled: whether an agent's or an account's value is
/// set decides whether it inherits.
fn fill_defaults(root: &mut Node, port: u16) {
    if root.at("gateway.port").is_none() {
        root.put("gateway.port", Node::from_value(&Value::from(port), &Origin::Default));
    }
    for (path, key) in keys::all() {
        if key.default.is_empty() || path.contains('*') || path.contains("[]") || root.at(&path).is_some() {
            continue;
        }
        if let Some(default) = key.default_value() {
            // An object cannot be filled below a value of another form.
            root.put(&path, Node::from_value(&default, &Origin::Default));
        }
    }
}

/// Returns where the last good text is kept.
pub(crate) fn last_good_path(config: &Path) -> PathBuf {
    let mut name = config.file_name().unwrap_or_default().to_os_string();
    name.push(".last-good");
    config.with_file_name(name)
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("path", &self.path)
            .field("basis", &self.basis)
            .field("hash", &self.hash)
            .field("issues", &self.issues)
            .finish_non_exhaustive()
    }
}

impl Loaded {
    /// Returns a section, null if nothing stands there: `models`, `agents.defaults`.
    #[must_use]
    pub fn section(&self, path: &str) -> &Value {
        self.get(path).unwrap_or(&Value::Null)
    }

    /// Returns the value at a path, defaults included.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        get(&self.value, &KeyPath::parse(path).ok()?)
    }

    /// Returns where the value at a path came from.
    #[must_use]
    pub fn origin(&self, path: &str) -> Option<&Origin> {
        self.origins.get(&KeyPath::parse(path).ok()?.to_string())
    }

    /// Returns the secret at a path, `None` if none is configured.
    ///
    /// # Errors
    /// When one is configured and cannot be had; it must not be replaced by
    /// another source then.
    pub fn secret(&self, path: &str) -> Result<Option<Secret>, secret::Error> {
        let reader = secret::Reader { env: &self.env, config: &self.value, expand: &|text| self.home.expand(text) };
        reader.read(path, self.get(path))
    }

    /// Returns the port to listen on or to call.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.get("gateway.port")
            .and_then(Value::as_u64)
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or_else(|| self.home.port())
    }

    /// Tells whether something had to be set aside.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.issues.iter().any(Issue::is_error)
    }

    /// Tells whether a running program should take this over: a file without
    /// faults. It keeps what it has otherwise.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        matches!(self.basis, Basis::File | Basis::Missing) && !self.has_errors()
    }
}

/// Returns the value at a path.
#[must_use]
pub fn get<'a>(value: &'a Value, path: &KeyPath) -> Option<&'a Value> {
    use crate::path::Segment;
    path.segments().iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => match value {
            Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            other => other.get(key),
        },
        Segment::Index(index) => value.get(index),
    })
}

#[cfg(test)]
mod tests;
