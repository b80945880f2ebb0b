//! The command line as a whole: its flags, its commands, its help.

pub(crate) mod usage;

use clap::{CommandFactory as _, Parser};

use crate::commands::Command;
use crate::flags::Flags;
use crate::text::{Lang, help};

const EXAMPLES: &str = "\
Examples:
  openclaw onboard                                set up: model, folder, first reply
  openclaw agent \"what changed in this folder?\"    one task, answer on stdout
  openclaw status                                 is it working?";

/// An agent with tools on this machine
#[derive(Debug, Parser)]
#[command(
    name = "openclaw",
    bin_name = "openclaw",
    version,
    about = "An agent with tools on this machine",
    before_help = EXAMPLES,
    disable_help_subcommand = true,
    max_term_width = 100,
    arg_required_else_help = false
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) flags: Flags,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Returns the command tree with its help in a language.
pub(crate) fn tree(lang: Lang) -> clap::Command {
    match lang {
        Lang::En => Cli::command(),
        Lang::Zh => translate(Cli::command().before_help(help::EXAMPLES), ""),
    }
}

fn translate(command: clap::Command, path: &str) -> clap::Command {
    let about = help::COMMANDS.iter().find(|(own, _)| *own == path).map(|(_, about)| *about);
    let command = match about {
        Some(about) => command.about(about).subcommand_help_heading("命令"),
        None => command,
    };
    command.mut_subcommands(|below| {
        let below_path = format!("{path} {}", below.get_name());
        translate(below, below_path.trim_start())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_consistent() {
        super::Cli::command().debug_assert();
    }

    fn paths(command: &clap::Command, path: &str, all: &mut Vec<String>) {
        all.push(path.to_owned());
        for below in command.get_subcommands() {
            paths(below, format!("{path} {}", below.get_name()).trim_start(), all);
        }
    }

    #[test]
    fn every_command_has_its_help_in_both_languages() {
        let mut all = Vec::new();
        paths(&Cli::command(), "", &mut all);
        let mut translated: Vec<String> = help::COMMANDS.iter().map(|(path, _)| (*path).to_owned()).collect();
        all.sort_unstable();
        translated.sort_unstable();
        assert_eq!(all, translated);
    }
}
