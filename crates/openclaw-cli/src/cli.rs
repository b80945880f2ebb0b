//! The command line as a whole: its flags, its commands, its help.

pub(crate) mod usage;

use clap::Parser;

use crate::commands::Command;
use crate::flags::Flags;

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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_tree_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
