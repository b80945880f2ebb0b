//! Tells whether a line may hand a program text to an interpreter.
//!
//! For `strictInlineEval`. It looks for the names of interpreters and of
//! programs that run others, anywhere in the line, and does not try to parse it:
//! a question too many is the cheaper mistake.

/// Programs that evaluate text or start programs named in their arguments.
const EVALUATORS: &[&str] = &[
    "ash",
    "awk",
    "bash",
    "busybox",
    "bun",
    "chroot",
    "csh",
    "dash",
    "deno",
    "doas",
    "ed",
    "emacs",
    "env",
    "eval",
    "exec",
    "expect",
    "find",
    "fish",
    "gawk",
    "gdb",
    "ghci",
    "groovy",
    "irb",
    "java",
    "jshell",
    "julia",
    "ksh",
    "lua",
    "luajit",
    "m4",
    "make",
    "mawk",
    "nawk",
    "nice",
    "nohup",
    "node",
    "nodejs",
    "npm",
    "npx",
    "octave",
    "osascript",
    "parallel",
    "perl",
    "php",
    "pnpm",
    "powershell",
    "psql",
    "pwsh",
    "python",
    "pypy",
    "r",
    "rscript",
    "ruby",
    "sed",
    "setsid",
    "sh",
    "socat",
    "source",
    "sqlite3",
    "ssh",
    "stdbuf",
    "strace",
    "su",
    "sudo",
    "tclsh",
    "tcsh",
    "timeout",
    "toybox",
    "tsx",
    "uv",
    "vi",
    "vim",
    "watch",
    "xargs",
    "xcrun",
    "yarn",
    "zsh",
];

/// Tells whether a line may evaluate text.
pub(crate) fn may_evaluate(line: &str) -> bool {
    line.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '+'))).any(is_evaluator)
}

/// Tells whether a program evaluates text; versions count: `python3.12`.
pub(crate) fn is_evaluator(program: &str) -> bool {
    let lower = program.to_lowercase();
    let base = lower.strip_suffix(".exe").unwrap_or(&lower);
    let unversioned = base.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
    EVALUATORS.contains(&base) || EVALUATORS.contains(&unversioned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluators_are_found_wherever_they_stand() {
        for line in ["python3.12 -c 'x'", "true;/usr/bin/perl -e 1", "a | sh", "$(node -p 1)", "BASH -c x", "x=`awk 1`"]
        {
            assert!(may_evaluate(line), "{line}");
        }
        for line in ["ls -la", "git status", "cargo build", "cat notes.md", "python_notes.txt"] {
            assert!(!may_evaluate(line), "{line}");
        }
    }
}
