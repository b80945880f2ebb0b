//! `.env` files: `NAME=value` lines, quoted or not, never expanded.
//!
//! The file in the working directory is untrusted: whoever wrote the checkout
//! wrote it, so it may not name keys, endpoints, product switches or variables
//! that change how programs load code. Called by [`super::Env::add_file`].

use std::path::Path;

use crate::disk;
use crate::issue::Issue;

/// Largest `.env` file read.
pub const FILE_BYTES_MAX: u64 = 256 * 1024;
const LINES_MAX: usize = 5_000;

/// Whether the owner wrote the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// In the state directory.
    Trusted,
    /// Anywhere else.
    Untrusted,
}

/// Reads a file; what cannot be read is reported, what is missing is not.
pub(super) fn read(path: &Path) -> (Vec<(String, String)>, Vec<Issue>) {
    match disk::read_text(path, FILE_BYTES_MAX) {
        Ok(text) => parse(&text, path),
        Err(error) if error.is_missing() => (Vec::new(), Vec::new()),
        Err(error) => {
            let issue = Issue::warning("ENV_FILE", "", format!("the .env file is not read: {error}")).in_file(path);
            (Vec::new(), vec![issue])
        }
    }
}

fn parse(text: &str, path: &Path) -> (Vec<(String, String)>, Vec<Issue>) {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut issues = Vec::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if index >= LINES_MAX {
            issues.push(
                Issue::warning("ENV_FILE", "", format!("only {LINES_MAX} lines of the .env file are read"))
                    .in_file(path),
            );
            break;
        }
        match assignment(line) {
            // Within one file the last line wins, as in a shell.
            Some((name, value)) => match pairs.iter_mut().find(|(known, _)| *known == name) {
                Some(pair) => pair.1 = value,
                None => pairs.push((name, value)),
            },
            None => issues.push(
                Issue::warning("ENV_FILE", "", "a line of the .env file is not NAME=value and is skipped")
                    .in_file(path)
                    .at(index + 1, 1),
            ),
        }
    }
    (pairs, issues)
}

fn assignment(line: &str) -> Option<(String, String)> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let mut chars = name.chars();
    let first = chars.next()?;
    if !(first.is_ascii_alphabetic() || first == '_') || !chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return None;
    }
    Some((name.to_owned(), value_of(value.trim())?))
}

fn value_of(text: &str) -> Option<String> {
    match text.chars().next() {
        Some(quote @ ('"' | '\'' | '`')) => quoted(&text[1..], quote),
        Some(_) => {
            let end = text.find(" #").unwrap_or(text.len());
            Some(text[..end].trim_end().to_owned())
        }
        None => Some(String::new()),
    }
}

/// Reads up to the closing quote; only double quotes know escapes.
fn quoted(text: &str, quote: char) -> Option<String> {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == quote {
            return Some(value);
        }
        if c == '\\' && quote == '"' {
            match chars.next()? {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                other => value.push(other),
            }
        } else {
            value.push(c);
        }
    }
    None
}

/// Tells whether an untrusted file may not set this name.
pub(super) fn is_sensitive(name: &str) -> bool {
    const PREFIXES: &[&str] =
        &["OPENCLAW_", "CLAWHUB_", "LD_", "DYLD_", "GIT_", "NODE_", "NPM_", "PYTHON", "BASH_", "SSL_", "XDG_"];
    const SUFFIXES: &[&str] = &[
        "_BASE_URL",
        "_API_HOST",
        "_ENDPOINT",
        "_HOMESERVER",
        "_API_BASE",
        "_PROXY",
        "_KEY",
        "_KEYS",
        "_TOKEN",
        "_SECRET",
        "_PASSWORD",
        "_CREDENTIALS",
    ];
    const NAMES: &[&str] = &[
        "PATH",
        "HOME",
        "USERPROFILE",
        "SHELL",
        "ENV",
        "IFS",
        "TMPDIR",
        "PREFIX",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ];
    let name = name.to_ascii_uppercase();
    NAMES.contains(&name.as_str())
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let (pairs, issues) = parse(text, Path::new(".env"));
        let expected: Vec<(String, String)> =
            expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        assert_eq!(pairs, expected, "{text:?}");
        assert!(issues.is_empty(), "{issues:?}");
    }

    #[test]
    fn reads_plain_quoted_and_exported_lines() {
        check("A=1\n# c\n\nexport B = two words # note\n", &[("A", "1"), ("B", "two words")]);
        check("A=\"x\\ny\"\nB='${HOME}'\nC=`b#c`\nD=", &[("A", "x\ny"), ("B", "${HOME}"), ("C", "b#c"), ("D", "")]);
        check("A=${HOME}", &[("A", "${HOME}")]);
        check("A=1\nA=2", &[("A", "2")]);
        check("\u{feff}A=1\r\nB=2", &[("A", "1"), ("B", "2")]);
    }

    #[test]
    fn a_bad_line_is_skipped_and_named() {
        let (pairs, issues) = parse("A=1\nnonsense\n1B=2\nC=\"open", Path::new(".env"));
        assert_eq!(pairs.len(), 1);
        let lines: Vec<_> = issues.iter().map(|issue| issue.line).collect();
        assert_eq!(lines, [Some(2), Some(3), Some(4)]);
    }

    #[test]
    fn untrusted_files_may_not_set_keys_endpoints_or_loader_variables() {
        for name in [
            "OPENAI_API_KEY",
            "openclaw_gateway_token",
            "CLAWHUB_X",
            "OPENAI_BASE_URL",
            "X_API_HOST",
            "A_ENDPOINT",
            "M_HOMESERVER",
            "LD_PRELOAD",
            "PATH",
            "https_proxy",
            "GH_TOKEN",
        ] {
            assert!(is_sensitive(name), "{name}");
        }
        for name in ["EDITOR", "MY_APP_MODE", "TZ", "LANG", "KEYBOARD"] {
            assert!(!is_sensitive(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,200}") {
            drop(parse(&text, Path::new(".env")));
        }
    }
}
