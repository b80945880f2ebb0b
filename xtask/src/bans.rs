//! Words that may stand in some crates only, each with what to use instead.

use std::path::Path;

use crate::sources::{self, Source};

struct Ban {
    /// The banned text.
    word: &'static str,
    /// Crates that may write it.
    except: &'static [&'static str],
    /// What to do instead.
    instead: &'static str,
}

const fn ban(word: &'static str, except: &'static [&'static str], instead: &'static str) -> Ban {
    Ban { word, except, instead }
}

const BANS: &[Ban] = &[
    ban("reqwest::", &["sandbox"], "use the Net port"),
    ban("tokio::process", &["chaos", "sandbox", "app"], "use the Processes port"),
    ban("process::Command", &["chaos", "sandbox", "app"], "use the Processes port"),
    ban(
        "std::fs",
        &["chaos", "sandbox", "store", "config", "cli", "app", "client", "testkit", "powercut", "sim"],
        "use the Files port",
    ),
    ban("tokio::fs", &["sandbox"], "use the Files port"),
    ban("env::var", &["chaos", "config", "testkit"], "read the environment through openclaw-config"),
    ban("SystemTime::now", &["chaos", "app", "store", "config", "client", "cli", "testkit"], "use the Clock port"),
    ban("Instant::now", &["chaos", "app", "client", "cli", "testkit", "sandbox"], "use the Clock port"),
    ban("rusqlite", &["chaos", "store", "powercut", "sim"], "use the storage ports"),
    ban(".expose()", &["sandbox", "security"], "pass the Secret on; only sandbox and security look inside"),
    ban("impl Gate for", &["security", "testkit"], "gates are written in security only"),
    ban("unsafe {", &[], "unsafe code lives in sandbox/src/os"),
    ban("unsafe fn", &[], "unsafe code lives in sandbox/src/os"),
    ban("todo!(", &[], "finish it"),
    ban("unimplemented!(", &[], "finish it"),
    ban("dbg!(", &[], "remove it"),
    ban("inventory::submit", &[], "register in the crate's table"),
    ban("static mut", &[], "no mutable statics"),
];

/// Files that may hold `unsafe`, `expose` and the like although their crate may not.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("unsafe {", "openclaw-sandbox/src/os"),
    ("unsafe fn", "openclaw-sandbox/src/os"),
    // SQLite's interface for file systems is C; tests only.
    ("unsafe {", "openclaw-powercut/src/vfs.rs"),
    ("unsafe fn", "openclaw-powercut/src/vfs.rs"),
    (".expose()", "openclaw-domain/src/secret.rs"),
    (".expose()", "openclaw-gateway/src/auth"),
    // The credential a client shows, and the keys handed to the components that need them.
    (".expose()", "openclaw-cli/src/link.rs"),
    (".expose()", "openclaw-app/src/secrets.rs"),
    ("impl Gate for", "openclaw-domain/src"),
];

/// Checks every production source.
pub(crate) fn check(root: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, folder) in sources::crates(root) {
        for source in sources::production(root, &folder) {
            findings.extend(judge(&name, &source));
        }
    }
    findings
}

fn judge(name: &str, source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    for (i, line) in source.text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or("");
        for ban in BANS {
            let is_excused = ban.except.contains(&name)
                || EXCEPTIONS.iter().any(|(word, place)| *word == ban.word && source.shown.contains(place));
            if code.contains(ban.word) && !is_excused {
                findings.push(format!(
                    "{}:{}: {} is banned here: {}",
                    source.shown,
                    i + 1,
                    ban.word.trim(),
                    ban.instead
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(name: &str, shown: &str, text: &str) -> usize {
        judge(name, &Source { shown: shown.into(), text: text.into() }).len()
    }

    #[test]
    fn a_banned_word_is_found_where_it_is_banned_and_nowhere_else() {
        assert_eq!(count("tools", "x.rs", "let x = std::fs::read(p);"), 1);
        assert_eq!(count("store", "x.rs", "let x = std::fs::read(p);"), 0);
        assert_eq!(count("tools", "x.rs", "// std::fs is banned"), 0);
        assert_eq!(count("sandbox", "crates/openclaw-sandbox/src/os/pty.rs", "unsafe { x() }"), 0);
        assert_eq!(count("sandbox", "crates/openclaw-sandbox/src/net.rs", "unsafe { x() }"), 1);
    }
}
