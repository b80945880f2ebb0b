//! The slash commands, which are also the palette: one table, one row each.

use super::text::{self, Copy};

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Help,
    New,
    Reset,
    Sessions,
    Model,
    Think,
    Abort,
    Compact,
    Approve,
    Status,
    Tool,
    Thought,
    Exit,
}

/// A command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Command {
    pub(crate) verb: Verb,
    pub(crate) name: &'static str,
    /// Other names, not listed.
    aliases: &'static [&'static str],
    pub(crate) key: &'static str,
    pub(crate) group: Copy,
    pub(crate) about: Copy,
}

const fn command(
    verb: Verb,
    name: &'static str,
    aliases: &'static [&'static str],
    key: &'static str,
    group: Copy,
    about: Copy,
) -> Command {
    Command { verb, name, aliases, key, group, about }
}

/// All commands by group; the palette shows twelve at a time.
pub(crate) const ALL: [Command; 13] = [
    command(Verb::Abort, "abort", &["stop"], "Esc", text::G_RUN, text::C_ABORT),
    command(Verb::Status, "status", &["gateway-status"], "", text::G_RUN, text::C_STATUS),
    command(Verb::Tool, "tool", &["details"], "Ctrl+O", text::G_VIEW, text::C_TOOL),
    command(Verb::Thought, "thinking", &[], "Alt+T", text::G_VIEW, text::C_THOUGHT),
    command(Verb::Model, "model", &["models"], "", text::G_MODEL, text::C_MODEL),
    command(Verb::Think, "think", &[], "", text::G_MODEL, text::C_THINK),
    command(Verb::Compact, "compact", &[], "", text::G_MODEL, text::C_COMPACT),
    command(Verb::Approve, "approve", &["approvals"], "", text::G_SAFETY, text::C_APPROVE),
    command(Verb::New, "new", &[], "Ctrl+X n", text::G_GO, text::C_NEW),
    command(Verb::Sessions, "resume", &["sessions", "session"], "Ctrl+X l", text::G_GO, text::C_SESSIONS),
    command(Verb::Reset, "reset", &["clear"], "", text::G_GO, text::C_RESET),
    command(Verb::Help, "help", &["?"], "F1", text::G_GO, text::C_HELP),
    command(Verb::Exit, "exit", &["quit", "q"], "Ctrl+C twice", text::G_GO, text::C_EXIT),
];

/// Levels of thinking.
pub(crate) const LEVELS: [&str; 7] = ["off", "minimal", "low", "medium", "high", "xhigh", "max"];

/// Finds a command by name or alias.
pub(crate) fn find(name: &str) -> Option<Verb> {
    let fits = |command: &&Command| command.name == name || command.aliases.contains(&name);
    ALL.iter().find(fits).map(|command| command.verb)
}

/// Rates how well what was typed fits a text: higher is better, none when a letter
/// is missing. Letters in order; beginnings of words and runs of letters count more.
pub(crate) fn fit(typed: &str, text: &str) -> Option<i32> {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut at, mut score, mut last) = (0, 0, None);
    for c in typed.to_lowercase().chars().filter(|c| !c.is_whitespace()) {
        let found = (at..text.len()).find(|index| text[*index] == c)?;
        let is_word_begin = found == 0 || !text[found - 1].is_alphanumeric();
        score += 1 + if is_word_begin { 6 } else { 0 } + if last.is_some_and(|last| last + 1 == found) { 4 } else { 0 };
        last = Some(found);
        at = found + 1;
    }
    Some(score * 100 - i32::try_from(text.len()).unwrap_or(i32::MAX).min(99))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_are_found_and_unique() {
        assert_eq!(find("sessions"), Some(Verb::Sessions));
        assert_eq!(find("quit"), Some(Verb::Exit));
        assert_eq!(find("nope"), None);
        let mut names: Vec<&str> = ALL.iter().flat_map(|it| it.aliases.iter().copied().chain([it.name])).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn letters_in_order_fit_and_beginnings_fit_best() {
        assert!(fit("mod", "model choose").unwrap() > fit("mod", "some odd").unwrap());
        assert!(fit("", "anything").is_some());
        assert_eq!(fit("xz", "zx"), None);
        assert!(fit("模", "选择模型").is_some());
    }

    #[test]
    fn the_reference_page_names_every_command_and_alias() {
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/tui.md"));
        for command in &ALL {
            for name in command.aliases.iter().chain([&command.name]) {
                assert!(page.contains(&format!("`/{name}`")), "/{name} is missing");
            }
        }
        for level in LEVELS {
            assert!(page.contains(&format!("`{level}`")), "{level} is missing");
        }
    }
}
