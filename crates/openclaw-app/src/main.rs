//! The `openclaw` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    openclaw_cli::main(openclaw_app::App)
}
