//! Words what the argument parser refused: names the thing, suggests the closest
//! name, gives a command that works. Never repeats a value, which may be a secret.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory as _};

use super::Cli;
use crate::failure::Failure;
use crate::flags::Flags;
use crate::suggest::closest;
use crate::text::{self, Copy, Lang, fill};

/// Reads the few flags that decide how a usage error is shown.
pub(crate) fn guess_flags(arguments: &[OsString]) -> Flags {
    let texts: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let has = |flag: &str| texts.iter().take_while(|text| **text != "--").any(|text| *text == flag);
    let value = |flag: &str| {
        let glued = texts.iter().find_map(|text| text.strip_prefix(flag)?.strip_prefix('='));
        let next = texts.iter().position(|text| *text == flag).and_then(|at| texts.get(at + 1).copied());
        glued.or(next).map(str::to_owned)
    };
    Flags {
        json: has("--json"),
        jsonl: has("--jsonl") && !has("--json"),
        no_color: has("--no-color"),
        color: value("--color").unwrap_or_else(|| "auto".to_owned()),
        lang: value("--lang").filter(|lang| lang == "en" || lang == "zh"),
        ..Flags::default()
    }
}

/// Words a usage error.
pub(crate) fn failure(error: &clap::Error, arguments: &[OsString], lang: Lang) -> Failure {
    let root = Cli::command();
    let (path, level) = level(&root, arguments);
    let context = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        Some(_) | None => None,
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let typed = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            let names = level.get_subcommands().filter(|command| !command.is_hide_set());
            let names = names.flat_map(|command| std::iter::once(command.get_name()).chain(command.get_all_aliases()));
            unknown(lang, &text::UNKNOWN_COMMAND, &typed, closest(&typed, names), &path)
        }
        ErrorKind::UnknownArgument => {
            let typed = context(ContextKind::InvalidArg).unwrap_or_default();
            match typed.strip_prefix("--") {
                Some(long) => {
                    let longs: Vec<&str> = [level, &root]
                        .into_iter()
                        .flat_map(Command::get_arguments)
                        .filter_map(clap::Arg::get_long)
                        .collect();
                    let found = closest(long, longs).map(|long| format!("--{long}"));
                    unknown(lang, &text::UNKNOWN_FLAG, &typed, found.as_deref(), &path)
                }
                // What is not a flag here is usually a mistyped verb.
                None if !typed.starts_with('-') && level.has_subcommands() => {
                    let found = closest(&typed, level.get_subcommands().map(Command::get_name));
                    unknown(lang, &text::UNKNOWN_COMMAND, &typed, found, &path)
                }
                None => unknown(lang, &text::UNKNOWN_FLAG, &shown(&typed), None, &path),
            }
        }
        _ => Failure::usage(first_sentence(error)).next(format!("{path} --help")),
    }
}

fn unknown(lang: Lang, copy: &Copy, typed: &str, found: Option<&str>, path: &str) -> Failure {
    let mut message = fill(copy.in_lang(lang), &[("name", typed)]);
    let Some(name) = found else {
        return Failure::usage(message).next(format!("{path} --help"));
    };
    message.push_str(&fill(text::CLOSEST.in_lang(lang), &[("name", name)]));
    // A flag is explained by this command's help, a command by its own.
    let level = if name.starts_with("--") { path.to_owned() } else { format!("{path} {name}") };
    Failure::usage(message).next(format!("{level} --help"))
}

/// A stray word may be a secret in the wrong place: only its beginning is shown.
fn shown(typed: &str) -> String {
    if typed.starts_with('-') || typed.chars().count() <= 12 {
        return typed.to_owned();
    }
    typed.chars().take(4).chain("...".chars()).collect()
}

/// Finds the command the arguments had reached, as text and as a node.
fn level<'a>(root: &'a Command, arguments: &[OsString]) -> (String, &'a Command) {
    let mut path = "openclaw".to_owned();
    let mut level = root;
    for argument in arguments.iter().skip(1).filter_map(|argument| argument.to_str()) {
        if argument == "--" {
            break;
        }
        if let Some(next) = level.find_subcommand(argument) {
            path.push(' ');
            path.push_str(next.get_name());
            level = next;
        }
    }
    (path, level)
}

/// Takes the parser's first sentence, in our manners.
fn first_sentence(error: &clap::Error) -> String {
    let rendered = error.render().to_string();
    let body = rendered.split("\n\n").next().unwrap_or_default();
    let joined = body.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    joined.trim_start_matches("error: ").trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn refused(line: &str) -> Failure {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let error = Cli::command().try_get_matches_from(&arguments).unwrap_err();
        failure(&error, &arguments, Lang::En)
    }

    #[test]
    fn mistyped_commands_get_the_closest_one() {
        let failure = refused("openclaw staus");
        assert_eq!(failure.message, "there is no command \"staus\"; closest: status");
        assert_eq!(failure.next, ["openclaw status --help"]);
        let failure = refused("openclaw gateway strat");
        assert_eq!(failure.next, ["openclaw gateway start --help"]);
    }

    #[test]
    fn mistyped_flags_get_the_closest_one() {
        let failure = refused("openclaw status --jso");
        assert_eq!(failure.message, "there is no flag \"--jso\" here; closest: --json");
        assert_eq!(failure.next, ["openclaw status --help"]);
        assert_eq!(
            refused("openclaw agent --mesage x").message,
            "there is no flag \"--mesage\" here; closest: --message"
        );
    }

    #[test]
    fn what_is_far_from_everything_gets_the_help() {
        assert_eq!(refused("openclaw zzzzzz").next, ["openclaw --help"]);
        assert_eq!(refused("openclaw sessions show").next, ["openclaw sessions show --help"]);
    }

    #[test]
    fn the_flags_of_a_broken_line_are_still_honoured() {
        let arguments: Vec<OsString> = ["openclaw", "--json", "x", "--lang=zh"].map(OsString::from).into();
        let flags = guess_flags(&arguments);
        assert!(flags.json);
        assert_eq!(flags.lang.as_deref(), Some("zh"));
        let after: Vec<OsString> = ["openclaw", "x", "--", "--json"].map(OsString::from).into();
        assert!(!guess_flags(&after).json);
    }
}
