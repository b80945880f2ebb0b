//! Rules for commands: which run, which a person is asked about, which never run.
//!
//! A rule sees the literal arguments of a call with capability `exec`. What it
//! cannot read is never run without a person's word.

use openclaw_domain::settings::Severity;
use serde_json::Value;

use crate::command;
use crate::inline;
use crate::policy::Reader;
use crate::safe_bins::SafeBins;

/// What happens to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No command runs.
    Deny,
    /// Commands on the allow list run; no one is asked about others.
    Allowlist,
    /// Commands on the allow list run; a person is asked about others.
    Ask,
    /// A person is asked about every command; standing grants do not count.
    AskAlways,
    /// Every command runs.
    Full,
}

impl Mode {
    /// Returns the mode's name in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Deny => "deny",
            Mode::Allowlist => "allowlist",
            Mode::Ask => "ask",
            Mode::AskAlways => "always",
            Mode::Full => "full",
        }
    }
}

/// Rules of one scope; what a scope does not say, a wider one says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExecRules {
    mode: Option<Mode>,
    /// The section that said the mode.
    place: Option<String>,
    safe_bins: Option<SafeBins>,
    strict_inline_eval: Option<bool>,
}

/// What the rules say to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ruling {
    /// It may run.
    Run,
    /// A person must be asked; a standing grant counts when `grants` is true.
    Ask { grants: bool, why: &'static str },
    /// It does not run, unless a standing grant names it.
    OnlyGranted,
    /// It does not run.
    Never,
}

impl ExecRules {
    /// Fills what these rules leave open from wider ones.
    #[must_use]
    pub(crate) fn or(self, wider: ExecRules) -> ExecRules {
        ExecRules {
            mode: self.mode.or(wider.mode),
            place: self.place.or(wider.place),
            safe_bins: self.safe_bins.or(wider.safe_bins),
            strict_inline_eval: self.strict_inline_eval.or(wider.strict_inline_eval),
        }
    }

    /// Returns the mode in force; unless configured otherwise, a person is asked.
    pub fn mode(&self) -> Mode {
        self.mode.unwrap_or(Mode::Ask)
    }

    /// Names the rule for people and models.
    pub(crate) fn name(&self) -> String {
        format!("{}.exec.mode={}", self.place.as_deref().unwrap_or("tools"), self.mode().as_str())
    }

    /// Rules over the arguments of a call. A foreign tool's arguments may mean
    /// anything, so nothing is read from them.
    pub(crate) fn rule(&self, arguments: &str, is_foreign: bool) -> Ruling {
        let subject = if is_foreign { Subject::Unreadable } else { Subject::of(arguments) };
        if matches!(subject, Subject::Watch) {
            // Looking at or ending what already runs starts nothing.
            return Ruling::Run;
        }
        match self.mode() {
            Mode::Deny => Ruling::Never,
            Mode::Full if self.needs_eyes(&subject) => {
                Ruling::Ask { grants: false, why: "the command may carry a program in its arguments" }
            }
            Mode::Full => Ruling::Run,
            Mode::AskAlways => Ruling::Ask { grants: false, why: "every command is asked about" },
            Mode::Allowlist if self.is_safe(&subject) => Ruling::Run,
            Mode::Allowlist => Ruling::OnlyGranted,
            Mode::Ask if self.is_safe(&subject) => Ruling::Run,
            Mode::Ask => Ruling::Ask { grants: true, why: subject.why_asked() },
        }
    }

    fn is_safe(&self, subject: &Subject) -> bool {
        let Subject::Script { script, is_plain: true } = subject else { return false };
        let Some(bins) = &self.safe_bins else { return false };
        command::words(script).is_ok_and(|words| bins.cover(&words))
    }

    fn needs_eyes(&self, subject: &Subject) -> bool {
        self.strict_inline_eval == Some(true)
            && match subject {
                Subject::Script { script, .. } => inline::may_evaluate(script),
                Subject::Input | Subject::Unreadable => true,
                Subject::Watch => false,
            }
    }
}

/// What a call with capability `exec` is about, read from its arguments alone.
#[derive(Debug, PartialEq, Eq)]
enum Subject {
    /// Starts a command; plain when it brings no variables and no directory.
    Script { script: String, is_plain: bool },
    /// Writes to a program that runs.
    Input,
    /// Looks at or ends a program that runs.
    Watch,
    /// Anything else.
    Unreadable,
}

/// Actions that start nothing and say nothing to a program.
const WATCH_ACTIONS: &[&str] = &["list", "poll", "log", "kill"];

/// Actions that write to a program.
const INPUT_ACTIONS: &[&str] = &["write", "submit", "send-keys", "paste"];

impl Subject {
    fn of(arguments: &str) -> Subject {
        let Ok(Value::Object(object)) = serde_json::from_str(arguments) else { return Subject::Unreadable };
        if let Some(command) = object.get("command") {
            let Some(script) = command.as_str() else { return Subject::Unreadable };
            let is_plain = object.iter().all(|(key, value)| key == "command" || is_neutral(key, value));
            return Subject::Script { script: script.to_owned(), is_plain };
        }
        match object.get("action").and_then(Value::as_str) {
            Some(action) if WATCH_ACTIONS.contains(&action) => Subject::Watch,
            Some(action) if INPUT_ACTIONS.contains(&action) => Subject::Input,
            Some(_) | None => Subject::Unreadable,
        }
    }

    fn why_asked(&self) -> &'static str {
        match self {
            Subject::Script { .. } => "the command is not on the allow list",
            Subject::Input => "it writes to a running program",
            Subject::Watch | Subject::Unreadable => "its arguments could not be read as a command",
        }
    }
}

/// Arguments that change how long a command is watched, not what it does.
fn is_neutral(key: &str, value: &Value) -> bool {
    value.is_null() || matches!(key, "timeoutSeconds" | "yieldMs" | "background" | "pty")
}

pub(crate) fn read(reader: &mut Reader, place: &str, exec: &Value) -> ExecRules {
    let mode = mode(reader, place, exec);
    ExecRules {
        place: mode.map(|_| place.to_owned()),
        mode,
        safe_bins: SafeBins::read(reader, place, exec),
        strict_inline_eval: exec.get("strictInlineEval").filter(|it| !it.is_null()).map(|it| it != &Value::Bool(false)),
    }
}

fn mode(reader: &mut Reader, place: &str, exec: &Value) -> Option<Mode> {
    let text = |key: &str| exec.get(key).filter(|value| !value.is_null());
    if let Some(value) = text("mode") {
        return Some(match value.as_str() {
            Some("deny") => Mode::Deny,
            Some("allowlist") => Mode::Allowlist,
            Some("ask") => Mode::Ask,
            Some("full") => Mode::Full,
            Some("auto") => {
                let message = "auto needs a reviewer, which is not in force; a person is asked instead".to_owned();
                reader.note(Severity::Warning, format!("{place}.exec.mode"), message);
                Mode::Ask
            }
            Some(_) | None => {
                let message =
                    format!("{value} is not an exec mode; expected deny, allowlist, ask, auto or full; deny stands in");
                reader.note(Severity::Error, format!("{place}.exec.mode"), message);
                Mode::Deny
            }
        });
    }
    let (security, ask) = (text("security"), text("ask"));
    if security.is_none() && ask.is_none() {
        return None;
    }
    let pair = (security.map_or(Some("full"), Value::as_str), ask.map_or(Some("off"), Value::as_str));
    Some(match pair {
        (Some("deny"), _) => Mode::Deny,
        (Some("full" | "allowlist"), Some("always")) => Mode::AskAlways,
        (Some("full"), Some("off")) => Mode::Full,
        (Some("allowlist"), Some("off")) => Mode::Allowlist,
        (Some("allowlist" | "full"), Some("on-miss")) => Mode::Ask,
        _ => {
            let message = "security and ask are not a known pair; use exec.mode; deny stands in".to_owned();
            reader.note(Severity::Error, format!("{place}.exec.security"), message);
            Mode::Deny
        }
    })
}

#[cfg(test)]
mod tests;
