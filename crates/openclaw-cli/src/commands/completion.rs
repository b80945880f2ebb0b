//! `completion`: the script a shell loads, and the help of a bare call.

use clap::Args;
use serde_json::json;

use crate::cli::tree;
use crate::complete;
use crate::cx::Cx;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::Report;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Shell to print the script for
    #[arg(value_parser = complete::SHELLS)]
    shell: String,
}

/// Prints the script of a shell.
pub(crate) fn run(_cx: &Cx<'_>, arguments: &Arguments) -> Result<Report, Failure> {
    let script = complete::script(&arguments.shell).map_err(|error| {
        Failure::new(Exit::Failed, "COMPLETION", format!("cannot write the script: {error}"))
            .next("openclaw completion bash")
    })?;
    Ok(Report::of(json!({"shell": arguments.shell, "script": script})).raw(script))
}

/// A bare call without a terminal: the help, as a usage error.
pub(crate) fn help(cx: &Cx<'_>) -> Result<Report, Failure> {
    let help = tree(cx.lang).render_help().to_string();
    Ok(Report { exit: Some(Exit::Usage), ..Report::of(json!({"help": help})).raw(help) })
}
