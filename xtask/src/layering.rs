//! The one law: a leaf depends on `domain` and on no other leaf. Only `app` knows the leaves.

use std::collections::BTreeMap;
use std::path::Path;

use crate::sources;

/// What each crate may use of ours. A crate that is not listed may use `domain` only.
const ALLOWED: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("protocol", &[]),
    // What config reads may be a secret, and the type that cannot be printed is domain's.
    ("config", &["domain"]),
    ("gateway", &["domain", "protocol"]),
    ("client", &["protocol"]),
    ("cli", &["client", "protocol", "config"]),
    ("testkit", &["domain", "protocol"]),
    // Tests of several crates against a world that fails; nothing of them ships.
    ("powercut", &[]),
    ("sim", &["agent", "domain", "powercut", "store", "testkit"]),
    // Drives the program from outside; the checker knows events, never the engine.
    ("chaos", &["client", "domain", "protocol", "testkit"]),
    (
        "app",
        &[
            "agent", "channels", "cli", "client", "config", "context", "domain", "gateway", "llm", "protocol",
            "sandbox", "security", "store", "tools", "wasm",
        ],
    ),
];

/// Third-party crates `domain` may use: it must stay cheap and free of IO.
const DOMAIN_DEPENDENCIES: &[&str] =
    &["async-trait", "bytes", "futures-core", "hex", "serde", "serde_json", "sha2", "thiserror"];

/// Heavy or dangerous crates and the only crates of ours that may name them.
const HOMES: &[(&str, &[&str])] = &[
    ("rusqlite", &["store", "chaos", "powercut", "sim"]),
    ("tokio-postgres", &["store"]),
    ("reqwest", &["sandbox"]),
    ("cap-std", &["sandbox"]),
    ("axum", &["gateway"]),
    ("ratatui", &["cli"]),
    ("crossterm", &["cli"]),
    ("clap", &["cli", "app", "chaos"]),
    ("wasmtime", &["wasm"]),
    ("notify", &["config"]),
    ("tokio-tungstenite", &["client", "gateway"]),
];

/// Checks every crate's dependencies.
pub(crate) fn check(root: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, manifest) in manifests(root) {
        let Ok(table) = manifest.parse::<toml::Table>() else {
            findings.push(format!("crates/openclaw-{name}/Cargo.toml: not TOML"));
            continue;
        };
        if table.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool) != Some(true) {
            findings.push(format!("crates/openclaw-{name}/Cargo.toml: must say lints.workspace = true"));
        }
        let dependencies = table.get("dependencies").and_then(toml::Value::as_table);
        for dependency in dependencies.into_iter().flat_map(|table| table.keys()) {
            findings.extend(judge(&name, dependency));
        }
    }
    findings
}

fn judge(name: &str, dependency: &str) -> Option<String> {
    if let Some(ours) = dependency.strip_prefix("openclaw-") {
        let allowed = ALLOWED.iter().find(|(own, _)| *own == name).map_or(&["domain"][..], |(_, allowed)| allowed);
        let fits = allowed.contains(&ours);
        return (!fits)
            .then(|| format!("openclaw-{name} must not depend on openclaw-{ours}: only app knows the leaves"));
    }
    if name == "domain" && !DOMAIN_DEPENDENCIES.contains(&dependency) {
        return Some(format!("openclaw-domain must not depend on {dependency}: it is free of IO and cheap to build"));
    }
    let (_, homes) = HOMES.iter().find(|(third_party, _)| *third_party == dependency)?;
    let fits = homes.contains(&name) || name == "testkit";
    (!fits).then(|| format!("openclaw-{name} must not depend on {dependency}: it lives in {}", homes.join(", ")))
}

fn manifests(root: &Path) -> BTreeMap<String, String> {
    let crates = sources::crates(root).into_iter();
    crates.filter_map(|(name, path)| Some((name, std::fs::read_to_string(path.join("Cargo.toml")).ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn a_leaf_may_use_domain_and_no_other_leaf() {
        assert_eq!(judge("llm", "openclaw-domain"), None);
        assert!(judge("llm", "openclaw-sandbox").is_some());
        assert!(judge("cli", "openclaw-domain").is_some());
        assert_eq!(judge("app", "openclaw-llm"), None);
    }

    #[test]
    fn heavy_crates_stay_at_home() {
        assert_eq!(judge("store", "rusqlite"), None);
        assert!(judge("agent", "rusqlite").is_some());
        assert!(judge("domain", "tokio").is_some());
    }
}
