//! Repository chores. `cargo xtask tidy` checks the structure of the workspace.

mod bans;
mod layering;
mod sizes;
mod sources;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => report(&tidy(&root())),
        Some("sizes") => print_sizes(&root()),
        _ => usage(),
    }
}

#[expect(clippy::print_stderr, reason = "this is a command-line tool")]
fn usage() -> ExitCode {
    eprintln!("usage: cargo xtask tidy | sizes");
    ExitCode::from(2)
}

#[expect(clippy::print_stdout, reason = "this is a command-line tool")]
fn print_sizes(root: &Path) -> ExitCode {
    for (name, lines) in sizes::crates(root) {
        println!("{lines:>7}  {name}");
    }
    ExitCode::SUCCESS
}

#[expect(clippy::print_stdout, reason = "this is a command-line tool")]
fn report(findings: &[String]) -> ExitCode {
    for finding in findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("tidy: nothing to report");
        return ExitCode::SUCCESS;
    }
    println!("tidy: {} findings", findings.len());
    ExitCode::FAILURE
}

/// Runs every check; returns the findings, one line each.
fn tidy(root: &Path) -> Vec<String> {
    let mut findings = layering::check(root);
    findings.extend(bans::check(root));
    findings.extend(sizes::check(root));
    findings
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_workspace_is_tidy() {
        let findings = super::tidy(&super::root());
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    }
}
