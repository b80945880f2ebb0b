//! The `openclaw` program.

use std::process::ExitCode;

/// A turn makes a thousand allocations on several threads (docs/decisions/0014).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    openclaw_cli::main(openclaw_app::App)
}
