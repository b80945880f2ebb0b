//! Programs that may run without a question (`tools.exec.safeBins`).
//!
//! A program is covered only with a profile that lists its flags: an allow list,
//! so that a flag nobody thought of, or an abbreviation, is a question (T-22).
//! Programs that evaluate text or run others are never covered (T-24).

use std::collections::BTreeMap;

use openclaw_domain::settings::Severity;
use serde_json::Value;

use crate::inline;
use crate::policy::Reader;

/// The programs covered, each with its profile.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SafeBins {
    bins: BTreeMap<String, Profile>,
    folders: Vec<String>,
}

/// What one program may be given.
#[derive(Debug, Clone, Default, PartialEq)]
struct Profile {
    flags: Vec<String>,
    value_flags: Vec<String>,
    positional_min: usize,
    positional_max: usize,
}

/// A built-in profile: name, flags, flags with a value, positional words.
/// All read their input only; none opens a file named by an argument.
type BuiltIn = (&'static str, &'static [&'static str], &'static [&'static str], (usize, usize));

const BUILT_IN: &[BuiltIn] = &[
    ("cut", &["-s", "-z"], &["-b", "-c", "-d", "-f"], (0, 0)),
    ("head", &["-q", "-v", "-z"], &["-n", "-c"], (0, 0)),
    ("tail", &["-q", "-v", "-z"], &["-n", "-c"], (0, 0)),
    ("tr", &["-c", "-C", "-d", "-s", "-t"], &[], (1, 2)),
    ("uniq", &["-c", "-d", "-i", "-u", "-z"], &["-f", "-s", "-w"], (0, 0)),
    ("wc", &["-c", "-l", "-m", "-w", "-L"], &[], (0, 0)),
];

const FOLDERS: &[&str] = &["/bin", "/usr/bin"];

impl SafeBins {
    /// Tells whether the words of a simple command are covered.
    pub(crate) fn cover(&self, words: &[String]) -> bool {
        let Some((program, arguments)) = words.split_first() else { return false };
        let Some(name) = self.name(program) else { return false };
        self.bins.get(name).is_some_and(|profile| profile.covers(arguments))
    }

    /// Returns the bare name of a program given by name or from a trusted folder.
    fn name<'a>(&self, program: &'a str) -> Option<&'a str> {
        let Some((folder, name)) = program.rsplit_once('/') else { return Some(program) };
        self.folders.iter().any(|it| it == folder).then_some(name)
    }

    pub(crate) fn read(reader: &mut Reader, place: &str, exec: &Value) -> Option<SafeBins> {
        let listed = exec.get("safeBins").filter(|value| !value.is_null())?;
        let Some(listed) = listed.as_array() else {
            reader.note(
                Severity::Error,
                format!("{place}.exec.safeBins"),
                "must be a list of program names".to_owned(),
            );
            return Some(SafeBins::default());
        };
        let mut bins = BTreeMap::new();
        for (index, value) in listed.iter().enumerate() {
            let at = format!("{place}.exec.safeBins[{index}]");
            let Some(name) = value.as_str().map(str::trim).filter(|name| !name.is_empty() && !name.contains('/'))
            else {
                reader.note(Severity::Error, at, format!("{value} is not the bare name of a program"));
                continue;
            };
            if inline::is_evaluator(name) {
                reader.note(Severity::Error, at, format!("{name} can run anything it is told to and is never covered"));
                continue;
            }
            match profile(name, exec.get("safeBinProfiles").and_then(|profiles| profiles.get(name))) {
                Some(profile) => drop(bins.insert(name.to_owned(), profile)),
                None => reader.note(Severity::Error, at, format!("{name} has no profile; add one to safeBinProfiles")),
            }
        }
        Some(SafeBins { bins, folders: folders(exec) })
    }
}

fn folders(exec: &Value) -> Vec<String> {
    let added = exec.get("safeBinTrustedDirs").and_then(Value::as_array);
    let added = added.into_iter().flatten().filter_map(Value::as_str);
    let absolute = added.filter(|folder| folder.starts_with('/') && !folder.contains(".."));
    FOLDERS.iter().copied().chain(absolute).map(|folder| folder.trim_end_matches('/').to_owned()).collect()
}

fn profile(name: &str, custom: Option<&Value>) -> Option<Profile> {
    let Some(custom) = custom.and_then(Value::as_object) else {
        let (_, flags, value_flags, (min, max)) = BUILT_IN.iter().find(|(it, ..)| *it == name)?;
        let owned = |names: &[&str]| names.iter().map(|&it| it.to_owned()).collect();
        return Some(Profile {
            flags: owned(flags),
            value_flags: owned(value_flags),
            positional_min: *min,
            positional_max: *max,
        });
    };
    let names = |key: &str| -> Vec<String> {
        let values = custom.get(key).and_then(Value::as_array);
        values.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let denied = names("deniedFlags");
    let kept = |key: &str| names(key).into_iter().filter(|flag| !denied.contains(flag)).collect();
    let number = |key: &str| custom.get(key).and_then(Value::as_u64).and_then(|it| usize::try_from(it).ok());
    Some(Profile {
        flags: kept("allowedFlags"),
        value_flags: kept("allowedValueFlags"),
        positional_min: number("minPositional").unwrap_or(0),
        positional_max: number("maxPositional").unwrap_or(0),
    })
}

impl Profile {
    fn covers(&self, arguments: &[String]) -> bool {
        let mut positional = 0;
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            // A lone dash is standard input; a double dash ends flags in some
            // programs only, so it is a question.
            if argument == "-" || !argument.starts_with('-') {
                positional += 1;
            } else if self.value_flags.contains(argument) {
                // The value must not look like a flag: programs differ on that.
                if arguments.next().is_none_or(|value| value.starts_with('-')) {
                    return false;
                }
            } else if !self.flags.contains(argument) && !self.joined(argument) {
                return false;
            }
        }
        (self.positional_min..=self.positional_max).contains(&positional)
    }

    /// Accepts `--flag=value` of a listed value flag.
    fn joined(&self, argument: &str) -> bool {
        argument.starts_with("--")
            && argument.split_once('=').is_some_and(|(flag, _)| self.value_flags.iter().any(|it| it == flag))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bins(exec: &Value) -> (SafeBins, usize) {
        let mut reader = Reader { issues: Vec::new() };
        let bins = SafeBins::read(&mut reader, "tools", exec).unwrap_or_default();
        (bins, reader.issues.len())
    }

    fn check(exec: &Value, line: &str, expected: bool) {
        let words = crate::command::words(line).unwrap();
        assert_eq!(bins(exec).0.cover(&words), expected, "{line}");
    }

    #[test]
    fn a_built_in_filter_runs_with_its_own_flags_only() {
        let exec = json!({ "safeBins": ["head", "tr", "wc"] });
        for line in ["head -n 5", "/usr/bin/head -c 10", "tr a-z A-Z", "tr -d x", "wc -l"] {
            check(&exec, line, true);
        }
        for line in [
            "head -n 5 /etc/shadow",
            "head --lines=5",
            "head -n -5",
            "head -n",
            "/tmp/head -n 5",
            "wc -lw",
            "wc --files0-from=x",
            "tr",
            "tr a b c",
            "uniq",
            "head -- x",
            "wc -l -",
        ] {
            check(&exec, line, false);
        }
    }

    #[test]
    fn a_custom_profile_lists_flags_and_counts_words() {
        let exec = json!({
            "safeBins": ["git"],
            "safeBinTrustedDirs": ["/opt/bin/"],
            "safeBinProfiles": { "git": { "minPositional": 1, "maxPositional": 1,
                "allowedFlags": ["--short"], "allowedValueFlags": ["--format", "-C"], "deniedFlags": ["-C"] } },
        });
        check(&exec, "git status --short", true);
        check(&exec, "git log --format=%h", true);
        check(&exec, "/opt/bin/git status", true);
        check(&exec, "git -C /x status", false);
        check(&exec, "git status --sho", false);
        check(&exec, "git", false);
    }

    #[test]
    fn programs_without_profile_or_that_evaluate_are_refused_with_an_issue() {
        let exec = json!({ "safeBins": ["python3", "env", "unknown", "/bin/ls", 7, "wc"],
            "safeBinProfiles": { "env": { "maxPositional": 9 } } });
        assert_eq!(bins(&exec).1, 5);
        check(&exec, "env ls", false);
        check(&exec, "wc -l", true);
        assert_eq!(bins(&json!({ "safeBins": "wc" })).1, 1);
    }
}
